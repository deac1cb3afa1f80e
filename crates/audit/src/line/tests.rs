//! Entries and the lines they become.

use bytes::Bytes;
use ketch_api::ports::{About, ClientName, Origin};
use proptest::prelude::*;

use super::*;
use crate::limits::LINE_BYTES_MAX;

/// A call of nobody, about nothing, that went well.
fn entry<'a>(method: Method, origin: &'a Origin, about: &'a About) -> Entry<'a> {
    Entry {
        method,
        part: Part::Call,
        began: Instant::now(),
        took: Duration::from_micros(812),
        origin,
        user: None,
        how: How::Nothing,
        about,
        status: 0,
        text: "",
    }
}

/// The line of an entry whose time is the 3rd of May 2026 and so many microseconds.
fn line(entry: &Entry<'_>) -> String {
    let epoch = entry.began.checked_sub(Duration::from_micros(42)).expect("the machine runs");
    let wall = UNIX_EPOCH + Duration::from_secs(1_777_777_777);
    let mut out = Vec::new();
    Lines::new(Arc::new(Methods::new()), epoch, wall).append(&mut out, entry);
    assert!(out.len() <= LINE_BYTES_MAX);
    let line = String::from_utf8(out).expect("text");
    assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
    serde_json::from_str::<serde_json::Value>(&line).expect("json");
    line
}

fn key(op: Op, key: &'static [u8], end: &'static [u8], lease: i64) -> Fact {
    let (key, end) = (Bytes::from_static(key), Bytes::from_static(end));
    Fact::Range { op, key, end, lease }
}

#[test]
fn a_put_whole() {
    let remote = Some(SocketAddr::from(([127, 0, 0, 1], 40_312)));
    let origin = Origin { remote, ..Origin::default() };
    let about = About::one(key(Op::Call, b"a\"b", b"", 0x1f));
    assert_eq!(
        line(&entry(Method::Put, &origin, &about)),
        "{\"time\":\"2026-05-03T03:09:37.000042Z\",\"rpc\":\"/etcdserverpb.KV/Put\",\
         \"user\":null,\"how\":\"none\",\"remote\":\"127.0.0.1:40312\",\
         \"ranges\":[{\"key\":\"a\\\"b\",\"lease\":\"1f\"}],\"code\":\"OK\",\"took_us\":812}\n"
    );
}

#[test]
fn a_refusal_of_somebody() {
    let name = Some(ClientName(Arc::from("node-1")));
    let remote = "[2001:db8::7]:2379".parse().expect("an address");
    let origin = Origin { remote: Some(remote), name, ..Origin::default() };
    let about = About::default();
    let refused = Entry {
        user: Some("al"),
        how: How::Certificate,
        status: 7,
        text: "etcdserver: permission denied",
        ..entry(Method::AuthDisable, &origin, &about)
    };
    let line = line(&refused);
    let expected = "\"user\":\"al\",\"how\":\"certificate\",\"certificate\":\"node-1\",\
         \"remote\":\"[2001:db8::7]:2379\",\"code\":\"PermissionDenied\",\
         \"message\":\"etcdserver: permission denied\",\"took_us\":812}\n";
    assert!(line.ends_with(expected), "{line}");
}

#[test]
fn what_it_was_about() {
    let origin = Origin::default();
    let check = |facts: &[Fact], expected: &str| {
        let about = facts.iter().cloned().fold(About::default(), About::and);
        let line = line(&entry(Method::Txn, &origin, &about));
        let told = line.split_once(",\"remote\":null").expect("no address").1;
        let told = told.split_once(",\"code\"").expect("a code").0;
        assert_eq!(told.trim_start_matches(','), expected);
    };
    check(&[], "");
    let deleted = key(Op::Delete, b"c", b"\0", 0);
    check(
        &[key(Op::Compare, b"a", b"", 0), key(Op::Put, b"\xff", b"", 0), deleted],
        "\"ranges\":[{\"op\":\"compare\",\"key\":\"a\"},{\"op\":\"put\",\"key_base64\":\"/w==\"},\
         {\"op\":\"delete\",\"key\":\"c\",\"end\":\"\\u0000\"}]",
    );
    check(
        &[key(Op::Call, b"", b"", 0), Fact::Revision(-3)],
        "\"ranges\":[{\"key\":\"\"}],\"revision\":-3",
    );
    check(
        &[Fact::Url("http://h:1".into()), Fact::Url("i".into()), Fact::Action("learner")],
        "\"urls\":[\"http://h:1\",\"i\"],\"action\":\"learner\"",
    );
    check(
        &[Fact::Role("r".into()), key(Op::ReadWrite, b"a", b"b", 0)],
        "\"for_role\":\"r\",\"ranges\":[{\"op\":\"readwrite\",\"key\":\"a\",\"end\":\"b\"}]",
    );
    check(
        &[Fact::User("u".into()), Fact::Lease(-1), Fact::Member(0x8e9e)],
        "\"for_user\":\"u\",\"lease\":\"ffffffffffffffff\",\"member\":\"8e9e\"",
    );
    check(
        &[Fact::Alarm("NOSPACE"), Fact::Version("3.6".into())],
        "\"alarm\":\"NOSPACE\",\"version\":\"3.6\"",
    );
}

#[test]
fn parts_of_streams() {
    let (origin, about) = (Origin::default(), About::default());
    for (part, expected) in [
        (Part::WatchCreated(-1), ",\"event\":\"create\",\"watch_id\":-1,\"user\":"),
        (Part::WatchCanceled(7), ",\"event\":\"cancel\",\"watch_id\":7,\"user\":"),
    ] {
        let line = line(&Entry { part, ..entry(Method::Watch, &origin, &about) });
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn long_ones_are_cut_at_a_character() {
    let origin = Origin::default();
    let long = "\u{e4}".repeat(ENTRY_TEXT_BYTES_MAX);
    let odd = Bytes::from(format!("x{long}"));
    let fact = Fact::Range { op: Op::Call, key: odd, end: Bytes::new(), lease: 0 };
    let about = About::one(fact).and(key(Op::Call, b"behind", b"", 0));
    let words = "W".repeat(2 * WORDS_BYTES_MAX);
    let line = line(&Entry { text: &words, ..entry(Method::Put, &origin, &about) });
    assert!(line.contains(",\"truncated\":true,") && !line.contains("base64"), "{line}");
    assert!(!line.contains("behind"), "{line}");
    assert_eq!(line.matches('\u{e4}').count(), (ENTRY_TEXT_BYTES_MAX - 1) / 2);
    assert_eq!(line.matches('W').count(), WORDS_BYTES_MAX);
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..3000).prop_map(Bytes::from);
    prop_oneof![
        (bytes(), bytes(), any::<i64>())
            .prop_map(|(key, end, lease)| { Fact::Range { op: Op::Put, key, end, lease } }),
        ".{0,900}".prop_map(Fact::Url),
        ".*".prop_map(Fact::User),
        any::<i64>().prop_map(Fact::Lease),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn anything_becomes_one_line_of_json(
        facts in proptest::collection::vec(any_fact(), 0..300),
        user in proptest::option::of(".*"),
        text in ".*",
        status in any::<u8>(),
    ) {
        let about = facts.into_iter().fold(About::default(), About::and);
        let origin = Origin::default();
        let whole = entry(Method::Txn, &origin, &about);
        line(&Entry { user: user.as_deref(), text: &text, status, ..whole });
    }
}
