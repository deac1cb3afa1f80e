//! What a command runs with: its flags, the output, and connections to the cluster.

mod identity;
mod security;

use std::sync::Arc;
use std::time::Duration;

use ketch_client::{Client, Config, Error, Failure as CallFailure, Status};
use ketch_proto::etcdserverpb::ResponseHeader;
use ketch_tls::Identity as Certificates;

use identity::Identity;

use crate::environment;
use crate::failure::{BAD_CONNECTION, ERROR, Failure, say};
use crate::flags::Flags;
use crate::printer::{Access, Answer, Printer};
use crate::text::log;
use crate::tree::Found;

/// A command about to run. Flags are as on the line until it connects.
pub(crate) struct Invocation {
    pub(crate) found: Found,
    pub(crate) flags: Flags,
    pub(crate) variables: Vec<(String, String)>,
}

/// A command that has read its variables and knows its output and endpoints.
pub(crate) struct Session {
    pub(crate) flags: Flags,
    pub(crate) printer: Printer,
    identity: Identity,
    security: Option<Arc<Certificates>>,
    /// Name of the log lines about failed calls.
    logger: &'static str,
}

impl Invocation {
    pub(crate) fn arguments(&self) -> &[Vec<u8>] {
        self.flags.arguments()
    }

    /// An argument as text.
    pub(crate) fn word(&self, at: usize) -> String {
        self.arguments().get(at).map_or_else(String::new, |word| lossy(word))
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Reads the variables and what follows from all flags together. `also` names variables that
    /// the command has beyond those of flags.
    pub(crate) fn session(&self, also: &[&'static str]) -> Result<Session, Failure> {
        let mut flags = self.flags.clone();
        let inherited: Vec<_> = self.found.inherited().iter().map(|flag| flag.name).collect();
        let mut variables = self.variables.clone();
        variables.retain(|(name, _)| !also.contains(&name.as_str()));
        environment::apply(&mut flags, &inherited, &variables)?;
        if flags.bool("debug") {
            show_settings(&flags, &inherited, also);
        }
        refuse(&flags)?;
        let security = security::read(&flags)?;
        let identity = Identity::read(&flags)?;
        let printer = Printer::new(flags.text("write-out"), flags.bool("hex"))?;
        Ok(Session { flags, printer, identity, security, logger: "etcd-client" })
    }
}

impl Session {
    /// The same with another name in the log lines.
    pub(crate) fn logging_as(self, logger: &'static str) -> Self {
        Self { logger, ..self }
    }

    /// A client of all endpoints, logged in, with the time a short command has.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        self.client_of(self.flags.list("endpoints").to_vec()).await
    }

    /// A client of these endpoints, logged in, with the time a short command has.
    pub(crate) async fn client_of(&self, endpoints: Vec<String>) -> Result<Client, Failure> {
        let no_connection = |error: Error| Failure::new(BAD_CONNECTION, error.to_string());
        let client = self.unknown_client_of(endpoints).map_err(no_connection)?;
        client.log_in().await.map_err(no_connection)?;
        Ok(client)
    }

    /// The same before it has logged in.
    pub(crate) fn unknown_client_of(&self, endpoints: Vec<String>) -> Result<Client, Error> {
        let flags = &self.flags;
        let size = |name: &str| usize::try_from(flags.int(name)).ok().filter(|size| *size > 0);
        let base = Config::new(endpoints);
        let logger = self.logger;
        Client::new(Config {
            dial_timeout: flags.duration("dial-timeout"),
            call_timeout: Some(self.command_timeout()),
            keepalive_time: flags.duration("keepalive-time"),
            keepalive_timeout: flags.duration("keepalive-timeout"),
            send_bytes_max: size("max-request-bytes").unwrap_or(base.send_bytes_max),
            recv_bytes_max: size("max-recv-bytes").unwrap_or(base.recv_bytes_max),
            security: self.security.clone(),
            username: self.identity.username.clone(),
            password: self.identity.password.clone(),
            token: self.identity.token.clone(),
            on_failure: Some(Arc::new(move |failure| log_failure(logger, failure))),
            ..base
        })
    }

    /// Prints that users or roles were changed.
    pub(crate) fn changed(
        &self,
        line: impl AsRef<[u8]>,
        header: Option<ResponseHeader>,
    ) -> Result<(), Failure> {
        self.printer.print(&Answer::Access(Access::Changed(line.as_ref(), header)))
    }

    pub(crate) fn command_timeout(&self) -> Duration {
        self.flags.duration("command-timeout")
    }

    /// The given endpoints or, with `--cluster`, the client addresses of all members.
    pub(crate) async fn endpoints(&self) -> Result<Vec<String>, Failure> {
        if !self.flags.bool("cluster") {
            return Ok(self.flags.list("endpoints").to_vec());
        }
        // Here a refused login is an error like any other.
        let client = self.client().await.map_err(|failure| Failure { code: ERROR, ..failure })?;
        let members = client.cluster().members(true).await.map_err(|error| {
            let what = "failed to fetch endpoints from etcd cluster member list";
            Failure::error(format!("{what}: {error}"))
        })?;
        Ok(members.members.into_iter().flat_map(|member| member.client_ur_ls).collect())
    }
}

/// A flag of a later release is refused by name rather than ignored: whoever gives it counts on it.
fn refuse(flags: &Flags) -> Result<(), Failure> {
    if flags.text("discovery-srv").is_empty() {
        return Ok(());
    }
    Err(Failure::error("--discovery-srv is not supported yet by this ketchctl"))
}

fn show_settings(flags: &Flags, inherited: &[&'static str], also: &[&'static str]) {
    let shown = flags.shown().filter(|(name, _)| inherited.contains(name));
    let mut lines: Vec<_> = shown.map(|(name, value)| setting(name, &value)).collect();
    lines.extend(also.iter().map(|name| format!("{name}=")));
    lines.sort_unstable();
    say(&lines.join("\n"));
}

fn setting(name: &str, value: &str) -> String {
    format!("{}={}", environment::variable(name), identity::without_secrets(name, value))
}

fn log_failure(logger: &str, failure: &CallFailure<'_>) {
    let target = format!("etcd-endpoints://0x0/{}", failure.target);
    let how = if failure.secure { "tls" } else { "insecure" };
    let peer = match failure.peer {
        Some((remote, local)) => {
            format!("Peer{{Addr: '{remote}', LocalAddr: '{local}', AuthInfo: '{how}'}}")
        }
        None => "Peer{Addr: <nil>, LocalAddr: <nil>, AuthInfo: <nil>}".to_owned(),
    };
    let line = CallLine {
        logger,
        target: &target,
        peer: &peer,
        method: failure.method,
        attempt: failure.attempt,
        error: &Status::long(failure.code, failure.message),
    };
    line.write();
}

struct CallLine<'a> {
    logger: &'a str,
    target: &'a str,
    peer: &'a str,
    method: &'a str,
    attempt: u32,
    error: &'a str,
}

impl CallLine<'_> {
    fn write(&self) {
        let attempt = log::Field::Number(self.attempt.into());
        log::typed(
            "warn",
            self.logger,
            concat!(file!(), ":", line!()),
            "retrying of unary invoker failed",
            &[
                ("target", log::Field::Text(self.target)),
                ("peer", log::Field::Text(self.peer)),
                ("method", log::Field::Text(self.method)),
                ("attempt", attempt),
                ("error", log::Field::Text(self.error)),
            ],
        );
    }
}

/// Bytes as text, with replacement characters where they are none.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
