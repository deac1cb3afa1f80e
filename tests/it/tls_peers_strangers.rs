//! Who does not belong is kept out, and both sides say why: a third founder with papers that are
//! not in order knocks at a member of ketch and at one of etcd, which found the cluster without
//! it, and both of them knock at its door.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use ketch_tests::cluster::{Cluster, PATIENCE, Papers, SeatPorts, can_run, member};
use ketch_tests::process::{Program, Start};
use ketch_tls::authority::{Authority, Subject};

const REJECTED: &str = "rejected connection on peer endpoint";
const PROBED: &str = "prober detected unhealthy status";
/// A name that only the stranger's certificate has.
const STRANGER: usize = 2;

/// What is wrong, and what the logs say of it.
struct Case {
    papers: Papers,
    /// Flags of the two that belong.
    members: Vec<String>,
    /// Flags of the stranger; those of `$PORT` and `$FRONT0` are of its own port and of relays.
    stranger: Vec<String>,
    /// The stranger has no papers at all.
    is_bare: bool,
    /// The second member is one of ketch as well.
    is_ours_alone: bool,
    /// Messages and errors in the log of each member; of etcd where the words are Go's alone.
    said: &'static [(Who, &'static str, &'static str)],
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Ours,
    Etcds,
    Strangers,
}
use Who::{Etcds, Ours, Strangers};

impl Case {
    fn new(
        authority: &Authority,
        said: &'static [(Who, &'static str, &'static str)],
    ) -> Result<Self> {
        let papers = Papers::of_members(authority, 3)?;
        Ok(Self {
            papers,
            members: Vec::new(),
            stranger: Vec::new(),
            is_bare: false,
            is_ours_alone: false,
            said,
        })
    }

    /// The stranger shows this instead.
    fn shows(self, by: &Authority, subject: &Subject) -> Result<Self> {
        self.papers.issue("m2", by, subject)?;
        Ok(self)
    }

    async fn kept_out(&self) -> Result<()> {
        let second = if self.is_ours_alone { Program::under_test() } else { Program::Etcd };
        let kinds = [Program::under_test(), second, Program::under_test()];
        if !can_run(&kinds) {
            return Ok(());
        }
        let on = [(); 3].map(|()| SeatPorts::free());
        let mut cluster = Cluster::prepare_secured(&kinds, &[], &on, &self.papers.mutual())?;
        if self.is_bare {
            let bare = cluster.flags().to_vec();
            cluster.seat(STRANGER).member.set_flags(bare);
        }
        for at in 0..3 {
            let flags = if at == STRANGER { &self.stranger } else { &self.members };
            let flags: Vec<String> = flags.iter().map(|flag| filled(flag, &cluster, at)).collect();
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            cluster.add_flags(at, &flags);
        }
        cluster.spawn_all()?;
        cluster.wait_leader_of(&[0, 1]).await?;
        for at in 0..2 {
            cluster.client(at).put("k", "v").await?;
        }
        self.wait_said(&mut cluster).await?;
        let status = cluster.status(STRANGER).await;
        let knows = status.is_ok_and(|status| status.leader != 0);
        ensure!(!knows, "the stranger takes part");
        for at in 0..2 {
            cluster.client(at).put("k", "v").await?;
        }
        cluster.finish()
    }

    async fn wait_said(&self, cluster: &mut Cluster) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        for (who, message, error) in self.said {
            let at = *who as usize;
            let said = |log: &str| {
                let error = format!(r#""error":"{error}"#);
                log.lines().any(|line| line.contains(message) && line.contains(&error))
            };
            while !said(&cluster.seats()[at].member.log()) {
                let tail = cluster.seats()[at].member.log_tail();
                ensure!(Instant::now() < end, "{who:?} does not say {message}: {error}; {tail}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }
}

fn filled(flag: &str, cluster: &Cluster, at: usize) -> String {
    let seats = cluster.seats();
    let mut flag = flag.replace("$PORT", &seats[at].peer_port().to_string());
    for (other, seat) in seats.iter().enumerate() {
        flag = flag.replace(&format!("$FRONT{other}"), &format!("127.0.0.1:{}", seat.front));
    }
    flag
}

#[tokio::test]
async fn another_authority() -> Result<()> {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let said: &[_] = &[
        (Ours, REJECTED, "tls: failed to verify certificate: x509: certificate signed by unknown"),
        (Etcds, REJECTED, "tls: failed to verify certificate: x509: certificate signed by unknown"),
        (Ours, PROBED, "tls: failed to verify certificate: x509: certificate signed by unknown"),
        (Strangers, REJECTED, "remote error: tls: bad certificate"),
        (Strangers, REJECTED, "remote error: tls: unknown certificate authority"),
        (Strangers, PROBED, "remote error: tls: unknown certificate authority"),
    ];
    Case::new(&ours, said)?.shows(&other, &member(STRANGER))?.kept_out().await
}

#[tokio::test]
async fn whoever_trusts_another_authority() -> Result<()> {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let said: &[_] = &[
        (Ours, REJECTED, "remote error: tls: unknown certificate authority"),
        (Etcds, REJECTED, "remote error: tls: unknown certificate authority"),
        (Strangers, REJECTED, "tls: failed to verify certificate: x509: certificate signed by"),
        (Strangers, PROBED, "tls: failed to verify certificate: x509: certificate signed by"),
    ];
    let case = Case::new(&ours, said)?;
    case.papers.put("ca2.crt", other.pem())?;
    case.kept_out().await
}

#[tokio::test]
async fn a_name_that_is_not_on_the_list() -> Result<()> {
    let said: &[_] = &[
        (Ours, REJECTED, "client certificate authentication failed"),
        (Etcds, REJECTED, "client certificate authentication failed"),
        (Ours, PROBED, "client certificate authentication failed"),
    ];
    let mut case = Case::new(&Authority::new("ours"), said)?;
    case.members = vec!["--peer-cert-allowed-cn=member-0,member-1".to_owned()];
    case.kept_out().await
}

#[tokio::test]
async fn a_host_that_is_not_on_the_list() -> Result<()> {
    let authority = Authority::new("ours");
    let said: &[_] = &[
        (Ours, REJECTED, "client certificate authentication failed"),
        (Etcds, REJECTED, "client certificate authentication failed"),
        (Ours, PROBED, "client certificate authentication failed"),
    ];
    let mut case = Case::new(&authority, said)?;
    for seat in 0..2 {
        let name = format!("m{seat}");
        let subject = Subject::new(&name, &["127.0.0.1", "localhost", "member.test"]);
        case.papers.issue(&name, &authority, &subject)?;
    }
    case.members = vec!["--peer-cert-allowed-hostname=member.test".to_owned()];
    case.kept_out().await
}

#[tokio::test]
async fn a_certificate_for_another_address() -> Result<()> {
    let authority = Authority::new("ours");
    let said: &[_] = &[
        (Ours, REJECTED, "x509: certificate is valid for 127.0.0.9, not 127.0.0.1"),
        (Etcds, REJECTED, "x509: certificate is valid for 127.0.0.9, not 127.0.0.1"),
        (
            Ours,
            PROBED,
            "tls: failed to verify certificate: x509: certificate is valid for 127.0.0.9",
        ),
        (Strangers, REJECTED, "remote error: tls: bad certificate"),
    ];
    let elsewhere = Subject::new("member-2", &["127.0.0.9"]);
    Case::new(&authority, said)?.shows(&authority, &elsewhere)?.kept_out().await
}

#[tokio::test]
async fn one_that_has_expired() -> Result<()> {
    let authority = Authority::new("ours");
    let said: &[_] = &[
        (Ours, REJECTED, "tls: failed to verify certificate: x509: certificate has expired"),
        (Etcds, REJECTED, "tls: failed to verify certificate: x509: certificate has expired"),
        (Ours, PROBED, "tls: failed to verify certificate: x509: certificate has expired"),
        (Strangers, PROBED, "remote error: tls: expired certificate"),
    ];
    let old = member(STRANGER).days(-9, -2);
    Case::new(&authority, said)?.shows(&authority, &old)?.kept_out().await
}

#[tokio::test]
async fn one_that_is_revoked() -> Result<()> {
    let authority = Authority::new("ours");
    let said: &[_] = &[
        (Ours, REJECTED, "transport: certificate serial revoked"),
        (Ours, PROBED, "transport: certificate serial revoked"),
    ];
    let mut case = Case::new(&authority, said)?;
    // etcd itself dials a member whose certificate it would not let in.
    case.is_ours_alone = true;
    case.papers.put("revoked.der", authority.revoke_der(&[102]))?;
    case.members = vec![format!("--peer-crl-file={}", case.papers.text("revoked.der"))];
    case.kept_out().await
}

#[tokio::test]
async fn a_port_in_clear() -> Result<()> {
    let said: &[_] = &[
        (Ours, PROBED, "tls: first record does not look like a TLS handshake"),
        (Strangers, REJECTED, "malformed HTTP request"),
        (Ours, REJECTED, "remote error: tls: unknown certificate authority"),
        (Etcds, REJECTED, "remote error: tls: unknown certificate authority"),
        (Strangers, PROBED, "tls: failed to verify certificate: x509: certificate signed by"),
    ];
    let mut case = Case::new(&Authority::new("ours"), said)?;
    case.is_bare = true;
    case.stranger = vec!["--listen-peer-urls=http://127.0.0.1:$PORT".to_owned()];
    case.kept_out().await
}

#[tokio::test]
async fn a_voice_in_clear() -> Result<()> {
    let said: &[_] = &[
        (Ours, REJECTED, "tls: first record does not look like a TLS handshake"),
        (Etcds, REJECTED, "tls: first record does not look like a TLS handshake"),
        (Strangers, PROBED, "malformed HTTP response"),
    ];
    let mut case = Case::new(&Authority::new("ours"), said)?;
    let listed = "--initial-cluster=m0=http://$FRONT0,m1=http://$FRONT1,m2=https://$FRONT2";
    case.stranger = vec![listed.to_owned()];
    case.kept_out().await
}

/// Who cannot ask does not join, and says why it cannot.
#[tokio::test]
async fn a_newcomer_that_believes_nobody() -> Result<()> {
    for kind in [Program::Etcd, Program::under_test()] {
        if !can_run(&[kind]) {
            return Ok(());
        }
        let papers = Papers::of_members(&Authority::new("ours"), 2)?;
        papers.put("ca1.crt", Authority::new("other").pem())?;
        let mut cluster =
            Cluster::start_secured(&[Program::under_test()], &[], &papers.mutual()).await?;
        let at = cluster.add(0, kind, true).await?;
        let Start::Ended { status, log } = cluster.seat(at).member.try_start()? else {
            bail!("{kind:?} joined");
        };
        ensure!(!status.success(), "{kind:?} ended with {status}");
        let lines = [
            "cannot fetch cluster info from peer urls",
            "x509: certificate signed by unknown authority",
        ];
        for line in lines {
            ensure!(log.contains(line), "{kind:?} does not say {line:?}: {log}");
        }
        cluster.finish()?;
    }
    Ok(())
}
