//! Why a call failed, with the code and the exact text of the server.

use std::fmt;

use ketch_base::Code as KnownCode;
use tonic::Code;

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The list of endpoints is empty.
    #[error("etcdclient: no available endpoints")]
    NoEndpoints,
    /// An endpoint asks for transport security, and it cannot be set up.
    #[error("{0}")]
    Security(String),
    /// The address of a member is not one.
    #[error("{0}")]
    PeerUrl(String),
    /// A token and a user are given, and only one of them can be sent.
    #[error("a token and a user exclude each other")]
    TwoLogins,
    /// The token holds bytes that gRPC's metadata cannot carry.
    #[error("the token is not printable ASCII")]
    BadToken,
    /// The limit of the call passed; the cause says what it waited for.
    #[error("context deadline exceeded")]
    Deadline {
        /// gRPC's words for the wait.
        cause: String,
    },
    /// The server ended the watch.
    #[error("{0}")]
    WatchCanceled(String),
    /// The server, or the connection to it, refused.
    #[error(transparent)]
    Rpc(#[from] Status),
}

impl Error {
    /// The gRPC code this error stands for.
    pub fn code(&self) -> Code {
        match self {
            Self::NoEndpoints | Self::Security(_) => Code::Unavailable,
            Self::Deadline { .. } => Code::DeadlineExceeded,
            Self::WatchCanceled(_) => Code::Cancelled,
            Self::PeerUrl(_) | Self::TwoLogins | Self::BadToken => Code::InvalidArgument,
            Self::Rpc(status) => status.code,
        }
    }

    /// The text that goes with [`Error::code`].
    pub fn message(&self) -> &str {
        match self {
            Self::NoEndpoints => "etcdclient: no available endpoints",
            Self::TwoLogins => "a token and a user exclude each other",
            Self::BadToken => "the token is not printable ASCII",
            Self::Security(text) | Self::WatchCanceled(text) | Self::PeerUrl(text) => text,
            Self::Deadline { cause } => cause,
            Self::Rpc(status) => &status.message,
        }
    }

    /// Whether the server said exactly this.
    pub fn is(&self, known: KnownCode) -> bool {
        matches!(self, Self::Rpc(status) if status.message == known.text())
    }
}

/// A gRPC status. Displayed as etcd's own clients do: the bare text where the text is one of
/// etcd's, else code and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// gRPC code.
    pub code: Code,
    /// Text of the server or of the connection.
    pub message: String,
}

impl Status {
    fn is_etcds(&self) -> bool {
        self.message.starts_with("etcdserver: ")
            && KnownCode::ALL.iter().any(|known| known.text() == self.message)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_etcds() {
            return f.write_str(&self.message);
        }
        write!(f, "rpc error: code = {} desc = {}", code_name(self.code), self.message)
    }
}

impl std::error::Error for Status {}

impl From<&tonic::Status> for Status {
    fn from(status: &tonic::Status) -> Self {
        match oversized(status) {
            Some((found, limit)) => Self {
                code: Code::ResourceExhausted,
                message: format!("grpc: received message larger than max ({found} vs. {limit})"),
            },
            None => Self { code: status.code(), message: status.message().to_owned() },
        }
    }
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        if status.code() == Code::DeadlineExceeded {
            return Self::Deadline { cause: status.message().to_owned() };
        }
        Self::Rpc(Status::from(&status))
    }
}

/// tonic's words for an answer above the limit, as `(found, limit)`.
fn oversized(status: &tonic::Status) -> Option<(u64, u64)> {
    let rest = status
        .message()
        .strip_prefix("Error, decoded message length too large: found ")
        .filter(|_| status.code() == Code::OutOfRange)?;
    let (found, rest) = rest.split_once(" bytes, the limit is: ")?;
    let limit = rest.strip_suffix(" bytes")?;
    Some((found.parse().ok()?, limit.parse().ok()?))
}

/// Go's spelling of a code, the one users of etcd know.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

impl Status {
    /// Go's `rpc error: code = .. desc = ..`, whatever the text.
    pub fn long(code: Code, message: &str) -> String {
        format!("rpc error: code = {} desc = {message}", code_name(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_as_etcds_clients_show_it() {
        let check = |code: Code, message: &str, shown: &str| {
            let error = Error::from(tonic::Status::new(code, message));
            assert_eq!(error.to_string(), shown);
        };
        check(
            Code::NotFound,
            "etcdserver: requested lease not found",
            "etcdserver: requested lease not found",
        );
        check(
            Code::Unimplemented,
            "RangeStream does not support custom sort orders",
            "rpc error: code = Unimplemented \
             desc = RangeStream does not support custom sort orders",
        );
        check(Code::DeadlineExceeded, "anything", "context deadline exceeded");
        check(
            Code::OutOfRange,
            "Error, decoded message length too large: found 27 bytes, the limit is: 1 bytes",
            "rpc error: code = ResourceExhausted \
             desc = grpc: received message larger than max (27 vs. 1)",
        );
    }
}
