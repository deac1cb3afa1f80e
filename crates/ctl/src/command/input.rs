//! Standard input: a whole value, or lines as they are typed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsFd;

use tokio::sync::mpsc;

/// What [`Lines`] takes from the pipe at a time. etcdctl's readers take as much, and what a later
/// reader finds depends on it.
const AHEAD_BYTES: usize = 4096;

/// All that no one has taken yet.
pub(super) fn whole() -> io::Result<Vec<u8>> {
    let mut value = Vec::new();
    unbuffered()?.read_to_end(&mut value)?;
    Ok(value)
}

/// Lines of standard input.
pub(super) struct Lines {
    reader: BufReader<File>,
}

impl Lines {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { reader: BufReader::with_capacity(AHEAD_BYTES, unbuffered()?) })
    }

    /// The next line without its end; `None` when input ends, even in the middle of a line.
    pub(super) fn next(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(_) if line.ends_with(b"\n") => {
                line.pop();
                Some(String::from_utf8_lossy(&line).into_owned())
            }
            Ok(_) | Err(_) => None,
        }
    }

    /// The same from a thread of its own, so that others go on while the user thinks.
    pub(super) fn in_background(mut self) -> mpsc::Receiver<String> {
        let (sender, receiver) = mpsc::channel(1);
        std::thread::spawn(move || {
            while let Some(line) = self.next() {
                if sender.blocking_send(line).is_err() {
                    break;
                }
            }
        });
        receiver
    }
}

/// The library's own handle reads ahead for everyone; this one does not.
fn unbuffered() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}
