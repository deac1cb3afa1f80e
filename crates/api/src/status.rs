//! How a call ends: a gRPC status number and the words that go with it.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use ketch_base::{Code, GrpcCode};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The number of success.
pub(crate) const OK: u8 = 0;

/// A refusal on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) number: u8,
    pub(crate) text: Cow<'static, str>,
}

impl Status {
    pub(crate) fn new(code: GrpcCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { number: code as u8, text: text.into() }
    }

    /// The client went away before the end.
    pub(crate) fn canceled() -> Self {
        Self::new(GrpcCode::Canceled, "context canceled")
    }

    /// The client's own deadline has passed.
    pub(crate) fn deadline() -> Self {
        Self::new(GrpcCode::DeadlineExceeded, "context deadline exceeded")
    }

    /// Writes the two fields that end every call.
    pub(crate) fn write(&self, fields: &mut HeaderMap) {
        fields.insert(STATUS, HeaderValue::from(u16::from(self.number)));
        let message = match &self.text {
            // What is refused a hundred thousand times a second is not made anew each time.
            Cow::Borrowed(text) if is_plain(text) => HeaderValue::from_static(text),
            text => message_value(text),
        };
        fields.insert(MESSAGE, message);
    }
}

impl From<Code> for Status {
    fn from(code: Code) -> Self {
        Self::new(code.grpc(), code.text())
    }
}

/// The trailers of a call that went well.
pub(crate) fn ok_trailers() -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(1);
    fields.insert(STATUS, HeaderValue::from_static("0"));
    fields
}

/// Percent-encodes what a header cannot carry: everything but printable ASCII, and `%` itself.
fn message_value(text: &str) -> HeaderValue {
    let mut encoded = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain_byte(byte) {
            encoded.push(byte);
        } else {
            encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(encoded))
        .expect("only printable ASCII is left")
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(is_plain_byte)
}

fn is_plain_byte(byte: u8) -> bool {
    (0x20..=0x7e).contains(&byte) && byte != b'%'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_percent_encoded() {
        let check = |text: &str, wire: &str| assert_eq!(message_value(text), wire);
        check("etcdserver: key is not provided", "etcdserver: key is not provided");
        check("50% of\n\u{e4}", "50%25 of%0A%C3%A4");
        check("\"leader\" field must be provided", "\"leader\" field must be provided");
        check("", "");
    }

    #[test]
    fn every_code_can_be_written() {
        for code in Code::ALL {
            let mut fields = HeaderMap::new();
            Status::from(*code).write(&mut fields);
            assert_eq!(fields["grpc-message"], code.text());
        }
    }
}
