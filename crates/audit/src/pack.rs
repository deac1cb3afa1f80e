//! An entry as it waits: small, owned, without allocations of its own.
//!
//! Numbers stand little-endian, texts behind their length in two bytes.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use ketch_api::ports::{Entry, Fact, How, Part};

use crate::limits::{ENTRY_TEXT_BYTES_MAX, WORDS_BYTES_MAX};

/// Bytes of an entry that is cut everywhere, at most: what must be free before one is packed.
pub(crate) const PACKED_BYTES_MAX: usize =
    128 + 3 * WORDS_BYTES_MAX + ENTRY_TEXT_BYTES_MAX + 16 * ketch_api::limits::AUDIT_FACTS_MAX;

/// Room for most entries.
const USUAL_BYTES: usize = 256;

pub(crate) const HAS_USER: u8 = 1;
pub(crate) const HAS_NAME: u8 = 2;
pub(crate) const IS_CUT: u8 = 4;
pub(crate) const HOW_SHIFT: u32 = 4;

/// What a fact begins with.
pub(crate) mod tag {
    pub(crate) const RANGE: u8 = 0;
    pub(crate) const LEASE: u8 = 1;
    pub(crate) const USER: u8 = 2;
    pub(crate) const ROLE: u8 = 3;
    pub(crate) const MEMBER: u8 = 4;
    pub(crate) const URL: u8 = 5;
    pub(crate) const REVISION: u8 = 6;
    pub(crate) const ACTION: u8 = 7;
    pub(crate) const ALARM: u8 = 8;
    pub(crate) const VERSION: u8 = 9;
    pub(crate) const END: u8 = 255;
}

/// Appends an entry. Times count from `epoch`.
pub(crate) fn pack(out: &mut Vec<u8>, entry: &Entry<'_>, epoch: Instant) {
    let began = entry.began.saturating_duration_since(epoch).as_micros() as u64;
    let took = entry.took.as_micros() as u64;
    let name = entry.origin.name.as_ref().map(|name| &*name.0);
    let flags_at = out.len() + 18;
    let mut flags = how(entry.how) << HOW_SHIFT;
    flags |= if entry.user.is_some() { HAS_USER } else { 0 };
    flags |= if name.is_some() { HAS_NAME } else { 0 };
    flags |= if entry.about.is_cut() { IS_CUT } else { 0 };
    out.reserve(USUAL_BYTES);
    out.extend_from_slice(&began.to_le_bytes());
    out.extend_from_slice(&took.to_le_bytes());
    out.extend_from_slice(&[entry.method.index() as u8, entry.status, flags]);
    pack_remote(out, entry.origin.remote);
    pack_part(out, entry.part);
    for words in [entry.user, name, Some(entry.text)].into_iter().flatten() {
        pack_cut(out, words.as_bytes(), WORDS_BYTES_MAX);
    }
    let mut left = ENTRY_TEXT_BYTES_MAX;
    // What is behind a text that was cut would be cut to nothing.
    let is_whole = entry.about.facts().all(|fact| pack_fact(out, fact, &mut left));
    out.push(tag::END);
    if !is_whole {
        out[flags_at] |= IS_CUT;
    }
}

fn how(how: How) -> u8 {
    match how {
        How::Nothing => 0,
        How::Token => 1,
        How::Certificate => 2,
    }
}

fn pack_remote(out: &mut Vec<u8>, remote: Option<SocketAddr>) {
    match remote.map(|remote| (remote.ip(), remote.port())) {
        None => out.push(0),
        Some((IpAddr::V4(ip), port)) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
            out.extend_from_slice(&port.to_le_bytes());
        }
        Some((IpAddr::V6(ip), port)) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
            out.extend_from_slice(&port.to_le_bytes());
        }
    }
}

fn pack_part(out: &mut Vec<u8>, part: Part) {
    let (kind, id) = match part {
        Part::Call => return out.push(0),
        Part::WatchCreated(id) => (1, id),
        Part::WatchCanceled(id) => (2, id),
    };
    out.push(kind);
    out.extend_from_slice(&id.to_le_bytes());
}

/// Whether it was packed whole.
fn pack_fact(out: &mut Vec<u8>, fact: &Fact, left: &mut usize) -> bool {
    let (kind, text) = match fact {
        Fact::Range { op, key, end, lease } => {
            out.extend_from_slice(&[tag::RANGE, *op as u8]);
            out.extend_from_slice(&lease.to_le_bytes());
            return pack_text(out, key, left) & pack_text(out, end, left);
        }
        Fact::Lease(id) => return pack_number(out, tag::LEASE, *id as u64),
        Fact::Member(id) => return pack_number(out, tag::MEMBER, *id),
        Fact::Revision(revision) => return pack_number(out, tag::REVISION, *revision as u64),
        Fact::User(name) => (tag::USER, name.as_str()),
        Fact::Role(name) => (tag::ROLE, name.as_str()),
        Fact::Url(url) => (tag::URL, url.as_str()),
        Fact::Version(version) => (tag::VERSION, version.as_str()),
        Fact::Action(action) => (tag::ACTION, *action),
        Fact::Alarm(alarm) => (tag::ALARM, *alarm),
    };
    out.push(kind);
    pack_text(out, text.as_bytes(), left)
}

fn pack_number(out: &mut Vec<u8>, kind: u8, number: u64) -> bool {
    out.push(kind);
    out.extend_from_slice(&number.to_le_bytes());
    true
}

/// Takes from what is left of the entry's texts; whether that was enough.
fn pack_text(out: &mut Vec<u8>, text: &[u8], left: &mut usize) -> bool {
    let kept = pack_cut(out, text, *left);
    *left -= kept;
    kept == text.len()
}

/// Packs as much as `room` allows, and says how much that was.
fn pack_cut(out: &mut Vec<u8>, text: &[u8], room: usize) -> usize {
    let whole = text.len().min(room).min(usize::from(u16::MAX));
    // Not within a character: what was text is to be text still.
    let is_within = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let length = (0..4).filter_map(|back| whole.checked_sub(back)).find(|at| !is_within(*at));
    let length = length.unwrap_or(whole);
    out.extend_from_slice(&(length as u16).to_le_bytes());
    out.extend_from_slice(&text[..length]);
    length
}
