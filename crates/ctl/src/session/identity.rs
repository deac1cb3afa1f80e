//! As whom a command speaks: `--user`, `--password`, `--auth-jwt-token`.

use crate::failure::{ERROR, Failure};
use crate::flags::Flags;
use crate::password;

/// A user with a password, a token, or nobody.
#[derive(Default)]
pub(super) struct Identity {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) token: String,
}

impl Identity {
    /// A token goes before a user, and asks nothing; `name:password` is taken apart unless the
    /// password has a flag of its own; what is left out is asked for.
    pub(super) fn read(flags: &Flags) -> Result<Self, Failure> {
        let text = |name: &str| flags.text(name).to_owned();
        let (user, password, token) = (text("user"), text("password"), text("auth-jwt-token"));
        if !token.is_empty() {
            return Ok(Self { token, ..Self::default() });
        }
        if user.is_empty() {
            return Ok(Self::default());
        }
        let (username, password) = match user.split_once(':') {
            _ if !password.is_empty() => (user, password),
            Some((name, password)) => (name.to_owned(), password.to_owned()),
            None => {
                let asked = password::ask("Password: ");
                (user, asked.map_err(|why| why.failure(ERROR, ""))?)
            }
        };
        Ok(Self { username, password, token })
    }
}

/// A flag's value as it may be shown. Unlike etcdctl, `--debug` tells no secrets.
pub(super) fn without_secrets(name: &str, value: &str) -> String {
    let hidden = |text: &str| if text.is_empty() { "" } else { "***" }.to_owned();
    match (name, value.split_once(':')) {
        ("password" | "auth-jwt-token", _) => hidden(value),
        ("user", Some((user, password))) => format!("{user}:{}", hidden(password)),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::GLOBAL;

    #[test]
    fn identities() {
        let check = |line: &[&str], found: [&str; 3]| {
            let mut flags = Flags::new(GLOBAL.iter().copied());
            let line: Vec<_> = line.iter().map(|word| word.as_bytes().to_vec()).collect();
            flags.parse(&line).unwrap();
            let identity = Identity::read(&flags).unwrap();
            let Identity { username, password, token } = &identity;
            assert_eq!([username.as_str(), password, token], found, "{line:?}");
        };
        check(&[], ["", "", ""]);
        check(&["--user", "a:b"], ["a", "b", ""]);
        check(&["--user", "a:b:c"], ["a", "b:c", ""]);
        check(&["--user", "a:b", "--password", "c"], ["a:b", "c", ""]);
        check(&["--user", "a:"], ["a", "", ""]);
        check(&["--password", "b"], ["", "", ""]);
        check(&["--auth-jwt-token", "t", "--user", "a:b"], ["", "", "t"]);
    }

    #[test]
    fn secrets_are_not_shown() {
        let check = |name: &str, value: &str, shown: &str| {
            assert_eq!(without_secrets(name, value), shown);
        };
        check("user", "a:b:c", "a:***");
        check("user", "a", "a");
        check("user", "a:", "a:");
        check("password", "b", "***");
        check("password", "", "");
        check("auth-jwt-token", "t", "***");
        check("endpoints", "[h:1]", "[h:1]");
    }
}
