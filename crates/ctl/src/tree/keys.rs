//! Commands on keys and leases.

use super::{Spec, Verb};
use crate::flags::{Flag, Kind};

const GROUP: &str = "Key-value commands";

pub(super) const COMPACTION: Spec =
    Spec::new("compaction", "[options] <revision>", Verb::Compaction, "Gives up old history")
        .group(GROUP)
        .flags(&[Flag::new("physical", Kind::Bool, "wait until the old revisions are removed")]);

pub(super) const DEL: Spec =
    Spec::new("del", "[options] <key> [range_end]", Verb::Del, "Removes a key or a range of keys")
        .group(GROUP)
        .flags(&[
            Flag::new("from-key", Kind::Bool, "remove this key and every later one"),
            Flag::new("prefix", Kind::Bool, "remove every key that begins with this"),
            Flag::new("prev-kv", Kind::Bool, "show what was removed"),
            Flag::new("range", Kind::Bool, "remove a range without waiting first"),
        ]);

pub(super) const GET: Spec =
    Spec::new("get", "[options] <key> [range_end]", Verb::Get, "Reads a key or a range of keys")
        .group(GROUP)
        .flags(&[
            Flag::new("consistency", Kind::Text, "l for linearizable, s for serializable")
                .default("l"),
            Flag::new("count-only", Kind::Bool, "only the number of keys"),
            Flag::new("from-key", Kind::Bool, "this key and every later one"),
            Flag::new("keys-only", Kind::Bool, "keys without values"),
            Flag::new("limit", Kind::Int, "most results, 0 for all"),
            Flag::new("max-create-rev", Kind::Int, "latest revision of creation"),
            Flag::new("max-mod-rev", Kind::Int, "latest revision of modification"),
            Flag::new("min-create-rev", Kind::Int, "earliest revision of creation"),
            Flag::new("min-mod-rev", Kind::Int, "earliest revision of modification"),
            Flag::new("order", Kind::Text, "ASCEND or DESCEND"),
            Flag::new("prefix", Kind::Bool, "every key that begins with this"),
            Flag::new("print-value-only", Kind::Bool, "values without keys, in simple output"),
            Flag::new("rev", Kind::Int, "as of this revision, 0 for now"),
            Flag::new("sort-by", Kind::Text, "CREATE, KEY, MODIFY, VALUE or VERSION"),
            Flag::new("stream", Kind::Bool, "fetch the range in pieces"),
        ]);

pub(super) const PUT: Spec = Spec::new(
    "put",
    "[options] <key> <value> (<value> can also be given from stdin)",
    Verb::Put,
    "Stores a value under a key",
)
.long(
    "Stores a value under a key.

Without a value on the line, and without --ignore-value, the value is standard input:
  cat file | ketchctl put <key>
A key or value that begins with a dash goes behind two dashes:
  ketchctl put <key> -- <value>",
)
.group(GROUP)
.flags(&[
    Flag::new("ignore-lease", Kind::Bool, "leave the key's lease as it is"),
    Flag::new("ignore-value", Kind::Bool, "leave the key's value as it is"),
    Flag::new("lease", Kind::Text, "lease to attach the key to, in hexadecimal").default("0"),
    Flag::new("prev-kv", Kind::Bool, "show what was there before"),
]);

pub(super) const TXN: Spec =
    Spec::new("txn", "[options]", Verb::Txn, "Compares and acts in one transaction")
        .long(
            "Reads a transaction from standard input and runs it: comparisons, the requests for
when all hold, the requests for when one does not. An empty line ends each part.

  mod(\"key\") > \"0\"

  put key \"was there\"

  put key \"was not there\"

Comparisons: ver, c, m or val of a key, then <, =, != or >. Requests: get, put, del.",
        )
        .group(GROUP)
        .flags(&[Flag::new("interactive", Kind::Bool, "ask for each part").short('i')]);

pub(super) const WATCH: Spec = Spec::new(
    "watch",
    "[options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
    Verb::Watch,
    "Follows the changes of keys",
)
.group(GROUP)
.flags(&[
    Flag::new("interactive", Kind::Bool, "read watches from standard input").short('i'),
    Flag::new("prefix", Kind::Bool, "every key that begins with this"),
    Flag::new("prev-kv", Kind::Bool, "show what was there before each change"),
    Flag::new("progress-notify", Kind::Bool, "show how far the watch has come now and then"),
    Flag::new("rev", Kind::Int, "first revision to show, 0 for from now on"),
]);

pub(super) const LEASE: Spec =
    Spec::new("lease", "", Verb::Group, "Commands on leases").group(GROUP).children(&[
        Spec::new("grant", "<ttl>", Verb::LeaseGrant, "Makes a lease"),
        Spec::new(
            "keep-alive",
            "[options] <leaseID>",
            Verb::LeaseKeepAlive,
            "Renews a lease again and again",
        )
        .flags(&[Flag::new("once", Kind::Bool, "renew once and end")]),
        Spec::new("list", "", Verb::LeaseList, "Shows all leases"),
        Spec::new("revoke", "<leaseID>", Verb::LeaseRevoke, "Ends a lease"),
        Spec::new(
            "timetolive",
            "<leaseID> [options]",
            Verb::LeaseTimeToLive,
            "Shows what is left of a lease",
        )
        .flags(&[Flag::new("keys", Kind::Bool, "show the keys of the lease too")]),
    ]);
