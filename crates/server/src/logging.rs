//! Log lines in etcd's shape: one JSON object with `level`, `ts`, `caller`, `msg`, then fields.
//!
//! Lines go through a bounded queue to a thread of their own and are dropped when nobody reads
//! them, so that a stuck stderr never holds up a request.

use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogConfig;

/// Lines waiting to be written; more are dropped and counted.
const QUEUE_LINES: usize = 16 * 1024;

/// Keeps the log threads alive; lines are flushed when it is dropped.
pub(crate) struct LogGuard(#[expect(dead_code, reason = "held for its drop")] Vec<WorkerGuard>);

/// Starts logging for the whole process.
pub(crate) fn start(config: &LogConfig) -> io::Result<LogGuard> {
    let mut sinks = Vec::new();
    let mut guards = Vec::new();
    for output in &config.outputs {
        let writer: Box<dyn io::Write + Send> = match output.as_str() {
            "default" | "stderr" => Box::new(io::stderr()),
            "stdout" => Box::new(io::stdout()),
            path => Box::new(
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path)
                    .map_err(|error| io::Error::new(error.kind(), sink_error(path, &error)))?,
            ),
        };
        let (sink, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(QUEUE_LINES)
            .lossy(true)
            .thread_name("log-writer")
            .finish(writer);
        sinks.push(sink);
        guards.push(guard);
    }
    let layer = tracing_subscriber::fmt::layer()
        .event_format(Lines { json: config.json })
        .with_ansi(false)
        .with_writer(Sinks(sinks));
    let level = LevelFilter::from_level(config.level);
    let ours = tracing_subscriber::filter::Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("ketch", level);
    let _ = tracing_subscriber::registry().with(layer).with(ours).try_init();
    Ok(LogGuard(guards))
}

/// In the words of etcd's logger.
fn sink_error(path: &str, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    format!("open sink {path:?}: open {path}: {why}")
}

/// Every line to every output.
struct Sinks(Vec<NonBlocking>);

struct Fan<'a>(&'a [NonBlocking]);

impl<'a> MakeWriter<'a> for Sinks {
    type Writer = Fan<'a>;

    fn make_writer(&'a self) -> Fan<'a> {
        Fan(&self.0)
    }
}

impl io::Write for Fan<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        for sink in self.0 {
            io::Write::write_all(&mut sink.clone(), line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Lines {
    json: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG | Level::TRACE => "debug",
        };
        let level = if fields.fatal { "fatal" } else { level };
        let caller = format!(
            "{}:{}",
            short_path(event.metadata().file().unwrap_or("")),
            event.metadata().line().unwrap_or(0)
        );
        if self.json {
            writeln!(
                writer,
                "{{\"level\":\"{level}\",\"ts\":\"{}\",\"caller\":{},\"msg\":{}{}}}",
                timestamp(),
                quoted(&caller),
                quoted(&fields.message),
                fields.json,
            )
        } else {
            let tail = fields.json.trim_start_matches(',');
            writeln!(
                writer,
                "{}\t{}\t{caller}\t{}\t{{{tail}}}",
                timestamp(),
                level.to_uppercase(),
                fields.message,
            )
        }
    }
}

/// `crate/file.rs` from a source path, as short as etcd's callers.
fn short_path(path: &str) -> String {
    let mut parts: Vec<&str> = path.rsplit('/').take(3).filter(|part| *part != "src").collect();
    parts.truncate(2);
    parts.reverse();
    parts.join("/")
}

#[derive(Default)]
struct Fields {
    message: String,
    json: String,
    fatal: bool,
}

impl Fields {
    fn push(&mut self, field: &Field, value: &str) {
        // Field names with dashes are written with underscores in the macros.
        let name = field.name().replace('_', "-");
        let _ = write!(self.json, ",\"{name}\":{value}");
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.push(field, &quoted(&format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.to_owned();
        } else {
            self.push(field, &quoted(value));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, &value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, &value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "fatal" {
            self.fatal = value;
        } else {
            self.push(field, if value { "true" } else { "false" });
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Now, as etcd writes it.
pub(crate) fn timestamp() -> String {
    let now = SystemTime::now();
    debug_assert!(now >= UNIX_EPOCH);
    humantime::format_rfc3339_micros(now).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_crate_and_file() {
        assert_eq!(short_path("crates/server/src/main.rs"), "server/main.rs");
        assert_eq!(short_path("main.rs"), "main.rs");
    }
}
