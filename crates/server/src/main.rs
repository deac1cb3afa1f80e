//! Binary `ketch`: settings, then a member, then waiting for the signal to stop.

mod background;
mod config;
mod desk;
mod exit;
mod lanes;
mod listen;
mod logging;
mod mailbox;
mod member;
mod metrics;
mod passwords;
mod progress;
mod read_gate;
mod reload;
mod rest;
mod security;
mod start;
mod threads;
mod tokens;
mod waiters;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use config::{Config, ConfigError};
use exit::{Ending, Exit};
use reload::Reload;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use security::SecurityError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let config = match Config::load(&arguments, std::env::vars()) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    let guard = match logging::start(&config.log) {
        Ok(guard) => guard,
        Err(error) => return refuse(&ConfigError::Verify(error.to_string())),
    };
    for (message, fields) in &config.warnings {
        warn(message, fields);
    }
    raise_open_files();
    let code = match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let message = error.downcast_ref::<SecurityError>().map(SecurityError::message);
            let message = message.unwrap_or("discovery failed");
            tracing::error!(fatal = true, error = %format!("{error:#}"), "{message}");
            ExitCode::FAILURE
        }
    };
    drop(guard);
    code
}

/// As many connections as the system lets us have, not only as many as it gives unasked (Go).
fn raise_open_files() {
    let given = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: given.maximum, maximum: given.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(error = %error, "the limit of open files stays");
    }
}

/// Field names of log lines are fixed: the few that settings are warned of with.
fn warn(message: &str, fields: &[(&'static str, String)]) {
    match fields {
        [("environment-variable", value)] => {
            tracing::warn!(environment_variable = %value, "{message}");
        }
        [("flag-name", value)] => tracing::warn!(flag_name = %value, "{message}"),
        _ => tracing::warn!(detail = ?fields, "{message}"),
    }
}

fn run(config: Config) -> anyhow::Result<()> {
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let (exit, endings) = exit::exit();
    let begun = Arc::new(OnceLock::new());
    let listener = Listener { signals, exit: exit.clone(), begun: Arc::clone(&begun) };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || listener.run())?;
    let starting = start::start(config, exit)?;
    let _ = begun.set(starting.reload());
    let (running, ending) = starting.serve(&endings)?;
    if let Ending::Signal(signal) = ending {
        let name = if signal == SIGTERM { "terminated" } else { "interrupt" };
        tracing::info!(signal = name, "received signal; shutting down");
    }
    running.stop(ending);
    Ok(())
}

/// Waits for the operator's signals.
struct Listener {
    signals: Signals,
    exit: Exit,
    /// Once there is something to take down in order, and to read again.
    begun: Arc<OnceLock<Reload>>,
}

impl Listener {
    fn run(mut self) {
        for signal in self.signals.forever() {
            match (signal, self.begun.get()) {
                (SIGHUP, Some(reload)) => reload.now(),
                (SIGHUP, None) => tracing::info!("still starting: nothing is read again"),
                (_, Some(_)) => self.exit.ask(Ending::Signal(signal)),
                (_, None) => {
                    // Nothing is to be taken down in order yet, and others may be waited for
                    // without end: the process ends as if nobody listened.
                    let _ = emulate_default_handler(signal);
                    self.exit.ask(Ending::Signal(signal));
                }
            }
        }
    }
}

/// Settings that cannot stand, in the words and with the exit codes of etcd.
fn refuse(error: &ConfigError) -> ExitCode {
    match error {
        ConfigError::Help => {
            eprint!("{}", config::usage_text());
            print!("{}", config::flag_text());
            ExitCode::SUCCESS
        }
        ConfigError::Version => {
            print!("{}", config::version_text());
            ExitCode::SUCCESS
        }
        ConfigError::Usage(text) => {
            eprintln!("{text}");
            eprint!("{}", config::usage_text());
            ExitCode::from(2)
        }
        ConfigError::Verify(_) => refuse_in_log("warn", "failed to verify flags", error, None),
        ConfigError::Bootstrap(_) => refuse_in_log("fatal", "discovery failed", error, None),
        ConfigError::Shadowed(variable) => {
            let text = error.to_string();
            refuse_in_log("fatal", &text, error, Some(variable))
        }
    }
}

/// Logging is not up yet: one line of its shape.
fn refuse_in_log(
    level: &str,
    message: &str,
    error: &ConfigError,
    variable: Option<&str>,
) -> ExitCode {
    let mut line = serde_json::Map::new();
    line.insert("level".into(), level.into());
    line.insert("ts".into(), logging::timestamp().into());
    line.insert("caller".into(), "server/main.rs".into());
    line.insert("msg".into(), message.into());
    match variable {
        Some(variable) => line.insert("environment-variable".into(), variable.into()),
        None => line.insert("error".into(), error.to_string().into()),
    };
    eprintln!("{}", serde_json::Value::Object(line));
    ExitCode::FAILURE
}
