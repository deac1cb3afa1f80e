//! Requests in a short notation, and the refusal each draws.
//!
//! Operations: `p:k` put, `d:k` delete one, `d:k-e` delete a span, `d:k+` delete from a key on,
//! `g:k` get, `_` empty, `{a b|c d}` a nested transaction. The answers were taken from etcd 3.7.1.

use super::*;

fn parse(text: &str) -> Vec<RequestOp> {
    let mut rest = text.trim();
    let mut ops = Vec::new();
    while !rest.is_empty() {
        let end = end_of_first(rest);
        ops.push(op(&rest[..end]));
        rest = rest[end..].trim_start();
    }
    ops
}

fn end_of_first(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, char) in text.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ' ' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

fn op(word: &str) -> RequestOp {
    let request = match word.split_at(word.len().min(2)) {
        ("p:", key) => Some(Op::RequestPut(PutRequest { key: bytes(key), ..Default::default() })),
        ("g:", key) => {
            Some(Op::RequestRange(RangeRequest { key: bytes(key), ..Default::default() }))
        }
        ("d:", keys) => {
            let (key, range_end) = match keys.split_once('-') {
                Some((key, end)) => (bytes(key), bytes(end)),
                None if keys.ends_with('+') => (bytes(keys.trim_end_matches('+')), bytes("\0")),
                None => (bytes(keys), bytes("")),
            };
            Some(Op::RequestDeleteRange(DeleteRangeRequest { key, range_end, prev_kv: false }))
        }
        _ if word.starts_with('{') => Some(Op::RequestTxn(nested(&word[1..word.len() - 1]))),
        _ => None,
    };
    RequestOp { request }
}

fn nested(text: &str) -> TxnRequest {
    let mut depth = 0_usize;
    let middle = text.char_indices().find(|(_, char)| {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        *char == '|' && depth == 0
    });
    let (success, failure) = match middle {
        Some((at, _)) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    TxnRequest { compare: Vec::new(), success: parse(success), failure: parse(failure) }
}

fn bytes(text: &str) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(text.as_bytes())
}

#[test]
fn transactions() {
    use Code::{DuplicateKey, EmptyKey, KeyNotFound, TooManyOps};
    let table: &[(&str, Option<Code>)] = &[
        ("", None),
        ("p:a p:b g:a", None),
        ("p:a p:a", Some(DuplicateKey)),
        ("g:a g:a d:a d:a", None),
        ("p:b d:a-c", Some(DuplicateKey)),
        ("d:a-c p:b", Some(DuplicateKey)),
        ("p:c d:a-c", None),
        ("p:a d:a", Some(DuplicateKey)),
        ("p:a d:a+", None),
        ("p:b d:c-a", None),
        ("d:a-c d:b-e d:e-f p:ee", Some(DuplicateKey)),
        ("d:x-z d:a-c d:b-y p:d", Some(DuplicateKey)),
        ("{p:a|p:a}", None),
        ("{p:a p:a}", Some(DuplicateKey)),
        ("{g:a|p:a p:a}", Some(DuplicateKey)),
        ("p:a {p:a}", Some(DuplicateKey)),
        ("p:a {g:b|p:a}", Some(DuplicateKey)),
        ("{p:a} {p:a}", Some(DuplicateKey)),
        ("{p:a|p:b} {g:a|p:b}", Some(DuplicateKey)),
        ("{p:a} {d:a}", None),
        ("{d:a} {p:a}", Some(DuplicateKey)),
        ("{d:a} p:a", Some(DuplicateKey)),
        ("{|d:a-c} p:b", Some(DuplicateKey)),
        ("{d:a|p:a}", None),
        ("d:a {p:a}", Some(DuplicateKey)),
        ("{{p:a}|p:a} p:b", None),
        ("{{p:a}|p:b} p:a", Some(DuplicateKey)),
        ("_", Some(KeyNotFound)),
        ("p:", Some(EmptyKey)),
        ("g:", Some(EmptyKey)),
        ("d:", Some(EmptyKey)),
        ("g:a g:a g:a g:a g:a", None),
        ("g:a g:a g:a g:a g:a g:a", Some(TooManyOps)),
        ("g:a {g:a g:a g:a}", None),
        ("g:a {g:a g:a g:a g:a}", Some(TooManyOps)),
        ("{g:a g:a g:a g:a} {g:a g:a g:a}", Some(TooManyOps)),
        ("{g:a g:a g:a g:a p:}", Some(TooManyOps)),
        ("p: {g:a g:a g:a g:a}", Some(EmptyKey)),
    ];
    for (text, refusal) in table {
        let success = TxnRequest { success: parse(text), ..Default::default() };
        let failure = TxnRequest { failure: parse(text), ..Default::default() };
        assert_eq!(txn(&success, 5).err(), *refusal, "success {text}");
        assert_eq!(txn(&failure, 5).err(), *refusal, "failure {text}");
    }
}

#[test]
fn ranges() {
    let key = || RangeRequest { key: bytes("a"), ..Default::default() };
    let table = [
        (RangeRequest::default(), Some(Code::EmptyKey), Some(Code::EmptyKey)),
        (key(), None, None),
        (
            RangeRequest { sort_order: 3, ..key() },
            Some(Code::InvalidSortOption),
            Some(Code::InvalidSortOption),
        ),
        (
            RangeRequest { sort_order: -1, ..key() },
            Some(Code::InvalidSortOption),
            Some(Code::InvalidSortOption),
        ),
        (
            RangeRequest { sort_target: 5, ..key() },
            Some(Code::InvalidSortOption),
            Some(Code::InvalidSortOption),
        ),
        (RangeRequest { sort_order: 1, ..key() }, None, None),
        (RangeRequest { sort_target: 2, ..key() }, None, None),
        (RangeRequest { sort_order: 2, ..key() }, None, Some(Code::RangeStreamSort)),
        (
            RangeRequest { sort_order: 1, sort_target: 2, ..key() },
            None,
            Some(Code::RangeStreamSort),
        ),
        (RangeRequest { min_mod_revision: -1, ..key() }, None, Some(Code::RangeStreamFilters)),
        (RangeRequest { max_create_revision: 1, ..key() }, None, Some(Code::RangeStreamFilters)),
    ];
    for (request, unary, stream) in table {
        assert_eq!(range(&request).err(), unary, "{request:?}");
        assert_eq!(range_stream(&request).err(), stream, "{request:?}");
    }
}

#[test]
fn puts() {
    let key = || PutRequest { key: bytes("a"), ..Default::default() };
    let table = [
        (PutRequest::default(), Some(Code::EmptyKey)),
        (key(), None),
        (PutRequest { ignore_value: true, ..key() }, None),
        (PutRequest { ignore_value: true, value: bytes("v"), ..key() }, Some(Code::ValueProvided)),
        (PutRequest { ignore_lease: true, lease: 7, ..key() }, Some(Code::LeaseProvided)),
        (PutRequest { ignore_lease: true, value: bytes("v"), ..key() }, None),
    ];
    for (request, refusal) in table {
        assert_eq!(put(&request).err(), refusal, "{request:?}");
    }
}
