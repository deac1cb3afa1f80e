//! Standard input: a whole value, or lines as they are typed.

use std::io::{self, BufRead, Read};

use tokio::sync::mpsc;

/// All of it.
pub(super) fn whole() -> io::Result<Vec<u8>> {
    let mut value = Vec::new();
    io::stdin().lock().read_to_end(&mut value)?;
    Ok(value)
}

/// The next line without its end; `None` when input ends, even in the middle of a line.
pub(super) fn line() -> Option<String> {
    let mut line = Vec::new();
    match io::stdin().lock().read_until(b'\n', &mut line) {
        Ok(_) if line.ends_with(b"\n") => {
            line.pop();
            Some(String::from_utf8_lossy(&line).into_owned())
        }
        Ok(_) | Err(_) => None,
    }
}

/// Lines read by a thread of their own, so that others go on while the user thinks.
pub(super) fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        while let Some(line) = line() {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
