// SPDX-License-Identifier: MIT OR Apache-2.0
//! Route sets, targets and the ways that requests and responses go (RFC 3261 sections 12.2 and 18.2).

use std::time::Duration;

use super::world::{World, contact, invite};
use crate::agent::{Body, Command, Config, Input, InviteId, NextHop, Output, ResponsePort, Transport};
use crate::message::{Headers, Limits, Message, Status, name};
use offhook_spi::Machine as _;

const SHORT: Duration = Duration::from_millis(50);

/// Agent 0 calls 1 through a proxy at 2 (and one behind it) that stays in the path.
fn through_proxies(routes: &[&str]) -> (World, InviteId, InviteId) {
    let mut world = World::new(3);
    let id = InviteId::Outgoing(1);
    let flow = world.flow(0, 2);
    let request = invite(0, 1, Some(Body::sdp("offer")));
    world.lose(|wire| wire.to == 2);
    world.command(0, Command::Invite { id, request, flow });
    let mut text = String::from_utf8_lossy(&world.last(0, "INVITE").bytes).into_owned();
    for route in routes {
        text = text.replacen("From:", &format!("Record-Route: {route}\r\nFrom:"), 1);
    }
    world.inject(0, 1, &text);
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::OK);
    world.run(SHORT);
    (world, id, theirs)
}

fn routes(world: &World, from: usize, kind: &str) -> Vec<String> {
    let request = world.last(from, kind).request();
    request.headers.all(name::ROUTE).map(str::to_owned).collect()
}

#[test]
fn the_caller_uses_the_route_set_backwards_and_the_callee_as_it_came() {
    // The proxy nearest to the caller put its row last below the other one.
    let (mut world, ours, theirs) = through_proxies(&["<sip:192.0.2.3;lr>", "<sip:192.0.2.9;lr>"]);
    let rows = world.last(1, "200 INVITE").message();
    let rows: Vec<_> = rows.headers().all(name::RECORD_ROUTE).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(routes(&world, 0, "ACK"), [rows[1], rows[0]]);
    assert_eq!(world.last(0, "ACK").request().uri.as_str(), "sip:user1@192.0.2.2:5060");
    world.lose(|_| true);
    world.bye(1, theirs);
    world.run(Duration::from_secs(33));
    assert_eq!(routes(&world, 1, "BYE"), rows);
    assert_eq!(world.last(1, "BYE").request().uri.as_str(), "sip:user0@192.0.2.1:5060");
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn requests_go_to_the_first_route() {
    let (mut world, ours, theirs) = through_proxies(&["<sip:192.0.2.3;lr>"]);
    assert_eq!(world.last(0, "ACK").to, 2);
    world.bye(0, ours);
    assert_eq!(world.last(0, "BYE").to, 2);
    world.run(Duration::from_secs(33));
    world.bye(1, theirs);
    assert_eq!(world.wire.last().expect("sent").to, 2);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_strict_router_stands_in_the_request_uri() {
    let (mut world, ours, theirs) = through_proxies(&["<sip:192.0.2.3>"]);
    let ack = world.last(0, "ACK").request();
    assert_eq!(ack.uri.as_str(), "sip:192.0.2.3");
    assert_eq!(routes(&world, 0, "ACK"), ["<sip:user1@192.0.2.2:5060>"]);
    assert_eq!(world.last(0, "ACK").to, 2);
    world.lose(|_| true);
    world.bye(0, ours);
    world.bye(1, theirs);
    world.run_out();
    world.assert_empty();
}

#[test]
fn the_contact_goes_into_the_request_uri_as_it_was_written() {
    let mut world = World::new(2);
    let ours = world.call(1, 1);
    world.run(SHORT);
    let theirs = world.incoming(1);
    let mut headers = Headers::new();
    headers.push(name::CONTACT, "<sip:%75ser%40x;a=b@192.0.2.2:5060;;x=Y?h=1>");
    let body = Some(Body::sdp("answer"));
    world.command(1, Command::Answer { id: theirs, status: Status::OK, headers, body });
    world.run(SHORT);
    let uri = world.last(0, "ACK").request().uri;
    // Only the headers are cut off (section 19.1.5).
    assert_eq!(uri.as_str(), "sip:%75ser%40x;a=b@192.0.2.2:5060;;x=Y");
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_target_with_a_name_is_looked_up_by_the_owner_while_requests_wait() {
    let mut world = World::new(2);
    world.locates = false;
    let ours = world.call(1, 1);
    world.run(SHORT);
    let theirs = world.incoming(1);
    let mut headers = Headers::new();
    headers.push(name::CONTACT, "<sip:user1@far.example.com>");
    let body = Some(Body::sdp("answer"));
    // The outputs are looked at by hand, since the network does not answer.
    world.command(1, Command::Answer { id: theirs, status: Status::OK, headers, body });
    world.run(SHORT);
    assert_eq!(world.told(0), ["Answered 200"]);
    assert_eq!(world.count(0, "ACK"), 0);
    let dialog = crate::agent::DialogId(1);
    let flow = Some(world.flow(0, 1));
    world.command(0, Command::Located { id: ours, dialog, flow });
    assert_eq!(world.count(0, "ACK"), 1);
    world.bye(0, ours);
    assert_eq!(world.count(0, "BYE"), 1, "the way is known now");
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_target_that_cannot_be_found_still_lets_the_call_end() {
    for answers in [true, false] {
        let mut world = World::new(2);
        world.locates = false;
        let ours = world.call(1, 1);
        world.run(SHORT);
        let theirs = world.incoming(1);
        let mut headers = Headers::new();
        headers.push(name::CONTACT, "<sip:user1@nowhere.example.com>");
        world.command(1, Command::Answer { id: theirs, status: Status::OK, headers, body: None });
        world.run(SHORT);
        world.bye(0, ours);
        if answers {
            let dialog = crate::agent::DialogId(1);
            world.command(0, Command::Located { id: ours, dialog, flow: None });
            assert_eq!(world.told(0), ["Answered 200", "Ended Local"]);
        }
        world.run_out();
        // The callee, which never got the ACK, ends the call after 64*T1, just before the owner is given up.
        let end = if answers { "Ended Local" } else { "Ended Remote" };
        assert_eq!(world.told(0), ["Answered 200", end]);
        world.assert_empty();
    }
}

#[test]
fn another_connection_is_asked_for_when_the_contact_is_elsewhere() {
    let mut world = World::new(2);
    world.transport = Transport::Tcp;
    world.locates = false;
    let ours = world.call(1, 1);
    world.run(SHORT);
    let theirs = world.incoming(1);
    let mut headers = Headers::new();
    headers.push(name::CONTACT, "<sip:user1@192.0.2.2:7777;transport=tcp>");
    world.command(1, Command::Answer { id: theirs, status: Status::OK, headers, body: None });
    world.run(SHORT);
    assert_eq!(world.count(0, "ACK"), 0);
    let dialog = crate::agent::DialogId(1);
    let flow = Some(world.flow(0, 1));
    world.command(0, Command::Located { id: ours, dialog, flow });
    assert_eq!(world.count(0, "ACK"), 1);
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_peer_behind_an_address_translator_is_reached_by_its_flow_if_configured() {
    let config = Config { next_hop: NextHop::Flow, ..Config::default() };
    let mut world = World::with(2, 1, &config);
    let ours = world.call(1, 1);
    world.run(SHORT);
    let theirs = world.incoming(1);
    let mut headers = contact(1);
    headers.set(name::CONTACT, "<sip:user1@10.0.0.7:5060>");
    world.command(1, Command::Answer { id: theirs, status: Status::OK, headers, body: None });
    world.run(SHORT);
    assert_eq!(world.last(0, "ACK").to, 1);
    world.bye(0, ours);
    world.run_out();
    assert_eq!(world.told(1), ["Incoming", "Acked", "Ended Remote"]);
    world.assert_empty();
}

#[test]
fn a_call_can_move_to_another_way() {
    let mut world = World::new(3);
    let (ours, _) = world.connected();
    // Agent 2 stands for the place that the new way leads through.
    let flow = world.flow(0, 2);
    world.command(0, Command::Move { id: ours, flow });
    world.lose(|_| true);
    world.bye(0, ours);
    assert_eq!(world.last(0, "BYE").to, 2);
    world.run_out();
}

const OPTIONS: &str = "OPTIONS sip:x@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP VIA\r\nMax-Forwards: 70\r\n\
     From: <sip:a@b>;tag=1\r\nTo: <sip:x@y>;tag=none\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n";

/// The port that the response to a request with this `Via` goes to, and its top `Via`.
fn response_to(via: &str, policy: ResponsePort) -> (u16, String) {
    let config = Config { response_port: policy, ..Config::default() };
    let mut world = World::with(2, 1, &config);
    let bytes = bytes::Bytes::from(OPTIONS.replace("VIA", via));
    let message = Message::parse(&bytes, &Limits::default()).expect("legal");
    let mut flow = world.flow(1, 0);
    flow.remote.set_port(40_000);
    let agent = &mut world.ends[1].agent;
    agent.handle(world.now, Input::Receive { flow, message });
    let Some(Output::Transmit { flow, bytes }) = agent.poll() else { panic!("no response") };
    let response = Message::parse(&bytes, &Limits::default()).expect("legal");
    let via = response.headers().get(name::VIA).expect("Via").to_owned();
    (flow.remote.port(), via)
}

#[test]
fn responses_go_to_the_source_port_only_if_rport_was_sent() {
    // RFC 3261 section 18.2.2, RFC 3581 section 4.
    let rows = [
        ("192.0.2.1:5070;branch=z9hG4bK1", ResponsePort::SentBy, 5_070, ""),
        ("192.0.2.1;branch=z9hG4bK1", ResponsePort::SentBy, 5_060, ""),
        ("192.0.2.1:5070;branch=z9hG4bK1", ResponsePort::Source, 40_000, ""),
        (
            "192.0.2.1:5070;branch=z9hG4bK1;rport",
            ResponsePort::SentBy,
            40_000,
            ";received=192.0.2.1;rport=40000",
        ),
        ("10.0.0.1:5070;branch=z9hG4bK1", ResponsePort::SentBy, 5_070, ";received=192.0.2.1"),
        ("host.example:5070;branch=z9hG4bK1", ResponsePort::SentBy, 5_070, ";received=192.0.2.1"),
    ];
    for (via, policy, port, added) in rows {
        let (to, written) = response_to(via, policy);
        assert_eq!(to, port, "{via} {policy:?}");
        for part in added.split(';').filter(|part| !part.is_empty()) {
            assert!(written.contains(part), "{written} lacks {part}");
        }
        assert_eq!(written.contains("received"), !added.is_empty(), "{written}");
    }
}

#[test]
fn our_requests_ask_for_rport() {
    let mut world = World::new(2);
    world.lose(|_| true);
    let ours = world.call(1, 1);
    let via = world.last(0, "INVITE").request().headers.top_via().expect("Via");
    assert_eq!(via.rport(), Some(None));
    assert_eq!(via.sent_by(), "192.0.2.1:5060");
    world.cancel(0, ours);
    world.run_out();
}
