//! Raw HTTP/1.1 as the tests write it: exact bytes out, status and body back.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Lines of the head in lower case, without the date, sorted.
    pub(crate) fields: Vec<String>,
    pub(crate) body: String,
}

/// Sends one request and reads one answer.
pub(crate) async fn request(
    url: &str,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let address = url.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    socket.write_all(&bytes).await.expect("it reads");
    let mut reply = Vec::new();
    while !is_whole(&reply) {
        // etcd holds even connections that are to be closed for some seconds.
        if socket.read_buf(&mut reply).await.expect("it answers") == 0 {
            break;
        }
    }
    parse(&reply)
}

/// Whether the head and the length it names have come.
fn is_whole(reply: &[u8]) -> bool {
    let text = String::from_utf8_lossy(reply);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    match head.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => body.len() >= length.parse().expect("a number"),
        None => head.contains(" 204 ") || body.ends_with("0\r\n\r\n"),
    }
}

fn parse(reply: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(reply).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let mut fields: Vec<String> = lines
        .map(|line| line.split_once(": ").expect("a field"))
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .filter(|line| !line.starts_with("date: ") && !line.starts_with("connection: "))
        .collect();
    fields.sort();
    let status = status.parse().expect("a number");
    Reply { status, fields, body: body.to_owned() }
}

/// Dials a stream as member 2 of the test cluster would at member 1; reads the status line.
pub(crate) async fn dial(url: &str, kind: &str) -> TcpStream {
    let address = url.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    let request = format!(
        "GET /raft/stream/{kind}/2 HTTP/1.1\r\nHost: x\r\nX-Server-From: 2\r\n\
         X-Server-Version: 3.7.1\r\nX-Min-Cluster-Version: 3.0.0\r\n\
         X-Etcd-Cluster-ID: c1\r\nX-Raft-To: 1\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.expect("it reads");
    let mut head = [0; 12];
    socket.read_exact(&mut head).await.expect("it answers");
    assert_eq!(&head, b"HTTP/1.1 200");
    socket
}

/// Reads until `bytes` have come.
pub(crate) async fn read_until(socket: &mut TcpStream, bytes: &[u8]) {
    let mut seen = Vec::new();
    while !seen.windows(bytes.len()).any(|window| window == bytes) {
        seen.push(socket.read_u8().await.expect("it comes"));
    }
}
