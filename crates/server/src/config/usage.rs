//! What `--help` and `--version` print.

use super::flags::{FLAGS, Kind, Support};

/// The release whose behaviour this server has; clients decide by it what they may ask.
pub(crate) const ETCD_VERSION: &str = "3.7.1";

/// What names and defaults do not tell.
const NOTES: &[(&str, &str)] = &[
    ("feature-gates", "InitialCorruptCheck and CompactHashCheck are on unless set to false."),
    ("raft-read-timeout", "At least 5s."),
    ("raft-write-timeout", "At least 5s."),
    (
        "initial-cluster",
        "All first members, NAME=URL[,..]; this one alone if not set. Not read again later.",
    ),
    ("listen-client-http-urls", "HTTP apart; the client URLs are for gRPC alone then."),
    ("listen-client-urls", "http, https, unix and unixs URLs; the secure ones need --cert-file."),
    ("cert-file", "This and the other files are read again when they change, and on SIGHUP."),
    ("client-cert-auth", "Demands certificates; their common names are users."),
    ("auto-tls", "A certificate made at the first start, under the data directory."),
    ("initial-cluster-state", "new: found it. existing: join one that has added this member."),
    ("discovery-endpoints", "Another cluster through which members find each other."),
    ("discovery-token", "What they find each other by; needs --discovery-endpoints."),
    ("discovery-srv", "Domain with SRV records of etcd-server-ssl and etcd-server."),
    ("discovery-srv-name", "Looks for etcd-server-ssl-NAME and etcd-server-NAME instead."),
    ("strict-reconfig-check", "Refuses changes of the membership that endanger the quorum."),
    ("corrupt-check-time", "12h if not set; 0s turns the comparison of all data off."),
    ("compact-hash-check-time", "More than 0s."),
    ("audit-log-path", "File to which every call of a client is noted, a line of JSON each."),
    ("force-new-cluster", "Unsafe: goes on alone, without all other members."),
];

/// The four lines of `--version`.
pub(crate) fn version_text() -> String {
    format!(
        "etcd Version: {ETCD_VERSION}\nGit SHA: ketch-{}\nGo Version: none (Rust)\nGo OS/Arch: {}/{}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        },
    )
}

/// The head that stands before every flag list.
pub(crate) fn usage_text() -> String {
    "Usage:\n\n  ketch [flags]\n    Start a member; takes the flags of etcd 3.7.\n\n  \
     ketch --version\n    Show the version.\n\n  ketch -h | --help\n    Show the flags.\n\n  \
     ketch --config-file\n    Path to the server configuration file; other flags and \
     ETCD_ variables are then ignored.\n"
        .to_owned()
}

/// All flags by section, with defaults and what is not there yet.
pub(crate) fn flag_text() -> String {
    let mut text = String::new();
    let mut section = "";
    for flag in FLAGS.iter().filter(|flag| flag.support != Support::Ignored) {
        if flag.section != section {
            section = flag.section;
            text.push_str(&format!("\n{}:\n", capitalised(section)));
        }
        let default =
            if flag.kind == Kind::Bool && flag.default.is_empty() { "false" } else { flag.default };
        text.push_str(&format!("  --{} '{default}'\n", flag.name));
        if let Some((_, note)) = NOTES.iter().find(|(name, _)| *name == flag.name) {
            text.push_str(&format!("    {note}\n"));
        }
        if let Support::Refused(why) = flag.support {
            text.push_str(&format!("    Refused when set: {why}.\n"));
        }
    }
    text
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_note_is_of_a_flag_that_works() {
        let text = flag_text();
        for (name, note) in NOTES {
            let flag = FLAGS.iter().find(|flag| flag.name == *name).expect("a flag");
            assert_eq!(flag.support, Support::Works, "{name}");
            assert!(text.contains(&format!("--{name} '{}'\n    {note}\n", flag.default)), "{name}");
        }
        assert!(text.contains("--memory-mlock 'false'\n    Refused when set: "), "{text}");
    }
}
