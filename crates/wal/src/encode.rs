//! Records into frames, with the checksum chained on.

use ketch_raft_proto::{raftpb, walpb};
use prost::Message;
use prost::encoding::encode_varint;

use crate::frame::Frame;
use crate::item::{CRC, ENTRY, METADATA, Metadata, SNAPSHOT, STATE};

const TYPE_TAG: u8 = 0x08;
const CRC_TAG: u8 = 0x10;
const DATA_TAG: u8 = 0x1a;

/// Appends frames to a buffer.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// The running checksum.
    pub(crate) crc: u32,
    head: Vec<u8>,
    data: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(crc: u32) -> Self {
        Self { crc, ..Self::default() }
    }

    pub(crate) fn entry(&mut self, out: &mut Vec<u8>, entry: &raftpb::Entry) {
        self.record(out, ENTRY, |data| entry.encode_raw(data));
    }

    pub(crate) fn state(&mut self, out: &mut Vec<u8>, state: &raftpb::HardState) {
        self.record(out, STATE, |data| state.encode_raw(data));
    }

    pub(crate) fn metadata(&mut self, out: &mut Vec<u8>, metadata: Metadata) {
        self.record(out, METADATA, |data| metadata.encode(data));
    }

    pub(crate) fn snapshot(&mut self, out: &mut Vec<u8>, snapshot: &walpb::Snapshot) {
        self.record(out, SNAPSHOT, |data| snapshot.encode_raw(data));
    }

    /// The record that opens a segment: no data, the checksum as it stands.
    pub(crate) fn crc(&mut self, out: &mut Vec<u8>) {
        self.head(CRC);
        self.frame(out);
    }

    #[cfg(test)]
    pub(crate) fn raw(&mut self, out: &mut Vec<u8>, kind: i64, data: &[u8]) {
        self.record(out, kind, |buffer| buffer.extend_from_slice(data));
    }

    fn record(&mut self, out: &mut Vec<u8>, kind: i64, encode: impl FnOnce(&mut Vec<u8>)) {
        self.data.clear();
        encode(&mut self.data);
        self.crc = crc32c::crc32c_append(self.crc, &self.data);
        self.head(kind);
        self.head.push(DATA_TAG);
        encode_varint(self.data.len() as u64, &mut self.head);
        self.frame(out);
    }

    fn head(&mut self, kind: i64) {
        self.head.clear();
        self.head.push(TYPE_TAG);
        encode_varint(kind.unsigned_abs(), &mut self.head);
        self.head.push(CRC_TAG);
        encode_varint(u64::from(self.crc), &mut self.head);
        if kind == CRC {
            self.data.clear();
        }
    }

    fn frame(&self, out: &mut Vec<u8>) {
        let frame = Frame::new((self.head.len() + self.data.len()) as u64);
        out.extend_from_slice(&frame.encode().to_le_bytes());
        out.extend_from_slice(&self.head);
        out.extend_from_slice(&self.data);
        out.resize(out.len().next_multiple_of(8), 0);
    }
}

#[cfg(test)]
mod tests {
    use ketch_base::{ClusterId, MemberId};

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_head_of_a_log_matches_the_vector_of_etcd() {
        let mut encoder = Encoder::default();
        let mut out = Vec::new();
        encoder.crc(&mut out);
        let metadata = Metadata {
            member: MemberId(0x926e_cc1f_7836_6a58),
            cluster: ClusterId(9_878_925_065_471_870_057),
        };
        encoder.metadata(&mut out, metadata);
        let start = walpb::Snapshot { index: Some(0), term: Some(0), conf_state: None };
        encoder.snapshot(&mut out, &start);
        let expected = [
            "0400000000000084",
            "0804100000000000",
            "2000000000000000",
            "080110fba5d6c80f1a1608d8d4d9c1f783b3b7920110e9889dd199c0bf8c8901",
            "0e00000000000082",
            "080510c6c8f3f8081a04080010000000",
        ];
        assert_eq!(hex(&out), expected.concat());
    }
}
