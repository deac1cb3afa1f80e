//! One client that speaks in many ways, while there is too much to do and while there is not: each
//! call is answered once, as it should be at the time, and nothing is lost of what the client may
//! send.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ketch_api::Surface;
use ketch_api::limits::CONNECTION_WINDOW_BYTES;
use ketch_proto::etcdserverpb::PutRequest;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};

use crate::overload::{Holder, OPENING, bare};
use crate::raw::{connect, edge, frame};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const FRAME_BYTES: usize = 16 * 1024;
const LIMIT: Duration = Duration::from_secs(60);
const ROUNDS: u64 = 8;
const CALLS: u32 = 400;
/// Messages are this long at most, so that refused ones fill the connection's window several times.
const VALUE_BYTES: u64 = 48 * 1024;

#[tokio::test]
async fn every_call_is_answered_once() {
    let (fake, edge) = edge();
    let (io, server) = connect(&edge, Surface::All);
    let mut client = Client::open(io).await;
    for round in 0..ROUNDS {
        let holder = if round % 2 == 0 { None } else { Some(Holder::fill(&fake, &edge).await) };
        let first = client.next_stream;
        let sent = client.sent_bytes;
        let ended = client.make_calls(round).await;
        let heard = client.heard.lock().expect("not poisoned").clone();
        for stream in ended {
            let answers = heard.answers.get(&stream).cloned().unwrap_or_default();
            let expected = if holder.is_some() { "refused" } else { "served" };
            assert_eq!(answers, [expected], "stream {stream} of round {round}, from {first}");
        }
        if holder.is_some() {
            assert!(client.sent_bytes - sent > u64::from(CONNECTION_WINDOW_BYTES / 2));
        }
        drop(holder);
        while fake.held.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let heard = client.heard.lock().expect("not poisoned").clone();
    assert!(heard.at_the_door > CALLS as usize, "{} were refused at once", heard.at_the_door);
    assert!(client.sent_bytes > 3 * u64::from(CONNECTION_WINDOW_BYTES));
    assert!(!server.is_finished());
}

/// What the server said.
#[derive(Clone, Default)]
struct Heard {
    /// By stream.
    answers: BTreeMap<u32, Vec<&'static str>>,
    /// Answers whose head is not the library's.
    at_the_door: usize,
    /// What may be sent on the connection.
    window_bytes: i64,
    /// A frame that ends the connection or a stream before its time.
    fault: Option<String>,
}

struct Client {
    io: WriteHalf<DuplexStream>,
    heard: Arc<Mutex<Heard>>,
    next_stream: u32,
    sent_bytes: u64,
    fields: Fields,
    random: u64,
}

impl Client {
    async fn open(io: DuplexStream) -> Self {
        let (answers, mut io) = tokio::io::split(io);
        let heard = Arc::new(Mutex::new(Heard { window_bytes: 65_535, ..Heard::default() }));
        tokio::spawn(listen(answers, Arc::clone(&heard)));
        let window = bare(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
        io.write_all(&[OPENING, &bare(SETTINGS, ACK, 0, &[]), &window].concat())
            .await
            .expect("open");
        Self { io, heard, next_stream: 1, sent_bytes: 0, fields: Fields::default(), random: 77 }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    /// Makes calls, some of them at the same time, and waits for all answers. Gives those that were
    /// not taken back.
    async fn make_calls(&mut self, round: u64) -> Vec<u32> {
        let (mut open, mut ended) = (Vec::new(), Vec::new());
        for number in 0..CALLS {
            open.push(self.begin(number).await);
            while open.len() > self.draw(12) as usize {
                let stream = open.swap_remove(self.draw(open.len() as u64) as usize);
                if self.draw(20) == 0 {
                    self.send(&bare(RST_STREAM, 0, stream, &8_u32.to_be_bytes())).await;
                } else {
                    self.message(stream).await;
                    ended.push(stream);
                }
            }
        }
        for stream in open {
            self.message(stream).await;
            ended.push(stream);
        }
        self.wait(&format!("round {round}"), |heard| {
            ended.iter().all(|stream| heard.answers.contains_key(stream))
        })
        .await;
        ended
    }

    /// Sends the head of a call.
    async fn begin(&mut self, number: u32) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let timeout = format!("{}u", 1_000_000 + number);
        let mut fields: Vec<(&str, &str)> = FIELDS.to_vec();
        let style = self.draw(5);
        if style == 0 {
            fields.push(("grpc-timeout", &timeout));
        }
        let block = match style {
            // As grpc-go does, with a deadline and without.
            0 | 1 => self.fields.block(&fields),
            2 => Fields::literals(0x10, &fields),
            _ => Fields::literals(0, &fields),
        };
        match style {
            4 => {
                let (one, other) = block.split_at(self.draw(block.len() as u64) as usize);
                self.send(&bare(HEADERS, 0, stream, one)).await;
                self.send(&bare(CONTINUATION, END_HEADERS, stream, other)).await;
            }
            3 => {
                let padded = [&[2], &block[..], &[0, 0]].concat();
                self.send(&bare(HEADERS, END_HEADERS | PADDED, stream, &padded)).await;
            }
            _ => self.send(&bare(HEADERS, END_HEADERS, stream, &block)).await,
        }
        stream
    }

    /// Sends the message of a call, and ends it.
    async fn message(&mut self, stream: u32) {
        let value = vec![b'v'; self.draw(VALUE_BYTES) as usize];
        let put = PutRequest { key: "k".into(), value: value.into(), ..Default::default() };
        let message = frame(0, &put.encode_to_vec());
        let most = 1 + self.draw(FRAME_BYTES as u64) as usize;
        let pieces = message.chunks(most.max(1000)).collect::<Vec<_>>();
        for (at, piece) in pieces.iter().enumerate() {
            let flags = if at + 1 == pieces.len() { END_STREAM } else { 0 };
            let bytes = piece.len() as i64;
            self.wait("window", |heard| heard.window_bytes >= bytes).await;
            self.heard.lock().expect("not poisoned").window_bytes -= bytes;
            self.sent_bytes += bytes as u64;
            self.send(&bare(DATA, flags, stream, piece)).await;
        }
        if self.draw(10) == 0 {
            self.send(&bare(WINDOW_UPDATE, 0, stream, &9_u32.to_be_bytes())).await;
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("the connection stands");
    }

    async fn wait(&self, what: &str, until: impl Fn(&Heard) -> bool) {
        let wait = async {
            loop {
                {
                    let heard = self.heard.lock().expect("not poisoned");
                    assert_eq!(heard.fault, None);
                    if until(&heard) {
                        return;
                    }
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{what} never came"));
    }
}

async fn listen(mut io: ReadHalf<DuplexStream>, heard: Arc<Mutex<Heard>>) {
    loop {
        let mut head = [0; 9];
        if io.read_exact(&mut head).await.is_err() {
            return;
        }
        let number =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let mut payload = vec![0; (number(0) >> 8) as usize];
        io.read_exact(&mut payload).await.expect("the rest of a frame");
        let (kind, flags, stream) = (head[3], head[4], number(5));
        let mut heard = heard.lock().expect("not poisoned");
        match kind {
            HEADERS if flags & END_STREAM != 0 => {
                let is_at_the_door = payload.starts_with(&[0x88, 0]);
                let is_refused = payload.first() == Some(&0x88);
                heard.at_the_door += usize::from(is_at_the_door);
                let answer = if is_refused { "refused" } else { "served" };
                heard.answers.entry(stream).or_default().push(answer);
            }
            WINDOW_UPDATE if stream == 0 => {
                let bytes = payload.first_chunk().expect("an increment");
                heard.window_bytes += i64::from(u32::from_be_bytes(*bytes));
            }
            GOAWAY | RST_STREAM | PING => {
                heard.fault = Some(format!("frame {kind} of stream {stream}: {payload:?}"));
            }
            _ => {}
        }
    }
}

const FIELDS: [(&str, &str); 6] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/etcdserverpb.KV/Put"),
    (":authority", "edge"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
];

/// A client's memory of header fields: the newest first.
#[derive(Default)]
struct Fields(Vec<(String, String)>);

impl Fields {
    /// What is remembered goes by its number; the rest is remembered.
    fn block(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in fields {
            let known = self.0.iter().position(|(n, v)| (&**n, &**v) == (*name, *value));
            if let Some(at) = known {
                number(&mut block, 0x80, 62 + at);
                continue;
            }
            block.extend(Self::literals(0x40, &[(name, value)]));
            self.0.insert(0, ((*name).to_owned(), (*value).to_owned()));
            let bytes = |fields: &[(String, String)]| -> usize {
                fields.iter().map(|(name, value)| name.len() + value.len() + 32).sum()
            };
            while bytes(&self.0) > 4096 {
                self.0.pop();
            }
        }
        block
    }

    fn literals(first: u8, fields: &[(&str, &str)]) -> Vec<u8> {
        let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        let field = |(name, value): &(&str, &str)| [vec![first], text(name), text(value)].concat();
        fields.iter().flat_map(field).collect()
    }
}

/// Writes a number into the lower seven bits of a byte, and on.
fn number(out: &mut Vec<u8>, upper: u8, number: usize) {
    if number < 127 {
        out.push(upper | number as u8);
    } else {
        out.extend([upper | 127, (number - 127) as u8]);
    }
}
