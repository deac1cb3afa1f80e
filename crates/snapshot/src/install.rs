//! Rows out of a file, for whoever installs them elsewhere.

use bytes::Bytes;

use crate::bolt::{Error, File, Value};

/// Why the rows of a file could not all be handed over.
#[derive(Debug, thiserror::Error)]
pub enum InstallError<E> {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] Error),
    /// The receiver refused.
    #[error("{0}")]
    Receiver(E),
}

/// Hands every row of every bucket to `receive` as (bucket, key, value): buckets in name order,
/// rows in key order.
///
/// # Errors
/// Damage to the file (a bucket within a bucket is such damage: etcd has none), and whatever the
/// receiver says; the rows before it have been handed over.
pub fn read_out<E>(
    file: &File,
    mut receive: impl FnMut(&Bytes, Bytes, Bytes) -> Result<(), E>,
) -> Result<(), InstallError<E>> {
    for item in file.buckets() {
        let (name, bucket) = item?;
        for row in bucket.walk() {
            match row? {
                (key, Value::Bytes(value)) => {
                    receive(&name, key, value).map_err(InstallError::Receiver)?;
                }
                (_, Value::Bucket(_)) => {
                    let what = format!("bucket {name:?} holds a bucket");
                    return Err(Error::corrupt(file.path(), 0, what).into());
                }
            }
        }
    }
    Ok(())
}
