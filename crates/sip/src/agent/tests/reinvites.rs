// SPDX-License-Identifier: MIT OR Apache-2.0
//! Re-INVITEs, delayed offers and collisions (RFC 3261 section 14).

use std::time::Duration;

use super::world::World;
use crate::agent::{Body, Command, Event, InviteId};
use crate::message::{Headers, Message, Status, name};

fn accept(world: &mut World, end: usize, id: InviteId) {
    let body = Some(Body::sdp("answer"));
    world.command(end, Command::AnswerReinvite { id, headers: Headers::new(), body });
}

fn ack_with(world: &mut World, end: usize, id: InviteId) {
    world.command(end, Command::AckWith { id, body: Some(Body::sdp("late answer")) });
}

const SHORT: Duration = Duration::from_millis(50);

#[test]
fn either_side_can_change_the_call() {
    for side in [0, 1] {
        let other = 1 - side;
        let mut world = World::new(2);
        let (ours, theirs) = world.connected();
        let ids = [ours, theirs];
        world.reinvite(side, ids[side]);
        world.run(SHORT);
        assert_eq!(world.told(other), ["Reoffered"]);
        accept(&mut world, other, ids[other]);
        world.run(SHORT);
        assert_eq!(world.told(side), ["ReofferAnswered 200"]);
        assert_eq!(world.told(other), ["Reoffered", "Acked"]);
        world.bye(0, ours);
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn a_refused_change_leaves_the_call_as_it_was() {
    let mut world = World::new(2);
    let (ours, theirs) = world.connected();
    world.reinvite(0, ours);
    world.run(SHORT);
    let headers = Headers::new();
    world.command(1, Command::RejectReinvite { id: theirs, status: Status::NOT_ACCEPTABLE_HERE, headers });
    world.run(Duration::from_secs(40));
    assert_eq!(world.told(0), ["ReofferAnswered 488"]);
    assert_eq!(world.ends[0].agent.load().dialogs, 1);
    world.bye(1, theirs);
    world.run_out();
    world.assert_empty();
}

#[test]
fn an_offer_may_come_with_the_answer_and_its_answer_with_the_ack() {
    let mut world = World::new(2);
    let ours = world.call_with(1, 1, None);
    world.run(SHORT);
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::OK);
    world.run(Duration::from_secs(1));
    // The owner takes its time; repetitions of the answer are not acknowledged and not told.
    assert_eq!(world.told(0), ["Answered 200"]);
    assert_eq!(world.count(0, "ACK"), 0);
    assert!(world.count(1, "200 INVITE") > 1);
    ack_with(&mut world, 0, ours);
    world.run(SHORT);
    let body = world.ends[1].events.iter().find_map(|(_, event)| match event {
        Event::Acked { request, .. } => Some(request.body.clone()),
        _ => None,
    });
    assert_eq!(body.as_deref(), Some(&b"late answer"[..]));
    // The same for a change.
    world.forget();
    world.command(1, Command::Reinvite { id: theirs, headers: Headers::new(), body: None });
    world.run(SHORT);
    accept(&mut world, 0, ours);
    world.run(SHORT);
    assert_eq!(world.told(1), ["ReofferAnswered 200"]);
    ack_with(&mut world, 1, theirs);
    world.run(SHORT);
    assert_eq!(world.told(0), ["Reoffered", "Acked"]);
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_call_that_ends_before_the_owner_acknowledged_is_acknowledged_first() {
    let mut world = World::new(2);
    let ours = world.call_with(1, 1, None);
    world.run(SHORT);
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::OK);
    world.run(SHORT);
    world.bye(0, ours);
    world.run_out();
    assert_eq!(world.sent()[2..], ["0 ACK", "0 BYE", "1 200 BYE"]);
    world.assert_empty();
}

#[test]
fn changes_that_cross_are_both_refused_and_the_callee_tries_again_first() {
    for seed in 1..20 {
        let mut world = World::with(2, seed, &crate::agent::Config::default());
        let (ours, theirs) = world.connected();
        let began = world.now;
        world.reinvite(0, ours);
        world.reinvite(1, theirs);
        world.run(SHORT);
        assert_eq!((world.count(0, "491 INVITE"), world.count(1, "491 INVITE")), (1, 1));
        assert!(world.told(0).is_empty() && world.told(1).is_empty());
        world.run(Duration::from_millis(2_000));
        // The callee waits up to 2 s, the caller at least 2.1 s (section 14.1).
        assert_eq!(world.told(0), ["Reoffered"]);
        let retried =
            world.wire.iter().rfind(|wire| wire.from == 1 && wire.kind() == "INVITE").expect("sent");
        assert!(retried.at - began <= Duration::from_millis(2_020));
        assert!((retried.at - began).as_millis().is_multiple_of(10));
        accept(&mut world, 0, ours);
        world.run(Duration::from_millis(2_000));
        assert_eq!(world.told(1), ["ReofferAnswered 200", "Reoffered"]);
        let retried =
            world.wire.iter().rfind(|wire| wire.from == 0 && wire.kind() == "INVITE").expect("sent");
        let waited = (retried.at - began).as_millis();
        assert!((2_100..=4_020).contains(&waited), "{waited}");
        accept(&mut world, 1, theirs);
        world.run(SHORT);
        assert_eq!(world.told(0), ["Reoffered", "Acked", "ReofferAnswered 200"]);
        world.bye(0, ours);
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn a_second_change_before_the_first_is_answered_gets_500_with_retry_after() {
    let mut world = World::new(2);
    let (ours, theirs) = world.connected();
    world.reinvite(0, ours);
    world.run(SHORT);
    let text = String::from_utf8_lossy(&world.last(0, "INVITE").bytes).into_owned();
    let number = world.last(0, "INVITE").request().headers.cseq().expect("CSeq").seq;
    let next = text
        .replace(&format!("CSeq: {number} "), &format!("CSeq: {} ", number + 1))
        .replace("z9hG4bK", "z9hG4bKnext");
    world.inject(0, 1, &next);
    let Message::Response(response) = world.last(1, "500 INVITE").message() else { panic!() };
    let seconds = response.headers.retry_after().expect("legal").expect("there");
    assert!(seconds <= 10);
    assert_eq!(world.told(1), ["Reoffered"]);
    accept(&mut world, 1, theirs);
    world.run(SHORT);
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_change_before_the_answer_was_acknowledged_waits() {
    let mut world = World::new(2);
    let ours = world.call(1, 1);
    world.run(SHORT);
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::OK);
    world.reinvite(1, theirs);
    assert_eq!(world.count(1, "INVITE"), 0);
    world.run(SHORT);
    assert_eq!(world.sent()[2..], ["0 ACK", "1 INVITE"]);
    accept(&mut world, 0, ours);
    world.run(SHORT);
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_second_change_of_ours_is_refused_while_the_first_is_under_way() {
    let mut world = World::new(2);
    let (ours, _) = world.connected();
    world.reinvite(0, ours);
    world.reinvite(0, ours);
    assert_eq!(world.told(0), ["ReofferAnswered Busy"]);
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_change_that_nobody_answers_ends_the_call() {
    let mut world = World::new(2);
    let (ours, theirs) = world.connected();
    world.lose(|wire| wire.kind().contains("INVITE"));
    world.reinvite(0, ours);
    world.run_out();
    assert_eq!(world.told(0), ["ReofferAnswered Timeout", "Ended Lost"]);
    assert_eq!(world.told(1), ["Ended Remote"]);
    let _ = theirs;
    world.assert_empty();
}

#[test]
fn a_far_end_that_no_longer_knows_the_call_ends_it() {
    let mut world = World::new(3);
    let (ours, theirs) = world.connected();
    // The callee forgets: its agent is replaced by a fresh one.
    world.ends.swap(1, 2);
    let began = world.now;
    world.reinvite(0, ours);
    world.run(Duration::from_secs(1));
    assert_eq!(world.told(0), ["ReofferAnswered 481", "Ended Lost"]);
    assert!(world.now - began < Duration::from_secs(2));
    world.ends.swap(1, 2);
    world.bye(1, theirs);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_call_that_ends_answers_the_open_change() {
    let mut world = World::new(2);
    let (ours, theirs) = world.connected();
    world.reinvite(0, ours);
    world.run(SHORT);
    world.bye(1, theirs);
    world.run_out();
    assert_eq!(world.count(1, "487 INVITE"), 1);
    assert_eq!(world.told(0), ["ReofferAnswered 487", "Ended Remote"]);
    world.assert_empty();
}

#[test]
fn a_change_can_be_withdrawn_by_the_far_end() {
    let mut world = World::new(2);
    let (ours, theirs) = world.connected();
    world.reinvite(0, ours);
    world.run(SHORT);
    let text = String::from_utf8_lossy(&world.last(0, "INVITE").bytes).into_owned();
    let cancel = text.replacen("INVITE", "CANCEL", 1).replace(" INVITE\r\n", " CANCEL\r\n");
    world.inject(0, 1, &cancel);
    assert_eq!(world.told(1), ["Reoffered", "ReofferWithdrawn"]);
    world.run(SHORT);
    assert_eq!(world.told(0), ["ReofferAnswered 487"]);
    world.bye(1, theirs);
    world.run_out();
    let _ = ours;
    world.assert_empty();
}

#[test]
fn the_target_follows_the_contact_of_a_change() {
    let mut world = World::new(3);
    let (ours, theirs) = world.connected();
    let mut headers = Headers::new();
    headers.push(name::CONTACT, "<sip:elsewhere@192.0.2.3:5060>");
    let body = Some(Body::sdp("reoffer"));
    world.command(0, Command::Reinvite { id: ours, headers, body });
    world.run(SHORT);
    accept(&mut world, 1, theirs);
    world.run(SHORT);
    world.bye(1, theirs);
    let bye = world.last(1, "BYE");
    assert_eq!(bye.to, 2);
    assert_eq!(bye.request().uri.as_str(), "sip:elsewhere@192.0.2.3:5060");
    world.run_out();
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}
