//! Whole members in one process: joining by the log and by a snapshot, leaving, power cuts in every
//! step of taking up a snapshot, reads and proposals of followers.

#[path = "members/member.rs"]
mod member;
#[path = "members/world.rs"]
mod world;

use ketch_base::{Code, MemberId};
use ketch_node::{Event, Role};
use member::{CUTS, TAIL_BYTES};
use world::{World, addition, learner, promotion, removal};

#[test]
fn a_member_joins_by_the_log() {
    let mut world = World::found(&[1, 2]);
    let leader = world.elect();
    world.put(leader, 3);
    world.settle();
    world.propose_change(leader, addition(3));
    world.settle();
    world.join(3);
    world.tick(3);
    world.put(leader, 3);
    world.settle();
    world.check_equal(&[1, 2, 3]);
    assert_eq!(world.sent_parcels, 0);
    // It votes: without one of the others there is still a quorum.
    let other = 3 - leader;
    world.cut_off.insert(other);
    world.put(leader, 1);
    world.settle();
    world.check_equal(&[leader, 3]);
    world.cut_off.clear();
    world.tick(2);
    world.check_equal(&[1, 2, 3]);
}

/// A cluster of two whose log has let go of its beginning, and the new member 3.
fn with_a_newcomer() -> (World, u64) {
    let mut world = World::found(&[1, 2]);
    let leader = world.elect();
    for _ in 0..5 {
        world.put(leader, 8);
        world.settle();
        world.drain();
    }
    world.propose_change(leader, learner(3));
    world.settle();
    world.drain();
    world.put(leader, 30);
    world.settle();
    world.drain();
    world.join(3);
    (world, leader)
}

#[test]
fn a_member_joins_by_a_snapshot_under_writes() {
    let (mut world, leader) = with_a_newcomer();
    world.holds_parcels = true;
    world.tick(3);
    assert_eq!(world.parcels.len(), 1, "the log is not enough");
    // While it travels, far more is written than the log usually keeps.
    for _ in 0..20 {
        world.put(leader, 5);
        world.settle();
        world.drain();
        world.tick(1);
    }
    assert!(world.hand_over());
    for _ in 0..20 {
        world.put(leader, 5);
        world.settle();
        world.drain();
        world.tick(1);
    }
    assert_eq!(world.sent_parcels, 1, "what followed the snapshot came by the log");
    world.check_equal(&[1, 2, 3]);
    // Once it follows, no more is kept than usual.
    let status = world.members[&leader].node.status();
    assert!(status.last.index - status.before.index < 20, "{status:?}");
    world.propose_change(leader, promotion(3));
    world.tick(2);
    world.check_equal(&[1, 2, 3]);
    assert_eq!(world.members[&3].apply.machine().conf_state().voters, [1, 2, 3]);
}

#[test]
fn nothing_is_kept_for_a_receiver_that_is_gone() {
    let (mut world, leader) = with_a_newcomer();
    world.holds_parcels = true;
    world.tick(3);
    assert_eq!(world.parcels.len(), 1);
    world.cut_off.insert(3);
    for _ in 0..30 {
        world.put(leader, 5);
        world.settle();
        world.drain();
        world.tick(1);
    }
    let status = world.members[&leader].node.status();
    assert!(status.last.index - status.before.index < 20, "{status:?}");
    // The parcel is reported lost; back again, it is sent another.
    world.hand_over();
    world.holds_parcels = false;
    world.cut_off.clear();
    world.tick(5);
    assert_eq!(world.sent_parcels, 2);
    world.check_equal(&[1, 2, 3]);
}

#[test]
fn what_is_kept_for_receivers_has_its_bounds() {
    let (mut world, leader) = with_a_newcomer();
    world.holds_parcels = true;
    world.tick(3);
    let mut most = 0;
    for _ in 0..100 {
        world.put(leader, 10);
        world.settle();
        world.drain();
        world.tick(1);
        most = most.max(world.members[&leader].node.status().tail_bytes);
    }
    assert_eq!(world.refused, [], "nobody is stopped by a slow receiver");
    assert!((TAIL_BYTES / 2..=TAIL_BYTES / 4 * 3).contains(&most), "{most}");
    // What came after this snapshot is gone in part: the rest is of no use, there must be another.
    let kept = world.members[&leader].node.status().tail_bytes;
    assert!(kept < TAIL_BYTES / 4, "{kept}");
    world.hand_over();
    world.holds_parcels = false;
    world.tick(5);
    world.check_equal(&[1, 2, 3]);
    assert_eq!(world.sent_parcels, 2);
}

#[test]
fn a_member_that_cannot_apply_takes_no_more_than_it_has_room_for() {
    for stalls_leader in [false, true] {
        let mut world = World::found(&[1, 2, 3]);
        let leader = world.elect();
        let other = leader % 3 + 1;
        let stalled = if stalls_leader { leader } else { other };
        world.members.get_mut(&stalled).expect("a member").apply_stalls = true;
        for _ in 0..100 {
            world.put(other, 20);
            world.settle();
            world.drain();
            world.tick(1);
        }
        let kept = world.members[&stalled].node.status().tail_bytes;
        assert!((TAIL_BYTES / 2..TAIL_BYTES * 2).contains(&kept), "{kept}");
        assert_eq!(world.leader(), Some(leader), "it answers all the same");
        world.members.get_mut(&stalled).expect("a member").apply_stalls = false;
        for _ in 0..30 {
            world.settle();
            world.drain();
            world.tick(1);
        }
        world.put(leader, 1);
        world.tick(1);
        world.check_equal(&[1, 2, 3]);
    }
}

#[test]
fn power_cuts_in_every_step_of_taking_up_a_snapshot() {
    for cut in CUTS {
        for writes_on in [false, true] {
            let (mut world, leader) = with_a_newcomer();
            world.power_cut = Some((3, cut));
            world.tick(3);
            assert_eq!(world.power_cut, None, "{cut:?} was reached");
            for _ in 0..15 {
                if writes_on {
                    world.put(leader, 4);
                    world.settle();
                    world.drain();
                }
                world.tick(1);
            }
            assert!(world.sent_parcels <= 2, "{cut:?}: {} snapshots", world.sent_parcels);
            world.check_equal(&[1, 2, 3]);
            // And once more from what is on disk.
            world.restart(3);
            world.tick(3);
            world.put(leader, 1);
            world.tick(1);
            world.check_equal(&[1, 2, 3]);
        }
    }
}

#[test]
fn a_follower_that_fell_behind_takes_a_snapshot_over_its_own_log() {
    for cut in CUTS.map(Some).into_iter().chain([None]) {
        let mut world = World::found(&[1, 2, 3]);
        let leader = world.elect();
        let lagging = leader % 3 + 1;
        world.put(leader, 5);
        world.settle();
        world.cut_off.insert(lagging);
        for _ in 0..6 {
            world.put(leader, 10);
            world.settle();
            world.drain();
            world.tick(1);
        }
        world.cut_off.clear();
        world.power_cut = cut.map(|cut| (lagging, cut));
        world.tick(15);
        assert_eq!(world.power_cut, None, "{cut:?} was reached");
        world.put(leader, 1);
        world.tick(1);
        world.check_equal(&[1, 2, 3]);
        assert!(world.sent_parcels >= 1);
        world.restart(lagging);
        world.tick(3);
        world.check_equal(&[1, 2, 3]);
    }
}

#[test]
fn a_removed_member_hears_of_it_and_the_rest_go_on() {
    for removes_leader in [false, true] {
        let mut world = World::found(&[1, 2, 3]);
        let leader = world.elect();
        let gone = if removes_leader { leader } else { leader % 3 + 1 };
        world.propose_change(leader, removal(gone));
        world.tick(2);
        assert_eq!(world.removed.iter().copied().collect::<Vec<_>>(), [gone]);
        // Without waiting for an election timeout, if it led.
        let next = world.leader().expect("the others go on");
        assert_ne!(next, gone);
        world.members.remove(&gone);
        world.put(next, 3);
        world.tick(2);
        let rest: Vec<u64> = (1..=3).filter(|id| *id != gone).collect();
        world.check_equal(&rest);
        assert_eq!(world.members[&next].apply.machine().conf_state().voters, rest);
    }
}

#[test]
fn one_change_at_a_time() {
    let mut world = World::found(&[1, 2, 3]);
    let leader = world.elect();
    world.propose_change(leader, learner(4));
    world.propose_change(leader, learner(5));
    world.settle();
    assert_eq!(world.refused, [(1 << 60, Code::RequestTooManyRequests)]);
    assert_eq!(world.members[&1].apply.machine().conf_state().learners, [4]);
    world.check_equal(&[1, 2, 3]);
}

#[test]
fn followers_pass_on_proposals_and_read() {
    let mut world = World::found(&[1, 2, 3]);
    let leader = world.elect();
    let follower = leader % 3 + 1;
    world.put(follower, 5);
    world.settle();
    world.check_equal(&[1, 2, 3]);
    assert_eq!(world.members[&1].apply.machine().reader().revision(), 6);
    let committed = world.members[&leader].node.status().committed;
    world.feed(follower, Event::Read { token: 7 });
    world.settle();
    assert_eq!(world.reads, [(follower, 7, committed)]);
    // The question is lost, then its answer, then the leader: it is asked anew each time.
    world.reads.clear();
    world.cut_off.insert(follower);
    world.feed(follower, Event::Read { token: 8 });
    world.settle();
    world.cut_off.clear();
    world.tick(7);
    assert_eq!(world.reads.len(), 1);
    world.reads.clear();
    world.cut_off.insert(leader);
    world.feed(follower, Event::Read { token: 9 });
    world.settle();
    assert_eq!(world.reads, []);
    let next = world.elect();
    world.tick(8);
    let index = world.members[&next].node.status().committed;
    assert_eq!(world.reads, [(follower, 9, index)]);
}

#[test]
fn a_leader_whose_log_stands_still_makes_room() {
    let mut world = World::found(&[1, 2, 3]);
    let leader = world.elect();
    world.members.get_mut(&leader).expect("it leads").log_stalls = true;
    // The others commit without it.
    world.put(leader, 2);
    world.settle();
    assert_eq!(world.members[&leader].apply.machine().reader().revision(), 3);
    world.tick(15);
    let next = world.leader().expect("somebody leads");
    assert_ne!(next, leader);
    world.put(next, 2);
    world.tick(1);
    world.check_equal(&[next, 6 - leader - next]);
    // What it applied was never durable there; the power goes, and it is none the worse.
    world.restart(leader);
    world.tick(20);
    world.check_equal(&[1, 2, 3]);
}

#[test]
fn leadership_moves_on_wish() {
    let mut world = World::found(&[1, 2, 3]);
    let leader = world.elect();
    let to = leader % 3 + 1;
    // Asked of one that does not lead, it is passed on.
    let third = 6 - leader - to;
    world.feed(third, Event::Transfer { to: MemberId(to) });
    world.settle();
    assert_eq!(world.leader(), Some(to));
    assert_eq!(world.members[&leader].node.status().role, Role::Follower);
}
