// SPDX-License-Identifier: MIT OR Apache-2.0
//! CANCEL and its races (RFC 3261 section 9).

use std::time::Duration;

use super::world::World;
use crate::agent::{Event, InviteId};
use crate::message::{Status, name};

fn ringing() -> (World, InviteId, InviteId) {
    let mut world = World::new(2);
    let ours = world.call(1, 1);
    world.run(Duration::from_millis(50));
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::RINGING);
    world.run(Duration::from_millis(50));
    (world, ours, theirs)
}

#[test]
fn a_ringing_call_is_cancelled() {
    let (mut world, ours, _) = ringing();
    world.cancel(0, ours);
    world.run_out();
    assert_eq!(world.told(0), ["Progress 180", "Failed Cancelled"]);
    assert_eq!(world.told(1), ["Incoming", "Ended Cancelled"]);
    let sent = world.sent();
    assert_eq!(sent[2..], ["0 CANCEL", "1 200 CANCEL", "1 487 INVITE", "0 ACK"]);
    world.assert_empty();
}

#[test]
fn cancel_has_the_branch_and_uri_of_its_invite_and_a_to_without_tag() {
    let (mut world, ours, _) = ringing();
    world.cancel(0, ours);
    let invite = world.last(0, "INVITE").request();
    let cancel = world.last(0, "CANCEL").request();
    for header in [name::VIA, name::FROM, name::TO, name::CALL_ID] {
        assert_eq!(cancel.headers.get(header), invite.headers.get(header), "{header}");
    }
    assert_eq!(cancel.uri, invite.uri);
    assert!(cancel.headers.to().expect("To").tag().is_none());
    let (ours, theirs) = (cancel.headers.cseq().expect("CSeq"), invite.headers.cseq().expect("CSeq"));
    assert_eq!(ours.seq, theirs.seq);
}

#[test]
fn every_response_of_a_call_has_the_same_to_tag() {
    let (mut world, ours, _) = ringing();
    world.cancel(0, ours);
    world.run_out();
    let mut tags: Vec<_> = ["180 INVITE", "200 CANCEL", "487 INVITE"]
        .iter()
        .map(|kind| world.last(1, kind).message().headers().to().expect("To").tag().map(str::to_owned))
        .collect();
    assert!(tags[0].is_some());
    tags.dedup();
    assert_eq!(tags.len(), 1);
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut world = World::new(2);
    let ours = world.call(1, 1);
    world.cancel(0, ours);
    world.run(Duration::from_millis(199));
    assert_eq!(world.count(0, "CANCEL"), 0);
    // The 100 comes by itself after 200 ms.
    world.run_out();
    assert_eq!(world.times(0, "CANCEL"), [220]);
    assert_eq!(world.told(0), ["Failed Cancelled"]);
    assert_eq!(world.told(1), ["Incoming", "Ended Cancelled"]);
    world.assert_empty();
}

#[test]
fn a_call_that_reaches_nobody_can_be_cancelled_too() {
    let mut world = World::new(2);
    world.lose(|_| true);
    let ours = world.call(1, 1);
    world.cancel(0, ours);
    world.run_out();
    assert_eq!(world.count(0, "CANCEL"), 0);
    assert_eq!(world.told(0), ["Failed Cancelled"]);
    world.assert_empty();
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let (mut world, ours, theirs) = ringing();
    world.answer(1, theirs, Status::OK);
    world.cancel(0, ours);
    world.run_out();
    assert_eq!(world.told(0), ["Progress 180", "Failed Cancelled"]);
    assert_eq!(world.told(1), ["Incoming", "Acked", "Ended Remote"]);
    // The CANCEL is answered with 200 and has no effect.
    assert_eq!((world.count(1, "200 CANCEL"), world.count(1, "487 INVITE")), (1, 0));
    assert_eq!((world.count(0, "ACK"), world.count(0, "BYE")), (1, 1));
    world.assert_empty();
}

#[test]
fn a_refusal_that_crosses_the_cancel_ends_the_call() {
    let (mut world, ours, theirs) = ringing();
    world.reject(1, theirs, Status::BUSY_HERE);
    world.cancel(0, ours);
    world.run_out();
    assert_eq!(world.told(0), ["Progress 180", "Failed Cancelled"]);
    assert_eq!(world.told(1), ["Incoming", "Ended Rejected"]);
    world.assert_empty();
}

#[test]
fn an_answer_that_crossed_the_owners_cancel_is_ended_with_bye() {
    let (mut world, ours, theirs) = ringing();
    world.answer(1, theirs, Status::OK);
    world.run(Duration::from_millis(50));
    world.cancel(0, ours);
    world.run_out();
    assert_eq!(world.told(0), ["Progress 180", "Answered 200", "Ended Local"]);
    assert_eq!(world.count(0, "CANCEL"), 0);
    world.assert_empty();
}

#[test]
fn without_any_final_response_a_cancelled_call_ends_after_64_t1() {
    let (mut world, ours, theirs) = ringing();
    world.lose(|_| true);
    world.cancel(0, ours);
    world.run(Duration::from_secs(32));
    assert_eq!(world.told(0), ["Progress 180", "Failed Cancelled"]);
    world.bye(1, theirs);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_cancel_for_nothing_gets_481() {
    let mut world = World::new(2);
    world.inject(
        0,
        1,
        "CANCEL sip:x@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnone\nMax-Forwards: 70\n\
         From: <sip:a@b>;tag=1\nTo: <sip:x@y>\nCall-ID: none\nCSeq: 1 CANCEL\nContent-Length: 0\n\n",
    );
    assert_eq!(world.sent(), ["1 481 CANCEL"]);
    world.run_out();
    world.assert_empty();
}

#[test]
fn an_invite_of_rfc_2543_without_cookie_is_matched_by_what_it_says() {
    let mut world = World::new(2);
    let invite = "INVITE sip:x@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060\nMax-Forwards: 70\n\
         From: <sip:a@b>;tag=1\nTo: <sip:x@y>\nCall-ID: old\nCSeq: 1 INVITE\nContact: <sip:a@192.0.2.1>\n\
         Content-Length: 0\n\n";
    world.inject(0, 1, invite);
    world.inject(0, 1, invite);
    assert_eq!(world.told(1), ["Incoming"]);
    let id = world.incoming(1);
    world.inject(0, 1, &invite.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL"));
    assert_eq!(world.told(1), ["Incoming", "Ended Cancelled"]);
    assert_eq!(world.sent(), ["1 200 CANCEL", "1 487 INVITE"]);
    // The ACK has our tag in To, the INVITE had none.
    let to = world.last(1, "487 INVITE").message().headers().get(name::TO).expect("To").to_owned();
    let ack = invite.replace("INVITE", "ACK").replace("<sip:x@y>", &to);
    world.inject(0, 1, &ack);
    world.run(Duration::from_secs(31));
    assert_eq!(world.count(1, "487 INVITE"), 1, "the ACK was understood");
    assert!(matches!(id, InviteId::Incoming(1)));
    world.run_out();
    world.assert_empty();
}

#[test]
fn the_owner_sees_the_headers_of_the_cancel() {
    let (mut world, ours, _) = ringing();
    let mut headers = crate::message::Headers::new();
    headers.push(name::REASON, "SIP;cause=200;text=\"Call completed elsewhere\"");
    world.command(0, crate::agent::Command::Cancel { id: ours, headers });
    world.run_out();
    let reason = world.ends[1].events.iter().find_map(|(_, event)| match event {
        Event::Ended { why: crate::agent::Ending::Cancelled(request), .. } => {
            request.headers.get(name::REASON).map(str::to_owned)
        }
        _ => None,
    });
    assert_eq!(reason.as_deref(), Some("SIP;cause=200;text=\"Call completed elsewhere\""));
}
