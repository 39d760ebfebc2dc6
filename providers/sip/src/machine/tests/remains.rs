// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is left when a call or a request is over: nothing.

use offhook_sipcore::agent::{Command, InviteId};
use offhook_spi::{Address, CallKey, CallOp, Flowing, RefusalKind, RequestId, SdpMessage, TspCommand};

use super::world::{Msp, World, body, contact, invite, sdp};

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
