//! Transport security: `--cacert`, `--cert`, `--key`, `--insecure-skip-tls-verify`,
//! `--insecure-transport`.

use std::path::PathBuf;
use std::sync::Arc;

use ketch_tls::{Alpn, Files, Identity, Rules};

use crate::failure::Failure;
use crate::flags::Flags;

/// What the flags ask for; `None` when nothing does. Endpoints with `https` are secured anyway,
/// and those with `http` never.
pub(super) fn read(flags: &Flags) -> Result<Option<Arc<Identity>>, Failure> {
    for name in ["cert", "key", "cacert"] {
        if flags.changed(name) && flags.text(name).is_empty() {
            return Err(Failure::bad_args(format!("empty string is passed to --{name} option")));
        }
    }
    let path = |name: &str| Some(flags.text(name)).filter(|t| !t.is_empty()).map(PathBuf::from);
    let files = Files {
        cert: path("cert"),
        key: path("key"),
        trusted_ca: path("cacert"),
        ..Files::default()
    };
    let skip = flags.bool("insecure-skip-tls-verify");
    if files == Files::default() && !skip && flags.bool("insecure-transport") {
        return Ok(None);
    }
    let rules = Rules { insecure_skip_verify: skip, ..Rules::default() };
    match Identity::load(files, rules, Alpn::Clients) {
        Ok(identity) => Ok(Some(identity)),
        Err(error) => Err(Failure::bad_args(error.in_etcds_words())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::GLOBAL;

    #[test]
    fn asked_for_or_not() {
        let check = |line: &[&str], found: &str| {
            let mut flags = Flags::new(GLOBAL.iter().copied());
            let words: Vec<_> = line.iter().map(|word| word.as_bytes().to_vec()).collect();
            flags.parse(&words).unwrap();
            let said = match read(&flags) {
                Ok(identity) => if identity.is_some() { "secure" } else { "plain" }.to_owned(),
                Err(failure) => failure.message.unwrap_or_default(),
            };
            assert_eq!(said, found, "{line:?}");
        };
        check(&[], "plain");
        check(&["--insecure-transport=false"], "secure");
        check(&["--insecure-skip-tls-verify"], "secure");
        check(&["--cert="], "empty string is passed to --cert option");
        let half = "KeyFile and CertFile must both be present[key: k, cert: ]";
        check(&["--key", "k"], half);
        let gone = "open /nonexistent: no such file or directory";
        check(&["--cacert", "/nonexistent"], gone);
        check(&["--cert", "/nonexistent", "--key", "/nonexistent"], gone);
    }
}
