// SPDX-License-Identifier: MIT OR Apache-2.0
//! Provisional responses that are acknowledged (RFC 3262).

use std::time::Duration;

use super::world::{World, contact};
use crate::agent::{Agent, Body, Command, Config, InviteId, Reliability};
use crate::message::{Headers, Method, Status, Tokens, name};

const SHORT: Duration = Duration::from_millis(50);
const SESSION_PROGRESS: Status = Status::SESSION_PROGRESS;

fn config(reliability: Reliability) -> Config {
    Config { supported: vec!["100rel".to_owned()], reliability, ..Config::default() }
}

fn world(reliability: Reliability) -> World {
    World::with(2, 1, &config(reliability))
}

fn ring(world: &mut World, id: InviteId) {
    let (status, headers) = (Status::RINGING, contact(1));
    world.command(1, Command::Answer { id, status, headers, body: None });
}

fn called(world: &mut World) -> (InviteId, InviteId) {
    let ours = world.call(1, 1);
    world.run(SHORT);
    (ours, world.incoming(1))
}

#[test]
fn a_response_is_numbered_acknowledged_and_told_once() {
    let mut world = world(Reliability::Supported);
    let (ours, theirs) = called(&mut world);
    ring(&mut world, theirs);
    world.run(SHORT);
    let ringing = world.last(1, "180 INVITE").message();
    assert!(ringing.headers().lists(name::REQUIRE, "100rel"));
    let prack = world.last(0, "PRACK").request();
    let rack = prack.headers.rack().unwrap();
    let invite = world.last(0, "INVITE").request().headers.cseq().unwrap();
    assert_eq!((rack.rseq, rack.cseq), (ringing.headers().rseq().unwrap(), invite.seq));
    assert_eq!(rack.method, Method::INVITE);
    assert_eq!(prack.headers.cseq().unwrap().seq, invite.seq + 1, "a request of its own in the dialog");
    assert_eq!(world.count(1, "200 PRACK"), 1);
    world.answer(1, theirs, SESSION_PROGRESS);
    world.run(SHORT);
    let second = world.last(1, "183 INVITE").message().headers().rseq().unwrap();
    assert_eq!(second, rack.rseq + 1);
    world.answer(1, theirs, Status::OK);
    world.run(SHORT);
    assert_eq!(world.told(0), ["Progress 180", "Progress 183", "Answered 200"]);
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn it_is_repeated_until_the_acknowledgement_comes_through() {
    let mut world = world(Reliability::Supported);
    let (ours, theirs) = called(&mut world);
    let mut pracks = 0;
    // Two are lost; PRACK itself is sent again by its transaction.
    world.lose(move |wire| {
        wire.kind() == "PRACK" && {
            pracks += 1;
            pracks < 3
        }
    });
    let begin = world.now.since(offhook_spi::Moment::ZERO).as_millis();
    ring(&mut world, theirs);
    world.run(Duration::from_secs(20));
    let times: Vec<u128> = world.times(1, "180 INVITE").iter().map(|at| at - begin).collect();
    assert_eq!(times, [0, 500, 1_500], "T1, doubled, until the PRACK of 1.5 s");
    assert_eq!(world.told(0), ["Progress 180"]);
    world.lose_nothing();
    world.cancel(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn answers_wait_for_the_acknowledgement_of_a_description() {
    let mut world = world(Reliability::Supported);
    let (ours, theirs) = called(&mut world);
    world.lose(|wire| wire.kind() == "PRACK");
    world.answer(1, theirs, SESSION_PROGRESS);
    world.answer(1, theirs, Status::OK);
    world.run(Duration::from_secs(3));
    assert_eq!(world.count(1, "200 INVITE"), 0);
    world.lose_nothing();
    world.run(Duration::from_secs(5));
    assert_eq!(world.told(0), ["Progress 183", "Answered 200"]);
    world.bye(1, theirs);
    world.run_out();
    assert_eq!(world.told(0).last().map(String::as_str), Some("Ended Remote"));
    let _ = ours;
    world.assert_empty();
}

#[test]
fn a_call_whose_ringing_nobody_acknowledges_is_refused() {
    let mut world = world(Reliability::Supported);
    let (_, theirs) = called(&mut world);
    world.lose(|wire| wire.kind() == "PRACK");
    let begin = world.now;
    ring(&mut world, theirs);
    world.run_out();
    assert_eq!(world.told(1).last().map(String::as_str), Some("Ended NoAck"));
    assert_eq!(world.count(1, "504 INVITE"), 1);
    let refused = world.last(1, "504 INVITE").at;
    assert_eq!(refused.since(begin), Duration::from_secs(32), "64 T1 (section 3)");
    assert_eq!(world.told(0).last().map(String::as_str), Some("Failed 504"));
    world.assert_empty();
}

#[test]
fn callers_that_do_not_know_it_are_refused_or_not_as_configured() {
    for (reliability, answer, is_reliable) in [
        (Reliability::Required, "421 INVITE", false),
        (Reliability::Supported, "180 INVITE", false),
        (Reliability::WhenRequired, "180 INVITE", false),
    ] {
        let mut world = world(reliability);
        world.ends[0].agent = Agent::new(Config::default(), Tokens::from_seed(9));
        world.call(1, 1);
        world.run(SHORT);
        if reliability != Reliability::Required {
            let theirs = world.incoming(1);
            ring(&mut world, theirs);
            world.run(SHORT);
        }
        let answer = world.last(1, answer).message();
        let requires = answer.headers().lists(name::REQUIRE, "100rel");
        assert_eq!(requires, reliability == Reliability::Required, "{reliability:?}");
        assert_eq!(answer.headers().contains(name::RSEQ), is_reliable);
    }
}

#[test]
fn it_is_reliable_for_callers_that_insist_and_left_alone_where_it_may_be() {
    for (insists, reliable) in [(false, false), (true, true)] {
        let mut world = world(Reliability::WhenRequired);
        let mut request = super::world::invite(0, 1, Some(Body::sdp("offer")));
        if insists {
            request.headers.push(name::REQUIRE, "100rel");
        }
        let (id, flow) = (InviteId::Outgoing(1), world.flow(0, 1));
        world.command(0, Command::Invite { id, request, flow });
        world.run(SHORT);
        let theirs = world.incoming(1);
        ring(&mut world, theirs);
        world.run(SHORT);
        assert_eq!(world.count(0, "PRACK"), usize::from(reliable));
        world.cancel(0, id);
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn an_acknowledgement_of_nothing_is_refused() {
    let mut world = world(Reliability::Supported);
    let (ours, theirs) = called(&mut world);
    ring(&mut world, theirs);
    world.run(SHORT);
    let mut prack = world.last(0, "PRACK").request();
    let wrong = [("RAck", "1 1 INVITE", "481 PRACK"), ("RAck", "x", "400 PRACK")];
    for (number, (header, value, answer)) in (50_000_u32..).zip(wrong) {
        prack.headers.set(header, value);
        prack.headers.set(name::CSEQ, format!("{} PRACK", 1_000_000_000 + number));
        prack.headers.set(name::VIA, format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKprack{number}"));
        let text = String::from_utf8(prack.to_bytes().to_vec()).unwrap();
        world.inject(0, 1, &text);
        world.run(SHORT);
        world.last(1, answer);
    }
    world.cancel(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_cancelled_or_rejected_call_leaves_nothing_unacknowledged() {
    for cancels in [true, false] {
        let mut world = world(Reliability::Supported);
        let (ours, theirs) = called(&mut world);
        world.lose(|wire| wire.kind() == "PRACK");
        world.answer(1, theirs, SESSION_PROGRESS);
        world.run(SHORT);
        if cancels {
            world.cancel(0, ours);
        } else {
            world.reject(1, theirs, Status::BUSY_HERE);
        }
        world.lose_nothing();
        world.run_out();
        world.assert_empty();
        let end = world.told(0);
        let expected = if cancels { "Failed Cancelled" } else { "Failed 486" };
        assert_eq!(end.last().map(String::as_str), Some(expected));
    }
}

#[test]
fn an_offer_in_a_response_is_not_reliable_since_its_answer_comes_later() {
    let mut world = world(Reliability::Supported);
    let ours = world.call_with(1, 1, None);
    world.run(SHORT);
    assert!(!world.last(0, "INVITE").request().headers.lists(name::SUPPORTED, "100rel"));
    let theirs = world.incoming(1);
    world.answer(1, theirs, SESSION_PROGRESS);
    world.run(SHORT);
    assert_eq!(world.count(0, "PRACK"), 0);
    world.command(0, Command::Cancel { id: ours, headers: Headers::new() });
    world.run_out();
    world.assert_empty();
}
