//! Signed tokens with keys that follow their files: others take over when the files change, and
//! files that are of no use change nothing.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use super::TokensError;
use super::jwt::Jwt;

/// What a key file looked like: inode, bytes, seconds and nanoseconds of the last change.
type Stamp = (u64, u64, i64, i64);

/// The keys in service and where they come from.
pub(crate) struct Signed {
    options: Vec<(String, String)>,
    current: ArcSwap<Jwt>,
    /// How the files looked when they were tried last.
    tried: Mutex<Vec<Option<Stamp>>>,
}

impl Signed {
    /// # Errors
    /// Options that cannot stand, and files that are missing or wrong.
    pub(super) fn open(options: &[(&str, &str)]) -> Result<Self, TokensError> {
        let options: Vec<_> =
            options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let tried = Mutex::new(stamps(&options));
        let current = ArcSwap::from_pointee(read(&options)?);
        Ok(Self { options, current, tried })
    }

    /// The keys of this moment.
    pub(super) fn keys(&self) -> Guard<Arc<Jwt>> {
        self.current.load()
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// The keys in service stay.
    pub(super) fn reload(&self) -> Result<(), TokensError> {
        let mut tried = self.tried.lock();
        *tried = stamps(&self.options);
        self.current.store(Arc::new(read(&self.options)?));
        Ok(())
    }

    /// Whether a file is another than when they were tried last.
    pub(super) fn has_changed(&self) -> bool {
        *self.tried.lock() != stamps(&self.options)
    }
}

fn read(options: &[(String, String)]) -> Result<Jwt, TokensError> {
    let options: Vec<_> =
        options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Jwt::open(&options)
}

fn stamps(options: &[(String, String)]) -> Vec<Option<Stamp>> {
    let paths = options.iter().filter(|(name, _)| name == "pub-key" || name == "priv-key");
    paths
        .map(|(_, path)| {
            let seen = std::fs::metadata(path).ok()?;
            Some((seen.ino(), seen.len(), seen.mtime(), seen.mtime_nsec()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write("the first secret");
        let name = path.display().to_string();
        let signed = Signed::open(&[("sign-method", "HS256"), ("priv-key", &name)]).unwrap();
        let first = signed.keys().sign("ann", 3).unwrap();
        let is_known = |token: &str| signed.keys().verify(token).is_some();
        assert!(is_known(&first) && !signed.has_changed());
        write("a second, longer one");
        assert!(signed.has_changed());
        signed.reload().unwrap();
        let second = signed.keys().sign("ann", 3).unwrap();
        assert!(is_known(&second) && !is_known(&first) && !signed.has_changed());
        write("");
        assert!(signed.reload().is_err());
        assert!(is_known(&second) && !signed.has_changed());
        std::fs::remove_file(&path).unwrap();
        assert!(signed.has_changed() && signed.reload().is_err() && is_known(&second));
    }
}
