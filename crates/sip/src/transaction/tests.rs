// SPDX-License-Identifier: MIT OR Apache-2.0
//! Matching, and what tests of other modules share.

use std::net::SocketAddr;
use std::sync::Arc;

use offhook_spi::Moment;

use super::key::{ClientKey, MergeKey, ServerKey};
use super::{Flow, FlowId, Limits, Received, Servers, Timing, Transport, prefers_stream, templates};
use crate::message::{Limits as ParseLimits, Message, Method, Request, Status, name};

/// A UDP flow between two documentation addresses.
pub(crate) fn a_flow() -> Flow {
    Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: ([192, 0, 2, 1], 5060).into(),
        remote: ([192, 0, 2, 2], 5060).into(),
    }
}

fn request(method: &str, via: &str, to: &str) -> Request {
    let text = format!(
        "{method} sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\nRoute: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n\
         From: <sip:a@h>;tag=f\r\nTo: <sip:b@h>{to}\r\nCall-ID: c\r\nCSeq: 3 {method}\r\n\r\n"
    );
    match Message::parse(&text.into(), &ParseLimits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

const NEW: &str = "h:5060;branch=z9hG4bK1";
const OLD: &str = "h:5060";

#[test]
fn requests_match_by_branch_sender_and_method() {
    // RFC 3261 section 17.2.3.
    let invite = ServerKey::of(&request("INVITE", NEW, ""));
    let same = [("INVITE", NEW, ""), ("ACK", NEW, ";tag=x"), ("INVITE", "H:5060;branch=z9hG4bK1;x", "")];
    for (method, via, to) in same {
        assert_eq!(ServerKey::of(&request(method, via, to)), invite, "{method} {via}");
    }
    let others =
        [("CANCEL", NEW), ("INVITE", "h:5061;branch=z9hG4bK1"), ("INVITE", "h:5060;branch=z9hG4bK2")];
    for (method, via) in others {
        assert_ne!(ServerKey::of(&request(method, via, "")), invite, "{method} {via}");
    }
    assert_eq!(ServerKey::of_invite(&request("CANCEL", NEW, "")), invite);
}

#[test]
fn requests_of_rfc_2543_match_by_all_that_they_say() {
    let invite = ServerKey::of(&request("INVITE", OLD, ""));
    assert_eq!(ServerKey::of(&request("ACK", OLD, ";tag=ours")), invite);
    assert_eq!(ServerKey::of_invite(&request("CANCEL", OLD, "")), invite);
    assert_ne!(ServerKey::of(&request("INVITE", "h:5061", "")), invite);
    let bye = ServerKey::of(&request("BYE", OLD, ";tag=1"));
    assert_ne!(ServerKey::of(&request("BYE", OLD, ";tag=2")), bye);
}

#[test]
fn responses_match_by_branch_and_method() {
    let invite = request("INVITE", NEW, "");
    let key = ClientKey::of(&invite.response(Status::OK)).expect("a key");
    assert_eq!(key, ClientKey::new("z9hG4bK1", &Method::INVITE));
    let cancel = request("CANCEL", NEW, "");
    assert_ne!(ClientKey::of(&cancel.response(Status::OK)), Some(key));
}

#[test]
fn only_requests_outside_dialogs_can_be_merged() {
    assert!(MergeKey::of(&request("INVITE", NEW, ";tag=x")).is_none());
    assert!(MergeKey::of(&request("CANCEL", NEW, "")).is_none());
    let (one, two) = (request("OPTIONS", NEW, ""), request("OPTIONS", "q;branch=z9hG4bK7", ""));
    assert_eq!(MergeKey::of(&one), MergeKey::of(&two));
}

#[test]
fn ack_and_cancel_are_made_from_their_invite() {
    let invite = request("INVITE", NEW, "");
    let mut response = invite.response(Status::BUSY_HERE);
    response.headers.set_to_tag("t");
    let ack = templates::ack(&invite, &response);
    let cancel = templates::cancel(&invite);
    for (made, method) in [(&ack, Method::ACK), (&cancel, Method::CANCEL)] {
        assert_eq!((&made.method, &made.uri), (&method, &invite.uri));
        assert_eq!(made.headers.all(name::ROUTE).collect::<Vec<_>>(), ["<sip:p1;lr>", "<sip:p2;lr>"]);
        assert_eq!(made.headers.get(name::VIA), invite.headers.get(name::VIA));
        assert_eq!(made.headers.get(name::CSEQ), Some(format!("3 {method}").as_str()));
    }
    assert_eq!(ack.headers.get(name::TO), Some("<sip:b@h>;tag=t"));
    assert_eq!(cancel.headers.get(name::TO), Some("<sip:b@h>"));
}

#[test]
fn a_response_after_its_connection_is_gone_goes_to_where_the_client_listens() {
    // RFC 3261 section 18.2.2.
    let limits = Limits { total: 9, per_source: 9 };
    let mut servers = Servers::new(Timing::default(), limits);
    let request = Arc::new(request("OPTIONS", "192.0.2.2:5070;branch=z9hG4bK1", ""));
    let source: SocketAddr = ([192, 0, 2, 2], 40_000).into();
    let fallback: SocketAddr = ([192, 0, 2, 2], 5_070).into();
    let flow = Flow { transport: Transport::Tcp, remote: source, ..a_flow() };
    let received = servers.receive(Moment::ZERO, &request, source.ip(), flow, fallback);
    let Received::New(id) = received else { panic!("{received:?}") };
    servers.closed(flow.id);
    let sent = servers.respond(Moment::ZERO, id, &request.response(Status::OK)).expect("it lives");
    assert_eq!(sent.flow.remote, fallback);
}

#[test]
fn requests_above_1300_bytes_prefer_a_stream() {
    assert!(!prefers_stream(1_300));
    assert!(prefers_stream(1_301));
}
