//! Commands on members and their storage.

use super::{Spec, Verb};
use crate::flags::{Flag, Kind};

const GROUP: &str = "Cluster maintenance commands";
const CLUSTER: Flag = Flag::new("cluster", Kind::Bool, "go to every member of the cluster");

pub(super) const ALARM: Spec =
    Spec::new("alarm", "", Verb::Group, "Commands on alarms").group(GROUP).children(&[
        Spec::new("disarm", "", Verb::AlarmDisarm, "Switches all alarms off"),
        Spec::new("list", "", Verb::AlarmList, "Shows the alarms that are on"),
    ]);

pub(super) const DEFRAG: Spec =
    Spec::new("defrag", "", Verb::Defrag, "Gives free space of members back")
        .group(GROUP)
        .shared(&[CLUSTER]);

pub(super) const DOWNGRADE: Spec =
    Spec::new("downgrade", "<TARGET_VERSION>", Verb::Group, "Commands for an older version")
        .group(GROUP)
        .children(&[
            Spec::new("cancel", "", Verb::NotYet, "Stops a downgrade"),
            Spec::new("enable", "<TARGET_VERSION>", Verb::NotYet, "Begins a downgrade"),
            Spec::new("validate", "<TARGET_VERSION>", Verb::NotYet, "Tells whether one may begin"),
        ]);

pub(super) const ENDPOINT: Spec =
    Spec::new("endpoint", "", Verb::Group, "Commands on single members")
        .group(GROUP)
        .shared(&[CLUSTER])
        .children(&[
            Spec::new("hashkv", "", Verb::EndpointHashKv, "Shows a checksum of the history")
                .shared(&[Flag::new("rev", Kind::Int, "last revision to include, 0 for all")]),
            Spec::new("health", "", Verb::EndpointHealth, "Tells whether members serve"),
            Spec::new("status", "", Verb::EndpointStatus, "Shows versions, sizes and positions"),
        ]);

pub(super) const MEMBER: Spec =
    Spec::new("member", "", Verb::Group, "Commands on membership").group(GROUP).children(&[
        Spec::new("add", "<memberName> [options]", Verb::MemberAdd, "Adds a member").flags(&[
            Flag::new("learner", Kind::Bool, "add it without a vote"),
            Flag::new("peer-urls", Kind::Text, "where other members reach it, separated by commas"),
        ]),
        Spec::new("list", "", Verb::MemberList, "Shows the members")
            .long("Shows the members: id, status, name, peer and client addresses, learner or not.")
            .flags(&[Flag::new(
                "consistency",
                Kind::Text,
                "l for linearizable, s for serializable",
            )
            .default("l")]),
        Spec::new("promote", "<memberID>", Verb::MemberPromote, "Gives a learner its vote"),
        Spec::new("remove", "<memberID>", Verb::MemberRemove, "Removes a member"),
        Spec::new("update", "<memberID> [options]", Verb::MemberUpdate, "Moves a member").flags(&[
            Flag::new("peer-urls", Kind::Text, "where other members reach it, separated by commas"),
        ]),
    ]);

pub(super) const MOVE_LEADER: Spec = Spec::new(
    "move-leader",
    "<transferee-member-id>",
    Verb::MoveLeader,
    "Makes another member the leader",
)
.group(GROUP);

pub(super) const SNAPSHOT: Spec =
    Spec::new("snapshot", "", Verb::Group, "Commands on snapshots").group(GROUP).children(&[
        Spec::new("save", "<filename>", Verb::SnapshotSave, "Stores a member's database in a file"),
    ]);
