//! The file: opened to append, readable by its owner alone, opened anew when it was moved away.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// Where lines go. Tests have others.
pub(crate) trait Target: Send + 'static {
    /// Opens it, again or for the first time.
    fn open(&mut self) -> io::Result<Box<dyn Write + Send>>;
}

/// A file by its path.
#[derive(Debug)]
pub(crate) struct Path(pub(crate) PathBuf);

impl Target for Path {
    fn open(&mut self) -> io::Result<Box<dyn Write + Send>> {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).read(true).mode(0o600).open(&self.0)?;
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.len() > 0 {
            // A line that a crash cut off must not spoil the next one.
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(Box::new(file))
    }
}

/// What is to be written, and how far that is done.
pub(crate) struct Output {
    target: Box<dyn Target>,
    file: Box<dyn Write + Send>,
    written_bytes: usize,
}

impl Output {
    pub(crate) fn open(mut target: Box<dyn Target>) -> io::Result<Self> {
        let file = target.open()?;
        Ok(Self { target, file, written_bytes: 0 })
    }

    /// Goes on in the file that now has the name; in the old one when there is none. A line of
    /// `lines` that was begun in the old file will be written whole in the new one.
    pub(crate) fn reopen(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file = self.target.open()?;
        self.written_bytes = whole_bytes(&lines[..self.written_bytes]);
        Ok(())
    }

    /// Gives up what is not written yet of `lines`, and says how many of them that are.
    pub(crate) fn forget(&mut self, lines: &[u8]) -> u64 {
        let written_bytes = std::mem::take(&mut self.written_bytes);
        let left = &lines[whole_bytes(&lines[..written_bytes])..];
        left.iter().filter(|byte| **byte == b'\n').count() as u64
    }

    /// Writes what is not written yet of `lines`. May be called again, with the same, after a
    /// failure.
    pub(crate) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        while self.written_bytes < lines.len() {
            match self.file.write(&lines[self.written_bytes..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => self.written_bytes += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.written_bytes = 0;
        Ok(())
    }
}

/// How much of it is whole lines.
fn whole_bytes(lines: &[u8]) -> usize {
    lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}
