// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that go on with somebody else: replaced by an INVITE (RFC 3891), and referred to somebody (RFC 5589).

use offhook_sipcore::agent::{Command, Event, InviteId, RequestId as SipRequestId};
use offhook_sipcore::message::{Headers, Method, Replaces, Request, Status, name, sipfrag_status};
use offhook_spi::{CallInfo, CallKey, CallOp, Cause, Flowing, SdpMessage, TspEvent};

use super::messages::{contact, invite};
use super::world::{Msp, World, body, sdp, uri};
use crate::config::Transferred;

/// Agent 2 calls us in the place of our call with agent 1.
fn replace(world: &mut World, theirs: InviteId, flow: Option<Flowing>) -> InviteId {
    let dialog = world.dialog(1, theirs);
    let replaces = Replaces {
        call_id: dialog.call_id,
        to_tag: dialog.remote_tag,
        from_tag: dialog.local_tag,
        early_only: false,
    };
    let mut request = from_two(flow);
    request.headers.push(name::REPLACES, replaces.to_string());
    let id = world.invite_from(2, request);
    world.run(50);
    id
}

fn from_two(flow: Option<Flowing>) -> Request {
    let mut request = invite(flow.and_then(body));
    request.headers.set(name::CONTACT, format!("<{}>", uri(2)));
    request.headers.set(name::FROM, "\"Carol\" <sip:user2@example.com>");
    request
}

fn info(world: &World, call: CallKey) -> CallInfo {
    let found = world.ends[0].told.iter().rev().find_map(|event| match event {
        TspEvent::CallInfo { call: key, info } if *key == call => Some(CallInfo::clone(info)),
        _ => None,
    });
    found.unwrap()
}

fn connected(info: &CallInfo) -> &str {
    info.connected.as_ref().unwrap().address.as_ref().unwrap().as_str()
}

fn hang_up(world: &mut World, call: CallKey) {
    world.op(0, call, CallOp::Drop { cause: None });
    world.run_out();
    assert_eq!(world.states(0, call).last().unwrap(), "idle");
    world.assert_empty();
}

#[test]
fn a_replaced_call_goes_on_with_whom_took_the_place() {
    let mut world = World::three();
    let (call, theirs) = world.up();
    let before = world.dialog(1, theirs).call_id;
    let new = replace(&mut world, theirs, Some(Flowing::Both));
    assert_eq!(world.count(0, "180 INVITE"), 0, "nobody has to be asked");
    assert_eq!(world.last_response(0, "200 INVITE").body, sdp(Flowing::Both));
    assert!(
        world.ends[1].events.iter().any(|event| matches!(event, Event::Ended { .. })),
        "the old one ends"
    );
    assert_eq!(world.relayed(0, call), [SdpMessage::Offer { sdp: sdp(Flowing::Both) }, SdpMessage::Commit]);
    let info = info(&world, call);
    assert_eq!(connected(&info), "sip:user2@example.com");
    assert_eq!(info.connected.as_ref().unwrap().name.as_deref(), Some("Carol"));
    assert_eq!(info.related_call_id, None, "the core was not told the id of the first");
    assert_eq!(info.call_id, Some(world.dialog(2, new).call_id));
    assert_ne!(info.call_id, Some(before));
    assert_eq!(info.called.address.as_ref().unwrap().as_str(), uri(1), "who was called stays");
    assert_eq!(world.states(0, call), ["connected"]);
    // It is a call like any other.
    let hold = world.op(0, call, CallOp::Hold);
    world.run(20);
    world.agent(2, Command::AnswerReinvite { id: new, headers: contact(2), body: body(Flowing::In) });
    world.run(50);
    assert_eq!(world.reply(0, hold), Some(Ok(())));
    world.agent(2, Command::Bye { id: new, headers: Headers::new() });
    world.run_out();
    assert_eq!(world.states(0, call), ["connected", "on hold", "disconnected NormalClearing", "idle"]);
    world.assert_empty();
}

#[test]
fn a_replacement_without_an_offer_gets_ours() {
    let mut world = World::three();
    let (call, theirs) = world.up();
    let new = replace(&mut world, theirs, None);
    assert_eq!(world.last_response(0, "200 INVITE").body, sdp(Flowing::Both));
    world.agent(2, Command::AckWith { id: new, body: body(Flowing::Both) });
    world.run(50);
    let wanted =
        [SdpMessage::OfferWanted { flow: Flowing::Both }, SdpMessage::Answer { sdp: sdp(Flowing::Both) }];
    assert_eq!(world.relayed(0, call), wanted);
    assert_eq!(world.states(0, call), ["connected"]);
    hang_up(&mut world, call);
}

#[test]
fn a_call_without_media_is_replaced_too() {
    let mut world = World::three().without_msp();
    let (call, theirs) = world.up();
    replace(&mut world, theirs, Some(Flowing::Both));
    assert_eq!(world.states(0, call), ["connected"]);
    assert!(world.relayed(0, call).is_empty());
    hang_up(&mut world, call);
}

#[test]
fn a_replacement_that_cannot_be_used_leaves_the_call() {
    let mut world = World::three();
    world.ends[0].msp = Msp::Prompt;
    let (call, theirs) = world.up();
    world.ends[0].msp = Msp::Slow;
    replace(&mut world, theirs, Some(Flowing::Both));
    world.say(0, call, SdpMessage::Unacceptable { detail: "no codec".to_owned() });
    world.run(50);
    assert_eq!(world.count(0, "488 INVITE"), 1);
    assert_eq!(world.count(0, "BYE"), 0);
    assert!(world.states(0, call).is_empty());
    let hold = world.op(0, call, CallOp::Hold);
    world.say(0, call, SdpMessage::Offer { sdp: sdp(Flowing::Out) });
    world.run(20);
    world.agent(1, Command::AnswerReinvite { id: theirs, headers: contact(1), body: body(Flowing::In) });
    world.run(50);
    assert_eq!(world.reply(0, hold), Some(Ok(())));
    hang_up(&mut world, call);
}

#[test]
fn whoever_gives_up_replacing_leaves_the_call_and_a_late_word_counts_for_nothing() {
    let mut world = World::three();
    let (call, theirs) = world.up();
    world.ends[0].msp = Msp::Slow;
    let new = replace(&mut world, theirs, Some(Flowing::Both));
    world.run(250);
    world.agent(2, Command::Cancel { id: new, headers: Headers::new() });
    world.run(50);
    assert_eq!(world.count(0, "487 INVITE"), 1);
    assert_eq!(world.relayed(0, call).last(), Some(&SdpMessage::Rollback));
    world.say(0, call, SdpMessage::Answer { sdp: sdp(Flowing::Both) });
    assert!(world.states(0, call).is_empty());
    hang_up(&mut world, call);
}

#[test]
fn a_call_that_is_dropped_takes_its_replacement_along() {
    let mut world = World::three();
    let (call, theirs) = world.up();
    world.ends[0].msp = Msp::Slow;
    replace(&mut world, theirs, Some(Flowing::Both));
    hang_up(&mut world, call);
    assert_eq!(world.states(0, call), ["disconnected NormalClearing", "idle"]);
}

#[test]
fn a_call_that_changes_just_now_is_replaced_later() {
    let mut world = World::three();
    let (call, theirs) = world.up();
    world.op(0, call, CallOp::Hold);
    replace(&mut world, theirs, Some(Flowing::Both));
    let busy = world.last_response(0, "500 INVITE");
    assert!(busy.headers.contains(name::RETRY_AFTER));
    hang_up(&mut world, call);
}

// Being transferred.

fn following() -> World {
    World::three_with(|line| line.transferred = Transferred::Follow)
}

/// Agent 1 refers us to agent 2.
fn refer(world: &mut World, invite: InviteId, target: &str) {
    let mut headers = contact(1);
    headers.push(name::REFER_TO, target);
    headers.push(name::REFERRED_BY, "<sip:user1@example.com>");
    let id = SipRequestId(world.request().0);
    world.agent(1, Command::RequestInDialog { id, invite, method: Method::REFER, headers, body: None });
    world.run(50);
}

/// What we reported, in order; the far end takes every report.
fn reports(world: &mut World) -> Vec<u16> {
    let asked: Vec<_> = std::mem::take(&mut world.ends[1].events)
        .into_iter()
        .filter_map(|event| match event {
            Event::IncomingRequest { id, request, .. } if request.method == Method::NOTIFY => {
                assert_eq!(request.headers.event().unwrap().package, "refer");
                let code = sipfrag_status(&request.body).unwrap().code();
                let is_last = request.headers.subscription_state().unwrap().is_terminated();
                assert_eq!(is_last, code >= 200);
                Some((id, code))
            }
            _ => None,
        })
        .collect();
    let mut codes = Vec::new();
    for (id, code) in asked {
        let headers = Headers::new();
        world.agent(1, Command::RespondTo { id, status: Status::OK, headers, body: None });
        codes.push(code);
    }
    world.run(50);
    codes
}

fn target() -> String {
    format!("<{}>", uri(2))
}

fn answer(world: &mut World) -> InviteId {
    let id = world.invited_at(2);
    let headers = contact(2);
    world.agent(2, Command::Answer { id, status: Status::OK, headers, body: body(Flowing::Both) });
    world.run(50);
    id
}

#[test]
fn a_referred_call_goes_on_with_whoever_answers() {
    let mut world = following();
    let (call, theirs) = world.up();
    refer(&mut world, theirs, &target());
    assert_eq!(world.count(0, "202 REFER"), 1);
    let sent = world.last_request(0, "INVITE");
    assert_eq!(sent.uri.as_str(), uri(2));
    assert_eq!(sent.headers.get(name::REFERRED_BY), Some("<sip:user1@example.com>"));
    assert_eq!(reports(&mut world), [100]);
    let id = world.invited_at(2);
    let status = Status::RINGING;
    world.agent(2, Command::Answer { id, status, headers: contact(2), body: body(Flowing::Both) });
    world.agent(2, Command::Answer { id, status, headers: contact(2), body: None });
    world.run(50);
    assert_eq!(reports(&mut world), [180]);
    assert!(world.states(0, call).is_empty(), "the core sees a connected call all the time");
    answer(&mut world);
    assert_eq!(world.count(0, "BYE"), 0, "the last report first");
    assert_eq!(reports(&mut world), [200]);
    assert_eq!(world.count(0, "BYE"), 1);
    assert_eq!(connected(&info(&world, call)), uri(2));
    assert_eq!(world.states(0, call), ["connected"]);
    let wanted =
        [SdpMessage::OfferWanted { flow: Flowing::Both }, SdpMessage::Answer { sdp: sdp(Flowing::Both) }];
    assert_eq!(world.relayed(0, call), wanted);
    hang_up(&mut world, call);
}

#[test]
fn a_referral_that_fails_leaves_the_call_and_is_reported() {
    for (status, cause) in
        [(Status::BUSY_HERE, 486), (Status::NOT_FOUND, 404), (Status::MOVED_TEMPORARILY, 603)]
    {
        let mut world = following();
        let (call, theirs) = world.up();
        refer(&mut world, theirs, &target());
        let id = world.invited_at(2);
        world.agent(2, Command::Reject { id, status, headers: contact(2) });
        world.run(50);
        assert_eq!(reports(&mut world), [100, cause]);
        assert_eq!(world.relayed(0, call).last(), Some(&SdpMessage::Rollback));
        assert!(world.states(0, call).is_empty());
        assert!(!world.ends[0].told.iter().any(|event| matches!(event, TspEvent::Redirected { .. })));
        hang_up(&mut world, call);
    }
}

#[test]
fn a_second_referral_says_which_one_it_reports_on() {
    let mut world = following();
    let (call, theirs) = world.up();
    for nth in 0..2 {
        refer(&mut world, theirs, &target());
        let event = world.last_request(0, "NOTIFY").headers.event().unwrap();
        assert_eq!(event.id.is_some(), nth > 0, "RFC 3515 section 2.4.6");
        let id = world.invited_at(2);
        world.agent(2, Command::Reject { id, status: Status::BUSY_HERE, headers: Headers::new() });
        world.run(50);
        assert_eq!(reports(&mut world), [100, 486]);
    }
    hang_up(&mut world, call);
}

#[test]
fn whoever_refers_us_and_leaves_leaves_us_with_the_new_call() {
    for answers in [true, false] {
        let mut world = following();
        let (call, theirs) = world.up();
        refer(&mut world, theirs, &target());
        world.agent(1, Command::Bye { id: theirs, headers: Headers::new() });
        world.run(50);
        assert!(world.states(0, call).is_empty(), "nothing has ended yet");
        let id = world.invited_at(2);
        world.agent(2, Command::Answer { id, status: Status::RINGING, headers: contact(2), body: None });
        world.run(50);
        assert!(world.states(0, call).is_empty());
        if answers {
            answer(&mut world);
            assert_eq!(world.states(0, call), ["connected"]);
            hang_up(&mut world, call);
        } else {
            world.agent(2, Command::Reject { id, status: Status::BUSY_HERE, headers: Headers::new() });
            world.run_out();
            assert_eq!(world.states(0, call), ["disconnected UserBusy", "idle"]);
            world.assert_empty();
        }
    }
}

#[test]
fn a_dialog_inside_the_address_is_replaced() {
    let mut world = following();
    let (call, theirs) = world.up();
    let target = format!("<{}?Replaces=abc%40x%3Bto-tag%3D1%3Bfrom-tag%3D2&Route=%3Csip%3Aevil%3E>", uri(2));
    refer(&mut world, theirs, &target);
    let sent = world.last_request(0, "INVITE");
    assert_eq!(sent.headers.get(name::REPLACES), Some("abc@x;to-tag=1;from-tag=2"));
    assert!(!sent.headers.contains(name::ROUTE) && !sent.uri.as_str().contains('?'));
    answer(&mut world);
    hang_up(&mut world, call);
}

#[test]
fn a_call_that_is_dropped_calls_nobody_on() {
    let mut world = following();
    let (call, theirs) = world.up();
    refer(&mut world, theirs, &target());
    world.run(250);
    hang_up(&mut world, call);
    assert_eq!((world.count(0, "CANCEL"), world.count(0, "BYE")), (1, 1));
}

#[test]
fn nobody_waits_for_ever_for_whom_we_were_referred_to() {
    let mut world = following();
    let (call, theirs) = world.up();
    refer(&mut world, theirs, &target());
    let id = world.invited_at(2);
    world.agent(2, Command::Answer { id, status: Status::RINGING, headers: contact(2), body: None });
    world.run(179_000);
    assert_eq!(reports(&mut world), [100, 180]);
    world.run(1_500);
    assert_eq!(reports(&mut world), [480]);
    assert_eq!(world.count(0, "CANCEL"), 1);
    hang_up(&mut world, call);
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let mut world = following();
    let (call, theirs) = world.up();
    for (target, status) in
        [("<tel:+4930123456>", "416 REFER"), ("nonsense", "400 REFER"), ("<sip:a@b;method=BYE>", "400 REFER")]
    {
        refer(&mut world, theirs, target);
        world.last_response(0, status);
    }
    world.op(0, call, CallOp::Hold);
    refer(&mut world, theirs, &target());
    world.last_response(0, "491 REFER");
    hang_up(&mut world, call);
    assert_eq!(world.states(0, call)[0], format!("disconnected {:?}", Cause::NormalClearing));
}

#[test]
fn a_call_without_media_follows_too() {
    let mut world = following().without_msp();
    let (call, theirs) = world.up();
    refer(&mut world, theirs, &target());
    answer(&mut world);
    assert_eq!(reports(&mut world), [100, 200]);
    assert_eq!(world.states(0, call), ["connected"]);
    hang_up(&mut world, call);
}
