//! Clients that send more than can be served, or do not listen: memory stays bounded, others are
//! served meanwhile, and every call that was heard is answered.
//!
//! The bytes are written by hand: a client library would hold the calls back.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use ketch_proto::etcdserverpb::{PutRequest, PutResponse};
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::Rpc;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// As many bytes of answers as there may ever be.
const WINDOW: u32 = i32::MAX as u32 - 65_535;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// A serializable range of one key that is not there: framed, `key: "a"`, `serializable: true`.
const RANGE: &[u8] = b"\0\0\0\0\x05\x0a\x01a\x38\x01";
/// Calls a deaf client would like to make: more answers than all socket buffers hold.
const CALLS: u32 = 400_000;
/// Calls of the flood.
const FLOOD: u32 = 300_000;
/// What either may cost at its height. A call that waits takes some 10 KiB; without a bound these
/// would take gigabytes.
const HEIGHT_KIB_MAX: u64 = 256 * 1024;
/// Nothing more is taken from a client if nothing is for so long.
const STUCK: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn who_does_not_listen_is_not_heard_for_ever() -> Result<()> {
    let member = Member::start(Program::Ketch, Options::default())?;
    let before = member.resident_kib()?;
    let mut deaf = TcpStream::connect(member.address())?;
    let sent = send_until_stuck(&mut deaf, CALLS)?;
    let grown = member.resident_peak_kib()?.saturating_sub(before);
    println!("{} bytes were taken, {grown} KiB", sent.bytes);
    ensure!(sent.calls < CALLS, "all calls were taken from a client that does not listen");
    ensure!(grown < HEIGHT_KIB_MAX, "{grown} KiB for a client that does not listen");
    put(&member, "others are served").await?;
    let answered = tokio::task::spawn_blocking(move || listen(&mut deaf, sent)).await??;
    println!("{answered} calls were answered");
    Ok(())
}

#[tokio::test]
async fn a_flood_is_answered_in_bounded_memory() -> Result<()> {
    let member = Member::start(Program::Ketch, Options::default())?;
    let before = member.resident_kib()?;
    let mut sender = TcpStream::connect(member.address())?;
    let mut listener = sender.try_clone()?;
    let flood = tokio::task::spawn_blocking(move || {
        sender.write_all(&opening())?;
        (0..FLOOD).step_by(100).try_for_each(|first| {
            sender.write_all(&(first..first + 100).flat_map(call).collect::<Vec<u8>>())
        })
    });
    let whole = Sent { bytes: 0, calls: FLOOD };
    let listening = tokio::task::spawn_blocking(move || listen(&mut listener, whole));
    put(&member, "others are served").await?;
    flood.await??;
    let answered = listening.await??;
    let grown = member.resident_peak_kib()?.saturating_sub(before);
    println!("{answered} calls were answered, {grown} KiB");
    ensure!(answered == FLOOD, "{answered} of {FLOOD} calls were answered");
    ensure!(grown < HEIGHT_KIB_MAX, "{grown} KiB for a flood");
    Ok(())
}

/// How much the server's socket took.
struct Sent {
    bytes: usize,
    /// Whole calls among it.
    calls: u32,
}

fn opening() -> Vec<u8> {
    [PREFACE, EMPTY_SETTINGS, &frame(WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes())].concat()
}

/// The bytes of one call.
fn call(number: u32) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/etcdserverpb.KV/Range"),
        (":authority", "ketch"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    // Literal fields that nobody remembers: no state on either side.
    let block: Vec<u8> = fields
        .iter()
        .flat_map(|(name, value)| {
            let text = |text: &str| {
                [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat()
            };
            [vec![0], text(name), text(value)].concat()
        })
        .collect();
    let stream = number * 2 + 1;
    [frame(HEADERS, END_HEADERS, stream, &block), frame(DATA, END_STREAM, stream, RANGE)].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Sends calls until the server takes no more.
fn send_until_stuck(stream: &mut TcpStream, calls: u32) -> Result<Sent> {
    stream.set_write_timeout(Some(STUCK))?;
    let mut sent = Sent { bytes: 0, calls: 0 };
    stream.write_all(&opening())?;
    while sent.calls < calls {
        let bytes = call(sent.calls);
        let mut written = 0;
        while written < bytes.len() {
            match stream.write(&bytes[written..]) {
                Ok(more) => written += more,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    sent.bytes += written;
                    return Ok(sent);
                }
                Err(error) => return Err(error).context("sending"),
            }
        }
        sent.bytes += written;
        sent.calls += 1;
    }
    Ok(sent)
}

/// Reads until all calls that went out whole were answered; how many that were.
fn listen(stream: &mut TcpStream, sent: Sent) -> Result<u32> {
    stream.set_read_timeout(Some(LIMIT))?;
    let mut stream = std::io::BufReader::with_capacity(1 << 20, stream);
    let (mut answered, since) = (0, Instant::now());
    while answered < sent.calls {
        ensure!(since.elapsed() < LIMIT, "{answered} of {} calls were answered", sent.calls);
        let mut head = [0; 9];
        stream.read_exact(&mut head).with_context(|| format!("after {answered} answers"))?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        stream.read_exact(&mut vec![0; length])?;
        answered += u32::from(head[3] == HEADERS && head[4] & END_STREAM != 0);
    }
    Ok(answered)
}

async fn put(member: &Member, key: &str) -> Result<()> {
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let ask = PutRequest { key: key.to_owned().into(), ..Default::default() };
    let put = rpc.call::<PutResponse>("/etcdserverpb.KV/Put", &ask);
    let put = tokio::time::timeout(LIMIT, put).await?;
    put.map(drop).map_err(|refusal| anyhow!("{refusal:?}"))
}
