// SPDX-License-Identifier: MIT OR Apache-2.0
//! Descriptions between the network and the MSP: crossing, late, foreign, too large, or of nobody.

use offhook_sipcore::agent::{Body, Command, Event, Failure, InviteId};
use offhook_sipcore::message::{Headers, Message, Method, Request, Status, name};
use offhook_spi::{
    CallKey, CallOp, Cause, Digit, DigitMode, Flowing, GenerationEnd, RefusalKind, SdpMessage, TspEvent,
};

use super::messages::{contact, invite};
use super::world::{Msp, World, body, sdp};
use crate::config::LineMedia;

/// The far end offers within a call.
fn reoffer(world: &mut World, id: InviteId, flow: Option<Flowing>) {
    let body = flow.and_then(body);
    world.agent(1, Command::Reinvite { id, headers: Headers::new(), body });
    world.run(50);
}

/// A call whose MSP the test plays from now on.
fn slow() -> (World, CallKey, InviteId) {
    let mut world = World::scripted();
    let (call, id) = world.up();
    world.ends[0].msp = Msp::Slow;
    (world, call, id)
}

fn offer(flow: Flowing) -> SdpMessage {
    SdpMessage::Offer { sdp: sdp(flow) }
}

fn answer(flow: Flowing) -> SdpMessage {
    SdpMessage::Answer { sdp: sdp(flow) }
}

#[test]
fn an_offer_that_meets_a_hold_in_the_making_has_to_wait_and_the_hold_is_answered() {
    let (mut world, call, id) = slow();
    let hold = world.op(0, call, CallOp::Hold);
    reoffer(&mut world, id, Some(Flowing::Both));
    assert_eq!(world.count(0, "491 INVITE"), 1, "{:?}", world.sent());
    world.say(0, call, offer(Flowing::Out));
    world.run(20);
    let headers = contact(1);
    world.agent(1, Command::AnswerReinvite { id, headers, body: body(Flowing::In) });
    world.run(50);
    assert_eq!(world.reply(0, hold), Some(Ok(())));
    assert_eq!(world.states(0, call), ["on hold"]);
}

#[test]
fn a_reinvite_that_waits_for_the_msp_lets_no_hold_in_between() {
    let (mut world, call, id) = slow();
    reoffer(&mut world, id, Some(Flowing::Both));
    let hold = world.op(0, call, CallOp::Hold);
    assert_eq!(world.reply(0, hold).unwrap().unwrap_err().kind, RefusalKind::Busy);
    world.say(0, call, answer(Flowing::Both));
    world.run(50);
    assert_eq!(world.count(0, "200 INVITE"), 1);
}

#[test]
fn two_holds_that_cross_are_both_answered() {
    let mut world = World::machines();
    let ours = world.call(0, &super::world::uri(1));
    world.run(100);
    let theirs = world.offered(1);
    world.op(1, theirs, CallOp::Answer);
    world.run(100);
    world.forget();
    let holds = [world.op(0, ours, CallOp::Hold), world.op(1, theirs, CallOp::Hold)];
    world.run(20_000);
    let sent = world.sent();
    assert!(world.reply(0, holds[0]).is_some() && world.reply(1, holds[1]).is_some(), "{sent:#?}");
    // Each refuses the other while its own waits (RFC 3261 section 14.1); the shorter patience gives up first.
    assert_eq!(world.reply(0, holds[0]), Some(Ok(())), "{sent:#?}");
    world.op(0, ours, CallOp::Drop { cause: None });
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_hold_whose_password_is_refused_leaves_the_call_as_it_was() {
    let (mut world, call, id) = slow();
    let hold = world.op(0, call, CallOp::Hold);
    world.say(0, call, offer(Flowing::Out));
    world.run(20);
    let mut headers = Headers::new();
    headers.push("WWW-Authenticate", "Digest realm=\"example\", nonce=\"1\"");
    world.agent(1, Command::RejectReinvite { id, status: Status::UNAUTHORIZED, headers });
    world.run(50);
    let refusal = world.reply(0, hold).unwrap().unwrap_err();
    assert_eq!(refusal.cause, Some(Cause::NotAuthorized));
    assert_eq!((world.count(0, "BYE"), world.states(0, call).len()), (0, 0));
    world.run(40_000);
    assert!(world.ends[1].events.iter().all(|event| !matches!(event, Event::Ended { .. })));
    reoffer(&mut world, id, Some(Flowing::Both));
    world.say(0, call, answer(Flowing::Both));
    world.run(50);
    let answered = |event: &Event| matches!(event, Event::ReofferAnswered { outcome: Ok(_), .. });
    assert!(world.ends[1].events.iter().any(answered), "{:#?}", world.sent());
}

#[test]
fn what_the_msp_cannot_use_is_refused_and_the_call_goes_on() {
    let (mut world, call, id) = slow();
    reoffer(&mut world, id, Some(Flowing::Both));
    world.say(0, call, SdpMessage::Unacceptable { detail: "no codec in common".to_owned() });
    world.run(50);
    let refused = |event: &Event| {
        matches!(event, Event::ReofferAnswered { outcome: Err(Failure::Refused(response)), .. }
            if response.status == Status::NOT_ACCEPTABLE_HERE)
    };
    assert!(world.ends[1].events.iter().any(refused));
    assert!(world.states(0, call).is_empty());
}

#[test]
fn the_answer_to_an_offer_that_was_taken_back_is_not_sent_for_the_next_one() {
    let (mut world, call, id) = slow();
    reoffer(&mut world, id, Some(Flowing::Out));
    withdraw(&mut world);
    reoffer(&mut world, id, Some(Flowing::Both));
    world.say(0, call, answer(Flowing::In));
    world.run(50);
    assert_eq!(world.count(0, "200 INVITE"), 0);
    world.say(0, call, answer(Flowing::Both));
    world.run(50);
    assert_eq!(world.last_response(0, "200 INVITE").body, sdp(Flowing::Both));
    let wanted = [offer(Flowing::Out), SdpMessage::Rollback, offer(Flowing::Both), SdpMessage::Commit];
    assert_eq!(world.relayed(0, call), wanted);
    assert_eq!(world.states(0, call), ["connected"]);
}

#[test]
fn an_offer_that_nobody_wants_any_more_is_not_sent_for_a_hold() {
    let (mut world, call, id) = slow();
    reoffer(&mut world, id, None);
    withdraw(&mut world);
    let hold = world.op(0, call, CallOp::Hold);
    world.say(0, call, offer(Flowing::Both));
    assert_eq!(world.count(0, "INVITE"), 0);
    world.say(0, call, offer(Flowing::Out));
    world.run(20);
    assert_eq!(world.last_request(0, "INVITE").body, sdp(Flowing::Out));
    assert_eq!(world.reply(0, hold), None);
}

#[test]
fn a_late_no_to_an_offer_that_was_taken_back_ends_nothing() {
    let (mut world, call, id) = slow();
    reoffer(&mut world, id, Some(Flowing::Out));
    withdraw(&mut world);
    world.say(0, call, SdpMessage::Unacceptable { detail: "no codec in common".to_owned() });
    world.run(50);
    assert_eq!((world.count(0, "BYE"), world.states(0, call).len()), (0, 0));
}

/// The far end takes its re-INVITE back; no agent of ours does, so this is written by hand.
fn withdraw(world: &mut World) {
    let invite = world.last_request(1, "INVITE");
    let mut cancel = Request::new(Method::CANCEL, invite.uri.clone());
    let number = invite.headers.cseq().unwrap().seq;
    for name in [name::VIA, name::FROM, name::TO, name::CALL_ID] {
        cancel.headers.push(name, invite.headers.get(name).unwrap());
    }
    cancel.headers.push(name::CSEQ, format!("{number} CANCEL"));
    world.receive(0, Message::Request(cancel));
    world.run(50);
    assert_eq!(world.count(0, "487 INVITE"), 1);
}

/// The lines of media in a body.
fn lines(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8(body.to_vec()).unwrap();
    text.lines().filter(|line| line.starts_with("m=")).map(str::to_owned).collect()
}

/// The version in a body's `o=`.
fn version(body: &[u8]) -> u64 {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let origin = text.lines().find(|line| line.starts_with("o=")).unwrap();
    origin.split(' ').nth(2).unwrap().parse().unwrap()
}

#[test]
fn a_line_whose_msp_is_missing_answers_with_silence() {
    for offered in [Some(Flowing::Both), None] {
        let mut world = World::scripted().without_msp();
        let id = world.invite(invite(offered.and_then(body)));
        world.run(50);
        let call = world.offered(0);
        let request = world.op(0, call, CallOp::Answer);
        assert_eq!(world.reply(0, request), Some(Ok(())));
        world.run(50);
        assert_eq!(lines(&world.last_response(0, "200 INVITE").body), ["m=audio 9 RTP/AVP 0"]);
        if offered.is_none() {
            world.agent(1, Command::AckWith { id, body: body(Flowing::Neither) });
            world.run(50);
        }
        assert_eq!(world.states(0, call), ["offering", "connected"]);
        let hold = world.op(0, call, CallOp::Hold);
        world.run(20);
        let headers = contact(1);
        world.agent(1, Command::AnswerReinvite { id, headers, body: body(Flowing::Neither) });
        world.run(50);
        assert_eq!(world.reply(0, hold), Some(Ok(())));
    }
}

#[test]
fn silence_answers_every_line_of_every_offer_under_a_new_version() {
    let two = |port: u16| {
        let sdp = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n");
        Some(Body::sdp(format!("{sdp}m=video 6000 RTP/AVP 31\r\n")))
    };
    let mut world = World::configured(|line| line.media = LineMedia::None);
    let id = world.invite(invite(two(4000)));
    world.run(50);
    let call = world.offered(0);
    world.op(0, call, CallOp::Answer);
    world.run(50);
    let first = world.last_response(0, "200 INVITE").body;
    assert_eq!(lines(&first), ["m=audio 9 RTP/AVP 8", "m=video 0 RTP/AVP 31"]);
    world.agent(1, Command::Reinvite { id, headers: Headers::new(), body: two(0) });
    world.run(50);
    let second = world.last_response(0, "200 INVITE").body;
    assert_eq!(lines(&second), ["m=audio 0 RTP/AVP 8", "m=video 0 RTP/AVP 31"]);
    world.op(0, call, CallOp::Hold);
    world.run(20);
    let third = world.last_request(0, "INVITE").body;
    assert_eq!(lines(&third).len(), 2, "an offer repeats the lines that were agreed on");
    assert_eq!([&first, &second, &third].map(|body| version(body)), [1, 2, 3]);
}

/// A body that is no description.
fn foreign() -> Option<Body> {
    Some(Body { kind: "application/isup".into(), bytes: "x".into() })
}

/// A description that the core would not carry.
fn huge() -> Option<Body> {
    Some(Body::sdp(format!("{}{}", sdp(Flowing::Both), "a=x:0123456789\r\n".repeat(3_700))))
}

#[test]
fn an_invite_with_another_body_is_told_what_would_be_understood() {
    let mut world = World::scripted();
    world.invite(invite(foreign()));
    world.run_out();
    let refusal = world.last_response(0, "415 INVITE");
    assert_eq!(refusal.headers.get(name::ACCEPT), Some("application/sdp"));
    assert!(world.ends[0].told.iter().all(|event| !matches!(event, TspEvent::NewCall { .. })));
    world.assert_empty();
}

#[test]
fn a_reinvite_with_another_body_is_refused_and_the_call_goes_on() {
    for (body, kind) in [(foreign(), "415 INVITE"), (huge(), "413 INVITE")] {
        let mut world = World::scripted();
        let (call, id) = world.up();
        world.agent(1, Command::Reinvite { id, headers: Headers::new(), body });
        world.run(50);
        assert_eq!(world.count(0, kind), 1, "{:?}", world.sent());
        assert!(world.relayed(0, call).is_empty() && world.states(0, call).is_empty());
        reoffer(&mut world, id, Some(Flowing::Both));
        assert_eq!(world.count(0, "200 INVITE"), 1);
    }
}

#[test]
fn an_offer_that_nobody_would_carry_is_too_large() {
    let mut world = World::scripted();
    world.invite(invite(huge()));
    world.run_out();
    assert_eq!(world.count(0, "413 INVITE"), 1, "{:?}", world.sent());
    world.assert_empty();
}

#[test]
fn an_answer_that_nobody_would_carry_ends_the_call() {
    let mut world = World::scripted();
    let call = world.call(0, &super::world::uri(1));
    world.run(50);
    let id = world.invited();
    for (status, body) in [(Status::SESSION_PROGRESS, huge()), (Status::OK, huge())] {
        world.agent(1, Command::Answer { id, status, headers: contact(1), body });
        world.run(50);
    }
    world.run_out();
    assert_eq!(
        world.states(0, call).last_chunk(),
        Some(&["disconnected IncompatibleDestination", "idle"].map(str::to_owned))
    );
    assert_eq!(world.relayed(0, call), [SdpMessage::OfferWanted { flow: Flowing::Both }]);
    world.assert_empty();
}

#[test]
fn an_answer_to_a_hold_that_nobody_would_carry_ends_the_call() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    let hold = world.op(0, call, CallOp::Hold);
    world.run(20);
    world.agent(1, Command::AnswerReinvite { id, headers: contact(1), body: huge() });
    world.run_out();
    let refusal = world.reply(0, hold).unwrap().unwrap_err();
    assert_eq!(refusal.cause, Some(Cause::IncompatibleDestination));
    assert_eq!(
        world.states(0, call).last_chunk(),
        Some(&["disconnected IncompatibleDestination", "idle"].map(str::to_owned))
    );
    world.assert_empty();
}

#[test]
fn an_early_answer_that_the_msp_cannot_use_ends_the_call_and_says_why() {
    let mut world = World::scripted();
    let call = world.call(0, &super::world::uri(1));
    world.run(50);
    let id = world.invited();
    let (status, headers) = (Status::SESSION_PROGRESS, contact(1));
    world.agent(1, Command::Answer { id, status, headers, body: body(Flowing::Both) });
    world.run(50);
    world.say(0, call, SdpMessage::Unacceptable { detail: "no codec in common".to_owned() });
    world.run_out();
    let end = ["disconnected IncompatibleDestination", "idle"].map(str::to_owned);
    assert_eq!(world.states(0, call).last_chunk(), Some(&end));
    assert_eq!(world.count(0, "CANCEL"), 1);
    world.assert_empty();
}

#[test]
fn digits_go_in_signalling_one_after_the_other() {
    let mut world = World::scripted();
    let (call, _) = world.up();
    let digits = "5#".chars().filter_map(Digit::new).collect::<Vec<_>>();
    let wrong =
        CallOp::GenerateDigits { digits: digits.clone(), mode: Some(DigitMode::Tone), duration: None };
    let wrong = world.op(0, call, wrong);
    assert_eq!(world.reply(0, wrong).unwrap().unwrap_err().kind, RefusalKind::InvalidParameter);
    for (status, sent, end) in
        [(Status::OK, 2, GenerationEnd::Done), (Status::NOT_FOUND, 1, GenerationEnd::Cancelled)]
    {
        world.forget();
        let mode = Some(DigitMode::Signalling);
        let request =
            world.op(0, call, CallOp::GenerateDigits { digits: digits.clone(), mode, duration: None });
        assert_eq!(world.reply(0, request), Some(Ok(())));
        world.run(20);
        let info = world.last_request(0, "INFO");
        assert_eq!(info.headers.get(name::CONTENT_TYPE), Some("application/dtmf-relay"));
        assert_eq!(&info.body[..], b"Signal=5\r\nDuration=100\r\n");
        assert_eq!(world.count(0, "INFO"), 1, "the second waits for the first");
        for _ in 0..sent {
            world.answer_request(1, status);
        }
        assert_eq!(world.count(0, "INFO"), sent);
        let told = world.ends[0].told.contains(&TspEvent::Generated { call, end });
        assert!(told, "{status:?}");
    }
    world.close(0);
    world.run_out();
    world.assert_empty();
}
