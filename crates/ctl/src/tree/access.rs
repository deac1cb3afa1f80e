//! Commands on locks, users and the program itself.

use super::{Spec, Verb};
use crate::flags::{Flag, Kind};

const CONCURRENCY: &str = "Concurrency commands";
const AUTHENTICATION: &str = "Authentication commands";
const UTILITY: &str = "Utility commands";

pub(super) const ELECT: Spec = Spec::new(
    "elect",
    "<election-name> [proposal]",
    Verb::Elect,
    "Stands for or follows an election",
)
.group(CONCURRENCY)
.flags(&[Flag::new("listen", Kind::Bool, "only follow").short('l')]);

pub(super) const LOCK: Spec = Spec::new(
    "lock",
    "<lockname> [exec-command arg1 arg2 ...]",
    Verb::Lock,
    "Holds a named lock, perhaps while a program runs",
)
.group(CONCURRENCY)
.flags(&[Flag::new("ttl", Kind::Int, "seconds a lost holder keeps the lock").default("10")]);

pub(super) const AUTH: Spec = Spec::new("auth", "", Verb::Group, "Commands on authentication")
    .group(AUTHENTICATION)
    .children(&[
        Spec::new("disable", "", Verb::AuthDisable, "Switches authentication off"),
        Spec::new("enable", "", Verb::AuthEnable, "Switches authentication on"),
        Spec::new("status", "", Verb::AuthStatus, "Tells whether authentication is on"),
    ]);

const PREFIX: Flag = Flag::new("prefix", Kind::Bool, "every key that begins with this");
const FROM_KEY: Flag = Flag::new("from-key", Kind::Bool, "this key and every later one");

pub(super) const ROLE: Spec =
    Spec::new("role", "", Verb::Group, "Commands on roles").group(AUTHENTICATION).children(&[
        Spec::new("add", "<role name>", Verb::RoleAdd, "Makes a role"),
        Spec::new("delete", "<role name>", Verb::RoleDelete, "Removes a role"),
        Spec::new("get", "<role name>", Verb::RoleGet, "Shows a role"),
        Spec::new(
            "grant-permission",
            "[options] <role name> <permission type> <key> [endkey]",
            Verb::RoleGrantPermission,
            "Lets a role use keys",
        )
        .flags(&[FROM_KEY, PREFIX]),
        Spec::new("list", "", Verb::RoleList, "Shows all roles"),
        Spec::new(
            "revoke-permission",
            "<role name> <key> [endkey]",
            Verb::RoleRevokePermission,
            "No longer lets a role use keys",
        )
        .flags(&[FROM_KEY, PREFIX]),
    ]);

const INTERACTIVE: Flag =
    Flag::new("interactive", Kind::Bool, "ask for the password on the terminal").default("true");

pub(super) const USER: Spec =
    Spec::new("user", "", Verb::Group, "Commands on users").group(AUTHENTICATION).children(&[
        Spec::new("add", "<user name or user:password> [options]", Verb::UserAdd, "Makes a user")
            .flags(&[
                INTERACTIVE,
                Flag::new("new-user-password", Kind::Text, "the password"),
                Flag::new("no-password", Kind::Bool, "only certificates identify the user"),
            ]),
        Spec::new("delete", "<user name>", Verb::UserDelete, "Removes a user"),
        Spec::new("get", "<user name> [options]", Verb::UserGet, "Shows a user")
            .flags(&[Flag::new("detail", Kind::Bool, "show the permissions of the roles too")]),
        Spec::new(
            "grant-role",
            "<user name> <role name>",
            Verb::UserGrantRole,
            "Gives a user a role",
        ),
        Spec::new("list", "", Verb::UserList, "Shows all users"),
        Spec::new("passwd", "<user name> [options]", Verb::UserPasswd, "Changes a password")
            .flags(&[INTERACTIVE]),
        Spec::new(
            "revoke-role",
            "<user name> <role name>",
            Verb::UserRevokeRole,
            "Takes a role away",
        ),
    ]);

const AUTO_COMPACT: Flag = Flag::new("auto-compact", Kind::Bool, "compact afterwards");
const AUTO_DEFRAG: Flag = Flag::new("auto-defrag", Kind::Bool, "defragment afterwards");
const LOAD: Flag = Flag::new("load", Kind::Text, "how much: s, m, l or xl").default("s");

pub(super) const CHECK: Spec =
    Spec::new("check", "", Verb::Group, "Commands that measure a cluster").group(UTILITY).children(
        &[
            Spec::new("datascale", "[options]", Verb::NotYet, "Measures memory under data").flags(
                &[
                    AUTO_COMPACT,
                    AUTO_DEFRAG,
                    LOAD,
                    Flag::new("prefix", Kind::Text, "where to write")
                        .default("/etcdctl-check-datascale/"),
                ],
            ),
            Spec::new("perf", "[options]", Verb::NotYet, "Measures speed").flags(&[
                AUTO_COMPACT,
                AUTO_DEFRAG,
                LOAD,
                Flag::new("prefix", Kind::Text, "where to write").default("/etcdctl-check-perf/"),
            ]),
        ],
    );

pub(super) const COMPLETION: Spec = Spec::new(
    "completion",
    "[bash|zsh|fish|powershell]",
    Verb::NotYet,
    "Writes a completion script for a shell",
)
.group(UTILITY);

pub(super) const HELP: Spec =
    Spec::new("help", "[command]", Verb::Help, "Shows the help of a command").group(UTILITY);

pub(super) const MAKE_MIRROR: Spec = Spec::new(
    "make-mirror",
    "[options] <destination>",
    Verb::NotYet,
    "Copies keys to another cluster",
)
.group(UTILITY)
.flags(&[
    Flag::new("dest-cacert", Kind::Text, "authorities of the destination's servers"),
    Flag::new("dest-cert", Kind::Text, "certificate to show to the destination"),
    Flag::new("dest-insecure-transport", Kind::Bool, "talk to it without security").default("true"),
    Flag::new("dest-key", Kind::Text, "key of that certificate"),
    Flag::new("dest-password", Kind::Text, "password of the user there"),
    Flag::new("dest-prefix", Kind::Text, "prefix of the copies"),
    Flag::new("dest-user", Kind::Text, "user to act as there"),
    Flag::new("max-txn-ops", Kind::Uint, "most keys in one transaction").default("128"),
    Flag::new("no-dest-prefix", Kind::Bool, "copies without the prefix"),
    Flag::new("prefix", Kind::Text, "which keys to copy"),
    Flag::new("rev", Kind::Int, "first revision to copy"),
]);

pub(super) const OPTIONS: Spec =
    Spec::new("options", "", Verb::Options, "Shows the flags of every command").group(UTILITY);

pub(super) const VERSION: Spec =
    Spec::new("version", "", Verb::Version, "Shows the versions of program and API").group(UTILITY);
