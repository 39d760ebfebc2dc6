// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is answered without asking the owner, and what the owner is asked (RFC 3261 section 8.2).

use std::time::Duration;

use super::world::{World, request};
use crate::agent::{Body, Command, Config, Event, InviteId, Limits, Load, RequestId, ServerRequestId};
use crate::message::{Headers, Message, Method, Request, Response, Status, name};

const SHORT: Duration = Duration::from_millis(50);

/// Sends a request from 0 to 1 outside dialogs.
fn send(world: &mut World, request: Request) {
    let flow = world.flow(0, 1);
    world.command(0, Command::Request { id: RequestId(1), request, flow });
    world.run(SHORT);
}

fn asked(world: &World, end: usize) -> ServerRequestId {
    let id = world.ends[end].events.iter().rev().find_map(|(_, event)| match event {
        Event::IncomingRequest { id, .. } => Some(*id),
        _ => None,
    });
    id.expect("a request came")
}

fn response(world: &World, kind: &str) -> Response {
    match world.last(1, kind).message() {
        Message::Response(response) => response,
        Message::Request(_) => panic!("a request"),
    }
}

/// A request of agent 0 inside its call, written by hand with a number.
fn within(world: &World, ours: &str, method: &str, number: u32, extra: &str) -> String {
    let ack = world.last(0, ours).request();
    let get = |name| ack.headers.get(name).expect("there").to_owned();
    format!(
        "{method} sip:user1@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKh{method}{number}\n\
         Max-Forwards: 70\nFrom: {}\nTo: {}\nCall-ID: {}\nCSeq: {number} {method}\n{extra}Content-Length: 0\n\n",
        get(name::FROM),
        get(name::TO),
        get(name::CALL_ID),
    )
}

/// A call whose last ACK is still in the record: number of its INVITE.
fn in_call() -> (World, InviteId, InviteId, u32) {
    let mut world = World::new(2);
    let ours = world.call(1, 1);
    world.run(SHORT);
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::OK);
    world.run(SHORT);
    let number = world.last(0, "ACK").request().headers.cseq().expect("CSeq").seq;
    (world, ours, theirs, number)
}

fn end(mut world: World, ours: InviteId) {
    world.bye(0, ours);
    world.run(Duration::from_secs(70));
    world.run_out();
    world.assert_empty();
}

#[test]
fn options_are_the_owners_to_answer() {
    let mut world = World::new(2);
    send(&mut world, request(Method::OPTIONS, 0, 1));
    let (id, headers) = (asked(&world, 1), Headers::new());
    world.command(1, Command::RespondTo { id, status: Status::OK, headers, body: None });
    world.run_out();
    assert_eq!(world.told(0), ["RequestDone 200"]);
    let allow = response(&world, "200 OPTIONS").headers.get(name::ALLOW).map(str::to_owned);
    assert_eq!(allow.as_deref(), Some("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE"));
    world.assert_empty();
}

#[test]
fn an_unknown_method_gets_405_with_allow() {
    let mut world = World::new(2);
    send(&mut world, request(Method::parse("FROBNICATE").expect("a token"), 0, 1));
    assert_eq!(world.told(0), ["RequestDone 405"]);
    assert!(world.told(1).is_empty());
    assert!(response(&world, "405 FROBNICATE").headers.contains(name::ALLOW));
    world.run_out();
    world.assert_empty();
}

#[test]
fn an_unknown_method_gets_405_in_a_dialog_too() {
    let (mut world, ours, _, number) = in_call();
    let text = within(&world, "ACK", "MESSAGE", number + 1, "");
    world.inject(0, 1, &text);
    assert!(response(&world, "405 MESSAGE").headers.contains(name::ALLOW));
    end(world, ours);
}

#[test]
fn methods_are_case_sensitive() {
    let mut world = World::new(2);
    send(&mut world, request(Method::parse("options").expect("a token"), 0, 1));
    assert_eq!(world.told(0), ["RequestDone 405"]);
}

#[test]
fn a_dialog_that_is_not_known_gets_481() {
    for method in [Method::BYE, Method::INFO, Method::OPTIONS] {
        let mut world = World::new(2);
        let mut request = request(method, 0, 1);
        request.headers.set(name::TO, "<sip:user1@example.com>;tag=unknown");
        send(&mut world, request);
        assert_eq!(world.told(0), ["RequestDone 481"]);
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn a_bye_or_info_without_dialog_gets_481() {
    for method in [Method::BYE, Method::INFO] {
        let mut world = World::new(2);
        send(&mut world, request(method, 0, 1));
        assert_eq!(world.told(0), ["RequestDone 481"]);
    }
}

#[test]
fn an_ack_for_nothing_is_ignored() {
    let mut world = World::new(2);
    world.inject(
        0,
        1,
        "ACK sip:x@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnone\nMax-Forwards: 70\n\
         From: <sip:a@b>;tag=1\nTo: <sip:x@y>;tag=2\nCall-ID: none\nCSeq: 1 ACK\nContent-Length: 0\n\n",
    );
    assert!(world.sent().is_empty());
    world.assert_empty();
}

#[test]
fn an_extension_that_is_not_known_gets_420() {
    let mut world = World::new(2);
    let mut options = request(Method::OPTIONS, 0, 1);
    options.headers.push(name::REQUIRE, "100rel, nothingSupportsThis");
    send(&mut world, options);
    assert_eq!(world.told(0), ["RequestDone 420"]);
    let unsupported = response(&world, "420 OPTIONS").headers.get(name::UNSUPPORTED).map(str::to_owned);
    assert_eq!(unsupported.as_deref(), Some("100rel, nothingSupportsThis"));
    let config = Config { supported: vec!["100rel".to_owned()], ..Config::default() };
    let mut world = World::with(2, 1, &config);
    let mut options = request(Method::OPTIONS, 0, 1);
    options.headers.push(name::REQUIRE, "100rel");
    send(&mut world, options);
    assert_eq!(world.told(1), ["IncomingRequest OPTIONS"]);
}

#[test]
fn gaps_in_the_numbers_are_legal() {
    let (mut world, ours, _, number) = in_call();
    let text = within(&world, "ACK", "BYE", number + 1_000, "");
    world.inject(0, 1, &text);
    assert_eq!(world.count(1, "200 BYE"), 1);
    assert_eq!(world.told(1), ["Incoming", "Acked", "Ended Remote"]);
    end(world, ours);
}

#[test]
fn a_lower_number_gets_500() {
    let (mut world, ours, _, number) = in_call();
    let high = within(&world, "ACK", "INFO", number + 10, "");
    world.inject(0, 1, &high);
    let low = within(&world, "ACK", "BYE", number + 9, "");
    world.inject(0, 1, &low);
    assert_eq!((world.count(1, "500 BYE"), world.count(1, "200 BYE")), (1, 0));
    assert_eq!(world.told(1), ["Incoming", "Acked", "IncomingRequest INFO"]);
    world.lose(|_| true);
    world.run(Duration::from_secs(40));
    world.bye(1, InviteId::Incoming(1));
    end(world, ours);
}

#[test]
fn an_ack_takes_the_number_of_its_invite_and_uses_up_none() {
    let (mut world, ours, _, number) = in_call();
    let invite = world.last(0, "INVITE").request().headers.cseq().expect("CSeq").seq;
    assert_eq!(invite, number);
    world.bye(0, ours);
    assert_eq!(world.last(0, "BYE").request().headers.cseq().expect("CSeq").seq, number + 1);
    end(world, ours);
}

#[test]
fn info_goes_through_a_call_in_both_directions() {
    let mut world = World::new(2);
    let (ours, theirs) = world.connected();
    for (end, id) in [(0, ours), (1, theirs)] {
        let (method, headers) = (Method::INFO, Headers::new());
        let body = Some(Body { kind: "application/dtmf-relay".into(), bytes: "Signal=1".into() });
        let request = RequestId(u64::try_from(end).expect("small"));
        world.command(end, Command::RequestInDialog { id: request, invite: id, method, headers, body });
        world.run(SHORT);
        let asked = asked(&world, 1 - end);
        let headers = Headers::new();
        world.command(1 - end, Command::RespondTo { id: asked, status: Status::OK, headers, body: None });
        world.run(SHORT);
    }
    assert_eq!(world.told(0), ["RequestDone 200", "IncomingRequest INFO"]);
    assert_eq!(world.told(1), ["IncomingRequest INFO", "RequestDone 200"]);
    end(world, ours);
}

#[test]
fn a_request_in_a_call_that_is_over_is_refused_to_the_owner() {
    let mut world = World::new(2);
    let invite = InviteId::Outgoing(77);
    let (method, headers) = (Method::INFO, Headers::new());
    world.command(0, Command::RequestInDialog { id: RequestId(5), invite, method, headers, body: None });
    assert_eq!(world.told(0), ["RequestDone Busy"]);
}

#[test]
fn too_many_requests_get_503_with_retry_after_and_are_forgotten() {
    let limits = Limits { transactions: 3, ..Limits::default() };
    let mut world = World::with(2, 1, &Config { limits, ..Config::default() });
    for serial in 0..5 {
        let flow = world.flow(0, 1);
        let id = RequestId(serial);
        world.command(0, Command::Request { id, request: request(Method::OPTIONS, 0, 1), flow });
    }
    world.run(SHORT);
    assert_eq!(world.ends[1].agent.load().server_transactions, 3);
    assert_eq!(world.told(0), ["RequestDone 503", "RequestDone 503"]);
    let retry = response(&world, "503 OPTIONS").headers.retry_after();
    assert_eq!(retry.expect("legal"), Some(5));
    world.run_out();
    world.assert_empty();
}

#[test]
fn one_source_cannot_use_up_what_all_share() {
    let limits = Limits { transactions_per_source: 2, ..Limits::default() };
    let mut world = World::with(3, 1, &Config { limits, ..Config::default() });
    for (from, serial) in [(0, 1), (0, 2), (0, 3), (2, 1)] {
        let flow = world.flow(from, 1);
        let id = RequestId(serial);
        world.command(from, Command::Request { id, request: request(Method::OPTIONS, from, 1), flow });
    }
    world.run(SHORT);
    assert_eq!(world.told(0), ["RequestDone 503"]);
    assert_eq!(world.told(1), ["IncomingRequest OPTIONS"; 3]);
    world.run_out();
    world.assert_empty();
}

#[test]
fn calls_can_end_when_there_are_too_many_requests() {
    let limits = Limits { transactions: 1, ..Limits::default() };
    let mut world = World::with(2, 1, &Config { limits, ..Config::default() });
    let (ours, _) = world.connected();
    world.bye(0, ours);
    world.run_out();
    assert_eq!(world.told(1), ["Ended Remote"]);
    world.assert_empty();
}

#[test]
fn too_many_answers_without_ack_stop_new_calls() {
    let limits = Limits { unacknowledged: 1, ..Limits::default() };
    let mut world = World::with(2, 1, &Config { limits, ..Config::default() });
    world.lose(|wire| wire.kind() == "ACK");
    let first = world.call(1, 1);
    world.run(SHORT);
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::OK);
    world.run(SHORT);
    world.call(1, 2);
    world.run(SHORT);
    assert_eq!(world.told(0), ["Answered 200", "Unreached 503"]);
    world.lose_nothing();
    world.run(Duration::from_secs(5));
    assert_eq!(world.ends[1].agent.load().unacknowledged, 0);
    world.bye(0, first);
    world.run_out();
    world.assert_empty();
}

#[test]
fn nothing_is_remembered_of_a_flood_of_unacknowledged_calls_in_the_end() {
    let mut world = World::new(2);
    world.lose(|wire| wire.kind() == "ACK" || wire.kind() == "BYE");
    for serial in 0..200 {
        world.call(1, serial);
        world.run(Duration::from_millis(20));
        let theirs = world.incoming(1);
        world.answer(1, theirs, Status::OK);
    }
    world.run(Duration::from_secs(80));
    assert_eq!(world.ends[1].agent.load(), Load::default());
}

#[test]
fn a_request_without_its_own_method_in_cseq_gets_400() {
    let mut world = World::new(2);
    let mut options = request(Method::OPTIONS, 0, 1);
    options.headers.push(name::CSEQ, "7 INFO");
    options.headers.push(name::CALL_ID, "x");
    options.headers.push(name::VIA, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
    options.headers.set(name::FROM, "<sip:a@b>;tag=1");
    let flow = world.flow(1, 0);
    let message = Message::Request(options);
    world.input(1, crate::agent::Input::Receive { flow, message });
    assert_eq!(world.wire.len(), 1);
    let Message::Response(response) = world.wire[0].message() else { panic!() };
    assert_eq!(response.status, Status::BAD_REQUEST);
    world.assert_empty();
}

#[test]
fn an_invite_is_not_a_request_on_its_own() {
    for method in [Method::INVITE, Method::ACK, Method::CANCEL] {
        let mut world = World::new(2);
        send(&mut world, request(method, 0, 1));
        assert_eq!(world.told(0), ["RequestDone Busy"]);
        assert!(world.sent().is_empty());
        world.assert_empty();
    }
}

#[test]
fn a_body_type_that_the_owner_does_not_like_is_its_own_to_refuse() {
    let mut world = World::new(2);
    world.call(1, 1);
    world.run(SHORT);
    let theirs = world.incoming(1);
    let mut headers = Headers::new();
    headers.push(name::ACCEPT, "application/sdp");
    let status = Status::UNSUPPORTED_MEDIA_TYPE;
    world.command(1, Command::Reject { id: theirs, status, headers });
    world.run_out();
    assert_eq!(world.told(0), ["Failed 415"]);
    assert!(response(&world, "415 INVITE").headers.contains(name::ACCEPT));
    world.assert_empty();
}
