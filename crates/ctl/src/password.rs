//! Passwords from standard input: typed unseen at a terminal, or taken from a pipe.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use crate::failure::Failure;
use crate::printer::write;

/// Of a user who interrupts a prompt (etcdctl's, which is -1 to Go).
const INTERRUPTED_PROMPT: u8 = 255;

/// Why there is no password.
#[derive(Debug)]
pub(crate) enum NoPassword {
    /// The user pressed the key that interrupts programs.
    Interrupted,
    Unreadable(io::Error),
}

impl NoPassword {
    /// With what the program ends; `what` goes before the reason.
    pub(crate) fn failure(self, code: u8, what: &str) -> Failure {
        match self {
            Self::Interrupted => Failure::silent(INTERRUPTED_PROMPT),
            Self::Unreadable(error) => {
                Failure::new(code, format!("{what}failed during password entry: {error}"))
            }
        }
    }
}

/// Shows the prompt and reads one line that the terminal does not show.
pub(crate) fn ask(prompt: &str) -> Result<String, NoPassword> {
    // A prompt nobody sees is no reason not to read.
    let _ = write(prompt.as_bytes());
    let line = read_unseen();
    let _ = write(b"\n");
    line.map(|line| line.trim().to_owned())
}

/// Asks twice; both answers must be the same.
pub(crate) fn ask_new(user: &str) -> Result<String, Failure> {
    let wrong = |why: NoPassword| why.failure(crate::failure::BAD_ARGS, "failed to ask password: ");
    let first = ask(&format!("Password of {user}: ")).map_err(wrong)?;
    if first.is_empty() {
        return Err(Failure::bad_args("empty password"));
    }
    let again = format!("Type password of {user} again for confirmation: ");
    if ask(&again).map_err(wrong)? != first {
        return Err(Failure::bad_args("given passwords are different"));
    }
    Ok(first)
}

/// The first word of the first line, without a prompt; empty if there is none.
pub(crate) fn read_word() -> io::Result<String> {
    let mut word = Vec::new();
    let input = input()?;
    while let Some(byte) = next_byte(&input)? {
        match byte {
            b'\n' => break,
            byte if !byte.is_ascii_whitespace() => word.push(byte),
            _ if word.is_empty() => {}
            _ => break,
        }
    }
    Ok(String::from_utf8_lossy(&word).into_owned())
}

fn read_unseen() -> Result<String, NoPassword> {
    let input = input().map_err(NoPassword::Unreadable)?;
    let unseen = Unseen::begin(&input);
    let mut line = Vec::new();
    while let Some(byte) = next_byte(&input).map_err(NoPassword::Unreadable)? {
        match byte {
            b'\n' => break,
            byte if unseen.as_ref().is_some_and(|unseen| unseen.interrupts(byte)) => {
                return Err(NoPassword::Interrupted);
            }
            byte => line.push(byte),
        }
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// `None` at the end. One at a time: what follows the password is for later readers.
fn next_byte(mut input: &File) -> io::Result<Option<u8>> {
    let mut byte = [0];
    match input.read_exact(&mut byte) {
        Ok(()) => Ok(Some(byte[0])),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The library's own handle reads ahead; this one does not.
fn input() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// A terminal that does not show what is typed, for as long as this lives.
///
/// The keys that interrupt would kill the program and leave the terminal so; here they end the line
/// instead and are read as its last byte.
struct Unseen<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Unseen<'a> {
    /// `None` for a pipe, which shows nothing anyway.
    fn begin(terminal: &'a File) -> Option<Self> {
        let before = tcgetattr(terminal).ok()?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        unseen.special_codes[SpecialCodeIndex::VEOL] =
            before.special_codes[SpecialCodeIndex::VINTR];
        unseen.special_codes[SpecialCodeIndex::VEOL2] =
            before.special_codes[SpecialCodeIndex::VQUIT];
        tcsetattr(terminal, OptionalActions::Drain, &unseen).ok()?;
        Some(Self { terminal, before })
    }

    fn interrupts(&self, byte: u8) -> bool {
        let keys = [SpecialCodeIndex::VINTR, SpecialCodeIndex::VQUIT];
        // A zero stands for no key.
        byte != 0 && keys.into_iter().any(|key| self.before.special_codes[key] == byte)
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Drain, &self.before);
    }
}
