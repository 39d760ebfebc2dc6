// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is left when a call or a request is over: nothing.

use std::time::Duration;

use offhook_sipcore::agent::{Command, InviteId};
use offhook_sipcore::message::{Headers, Message, Status, name};
use offhook_spi::{
    Address, CallKey, CallOp, CallParams, CallState, Flowing, RefusalKind, RequestId, SdpMessage, TspCommand,
    TspEvent,
};

use super::messages::{contact, invite};
use super::world::{Msp, World, body, sdp, uri};
use crate::config::Secret;

fn abandon(world: &mut World, request: RequestId) {
    world.command(0, TspCommand::Abandon { request });
}

/// The kind of refusal of a request that was answered.
fn refused(world: &World, request: RequestId) -> RefusalKind {
    world.reply(0, request).unwrap().unwrap_err().kind
}

#[test]
fn only_answer_hold_and_unhold_wait_for_somebody() {
    let mut world = World::scripted();
    world.ends[0].msp = Msp::Slow;
    world.invite(invite(body(Flowing::Both)));
    world.run(50);
    let call = world.offered(0);
    let to = Address::new("sip:carol@192.0.2.8");
    for (op, waits) in [
        (CallOp::Accept, false),
        (CallOp::Hold, false),
        (CallOp::Dial { digits: "1".to_owned() }, false),
        (CallOp::Answer, true),
        (CallOp::Redirect { to: to.clone() }, false),
        (CallOp::Hold, false),
    ] {
        let request = world.op(0, call, op.clone());
        assert_eq!(world.reply(0, request).is_none(), waits, "{op:?}");
    }
    let (up, _) = slow_call(&mut world);
    for (op, waits) in [
        (CallOp::Answer, false),
        (CallOp::Redirect { to }, false),
        (CallOp::Unhold, true),
        (CallOp::Hold, false),
        (CallOp::Drop { cause: None }, false),
        (CallOp::Drop { cause: None }, false),
    ] {
        let request = world.op(0, up, op.clone());
        assert_eq!(world.reply(0, request).is_none(), waits, "{op:?}");
    }
}

/// A call of ours that is up, with an MSP that the test plays.
fn slow_call(world: &mut World) -> (CallKey, InviteId) {
    world.ends[0].msp = Msp::Prompt;
    let up = world.up();
    world.ends[0].msp = Msp::Slow;
    up
}

#[test]
fn a_hold_that_is_abandoned_before_it_is_sent_comes_to_nothing() {
    let mut world = World::scripted();
    let (call, _) = slow_call(&mut world);
    let hold = world.op(0, call, CallOp::Hold);
    abandon(&mut world, hold);
    assert_eq!(refused(&world, hold), RefusalKind::Abandoned);
    // The MSP's word for it comes late, and is not the one for the next.
    let again = world.op(0, call, CallOp::Hold);
    world.say(0, call, SdpMessage::Offer { sdp: sdp(Flowing::Both) });
    assert_eq!(world.count(0, "INVITE"), 0);
    world.say(0, call, SdpMessage::Offer { sdp: sdp(Flowing::Out) });
    assert_eq!((world.count(0, "INVITE"), world.reply(0, again)), (1, None));
}

#[test]
fn a_hold_that_is_on_its_way_is_answered_by_the_network_although_abandoned() {
    let mut world = World::scripted();
    let (call, _) = world.up();
    world.lose(|wire| wire.from == 0 && wire.kind() == "INVITE");
    let hold = world.op(0, call, CallOp::Hold);
    abandon(&mut world, hold);
    assert_eq!(world.reply(0, hold), None);
    world.run_out();
    assert_eq!(refused(&world, hold), RefusalKind::OperationFailed);
    world.assert_empty();
}

#[test]
fn an_answer_that_is_abandoned_leaves_the_call_offering() {
    for offer in [None, body(Flowing::Both)] {
        let mut world = World::scripted();
        world.ends[0].msp = Msp::Slow;
        let id = world.invite(invite(offer.clone()));
        world.run(50);
        let call = world.offered(0);
        let answer = world.op(0, call, CallOp::Answer);
        abandon(&mut world, answer);
        assert_eq!(refused(&world, answer), RefusalKind::Abandoned);
        world.say(0, call, SdpMessage::Answer { sdp: sdp(Flowing::Both) });
        world.run(50);
        assert_eq!((world.states(0, call).len(), world.count(0, "200 INVITE")), (1, 0));
        // The description that has come serves the next answer.
        let again = world.op(0, call, CallOp::Answer);
        assert_eq!(world.reply(0, again), Some(Ok(())));
        world.run(50);
        if offer.is_none() {
            world.agent(1, Command::AckWith { id, body: body(Flowing::Both) });
            world.run(50);
        }
        assert_eq!(world.states(0, call).last().unwrap(), "connected");
        assert_eq!(world.relayed(0, call).len(), 2, "asked once");
    }
}

#[test]
fn abandoning_what_is_answered_or_unknown_changes_nothing() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    let hold = world.op(0, call, CallOp::Hold);
    world.run(20);
    let headers = contact(1);
    world.agent(1, Command::AnswerReinvite { id, headers, body: body(Flowing::In) });
    world.run(50);
    abandon(&mut world, hold);
    abandon(&mut world, RequestId(4711));
    assert_eq!(world.reply(0, hold), Some(Ok(())));
    assert_eq!(world.states(0, call), ["on hold"]);
}

#[test]
fn an_abandoned_answer_to_an_offer_of_ours_is_asked_for_once() {
    let mut world = World::scripted();
    world.ends[0].msp = Msp::Slow;
    world.invite(invite(None));
    world.run(50);
    let call = world.offered(0);
    for _ in 0..3 {
        let answer = world.op(0, call, CallOp::Answer);
        abandon(&mut world, answer);
    }
    assert_eq!(world.relayed(0, call), [SdpMessage::OfferWanted { flow: Flowing::Both }]);
}

#[test]
fn a_call_given_up_before_anything_was_sent_leaves_nothing() {
    let mut world = World::scripted();
    world.ends[0].msp = Msp::Slow;
    let undescribed = world.call(0, &uri(1));
    let unplaced = world.call(0, "sip:bob@example.org");
    for call in [undescribed, unplaced] {
        world.op(0, call, CallOp::Drop { cause: None });
        assert_eq!(world.states(0, call), ["dialing", "disconnected Cancelled", "idle"]);
    }
    assert!(world.wire.is_empty());
    world.assert_empty();
}

#[test]
fn a_call_that_nobody_described_in_time_leaves_nothing() {
    let mut world = World::scripted();
    world.ends[0].msp = Msp::Slow;
    let call = world.call_with(0, &uri(1), patience(5));
    world.run_out();
    assert_eq!(world.states(0, call), ["dialing", "disconnected NoAnswer", "idle"]);
    world.assert_empty();
}

fn patience(seconds: u64) -> CallParams {
    CallParams { no_answer_timeout: Some(Duration::from_secs(seconds)), ..CallParams::default() }
}

#[test]
fn the_patience_with_a_call_ends_with_the_waiting() {
    let mut world = World::scripted();
    let refused = world.call_with(0, &uri(1), patience(3_600));
    world.run(50);
    let id = world.invited();
    world.agent(1, Command::Reject { id, status: Status::BUSY_HERE, headers: Headers::new() });
    let answered = world.call_with(0, &uri(1), patience(3_600));
    world.run(50);
    let id = world.invited();
    world
        .agent(1, Command::Answer { id, status: Status::OK, headers: contact(1), body: body(Flowing::Both) });
    world.run(50);
    world.op(0, answered, CallOp::Drop { cause: None });
    world.run(100_000);
    assert_eq!(world.states(0, refused).last(), world.states(0, answered).last());
    world.assert_empty();
}

#[test]
fn a_challenged_bye_is_sent_once_more_and_then_forgotten() {
    let mut world = World::configured(|line| line.password = Secret::new("secret"));
    let (call, _) = world.up();
    world.lose(|wire| wire.from == 0 && wire.kind() == "BYE");
    world.op(0, call, CallOp::Drop { cause: None });
    for nonce in ["1", "2"] {
        let mut response = world.last_request(0, "BYE").response(Status::UNAUTHORIZED);
        let challenge = format!("Digest realm=\"example\", qop=\"auth\", nonce=\"{nonce}\"");
        response.headers.push(name::WWW_AUTHENTICATE, challenge);
        world.receive(0, Message::Response(response));
    }
    assert_eq!(world.count(0, "BYE"), 2);
    assert!(world.last_request(0, "BYE").headers.contains(name::AUTHORIZATION));
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_line_that_is_closed_ends_its_calls() {
    let mut world = World::scripted();
    let (up, _) = world.up();
    let ringing = world.call(0, &uri(1));
    world.invite(invite(body(Flowing::Both)));
    world.run(50);
    let offered = world.offered(0);
    world.close(0);
    for call in [up, ringing, offered] {
        assert_eq!(world.states(0, call).last().unwrap(), "idle");
    }
    world.run_out();
    world.assert_empty();
}

/// How a call of ours may go.
#[derive(Clone, Copy, Debug)]
enum Ours {
    Answered,
    Cancelled,
    Crossed,
    Held,
    HungUp,
    NotAnswered,
    Nowhere,
    Redirected,
    Refused,
}

fn call(world: &mut World, how: Ours) {
    let place = if matches!(how, Ours::Nowhere) { "sip:nobody@192.0.2.200".to_owned() } else { uri(1) };
    let call = world.call_with(0, &place, patience(20));
    world.run(50);
    if matches!(how, Ours::Nowhere) {
        return;
    }
    let id = world.invited();
    let headers = Headers::new();
    let reject = |status| Command::Reject { id, status, headers: Headers::new() };
    let answer = Command::Answer { id, status: Status::OK, headers: contact(1), body: body(Flowing::Both) };
    let hang_up = CallOp::Drop { cause: None };
    match how {
        Ours::Nowhere | Ours::NotAnswered => return,
        Ours::Refused => return world.agent(1, reject(Status::BUSY_HERE)),
        Ours::Redirected => return world.agent(1, reject(Status::MOVED_TEMPORARILY)),
        Ours::Cancelled => {
            world.op(0, call, hang_up);
            return;
        }
        Ours::Answered | Ours::Held | Ours::HungUp | Ours::Crossed => world.agent(1, answer),
    }
    if !matches!(how, Ours::Crossed) {
        world.run(50);
    }
    match how {
        Ours::HungUp => world.agent(1, Command::Bye { id, headers }),
        Ours::Held => {
            world.op(0, call, CallOp::Hold);
            world.run(15);
            world.agent(1, Command::Bye { id, headers });
        }
        _ => {
            world.op(0, call, hang_up);
        }
    }
}

/// How a call of theirs may go.
#[derive(Clone, Copy, Debug)]
enum Theirs {
    Answered,
    Cancelled,
    HungUp,
    Redirected,
    Refused,
    Unknown,
}

fn is_called(world: &mut World, how: Theirs) {
    let mut request = invite(body(Flowing::Both));
    if matches!(how, Theirs::Unknown) {
        request.uri = "sip:nobody@192.0.2.1".parse().unwrap();
        request.headers.set(name::TO, "<sip:nobody@192.0.2.1>");
    }
    let id = world.invite(request);
    world.run(50);
    let headers = Headers::new();
    let call = if matches!(how, Theirs::Unknown) { return } else { world.offered(0) };
    match how {
        Theirs::Unknown => {}
        Theirs::Cancelled => world.agent(1, Command::Cancel { id, headers }),
        Theirs::Refused => {
            world.op(0, call, CallOp::Drop { cause: None });
        }
        Theirs::Redirected => {
            world.op(0, call, CallOp::Redirect { to: Address::new("sip:carol@192.0.2.8") });
        }
        Theirs::Answered | Theirs::HungUp => {
            world.op(0, call, CallOp::Answer);
            world.run(50);
            if matches!(how, Theirs::HungUp) {
                world.agent(1, Command::Bye { id, headers });
            } else {
                world.op(0, call, CallOp::Drop { cause: None });
            }
        }
    }
}

#[test]
fn many_calls_of_every_kind_leave_nothing() {
    let mut world = World::scripted();
    for _ in 0..10 {
        for how in [
            Ours::Answered,
            Ours::Cancelled,
            Ours::Crossed,
            Ours::Held,
            Ours::HungUp,
            Ours::NotAnswered,
            Ours::Nowhere,
            Ours::Redirected,
            Ours::Refused,
        ] {
            call(&mut world, how);
            world.run(50);
        }
        for how in [
            Theirs::Answered,
            Theirs::Cancelled,
            Theirs::HungUp,
            Theirs::Redirected,
            Theirs::Refused,
            Theirs::Unknown,
        ] {
            is_called(&mut world, how);
            world.run(50);
        }
    }
    world.run_out();
    world.assert_empty();
    let told = &world.ends[0].told;
    let born = told.iter().filter(|event| matches!(event, TspEvent::NewCall { .. })).count();
    let dead =
        told.iter().filter(|event| matches!(event, TspEvent::CallState { state: CallState::Idle, .. }));
    assert_eq!((born, dead.count()), (50, 140));
}
