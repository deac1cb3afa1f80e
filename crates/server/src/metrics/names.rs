//! etcd's metric names, buckets and help lines (ours in words).

use std::collections::BTreeMap;

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Feature gates of 3.7: name, stage, default.
pub(super) const FEATURE_GATES: &[(&str, &str, bool)] = &[
    ("AllAlpha", "ALPHA", false),
    ("AllBeta", "BETA", false),
    ("CompactHashCheck", "ALPHA", false),
    ("FastLeaseKeepAlive", "BETA", true),
    ("InitialCorruptCheck", "ALPHA", false),
    ("LeaseCheckpoint", "ALPHA", false),
    ("LeaseCheckpointPersist", "ALPHA", false),
    ("PriorityRequest", "ALPHA", false),
    ("SetMemberLocalAddr", "ALPHA", false),
    ("StopGRPCServiceOnDefrag", "ALPHA", false),
    ("TxnModeWriteWithSharedBuffer", "BETA", true),
];

/// Histograms that appear only with labels.
pub(super) const LABELLED: &[&str] = &[
    "etcd_server_apply_duration_seconds",
    "etcd_server_request_duration_seconds",
    "etcd_server_range_duration_seconds",
    "grpc_server_handling_seconds",
    "etcd_network_peer_round_trip_time_seconds",
    "etcd_network_snapshot_send_total_duration_seconds",
    "etcd_network_snapshot_receive_total_duration_seconds",
];

/// Every histogram with its bucket bounds: doubling from the first, so many of them.
pub(super) fn histograms() -> BTreeMap<&'static str, Vec<f64>> {
    let doubling =
        |first: f64, count: i32| -> Vec<f64> { (0..count).map(|n| first * 2f64.powi(n)).collect() };
    [
        ("etcd_disk_wal_fsync_duration_seconds", doubling(0.001, 14)),
        ("etcd_disk_wal_write_duration_seconds", doubling(0.001, 14)),
        ("etcd_disk_backend_commit_duration_seconds", doubling(0.001, 14)),
        ("etcd_disk_backend_defrag_duration_seconds", doubling(0.1, 13)),
        ("etcd_disk_backend_snapshot_duration_seconds", doubling(0.01, 17)),
        ("etcd_mvcc_hash_duration_seconds", doubling(0.01, 15)),
        ("etcd_mvcc_hash_rev_duration_seconds", doubling(0.01, 15)),
        ("etcd_server_apply_duration_seconds", doubling(0.0001, 20)),
        ("etcd_server_range_duration_seconds", doubling(0.0001, 20)),
        ("etcd_server_request_duration_seconds", doubling(0.001, 14)),
        ("etcd_debugging_mvcc_db_compaction_total_duration_milliseconds", doubling(100.0, 14)),
        ("etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds", doubling(1.0, 13)),
        ("etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds", doubling(0.5, 14)),
        ("etcd_debugging_snap_save_marshalling_duration_seconds", doubling(0.001, 14)),
        ("etcd_debugging_snap_save_total_duration_seconds", doubling(0.001, 14)),
        ("etcd_snap_fsync_duration_seconds", doubling(0.001, 14)),
        ("etcd_snap_db_fsync_duration_seconds", doubling(0.001, 14)),
        ("etcd_snap_db_save_total_duration_seconds", doubling(0.1, 10)),
        ("etcd_debugging_lease_ttl_total", doubling(1.0, 24)),
        ("etcd_network_peer_round_trip_time_seconds", doubling(0.0001, 16)),
        ("etcd_network_snapshot_send_total_duration_seconds", doubling(0.1, 10)),
        ("etcd_network_snapshot_receive_total_duration_seconds", doubling(0.1, 10)),
        (
            "grpc_server_handling_seconds",
            vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
        ),
    ]
    .into()
}

/// Help lines.
pub(super) fn describe() {
    for (name, help) in HISTOGRAMS {
        describe_histogram!(*name, *help);
    }
    for (name, help) in COUNTERS {
        describe_counter!(*name, *help);
    }
    for (name, help) in GAUGES {
        describe_gauge!(*name, *help);
    }
}

const HISTOGRAMS: &[(&str, &str)] = &[
    ("etcd_disk_wal_fsync_duration_seconds", "Latency of log syncs."),
    ("etcd_disk_wal_write_duration_seconds", "Latency of log writes."),
    ("etcd_disk_backend_commit_duration_seconds", "Latency of commits of the working storage."),
    ("etcd_disk_backend_defrag_duration_seconds", "Time taken by space reclaim."),
    ("etcd_disk_backend_snapshot_duration_seconds", "Time taken to stream a snapshot."),
    ("etcd_mvcc_hash_duration_seconds", "Time taken by Hash."),
    ("etcd_mvcc_hash_rev_duration_seconds", "Time taken by HashKV."),
    ("etcd_server_apply_duration_seconds", "Time taken to apply one entry."),
    ("etcd_server_range_duration_seconds", "Time taken to plan one range."),
    ("etcd_server_request_duration_seconds", "Time from arrival to answer."),
    (
        "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
        "Time taken to remove the rows of one compaction.",
    ),
    (
        "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
        "Time taken by one batch of a compaction.",
    ),
    (
        "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
        "Time the index is held by one batch of a compaction.",
    ),
    ("etcd_debugging_snap_save_marshalling_duration_seconds", "Time to encode a snapshot's head."),
    ("etcd_debugging_snap_save_total_duration_seconds", "Time to save a snapshot's head."),
    ("etcd_snap_fsync_duration_seconds", "Latency of syncs of a snapshot's head."),
    ("etcd_snap_db_fsync_duration_seconds", "Latency of syncs of received snapshots."),
    ("etcd_snap_db_save_total_duration_seconds", "Time to save received snapshots."),
    ("grpc_server_handling_seconds", "Time from the beginning of a call to its end."),
    ("etcd_debugging_lease_ttl_total", "Granted times to live in seconds."),
    ("etcd_network_peer_round_trip_time_seconds", "Round trips of probes to a member."),
    (
        "etcd_network_snapshot_send_total_duration_seconds",
        "Time taken to send a snapshot to a member.",
    ),
    (
        "etcd_network_snapshot_receive_total_duration_seconds",
        "Time taken to receive a snapshot of a member.",
    ),
];

const COUNTERS: &[(&str, &str)] = &[
    ("ketch_audit_written_total", "Entries written to the audit log."),
    ("ketch_audit_dropped_total", "Entries of the audit log lost for want of room."),
    ("etcd_server_leader_changes_seen_total", "Leaders seen."),
    ("etcd_server_proposals_failed_total", "Proposals that came to nothing."),
    ("etcd_server_slow_apply_total", "Entries that took longer to apply than the warning bound."),
    ("etcd_debugging_server_lease_expired_total", "Leases found expired."),
    ("etcd_debugging_lease_granted_total", "Leases granted."),
    ("etcd_debugging_lease_revoked_total", "Leases revoked."),
    ("etcd_debugging_lease_renewed_total", "Leases renewed."),
    ("etcd_mvcc_put_total", "Puts applied."),
    ("etcd_mvcc_delete_total", "Deletes applied."),
    ("etcd_mvcc_txn_total", "Transactions applied."),
    ("etcd_mvcc_range_total", "Ranges read."),
    ("etcd_debugging_mvcc_events_total", "Events handed to watchers."),
    ("etcd_network_client_grpc_received_bytes_total", "Bytes of messages from clients."),
    ("etcd_network_client_grpc_sent_bytes_total", "Bytes of messages to clients."),
    ("etcd_server_client_requests_total", "Calls by the API version of the client."),
    ("grpc_server_started_total", "Calls begun."),
    ("grpc_server_handled_total", "Calls ended, by status."),
    ("grpc_server_msg_received_total", "Messages received."),
    ("grpc_server_msg_sent_total", "Messages sent."),
    ("etcd_server_read_indexes_failed_total", "Linearizable reads that came to nothing."),
    ("etcd_server_slow_read_indexes_total", "Questions for a read index that took too long."),
    ("etcd_server_heartbeat_send_failures_total", "Heartbeats sent late."),
    ("etcd_server_learner_promote_successes", "Learners promoted."),
    ("etcd_server_learner_promote_failures", "Learners not promoted, by reason."),
    ("etcd_network_disconnected_peers_total", "Times a member went out of reach."),
    ("etcd_network_peer_sent_bytes_total", "Bytes sent to a member."),
    ("etcd_network_peer_sent_failures_total", "Messages to a member that were lost."),
    ("etcd_network_peer_received_bytes_total", "Bytes received from a member."),
    ("etcd_network_peer_received_failures_total", "Messages of a member that were no good."),
    ("etcd_network_snapshot_send_success", "Snapshots that a member took."),
    ("etcd_network_snapshot_send_failures", "Snapshots that a member did not take."),
    ("etcd_network_snapshot_receive_success", "Snapshots received from a member."),
    ("etcd_network_snapshot_receive_failures", "Snapshots of a member that failed."),
    ("etcd_server_health_success", "Health pages that said yes."),
    ("etcd_server_health_failures", "Health pages that said no."),
    ("etcd_server_healthchecks_total", "Checks of livez and readyz by outcome."),
    ("etcd_debugging_mvcc_db_compaction_keys_total", "Rows removed by compactions."),
    ("promhttp_metric_handler_requests_total", "Scrapes answered, by status."),
    ("process_network_receive_bytes_total", "Bytes received, all processes of the namespace."),
    ("process_network_transmit_bytes_total", "Bytes sent, all processes of the namespace."),
];

const GAUGES: &[(&str, &str)] = &[
    ("etcd_server_version", "1 for the version that runs."),
    ("etcd_server_id", "1 for the id of this member."),
    ("etcd_server_has_leader", "1 while a leader is known."),
    ("etcd_server_is_leader", "1 while this member leads."),
    ("etcd_server_is_learner", "1 while this member learns."),
    ("etcd_server_feature_enabled", "1 for features that are on."),
    ("etcd_server_quota_backend_bytes", "Bytes the working storage may take."),
    ("etcd_server_proposals_committed_total", "Newest committed log index."),
    ("etcd_server_proposals_applied_total", "Newest applied log index."),
    ("etcd_server_proposals_pending", "Proposals under way."),
    ("etcd_network_known_peers", "1 for members this one knows."),
    ("etcd_network_active_peers", "1 for members within reach."),
    ("etcd_network_snapshot_send_inflights_total", "Snapshots being sent to a member."),
    ("etcd_network_snapshot_receive_inflights_total", "Snapshots being received."),
    ("etcd_cluster_version", "1 for the version the cluster agreed on."),
    ("etcd_debugging_server_alarms", "1 for alarms that are raised."),
    ("etcd_mvcc_db_total_size_in_bytes", "Size of the working storage's file."),
    ("etcd_mvcc_db_total_size_in_use_in_bytes", "Part of it that holds live data."),
    ("etcd_debugging_mvcc_current_revision", "The store's revision."),
    ("etcd_debugging_mvcc_compact_revision", "The newest compacted revision, -1 for none."),
    ("etcd_debugging_mvcc_watcher_total", "Watches."),
    ("etcd_debugging_mvcc_watch_stream_total", "Watch streams."),
    ("etcd_debugging_mvcc_slow_watcher_total", "Watches that are catching up."),
    ("etcd_disk_wal_write_bytes_total", "Bytes written to the log."),
    ("etcd_disk_defrag_inflight", "1 while space is reclaimed."),
    ("etcd_debugging_auth_revision", "Revision of users and roles."),
    ("etcd_debugging_mvcc_keys_total", "Keys alive."),
    ("etcd_debugging_mvcc_pending_events_total", "Events that wait for their client."),
    ("etcd_debugging_mvcc_total_put_size_in_bytes", "Bytes of all rows put since the start."),
    ("etcd_debugging_mvcc_db_compaction_last", "When the last compaction ended, since the epoch."),
    ("etcd_mvcc_db_open_read_transactions", "Readers that hold pages: none outlives its call."),
    ("etcd_server_healthcheck", "1 for checks of livez and readyz that last said yes."),
    ("etcd_server_snapshot_apply_in_progress_total", "1 while a snapshot is installed."),
    ("promhttp_metric_handler_requests_in_flight", "Scrapes under way."),
    ("process_virtual_memory_max_bytes", "Virtual memory allowed."),
    ("os_fd_limit", "File descriptors allowed."),
    ("os_fd_used", "File descriptors open."),
    ("process_open_fds", "File descriptors open."),
    ("process_max_fds", "File descriptors allowed."),
    ("process_resident_memory_bytes", "Resident memory."),
    ("process_virtual_memory_bytes", "Virtual memory."),
    ("process_start_time_seconds", "Start of the process since the epoch."),
];
