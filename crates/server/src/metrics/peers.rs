//! What the links to other members count, under etcd's names.

use std::collections::BTreeMap;

use ketch_base::MemberId;
use ketch_peer::LinkStatus;
use metrics::{counter, gauge, histogram};

use crate::member::Member;

/// Carries the links' own counters into the registry.
#[derive(Default)]
pub(crate) struct Peers {
    /// Every member seen so far, as it was at the last look; those that left stay at zero.
    seen: BTreeMap<MemberId, LinkStatus>,
}

impl Peers {
    /// Looks at all links. Durations are noted at the look after they ended.
    pub(crate) fn publish(&mut self, member: &Member) {
        let local = member.id.to_string();
        let links = member.link_status();
        let membership = member.shared.membership();
        let known = |id: MemberId| f64::from(u8::from(membership.member(id).is_some()));
        let own = ("Remote", local.clone());
        gauge!("etcd_network_known_peers", &[("Local", local.clone()), own]).set(known(member.id));
        for gone in self.seen.keys().filter(|id| links.iter().all(|link| link.id != **id)) {
            let pair = [("Local", local.clone()), ("Remote", gone.to_string())];
            gauge!("etcd_network_known_peers", &pair).set(known(*gone));
            gauge!("etcd_network_active_peers", &pair).set(0.0);
        }
        for link in links {
            let pair = [("Local", local.clone()), ("Remote", link.id.to_string())];
            gauge!("etcd_network_known_peers", &pair).set(known(link.id));
            let active = f64::from(u8::from(link.active_since.is_some()));
            gauge!("etcd_network_active_peers", &pair).set(active);
            counter!("etcd_network_disconnected_peers_total", &pair).absolute(link.disconnects);
            let before = self.seen.get(&link.id).cloned().unwrap_or_default();
            sent(&link, &before);
            received(&link, &before);
            self.seen.insert(link.id, link);
        }
    }
}

fn sent(link: &LinkStatus, before: &LinkStatus) {
    let to = [("To", link.id.to_string())];
    counter!("etcd_network_peer_sent_bytes_total", &to).absolute(link.sent_bytes);
    counter!("etcd_network_peer_sent_failures_total", &to).absolute(link.send_failures);
    let round_trip = histogram!("etcd_network_peer_round_trip_time_seconds", &to);
    if let Some(rtt_ms) = link.rtt_ms.filter(|_| link.probes != before.probes) {
        round_trip.record(rtt_ms / 1_000.0);
    }
    let sending = link.snapshots_sending as f64;
    gauge!("etcd_network_snapshot_send_inflights_total", &to).set(sending);
    counter!("etcd_network_snapshot_send_success", &to).absolute(link.snapshots_sent);
    counter!("etcd_network_snapshot_send_failures", &to).absolute(link.snapshot_send_failures);
    let took = histogram!("etcd_network_snapshot_send_total_duration_seconds", &to);
    let (count, ms) = (link.snapshots_sent, link.snapshot_send_ms);
    if let Some(mean_s) = mean_s(count, before.snapshots_sent, ms, before.snapshot_send_ms) {
        took.record(mean_s);
    }
}

fn received(link: &LinkStatus, before: &LinkStatus) {
    let from = [("From", link.id.to_string())];
    counter!("etcd_network_peer_received_bytes_total", &from).absolute(link.received_bytes);
    counter!("etcd_network_peer_received_failures_total", &from).absolute(link.receive_failures);
    let receiving = link.snapshots_receiving as f64;
    gauge!("etcd_network_snapshot_receive_inflights_total", &from).set(receiving);
    counter!("etcd_network_snapshot_receive_success", &from).absolute(link.snapshots_received);
    counter!("etcd_network_snapshot_receive_failures", &from)
        .absolute(link.snapshot_receive_failures);
    let took = histogram!("etcd_network_snapshot_receive_total_duration_seconds", &from);
    let (count, ms) = (link.snapshots_received, link.snapshot_receive_ms);
    if let Some(mean_s) = mean_s(count, before.snapshots_received, ms, before.snapshot_receive_ms) {
        took.record(mean_s);
    }
}

/// How long one took on average since the last look; seldom more than one ended.
fn mean_s(count: u64, count_before: u64, ms: u64, ms_before: u64) -> Option<f64> {
    let ended = count.checked_sub(count_before).filter(|ended| *ended > 0)?;
    Some(ms.saturating_sub(ms_before) as f64 / 1_000.0 / ended as f64)
}
