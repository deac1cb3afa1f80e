//! The static table of header fields (RFC 7541, appendix A): names, and the values that matter.

use super::Meaning;

/// Names by index; the first has index 1.
#[rustfmt::skip]
const NAMES: [&str; 61] = [
    ":authority", ":method", ":method", ":path", ":path", ":scheme", ":scheme", ":status",
    ":status", ":status", ":status", ":status", ":status", ":status", "accept-charset",
    "accept-encoding", "accept-language", "accept-ranges", "accept",
    "access-control-allow-origin", "age", "allow", "authorization", "cache-control",
    "content-disposition", "content-encoding", "content-language", "content-length",
    "content-location", "content-range", "content-type", "cookie", "date", "etag", "expect",
    "expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range",
    "if-unmodified-since", "last-modified", "link", "location", "max-forwards",
    "proxy-authenticate", "proxy-authorization", "range", "referer", "refresh", "retry-after",
    "server", "set-cookie", "strict-transport-security", "transfer-encoding", "user-agent",
    "vary", "via", "www-authenticate",
];
/// `:method: POST`.
const POST: usize = 3;

/// Fields of the static table.
pub(super) const COUNT: usize = NAMES.len();

/// The name of a field.
pub(super) fn name(index: usize) -> Option<&'static str> {
    NAMES.get(index.checked_sub(1)?).copied()
}

/// What a whole field says.
pub(super) fn meaning(index: usize) -> Meaning {
    match index {
        POST => Meaning::Post,
        // Other verbs, and paths that are no calls.
        2 | 4 | 5 => Meaning::NoCall,
        _ => Meaning::None,
    }
}
