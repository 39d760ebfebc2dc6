// SPDX-License-Identifier: MIT OR Apache-2.0
//! How calls end (RFC 3261 section 15), with losses and crossings.

use std::time::Duration;

use super::world::World;
use crate::message::Status;

#[test]
fn either_side_can_end_a_call() {
    for side in [0, 1] {
        let mut world = World::new(2);
        let (ours, theirs) = world.connected();
        world.bye(side, if side == 0 { ours } else { theirs });
        world.run_out();
        assert_eq!(world.told(side), ["Ended Local"]);
        assert_eq!(world.told(1 - side), ["Ended Remote"]);
        world.assert_empty();
    }
}

#[test]
fn byes_that_cross_end_the_call_once_on_both_sides() {
    let mut world = World::new(2);
    let (ours, theirs) = world.connected();
    world.bye(0, ours);
    world.bye(1, theirs);
    world.run_out();
    for side in [0, 1] {
        assert_eq!(world.told(side), ["Ended Remote"]);
        assert_eq!((world.count(side, "BYE"), world.count(side, "200 BYE")), (1, 1));
    }
    world.assert_empty();
}

#[test]
fn a_lost_bye_is_repeated() {
    let mut world = World::new(2);
    let (ours, _) = world.connected();
    let mut lost = 0;
    world.lose(move |wire| {
        lost += 1;
        wire.kind() == "BYE" && lost < 4
    });
    world.bye(0, ours);
    world.run_out();
    assert_eq!(world.count(0, "BYE"), 4);
    assert_eq!((world.told(0), world.told(1)), (vec!["Ended Local".into()], vec!["Ended Remote".into()]));
    world.assert_empty();
}

#[test]
fn a_bye_that_nobody_answers_ends_the_call_after_64_t1() {
    let mut world = World::new(2);
    let (ours, theirs) = world.connected();
    world.lose(|_| true);
    let began = world.now;
    world.bye(0, ours);
    world.run(Duration::from_secs(32));
    assert_eq!(world.told(0), ["Ended Local"]);
    assert_eq!(world.ends[0].events[0].0 - began, Duration::from_secs(32));
    world.bye(1, theirs);
    world.run_out();
    world.assert_empty();
}

#[test]
fn the_answerers_bye_waits_for_the_ack() {
    let mut world = World::new(2);
    world.call(1, 1);
    world.run(Duration::from_millis(50));
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::OK);
    world.bye(1, theirs);
    assert_eq!(world.count(1, "BYE"), 0);
    world.run_out();
    assert_eq!(
        world.sent(),
        ["0 INVITE", "1 200 INVITE", "0 ACK", "1 BYE", "0 200 BYE"],
        "{}",
        world.ladder()
    );
    assert_eq!(world.told(1), ["Incoming", "Acked", "Ended Local"]);
    world.assert_empty();
}

#[test]
fn the_answerers_bye_goes_out_when_the_ack_is_given_up() {
    let mut world = World::new(2);
    world.delay = Duration::ZERO;
    world.lose(|wire| wire.kind() == "ACK");
    world.call(1, 1);
    world.run(Duration::ZERO);
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::OK);
    world.bye(1, theirs);
    world.run_out();
    assert_eq!(world.times(1, "BYE"), [32_000]);
    assert_eq!(world.told(1), ["Incoming", "Ended Local"]);
    world.assert_empty();
}

#[test]
fn a_lost_ack_is_sent_again_with_the_next_answer() {
    let mut world = World::new(2);
    let mut acks = 0;
    world.lose(move |wire| {
        acks += usize::from(wire.kind() == "ACK");
        wire.kind() == "ACK" && acks == 1
    });
    let ours = world.call(1, 1);
    world.run(Duration::from_millis(50));
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::OK);
    world.run(Duration::from_secs(40));
    assert_eq!(world.told(0), ["Answered 200"]);
    assert_eq!(world.told(1), ["Incoming", "Acked"]);
    assert_eq!(world.count(1, "200 INVITE"), 2);
    let acks: Vec<_> = world.wire.iter().filter(|wire| wire.kind() == "ACK").collect();
    assert_eq!(acks.len(), 2);
    assert_eq!(acks[0].bytes, acks[1].bytes);
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn an_answer_repeated_after_its_transaction_is_acknowledged_still() {
    let mut world = World::new(2);
    let (ours, _) = {
        let ours = world.call(1, 1);
        world.run(Duration::from_millis(50));
        let theirs = world.incoming(1);
        world.answer(1, theirs, Status::OK);
        world.run(Duration::from_secs(60));
        (ours, theirs)
    };
    let answer = world.last(1, "200 INVITE").bytes.clone();
    let before = world.count(0, "ACK");
    world.inject(1, 0, &String::from_utf8_lossy(&answer));
    assert_eq!(world.count(0, "ACK"), before + 1);
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_caller_that_gives_up_with_bye_is_answered_and_its_invite_gets_487() {
    let mut world = World::new(2);
    world.call(1, 1);
    world.run(Duration::from_millis(50));
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::RINGING);
    world.run(Duration::from_millis(50));
    let ringing = world.last(1, "180 INVITE").message();
    let (to, from) = (ringing.headers().get("To").expect("To"), ringing.headers().get("From").expect("From"));
    let call = ringing.headers().call_id().expect("Call-ID");
    world.inject(
        0,
        1,
        &format!(
            "BYE sip:user1@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKearly\n\
             Max-Forwards: 70\nFrom: {from}\nTo: {to}\nCall-ID: {call}\nCSeq: 9999999 BYE\n\
             Content-Length: 0\n\n"
        ),
    );
    assert_eq!((world.count(1, "200 BYE"), world.count(1, "487 INVITE")), (1, 1));
    assert_eq!(world.told(1), ["Incoming", "Ended Remote"]);
    world.run_out();
    assert_eq!(world.told(0), ["Progress 180", "Failed 487"]);
    world.assert_empty();
}

#[test]
fn everything_may_come_twice() {
    let mut world = World::new(2);
    world.copies = 1_000;
    world.jitter = Duration::from_millis(5);
    let ours = world.call(1, 1);
    world.run(Duration::from_millis(100));
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::RINGING);
    world.run(Duration::from_millis(100));
    world.answer(1, theirs, Status::OK);
    world.run(Duration::from_millis(100));
    world.reinvite(0, ours);
    world.run(Duration::from_millis(100));
    world.command(
        1,
        crate::agent::Command::AnswerReinvite {
            id: theirs,
            headers: crate::message::Headers::new(),
            body: None,
        },
    );
    world.run(Duration::from_millis(100));
    world.bye(1, theirs);
    world.run_out();
    let told = ["Progress 180", "Progress 180", "Answered 200", "ReofferAnswered 200", "Ended Remote"];
    assert_eq!(world.told(0), told);
    assert_eq!(world.told(1), ["Incoming", "Acked", "Reoffered", "Acked", "Ended Local"]);
    world.assert_empty();
}
