//! Plain HTTP pages, compared with what the real etcd 3.7.1 answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ketch_api::{Edge, EdgeConfig, Surface};
use ketch_proto::etcdserverpb::{AlarmMember, AlarmType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fake::Fake;
use crate::raw::{connect, edge};

/// Sends one HTTP/1.1 request and returns status, the fields that matter, and the body.
async fn get(edge: &Arc<Edge<Fake>>, surface: Surface, request: &str) -> String {
    let (mut io, _server) = connect(edge, surface);
    let (line, fields) = request.split_once('\n').unwrap_or((request, ""));
    let host = if fields.contains("Host:") { "" } else { "Host: edge\r\n" };
    let fields = fields.replace('\n', "\r\n");
    let text = format!("{line} HTTP/1.1\r\n{host}Connection: close\r\n{fields}\r\n");
    io.write_all(text.as_bytes()).await.expect("taken");
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.expect("text");
    brief(&answer)
}

/// Drops what every answer has and shortens the rest: one line of status and marks, then body.
fn brief(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
    let mut marks = vec![status.to_owned()];
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a field");
        match name {
            "Content-Type" => marks.push(value.to_owned()),
            "Allow" => marks.push(format!("allow={value}")),
            "X-Content-Type-Options" => marks.push(value.to_owned()),
            "Access-Control-Allow-Origin" => marks.push(format!("origin={value}")),
            "Date" | "Content-Length" | "Connection" => {}
            "Access-Control-Allow-Methods" | "Access-Control-Allow-Headers" => {}
            _ => panic!("unexpected field {line}"),
        }
    }
    marks[1..].sort();
    format!("{}\n{body}", marks.join(" "))
}

const HEALTHY: &str =
    "200 origin=* text/plain; charset=utf-8\n{\"health\":\"true\",\"reason\":\"\"}";
const FINE: &str = "200 nosniff origin=* text/plain; charset=utf-8\n";
const NOT_FOUND: &str = "404 nosniff origin=* text/plain; charset=utf-8\n404 page not found\n";
const NOT_ALLOWED: &str =
    "405 allow=GET nosniff origin=* text/plain; charset=utf-8\nMethod Not Allowed\n";

#[tokio::test]
async fn a_healthy_member() {
    let (_fake, edge) = edge();
    let fine = |text: &str| format!("{FINE}{text}");
    let all = "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n\
               [+]non_learner ok\nok\n";
    let version = "200 application/json origin=*\n\
                   {\"etcdserver\":\"3.7.1\",\"etcdcluster\":\"3.7.0\",\"storage\":\"unknown\"}";
    let metrics = "200 origin=* text/plain; version=0.0.4; charset=utf-8; \
                   escaping=underscores\n# metrics\n";
    let table = [
        ("GET /version", version.to_owned()),
        ("POST /version", NOT_ALLOWED.to_owned()),
        ("OPTIONS /version", "200 origin=*\n".to_owned()),
        ("OPTIONS /nope", "200 origin=*\n".to_owned()),
        ("GET /", NOT_FOUND.to_owned()),
        ("DELETE /nope", NOT_FOUND.to_owned()),
        ("GET /version/", NOT_FOUND.to_owned()),
        ("GET /health", HEALTHY.to_owned()),
        ("GET /health?serializable=true", HEALTHY.to_owned()),
        ("GET /health?exclude=NOSPACE&exclude=FOO", HEALTHY.to_owned()),
        ("PUT /health", NOT_ALLOWED.to_owned()),
        ("GET /livez", fine("ok\n")),
        ("GET /livez?verbose", fine("[+]serializable_read ok\nok\n")),
        ("GET /livez?verbose=1&exclude=serializable_read", fine("ok\n")),
        ("GET /readyz", fine("ok\n")),
        ("GET /readyz?verbose&exclude=zzz", fine(all)),
        (
            "GET /readyz?verbose&exclude=data_corruption&exclude=non_learner",
            fine("[+]serializable_read ok\n[+]linearizable_read ok\nok\n"),
        ),
        ("GET /readyz/serializable_read?verbose", fine("[+]serializable_read ok\nok\n")),
        ("GET /readyz/nope", NOT_FOUND.to_owned()),
        ("GET /livez/", NOT_FOUND.to_owned()),
        ("GET /livez/data_corruption", NOT_FOUND.to_owned()),
        ("GET /livezz", NOT_FOUND.to_owned()),
        ("POST /livez/serializable_read", NOT_ALLOWED.to_owned()),
        ("GET /metrics", metrics.to_owned()),
        ("POST /metrics", metrics.to_owned()),
        ("GET /debug/vars", "200 application/json; charset=utf-8 origin=*\n{}".to_owned()),
        ("POST /debug/vars", NOT_ALLOWED.to_owned()),
        ("GET /v3/kv/range", NOT_FOUND.to_owned()),
    ];
    for (request, expected) in table {
        assert_eq!(get(&edge, Surface::All, request).await, expected, "{request}");
        assert_eq!(get(&edge, Surface::Http, request).await, expected, "{request}");
    }
}

#[tokio::test]
async fn an_unhealthy_member() {
    let (fake, edge) = edge();
    let sick = |reason: &str| {
        format!(
            "503 nosniff origin=* text/plain; charset=utf-8\n\
             {{\"health\":\"false\",\"reason\":\"{reason}\"}}\n"
        )
    };
    let raise = |alarm: AlarmType| {
        let alarm = AlarmMember { member_id: 2, alarm: alarm as i32 };
        fake.alarms.lock().expect("not poisoned").push(alarm);
    };
    raise(AlarmType::Nospace);
    raise(AlarmType::Corrupt);
    let failed = "503 nosniff origin=* text/plain; charset=utf-8\n\
                  [-]data_corruption failed: alarm activated: CORRUPT\n";
    let rest = "[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\n";
    let check = async |request: &str, expected: String| {
        assert_eq!(get(&edge, Surface::All, request).await, expected, "{request}");
    };
    check("GET /health", sick("ALARM NOSPACE")).await;
    check("GET /health?exclude=", sick("ALARM NOSPACE")).await;
    check("GET /health?exclude=NOSPACE", sick("ALARM CORRUPT")).await;
    check("GET /health?exclude=NOSPACE&exclude=CORRUPT", HEALTHY.to_owned()).await;
    check("GET /livez", format!("{FINE}ok\n")).await;
    check("GET /readyz", format!("{failed}{rest}\n")).await;
    check("GET /readyz/data_corruption?verbose", format!("{failed}\n")).await;
    check("GET /readyz?exclude=data_corruption", format!("{FINE}ok\n")).await;
    fake.alarms.lock().expect("not poisoned").clear();
    fake.has_leader.store(false, Ordering::SeqCst);
    check("GET /health", sick("RAFT NO LEADER")).await;
    check("GET /health?serializable=true", HEALTHY.to_owned()).await;
}

#[tokio::test]
async fn the_metrics_listener_has_less() {
    let (_fake, edge) = edge();
    let bare = |page: &str| page.replace("origin=* ", "");
    for (request, expected) in [
        ("GET /version", bare(NOT_FOUND)),
        ("GET /debug/vars", bare(NOT_FOUND)),
        ("GET /health", bare(HEALTHY)),
        ("GET /livez", format!("{}ok\n", bare(FINE))),
        ("OPTIONS /health", bare(NOT_ALLOWED)),
        ("OPTIONS /nope", bare(NOT_FOUND)),
    ] {
        assert_eq!(get(&edge, Surface::Metrics, request).await, expected, "{request}");
    }
}

#[tokio::test]
async fn hosts_and_origins() {
    let config = EdgeConfig {
        cors: vec!["http://x.example:80".to_owned()],
        host_whitelist: vec!["foo.example".to_owned()],
        ..Default::default()
    };
    let edge = Edge::new(Fake::new(), config);
    for (request, begins) in [
        ("GET /livez", "421 nosniff text/plain; charset=utf-8\n\n"),
        ("OPTIONS /livez", "421 nosniff text/plain; charset=utf-8\n\n"),
        ("GET /livez\nHost: foo.example\n", "200 nosniff text/plain; charset=utf-8\nok\n"),
        (
            "GET /livez\nHost: foo.example:99\nOrigin: http://x.example:80\n",
            "200 nosniff origin=http://x.example:80 text/plain; charset=utf-8\nok\n",
        ),
        (
            "GET /livez\nHost: foo.example\nOrigin: http://y.example\n",
            "200 nosniff text/plain; charset=utf-8\nok\n",
        ),
        ("OPTIONS /livez\nHost: foo.example\n", "200\n"),
    ] {
        let answer = get(&edge, Surface::All, request).await;
        assert!(answer.starts_with(begins), "{request}: {answer}");
    }
}
