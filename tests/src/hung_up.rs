//! How the end of a connection is told: one of two stories, by chance.

/// The reason a program gives, with an end of the stream where it tells of a reset. Who closes a
/// socket with bytes unread resets the connection, and whether there are any by then is left to
/// chance: with etcd as with us.
pub fn hung_up(reason: &str) -> String {
    const END: &str = "EOF";
    let rust = reason.replace("Connection reset by peer (os error 104)", END);
    let Some((before, after)) = rust.split_once("connection reset by peer") else { return rust };
    let reads = ["read tcp ", "read unix "];
    let before = reads
        .iter()
        .find_map(|read| before.rsplit_once(read).map(|(before, _addresses)| before))
        .unwrap_or(before);
    format!("{before}{END}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_stories_become_one() {
        let check = |reason: &str| assert_eq!(hung_up(reason), "reading preface: EOF\\\"\"}");
        check("reading preface: EOF\\\"\"}");
        check("reading preface: connection reset by peer\\\"\"}");
        check(
            "reading preface: read tcp 1.2.3.4:5->6.7.8.9:1: read: connection reset by peer\\\"\"}",
        );
        check("reading preface: read unix @->/tmp/u: read: connection reset by peer\\\"\"}");
        check("reading preface: Connection reset by peer (os error 104)\\\"\"}");
    }
}
