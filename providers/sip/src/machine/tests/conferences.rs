// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conferences that this side mixes: who is told what, and every way back.

use offhook_sipcore::agent::Command;
use offhook_sipcore::message::{Headers, Status};
use offhook_spi::{
    Address, BridgeSide, CallKey, CallOp, Completion, Flowing, RefusalKind, RequestId, SdpMessage,
    SessionKey, TspCommand,
};

use super::messages::contact;
use super::world::{World, body, uri};

const CONFERENCE: CallKey = CallKey::core(9_000);
const CONSULTATION: CallKey = CallKey::core(9_001);
const OWN_PLACE: SessionKey = SessionKey(9_000);

/// A call from 0 that is answered.
fn connected(world: &mut World, to: usize) -> CallKey {
    let call = world.call(0, &uri(to));
    answered(world, to);
    call
}

fn answered(world: &mut World, by: usize) {
    world.run(50);
    let offered = world.offered(by);
    world.op(by, offered, CallOp::Answer);
    world.run(50);
}

fn with_session(world: &mut World, call: CallKey, op: CallOp) -> RequestId {
    let (request, line) = (world.request(), world.line(0));
    let session = Some(OWN_PLACE);
    world.command(0, TspCommand::Call { request, line, call, session, op });
    world.run(50);
    request
}

/// The held call, and the consultation call about it.
fn consulting(world: &mut World) -> (CallKey, CallKey) {
    let call = connected(world, 1);
    let (request, other) = world.consult(0, call, Some(&uri(2)));
    answered(world, 2);
    assert_eq!(world.reply(0, request), Some(Ok(())));
    world.forget();
    (call, other)
}

fn together(world: &mut World) -> (CallKey, CallKey) {
    let (call, consultation) = consulting(world);
    let completion = Completion::Conference { conference: CONFERENCE };
    let request = with_session(world, call, CallOp::CompleteTransfer { consultation, completion });
    assert_eq!(world.reply(0, request), Some(Ok(())));
    (call, consultation)
}

fn ends(mut world: World) {
    world.close(0);
    world.run_out();
    world.assert_empty();
}

fn joins(messages: &[SdpMessage]) -> Vec<BridgeSide> {
    let side = |message: &SdpMessage| match message {
        SdpMessage::Join { side, .. } => Some(*side),
        _ => None,
    };
    messages.iter().filter_map(side).collect()
}

#[test]
fn three_are_together_once_nobody_is_held() {
    let mut world = World::parties(3);
    let (call, other) = together(&mut world);
    let held = world.offered_before(1);
    assert_eq!(world.states(1, held), ["connected"], "it was retrieved");
    assert_eq!(world.states(0, call), ["conferenced"]);
    assert_eq!(world.states(0, other), ["conferenced"]);
    assert_eq!(world.states(0, CONFERENCE), ["connected"]);
    for member in [call, other] {
        assert_eq!(joins(&world.relayed(0, member)), [BridgeSide::Party]);
    }
    assert_eq!(joins(&world.relayed(0, CONFERENCE)), [BridgeSide::Own]);
    ends(world);
}

#[test]
fn the_last_party_has_an_ordinary_call_again() {
    let mut world = World::parties(3);
    let (call, other) = together(&mut world);
    let leaves = world.offered_before(2);
    world.op(2, leaves, CallOp::Drop { cause: None });
    world.run(50);
    assert_eq!(world.states(0, other), ["conferenced", "disconnected NormalClearing", "idle"]);
    assert_eq!(world.states(0, call), ["conferenced", "connected"]);
    assert_eq!(world.states(0, CONFERENCE), ["connected", "disconnected NormalClearing", "idle"]);
    assert_eq!(world.relayed(0, call).last(), Some(&SdpMessage::Leave));
    assert_eq!(world.relayed(0, CONFERENCE).last(), Some(&SdpMessage::Leave));
    let hold = world.op(0, call, CallOp::Hold);
    world.run(50);
    assert_eq!(world.reply(0, hold), Some(Ok(())), "and can be used");
    ends(world);
}

#[test]
fn who_drops_a_conference_drops_its_members() {
    let mut world = World::parties(3);
    let (call, other) = together(&mut world);
    let request = world.op(0, CONFERENCE, CallOp::Drop { cause: None });
    assert_eq!(world.reply(0, request), Some(Ok(())));
    world.run_out();
    for member in [call, other] {
        assert_eq!(world.states(0, member), ["conferenced", "disconnected NormalClearing", "idle"]);
    }
    assert_eq!(world.count(0, "BYE"), 2);
    world.assert_empty();
}

#[test]
fn a_conference_begins_with_a_held_call_and_grows() {
    let mut world = World::parties(4);
    let call = connected(&mut world, 1);
    world.op(0, call, CallOp::Hold);
    world.run(50);
    world.forget();
    let setup = CallOp::SetupConference { conference: CONFERENCE, consultation: CONSULTATION };
    let request = with_session(&mut world, call, setup);
    assert_eq!(world.reply(0, request), Some(Ok(())));
    assert_eq!(world.states(0, call), ["conferenced"]);
    assert_eq!(world.states(0, CONFERENCE), ["on hold pending conference"]);
    assert_eq!(world.states(0, CONSULTATION), ["dial tone"]);
    world.command(0, TspCommand::Session { call: CONFERENCE, session: OWN_PLACE });
    assert!(joins(&world.relayed(0, CONFERENCE)).is_empty(), "we talk to somebody else");
    world.op(0, CONSULTATION, CallOp::Dial { digits: uri(2) });
    answered(&mut world, 2);
    let request = world.op(0, CONFERENCE, CallOp::AddToConference { member: CONSULTATION });
    assert_eq!(world.reply(0, request), Some(Ok(())));
    assert_eq!(world.states(0, CONFERENCE), ["on hold pending conference", "connected"]);
    assert_eq!(joins(&world.relayed(0, CONFERENCE)), [BridgeSide::Own]);
    // A fourth one.
    let another = CallKey::core(9_002);
    let prepare = CallOp::PrepareAddToConference { consultation: another, to: Some(Address::new(uri(3))) };
    let request = with_session(&mut world, CONFERENCE, prepare);
    assert_eq!(world.reply(0, request), Some(Ok(())));
    answered(&mut world, 3);
    let request = world.op(0, CONFERENCE, CallOp::AddToConference { member: another });
    assert_eq!(world.reply(0, request), Some(Ok(())));
    assert_eq!(world.states(0, another).last().map(String::as_str), Some("conferenced"));
    // The first one is taken out; the others stay.
    let request = world.op(0, call, CallOp::RemoveFromConference);
    assert_eq!(world.reply(0, request), Some(Ok(())));
    world.run(50);
    assert_eq!(world.states(0, call).last().map(String::as_str), Some("idle"));
    assert_eq!(world.states(0, CONFERENCE).last().map(String::as_str), Some("connected"));
    ends(world);
}

#[test]
fn who_was_to_be_added_may_be_left_out() {
    let mut world = World::parties(4);
    let (call, other) = together(&mut world);
    world.forget();
    let to = Some(Address::new(uri(3)));
    let prepare = CallOp::PrepareAddToConference { consultation: CONSULTATION, to };
    with_session(&mut world, CONFERENCE, prepare);
    assert_eq!(world.relayed(0, CONFERENCE), [SdpMessage::Leave], "the parties go on without us");
    let request = world.op(0, CONFERENCE, CallOp::Unhold);
    assert_eq!(world.reply(0, request), Some(Ok(())));
    world.run(50);
    assert_eq!(world.states(0, CONFERENCE), ["on hold pending conference", "connected"]);
    assert_eq!(world.states(0, CONSULTATION).last().map(String::as_str), Some("idle"));
    assert!(world.states(0, call).is_empty() && world.states(0, other).is_empty());
    ends(world);
}

#[test]
fn a_conference_whose_members_go_while_it_waits_ends_with_its_consultation() {
    let mut world = World::parties(4);
    let (call, other) = together(&mut world);
    let to = Some(Address::new(uri(3)));
    with_session(&mut world, CONFERENCE, CallOp::PrepareAddToConference { consultation: CONSULTATION, to });
    for member in [call, other] {
        world.op(0, member, CallOp::Drop { cause: None });
        world.run(50);
    }
    assert_eq!(world.states(0, CONFERENCE), ["connected", "on hold pending conference"], "one may come");
    world.op(0, CONSULTATION, CallOp::Drop { cause: None });
    world.run(50);
    assert_eq!(world.states(0, CONFERENCE).last().map(String::as_str), Some("idle"));
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_party_that_does_not_come_back_refuses_the_conference() {
    let mut world = World::three();
    let (call, id) = world.up();
    let (_, consultation) = world.consult(0, call, Some(&uri(2)));
    world.run(20);
    world.agent(1, Command::AnswerReinvite { id, headers: contact(1), body: body(Flowing::In) });
    world.run(50);
    let other = world.invited_at(2);
    let (status, headers) = (Status::OK, contact(2));
    world.agent(2, Command::Answer { id: other, status, headers, body: body(Flowing::Both) });
    world.run(50);
    let completion = Completion::Conference { conference: CONFERENCE };
    let request = with_session(&mut world, call, CallOp::CompleteTransfer { consultation, completion });
    assert_eq!(world.reply(0, request), None, "it is held");
    let (status, headers) = (Status::NOT_ACCEPTABLE_HERE, Headers::new());
    world.agent(1, Command::RejectReinvite { id, status, headers });
    world.run(50);
    assert_eq!(world.reply(0, request).unwrap().unwrap_err().kind, RefusalKind::OperationFailed);
    assert!(world.states(0, CONFERENCE).is_empty(), "it never was");
    assert_eq!(world.states(0, call).last().map(String::as_str), Some("on hold pending transfer"));
    ends(world);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let mut world = World::parties(3);
    let (call, other) = together(&mut world);
    world.forget();
    let gone = CallKey::core(77);
    for (key, op, kind) in [
        (CONFERENCE, CallOp::Hold, RefusalKind::Unsupported),
        (CONFERENCE, CallOp::AddToConference { member: gone }, RefusalKind::StaleHandle),
        (CONFERENCE, CallOp::AddToConference { member: call }, RefusalKind::InvalidParameter),
        (
            call,
            CallOp::SetupConference { conference: CallKey::core(78), consultation: other },
            RefusalKind::InvalidParameter,
        ),
        (gone, CallOp::RemoveFromConference, RefusalKind::StaleHandle),
    ] {
        let request = world.op(0, key, op.clone());
        assert_eq!(world.reply(0, request).unwrap().unwrap_err().kind, kind, "{op:?}");
    }
    assert!(world.states(0, call).is_empty() && world.states(0, CONFERENCE).is_empty());
    ends(world);
}
