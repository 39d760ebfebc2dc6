// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that go well.

use std::time::Duration;

use super::world::World;
use crate::message::Status;

#[test]
fn a_call_is_made_answered_and_ended() {
    let mut world = World::new(2);
    let ours = world.call(1, 1);
    world.run(Duration::from_millis(100));
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::RINGING);
    world.run(Duration::from_secs(5));
    world.answer(1, theirs, Status::OK);
    world.run(Duration::from_secs(60));
    world.bye(0, ours);
    world.run_out();
    assert_eq!(world.told(0), ["Progress 180", "Answered 200", "Ended Local"]);
    assert_eq!(world.told(1), ["Incoming", "Acked", "Ended Remote"]);
    assert_eq!(world.sent(), ["0 INVITE", "1 180 INVITE", "1 200 INVITE", "0 ACK", "0 BYE", "1 200 BYE"]);
    world.assert_empty();
}
