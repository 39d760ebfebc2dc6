// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who holds whom: each direction is held by itself (RFC 3264 section 8.4).

use offhook_sipcore::agent::{Command, Event, InviteId};
use offhook_sipcore::message::Headers;
use offhook_spi::{CallKey, CallOp, Flowing, SdpMessage, TspEvent};

use super::messages::contact;
use super::world::{Msp, World, body, sdp, uri};

/// The far end offers within a call; how its offer was answered.
fn offered(world: &mut World, id: InviteId, flow: Option<Flowing>) -> String {
    world.agent(1, Command::Reinvite { id, headers: Headers::new(), body: flow.and_then(body) });
    world.run(50);
    text(&world.last_response(0, "200 INVITE").body)
}

/// We hold or retrieve and the far end answers; what we offered.
fn changed(world: &mut World, call: CallKey, id: InviteId, op: CallOp, answer: Flowing) -> String {
    let request = world.op(0, call, op);
    world.run(20);
    let body = body(answer);
    world.agent(1, Command::AnswerReinvite { id, headers: contact(1), body });
    world.run(50);
    assert_eq!(world.reply(0, request), Some(Ok(())));
    text(&world.last_request(0, "INVITE").body)
}

fn text(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

fn last_state(world: &World, call: CallKey) -> String {
    world.states(0, call).last().unwrap().clone()
}

#[test]
fn a_hold_stops_what_we_hear_and_unhold_brings_it_back() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    assert_eq!(changed(&mut world, call, id, CallOp::Hold, Flowing::In), sdp(Flowing::Out));
    assert_eq!(last_state(&world, call), "on hold");
    assert_eq!(changed(&mut world, call, id, CallOp::Unhold, Flowing::Both), sdp(Flowing::Both));
    assert_eq!(last_state(&world, call), "connected");
}

#[test]
fn a_far_end_that_holds_and_retrieves_is_told() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    assert_eq!(offered(&mut world, id, Some(Flowing::Out)), sdp(Flowing::In));
    assert_eq!(last_state(&world, call), "held");
    assert_eq!(offered(&mut world, id, Some(Flowing::Both)), sdp(Flowing::Both));
    assert_eq!(last_state(&world, call), "connected");
    assert_eq!(world.count(0, "INVITE"), 0, "nothing is left to mend");
}

#[test]
fn holding_while_held_is_inactive_and_retrieving_is_receive_only() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    offered(&mut world, id, Some(Flowing::Out));
    let neither = Flowing::Neither;
    assert_eq!(changed(&mut world, call, id, CallOp::Hold, neither), sdp(neither));
    assert_eq!(last_state(&world, call), "on hold");
    assert_eq!(changed(&mut world, call, id, CallOp::Unhold, Flowing::Out), sdp(Flowing::In));
    assert_eq!(last_state(&world, call), "held");
}

#[test]
fn who_was_retrieved_while_held_is_heard_again_when_the_far_end_retrieves() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    offered(&mut world, id, Some(Flowing::Out));
    changed(&mut world, call, id, CallOp::Hold, Flowing::Neither);
    changed(&mut world, call, id, CallOp::Unhold, Flowing::Out);
    // The MSP was told to receive only, and says so until it is told otherwise.
    assert_eq!(offered(&mut world, id, Some(Flowing::Both)), sdp(Flowing::In));
    world.run(20);
    assert_eq!(world.last_request(0, "INVITE").body, sdp(Flowing::Both));
    world.agent(1, Command::AnswerReinvite { id, headers: contact(1), body: body(Flowing::Both) });
    world.run(50);
    assert_eq!(last_state(&world, call), "connected");
    assert_eq!(world.relayed(0, call).last(), Some(&SdpMessage::Answer { sdp: sdp(Flowing::Both) }));
}

#[test]
fn who_holds_is_heard_again_when_the_far_end_retrieves() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    offered(&mut world, id, Some(Flowing::Out));
    changed(&mut world, call, id, CallOp::Hold, Flowing::Neither);
    offered(&mut world, id, Some(Flowing::In));
    world.run(20);
    assert_eq!(world.last_request(0, "INVITE").body, sdp(Flowing::Out));
    world.agent(1, Command::AnswerReinvite { id, headers: contact(1), body: body(Flowing::In) });
    world.run(50);
    assert_eq!(last_state(&world, call), "on hold");
    let unheld = changed(&mut world, call, id, CallOp::Unhold, Flowing::Both);
    assert_eq!((unheld, last_state(&world, call)), (sdp(Flowing::Both), "connected".to_owned()));
}

#[test]
fn an_answer_that_does_not_want_to_hear_us_holds_us() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    changed(&mut world, call, id, CallOp::Hold, Flowing::Neither);
    changed(&mut world, call, id, CallOp::Unhold, Flowing::Out);
    assert_eq!(last_state(&world, call), "held");
}

#[test]
fn a_far_end_that_answers_a_hold_with_inactive_does_not_hold_us() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    changed(&mut world, call, id, CallOp::Hold, Flowing::Neither);
    let unheld = changed(&mut world, call, id, CallOp::Unhold, Flowing::Both);
    assert_eq!((unheld, last_state(&world, call)), (sdp(Flowing::Both), "connected".to_owned()));
}

#[test]
fn a_far_end_that_asks_for_our_offer_gets_all_we_do_not_hold() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    offered(&mut world, id, Some(Flowing::Out));
    assert_eq!(offered(&mut world, id, None), sdp(Flowing::Both));
    world.agent(1, Command::AckWith { id, body: body(Flowing::Both) });
    world.run(50);
    assert_eq!(last_state(&world, call), "connected");
    changed(&mut world, call, id, CallOp::Hold, Flowing::In);
    assert_eq!(offered(&mut world, id, None), sdp(Flowing::Out));
    world.agent(1, Command::AckWith { id, body: body(Flowing::In) });
    world.run(50);
    assert_eq!(last_state(&world, call), "on hold");
}

#[test]
fn two_machines_hold_each_other_and_let_go_in_either_order() {
    for first in [0, 1] {
        let mut world = World::machines();
        let ours = world.call(0, &uri(1));
        world.run(100);
        let theirs = world.offered(1);
        world.op(1, theirs, CallOp::Answer);
        world.run(100);
        let keys = [ours, theirs];
        for (end, op) in
            [(0, CallOp::Hold), (1, CallOp::Hold), (first, CallOp::Unhold), (1 - first, CallOp::Unhold)]
        {
            let request = world.op(end, keys[end], op);
            world.run(6_000);
            assert_eq!(world.reply(end, request), Some(Ok(())));
        }
        for end in [0, 1] {
            assert_eq!(world.states(end, keys[end]).last().unwrap(), "connected", "{end}");
            let flows = world.relayed(end, keys[end]);
            let spoken = flows.iter().rev().find_map(|message| match message {
                SdpMessage::Answer { sdp } | SdpMessage::Offer { sdp } => Some(sdp.clone()),
                _ => None,
            });
            assert_eq!(spoken, Some(sdp(Flowing::Both)), "{end}: {flows:#?}");
        }
    }
}

#[test]
fn a_change_that_nobody_asked_for_answers_nobody() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    offered(&mut world, id, Some(Flowing::Out));
    changed(&mut world, call, id, CallOp::Hold, Flowing::Neither);
    changed(&mut world, call, id, CallOp::Unhold, Flowing::Out);
    let replies = |world: &World| {
        world.ends[0].told.iter().filter(|event| matches!(event, TspEvent::Reply { .. })).count()
    };
    let before = replies(&world);
    offered(&mut world, id, Some(Flowing::Both));
    world.run(20);
    let status = offhook_sipcore::message::Status::NOT_ACCEPTABLE_HERE;
    world.agent(1, Command::RejectReinvite { id, status, headers: Headers::new() });
    world.run(50);
    assert_eq!(replies(&world), before);
    assert_eq!(world.relayed(0, call).last(), Some(&SdpMessage::Rollback));
    assert!(world.ends[1].events.iter().all(|event| !matches!(event, Event::Ended { .. })));
    assert_eq!(world.ends[0].msp, Msp::Prompt);
}
