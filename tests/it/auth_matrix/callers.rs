//! Everybody who asks: users and what they may, and what is shown in their name.

use ketch_proto::authpb::permission::Type;

/// Name, and the ranges granted: kind, key, end.
pub(super) type User = (&'static str, &'static [(Type, &'static str, &'static str)]);

/// All but root and `certified`, which has no password.
pub(super) const USERS: [User; 9] = [
    ("nobody", &[]),
    ("reader", &[(Type::Read, "a", "")]),
    ("writer", &[(Type::Write, "a", "")]),
    ("both", &[(Type::Readwrite, "a", "")]),
    ("range", &[(Type::Readwrite, "a", "c")]),
    ("prefix", &[(Type::Readwrite, "p/", "p0")]),
    ("from", &[(Type::Readwrite, "b", "\0")]),
    ("pieces", &[(Type::Read, "a", "b"), (Type::Read, "b", "c")]),
    ("gone", &[(Type::Readwrite, "a", "")]),
];

/// The key that signs good tokens.
pub(super) const SECRET: &[u8] = b"the secret of the table";

/// What a caller shows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    /// Nothing.
    Nothing,
    /// This text as `token`.
    Text(&'static str),
    /// A token of this user, fresh; under this name.
    LogIn(&'static str, &'static str),
    /// As `LogIn`, behind the word by which HTTP clients announce a token.
    Bearer(&'static str),
    /// A token this user got before anybody was deleted, and before tokens may have died.
    Before(&'static str),
    /// Claims in which `NOW`, `PAST`, `LATER`, `THIS`, `OLD` and `AHEAD` are times and revisions,
    /// signed by this key.
    Claims(&'static str, &'static [u8]),
    /// A client certificate with this common name, and with it a field or none.
    Certificate(&'static str, Option<(&'static str, Shows)>),
}

/// What is shown beside a certificate.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shows {
    Text(&'static str),
    TokenOf(&'static str),
}

pub(super) type Caller = (&'static str, Shown);

/// Tokens that the log made.
pub(super) const SIMPLE: &[Caller] = &[
    ("no token", Shown::Nothing),
    ("token `bad`", Shown::Text("bad")),
    ("token `bad.1`", Shown::Text("bad.1")),
    ("token `.`", Shown::Text(".")),
    ("an empty token", Shown::Text("")),
    ("token `Bearer x`", Shown::Text("Bearer x")),
    ("user nobody, without permissions", Shown::LogIn("nobody", "token")),
    ("user reader: read a", Shown::LogIn("reader", "token")),
    ("user writer: write a", Shown::LogIn("writer", "token")),
    ("user both: readwrite a", Shown::LogIn("both", "token")),
    ("user both, in `authorization`", Shown::LogIn("both", "authorization")),
    ("user both, as `Bearer`", Shown::Bearer("both")),
    ("user range: readwrite [a, c)", Shown::LogIn("range", "token")),
    ("user prefix: readwrite p/*", Shown::LogIn("prefix", "token")),
    ("user from: readwrite from b on", Shown::LogIn("from", "token")),
    ("user pieces: read [a, b) and [b, c)", Shown::LogIn("pieces", "token")),
    ("user gone, deleted since", Shown::Before("gone")),
    ("root", Shown::LogIn("root", "token")),
];

/// Tokens of two seconds.
pub(super) const SHORT: &[Caller] = &[
    ("user both, expired", Shown::Before("both")),
    ("root, expired", Shown::Before("root")),
    ("user both", Shown::LogIn("both", "token")),
];

/// Signed ones.
pub(super) const SIGNED: &[Caller] = &[
    ("no token", Shown::Nothing),
    ("token `bad`", Shown::Text("bad")),
    ("token `a.b.c`", Shown::Text("a.b.c")),
    ("user both", Shown::LogIn("both", "token")),
    ("user both, in `authorization`", Shown::LogIn("both", "authorization")),
    (
        "user both, by hand",
        Shown::Claims(r#"{"username":"both","revision":THIS,"exp":LATER}"#, SECRET),
    ),
    ("user both, without end", Shown::Claims(r#"{"username":"both","revision":THIS}"#, SECRET)),
    (
        "user both, old revision",
        Shown::Claims(r#"{"username":"both","revision":OLD,"exp":LATER}"#, SECRET),
    ),
    (
        "user both, revision to come",
        Shown::Claims(r#"{"username":"both","revision":AHEAD,"exp":LATER}"#, SECRET),
    ),
    (
        "user both, revision 0",
        Shown::Claims(r#"{"username":"both","revision":0,"exp":LATER}"#, SECRET),
    ),
    (
        "user both, expired",
        Shown::Claims(r#"{"username":"both","revision":THIS,"exp":PAST}"#, SECRET),
    ),
    (
        "user both, another key",
        Shown::Claims(r#"{"username":"both","revision":THIS,"exp":LATER}"#, b"another"),
    ),
    (
        "user who, who never was",
        Shown::Claims(r#"{"username":"who","revision":THIS,"exp":LATER}"#, SECRET),
    ),
    ("the empty user", Shown::Claims(r#"{"username":"","revision":THIS,"exp":LATER}"#, SECRET)),
    ("user gone, deleted since", Shown::Before("gone")),
    (
        "user gone, this revision",
        Shown::Claims(r#"{"username":"gone","revision":THIS,"exp":LATER}"#, SECRET),
    ),
    (
        "root, old revision",
        Shown::Claims(r#"{"username":"root","revision":OLD,"exp":LATER}"#, SECRET),
    ),
    ("root", Shown::LogIn("root", "token")),
];

/// Names of client certificates.
pub(super) const CERTIFIED: &[Caller] = &[
    ("common name empty", Shown::Certificate("", None)),
    ("common name both", Shown::Certificate("both", None)),
    ("common name certified, without password", Shown::Certificate("certified", None)),
    ("common name who, no user", Shown::Certificate("who", None)),
    ("common name gone, deleted since", Shown::Certificate("gone", None)),
    (
        "common name both, through a gateway",
        Shown::Certificate("both", Some(("grpcgateway-accept", Shows::Text("x")))),
    ),
    (
        "common name both, a bad token",
        Shown::Certificate("both", Some(("token", Shows::Text("bad")))),
    ),
    (
        "common name both, token of writer",
        Shown::Certificate("both", Some(("token", Shows::TokenOf("writer")))),
    ),
    (
        "common name root, token of both",
        Shown::Certificate("root", Some(("token", Shows::TokenOf("both")))),
    ),
    ("root by common name", Shown::Certificate("root", None)),
];
