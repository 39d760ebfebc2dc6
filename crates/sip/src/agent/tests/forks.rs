// SPDX-License-Identifier: MIT OR Apache-2.0
//! INVITEs that a proxy sends to several places (RFC 3261 sections 12.1, 13.2.2.4 and 16.7).

use std::time::Duration;

use super::world::World;
use crate::agent::{Command, DialogId, Event, InviteId};
use crate::message::{Headers, Method, Status};

/// Agent 0 calls 1; a proxy between them gives the INVITE to 2 as well.
fn forked() -> (World, InviteId, InviteId, InviteId) {
    let mut world = World::new(3);
    let ours = world.call(1, 1);
    let text = String::from_utf8_lossy(&world.last(0, "INVITE").bytes).into_owned();
    world.run(Duration::from_millis(50));
    world.inject(0, 2, &text);
    let (one, two) = (world.incoming(1), world.incoming(2));
    (world, ours, one, two)
}

fn early(world: &World) -> Vec<DialogId> {
    let events = world.ends[0].events.iter();
    events
        .filter_map(|(_, event)| match event {
            Event::Progress { dialog, .. } => *dialog,
            _ => None,
        })
        .collect()
}

#[test]
fn every_branch_that_rings_is_a_dialog_of_its_own() {
    let (mut world, ours, one, two) = forked();
    world.answer(1, one, Status::RINGING);
    world.answer(2, two, Status::SESSION_PROGRESS);
    world.run(Duration::from_millis(50));
    assert_eq!(world.told(0), ["Progress 180", "Progress 183"]);
    let dialogs = early(&world);
    assert_eq!(dialogs.len(), 2);
    assert_ne!(dialogs[0], dialogs[1]);
    world.cancel(0, ours);
    world.bye(2, two);
    world.run_out();
    world.assert_empty();
}

#[test]
fn the_second_answer_is_acknowledged_and_released() {
    let (mut world, ours, one, two) = forked();
    world.answer(1, one, Status::RINGING);
    world.answer(2, two, Status::RINGING);
    world.run(Duration::from_millis(50));
    world.answer(1, one, Status::OK);
    world.run(Duration::from_millis(5));
    world.answer(2, two, Status::OK);
    world.run(Duration::from_secs(1));
    assert_eq!(world.told(0), ["Progress 180", "Progress 180", "Answered 200"]);
    assert_eq!(world.told(1), ["Incoming", "Acked"]);
    assert_eq!(world.told(2), ["Incoming", "Acked", "Ended Remote"]);
    assert_eq!((world.count(0, "ACK"), world.count(0, "BYE")), (2, 1));
    world.run(Duration::from_secs(60));
    assert_eq!(world.ends[0].agent.load().dialogs, 1);
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn an_answer_that_comes_after_the_call_was_ended_is_released_too() {
    let (mut world, ours, one, two) = forked();
    world.answer(1, one, Status::OK);
    world.run(Duration::from_millis(50));
    world.bye(0, ours);
    world.run(Duration::from_secs(1));
    world.answer(2, two, Status::OK);
    world.run_out();
    assert_eq!(world.told(0), ["Answered 200", "Ended Local"]);
    assert_eq!(world.told(2), ["Incoming", "Acked", "Ended Remote"]);
    world.assert_empty();
}

#[test]
fn an_answer_that_comes_after_a_failure_is_released() {
    // Section 16.7 step 5: a proxy passes on every 2xx, even after a failure.
    let (mut world, _, one, two) = forked();
    world.reject(1, one, Status::DECLINE);
    world.run(Duration::from_secs(1));
    assert_eq!(world.told(0), ["Failed 603"]);
    world.answer(2, two, Status::OK);
    world.run_out();
    assert_eq!(world.told(0), ["Failed 603"]);
    assert_eq!(world.told(2), ["Incoming", "Acked", "Ended Remote"]);
    world.assert_empty();
}

/// A proxy's other branch answers an INVITE that was challenged and is ringing once more.
fn answered_before_the_second_try() -> (World, InviteId, InviteId) {
    let (mut world, ours, one, two) = forked();
    world.reject(1, one, Status::UNAUTHORIZED);
    world.run(Duration::from_millis(50));
    let headers = Headers::new();
    world.command(0, Command::Retry { id: ours, method: Method::INVITE, headers, flow: None });
    world.run(Duration::from_millis(50));
    let again = world.incoming(1);
    assert_ne!(again, one);
    world.answer(1, again, Status::RINGING);
    world.run(Duration::from_millis(50));
    world.answer(2, two, Status::OK);
    world.run(Duration::from_secs(1));
    assert_eq!(world.told(0), ["Challenged INVITE 401", "Progress 180"]);
    assert_eq!(world.told(2), ["Incoming", "Acked", "Ended Remote"]);
    (world, ours, again)
}

#[test]
fn an_answer_to_the_first_try_is_released_while_the_second_rings() {
    let (mut world, ours, again) = answered_before_the_second_try();
    world.answer(1, again, Status::OK);
    world.run(Duration::from_secs(1));
    assert_eq!(world.told(0), ["Challenged INVITE 401", "Progress 180", "Answered 200"]);
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn an_answer_to_the_first_try_leaves_no_second_that_rings_for_ever() {
    let (mut world, ours, again) = answered_before_the_second_try();
    // Nothing is heard of the second try, not even an answer to its CANCEL.
    world.lose(|wire| wire.kind() == "CANCEL");
    world.cancel(0, ours);
    world.run(Duration::from_secs(40));
    assert_eq!(world.told(0), ["Challenged INVITE 401", "Progress 180", "Failed Cancelled"]);
    world.reject(1, again, Status::REQUEST_TERMINATED);
    world.run_out();
    world.assert_empty();
}

#[test]
fn all_answers_to_a_cancelled_call_are_released() {
    let (mut world, ours, one, two) = forked();
    world.answer(1, one, Status::RINGING);
    world.run(Duration::from_millis(50));
    world.answer(1, one, Status::OK);
    world.answer(2, two, Status::OK);
    world.cancel(0, ours);
    world.run_out();
    assert_eq!(world.told(0), ["Progress 180", "Failed Cancelled"]);
    for end in [1, 2] {
        assert_eq!(world.told(end), ["Incoming", "Acked", "Ended Remote"]);
    }
    world.assert_empty();
}

#[test]
fn the_same_invite_by_two_ways_is_merged() {
    // Section 8.2.2.2: same From tag, Call-ID and CSeq, another branch.
    let mut world = World::new(2);
    let ours = world.call(1, 1);
    let text = String::from_utf8_lossy(&world.last(0, "INVITE").bytes).into_owned();
    world.run(Duration::from_millis(50));
    world.inject(0, 1, &text.replace("branch=z9hG4bK", "branch=z9hG4bKother"));
    assert_eq!(world.told(1), ["Incoming"]);
    assert_eq!(world.count(1, "482 INVITE"), 1);
    world.cancel(0, ours);
    world.run_out();
    world.assert_empty();
}
