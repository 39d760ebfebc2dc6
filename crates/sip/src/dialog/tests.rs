// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dialog state, route plans and reach.

use super::route::plan;
use super::*;
use crate::message::{Limits, Message, Status};
use crate::transaction::tests::a_flow;
use crate::transaction::{Flow, Transport};

fn request(extra: &str) -> Request {
    let text = format!(
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
         From: \"A, \\\"x\\\"\" <sip:alice@example.com>;tag=a1\r\nTo: Bob <sip:bob@example.com>\r\n\
         Call-ID: c1\r\nCSeq: 7 INVITE\r\nContact: <sip:alice@192.0.2.1>\r\n{extra}\r\n"
    );
    match Message::parse(&text.into(), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn answer(request: &Request, tag: Option<&str>, extra: &[(&str, &str)]) -> Response {
    let mut response = request.response(Status::OK);
    if let Some(tag) = tag {
        response.headers.set_to_tag(tag);
    }
    for (name, value) in extra {
        response.headers.push(name, *value);
    }
    response
}

fn routes(request: &Request) -> Vec<&str> {
    request.headers.all(name::ROUTE).collect()
}

#[test]
fn from_and_to_go_out_as_they_came_in() {
    let request = request("");
    let dialog = Dialog::server(&request, "b1").expect("a dialog");
    let bye = dialog.request(&Method::BYE, 1);
    assert_eq!(bye.headers.get(name::TO), request.headers.get(name::FROM));
    assert_eq!(bye.headers.get(name::FROM), Some("Bob <sip:bob@example.com>;tag=b1"));
    assert_eq!(bye.uri.as_str(), "sip:alice@192.0.2.1");
    assert_eq!(dialog.key(), DialogKey::new("c1", "b1", "a1"));
}

#[test]
fn a_peer_without_tags_has_a_dialog_too() {
    // RFC 3261 sections 12.1.1 and 12.1.2: an absent tag counts as an empty one.
    let mut request = request("");
    let response = answer(&request, None, &[]);
    let client = Dialog::client(&request, &response).expect("a dialog");
    assert_eq!((client.remote_tag(), client.local_tag()), ("", "a1"));
    request.headers.set(name::FROM, "sip:old@example.com");
    let server = Dialog::server(&request, "b1").expect("a dialog");
    assert_eq!(server.key(), DialogKey::new("c1", "b1", ""));
}

#[test]
fn the_route_set_of_an_early_dialog_is_replaced_by_the_answers_and_then_fixed() {
    let request = request("");
    let early = answer(&request, Some("b"), &[(name::RECORD_ROUTE, "<sip:p1;lr>")]);
    let mut dialog = Dialog::client(&request, &early).expect("a dialog");
    assert_eq!(routes(&dialog.request(&Method::UPDATE, 8)), ["<sip:p1;lr>"]);
    let rows = [(name::RECORD_ROUTE, "<sip:p3;lr>, <sip:p2;lr;x=1>"), (name::CONTACT, "<sip:b@192.0.2.2>")];
    dialog.confirm(&answer(&request, Some("b"), &rows));
    let fixed = ["<sip:p2;lr;x=1>", "<sip:p3;lr>"];
    assert_eq!(routes(&dialog.request(&Method::BYE, 8)), fixed);
    let rows = [(name::RECORD_ROUTE, "<sip:p9;lr>"), (name::CONTACT, "<sip:new@192.0.2.3>")];
    dialog.refresh(&answer(&request, Some("b"), &rows).headers);
    let bye = dialog.request(&Method::BYE, 9);
    assert_eq!(routes(&bye), fixed);
    assert_eq!(bye.uri.as_str(), "sip:new@192.0.2.3");
    assert_eq!(dialog.next_hop().as_str(), "sip:p2;lr;x=1");
}

#[test]
fn numbers_rise_by_one_here_and_may_jump_there() {
    let mut dialog = Dialog::server(&request(""), "b").expect("a dialog");
    assert_eq!((dialog.next_number(), dialog.next_number()), (1, 2));
    for (number, verdict) in [(7, Ok(())), (500, Ok(())), (500, Ok(())), (499, Err(OutOfOrder))] {
        assert_eq!(dialog.take_number(number), verdict, "{number}");
    }
}

#[test]
fn strict_routers_get_the_request_uri() {
    let target: Uri = "sip:t@h".parse().expect("a URI");
    let rows = |texts: &[&str]| texts.iter().map(|text| Box::from(*text)).collect::<Vec<Box<str>>>();
    let table: [(&[&str], &str, &[&str]); 4] = [
        (&[], "sip:t@h", &[]),
        (&["<sip:p1;lr>", "<sip:p2>"], "sip:t@h", &["<sip:p1;lr>", "<sip:p2>"]),
        (&["<sip:p1;lr=on>"], "sip:t@h", &["<sip:p1;lr=on>"]),
        (&["<sip:p1>", "<sip:p2;lr>"], "sip:p1", &["<sip:p2;lr>", "<sip:t@h>"]),
    ];
    for (routes, uri, out) in table {
        let (planned, planned_rows) = plan(&target, &rows(routes));
        assert_eq!((planned.as_str(), planned_rows), (uri, rows(out)), "{routes:?}");
    }
}

#[test]
fn only_numeric_addresses_of_the_same_transport_are_within_reach() {
    let udp = a_flow();
    let tcp = Flow { transport: Transport::Tcp, ..udp };
    let tls = Flow { transport: Transport::Tls, remote: ([192, 0, 2, 2], 5061).into(), ..udp };
    let ws = Flow { transport: Transport::Ws, remote: ([192, 0, 2, 2], 80).into(), ..udp };
    let wss = Flow { transport: Transport::Wss, remote: ([192, 0, 2, 2], 443).into(), ..udp };
    let table = [
        ("sip:x@192.0.2.9", udp, Some("192.0.2.9:5060")),
        ("sip:192.0.2.9:7000;transport=UDP", udp, Some("192.0.2.9:7000")),
        ("sip:x@[2001:db8::1]", udp, None),
        ("sip:x@host.example", udp, None),
        ("sip:x@192.0.2.9;transport=tcp", udp, None),
        ("sips:x@192.0.2.2", udp, None),
        ("tel:+123", udp, None),
        ("sip:x@192.0.2.2;transport=tcp", tcp, Some("192.0.2.2:5060")),
        ("sip:x@192.0.2.2:5070;transport=tcp", tcp, None),
        ("sip:x@192.0.2.2", tcp, None),
        ("sips:x@192.0.2.2", tls, Some("192.0.2.2:5061")),
        ("sip:x@192.0.2.2;transport=tls", tls, Some("192.0.2.2:5061")),
        ("sip:x@192.0.2.2;transport=sctp", tls, None),
        ("sip:x@a1b2.invalid;transport=ws", ws, Some("192.0.2.2:80")),
        ("sip:x@a1b2.invalid;transport=ws", wss, Some("192.0.2.2:443")),
        ("sip:x@a1b2.invalid;transport=tcp", tcp, None),
        ("sip:x@192.0.2.2;transport=ws", ws, Some("192.0.2.2:80")),
        ("sip:x@192.0.2.2;transport=ws", wss, Some("192.0.2.2:443")),
        ("sip:x@192.0.2.3;transport=ws", ws, None),
        ("sips:x@192.0.2.2;transport=ws", wss, Some("192.0.2.2:443")),
        ("sip:x@192.0.2.2;transport=tls", wss, None),
    ];
    for (uri, flow, remote) in table {
        let reached = match reach(&uri.parse().expect("a URI"), &flow) {
            Reach::Here(flow) => Some(flow.remote.to_string()),
            Reach::Elsewhere => None,
        };
        assert_eq!(reached.as_deref(), remote, "{uri} by {flow}");
    }
}
