//! S1 to S4, R6: a member with a million keys.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ketch_proto::etcdserverpb::{RangeRequest, SnapshotRequest};

use super::{Bench, Figures, KEY_BYTES, MIB, Unsupported, VALUE_BYTES, everything, figures};
use crate::load::{self, Plan};
use crate::workload::{Fixed, Keys, Puts};

/// What was allocated for the load is given back by then.
const REST: Duration = Duration::from_secs(5);
/// Of every key, in the cell about versions.
const VERSIONS: u64 = 5;

impl Bench<'_> {
    fn user_bytes(&self) -> f64 {
        self.scale.million as f64 * (VALUE_BYTES + KEY_BYTES) as f64
    }

    /// Puts the keys in; what that cost is what S4 tells.
    pub(crate) fn fill_million(&mut self) -> Result<()> {
        let keys = self.scale.million;
        let before = self.subject.usage(false)?;
        let (outcome, used) = self.fill(keys, VALUE_BYTES)?;
        std::thread::sleep(Duration::from_secs(2));
        let after = self.subject.usage(false)?;
        let written = after.written_bytes - before.written_bytes;
        self.filled = super::common(&outcome, used, "");
        self.filled.insert("keys".to_owned(), keys as f64);
        self.filled.insert("bytes written per user byte".to_owned(), written / self.user_bytes());
        let on_disk = size_of(&self.subject.directory().join("m1").join("data"))?;
        self.filled.insert("bytes on disk per user byte".to_owned(), on_disk / self.user_bytes());
        self.ensure_put_once(keys)
    }
}

/// Blocks that the files of a directory take, in bytes.
fn size_of(directory: &Path) -> Result<f64> {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0.0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() {
            size_of(&entry.path())?
        } else {
            metadata.blocks() as f64 * 512.0
        };
    }
    Ok(sum)
}

/// S4: measured while the keys were put in.
pub(super) fn bytes(bench: &mut Bench<'_>) -> Result<Figures> {
    Ok(bench.filled.clone())
}

/// S2: at rest.
pub(super) fn memory(bench: &mut Bench<'_>) -> Result<Figures> {
    let keys = bench.scale.million as f64;
    std::thread::sleep(REST);
    let idle = bench.rss_mib()?;
    Ok(figures([
        ("keys", keys),
        ("idle RSS MB", idle * MIB / 1e6),
        ("idle RSS bytes per key, values too", idle * MIB / keys),
    ]))
}

/// S2v: a fifth of the keys, five times.
pub(super) fn versions(bench: &mut Bench<'_>) -> Result<Figures> {
    let keys = bench.scale.million / VERSIONS;
    let mut all = figures([("keys", keys as f64), ("versions of each", VERSIONS as f64)]);
    for version in 1..=VERSIONS {
        bench.fill_with(&mut Puts::new(version, VALUE_BYTES, Keys::New(0)), keys)?;
        if version == 1 || version == VERSIONS {
            std::thread::sleep(REST);
            all.insert(format!("idle RSS MiB at {version} of each"), bench.rss_mib()?);
        }
    }
    let (count, revision) = bench.count()?;
    ensure!(count.cast_unsigned() == keys, "{keys} keys were put and {count} are there");
    ensure!(revision.cast_unsigned() == keys * VERSIONS + 1, "revision {revision}");
    Ok(all)
}

/// R6: everything at once.
pub(super) fn list(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut all = Figures::new();
    for method in ["RangeStream", "Range"] {
        let idle = bench.rss_mib()?;
        bench.subject.leader().reset_peak()?;
        let work =
            Fixed::new(&format!("KV/{method}"), &everything()).at_least(bench.user_bytes() as u64);
        let outcome = bench.subject.once(work)?;
        let peak = (bench.subject.leader().memory()?.1 / MIB - idle).max(0.0);
        all.insert(format!("{method}: s"), outcome.elapsed.as_secs_f64());
        all.insert(format!("{method}: peak above idle MiB"), peak);
    }
    Ok(all)
}

/// S3: a backup while puts go on.
pub(super) fn snapshot(bench: &mut Bench<'_>) -> Result<Figures> {
    let at = bench.at();
    let puts = |duration| -> Result<f64> {
        let mut work = Puts::new(93, VALUE_BYTES, Keys::Among(1000));
        let outcome = load::run(&at, &mut work, Plan::open(2, 500.0, duration))?;
        Ok(outcome.all_right()?.quantile_ms(0.99))
    };
    let alone = puts(Duration::from_secs(1))?;
    let idle = bench.rss_mib()?;
    bench.subject.leader().reset_peak()?;
    let subject = &bench.subject;
    let (with, outcome) = std::thread::scope(|scope| -> Result<_> {
        let load = scope.spawn(|| puts(Duration::from_secs(2)));
        std::thread::sleep(Duration::from_millis(200));
        let work = Fixed::new("Maintenance/Snapshot", &SnapshotRequest {});
        let outcome = subject.once(work)?;
        let with = super::joined(load, "puts")?;
        Ok((with, outcome))
    })?;
    let bytes = outcome.received_bytes as f64;
    ensure!(bytes > bench.user_bytes(), "the snapshot has {bytes} bytes");
    let seconds = outcome.elapsed.as_secs_f64();
    Ok(figures([
        ("s", seconds),
        ("MiB per second", bytes / MIB / seconds),
        ("bytes per user byte", bytes / bench.user_bytes()),
        ("peak above idle MiB", (bench.subject.leader().memory()?.1 / MIB - idle).max(0.0)),
        ("put p99 ms without", alone),
        ("put p99 ms with", with),
    ]))
}

/// S3r: saved and restored by each server's own tools.
pub(super) fn restore(bench: &mut Bench<'_>) -> Result<Figures> {
    let directory = tempfile::tempdir_in(bench.base)?;
    let (file, restored) = (directory.path().join("snapshot"), directory.path().join("data"));
    let endpoint = format!("--endpoints={}", bench.subject.address());
    let tool = |suffix: &str| -> Result<Command> {
        let path = bench.program.path.with_file_name(format!("{}{suffix}", bench.program.name));
        if !path.exists() {
            return Err(Unsupported(format!("{} is missing", path.display())).into());
        }
        Ok(Command::new(path))
    };
    let saved = timed(tool("ctl")?.args([&endpoint, "snapshot", "save"]).arg(&file))?;
    let took = timed(
        tool("utl")?
            .args(["snapshot", "restore"])
            .arg(&file)
            .args(["--data-dir", restored.to_str().context("a path")?]),
    )?;
    let bytes = std::fs::metadata(&file)?.len() as f64;
    let on_disk = size_of(&restored)?;
    ensure!(on_disk > bench.user_bytes(), "{on_disk} bytes were restored");
    Ok(figures([
        ("save s", saved.as_secs_f64()),
        ("restore s", took.as_secs_f64()),
        ("restore MiB per second", bytes / MIB / took.as_secs_f64()),
        ("restored bytes per user byte", on_disk / bench.user_bytes()),
    ]))
}

/// How long a tool takes that must succeed.
fn timed(command: &mut Command) -> Result<Duration> {
    let since = Instant::now();
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {said}", output.status);
    Ok(since.elapsed())
}

/// S1: until the first linearizable read.
pub(super) fn restart(bench: &mut Bench<'_>) -> Result<Figures> {
    let killed = bench.subject.crash_and_restart()?;
    std::thread::sleep(Duration::from_secs(1));
    let rss = bench.rss_mib()?;
    let keys = bench.count()?.0;
    ensure!(keys.cast_unsigned() >= bench.scale.million, "{keys} keys are left");
    let since = Instant::now();
    bench.subject.once(Fixed::new("KV/Range", &RangeRequest { limit: 1, ..everything() }))?;
    let read = since.elapsed();
    let clean = bench.subject.stop_and_restart(false)?;
    let cold = bench.subject.stop_and_restart(true)?;
    Ok(figures([
        ("keys", bench.scale.million as f64),
        ("after kill -9: s", killed.as_secs_f64()),
        ("after a clean stop: s", clean.as_secs_f64()),
        ("after a clean stop, files not in memory: s", cold.as_secs_f64()),
        ("RSS MiB after", rss),
        ("a read then: ms", read.as_secs_f64() * 1e3),
    ]))
}
