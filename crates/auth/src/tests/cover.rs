//! Ranges against a model that looks at every key.

use bytes::Bytes;
use ketch_base::KeyRange;
use proptest::prelude::*;

use crate::ranges::Ranges;

/// Every key of up to three letters, with the zero byte as one of them, in order.
fn keys() -> Vec<Vec<u8>> {
    let mut keys = vec![Vec::new()];
    for _ in 0..3 {
        let longer: Vec<Vec<u8>> = keys
            .iter()
            .flat_map(|key| LETTERS.iter().map(|letter| [key.as_slice(), &[*letter]].concat()))
            .collect();
        keys.extend(longer);
    }
    keys.sort();
    keys.dedup();
    keys.retain(|key| !key.is_empty());
    keys
}

const LETTERS: [u8; 3] = [0, b'a', b'b'];

fn range() -> impl Strategy<Value = KeyRange> {
    // Ends of ranges are at most two letters long, so that there are keys around each.
    let short: Vec<Bytes> = keys().into_iter().filter(|k| k.len() < 3).map(Bytes::from).collect();
    let key = prop::sample::select(short);
    prop_oneof![
        3 => key.clone().prop_map(KeyRange::Key),
        5 => (key.clone(), key.clone()).prop_map(|(start, end)| KeyRange::HalfOpen(start, end)),
        1 => key.prop_map(KeyRange::From),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A range is covered if each key of it is in one of those given; one beyond all keys here
    /// stands for those that the model does not see.
    #[test]
    fn a_range_is_covered_if_each_of_its_keys_is(
        given in prop::collection::vec(range(), 0..6),
        asked in range(),
    ) {
        prop_assume!(!asked.is_empty());
        let found = Ranges::new(given.clone()).cover(&asked);
        let beyond = vec![b'c'];
        let naive = keys().iter().chain([&beyond]).filter(|key| asked.contains(key)).all(|key| {
            given.iter().any(|range| range.contains(key))
        });
        prop_assert_eq!(found, naive);
    }
}

#[test]
fn a_range_without_keys_counts_as_its_first_key_where_the_tree_shows_it() {
    let range = |key: &'static str, end: &'static str| KeyRange::new(key.into(), end.into());
    let given = Ranges::new([range("c", "e"), range("g", "g")]);
    assert!(given.cover(&range("d", "b")));
    assert!(given.cover(&range("c", "c")));
    assert!(!given.cover(&range("e", "b")));
    assert!(!given.cover(&range("g", "")));
    let behind = Ranges::new([range("c", "e"), range("g", "k"), range("b", "")]);
    assert!(behind.cover(&range("h", "d")));
    assert!(!behind.cover(&range("h", "c")));
}
