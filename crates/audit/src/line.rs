//! From packed entries to lines.

use std::io::Write;
use std::net::Ipv6Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ketch_api::Method;
use ketch_base::GrpcCode;

use crate::json;
use crate::pack::{HAS_NAME, HAS_USER, HOW_SHIFT, IS_CUT, tag};

/// By `ketch_api::ports::How`.
const HOWS: [&str; 3] = ["none", "token", "certificate"];

/// By `ketch_api::ports::Op`; what the RPC says is not said again.
const OPS: [&str; 8] = ["", "range", "put", "delete", "compare", "read", "write", "readwrite"];

/// Room for most lines.
const USUAL_BYTES: usize = 512;

/// Makes lines; remembers what many of them share.
pub(crate) struct Lines {
    /// The wall time of the moment from which entries count.
    epoch: SystemTime,
    /// The second whose text is in `stamp`.
    second: u64,
    /// The beginning of a line, up to the end of its time; the last digits are put in.
    stamp: Vec<u8>,
    /// `,"rpc":"/package.Service/Method"` by number.
    methods: Vec<String>,
    /// As `methods`, with what follows where nobody was judged.
    methods_of_nobody: Vec<String>,
    /// Addresses met lately, packed and as they are written.
    remotes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Addresses remembered as text; a power of two.
const REMOTES: usize = 256;
/// What nobody has in a line.
const NOBODY: &str = ",\"user\":null,\"how\":\"none\"";
/// Where the digits of a second end in a line's beginning.
const FRACTION_AT: usize = "{\"time\":\"2026-05-03T03:09:37.".len();

impl Lines {
    pub(crate) fn new(epoch: SystemTime) -> Self {
        let named =
            |method: &Method| format!(",\"rpc\":\"/{}/{}\"", method.service(), method.name());
        let methods: Vec<String> = Method::ALL.iter().map(named).collect();
        let methods_of_nobody = methods.iter().map(|named| format!("{named}{NOBODY}")).collect();
        let remotes = vec![Default::default(); REMOTES];
        let stamp = Vec::new();
        let mut lines = Self { epoch, second: 0, stamp, methods, methods_of_nobody, remotes };
        lines.stamp_of(0);
        lines
    }

    /// What wall time the entries' epoch has by the clock of now.
    pub(crate) fn set_epoch(&mut self, epoch: SystemTime) {
        self.epoch = epoch;
    }

    /// Appends the line of the first entry and takes it from `packed`; `None` at the end.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, packed: &mut &[u8]) -> Option<()> {
        let began = self.epoch + Duration::from_micros(u64_of(packed)?);
        let took = u64_of(packed)?;
        let [method, status, flags] = *take::<3>(packed)?;
        out.reserve(USUAL_BYTES);
        self.begin(out, began);
        let remote_bytes = match split(packed, 1)?[0] {
            4 => 6,
            6 => 18,
            _ => 0,
        };
        let remote = split(packed, remote_bytes)?;
        // Most lines: no part of a stream, and nobody judged.
        if flags & !IS_CUT == 0 && packed.first() == Some(&0) {
            split(packed, 1)?;
            out.extend_from_slice(self.methods_of_nobody.get(usize::from(method))?.as_bytes());
        } else {
            out.extend_from_slice(self.methods.get(usize::from(method))?.as_bytes());
            part(out, packed)?;
            who(out, packed, flags)?;
        }
        self.remote(out, remote);
        let text = text_of(packed)?;
        facts(out, packed)?;
        if flags & IS_CUT != 0 {
            out.extend_from_slice(b",\"truncated\":true");
        }
        if status == 0 {
            out.extend_from_slice(b",\"code\":\"OK\"");
        } else {
            json::field(
                out,
                "code",
                GrpcCode::NAMES.get(usize::from(status)).unwrap_or(&"Unknown"),
            );
        }
        if !text.is_empty() {
            json::field(out, "message", &String::from_utf8_lossy(text));
        }
        json::key(out, "took_us");
        json::number(out, took);
        out.extend_from_slice(b"}\n");
        Some(())
    }

    /// Appends a line that tells how many entries were lost.
    pub(crate) fn append_dropped(&mut self, out: &mut Vec<u8>, dropped: u64) {
        self.begin(out, SystemTime::now());
        json::key(out, "dropped");
        json::number(out, dropped);
        out.extend_from_slice(b"}\n");
    }

    /// Appends the line at the beginning of a file.
    pub(crate) fn append_opened(&mut self, out: &mut Vec<u8>, member: u64, cluster: u64) {
        self.begin(out, SystemTime::now());
        out.extend_from_slice(b",\"opened\":true");
        json::key(out, "member");
        json::identifier(out, member);
        json::key(out, "cluster");
        json::identifier(out, cluster);
        out.extend_from_slice(b"}\n");
    }

    fn begin(&mut self, out: &mut Vec<u8>, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second {
            self.stamp_of(since.as_secs());
        }
        let mut micros = since.subsec_micros();
        for digit in self.stamp.iter_mut().skip(FRACTION_AT).take(6).rev() {
            *digit = b'0' + (micros % 10) as u8;
            micros /= 10;
        }
        out.extend_from_slice(&self.stamp);
    }

    /// Appends an address, which is made text only once in a while.
    fn remote(&mut self, out: &mut Vec<u8>, packed: &[u8]) {
        // Those of many connections differ in the last bytes: the port.
        let low = packed.iter().rev().take(2).fold(0, |sum, byte| 31 * sum + usize::from(*byte));
        let (known, text) = &mut self.remotes[low % REMOTES];
        if known.is_empty() || known != packed {
            *known = packed.to_vec();
            text.clear();
            address(text, packed);
        }
        out.extend_from_slice(text);
    }

    fn stamp_of(&mut self, second: u64) {
        self.second = second;
        let at = UNIX_EPOCH + Duration::from_secs(second);
        let text = humantime::format_rfc3339_seconds(at).to_string();
        let text = text.trim_end_matches('Z');
        self.stamp = format!("{{\"time\":\"{text}.000000Z\"").into_bytes();
    }
}

fn part(out: &mut Vec<u8>, packed: &mut &[u8]) -> Option<()> {
    let event = match split(packed, 1)?[0] {
        0 => return Some(()),
        1 => "create",
        _ => "cancel",
    };
    json::field(out, "event", event);
    json::key(out, "watch_id");
    json::signed(out, u64_of(packed)? as i64);
    Some(())
}

fn who(out: &mut Vec<u8>, packed: &mut &[u8], flags: u8) -> Option<()> {
    if flags & HAS_USER == 0 {
        out.extend_from_slice(b",\"user\":null");
    } else {
        json::field(out, "user", &String::from_utf8_lossy(text_of(packed)?));
    }
    json::field(out, "how", HOWS.get(usize::from(flags >> HOW_SHIFT))?);
    if flags & HAS_NAME != 0 {
        json::field(out, "certificate", &String::from_utf8_lossy(text_of(packed)?));
    }
    Some(())
}

/// Of six bytes or eighteen: the address, then the port.
fn address(out: &mut Vec<u8>, remote: &[u8]) {
    let Some((ip, port)) = remote.split_last_chunk::<2>() else {
        return out.extend_from_slice(b",\"remote\":null");
    };
    json::key(out, "remote");
    match *ip {
        [a, b, c, d] => {
            for (byte, before) in [(a, b'"'), (b, b'.'), (c, b'.'), (d, b'.')] {
                out.push(before);
                json::number(out, byte.into());
            }
        }
        _ => {
            let ip: [u8; 16] = ip.try_into().unwrap_or_default();
            // Writing to a vector cannot fail.
            let _ = write!(out, "\"[{}]", Ipv6Addr::from(ip));
        }
    }
    out.push(b':');
    json::number(out, u16::from_le_bytes(*port).into());
    out.push(b'"');
}

/// Keys and URLs become lists; they stand together in an entry.
fn facts(out: &mut Vec<u8>, packed: &mut &[u8]) -> Option<()> {
    let mut list = tag::END;
    loop {
        let kind = split(packed, 1)?[0];
        if kind != list && list != tag::END {
            out.push(b']');
            list = tag::END;
        }
        match kind {
            tag::END => return Some(()),
            tag::RANGE | tag::URL => {
                if list == kind {
                    out.push(b',');
                } else {
                    let name = if kind == tag::RANGE { "ranges" } else { "urls" };
                    json::key(out, name);
                    out.push(b'[');
                    list = kind;
                }
                if kind == tag::RANGE {
                    range(out, packed)?;
                } else {
                    json::quoted(out, &String::from_utf8_lossy(text_of(packed)?));
                }
            }
            _ => single(out, packed, kind)?,
        }
    }
}

fn range(out: &mut Vec<u8>, packed: &mut &[u8]) -> Option<()> {
    let op = OPS.get(usize::from(split(packed, 1)?[0]))?;
    let lease = u64_of(packed)?;
    let (key, end) = (text_of(packed)?, text_of(packed)?);
    out.push(b'{');
    if !op.is_empty() {
        out.extend_from_slice(b"\"op\":\"");
        out.extend_from_slice(op.as_bytes());
        out.extend_from_slice(b"\",");
    }
    json::bytes_field(out, "key", key);
    if !end.is_empty() {
        out.push(b',');
        json::bytes_field(out, "end", end);
    }
    if lease != 0 {
        json::key(out, "lease");
        json::identifier(out, lease);
    }
    out.push(b'}');
    Some(())
}

fn single(out: &mut Vec<u8>, packed: &mut &[u8], kind: u8) -> Option<()> {
    let name = match kind {
        tag::LEASE => "lease",
        tag::MEMBER => "member",
        tag::REVISION => {
            json::key(out, "revision");
            json::signed(out, u64_of(packed)? as i64);
            return Some(());
        }
        tag::USER => "for_user",
        tag::ROLE => "for_role",
        tag::ACTION => "action",
        tag::ALARM => "alarm",
        tag::VERSION => "version",
        _ => return None,
    };
    if matches!(kind, tag::LEASE | tag::MEMBER) {
        json::key(out, name);
        json::identifier(out, u64_of(packed)?);
    } else {
        json::field(out, name, &String::from_utf8_lossy(text_of(packed)?));
    }
    Some(())
}

fn split<'a>(packed: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = packed.split_at_checked(length)?;
    *packed = rest;
    Some(taken)
}

fn take<'a, const N: usize>(packed: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    split(packed, N)?.try_into().ok()
}

fn u64_of(packed: &mut &[u8]) -> Option<u64> {
    take(packed).map(|bytes| u64::from_le_bytes(*bytes))
}

fn text_of<'a>(packed: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_le_bytes(*take(packed)?);
    split(packed, length.into())
}

#[cfg(test)]
mod tests;
