// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transfers that we ask for: to somebody else at once (RFC 5589 section 6), and after a consultation (section 7).

use offhook_sipcore::agent::{Body, Command, Event, InviteId, RequestId as SipRequestId, ServerRequestId};
use offhook_sipcore::digest::{Password, Policy, Server, Verdict};
use offhook_sipcore::message::{Headers, Method, Request, Status, name, sipfrag};
use offhook_spi::{
    Address, CallKey, CallOp, Cause, Completion, Flowing, Moment, Refusal, RefusalKind, RequestId,
};

use super::messages::contact;
use super::world::{World, body, uri};
use crate::config::Secret;

const CAROL: &str = "sip:carol@192.0.2.9";

fn asked(world: &World, end: usize) -> (ServerRequestId, Request) {
    let found = world.ends[end].events.iter().rev().find_map(|event| match event {
        Event::IncomingRequest { id, request, .. } => Some((*id, Request::clone(request))),
        _ => None,
    });
    found.unwrap()
}

/// We transfer our call; the far end has the REFER.
fn refer(world: &mut World, call: CallKey) -> RequestId {
    let request = world.op(0, call, CallOp::BlindTransfer { to: Address::new(CAROL) });
    world.run(20);
    request
}

fn respond(world: &mut World, end: usize, status: Status) {
    let (id, _) = asked(world, end);
    world.agent(end, Command::RespondTo { id, status, headers: Headers::new(), body: None });
    world.run(20);
}

/// The far end reports.
fn report(world: &mut World, invite: InviteId, state: &str, fragment: &str) {
    let mut headers = Headers::new();
    headers.push(name::EVENT, "refer");
    headers.push(name::SUBSCRIPTION_STATE, state);
    let body = Some(Body { kind: "message/sipfrag;version=2.0".into(), bytes: fragment.to_owned().into() });
    let id = SipRequestId(world.request().0);
    let method = Method::NOTIFY;
    world.agent(1, Command::RequestInDialog { id, invite, method, headers, body });
    world.run(20);
}

fn refused(cause: Cause) -> Option<Result<(), Refusal>> {
    let refusal = Refusal::new(RefusalKind::OperationFailed, "the far end did not take the transfer");
    Some(Err(refusal.with_cause(cause)))
}

#[test]
fn a_blind_transfer_is_done_once_the_far_end_reports_success() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    let request = refer(&mut world, call);
    let (_, refer) = asked(&world, 1);
    assert_eq!(refer.headers.get(name::REFER_TO), Some("<sip:carol@192.0.2.9>"));
    assert_eq!(refer.headers.get(name::REFERRED_BY), Some("<sip:user0@192.0.2.1:5060>"));
    assert!(refer.headers.contains(name::CONTACT));
    respond(&mut world, 1, Status::ACCEPTED);
    report(&mut world, id, "active;expires=60", &sipfrag(Status::TRYING));
    report(&mut world, id, "active;expires=60", &sipfrag(Status::RINGING));
    assert_eq!(world.reply(0, request), None, "not before it is known how it went");
    report(&mut world, id, "terminated;reason=noresource", &sipfrag(Status::OK));
    assert_eq!(world.reply(0, request), Some(Ok(())));
    world.run_out();
    assert_eq!(world.states(0, call), ["disconnected NormalClearing", "idle"]);
    assert_eq!(world.count(0, "200 NOTIFY"), 3);
    assert_eq!(world.count(0, "BYE"), 1);
    world.assert_empty();
}

#[test]
fn a_transfer_that_fails_says_why_and_leaves_the_call() {
    let rows: [(Option<Status>, &str, Option<Status>, Cause); 6] = [
        (Some(Status::DECLINE), "", None, Cause::CallRejected),
        (Some(Status::METHOD_NOT_ALLOWED), "", None, Cause::NotImplemented),
        (None, "terminated;reason=noresource", Some(Status::BUSY_HERE), Cause::UserBusy),
        (None, "terminated;reason=noresource", Some(Status::NOT_FOUND), Cause::UnallocatedNumber),
        (None, "terminated;reason=rejected", Some(Status::TRYING), Cause::CallRejected),
        (None, "terminated;reason=timeout", Some(Status::RINGING), Cause::TimerExpired),
    ];
    for (answer, state, fragment, cause) in rows {
        let mut world = World::scripted();
        let (call, id) = world.up();
        let request = refer(&mut world, call);
        respond(&mut world, 1, answer.unwrap_or(Status::ACCEPTED));
        if let Some(fragment) = fragment {
            report(&mut world, id, state, &sipfrag(fragment));
        }
        assert_eq!(world.reply(0, request), refused(cause), "{answer:?} {state} {fragment:?}");
        assert!(world.states(0, call).is_empty(), "the call is as it was");
        let hold = world.op(0, call, CallOp::Hold);
        world.agent(1, Command::AnswerReinvite { id, headers: contact(1), body: body(Flowing::In) });
        world.run(20);
        world.agent(1, Command::AnswerReinvite { id, headers: contact(1), body: body(Flowing::In) });
        world.run(50);
        assert_eq!(world.reply(0, hold), Some(Ok(())), "and can be used");
        world.op(0, call, CallOp::Drop { cause: None });
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn a_far_end_that_never_reports_has_done_it_after_32_seconds() {
    let mut world = World::scripted();
    let (call, _) = world.up();
    let request = refer(&mut world, call);
    respond(&mut world, 1, Status::ACCEPTED);
    world.run(31_000);
    assert_eq!(world.reply(0, request), None);
    world.run(1_000);
    assert_eq!(world.reply(0, request), Some(Ok(())));
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_far_end_that_stops_reporting_has_failed_after_three_minutes() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    let request = refer(&mut world, call);
    respond(&mut world, 1, Status::ACCEPTED);
    report(&mut world, id, "active;expires=600", &sipfrag(Status::RINGING));
    world.run(181_000);
    assert_eq!(world.reply(0, request), refused(Cause::NoAnswer));
    world.op(0, call, CallOp::Drop { cause: None });
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_far_end_that_takes_it_and_leaves_has_done_it() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    let request = refer(&mut world, call);
    respond(&mut world, 1, Status::ACCEPTED);
    world.agent(1, Command::Bye { id, headers: Headers::new() });
    world.run_out();
    assert_eq!(world.reply(0, request), Some(Ok(())));
    assert_eq!(world.states(0, call), ["disconnected NormalClearing", "idle"]);
    world.assert_empty();
}

#[test]
fn a_far_end_that_leaves_before_it_takes_it_has_not() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    let request = refer(&mut world, call);
    world.agent(1, Command::Bye { id, headers: Headers::new() });
    world.run_out();
    assert_eq!(world.reply(0, request).unwrap().unwrap_err().kind, RefusalKind::OperationFailed);
    assert_eq!(world.states(0, call).last().unwrap(), "idle");
    world.assert_empty();
}

#[test]
fn a_report_before_the_answer_counts_and_one_after_the_end_is_refused() {
    let mut world = World::scripted();
    let (call, id) = world.up();
    let request = refer(&mut world, call);
    let (refer, _) = asked(&world, 1);
    report(&mut world, id, "terminated;reason=noresource", &sipfrag(Status::BUSY_HERE));
    assert_eq!(world.reply(0, request), refused(Cause::UserBusy));
    world.agent(
        1,
        Command::RespondTo { id: refer, status: Status::ACCEPTED, headers: Headers::new(), body: None },
    );
    world.run(20);
    report(&mut world, id, "terminated;reason=noresource", &sipfrag(Status::OK));
    assert_eq!(world.count(0, "481 NOTIFY"), 1, "nobody waits for it");
    world.op(0, call, CallOp::Drop { cause: None });
    world.run_out();
    assert_eq!(world.reply(0, request), refused(Cause::UserBusy));
    world.assert_empty();
}

#[test]
fn a_refer_that_is_challenged_goes_out_again_with_the_lines_password_and_once_only() {
    for (password, done) in [("secret", true), ("wrong", false)] {
        let mut world = World::configured(|line| line.password = Secret::new(password));
        let (call, id) = world.up();
        let request = refer(&mut world, call);
        let mut server = Server::new(Policy::new("ours"), [7; 32]);
        for _ in 0..2 {
            let (refer, sent) = asked(&world, 1);
            let known = |_: &str| Some(Password::new("secret"));
            let verdict = server.verify(&sent, Moment::ZERO, known);
            let (mut status, mut headers) = (Status::ACCEPTED, Headers::new());
            if !matches!(verdict, Verdict::Accepted { .. }) {
                status = Status::UNAUTHORIZED;
                let response = server.challenge(&sent, &verdict, Moment::ZERO);
                for challenge in response.headers.all(name::WWW_AUTHENTICATE) {
                    headers.push(name::WWW_AUTHENTICATE, challenge);
                }
            }
            world.agent(1, Command::RespondTo { id: refer, status, headers, body: None });
            world.run(40);
        }
        assert_eq!(world.count(0, "REFER"), 2);
        if done {
            report(&mut world, id, "terminated;reason=noresource", &sipfrag(Status::OK));
            assert_eq!(world.reply(0, request), Some(Ok(())));
        } else {
            assert_eq!(world.reply(0, request), refused(Cause::NotAuthorized));
            world.op(0, call, CallOp::Drop { cause: None });
        }
        // The BYE may be challenged no more here.
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn what_is_no_address_or_no_moment_is_refused_before_anything_is_sent() {
    let mut world = World::scripted();
    let (call, _) = world.up();
    let wrong = world.op(0, call, CallOp::BlindTransfer { to: Address::new("") });
    assert_eq!(world.reply(0, wrong).unwrap().unwrap_err().kind, RefusalKind::InvalidAddress);
    assert_eq!(world.count(0, "REFER"), 0);
    let first = refer(&mut world, call);
    let second = world.op(0, call, CallOp::BlindTransfer { to: Address::new(CAROL) });
    assert_eq!(world.reply(0, second).unwrap().unwrap_err().kind, RefusalKind::Busy);
    let hold = world.op(0, call, CallOp::Hold);
    assert_eq!(world.reply(0, hold).unwrap().unwrap_err().kind, RefusalKind::Busy);
    world.op(0, call, CallOp::Drop { cause: None });
    assert!(world.reply(0, first).unwrap().is_err());
    world.run_out();
    world.assert_empty();
}

// Consultations.

/// A call with 1 that is held, and one with 2 about it.
fn consulting(world: &mut World) -> (CallKey, InviteId, CallKey) {
    let (call, id) = world.up();
    let (request, other) = world.consult(0, call, Some(&uri(2)));
    world.run(20);
    assert_eq!(world.reply(0, request), None, "it is not held yet");
    world.agent(1, Command::AnswerReinvite { id, headers: contact(1), body: body(Flowing::In) });
    world.run(50);
    assert_eq!(world.reply(0, request), Some(Ok(())));
    assert_eq!(world.states(0, call), ["on hold pending transfer"]);
    assert_eq!(world.states(0, other), ["dialing"]);
    (call, id, other)
}

fn answer_consultation(world: &mut World) -> InviteId {
    let id = world.invited_at(2);
    let headers = contact(2);
    world.agent(2, Command::Answer { id, status: Status::OK, headers, body: body(Flowing::Both) });
    world.run(50);
    id
}

#[test]
fn a_consulted_party_is_joined_with_the_held_one_in_the_place_of_our_call() {
    let mut world = World::three();
    let (call, id, other) = consulting(&mut world);
    let theirs = answer_consultation(&mut world);
    assert_eq!(world.states(0, other).last().unwrap(), "connected");
    let op = CallOp::CompleteTransfer { consultation: other, completion: Completion::Transfer };
    let request = world.op(0, call, op);
    world.run(20);
    let (_, refer) = asked(&world, 1);
    let target = refer.headers.refer_to().unwrap();
    assert_eq!(target.uri.as_str(), "sip:user2@192.0.2.3:5060");
    let replaces = target.replaces.unwrap();
    let sent = world.last_request(0, "INVITE").headers;
    assert_eq!(replaces.call_id, sent.call_id().unwrap());
    assert_eq!(Some(replaces.from_tag.as_str()), sent.from().unwrap().tag());
    respond(&mut world, 1, Status::ACCEPTED);
    // The consulted party took the held one's INVITE in our place.
    world.agent(2, Command::Bye { id: theirs, headers: Headers::new() });
    world.run(20);
    report(&mut world, id, "terminated;reason=noresource", &sipfrag(Status::OK));
    assert_eq!(world.reply(0, request), Some(Ok(())));
    world.run_out();
    assert_eq!(world.states(0, call).last().unwrap(), "idle");
    assert_eq!(world.states(0, other).last().unwrap(), "idle");
    world.assert_empty();
}

#[test]
fn a_party_that_only_rings_is_left_to_the_held_one() {
    let mut world = World::three();
    let (call, id, other) = consulting(&mut world);
    let op = CallOp::CompleteTransfer { consultation: other, completion: Completion::Transfer };
    let request = world.op(0, call, op);
    world.run(20);
    assert_eq!(world.states(0, other).last().unwrap(), "idle");
    let (_, refer) = asked(&world, 1);
    let target = refer.headers.refer_to().unwrap();
    assert_eq!((target.uri.as_str(), target.replaces), ("sip:user2@192.0.2.3:5060", None));
    respond(&mut world, 1, Status::ACCEPTED);
    report(&mut world, id, "terminated;reason=noresource", &sipfrag(Status::OK));
    assert_eq!(world.reply(0, request), Some(Ok(())));
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_join_that_is_refused_leaves_both_calls_as_they_were() {
    let mut world = World::three();
    let (call, _, other) = consulting(&mut world);
    answer_consultation(&mut world);
    let op = CallOp::CompleteTransfer { consultation: other, completion: Completion::Transfer };
    let request = world.op(0, call, op);
    world.run(20);
    respond(&mut world, 1, Status::DECLINE);
    assert_eq!(world.reply(0, request), refused(Cause::CallRejected));
    assert_eq!(world.states(0, call).last().unwrap(), "on hold pending transfer");
    assert_eq!(world.states(0, other).last().unwrap(), "connected");
    world.close(0);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_held_call_that_is_retrieved_ends_the_consultation() {
    let mut world = World::three();
    let (call, id, other) = consulting(&mut world);
    answer_consultation(&mut world);
    let request = world.op(0, call, CallOp::Unhold);
    world.run(20);
    world.agent(1, Command::AnswerReinvite { id, headers: contact(1), body: body(Flowing::Both) });
    world.run(50);
    assert_eq!(world.reply(0, request), Some(Ok(())));
    assert_eq!(world.states(0, call).last().unwrap(), "connected");
    assert_eq!(world.states(0, other).last().unwrap(), "idle");
    world.close(0);
    world.run_out();
    world.assert_empty();
}

#[test]
fn either_call_goes_on_when_the_other_ends() {
    for original_ends in [true, false] {
        let mut world = World::three();
        let (call, id, other) = consulting(&mut world);
        let theirs = answer_consultation(&mut world);
        let (end, invite) = if original_ends { (1, id) } else { (2, theirs) };
        world.agent(end, Command::Bye { id: invite, headers: Headers::new() });
        world.run(50);
        let (gone, stays) = if original_ends { (call, other) } else { (other, call) };
        assert_eq!(world.states(0, gone).last().unwrap(), "idle");
        let state = if original_ends { "connected" } else { "on hold pending transfer" };
        assert_eq!(world.states(0, stays).last().unwrap(), state);
        world.close(0);
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn a_hold_that_is_refused_makes_no_consultation() {
    let mut world = World::three();
    let (call, id) = world.up();
    let (request, other) = world.consult(0, call, Some(&uri(2)));
    world.run(20);
    let status = Status::NOT_ACCEPTABLE_HERE;
    world.agent(1, Command::RejectReinvite { id, status, headers: Headers::new() });
    world.run(50);
    assert_eq!(world.reply(0, request).unwrap().unwrap_err().cause, Some(Cause::IncompatibleDestination));
    assert!(world.states(0, other).is_empty() && world.states(0, call).is_empty());
    world.close(0);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_consultation_may_be_dialled_later() {
    let mut world = World::three();
    let (call, id) = world.up();
    let (request, other) = world.consult(0, call, None);
    world.run(20);
    world.agent(1, Command::AnswerReinvite { id, headers: contact(1), body: body(Flowing::In) });
    world.run(50);
    assert_eq!(world.reply(0, request), Some(Ok(())));
    assert_eq!(world.states(0, other), ["dial tone"]);
    let wrong = world.op(0, other, CallOp::Dial { digits: "@".to_owned() });
    assert_eq!(world.reply(0, wrong).unwrap().unwrap_err().kind, RefusalKind::InvalidAddress);
    let early = CallOp::CompleteTransfer { consultation: other, completion: Completion::Transfer };
    let early = world.op(0, call, early);
    assert_eq!(world.reply(0, early).unwrap().unwrap_err().kind, RefusalKind::InvalidState);
    let dial = world.op(0, other, CallOp::Dial { digits: uri(2) });
    assert_eq!(world.reply(0, dial), Some(Ok(())));
    world.run(50);
    answer_consultation(&mut world);
    assert_eq!(world.states(0, other), ["dial tone", "dialing", "connected"]);
    let again = world.op(0, other, CallOp::Dial { digits: uri(2) });
    assert_eq!(world.reply(0, again).unwrap().unwrap_err().kind, RefusalKind::InvalidState);
    world.close(0);
    world.run_out();
    world.assert_empty();
}

#[test]
fn two_calls_swap_places_and_stay_a_pair() {
    let mut world = World::three();
    let (call, id, other) = consulting(&mut world);
    let theirs = answer_consultation(&mut world);
    let request = world.op(0, other, CallOp::SwapHold { with: call });
    world.run(20);
    world.agent(2, Command::AnswerReinvite { id: theirs, headers: contact(2), body: body(Flowing::In) });
    world.run(20);
    assert_eq!(world.reply(0, request), None, "only half of it is done");
    world.agent(1, Command::AnswerReinvite { id, headers: contact(1), body: body(Flowing::Both) });
    world.run(50);
    assert_eq!(world.reply(0, request), Some(Ok(())));
    assert_eq!(world.states(0, call).last().unwrap(), "connected");
    assert_eq!(world.states(0, other).last().unwrap(), "on hold pending transfer");
    let op = CallOp::CompleteTransfer { consultation: call, completion: Completion::Transfer };
    let request = world.op(0, other, op);
    world.run(20);
    respond(&mut world, 2, Status::DECLINE);
    assert_eq!(world.reply(0, request), refused(Cause::CallRejected));
    world.close(0);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_far_end_cannot_make_us_call_others() {
    let mut world = World::scripted();
    let (call, invite) = world.up();
    let mut headers = Headers::new();
    headers.push(name::REFER_TO, "<sip:premium@192.0.2.9>");
    let id = SipRequestId(99);
    world.agent(1, Command::RequestInDialog { id, invite, method: Method::REFER, headers, body: None });
    world.run(50);
    assert_eq!(world.count(0, "603 REFER"), 1);
    world.op(0, call, CallOp::Drop { cause: None });
    world.run_out();
    world.assert_empty();
}
