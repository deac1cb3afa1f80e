//! What members begin as, and refusals in etcd's words; source: start-ups of etcd 3.7.1.

use std::cell::RefCell;
use std::net::SocketAddr;

use super::same_urls::tests::known;
use super::*;

const OWN: &str = "--name a --initial-advertise-peer-urls http://127.0.0.1:1";

/// An outside that says what it was told to say.
#[derive(Default)]
struct Told {
    running: Option<Running>,
    versions: Vec<(u64, &'static str)>,
    discovered: Option<Result<&'static str, DiscoveryError>>,
    srv: Vec<(&'static str, &'static str, u16)>,
    /// URLs that were asked for the cluster.
    asked: RefCell<Vec<String>>,
}

impl Lookup for Told {
    fn address(&self, host: &str, port: u16) -> Result<SocketAddr, String> {
        known(host, port)
    }
    fn rest(&self, _: Duration) {}
}

impl Outside for Told {
    fn cluster(&self, urls: &[String], _: Duration) -> Result<Running, String> {
        self.asked.borrow_mut().extend_from_slice(urls);
        let none = "could not retrieve cluster information from the given URLs";
        self.running.clone().ok_or_else(|| none.to_owned())
    }
    fn cluster_version(&self, urls: &[String], _: Duration) -> Option<String> {
        let members = self.running.iter().flat_map(|running| &running.members);
        let id = members.into_iter().find(|member| member.peer_ur_ls == urls)?.id;
        let version = self.versions.iter().find(|(member, _)| *member == id);
        version.map(|(_, version)| (*version).to_owned())
    }
    fn discover(
        &self,
        _: &DiscoveryService,
        _: MemberId,
        _: &str,
    ) -> Result<String, DiscoveryError> {
        match &self.discovered {
            Some(Ok(all)) => Ok((*all).to_owned()),
            Some(Err(DiscoveryError::Full)) => Err(DiscoveryError::Full),
            _ => Err(DiscoveryError::SizeNotFound),
        }
    }
    fn srv(&self, service: &str, domain: &str) -> Result<Vec<(String, u16)>, String> {
        let here = self.srv.iter().filter(|(wanted, ..)| *wanted == service);
        let found: Vec<_> = here.map(|(_, host, port)| ((*host).to_owned(), *port)).collect();
        if found.is_empty() {
            return Err(format!("lookup _{service}._tcp.{domain}: no such host"));
        }
        Ok(found)
    }
}

fn config(words: &str) -> Config {
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    Config::load(&words, []).expect("good flags")
}

/// `id name peer-url client-url`; a name in brackets is a learner's, `-` stands for nothing.
fn running(members: &[&str]) -> Running {
    let member = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        let text = |word: &str| if word == "-" { String::new() } else { word.to_owned() };
        etcdserverpb::Member {
            id: u64::from_str_radix(words[0], 16).expect("hexadecimal"),
            name: text(words[1].trim_matches(['[', ']'])),
            is_learner: words[1].starts_with('['),
            peer_ur_ls: vec![words[2].to_owned()],
            client_ur_ls: [text(words[3])].into_iter().filter(|url| !url.is_empty()).collect(),
        }
    };
    Running { cluster: ClusterId(0xabc), members: members.iter().map(member).collect() }
}

fn refusal(words: &str, outside: &Told) -> String {
    decide(&config(&format!("{OWN} {words}")), outside).expect_err("a refusal").to_string()
}

#[test]
fn lists_that_cannot_be_founded() {
    let check = |words: &str, text: &str| assert_eq!(refusal(words, &Told::default()), text);
    let missing = "couldn't find local name \"a\" in the initial cluster configuration";
    check("--initial-cluster b=http://127.0.0.1:1", missing);
    check("--initial-cluster ,,", missing);
    check("--discovery-srv-name x", missing);
    check(
        "--initial-cluster a=http://127.0.0.1:1,b=http://127.0.0.1:1",
        "initial cluster a=http://127.0.0.1:1,b=http://127.0.0.1:1 has duplicate url",
    );
    check(
        "--initial-cluster a=http://127.0.0.1:1,b=http://127.0.0.2:1,b=http://127.0.0.2:1",
        "initial cluster a=http://127.0.0.1:1,b=http://127.0.0.2:1,b=http://127.0.0.2:1 has \
         duplicate url",
    );
    check(
        "--initial-cluster a=http://localhost:1",
        "--initial-cluster has a=http://localhost:1 but missing from \
         --initial-advertise-peer-urls=http://127.0.0.1:1 (resolved urls: \
         \"http://127.0.0.1:1\" != \"http://localhost:1\")",
    );
    check(
        "--initial-cluster a=http://127.0.0.1:1,a=http://127.0.0.1:3",
        "--initial-cluster has a=http://127.0.0.1:3 but missing from \
         --initial-advertise-peer-urls=http://127.0.0.1:1 (len([\"http://127.0.0.1:1\"]) != \
         len([\"http://127.0.0.1:1\" \"http://127.0.0.1:3\"]))",
    );
    check(
        "--initial-advertise-peer-urls http://127.0.0.1:1,http://127.0.0.1:3 --initial-cluster \
         a=http://127.0.0.1:1",
        "--initial-advertise-peer-urls has http://127.0.0.1:3 but missing from \
         --initial-cluster=a=http://127.0.0.1:1,a=http://127.0.0.1:3",
    );
    check(
        "--initial-advertise-peer-urls http://no.test:1 --initial-cluster a=http://127.0.0.1:1",
        "--initial-cluster has a=http://127.0.0.1:1 but missing from \
         --initial-advertise-peer-urls=http://no.test:1 (failed to resolve \
         \"http://no.test:1\" (lookup no.test: no such host))",
    );
}

#[test]
fn ids_of_founders_are_etcds() {
    let words = "--name a --initial-advertise-peer-urls http://127.0.0.1:24121 \
                 --initial-cluster \
                 a=http://127.0.0.1:24121,b=http://127.0.0.1:24122,c=http://127.0.0.1:24123";
    let outside = Told::default();
    let beginning = decide(&config(words), &outside).expect("a founding");
    let Begin::Found(founding) = beginning.begin else { panic!("a join") };
    assert_eq!(founding.member.to_string(), "f99e3fdd0d103716");
    assert_eq!(founding.cluster.to_string(), "ae3740a6499d54be");
    let others: Vec<String> = beginning.others.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(others, ["6d0defc9bda77a2", "f9abaf7e9ae10032"]);
    assert_eq!(founding.founders.len(), 3);
    let own = founding.founders.iter().find(|founder| founder.id == founding.member);
    assert_eq!(
        own.expect("itself").context,
        "{\"id\":17986884180403828502,\"peerURLs\":[\"http://127.0.0.1:24121\"],\"name\":\"a\"}"
    );
    assert_eq!(*outside.asked.borrow(), ["http://127.0.0.1:24122", "http://127.0.0.1:24123"]);
}

#[test]
fn names_are_resolved_to_compare() {
    let words = "--name a --initial-advertise-peer-urls http://a.test:1 --initial-cluster \
                 a=http://127.0.0.1:1";
    assert!(decide(&config(words), &Told::default()).is_ok());
}

#[test]
fn a_member_is_founded_once() {
    let words = "--initial-cluster a=http://127.0.0.1:1,b=http://127.0.0.1:2";
    let with = |own: &str| Told { running: Some(running(&[own])), ..Told::default() };
    let id = member_id(&["http://127.0.0.1:1".to_owned()], "etcd-cluster");
    let published = with(&format!("{id} a http://127.0.0.1:1 http://127.0.0.1:9"));
    assert_eq!(refusal(words, &published), format!("member {id} has already been bootstrapped"));
    let silent = with(&format!("{id} - http://127.0.0.1:1 -"));
    assert!(decide(&config(&format!("{OWN} {words}")), &silent).is_ok());
    let stranger = with("7 a http://127.0.0.1:1 http://127.0.0.1:9");
    assert!(decide(&config(&format!("{OWN} {words}")), &stranger).is_ok());
}

const JOIN: &str = "--initial-cluster-state existing --initial-cluster \
                    b=http://127.0.0.1:2,a=http://127.0.0.1:1";

#[test]
fn joins() {
    let outside = Told {
        running: Some(running(&[
            "7 - http://127.0.0.1:1 -",
            "5 bee http://127.0.0.1:2 http://127.0.0.1:9",
        ])),
        versions: vec![(5, "3.7.0")],
        ..Told::default()
    };
    let beginning = decide(&config(&format!("{OWN} {JOIN}")), &outside).expect("a join");
    let begin = Begin::Join { member: MemberId(7), cluster: ClusterId(0xabc) };
    let others = vec![(MemberId(5), vec!["http://127.0.0.1:2".to_owned()])];
    assert_eq!(beginning, Beginning { begin, others });
    assert_eq!(*outside.asked.borrow(), ["http://127.0.0.1:2"]);
}

#[test]
fn clusters_that_cannot_be_joined() {
    let own = "7 - http://127.0.0.1:1 -";
    let bee = "5 b http://127.0.0.1:2 http://127.0.0.1:9";
    let check = |members: &[&str], version: &'static str, text: &str| {
        let running = (!members.is_empty()).then(|| running(members));
        let outside = Told { running, versions: vec![(5, version)], ..Told::default() };
        assert_eq!(refusal(JOIN, &outside), text, "{members:?} {version}");
    };
    check(
        &[],
        "",
        "cannot fetch cluster info from peer urls: could not retrieve cluster information from \
         the given URLs",
    );
    check(
        &[bee],
        "3.7.0",
        "error validating peerURLs {ClusterID:abc Members:[&{ID:5 \
         RaftAttributes:{PeerURLs:[http://127.0.0.1:2] IsLearner:false} Attributes:{Name:b \
         ClientURLs:[http://127.0.0.1:9]}}] RemovedMemberIDs:[]}: member count is unequal",
    );
    check(
        &["7 - http://127.0.0.1:3 -", bee],
        "3.7.0",
        "error validating peerURLs {ClusterID:abc Members:[&{ID:5 \
         RaftAttributes:{PeerURLs:[http://127.0.0.1:2] IsLearner:false} Attributes:{Name:b \
         ClientURLs:[http://127.0.0.1:9]}} &{ID:7 \
         RaftAttributes:{PeerURLs:[http://127.0.0.1:3] IsLearner:false} Attributes:{Name: \
         ClientURLs:[]}}] RemovedMemberIDs:[]}: PeerURLs: no match found for existing member (7, \
         [http://127.0.0.1:3]), last resolver error (resolved urls: \"http://127.0.0.1:3\" != \
         \"http://127.0.0.1:2\")",
    );
    check(&[own, bee], "3.8.0", "incompatible with current running cluster");
    check(&[own, bee], "2.3.8", "incompatible with current running cluster");
    check(&[own, bee], "not_decided", "incompatible with current running cluster");
    let learner = "5 [b] http://127.0.0.1:2 http://127.0.0.1:9";
    let outside = Told {
        running: Some(running(&[own, learner])),
        versions: vec![(5, "3.7.0")],
        ..Told::default()
    };
    assert_eq!(
        refusal(&format!("--max-learners 0 {JOIN}"), &outside),
        "membership: too many learner members in cluster"
    );
}

#[test]
fn discovered_by_a_service() {
    let words = "--discovery-token t --discovery-endpoints 127.0.0.1:9";
    let with = |discovered| Told { discovered: Some(discovered), ..Told::default() };
    let found = with(Ok("b=http://127.0.0.1:2,a=http://127.0.0.1:1"));
    let beginning = decide(&config(&format!("{OWN} {words}")), &found).expect("a founding");
    assert_eq!(beginning.others.len(), 1);
    let url = "http://127.0.0.1:1".to_owned();
    let Begin::Found(founding) = beginning.begin else { panic!("a join") };
    assert_eq!(founding.member, member_id(&[url], "t"));
    assert_eq!(
        refusal(words, &with(Ok("z=http://127.0.0.1:1,a=http://127.0.0.1:1"))),
        "discovery cluster a=http://127.0.0.1:1,z=http://127.0.0.1:1 has duplicate url"
    );
    assert_eq!(
        refusal(words, &with(Err(DiscoveryError::Full))),
        "failed to join discovery cluster (discovery: cluster is full)"
    );
    assert_eq!(
        refusal(&format!("{words} --initial-cluster-state existing"), &Told::default()),
        "discovery URL should not be set when joining existing initial cluster"
    );
}

#[test]
fn found_in_the_dns() {
    let check = |words: &str,
                 srv: &[(&'static str, &'static str, u16)],
                 all: Result<&str, &str>| {
        let outside = Told { srv: srv.to_vec(), ..Told::default() };
        let config = config(words);
        let own = srv::Own { name: &config.name, peer_urls: &config.peer_urls };
        let Some(Discovery::Srv { domain, service }) = &config.discovery else { panic!("no SRV") };
        let found = srv::members(&outside, own, domain, service);
        let found = found.map(|members| Written(&members).to_string());
        assert_eq!(found, all.map(str::to_owned).map_err(str::to_owned), "{words}");
    };
    let own = "--name a --initial-advertise-peer-urls http://a.test:1 --discovery-srv x";
    let (plain, tls) = ("etcd-server", "etcd-server-ssl");
    let both = [(plain, "b.test.", 2), (plain, "a.test.", 1), (plain, "b.test.", 3)];
    let all = "0=http://b.test:2,1=http://b.test:3,a=http://a.test:1";
    check(own, &both, Ok(all));
    check(own, &[(plain, "a.test.", 1), (plain, "no.test.", 3)], Ok("a=http://a.test:1"));
    check(
        &format!("{own} --discovery-srv-name prod"),
        &[("etcd-server-prod", "a.test.", 1)],
        Ok("a=http://a.test:1"),
    );
    check(own, &[(plain, "b.test.", 1)], Err("cannot find local etcd member \"a\" in SRV records"));
    check(
        own,
        &[(tls, "a.test.", 1)],
        Err("error querying DNS SRV records for _etcd-server-ssl bootstrap at \
             https://a.test:1 from DNS for etcd-server-ssl has scheme mismatch with expected \
             peer http://a.test:1\nerror querying DNS SRV records for _etcd-server lookup \
             _etcd-server._tcp.x: no such host"),
    );
    check(
        own,
        &[],
        Err("error querying DNS SRV records for _etcd-server-ssl lookup \
             _etcd-server-ssl._tcp.x: no such host\nerror querying DNS SRV records for \
             _etcd-server lookup _etcd-server._tcp.x: no such host"),
    );
}
