//! Who may depend on whom: our own edges, and what a core crate may take from outside.

use std::path::Path;

use anyhow::Result;
use cargo_metadata::{DependencyKind, MetadataCommand};

use super::Findings;

/// Edges of the house. A crate not listed here may depend on any other (it is at the top).
const EDGES: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("proto", &[]),
    ("raft-proto", &[]),
    ("env", &["base"]),
    ("raft", &["base", "raft-proto"]),
    ("wal", &["base", "raft-proto", "env"]),
    ("snapshot", &["base", "proto", "raft-proto", "env"]),
    ("backend", &["base", "env"]),
    ("mvcc", &["base", "proto", "backend"]),
    ("lease", &["base", "proto", "backend"]),
    ("auth", &["base", "proto", "backend"]),
    ("apply", &["base", "proto", "raft-proto", "backend", "mvcc", "lease", "auth"]),
    (
        "node",
        &["base", "proto", "raft-proto", "env", "raft", "wal", "snapshot", "backend", "apply"],
    ),
    ("tls", &["base"]),
    ("peer", &["base", "proto", "raft-proto", "tls"]),
    ("api", &["base", "proto", "auth"]),
    ("audit", &["base", "api"]),
    ("client", &["base", "proto", "tls"]),
    ("ctl", &["base", "proto", "client", "tls"]),
    ("utl", &["base", "proto", "raft-proto", "env", "wal", "snapshot", "backend", "mvcc", "apply"]),
];

/// What core crates may take from outside, beyond nothing.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("base", &["bytes", "thiserror"]),
    ("raft-proto", &["bytes", "prost"]),
    ("env", &["thiserror", "rustix"]),
    ("raft", &["bytes", "prost", "thiserror"]),
    ("wal", &["bytes", "prost", "thiserror", "crc32c"]),
    ("snapshot", &["bytes", "prost", "thiserror", "crc32c", "sha2"]),
    ("backend", &["bytes", "thiserror", "crc32c", "redb", "parking_lot"]),
    ("mvcc", &["bytes", "prost", "thiserror", "crc32c", "parking_lot"]),
    ("lease", &["bytes", "prost", "thiserror", "parking_lot"]),
    ("auth", &["bytes", "prost", "thiserror", "parking_lot"]),
    ("apply", &["bytes", "prost", "thiserror", "serde", "serde_json", "sha1", "parking_lot"]),
    ("node", &["bytes", "prost", "thiserror", "serde", "serde_json"]),
];

/// Reads the manifests and compares normal dependencies with the tables.
pub(super) fn check(root: &Path, findings: &mut Findings) -> Result<()> {
    let metadata =
        MetadataCommand::new().manifest_path(root.join("Cargo.toml")).no_deps().exec()?;
    for package in &metadata.packages {
        let Some(layer) = package.name.strip_prefix("ketch-") else { continue };
        for dependency in &package.dependencies {
            if dependency.kind != DependencyKind::Normal {
                continue;
            }
            let (table, name) = match dependency.name.strip_prefix("ketch-") {
                Some(ours) => (EDGES, ours),
                None => (OUTSIDE, dependency.name.as_str()),
            };
            let allowed = table.iter().find(|(crate_name, _)| *crate_name == layer);
            if allowed.is_some_and(|(_, names)| !names.contains(&name)) {
                let edge = format!("{layer}->{name}");
                findings.add("layers", &edge, "this edge is not in the house's plan");
            }
        }
    }
    Ok(())
}
