//! The write-ahead log in etcd's segment format: etcd's tools read ours, we read etcd's.
//!
//! A directory of segments `SEQ-INDEX.wal`; a segment is a row of frames; a frame is a length and
//! a record; a record carries the running CRC-32C of all record data before and in it.
//!
//! ```text
//! segment   crc  metadata  state?  (entry* state?)*  0 0 0 0 ..          64,000,000 bytes
//! frame     length (u64 LE)          | walpb.Record { type, crc, data } | zeroes
//!           bits 0..55 record bytes                                       up to a multiple of 8
//!           top byte 0, or 0x80 | padding
//! ```
//!
//! # Room
//!
//! A segment's blocks are made ready ahead of use by [`Preparer`], on another thread, so that a
//! cut does not stall. The unused part must read as zeroes: a zero length is the end of the log,
//! and an all-zero sector is how a torn write is known. There are two ways, see [`Room`]:
//!
//! - Zeroes, by the device where it can (nothing is sent then), else written. A sync carries data
//!   and nothing else, but all bytes are written twice.
//! - Reserved blocks. A sync also records which blocks became used.
//!
//! ```text
//! ext4, puts of 272 user bytes   zeroed                        reserved
//! 1 a sync (0.4 KB)              122 us                        110 us
//! 32 a sync (11 KB)              129 us, 3.3 bytes a user byte 201 us, 2.5 bytes a user byte
//! 256 a sync (87 KB)             195 us, 2.9 bytes a user byte 284 us, 1.4 bytes a user byte
//! ```
//!
//! The default zeroes until writes are large, and goes by the segment before.
//!
//! Segments given up are removed, not reused: a reused one would have to be zeroed as well, or an
//! old record could pass for a new one, and reserving it again is what a new file costs too.
//!
//! # What is repaired and what is refused
//!
//! A crash may leave any 512-byte sector of the last, unsynced write unwritten, that is zero. So a
//! record that fails in the last segment is a torn tail if a sector of it is zero and nothing
//! behind it shows a later write; the segment is copied to `NAME.broken` and cut there. Everything
//! else is damage, refused with segment and offset: nothing that was once synced is ever dropped.
//! This is stricter than etcd, which takes any zero sector and any overlong length for torn.
//!
//! Invariant: knows nothing of what entries mean, of terms or votes, or of time.
//! Invariant: [`Writer::sync`] returned means every record saved before is read back after a crash.
//! Invariant: after one failed write or sync a [`Writer`] refuses everything: what the disk holds
//! is then only known by reading it again.
//! Invariant: no input makes the reader panic or allocate more than the file's own size.
//!
//! ```
//! # use ketch_env::{Disk, sim::SimDisk};
//! use ketch_base::{ClusterId, Index, MemberId};
//! use ketch_raft_proto::raftpb::{Entry, HardState};
//! use ketch_wal::{Config, Metadata, Reader, Writer};
//! # use std::{path::Path, sync::Arc};
//! # let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
//! # disk.create_dir_all(Path::new("/member"))?;
//! let dir = Path::new("/member/wal");
//! let metadata = Metadata { member: MemberId(1), cluster: ClusterId(2) };
//! let mut writer = Writer::create(Arc::clone(&disk), dir, metadata, Config::default())?;
//! let entry = Entry { term: Some(1), index: Some(1), data: Some("put".into()), ..Default::default() };
//! writer.save([&entry], Some(&HardState { term: Some(1), vote: Some(1), commit: Some(0) }))?;
//! writer.sync()?;
//! drop(writer);
//!
//! let (recovered, _writer) = Reader::open(disk, dir, Index(0))?.recover(Config::default())?;
//! assert_eq!(recovered.metadata, metadata);
//! assert_eq!(recovered.entries, [entry]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod branch;
mod encode;
mod error;
mod frame;
mod item;
mod judge;
mod prepare;
mod reader;
mod recover;
mod scan;
mod segment;
mod step;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{Damage, Error, Fault};
pub use item::{Item, Metadata};
pub use prepare::Preparer;
pub use reader::{Reader, decode};
pub use recover::Recovered;
pub use writer::{Config, Room, Stats, Writer};
