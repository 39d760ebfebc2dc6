// SPDX-License-Identifier: MIT OR Apache-2.0
//! Session timers (RFC 4028) and UPDATE (RFC 3311).

use std::time::Duration;

use offhook_spi::Moment;

use super::world::World;
use crate::agent::{Agent, Body, Command, Config, SessionPolicy};
use crate::message::{Headers, Method, Status, Tokens, name};

const SHORT: Duration = Duration::from_millis(50);

fn config() -> Config {
    Config { session: Some(SessionPolicy::default()), ..Config::default() }
}

fn world() -> World {
    World::with(2, 1, &config())
}

/// The other agent is one of another make.
fn with_peer(config: &Config) -> World {
    let mut world = world();
    world.ends[1].agent = Agent::new(config.clone(), Tokens::from_seed(77));
    world
}

fn seconds(world: &World, from: usize, kind: &str) -> Vec<u128> {
    world.times(from, kind).iter().map(|at| at / 1_000).collect()
}

#[test]
fn the_caller_refreshes_at_half_time_as_long_as_the_call_lives() {
    let mut world = world();
    let ours = world.call(1, 1);
    world.run(SHORT);
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::OK);
    world.run(SHORT);
    let asked = world.last(0, "INVITE").request().headers;
    assert_eq!(asked.get(name::SESSION_EXPIRES), Some("1800"));
    assert!(asked.lists(name::SUPPORTED, "timer"));
    let answer = world.last(1, "200 INVITE").message();
    assert_eq!(answer.headers().get(name::SESSION_EXPIRES), Some("1800;refresher=uac"));
    assert!(answer.headers().lists(name::REQUIRE, "timer"));
    world.forget();
    world.run(Duration::from_secs(3_601));
    assert_eq!(seconds(&world, 0, "UPDATE"), [900, 1_800, 2_700, 3_600]);
    assert_eq!(world.count(1, "200 UPDATE"), 4);
    assert!(world.told(0).is_empty() && world.told(1).is_empty(), "the owners are not bothered");
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_far_end_that_has_vanished_is_noticed_by_either_side() {
    for survivor in [0, 1] {
        let mut world = world();
        world.connected();
        world.lose(move |wire| wire.from != survivor || wire.to != survivor);
        world.run(Duration::from_secs(3_000));
        let (end, at) = match survivor {
            // The refresh is not answered: 900 s and timer F.
            0 => ("Ended Lost", 932),
            // No refresh came: 32 s before the interval ends (section 10).
            _ => ("Ended Expired", 1_768),
        };
        assert_eq!(world.told(survivor), [end]);
        assert_eq!(seconds(&world, survivor, "BYE").first(), Some(&at));
        world.run_out();
        assert_eq!(world.ends[survivor].agent.load().dialogs, 0);
    }
}

#[test]
fn a_peer_without_update_is_refreshed_by_saying_the_same_again() {
    let allow = vec![Method::INVITE, Method::ACK, Method::CANCEL, Method::BYE];
    let mut world = with_peer(&Config { allow, ..config() });
    let (ours, theirs) = world.connected();
    world.run(Duration::from_secs(901));
    assert_eq!(world.count(0, "UPDATE"), 0);
    let again = world.last(0, "INVITE").request();
    assert_eq!(&again.body[..], b"offer");
    assert_eq!(again.headers.get(name::SESSION_EXPIRES), Some("1800;refresher=uac"));
    assert_eq!(world.told(1), ["Reoffered"]);
    let body = Some(Body::sdp("answer"));
    world.command(1, Command::AnswerReinvite { id: theirs, headers: Headers::new(), body });
    world.run(Duration::from_secs(600));
    assert!(world.told(0).is_empty(), "the owner did not ask for it");
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_longer_interval_is_granted_to_who_asks_for_it() {
    let policy = SessionPolicy { interval: 7_200, min: 3_600 };
    let mut world = with_peer(&Config { session: Some(policy), ..Config::default() });
    let ours = world.call(1, 1);
    world.run(SHORT);
    let refused = world.last(1, "422 INVITE").message();
    assert_eq!(refused.headers().get(name::MIN_SE), Some("3600"));
    let again = world.last(0, "INVITE").request().headers;
    assert_eq!(again.get(name::SESSION_EXPIRES), Some("3600"));
    assert_eq!(again.get(name::MIN_SE), Some("3600"));
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::OK);
    world.run(SHORT);
    assert_eq!(world.told(0), ["Answered 200"]);
    world.forget();
    world.run(Duration::from_secs(1_801));
    assert_eq!(seconds(&world, 0, "UPDATE"), [1_800]);
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_peer_that_always_wants_longer_ones_is_given_up() {
    let mut world = world();
    world.lose(|wire| wire.to == 1);
    let ours = world.call(1, 1);
    for (seconds, end) in [(2_000, None), (3_000, None), (4_000, None), (5_000, Some("Failed 422"))] {
        let invite = world.last(0, "INVITE").request();
        let mut refusal = invite.response(Status::SESSION_INTERVAL_TOO_SMALL);
        refusal.headers.set_to_tag("t");
        refusal.headers.push(name::MIN_SE, seconds.to_string());
        let text = String::from_utf8(refusal.to_bytes().to_vec()).unwrap();
        world.inject(1, 0, &text);
        assert_eq!(world.told(0).last().map(String::as_str), end, "{seconds}");
    }
    let _ = ours;
    world.run_out();
    world.assert_empty();
}

#[test]
fn who_knows_no_timers_has_none() {
    let mut world = with_peer(&Config::default());
    let (ours, _) = world.connected();
    world.run(Duration::from_secs(86_400));
    assert!(world.sent().is_empty(), "{:?}", world.sent());
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_refresh_that_comes_too_early_or_is_not_understood_is_tried_otherwise() {
    for (status, then) in [
        (Status::REQUEST_PENDING, "UPDATE"),
        (Status::METHOD_NOT_ALLOWED, "INVITE"),
        (Status::NOT_IMPLEMENTED, "INVITE"),
    ] {
        let mut world = world();
        let (ours, _) = world.connected();
        let mut is_first = true;
        world.lose(move |wire| wire.kind() == "UPDATE" && std::mem::take(&mut is_first));
        world.run(Duration::from_millis(900_000));
        let update = world.last(0, "UPDATE").request();
        let refusal = update.response(status);
        let text = String::from_utf8(refusal.to_bytes().to_vec()).unwrap();
        world.inject(1, 0, &text);
        world.run(Duration::from_secs(5));
        let after = world.wire.iter().rfind(|wire| wire.from == 0).unwrap().kind();
        assert!(after == then || after == "ACK", "{status:?}: {}", world.ladder());
        assert_eq!(world.ends[0].agent.load().dialogs, 1, "the call lives");
        world.bye(0, ours);
        world.run_out();
    }
}

/// An UPDATE as another make would send it, in the call from 0 to 1, seen from 0.
fn update(world: &World, invite: &crate::message::Request, to_tag: &str, body: &str) -> String {
    let headers = &invite.headers;
    let get = |name| headers.get(name).unwrap_or_default();
    let via = world.now.since(Moment::ZERO).as_nanos();
    let extra = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "UPDATE sip:user1@192.0.2.2:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKup{via}\r\n\
         From: {}\r\nTo: {};tag={to_tag}\r\nCall-ID: {}\r\nCSeq: 2000000000 UPDATE\r\n\
         Contact: <sip:user0@192.0.2.1:5060>\r\nMax-Forwards: 70\r\nSupported: timer\r\nSession-Expires: 600\r\n\
         {extra}Content-Length: {}\r\n\r\n{body}",
        get(name::FROM),
        get(name::TO),
        get(name::CALL_ID),
        body.len(),
    )
}

#[test]
fn an_update_with_an_offer_is_answered_by_the_owner_and_without_ack() {
    for (body, told) in [("offer2", vec!["Reoffered"]), ("", vec![])] {
        let mut world = world();
        let ours = world.call(1, 1);
        world.run(SHORT);
        let theirs = world.incoming(1);
        world.answer(1, theirs, Status::OK);
        world.run(SHORT);
        let invite = world.last(0, "INVITE").request();
        let answer = world.last(1, "200 INVITE").message();
        let tag = answer.headers().to().unwrap().tag().unwrap().to_owned();
        world.forget();
        let text = update(&world, &invite, &tag, body);
        world.inject(0, 1, &text);
        world.run(SHORT);
        assert_eq!(world.told(1), told);
        if !body.is_empty() {
            let answer = Some(Body::sdp("answer2"));
            world.command(1, Command::AnswerReinvite { id: theirs, headers: Headers::new(), body: answer });
            world.run(SHORT);
        }
        let answer = world.last(1, "200 UPDATE").message();
        assert_eq!(answer.headers().get(name::SESSION_EXPIRES), Some("600;refresher=uac"));
        assert_eq!(answer.body().is_empty(), body.is_empty());
        world.run(Duration::from_secs(100));
        assert_eq!(world.count(1, "200 UPDATE"), 1, "an answer to UPDATE is not repeated");
        assert_eq!(world.ends[1].agent.load().dialogs, 1);
        world.bye(0, ours);
        world.run_out();
        world.assert_empty();
    }
}
