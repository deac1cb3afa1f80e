//! Connections that are no use: garbage, silence, half a handshake, streams opened and dropped,
//! thousands of idle watches. The server answers others meanwhile, in bounded memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use ketch_proto::etcdserverpb::watch_request::RequestUnion;
use ketch_proto::etcdserverpb::{
    PutRequest, PutResponse, WatchCreateRequest, WatchRequest, WatchResponse,
};
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::{Duplex, Rpc};
use ketch_tests::seed::{self, Rng};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const STREAMS: usize = 100;
const WATCHES_PER_STREAM: usize = 100;
/// What 10,000 idle watches may cost. Measured: a third of it.
const WATCHES_KIB_MAX: u64 = 48 * 1024;
/// What is left behind by connections that are gone.
const GARBAGE_KIB_MAX: u64 = 32 * 1024;

#[tokio::test]
async fn garbage_is_hung_up_on() -> Result<()> {
    let mut rng = Rng::new(seed::from_env("garbage_is_hung_up_on"));
    let member = Member::start(Program::Ketch, Options::default())?;
    put(&member, "before").await?;
    let before = member.resident_kib()?;
    for round in 0..300 {
        let bytes = garbage(&mut rng, round);
        // The server may hang up while we write.
        let Ok(mut stream) = TcpStream::connect(member.address()) else { continue };
        stream.set_read_timeout(Some(Duration::from_millis(20)))?;
        let _ = stream.write_all(&bytes);
        let _ = stream.read(&mut [0; 512]);
    }
    put(&member, "after").await?;
    let grown = member.resident_kib()?.saturating_sub(before);
    ensure!(grown < GARBAGE_KIB_MAX, "{grown} KiB more after garbage");
    ensure!(!member.log().contains("panic"), "{}", member.log());
    Ok(())
}

fn garbage(rng: &mut Rng, round: usize) -> Vec<u8> {
    let mut noise = |bytes: u64| -> Vec<u8> {
        let length = rng.below(bytes);
        (0..length).map(|_| rng.draw() as u8).collect()
    };
    match round % 8 {
        0 => noise(4096),
        1 => [PREFACE, &noise(4096)].concat(),
        2 => [PREFACE, EMPTY_SETTINGS, &noise(4096)].concat(),
        // A frame longer than any may be.
        3 => {
            [PREFACE, EMPTY_SETTINGS, &[0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 1], &noise(9000)].concat()
        }
        // HEADERS of noise on stream 1, then DATA on a stream nobody opened.
        4 => {
            [PREFACE, EMPTY_SETTINGS, &frame(1, 4, 1, &noise(200)), &frame(0, 0, 9, b"x")].concat()
        }
        // The start of a TLS handshake.
        5 => [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3][..], &noise(500)].concat(),
        6 => [b"GET / HTTP/1.1\r\nHost: x\r\n", &noise(2000)[..]].concat(),
        _ => [b"POST /v3/kv/range HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", &noise(99)[..]]
            .concat(),
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut all = vec![length[1], length[2], length[3], kind, flags];
    all.extend(stream.to_be_bytes());
    all.extend_from_slice(payload);
    all
}

/// Headers that never end, settings without end, pings without end: each connection is limited.
#[tokio::test]
async fn floods_of_small_frames_are_bounded() -> Result<()> {
    let member = Member::start(Program::Ketch, Options::default())?;
    put(&member, "before").await?;
    let before = member.resident_kib()?;
    let continuation = frame(9, 0, 1, &[0x40; 8000]);
    let floods: [(Vec<u8>, Vec<u8>); 3] = [
        (frame(1, 0, 1, &[0x40; 100]), continuation),
        (Vec::new(), EMPTY_SETTINGS.to_vec()),
        (Vec::new(), frame(6, 0, 0, &[7; 8])),
    ];
    for (first, again) in floods {
        let mut stream = TcpStream::connect(member.address())?;
        stream.set_write_timeout(Some(Duration::from_millis(200)))?;
        let _ = stream.write_all(&[PREFACE, EMPTY_SETTINGS, &first].concat());
        for _ in 0..3000 {
            if stream.write_all(&again).is_err() {
                break;
            }
        }
    }
    put(&member, "after").await?;
    let grown = member.resident_kib()?.saturating_sub(before);
    ensure!(grown < GARBAGE_KIB_MAX, "{grown} KiB more after floods");
    Ok(())
}

/// Hundreds of connections that say nothing, or half of something, do not keep others out,
/// nor the server from stopping.
#[tokio::test]
async fn half_open_connections_keep_nobody_out() -> Result<()> {
    let mut member = Member::start(Program::Ketch, Options::default())?;
    let mut open = Vec::new();
    for place in 0..400 {
        let mut stream = TcpStream::connect(member.address())?;
        let said: &[u8] = match place % 4 {
            0 => b"",
            1 => &PREFACE[..10],
            2 => PREFACE,
            _ => b"GET /health HTTP/1.1\r\nHos",
        };
        stream.write_all(said)?;
        open.push(stream);
    }
    put(&member, "meanwhile").await?;
    ensure!(member.http_get("/health")?.0 == 200, "no health meanwhile");
    let status = member.terminate()?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}

/// Ten thousand watches that see nothing cost little, and the one that should see does.
#[tokio::test]
async fn ten_thousand_idle_watches_are_cheap() -> Result<()> {
    let mut member = Member::start(Program::Ketch, Options::default())?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    put(&member, "warm").await?;
    let before = member.resident_kib()?;
    let mut streams = Vec::new();
    for stream in 0..STREAMS {
        streams.push(watch_stream(&rpc, stream).await?);
    }
    let grown = member.resident_kib()?.saturating_sub(before);
    println!("{} watches cost {grown} KiB", STREAMS * WATCHES_PER_STREAM);
    ensure!(grown < WATCHES_KIB_MAX, "{grown} KiB for the watches");
    put(&member, &key(42, 7)).await?;
    let answer: Option<WatchResponse> = wait(streams[42].next()).await?;
    let answer = answer.context("the stream ended")?;
    ensure!(answer.watch_id == 7 && answer.events.len() == 1, "{answer:?}");
    for (place, stream) in streams.iter_mut().enumerate() {
        let more = tokio::time::timeout(Duration::from_millis(1), stream.next::<WatchResponse>());
        ensure!(more.await.is_err(), "stream {place} saw what is not its own");
    }
    let status = member.terminate()?;
    ensure!(status.code() == Some(0), "with watches open: {status}");
    Ok(())
}

async fn watch_stream(rpc: &Rpc, stream: usize) -> Result<Duplex> {
    let create = |watch| {
        let create = WatchCreateRequest { key: key(stream, watch).into(), ..Default::default() };
        WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
    };
    let opened = rpc.duplex("/etcdserverpb.Watch/Watch", &create(0)).await;
    let mut duplex = opened.map_err(|refusal| anyhow!("{refusal:?}"))?;
    for watch in 1..WATCHES_PER_STREAM {
        duplex.send(&create(watch));
    }
    for watch in 0..WATCHES_PER_STREAM {
        let answer: Option<WatchResponse> = wait(duplex.next()).await?;
        let answer = answer.context("the stream ended")?;
        ensure!(answer.created && answer.watch_id == watch as i64, "{answer:?}");
    }
    Ok(duplex)
}

fn key(stream: usize, watch: usize) -> String {
    format!("idle/{stream:03}/{watch:03}")
}

/// Streams opened and dropped at once, again and again: nothing of them stays.
#[tokio::test]
async fn dropped_streams_leave_nothing() -> Result<()> {
    let member = Member::start(Program::Ketch, Options::default())?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let mut after_first = 0;
    for round in 0..30 {
        for stream in 0..20 {
            drop(watch_stream(&rpc, stream).await?);
        }
        if round == 4 {
            after_first = member.resident_kib()?;
        }
    }
    put(&member, &key(3, 3)).await?;
    let grown = member.resident_kib()?.saturating_sub(after_first);
    ensure!(grown < GARBAGE_KIB_MAX, "{grown} KiB stay of dropped streams");
    Ok(())
}

/// What was asked before SIGTERM is answered; what comes after is not taken in silence.
#[tokio::test]
async fn sigterm_answers_what_it_took() -> Result<()> {
    let mut member = Member::start(Program::Ketch, Options::default())?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let mut load = tokio::task::JoinSet::new();
    for writer in 0..16 {
        let rpc = rpc.clone();
        load.spawn(async move {
            let mut acked = Vec::new();
            for place in 0.. {
                let key = format!("drain/{writer}/{place}");
                let ask = PutRequest { key: key.clone().into(), ..Default::default() };
                let sent: Result<PutResponse, _> = rpc.call("/etcdserverpb.KV/Put", &ask).await;
                match sent {
                    Ok(_) => acked.push(key),
                    Err(refusal) => return (acked, refusal),
                }
            }
            unreachable!("the loop has no end")
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let stopping = tokio::task::spawn_blocking(move || (member.terminate(), member));
    let ended = load.join_all().await;
    let (status, mut member) = stopping.await?;
    ensure!(status?.code() == Some(0), "not a clean exit");
    member.restart()?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    for (acked, refusal) in ended {
        println!("{} writes, then {refusal:?}", acked.len());
        for key in acked {
            let ask = ketch_proto::etcdserverpb::RangeRequest {
                key: key.clone().into(),
                count_only: true,
                ..Default::default()
            };
            let got: Result<ketch_proto::etcdserverpb::RangeResponse, _> =
                rpc.call("/etcdserverpb.KV/Range", &ask).await;
            let got = got.map_err(|refusal| anyhow!("{refusal:?}"))?;
            ensure!(got.count == 1, "{key} was acknowledged and is not there");
        }
    }
    Ok(())
}

async fn wait<T>(answer: impl Future<Output = Result<T, ketch_tests::rpc::Refusal>>) -> Result<T> {
    let answer = tokio::time::timeout(Duration::from_secs(30), answer).await?;
    answer.map_err(|refusal| anyhow!("{refusal:?}"))
}

async fn put(member: &Member, key: &str) -> Result<()> {
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let ask = PutRequest { key: key.to_owned().into(), ..Default::default() };
    let _: PutResponse = wait(rpc.call("/etcdserverpb.KV/Put", &ask)).await?;
    Ok(())
}
