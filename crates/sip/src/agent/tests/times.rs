// SPDX-License-Identifier: MIT OR Apache-2.0
//! When what is sent again, to the millisecond.

use std::time::Duration;

use offhook_spi::Moment;

use super::world::{World, request};
use crate::agent::{Command, RequestId, Transport};
use crate::message::{Headers, Method, Status};

const DOUBLING_TO_FOUR: [u128; 11] =
    [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];

fn lonely() -> World {
    let mut world = World::new(2);
    world.lose(|_| true);
    world
}

#[test]
fn an_invite_is_sent_seven_times_and_given_up_after_32_seconds() {
    let mut world = lonely();
    let id = world.call(1, 1);
    world.run(Duration::from_secs(31));
    assert!(world.told(0).is_empty());
    world.run(Duration::from_secs(1));
    assert_eq!(world.times(0, "INVITE"), [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(world.told(0), ["Unreached Timeout"]);
    assert_eq!(world.ends[0].events[0].0, Moment::from_millis(32_000));
    world.cancel(0, id);
    assert_eq!(world.told(0), ["Unreached Timeout", "Failed Timeout"]);
    world.run_out();
    world.assert_empty();
}

#[test]
fn an_owner_that_does_nothing_about_a_failed_target_is_told_the_end_after_64_t1() {
    let mut world = lonely();
    world.call(1, 1);
    assert_eq!(world.run_out(), Moment::from_millis(64_000));
    assert_eq!(world.told(0), ["Unreached Timeout", "Failed Timeout"]);
    world.assert_empty();
}

#[test]
fn another_request_is_sent_eleven_times() {
    let mut world = lonely();
    let flow = world.flow(0, 1);
    let id = RequestId(1);
    world.command(0, Command::Request { id, request: request(Method::OPTIONS, 0, 1), flow });
    assert_eq!(world.run_out(), Moment::from_millis(32_000));
    assert_eq!(world.times(0, "OPTIONS"), DOUBLING_TO_FOUR);
    assert_eq!(world.told(0), ["RequestDone Timeout"]);
    world.assert_empty();
}

#[test]
fn streams_repeat_no_request() {
    for method in ["INVITE", "OPTIONS"] {
        let mut world = lonely();
        world.transport = Transport::Tcp;
        let flow = world.flow(0, 1);
        if method == "INVITE" {
            world.call(1, 1);
        } else {
            let request = request(Method::OPTIONS, 0, 1);
            world.command(0, Command::Request { id: RequestId(1), request, flow });
        }
        world.run_out();
        assert_eq!(world.times(0, method), [0]);
        world.assert_empty();
    }
}

#[test]
fn an_answer_is_repeated_until_32_seconds_on_every_transport_and_then_the_call_is_ended() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let mut world = World::new(2);
        world.transport = transport;
        world.delay = Duration::ZERO;
        world.lose(|wire| wire.kind() == "ACK");
        world.call(1, 1);
        world.run(Duration::ZERO);
        let theirs = world.incoming(1);
        world.answer(1, theirs, Status::OK);
        world.run_out();
        assert_eq!(world.times(1, "200 INVITE"), DOUBLING_TO_FOUR, "{transport:?}");
        assert_eq!(world.times(1, "BYE"), [32_000]);
        // Each repetition is acknowledged again, even the last.
        assert_eq!(world.count(0, "ACK"), DOUBLING_TO_FOUR.len());
        assert_eq!(world.told(1), ["Incoming", "Ended NoAck"]);
        assert_eq!(world.told(0), ["Answered 200", "Ended Remote"]);
        world.assert_empty();
    }
}

#[test]
fn a_refusal_is_repeated_until_32_seconds_on_udp_only() {
    for (transport, times) in [(Transport::Udp, &DOUBLING_TO_FOUR[..]), (Transport::Tcp, &[0])] {
        let mut world = World::new(2);
        world.transport = transport;
        world.delay = Duration::ZERO;
        world.lose(|wire| wire.kind() == "ACK");
        world.call(1, 1);
        world.run(Duration::ZERO);
        let theirs = world.incoming(1);
        world.reject(1, theirs, Status::BUSY_HERE);
        world.run_out();
        assert_eq!(world.times(1, "486 INVITE"), times, "{transport:?}");
        assert_eq!(world.count(0, "ACK"), times.len());
        world.assert_empty();
    }
}

#[test]
fn trying_is_said_after_200_milliseconds_of_silence() {
    let mut world = World::new(2);
    world.delay = Duration::ZERO;
    world.call(1, 1);
    world.run(Duration::from_secs(1));
    assert_eq!(world.times(1, "100 INVITE"), [200]);
    assert_eq!(world.times(0, "INVITE"), [0]);
}

#[test]
fn trying_is_not_said_when_the_owner_is_quick() {
    let mut world = World::new(2);
    world.delay = Duration::ZERO;
    world.call(1, 1);
    world.run(Duration::from_millis(199));
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::RINGING);
    world.run(Duration::from_secs(1));
    assert_eq!(world.count(1, "100 INVITE"), 0);
}

#[test]
fn ringing_is_repeated_every_minute_and_has_no_limit() {
    let mut world = World::new(2);
    world.delay = Duration::ZERO;
    let ours = world.call(1, 1);
    world.run(Duration::ZERO);
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::RINGING);
    world.run(Duration::from_secs(3_600));
    let times = world.times(1, "180 INVITE");
    assert_eq!(times.len(), 61);
    assert_eq!(times[..3], [0, 60_000, 120_000]);
    world.cancel(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_repeated_invite_gets_the_latest_provisional_response_again() {
    let mut world = World::new(2);
    world.delay = Duration::ZERO;
    world.lose(|wire| wire.from == 1);
    world.call(1, 1);
    world.run(Duration::ZERO);
    let theirs = world.incoming(1);
    world.answer(1, theirs, Status::RINGING);
    world.run(Duration::from_millis(500));
    assert_eq!(world.times(1, "180 INVITE"), [0, 500]);
}

#[test]
fn a_request_that_nobody_answers_gets_100_after_three_and_a_half_seconds_and_never_408() {
    // RFC 4320 sections 4.1 and 4.2.
    let mut world = World::new(2);
    world.delay = Duration::ZERO;
    let flow = world.flow(0, 1);
    let request = request(Method::OPTIONS, 0, 1);
    world.command(0, Command::Request { id: RequestId(1), request, flow });
    world.run_out();
    // One repetition, at 3.5 s, comes just after the 100 and gets another one; so do the later ones.
    assert_eq!(world.times(1, "100 OPTIONS").first(), Some(&3_500));
    assert!(world.sent().iter().all(|sent| !sent.contains("408")));
    assert_eq!(world.told(0), ["RequestDone Timeout"]);
    world.assert_empty();
}

#[test]
fn an_answer_after_the_client_gave_up_is_not_sent() {
    let mut world = World::new(2);
    let flow = world.flow(0, 1);
    let request = request(Method::OPTIONS, 0, 1);
    world.command(0, Command::Request { id: RequestId(1), request, flow });
    world.run(Duration::from_secs(33));
    let id = world.ends[1].events.iter().find_map(|(_, event)| match event {
        crate::agent::Event::IncomingRequest { id, .. } => Some(*id),
        _ => None,
    });
    let (status, headers) = (Status::OK, Headers::new());
    let id = id.expect("the request came");
    world.command(1, Command::RespondTo { id, status, headers, body: None });
    assert_eq!(world.count(1, "200 OPTIONS"), 0);
    world.run_out();
    world.assert_empty();
}
