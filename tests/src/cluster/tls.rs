//! What secures a cluster: certificates in a folder, and the flags that name them.

use std::path::PathBuf;

use anyhow::Result;
use ketch_tls::authority::{Authority, Issued, Subject};
use tempfile::TempDir;

/// Where all test members listen; what their certificates are for.
const HOSTS: &[&str] = &["127.0.0.1", "localhost"];

/// How the members of a cluster talk.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Peer URLs are https.
    pub peers: bool,
    /// Flags of every member; `$SEAT` in them is its number.
    pub flags: Vec<String>,
}

impl Tls {
    /// The same with more flags.
    #[must_use]
    pub fn with(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.peers { "https" } else { "http" }
    }

    pub(super) fn flags_of(&self, seat: usize) -> impl Iterator<Item = String> {
        self.flags.iter().map(move |flag| flag.replace("$SEAT", &seat.to_string()))
    }
}

/// A folder of certificates, which members read and read again.
#[derive(Debug)]
pub struct Papers {
    folder: TempDir,
}

impl Papers {
    /// Of `seats` members: `m0.crt`, `m0.key` and `ca0.crt`, whom it trusts, and so on.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn of_members(authority: &Authority, seats: usize) -> Result<Self> {
        let papers = Self { folder: TempDir::with_prefix("ketch-papers-")? };
        for seat in 0..seats {
            papers.put(&format!("ca{seat}.crt"), authority.pem())?;
            papers.issue(&format!("m{seat}"), authority, &member(seat))?;
        }
        Ok(papers)
    }

    /// Flags of members that show theirs and want to see the others'.
    pub fn mutual(&self) -> Tls {
        let flags = [
            ("--peer-cert-file", "m$SEAT.crt"),
            ("--peer-key-file", "m$SEAT.key"),
            ("--peer-trusted-ca-file", "ca$SEAT.crt"),
        ];
        let flags = flags.iter().flat_map(|(flag, file)| [(*flag).to_owned(), self.text(file)]);
        let peers = true;
        Tls { peers, flags: flags.chain(["--peer-client-cert-auth".to_owned()]).collect() }
    }

    /// Where a file is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text, for flags.
    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Puts a file in place as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let fresh = self.path(&format!("{name}.new"));
        std::fs::write(&fresh, content)?;
        Ok(std::fs::rename(fresh, self.path(name))?)
    }

    /// Puts a certificate and its key in place.
    ///
    /// # Errors
    /// As `put`.
    pub fn issue(&self, name: &str, by: &Authority, subject: &Subject) -> Result<()> {
        let Issued { cert, key } = by.issue(subject);
        self.put(&format!("{name}.key"), &key)?;
        self.put(&format!("{name}.crt"), &cert)
    }
}

/// What the certificate of a member says: `member-N`, its own serial number.
pub fn member(seat: usize) -> Subject {
    Subject::new(&format!("member-{seat}"), HOSTS).serial(100 + seat as u64)
}
