//! Damaged files: a torn tail is repaired, a flipped byte is refused with file and place.
//!
//! A refusal changes nothing: the byte flipped back, the member starts with all its data.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use ketch_proto::etcdserverpb::{HashKvRequest, HashKvResponse, PutRequest, PutResponse};
use ketch_tests::process::{Member, Options, Program, Start};
use ketch_tests::rpc::Rpc;
use ketch_tests::seed::{self, Rng};

use crate::torn;

const KEYS: usize = 600;
const WAL_FLIPS: usize = 16;
const DATABASE_FLIPS: usize = 16;

/// The state a member must have again.
#[derive(Debug, PartialEq)]
struct State {
    revision: i64,
    hash: u32,
}

/// Sectors of one last write that a crash may leave as they were: the log ends before it.
#[tokio::test]
async fn a_torn_tail_is_repaired() -> Result<()> {
    let lost_sectors: [&[usize]; 7] =
        [&[0], &[1], &[4], &[5], &[1, 2, 3, 4, 5], &[0, 1, 2, 3], &[0, 3]];
    let mut member = Member::start(Program::Ketch, Options::default())?;
    for lost in lost_sectors {
        let state = write(&member, 20).await?;
        member.kill();
        let segment = newest_segment(&member)?;
        let written = std::fs::read(&segment)?;
        let end = torn::frames_end(&written);
        let torn = torn::frame(&written, 2600, lost)?;
        open(&segment)?.write_all_at(&torn, end as u64)?;
        member.restart().with_context(|| format!("without sectors {lost:?}"))?;
        ensure!(look(&member).await? == state, "without sectors {lost:?}: the state changed");
        // Written over the repaired place, and read once more.
        let state = write(&member, 5).await?;
        member.kill();
        member.restart().with_context(|| format!("a second time, without {lost:?}"))?;
        ensure!(look(&member).await? == state, "after the repair of {lost:?}: a change");
    }
    let broken = segment_names(&member, "broken")?;
    ensure!(!broken.is_empty(), "no copy of a segment was kept before its repair");
    Ok(())
}

#[tokio::test]
async fn a_flipped_byte_in_the_log_is_refused() -> Result<()> {
    let mut rng = Rng::new(seed::from_env("a_flipped_byte_in_the_log_is_refused"));
    let mut member = Member::start(Program::Ketch, Options::default())?;
    let state = write(&member, KEYS).await?;
    member.kill();
    let segment = newest_segment(&member)?;
    let bytes = std::fs::read(&segment)?;
    let written = torn::frames_end(&bytes) as u64;
    for _ in 0..WAL_FLIPS {
        // Behind it there is always more, so it is no tail.
        let offset = loop {
            let offset = rng.below(written * 3 / 4);
            if bytes[offset as usize] != 0 {
                break offset;
            }
        };
        let bit = 1 << rng.below(8);
        flip(&segment, &[offset], bit)?;
        let refused = refused(&mut member, &segment);
        refused.with_context(|| format!("bit {bit:#x} of byte {offset} of {written}"))?;
        flip(&segment, &[offset], bit)?;
    }
    member.restart()?;
    ensure!(look(&member).await? == state, "the refusals changed something");
    Ok(())
}

#[tokio::test]
async fn a_flipped_byte_in_the_database_is_refused() -> Result<()> {
    let mut rng = Rng::new(seed::from_env("a_flipped_byte_in_the_database_is_refused"));
    let mut member = Member::start(Program::Ketch, Options::default())?;
    let state = write(&member, KEYS).await?;
    member.terminate()?;
    let database = member.data_dir().join("member/snap/ketch.redb");
    let bytes = std::fs::read(&database)?;
    for _ in 0..DATABASE_FLIPS {
        let needle = value(rng.below(KEYS as u64) as usize);
        // Every copy of it, for some may lie in pages given up.
        let places = find_all(&bytes, needle.as_bytes());
        ensure!(!places.is_empty(), "{needle} is not in the database after a stop");
        flip(&database, &places, 1)?;
        refused(&mut member, &database).with_context(|| format!("{needle} at {places:?}"))?;
        flip(&database, &places, 1)?;
    }
    for _ in 0..DATABASE_FLIPS {
        let place = rng.below(bytes.len() as u64);
        flip(&database, &[place], 1 << rng.below(8))?;
        harmless_or_refused(&mut member, &database, &state)
            .await
            .with_context(|| format!("byte {place}"))?;
        std::fs::write(&database, &bytes)?;
    }
    member.restart()?;
    ensure!(look(&member).await? == state, "the refusals changed something");
    Ok(())
}

/// A start must end with a failure that names the file and a place in it.
fn refused(member: &mut Member, file: &Path) -> Result<()> {
    match member.try_start()? {
        Start::Serving => Err(anyhow!("the member serves from a damaged file")),
        Start::Ended { status, log } => {
            let name = file.file_name().and_then(|name| name.to_str()).context("a plain name")?;
            let says_where =
                log.lines().any(|line| line.contains(name) && line.contains("at byte"));
            ensure!(status.code().is_some_and(|code| code != 0), "{status}; {log}");
            ensure!(!log.contains("panic"), "{log}");
            ensure!(says_where, "no file and offset: {log}");
            Ok(())
        }
    }
}

/// A random byte may lie where nothing is kept; then nothing may be different.
async fn harmless_or_refused(member: &mut Member, file: &Path, state: &State) -> Result<()> {
    match member.try_start()? {
        Start::Serving => {
            ensure!(look(member).await? == *state, "served from a damaged file, and wrong");
            member.kill();
            Ok(())
        }
        Start::Ended { log, .. } => {
            let name = file.file_name().and_then(|name| name.to_str()).context("a plain name")?;
            ensure!(!log.contains("panic") && log.contains(name), "{log}");
            Ok(())
        }
    }
}

async fn write(member: &Member, keys: usize) -> Result<State> {
    let rpc = Rpc::connect(&member.endpoint()).await?;
    for place in 0..keys {
        let (key, value) = (format!("key-{place:05}").into(), value(place).into());
        let put = PutRequest { key, value, ..Default::default() };
        let put: Result<PutResponse, _> = rpc.call("/etcdserverpb.KV/Put", &put).await;
        put.map_err(|refusal| anyhow!("{refusal:?}"))?;
    }
    look(member).await
}

fn value(place: usize) -> String {
    format!("needle-{place:05}-{}", "hay".repeat(30))
}

async fn look(member: &Member) -> Result<State> {
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let ask = HashKvRequest::default();
    let answer: Result<HashKvResponse, _> =
        rpc.call("/etcdserverpb.Maintenance/HashKV", &ask).await;
    let answer = answer.map_err(|refusal| anyhow!("{refusal:?}"))?;
    Ok(State { revision: answer.hash_revision, hash: answer.hash })
}

fn newest_segment(member: &Member) -> Result<PathBuf> {
    segment_names(member, "wal")?.into_iter().max().context("no log segment")
}

fn segment_names(member: &Member, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(member.data_dir().join("member/wal"))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|end| end == extension)).collect())
}

fn find_all(bytes: &[u8], needle: &[u8]) -> Vec<u64> {
    let starts = bytes.windows(needle.len()).enumerate();
    starts.filter(|(_, window)| *window == needle).map(|(place, _)| place as u64).collect()
}

fn flip(path: &Path, places: &[u64], bit: u8) -> Result<()> {
    let file = open(path)?;
    for place in places {
        let mut byte = [0];
        file.read_exact_at(&mut byte, *place)?;
        file.write_all_at(&[byte[0] ^ bit], *place)?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<File> {
    Ok(OpenOptions::new().read(true).write(true).open(path)?)
}
