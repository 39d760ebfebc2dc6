// SPDX-License-Identifier: MIT OR Apache-2.0
//! Forwarding and do not disturb by the provider itself.

use std::time::Duration;

use offhook_sipcore::message::{Response, name};
use offhook_spi::{
    Address, AddressIndex, CallOp, Cause, Flowing, ForwardRule, ForwardWhen, LineKey, LineOp, RefusalKind,
    TspCommand,
};

use super::messages::invite;
use super::world::{World, body};

fn rule(when: ForwardWhen, to: Option<&str>) -> ForwardRule {
    ForwardRule { when, caller: None, to: to.map(Address::new), after: None }
}

fn forward(world: &mut World, rules: Vec<ForwardRule>) -> Result<(), offhook_spi::Refusal> {
    let request = world.request();
    let op = LineOp::Forward { address: AddressIndex::default(), rules };
    world.command(0, TspCommand::Line { request, line: LineKey(1), op });
    world.reply(0, request).expect("a reply")
}

fn call(world: &mut World) {
    world.invite(invite(body(Flowing::Both)));
    world.run(50);
}

fn refused(world: &mut World, kind: &str) -> Response {
    world.run_out();
    world.last_response(0, kind)
}

#[test]
fn every_call_goes_where_the_rule_says_and_none_once_it_is_cancelled() {
    let mut world = World::scripted();
    forward(&mut world, vec![rule(ForwardWhen::Always, Some("sip:carol@192.0.2.8"))]).unwrap();
    call(&mut world);
    let response = refused(&mut world, "302 INVITE");
    assert_eq!(response.headers.get(name::CONTACT), Some("<sip:carol@192.0.2.8>"));
    let diversion = response.headers.get("Diversion").unwrap();
    assert!(diversion.ends_with(";reason=unconditional"), "{diversion}");
    forward(&mut world, Vec::new()).unwrap();
    call(&mut world);
    let offered = world.offered(0);
    world.op(0, offered, CallOp::Drop { cause: None });
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_rule_for_one_caller_is_for_that_caller() {
    for (caller, goes) in [("sip:nobody@example.org", false), ("sip:BOB@192.0.2.2;x=y", true)] {
        let mut world = World::scripted();
        let only = ForwardRule {
            caller: Some(Address::new(caller)),
            ..rule(ForwardWhen::Always, Some("sip:carol@192.0.2.8"))
        };
        forward(&mut world, vec![only]).unwrap();
        let mut request = invite(body(Flowing::Both));
        request.headers.set(name::FROM, "<sip:bob@192.0.2.2>");
        world.invite(request);
        world.run(50);
        assert_eq!(world.count(0, "302 INVITE") > 0, goes, "{caller}");
    }
}

#[test]
fn who_does_not_want_to_be_disturbed_is_not() {
    let mut world = World::scripted();
    forward(&mut world, vec![rule(ForwardWhen::Always, None)]).unwrap();
    call(&mut world);
    let response = refused(&mut world, "480 INVITE");
    assert!(response.headers.get(name::REASON).unwrap_or_default().contains("cause=21"));
    world.assert_empty();
}

#[test]
fn nobody_answers_in_time_and_the_call_goes_on() {
    let mut world = World::scripted();
    let after = Some(Duration::from_secs(10));
    let late = ForwardRule { after, ..rule(ForwardWhen::NoAnswer, Some("sip:mail@192.0.2.8")) };
    forward(&mut world, vec![late]).unwrap();
    call(&mut world);
    let ringing = world.offered(0);
    world.run(9_900);
    assert_eq!(world.states(0, ringing), ["offering"]);
    world.run(200);
    assert_eq!(world.states(0, ringing), ["offering", "disconnected Redirected", "idle"]);
    let response = refused(&mut world, "302 INVITE");
    assert!(response.headers.get("Diversion").unwrap().ends_with(";reason=no-answer"));
    world.assert_empty();
}

#[test]
fn a_call_that_is_answered_in_time_stays() {
    let mut world = World::scripted();
    forward(&mut world, vec![rule(ForwardWhen::NoAnswer, Some("sip:mail@192.0.2.8"))]).unwrap();
    let (call, _) = world.up();
    world.run(60_000);
    assert_eq!(world.count(0, "302 INVITE"), 0);
    world.op(0, call, CallOp::Drop { cause: None });
    world.run_out();
    world.assert_empty();
}

#[test]
fn an_application_that_is_busy_sends_the_call_on() {
    for (cause, kind) in [(Cause::UserBusy, "302 INVITE"), (Cause::CallRejected, "603 INVITE")] {
        let mut world = World::scripted();
        forward(&mut world, vec![rule(ForwardWhen::Busy, Some("sip:carol@192.0.2.8"))]).unwrap();
        call(&mut world);
        let ringing = world.offered(0);
        let dropped = world.op(0, ringing, CallOp::Drop { cause: Some(cause) });
        assert_eq!(world.reply(0, dropped), Some(Ok(())));
        refused(&mut world, kind);
        world.assert_empty();
    }
}

#[test]
fn rules_that_cannot_be_followed_are_refused_and_the_old_ones_stay() {
    let mut world = World::scripted();
    forward(&mut world, vec![rule(ForwardWhen::Always, Some("sip:carol@192.0.2.8"))]).unwrap();
    let bad = vec![rule(ForwardWhen::Busy, Some("no address at all"))];
    assert_eq!(forward(&mut world, bad).unwrap_err().kind, RefusalKind::InvalidAddress);
    let many = vec![rule(ForwardWhen::Always, None); 65];
    assert_eq!(forward(&mut world, many).unwrap_err().kind, RefusalKind::InvalidParameter);
    call(&mut world);
    refused(&mut world, "302 INVITE");
}

#[test]
fn a_second_caller_hears_busy_where_no_call_may_wait() {
    for (busy_rule, expected) in [(false, "486"), (true, "302")] {
        let mut world = World::configured(|line| line.call_waiting = Some(false));
        world.invite(invite(body(Flowing::Both)));
        world.run(50);
        assert!(world.sent().iter().any(|message| message.starts_with("0 180")), "the first one rings");
        if busy_rule {
            let to = Some(Address::new("sip:carol@192.0.2.9"));
            let rules = vec![ForwardRule { when: ForwardWhen::Busy, caller: None, to, after: None }];
            let (request, line) = (world.request(), world.line(0));
            let op = LineOp::Forward { address: AddressIndex::default(), rules };
            world.command(0, TspCommand::Line { request, line, op });
        }
        world.invite(invite(body(Flowing::Both)));
        world.run(50);
        let refused = world.sent().iter().any(|message| message.starts_with(&format!("0 {expected}")));
        assert!(refused, "{expected}: {:?}", world.sent());
    }
}
