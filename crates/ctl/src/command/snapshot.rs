//! `snapshot save`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

use ketch_client::{Client, Error, Status};

use crate::failure::{Failure, INTERRUPTED};
use crate::printer::write;
use crate::session::Invocation;
use crate::text::{duration, log, size};

/// Databases are whole pages; what is over is the checksum.
const PAGE_BYTES: u64 = 512;
const CHECKSUM_BYTES: u64 = 32;

pub(super) async fn save(invocation: &Invocation) -> Result<(), Failure> {
    if invocation.arguments().len() != 1 {
        return Err(Failure::bad_args("snapshot save expects one argument <filename>"));
    }
    let session = invocation.session(&[])?.logging_as("client");
    let path = invocation.word(0);
    // A snapshot takes as long as it takes, unless the user says otherwise.
    let limit = session.flags.changed("command-timeout").then(|| session.command_timeout());
    let failed = |why: String| Failure::new(INTERRUPTED, why);
    let endpoints = session.flags.list("endpoints");
    if endpoints.len() != 1 {
        let endpoints = endpoints.join(" ");
        let message = "snapshot must be requested to one selected node, not multiple";
        return Err(failed(format!("{message} [{endpoints}]")));
    }
    let client = session.unknown_client_of(endpoints.to_vec());
    let client = client.map_err(|error| failed(error.to_string()))?;
    client.log_in().await.map_err(|error| failed(error.to_string()))?;
    let version = fetch(&client.with_timeout(limit), &path).await.map_err(failed)?;
    write(format!("Snapshot saved at {path}\n").as_bytes())?;
    if version.is_empty() {
        return Ok(());
    }
    write(format!("Server version {version}\n").as_bytes())
}

/// Writes beside the final name, makes it durable, then takes the name.
async fn fetch(client: &Client, path: &str) -> Result<String, String> {
    let part = format!("{path}.part");
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&part);
    let mut file = opened
        .map_err(|error| format!("could not open {part} (open {part}: {})", reason(&error)))?;
    tell("", "created temporary db file", &[("path", &part)]);
    let start = Instant::now();
    let result = receive(client, &mut file).await;
    let (bytes, version) = result.inspect_err(|_| {
        // What is left of a failed attempt is of no use.
        let _ = std::fs::remove_file(&part);
    })?;
    let endpoint = client.endpoints().first().cloned().unwrap_or_default();
    let (shown, took) = (size::show(bytes), duration::show(start.elapsed()));
    let fields = [
        ("endpoint", endpoint.as_str()),
        ("size", &shown),
        ("took", &took),
        ("etcd-version", &version),
    ];
    tell("", "fetched snapshot", &fields);
    std::fs::rename(&part, path).map_err(|error| {
        format!("could not rename {part} to {path} (rename {part} {path}: {})", reason(&error))
    })?;
    tell("", "saved", &[("path", path)]);
    Ok(version)
}

/// Copies the stream to the file and makes it durable.
async fn receive(client: &Client, file: &mut File) -> Result<(u64, String), String> {
    let opened = client.maintenance().snapshot().await;
    let mut snapshot = opened.map_err(|error| {
        tell_broken(&error);
        in_full(&error)
    })?;
    tell("client", "opened snapshot stream; downloading", &[]);
    let endpoint = client.endpoints().first().cloned().unwrap_or_default();
    tell("", "fetching snapshot", &[("endpoint", &endpoint)]);
    let mut bytes = 0;
    while let Some(piece) = snapshot.next().await.map_err(|error| in_full(&error))? {
        file.write_all(&piece).map_err(|error| error.to_string())?;
        bytes += piece.len() as u64;
    }
    tell("client", "completed snapshot read; closing", &[]);
    if bytes % PAGE_BYTES != CHECKSUM_BYTES {
        return Err(format!("sha256 checksum not found [bytes: {bytes}]"));
    }
    file.sync_all().map_err(|error| error.to_string())?;
    Ok((bytes, snapshot.version().to_owned()))
}

/// A refusal of the stream itself is shown with its code even where its text is one of etcd's.
fn in_full(error: &Error) -> String {
    match error {
        Error::Rpc(status) => Status::long(status.code, &status.message),
        other => other.to_string(),
    }
}

fn tell(logger: &str, message: &str, fields: &[(&str, &str)]) {
    log::line("info", logger, concat!(file!(), ":", line!()), message, fields);
}

fn tell_broken(error: &Error) {
    let status = Status::long(error.code(), error.message());
    let message = "streamer failed to create ClientStream";
    log::line("error", "client", concat!(file!(), ":", line!()), message, &[("error", &status)]);
}

/// The system's words, as Go shows them.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    text.to_lowercase()
}
