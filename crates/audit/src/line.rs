//! From entries to lines.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ketch_api::Method;
use ketch_api::ports::{Entry, Fact, How, Op, Part};
use ketch_base::GrpcCode;

use crate::json;
use crate::limits::{ENTRY_TEXT_BYTES_MAX, WORDS_BYTES_MAX};

/// By `ketch_api::ports::Op`; what the RPC says is not said again.
const OPS: [&str; 8] = ["", "range", "put", "delete", "compare", "read", "write", "readwrite"];

/// What nobody has in a line.
const NOBODY: &str = ",\"user\":null,\"how\":\"none\"";
/// The beginning of a line, up to the end of its time.
const STAMP: &[u8; 37] = b"{\"time\":\"1970-01-01T00:00:00.000000Z\"";
/// Where the date, and where the digits of a second begin in it.
const DATE_AT: usize = 9;
const FRACTION_AT: usize = DATE_AT + "1970-01-01T00:00:00.".len();
/// Addresses remembered as text; a power of two.
const REMOTES: usize = 256;
/// How most calls end.
const OK: &[u8] = b",\"code\":\"OK\",\"took_us\":";

/// What every line of a method has: `,"rpc":"/package.Service/Method"` by number, alone and with
/// what follows where nobody was judged.
pub(crate) struct Methods(Vec<[String; 2]>);

/// Makes lines; remembers what many of them share.
pub(crate) struct Lines {
    methods: Arc<Methods>,
    /// The moment from which entries count their time.
    epoch: Instant,
    /// Its wall time, in microseconds, by the clock of now.
    epoch_us: u64,
    /// The second whose text is in `stamp`.
    second: u64,
    stamp: [u8; STAMP.len()],
    /// Addresses met lately, and as they are written.
    remotes: Vec<(SocketAddr, Vec<u8>)>,
}

impl Methods {
    pub(crate) fn new() -> Self {
        let named = |method: &Method| {
            let alone = format!(",\"rpc\":\"/{}/{}\"", method.service(), method.name());
            let of_nobody = format!("{alone}{NOBODY}");
            [alone, of_nobody]
        };
        Self(Method::ALL.iter().map(named).collect())
    }
}

impl Lines {
    /// Of entries whose time counts from `epoch`, which was at `wall`.
    pub(crate) fn new(methods: Arc<Methods>, epoch: Instant, wall: SystemTime) -> Self {
        let unknown = (SocketAddr::from(([0, 0, 0, 0], 0)), Vec::new());
        let remotes = vec![unknown; REMOTES];
        let mut lines = Self { methods, epoch, epoch_us: 0, second: 0, stamp: *STAMP, remotes };
        lines.set_epoch(wall);
        lines
    }

    /// What wall time the entries' epoch has by the clock of now.
    pub(crate) fn set_epoch(&mut self, wall: SystemTime) {
        self.epoch_us = micros(wall.duration_since(UNIX_EPOCH).unwrap_or_default());
    }

    /// Appends the line of an entry.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, entry: &Entry<'_>) {
        let since = entry.began.saturating_duration_since(self.epoch);
        self.begin(out, self.epoch_us.wrapping_add(micros(since)));
        let named = &self.methods.0[entry.method as usize];
        let name = entry.origin.name.as_ref();
        // Most lines: no part of a stream, and nobody judged.
        if entry.user.is_none()
            && name.is_none()
            && (entry.part, entry.how) == (Part::Call, How::Nothing)
        {
            out.extend_from_slice(named[1].as_bytes());
        } else {
            out.extend_from_slice(named[0].as_bytes());
            part(out, entry.part);
            who(out, entry, name.map(|name| &*name.0));
        }
        self.remote(out, entry.origin.remote);
        if facts(out, entry) {
            out.extend_from_slice(b",\"truncated\":true");
        }
        if entry.status == 0 && entry.text.is_empty() {
            out.extend_from_slice(OK);
        } else {
            end(out, entry);
        }
        json::number(out, micros(entry.took));
        out.extend_from_slice(b"}\n");
    }

    /// Appends a line that tells how many entries were lost.
    pub(crate) fn append_dropped(&mut self, out: &mut Vec<u8>, dropped: u64) {
        self.begin_now(out);
        json::key(out, "dropped");
        json::number(out, dropped);
        out.extend_from_slice(b"}\n");
    }

    /// Appends the line at the beginning of a file.
    pub(crate) fn append_opened(&mut self, out: &mut Vec<u8>, member: u64, cluster: u64) {
        self.begin_now(out);
        out.extend_from_slice(b",\"opened\":true");
        json::key(out, "member");
        json::identifier(out, member);
        json::key(out, "cluster");
        json::identifier(out, cluster);
        out.extend_from_slice(b"}\n");
    }

    fn begin_now(&mut self, out: &mut Vec<u8>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.begin(out, micros(now));
    }

    fn begin(&mut self, out: &mut Vec<u8>, at_us: u64) {
        let second = at_us / 1_000_000;
        if second != self.second {
            self.stamp_of(second);
        }
        let fraction = (at_us % 1_000_000) as u32;
        let pairs = [fraction / 10_000, fraction / 100 % 100, fraction % 100];
        for (digits, pair) in self.stamp[FRACTION_AT..].chunks_exact_mut(2).zip(pairs) {
            digits.copy_from_slice(&json::pair(pair as u8));
        }
        out.extend_from_slice(&self.stamp);
    }

    /// Appends an address, which is made text only once in a while.
    fn remote(&mut self, out: &mut Vec<u8>, remote: Option<SocketAddr>) {
        let Some(remote) = remote else {
            return out.extend_from_slice(b",\"remote\":null");
        };
        // Those of many connections differ in the port.
        let (known, text) = &mut self.remotes[usize::from(remote.port()) % REMOTES];
        if text.is_empty() || *known != remote {
            *known = remote;
            text.clear();
            json::key(text, "remote");
            // Writing to a vector cannot fail.
            let _ = match remote {
                SocketAddr::V4(remote) => write!(text, "\"{remote}\""),
                SocketAddr::V6(remote) => write!(text, "\"[{}]:{}\"", remote.ip(), remote.port()),
            };
        }
        out.extend_from_slice(text);
    }

    #[cold]
    fn stamp_of(&mut self, second: u64) {
        self.second = second;
        // What such clocks say beyond the year 9999 is not told.
        let at = UNIX_EPOCH + Duration::from_secs(second.min(253_402_300_799));
        let text = humantime::format_rfc3339_seconds(at).to_string();
        let digits = text.trim_end_matches('Z').bytes();
        self.stamp[DATE_AT..FRACTION_AT].iter_mut().zip(digits).for_each(|(at, byte)| *at = byte);
    }
}

/// Whole microseconds; more than there will be are cut.
fn micros(duration: Duration) -> u64 {
    duration.as_secs().wrapping_mul(1_000_000).wrapping_add(duration.subsec_micros().into())
}

#[cold]
fn part(out: &mut Vec<u8>, part: Part) {
    let (event, id) = match part {
        Part::Call => return,
        Part::WatchCreated(id) => ("create", id),
        Part::WatchCanceled(id) => ("cancel", id),
    };
    json::field(out, "event", event);
    json::key(out, "watch_id");
    json::signed(out, id);
}

fn who(out: &mut Vec<u8>, entry: &Entry<'_>, name: Option<&str>) {
    match entry.user {
        None => out.extend_from_slice(b",\"user\":null"),
        Some(user) => json::field(out, "user", head(user, WORDS_BYTES_MAX)),
    }
    let how = match entry.how {
        How::Nothing => "none",
        How::Token => "token",
        How::Certificate => "certificate",
    };
    json::field(out, "how", how);
    if let Some(name) = name {
        json::field(out, "certificate", head(name, WORDS_BYTES_MAX));
    }
}

fn end(out: &mut Vec<u8>, entry: &Entry<'_>) {
    let code = GrpcCode::NAMES.get(usize::from(entry.status)).unwrap_or(&"Unknown");
    json::field(out, "code", code);
    if !entry.text.is_empty() {
        json::field(out, "message", head(entry.text, WORDS_BYTES_MAX));
    }
    json::key(out, "took_us");
}

/// Keys and URLs become lists; they stand together in an entry. Says whether something was cut.
fn facts(out: &mut Vec<u8>, entry: &Entry<'_>) -> bool {
    let (mut left, mut list, mut is_whole) = (ENTRY_TEXT_BYTES_MAX, "", true);
    for fact in entry.about.facts() {
        let name = match fact {
            Fact::Range { .. } => "ranges",
            Fact::Url(_) => "urls",
            _ => "",
        };
        if name == list && !name.is_empty() {
            out.push(b',');
        } else {
            if !list.is_empty() {
                out.push(b']');
            }
            if !name.is_empty() {
                json::key(out, name);
                out.push(b'[');
            }
            list = name;
        }
        is_whole = match fact {
            Fact::Range { op, key, end, lease } => range(out, *op, [key, end], *lease, &mut left),
            Fact::Url(url) => {
                let text = cut(url, &mut left);
                json::quoted(out, text);
                text.len() == url.len()
            }
            _ => single(out, fact, &mut left),
        };
        // What is behind a text that was cut would be cut to nothing.
        if !is_whole {
            break;
        }
    }
    if !list.is_empty() {
        out.push(b']');
    }
    !is_whole || entry.about.is_cut()
}

/// Whether it is there whole.
fn range(out: &mut Vec<u8>, op: Op, [key, end]: [&[u8]; 2], lease: i64, left: &mut usize) -> bool {
    let (kept_key, kept_end) = (cut_bytes(key, left), cut_bytes(end, left));
    out.push(b'{');
    let name = OPS[op as usize];
    if !name.is_empty() {
        out.extend_from_slice(b"\"op\":\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\",");
    }
    json::bytes_field(out, "key", kept_key);
    if !kept_end.is_empty() {
        out.push(b',');
        json::bytes_field(out, "end", kept_end);
    }
    if lease != 0 {
        json::key(out, "lease");
        json::identifier(out, lease as u64);
    }
    out.push(b'}');
    (kept_key.len(), kept_end.len()) == (key.len(), end.len())
}

/// Whether it is there whole.
fn single(out: &mut Vec<u8>, fact: &Fact, left: &mut usize) -> bool {
    let (name, text) = match fact {
        Fact::Lease(id) => return identified(out, "lease", *id as u64),
        Fact::Member(id) => return identified(out, "member", *id),
        Fact::Revision(revision) => {
            json::key(out, "revision");
            json::signed(out, *revision);
            return true;
        }
        Fact::User(name) => ("for_user", name.as_str()),
        Fact::Role(name) => ("for_role", name.as_str()),
        Fact::Version(version) => ("version", version.as_str()),
        Fact::Action(action) => ("action", *action),
        Fact::Alarm(alarm) => ("alarm", *alarm),
        // These stand in lists.
        Fact::Url(_) | Fact::Range { .. } => return true,
    };
    let kept = cut(text, left);
    json::field(out, name, kept);
    kept.len() == text.len()
}

fn identified(out: &mut Vec<u8>, name: &str, id: u64) -> bool {
    json::key(out, name);
    json::identifier(out, id);
    true
}

/// As much of a text as is left of the entry's.
fn cut<'a>(text: &'a str, left: &mut usize) -> &'a str {
    let kept = head(text, *left);
    *left -= kept.len();
    kept
}

/// The beginning of a text.
fn head(text: &str, room: usize) -> &str {
    &text[..text.floor_char_boundary(room)]
}

/// As [`cut`]; what was text is text still.
fn cut_bytes<'a>(bytes: &'a [u8], left: &mut usize) -> &'a [u8] {
    let whole = bytes.len().min(*left);
    let is_within = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let length = (0..4).filter_map(|back| whole.checked_sub(back)).find(|at| !is_within(*at));
    let length = length.unwrap_or(whole);
    *left -= length;
    &bytes[..length]
}

#[cfg(test)]
mod tests;
