//! The log on a simulated disk.

mod crash;
mod flips;
mod foreign;
mod garbage;
mod layout;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ketch_base::{ClusterId, Index, MemberId};
use ketch_env::Disk;
use ketch_env::sim::SimDisk;
use ketch_raft_proto::raftpb::{Entry, HardState};

use crate::{Config, Error, Metadata, Reader, Recovered, Room, Writer};

const DIR: &str = "/member/wal";
const SMALL: Config = Config { segment_bytes: 16 * 1024, room: Room::Zeroed };
const METADATA: Metadata = Metadata { member: MemberId(7), cluster: ClusterId(9) };

fn dir() -> &'static Path {
    Path::new(DIR)
}

fn shared(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn create(disk: &SimDisk) -> Result<Writer, Error> {
    let parent = Path::new("/member");
    disk.create_dir_all(parent).map_err(Error::io(parent))?;
    Writer::create(shared(disk), dir(), METADATA, SMALL)
}

fn recover(disk: &SimDisk, from: u64) -> Result<(Recovered, Writer), Error> {
    Reader::open(shared(disk), dir(), Index(from))?.recover(SMALL)
}

fn entry(index: u64, data: impl Into<Bytes>) -> Entry {
    let data = Some(data.into());
    Entry { term: Some(1), index: Some(index), r#type: None, data }
}

fn state(commit: u64) -> HardState {
    HardState { term: Some(1), vote: Some(7), commit: Some(commit) }
}

fn indexes(recovered: &Recovered) -> Vec<u64> {
    recovered.entries.iter().map(Entry::index).collect()
}
