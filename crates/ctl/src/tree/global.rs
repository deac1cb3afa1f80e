//! Flags that every command knows.

use crate::flags::{Flag, Kind};

/// In the order of their names.
pub(crate) const GLOBAL: &[Flag] = &[
    Flag::new("auth-jwt-token", Kind::Text, "token to authenticate with, instead of a user"),
    Flag::new("cacert", Kind::Text, "file with the authorities that may sign servers"),
    Flag::new("cert", Kind::Text, "file with the certificate to show to servers"),
    Flag::new("command-timeout", Kind::Duration, "longest time a short command may take")
        .default("5s"),
    Flag::new("debug", Kind::Bool, "tell on standard error what is being done"),
    Flag::new("dial-timeout", Kind::Duration, "longest time to connect").default("2s"),
    Flag::new("discovery-srv", Kind::Text, "domain whose SRV records name the endpoints")
        .short('d'),
    Flag::new("discovery-srv-name", Kind::Text, "service name within those SRV records"),
    Flag::new("endpoints", Kind::List, "members to talk to").default("127.0.0.1:2379"),
    Flag::new("hex", Kind::Bool, "show byte strings in hexadecimal"),
    Flag::new("insecure-discovery", Kind::Bool, "accept SRV records of plain endpoints")
        .default("true"),
    Flag::new("insecure-skip-tls-verify", Kind::Bool, "believe any certificate of a server"),
    Flag::new("insecure-transport", Kind::Bool, "talk without transport security").default("true"),
    Flag::new("keepalive-time", Kind::Duration, "silence before a connection is probed")
        .default("2s"),
    Flag::new("keepalive-timeout", Kind::Duration, "silence after a probe that ends it")
        .default("6s"),
    Flag::new("key", Kind::Text, "file with the key of the certificate to show"),
    Flag::new("max-recv-bytes", Kind::Int, "largest answer in bytes (0 is almost 2 GiB)"),
    Flag::new("max-request-bytes", Kind::Int, "largest request in bytes (0 is 2 MiB)"),
    Flag::new("password", Kind::Text, "password of the user"),
    Flag::new("user", Kind::Text, "user to act as: name, or name:password"),
    Flag::new("write-out", Kind::Text, "output format: simple, fields, json, protobuf or table")
        .short('w')
        .default("simple"),
];
