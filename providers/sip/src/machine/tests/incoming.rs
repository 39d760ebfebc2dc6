// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls of theirs, and requests that are no calls.

use std::time::Duration;

use offhook_sipcore::agent::{Body, Command, Event, Failure, RequestId as SipRequestId};
use offhook_sipcore::digest::{Account, Client, Password};
use offhook_sipcore::message::{Headers, Method, Request, Status, Tokens, name};
use offhook_spi::{Address, CallOp, Cause, Flowing, RefusalKind, SdpMessage, TspEvent};

use super::messages::{invite, request};
use super::world::{Msp, World, body, sdp};
use crate::config::Secret;

#[test]
fn an_answer_brings_the_msps_description_and_then_commits_it() {
    let mut world = World::scripted();
    world.invite(invite(body(Flowing::Both)));
    world.run(50);
    let call = world.offered(0);
    let request = world.op(0, call, CallOp::Answer);
    assert_eq!(world.reply(0, request), Some(Ok(())));
    world.run(50);
    assert_eq!(world.sent(), ["1 INVITE", "0 180 INVITE", "0 200 INVITE", "1 ACK"]);
    assert_eq!(world.last_response(0, "200 INVITE").body, sdp(Flowing::Both));
    let offer = SdpMessage::Offer { sdp: sdp(Flowing::Both) };
    assert_eq!(world.relayed(0, call), [offer, SdpMessage::Commit]);
    assert_eq!(world.states(0, call), ["offering", "connected"]);
}

#[test]
fn an_invite_without_a_description_gets_our_offer_with_the_answer() {
    let mut world = World::scripted();
    let id = world.invite(invite(None));
    world.run(50);
    let call = world.offered(0);
    world.op(0, call, CallOp::Answer);
    world.run(50);
    assert_eq!(world.last_response(0, "200 INVITE").body, sdp(Flowing::Both));
    assert_eq!(world.states(0, call), ["offering"], "not before the ACK");
    world.agent(1, Command::AckWith { id, body: body(Flowing::Out) });
    world.run(50);
    let wanted =
        [SdpMessage::OfferWanted { flow: Flowing::Both }, SdpMessage::Answer { sdp: sdp(Flowing::Out) }];
    assert_eq!(world.relayed(0, call), wanted);
    assert_eq!(world.states(0, call).last().unwrap(), "connected");
}

#[test]
fn an_ack_that_does_not_answer_our_offer_ends_the_call() {
    let mut world = World::scripted();
    let id = world.invite(invite(None));
    world.run(50);
    let call = world.offered(0);
    world.op(0, call, CallOp::Answer);
    world.run(50);
    world.agent(1, Command::AckWith { id, body: None });
    world.run_out();
    assert_eq!(world.states(0, call), ["offering", "disconnected IncompatibleDestination", "idle"]);
    world.assert_empty();
}

#[test]
fn a_line_that_does_not_ring_by_itself_rings_when_told() {
    let mut world = World::configured(|line| line.ring = Some(false));
    world.invite(invite(body(Flowing::Both)));
    world.run(50);
    assert_eq!(world.sent(), ["1 INVITE"]);
    let call = world.offered(0);
    let request = world.op(0, call, CallOp::Accept);
    world.run(50);
    assert_eq!((world.reply(0, request), world.count(0, "180 INVITE")), (Some(Ok(())), 1));
    assert_eq!(world.states(0, call), ["offering", "accepted"]);
}

#[test]
fn a_rejection_says_what_the_application_says() {
    for (cause, status) in [(None, 603), (Some(Cause::UserBusy), 486), (Some(Cause::SubscriberAbsent), 480)] {
        let mut world = World::scripted();
        world.invite(invite(body(Flowing::Both)));
        world.run(50);
        let call = world.offered(0);
        world.op(0, call, CallOp::Drop { cause });
        world.run_out();
        assert_eq!(world.count(0, &format!("{status} INVITE")), 1, "{:?}", world.sent());
        assert_eq!(world.states(0, call).last().unwrap(), "idle");
        world.assert_empty();
    }
}

#[test]
fn a_call_is_sent_elsewhere() {
    let mut world = World::scripted();
    world.invite(invite(body(Flowing::Both)));
    world.run(50);
    let call = world.offered(0);
    let bad = world.op(0, call, CallOp::Redirect { to: Address::new("no address") });
    assert_eq!(world.reply(0, bad).unwrap().unwrap_err().kind, RefusalKind::InvalidAddress);
    world.op(0, call, CallOp::Redirect { to: Address::new("sip:carol@192.0.2.8") });
    world.run_out();
    let response = world.last_response(0, "302 INVITE");
    assert_eq!(response.headers.get(name::CONTACT), Some("<sip:carol@192.0.2.8>"));
    assert_eq!(world.states(0, call), ["offering", "disconnected Redirected", "idle"]);
    world.assert_empty();
}

#[test]
fn an_answer_without_ack_is_repeated_for_32_seconds_and_then_hung_up() {
    let mut world = World::scripted();
    world.lose(|wire| wire.from == 1 && wire.kind() == "ACK");
    world.invite(invite(body(Flowing::Both)));
    world.run(50);
    let call = world.offered(0);
    world.op(0, call, CallOp::Answer);
    world.run(31_700);
    assert_eq!(world.states(0, call), ["offering"]);
    // T1 doubling up to T2 (RFC 3261 section 13.3.1.4).
    assert_eq!(world.count(0, "200 INVITE"), 11);
    let took = world.run_out();
    assert_eq!((world.count(0, "BYE"), took < Duration::from_secs(70)), (1, true));
    assert_eq!(world.states(0, call), ["offering", "disconnected TimerExpired", "idle"]);
    world.assert_empty();
}

#[test]
fn a_user_that_is_not_here_is_not_found() {
    let mut world = World::scripted();
    let mut request = invite(body(Flowing::Both));
    request.uri = "sip:nobody@192.0.2.1".parse().unwrap();
    request.headers.set(name::TO, "<sip:nobody@192.0.2.1>");
    world.invite(request);
    world.run_out();
    assert_eq!(world.sent(), ["1 INVITE", "0 404 INVITE", "1 ACK"]);
    world.assert_empty();
}

#[test]
fn a_line_that_is_closed_takes_no_calls() {
    let mut world = World::scripted();
    world.close(0);
    world.invite(invite(body(Flowing::Both)));
    world.run_out();
    assert_eq!(world.count(0, "480 INVITE"), 1);
    world.assert_empty();
}

/// The status that a request of the agent gets, and the `Allow` that comes with it.
fn status_of(world: &mut World, method: Method) -> (u16, String) {
    let (id, flow) = (SipRequestId(1), world.flow(1, 0));
    world.agent(1, Command::Request { id, request: request(method), flow });
    world.run_out();
    let done = world.ends[1].events.iter().find_map(|event| match event {
        Event::RequestDone { outcome: Ok(response), .. } => Some(response.clone()),
        _ => None,
    });
    let response = done.unwrap();
    (response.status.code(), response.headers.get(name::ALLOW).unwrap_or_default().to_owned())
}

#[test]
fn a_method_that_nobody_knows_is_not_allowed() {
    let mut world = World::scripted();
    let (status, allow) = status_of(&mut world, Method::parse("SING").unwrap());
    assert_eq!(status, 405);
    assert!(allow.contains("INVITE") && allow.contains("BYE"), "{allow}");
    world.assert_empty();
}

#[test]
fn options_are_told() {
    let mut world = World::scripted();
    let (status, allow) = status_of(&mut world, Method::OPTIONS);
    assert_eq!(status, 200);
    assert!(allow.contains("INVITE"), "{allow}");
    world.assert_empty();
}

#[test]
fn answering_twice_is_refused() {
    let mut world = World::scripted();
    world.ends[0].msp = Msp::Slow;
    world.invite(invite(body(Flowing::Both)));
    world.run(50);
    let call = world.offered(0);
    let first = world.op(0, call, CallOp::Answer);
    let second = world.op(0, call, CallOp::Answer);
    assert_eq!(world.reply(0, second).unwrap().unwrap_err().kind, RefusalKind::Busy);
    world.say(0, call, SdpMessage::Answer { sdp: sdp(Flowing::Both) });
    assert_eq!(world.reply(0, first), Some(Ok(())));
    world.run(50);
    assert_eq!(world.states(0, call).last().unwrap(), "connected");
}

#[test]
fn a_caller_must_know_the_password_where_the_line_asks_for_it() {
    let mut world = World::configured(|line| {
        line.challenge = true;
        line.password = Secret::new("secret");
    });
    let id = world.invite(invite(body(Flowing::Both)));
    world.run(50);
    let challenge = world.ends[1].events.drain(..).find_map(|event| match event {
        Event::Challenged { uri, response, .. } => Some((uri, response)),
        _ => None,
    });
    let (uri, response) = challenge.unwrap();
    let password = Password::new("secret");
    let mut client = Client::new(vec![Account { realm: None, username: "user0".to_owned(), password }]);
    let mut again = Request::new(Method::INVITE, uri);
    let mut tokens = Tokens::from_seed(9);
    client.handle_challenge(&again, &response).unwrap();
    client.authorize(&mut again, &mut tokens);
    let (method, headers) = (Method::INVITE, again.headers);
    world.agent(1, Command::Retry { id, method, headers, flow: None });
    world.run(50);
    assert_eq!(world.states(0, world.offered(0)), ["offering"]);
}

#[test]
fn what_an_application_cannot_understand_is_refused_by_the_msp() {
    let mut world = World::scripted();
    world.ends[0].msp = Msp::Slow;
    world.invite(invite(body(Flowing::Both)));
    world.run(50);
    let call = world.offered(0);
    let answer = world.op(0, call, CallOp::Answer);
    world.say(0, call, SdpMessage::Unacceptable { detail: "no codec in common".to_owned() });
    world.run_out();
    let refusal = world.reply(0, answer).unwrap().unwrap_err();
    assert_eq!(refusal.cause, Some(Cause::IncompatibleDestination));
    assert_eq!(world.count(0, "488 INVITE"), 1);
    let refused = |event: &Event| {
        matches!(event, Event::Failed { failure: Failure::Refused(response), .. }
            if response.status == Status::NOT_ACCEPTABLE_HERE)
    };
    assert!(world.ends[1].events.iter().any(refused));
    world.assert_empty();
}

#[test]
fn digits_in_info_are_told() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    let mut headers = Headers::new();
    headers.push("X-Nothing", "1");
    let digits = Body { kind: "application/dtmf-relay".into(), bytes: "Signal=5\r\nDuration=160\r\n".into() };
    let (request, method) = (SipRequestId(5), Method::INFO);
    world.agent(1, Command::RequestInDialog { id: request, invite: id, method, headers, body: Some(digits) });
    world.run(50);
    let heard = world.ends[0].told.iter().any(|event| {
        matches!(event, TspEvent::Digit { call: of, digit, .. }
            if *of == call && digit.as_char() == '5')
    });
    assert!(heard);
}
