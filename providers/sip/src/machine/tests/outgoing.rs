// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls of ours.

use std::time::Duration;

use offhook_sipcore::agent::{Command, Ending, Event};
use offhook_sipcore::digest::{Password, Policy, Server, Verdict};
use offhook_sipcore::message::{Headers, Message, Method, Status, name};
use offhook_spi::{Address, CallOp, CallParams, Cause, Flowing, Party, Presentation, SdpMessage, TspEvent};

use super::messages::contact;
use super::world::{World, body, sdp, uri};
use crate::config::Secret;
use crate::location::Answer;

#[test]
fn two_machines_talk_and_hang_up() {
    let mut world = World::machines();
    let ours = world.call(0, &uri(1));
    world.run(100);
    let theirs = world.offered(1);
    assert_eq!(world.states(0, ours), ["dialing", "ringback"]);
    let answer = world.op(1, theirs, CallOp::Answer);
    world.run(100);
    assert_eq!(world.reply(1, answer), Some(Ok(())));
    world.op(0, ours, CallOp::Drop { cause: None });
    world.run_out();
    let ends = ["dialing", "ringback", "connected", "disconnected NormalClearing", "idle"];
    assert_eq!(world.states(0, ours), ends);
    assert_eq!(world.states(1, theirs), ["offering", "connected", "disconnected NormalClearing", "idle"]);
    world.assert_empty();
}

#[test]
fn the_far_end_hangs_up_with_a_reason() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    let mut headers = Headers::new();
    headers.push(name::REASON, "Q.850;cause=47");
    world.agent(1, Command::Bye { id, headers });
    world.run_out();
    assert_eq!(world.states(0, call), ["disconnected ResourceUnavailable", "idle"]);
    world.assert_empty();
}

#[test]
fn early_media_are_heard_once_and_stand_if_the_answer_says_nothing() {
    let mut world = World::scripted();
    let call = world.call(0, &uri(1));
    world.run(50);
    let id = world.invited();
    for _ in 0..2 {
        let (status, headers) = (Status::SESSION_PROGRESS, contact(1));
        world.agent(1, Command::Answer { id, status, headers, body: body(Flowing::Out) });
        world.run(50);
    }
    world.agent(1, Command::Answer { id, status: Status::OK, headers: contact(1), body: None });
    world.run(50);
    let early = sdp(Flowing::Out);
    let wanted = [
        SdpMessage::OfferWanted { flow: Flowing::Both },
        SdpMessage::EarlyAnswer { sdp: early.clone() },
        SdpMessage::Answer { sdp: early },
    ];
    assert_eq!(world.relayed(0, call), wanted);
    assert_eq!(world.states(0, call), ["dialing", "proceeding", "connected"]);
}

#[test]
fn a_call_given_up_while_it_rings_is_cancelled() {
    let mut world = World::machines();
    let ours = world.call(0, &uri(1));
    world.run(100);
    let theirs = world.offered(1);
    world.op(0, ours, CallOp::Drop { cause: None });
    world.run_out();
    assert_eq!((world.count(0, "CANCEL"), world.count(1, "487 INVITE")), (1, 1));
    assert_eq!(world.states(0, ours)[2..], ["disconnected Cancelled", "idle"]);
    assert_eq!(world.states(1, theirs), ["offering", "disconnected Cancelled", "idle"]);
    world.assert_empty();
}

#[test]
fn a_call_that_nobody_answers_in_time_is_cancelled() {
    let mut world = World::machines();
    let params = CallParams { no_answer_timeout: Some(Duration::from_secs(5)), ..CallParams::default() };
    let ours = world.call_with(0, &uri(1), params);
    world.run(5_100);
    assert_eq!(world.states(0, ours)[2..], ["disconnected NoAnswer", "idle"]);
    world.run_out();
    assert_eq!(world.count(0, "CANCEL"), 1);
    world.assert_empty();
}

#[test]
fn refusals_have_their_causes() {
    for (status, cause) in [
        (Status::BUSY_HERE, "UserBusy"),
        (Status::NOT_FOUND, "UnallocatedNumber"),
        (Status::DECLINE, "CallRejected"),
        (Status::NOT_ACCEPTABLE_HERE, "IncompatibleDestination"),
        (Status::SERVICE_UNAVAILABLE, "Congestion"),
    ] {
        let mut world = World::scripted();
        let call = world.call(0, &uri(1));
        world.run(50);
        let id = world.invited();
        world.agent(1, Command::Reject { id, status, headers: Headers::new() });
        world.run_out();
        let wanted = ["dialing".to_owned(), format!("disconnected {cause}"), "idle".to_owned()];
        assert_eq!(world.states(0, call), wanted, "{status}");
        world.assert_empty();
    }
}

#[test]
fn a_redirection_says_where_to_best_first() {
    let mut world = World::scripted();
    let call = world.call(0, &uri(1));
    world.run(50);
    let mut headers = Headers::new();
    headers.push(name::CONTACT, "<sip:second@192.0.2.7>;q=0.2, <sip:first@192.0.2.8>;q=0.9");
    let id = world.invited();
    world.agent(1, Command::Reject { id, status: Status::MOVED_TEMPORARILY, headers });
    world.run_out();
    let targets = world.ends[0].told.iter().find_map(|event| match event {
        TspEvent::Redirected { targets, .. } => Some(targets.clone()),
        _ => None,
    });
    let targets: Vec<String> = targets.unwrap().into_iter().map(|target| target.0).collect();
    assert_eq!(targets, ["sip:first@192.0.2.8", "sip:second@192.0.2.7"]);
    assert_eq!(world.states(0, call).last().unwrap(), "idle");
    world.assert_empty();
}

#[test]
fn a_place_that_is_not_there_ends_the_call() {
    let mut world = World::scripted();
    let call = world.call(0, "sip:nobody@192.0.2.200");
    let took = world.run_out();
    assert_eq!(world.states(0, call), ["dialing", "disconnected TimerExpired", "idle"]);
    assert!(took <= Duration::from_secs(64), "{took:?}");
    world.assert_empty();
}

#[test]
fn a_place_of_a_family_that_we_have_no_socket_for_ends_the_call_at_once() {
    let mut world = World::scripted();
    let call = world.call(0, "sip:bob@[2001:db8::1]");
    assert_eq!(world.states(0, call), ["dialing", "disconnected NoRouteToDestination", "idle"]);
    world.assert_empty();
}

/// The agent challenges INVITEs, and answers the one with the right password.
fn challenged(password: &str) -> (World, offhook_spi::CallKey) {
    let mut world = World::configured(|line| {
        line.auth_user = Some("alice".to_owned());
        line.password = Secret::new(password);
    });
    let mut gate = Server::new(Policy::new("example"), [7; 32]);
    let call = world.call(0, &uri(1));
    for _ in 0..3 {
        world.run(50);
        let Some((id, request)) = world.ends[1].events.drain(..).find_map(|event| match event {
            Event::Incoming { id, request, .. } => Some((id, request)),
            _ => None,
        }) else {
            break;
        };
        let known = |name: &str| (name == "alice").then(|| Password::new("secret".to_owned()));
        let verdict = gate.verify(&request, world.now, known);
        if matches!(verdict, Verdict::Accepted { .. }) {
            let headers = contact(1);
            world.agent(1, Command::Answer { id, status: Status::OK, headers, body: body(Flowing::Both) });
        } else {
            let response = gate.challenge(&request, &verdict, world.now);
            let mut headers = Headers::new();
            for value in response.headers.all(name::WWW_AUTHENTICATE) {
                headers.push(name::WWW_AUTHENTICATE, value);
            }
            world.agent(1, Command::Reject { id, status: response.status, headers });
        }
    }
    (world, call)
}

#[test]
fn a_challenge_is_answered_from_the_line() {
    let (mut world, call) = challenged("secret");
    world.run(50);
    assert_eq!(world.count(0, "INVITE"), 2);
    assert_eq!(world.states(0, call).last().unwrap(), "connected");
}

#[test]
fn a_wrong_password_is_tried_once() {
    let (mut world, call) = challenged("wrong");
    world.run_out();
    assert_eq!(world.count(0, "INVITE"), 2, "{:#?}", world.sent());
    assert_eq!(
        world.states(0, call).last_chunk(),
        Some(&["disconnected NotAuthorized".to_owned(), "idle".to_owned()])
    );
    world.assert_empty();
}

#[test]
fn an_answer_that_crosses_our_cancel_is_hung_up() {
    let mut world = World::scripted();
    let call = world.call(0, &uri(1));
    world.run(50);
    let id = world.invited();
    world
        .agent(1, Command::Answer { id, status: Status::OK, headers: contact(1), body: body(Flowing::Both) });
    world.op(0, call, CallOp::Drop { cause: Some(Cause::NormalClearing) });
    world.run_out();
    assert_eq!(world.states(0, call).last().unwrap(), "idle");
    let ended = |event: &Event| matches!(event, Event::Ended { why: Ending::Remote(_), .. });
    assert!(world.ends[1].events.iter().any(ended), "{:?}", world.sent());
    world.assert_empty();
}

#[test]
fn the_dialog_goes_on_under_the_numbers_of_the_invite() {
    let mut world = World::machines();
    let ours = world.call(0, &uri(1));
    world.run(100);
    let theirs = world.offered(1);
    world.op(1, theirs, CallOp::Answer);
    world.run(100);
    world.op(0, ours, CallOp::Drop { cause: None });
    world.run_out();
    let bye = world.last_request(0, "BYE");
    let call_ids: Vec<String> = world
        .wire
        .iter()
        .filter_map(|wire| match wire.message() {
            Message::Request(request) => Some(request.headers.call_id().unwrap().to_owned()),
            Message::Response(_) => None,
        })
        .collect();
    assert!(call_ids.iter().all(|id| *id == bye.headers.call_id().unwrap()));
    assert_eq!(bye.method, Method::BYE);
}

#[test]
fn without_an_msp_a_call_is_up_and_nothing_flows() {
    let mut world = World::scripted().without_msp();
    let (call, _) = world.up();
    assert!(world.relayed(0, call).is_empty());
    world.op(0, call, CallOp::Drop { cause: None });
    world.run_out();
    world.assert_empty();
}

/// A call to a host that has these addresses.
fn call_host(addresses: &[&str]) -> (World, offhook_spi::CallKey) {
    let mut world = World::scripted();
    let call = world.call(0, "sip:user1@example.org:5060");
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    world.name(0, Answer::Addresses(addresses));
    (world, call)
}

#[test]
fn a_place_that_no_socket_leads_to_is_passed_over() {
    for addresses in [&["2001:db8::1", "192.0.2.2"][..], &["2001:db8::1", "2001:db8::2", "192.0.2.2"]] {
        let (mut world, call) = call_host(addresses);
        world.run(50);
        let id = world.invited();
        world.agent(
            1,
            Command::Answer { id, status: Status::OK, headers: contact(1), body: body(Flowing::Both) },
        );
        world.run(50);
        assert_eq!(world.states(0, call).last().unwrap(), "connected");
    }
}

#[test]
fn the_next_place_is_tried_when_one_does_not_answer() {
    let (mut world, call) = call_host(&["192.0.2.200", "2001:db8::1", "192.0.2.2"]);
    world.run(40_000);
    let id = world.invited();
    world
        .agent(1, Command::Answer { id, status: Status::OK, headers: contact(1), body: body(Flowing::Both) });
    world.run(50);
    assert_eq!(world.states(0, call).last().unwrap(), "connected");
}

#[test]
fn a_host_that_is_not_there_ends_the_call() {
    let (world, call) = call_host(&[]);
    assert_eq!(world.states(0, call), ["dialing", "disconnected NoRouteToDestination", "idle"]);
    world.assert_empty();
}

#[test]
fn who_answers_is_told_beside_all_that_was_known() {
    for (trusted, presentation) in [(false, Presentation::Claimed), (true, Presentation::Asserted)] {
        let mut world = World::configured(|line| line.trusted = trusted);
        let caller = Party { name: Some("Alice".to_owned()), ..Party::default() };
        let params = CallParams { caller: Some(caller.clone()), ..CallParams::default() };
        let call = world.call_with(0, &uri(1), params);
        world.run(50);
        let mut headers = contact(1);
        headers.push("P-Asserted-Identity", "\"Bob\" <sip:bob@example.org>");
        let id = world.invited();
        world.agent(1, Command::Answer { id, status: Status::OK, headers, body: body(Flowing::Both) });
        world.run(50);
        let info = world.ends[0].told.iter().find_map(|event| match event {
            TspEvent::CallInfo { call: of, info } if *of == call => Some(info.clone()),
            _ => None,
        });
        let info = info.unwrap();
        assert_eq!(info.caller, caller);
        assert_eq!(info.called.address, Some(Address::new(uri(1))));
        assert_eq!(info.call_id.as_deref(), world.last_request(0, "INVITE").headers.call_id().ok());
        let connected = info.connected.unwrap();
        assert_eq!((connected.name.as_deref(), connected.presentation), (Some("Bob"), presentation));
    }
}
