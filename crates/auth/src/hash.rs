//! The stored form of a password, which is never the password.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use ketch_base::Code;

/// As lenient as Go about the bits that no byte needs, and as strict about the padding.
const DECODER: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// What a password is checked against, off the thread that applies.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    /// bcrypt's text; empty for an account nobody can log in to.
    pub hash: Bytes,
    /// The auth revision it was read at. If it is another once the login is applied, the check
    /// must be made again.
    pub revision: u64,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("revision", &self.revision).finish_non_exhaustive()
    }
}

/// The hash that the proposing member put into the request, as base64; line ends are skipped, as
/// Go skips them.
///
/// A password in clear, which members up to 3.4 proposed, is dropped: every member would salt it
/// on its own. Nobody can log in to such an account until it gets a new password.
pub(crate) fn decode(encoded: &str) -> Result<Bytes, Code> {
    let encoded: Vec<u8> = encoded.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    DECODER.decode(encoded).map(Bytes::from).map_err(|_| Code::NoPasswordUser)
}
