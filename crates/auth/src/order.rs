//! The order of a role's permissions: by key, and among those of one key as etcd leaves them.
//!
//! etcd puts a permission last and sorts the role with Go's sort, a quicksort that does not keep
//! what is equal in order. The order counts: a grant changes the first permission of its key if
//! that has the same end, and is added again otherwise. So a member whose order differs gives other
//! rights. What follows does to a sorted role with one permission behind it what Go's sort does,
//! as it has been since Go 1.19:
//!
//! ```text
//! up to 12, or 50 and more     it goes behind those of its key
//! between                      pieces around a pivot, until they are small or found sorted
//! ```
//!
//! What Go has for slices that run backwards, or that go to bad pieces again and again, is left
//! out: the one is for more than 49, and no role of up to three keys comes to the other; those of
//! more are in better pieces.

use std::ops::RangeInclusive;

use bytes::Bytes;
use ketch_proto::authpb::Permission;

/// What is not larger is sorted by insertion.
const SMALL: usize = 12;
/// Sizes of roles that go to pieces.
const PIECES: RangeInclusive<usize> = SMALL + 1..=49;

/// Puts a permission into a role.
pub(crate) fn insert(role: &mut Vec<Permission>, permission: Permission) {
    role.push(permission);
    if PIECES.contains(&role.len()) { sort(role, None) } else { sort_stably(role) }
}

fn sort_stably(piece: &mut [Permission]) {
    piece.sort_by(|one, other| one.key.cmp(&other.key));
}

/// Sorts a piece of a role, with the key that stands before it.
fn sort(mut piece: &mut [Permission], mut before: Option<Bytes>) {
    let (mut balanced, mut settled) = (true, true);
    while piece.len() > SMALL {
        let length = piece.len();
        if !balanced {
            scatter(piece);
        }
        let (pivot, rising) = pivot(piece);
        if balanced && settled && rising && piece.is_sorted_by_key(|permission| &permission.key) {
            return;
        }
        let key = piece[pivot].key.clone();
        piece.swap(0, pivot);
        if before.as_ref().is_some_and(|before| *before >= key) {
            // Nothing here is smaller, so those of this key are in place when they are in front.
            let (alike, _) = sweep(&mut piece[1..], |other| *other <= key);
            piece = &mut piece[1 + alike..];
            before = Some(key);
            continue;
        }
        let (smaller, moved) = sweep(&mut piece[1..], |other| *other < key);
        piece.swap(0, smaller);
        let (left, right) = piece.split_at_mut(smaller);
        settled = !moved;
        balanced = left.len().min(right.len()) >= length / 8;
        if left.len() < right.len() {
            sort(left, before);
            (piece, before) = (&mut right[1..], Some(key));
        } else {
            sort(&mut right[1..], Some(key));
            piece = left;
        }
    }
    sort_stably(piece);
}

/// The median of three at the quarters, and whether these are in order.
fn pivot(piece: &[Permission]) -> (usize, bool) {
    let quarter = piece.len() / 4;
    let mut places = [quarter, 2 * quarter, 3 * quarter];
    let rising = places.is_sorted_by_key(|place| &piece[*place].key);
    places.sort_by(|one, other| piece[*one].key.cmp(&piece[*other].key));
    (places[1], rising)
}

/// Exchanges from both ends until those that belong to the front are there. Says how many they
/// are, and whether any had to move.
fn sweep(piece: &mut [Permission], in_front: impl Fn(&Bytes) -> bool) -> (usize, bool) {
    let (mut front, mut back) = (0, piece.len());
    let mut moved = false;
    loop {
        while front < back && in_front(&piece[front].key) {
            front += 1;
        }
        while front < back && !in_front(&piece[back - 1].key) {
            back -= 1;
        }
        if front == back {
            return (front, moved);
        }
        back -= 1;
        piece.swap(front, back);
        front += 1;
        moved = true;
    }
}

/// Breaks what made pivots bad: three in the middle go to places that follow from the length.
fn scatter(piece: &mut [Permission]) {
    let length = piece.len();
    let middle = length / 4 * 2;
    let mut number = length as u64;
    for place in middle - 1..=middle + 1 {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        // Of as many bits as the length has.
        let drawn = number as usize & (usize::MAX >> length.leading_zeros());
        piece.swap(place, if drawn < length { drawn } else { drawn - length });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of a role, the key of the permission that comes, and how etcd 3.7.1 leaves them
    /// all. Each stands for its place before, as a letter; the one that comes is a plus.
    const ROLES: &[(&str, &str, &str)] = &[
        ("0112333344", "3", "ABCDEFGH+IJ"),
        ("011122233344", "4", "ABCDEFGHIJKL+"),
        ("011122233344", "2", "ABCDGFE+HIJKL"),
        ("0111111111111", "0", "A+GDEFCHIJKLMB"),
        ("0000000000011111111", "0", "KBCDEFGHJI+ALNOPQRSM"),
        ("0000111111111112222", "1", "ABCDKLGHIJEFMNO+QRSP"),
        ("000000000000000001111111111122", "1", "OQCDEFGHIJKLMNBAPabTUVRZ+SXYWcd"),
        ("000122222334556666667789999999", "0", "+BCADGFHIEJKLMNOPRSTQUVWYZabcdX"),
        ("00000000000000000000012222222222233", "2", "SBCDEFGHIJKLMNOPRQATUVdbYZWacXefg+ih"),
        (
            "00000000000000000000000000000000111111111111111",
            "0",
            "YKCDEFGHIAXLMNOPQRSTUVBWJZabcdef+prjklhinmqostug",
        ),
        (
            "001111111111111123333333333333333344444444444444",
            "0",
            "AB+IKFGHDJELMNOPCQYhUVWXSZabcdefgTRpvlmnorjkstuqi",
        ),
        (
            "0000000000111111111111111111112222222222222222222",
            "1",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcd+efghijklmnopqrstuvw",
        ),
    ];

    fn permission(key: char, letter: char) -> Permission {
        let (key, range_end) = (key.to_string().into(), letter.to_string().into());
        Permission { key, range_end, ..Permission::default() }
    }

    #[test]
    fn roles_are_left_as_etcd_leaves_them() {
        for (keys, key, expected) in ROLES {
            let letters = ('A'..='Z').chain('a'..='z');
            let mut role: Vec<Permission> =
                keys.chars().zip(letters).map(|(key, letter)| permission(key, letter)).collect();
            insert(&mut role, permission(key.chars().next().expect("one"), '+'));
            let left: Vec<u8> =
                role.iter().flat_map(|permission| permission.range_end.clone()).collect();
            assert_eq!(String::from_utf8_lossy(&left), *expected, "{keys} {key}");
        }
    }
}
