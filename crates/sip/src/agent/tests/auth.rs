// SPDX-License-Identifier: MIT OR Apache-2.0
//! Challenges, other targets and redirections: what the owner mends.

use std::time::Duration;

use super::world::World;
use crate::agent::{Command, InviteId};
use crate::message::{Headers, Method, Status, name};

const SHORT: Duration = Duration::from_millis(50);

/// A call from 0 to 1, refused once.
fn refused(status: Status) -> (World, InviteId) {
    let mut world = World::new(3);
    let ours = world.call(1, 1);
    world.run(SHORT);
    let theirs = world.incoming(1);
    world.reject(1, theirs, status);
    world.run(SHORT);
    (world, ours)
}

fn credentials(name: &str) -> Headers {
    let mut headers = Headers::new();
    headers.push(name, "Digest username=\"a\"");
    headers
}

#[test]
fn a_challenged_call_is_tried_again_with_the_next_number_and_another_branch() {
    for (status, header) in [
        (Status::UNAUTHORIZED, name::AUTHORIZATION),
        (Status::PROXY_AUTHENTICATION_REQUIRED, name::PROXY_AUTHORIZATION),
    ] {
        let (mut world, ours) = refused(status);
        assert_eq!(world.told(0), [format!("Challenged INVITE {}", status.code())]);
        let first = world.last(0, "INVITE").request();
        let headers = credentials(header);
        world.command(0, Command::Retry { id: ours, method: Method::INVITE, headers, flow: None });
        world.run(SHORT);
        let second = world.last(0, "INVITE").request();
        let numbers = [&first, &second].map(|it| it.headers.cseq().expect("CSeq").seq);
        assert_eq!(numbers[1], numbers[0] + 1);
        let branch = |it: &crate::message::Request| {
            it.headers.top_via().expect("Via").branch().expect("branch").to_owned()
        };
        assert_ne!(branch(&first), branch(&second));
        assert_eq!(second.headers.vias().expect("Via").len(), 1);
        for kept in [name::CALL_ID, name::FROM, name::TO, name::CONTACT] {
            assert_eq!(first.headers.get(kept), second.headers.get(kept), "{kept}");
        }
        let theirs = world.incoming(1);
        world.answer(1, theirs, Status::OK);
        world.run(SHORT);
        // Section 22.1: the ACK carries the credentials of its INVITE, and its number.
        let ack = world.last(0, "ACK").request();
        assert_eq!(ack.headers.get(header), second.headers.get(header));
        assert_eq!(ack.headers.cseq().expect("CSeq").seq, numbers[1]);
        world.bye(0, ours);
        assert_eq!(world.last(0, "BYE").request().headers.cseq().expect("CSeq").seq, numbers[1] + 1);
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn a_challenge_without_answer_fails_the_call() {
    let (mut world, ours) = refused(Status::UNAUTHORIZED);
    world.cancel(0, ours);
    assert_eq!(world.told(0), ["Challenged INVITE 401", "Failed 401"]);
    world.run_out();
    world.assert_empty();
    let (mut world, _) = refused(Status::UNAUTHORIZED);
    world.run_out();
    assert_eq!(world.told(0), ["Challenged INVITE 401", "Failed 401"]);
    world.assert_empty();
}

#[test]
fn a_challenged_bye_is_tried_again() {
    let mut world = World::new(2);
    let (ours, _) = world.connected();
    world.lose(|wire| wire.kind() == "BYE" && !wire.request().headers.contains(name::AUTHORIZATION));
    world.bye(0, ours);
    let bye = world.last(0, "BYE").request();
    let mut response = bye.response(Status::UNAUTHORIZED);
    response.headers.push(name::WWW_AUTHENTICATE, "Digest realm=\"r\", nonce=\"n\"");
    world.inject(1, 0, &String::from_utf8_lossy(&response.to_bytes()));
    assert_eq!(world.told(0), ["Challenged BYE 401"]);
    let headers = credentials(name::AUTHORIZATION);
    world.command(0, Command::Retry { id: ours, method: Method::BYE, headers, flow: None });
    world.run_out();
    assert_eq!(world.told(0), ["Challenged BYE 401", "Ended Local"]);
    assert_eq!(world.told(1), ["Ended Remote"]);
    world.assert_empty();
}

#[test]
fn a_challenged_bye_that_nobody_mends_ends_the_call_all_the_same() {
    for gives_up in [true, false] {
        let mut world = World::new(2);
        let (ours, theirs) = world.connected();
        world.lose(|wire| wire.kind() == "BYE");
        world.bye(0, ours);
        let response = world.last(0, "BYE").request().response(Status::UNAUTHORIZED);
        world.inject(1, 0, &String::from_utf8_lossy(&response.to_bytes()));
        if gives_up {
            world.cancel(0, ours);
            assert_eq!(world.told(0), ["Challenged BYE 401", "Ended Local"]);
        }
        world.lose_nothing();
        world.run(Duration::from_secs(40));
        assert_eq!(world.told(0), ["Challenged BYE 401", "Ended Local"]);
        world.lose(|_| true);
        world.bye(1, theirs);
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn a_challenged_change_is_tried_again() {
    let mut world = World::new(2);
    let (ours, theirs) = world.connected();
    world.reinvite(0, ours);
    world.run(SHORT);
    let status = Status::PROXY_AUTHENTICATION_REQUIRED;
    world.command(1, Command::RejectReinvite { id: theirs, status, headers: Headers::new() });
    world.run(SHORT);
    assert_eq!(world.told(0), ["Challenged INVITE 407"]);
    let headers = credentials(name::PROXY_AUTHORIZATION);
    world.command(0, Command::Retry { id: ours, method: Method::INVITE, headers, flow: None });
    world.run(SHORT);
    world.command(1, Command::AnswerReinvite { id: theirs, headers: Headers::new(), body: None });
    world.run(SHORT);
    assert_eq!(world.told(0), ["Challenged INVITE 407", "ReofferAnswered 200"]);
    let ack = world.last(0, "ACK").request();
    assert!(ack.headers.contains(name::PROXY_AUTHORIZATION));
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn the_next_target_gets_the_same_request_with_another_branch() {
    // RFC 3263 section 4.3.
    for status in [Some(Status::SERVICE_UNAVAILABLE), None] {
        let mut world = World::new(3);
        let ours = if let Some(status) = status {
            let (refused, ours) = refused(status);
            world = refused;
            assert_eq!(world.told(0), ["Unreached 503"]);
            ours
        } else {
            world.lose(|_| true);
            let ours = world.call(1, 1);
            world.run(Duration::from_secs(33));
            assert_eq!(world.told(0), ["Unreached Timeout"]);
            world.lose_nothing();
            ours
        };
        let first = world.last(0, "INVITE").request();
        let flow = Some(world.flow(0, 2));
        let headers = Headers::new();
        world.command(0, Command::Retry { id: ours, method: Method::INVITE, headers, flow });
        world.run(SHORT);
        let second = world.last(0, "INVITE").request();
        for kept in [name::CALL_ID, name::FROM, name::TO, name::CSEQ] {
            assert_eq!(first.headers.get(kept), second.headers.get(kept), "{kept}");
        }
        let theirs = world.incoming(2);
        world.answer(2, theirs, Status::OK);
        world.run(SHORT);
        world.bye(0, ours);
        world.run_out();
        assert_eq!(world.told(2), ["Incoming", "Acked", "Ended Remote"]);
        world.assert_empty();
    }
}

#[test]
fn a_transport_that_cannot_send_is_told_at_once() {
    let mut world = World::new(2);
    world.lose(|_| true);
    let ours = world.call(1, 1);
    let flow = world.flow(0, 1);
    world.input(0, crate::agent::Input::FlowFailed { flow: flow.id, remote: flow.remote });
    assert_eq!(world.told(0), ["Unreached Transport"]);
    world.cancel(0, ours);
    assert_eq!(world.told(0), ["Unreached Transport", "Failed Transport"]);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_way_that_fails_after_the_call_went_another_says_nothing_about_it() {
    let (mut world, ours) = refused(Status::SERVICE_UNAVAILABLE);
    let (old, new) = (world.flow(0, 1), world.flow(0, 2));
    let headers = Headers::new();
    world.command(0, Command::Retry { id: ours, method: Method::INVITE, headers, flow: Some(new) });
    world.run(SHORT);
    let theirs = world.incoming(2);
    world.answer(2, theirs, Status::RINGING);
    world.run(SHORT);
    // The ACK to the 503 did not get through.
    world.input(0, crate::agent::Input::FlowFailed { flow: old.id, remote: old.remote });
    assert_eq!(world.told(0), ["Unreached 503", "Progress 180"]);
    world.answer(2, theirs, Status::OK);
    world.run(SHORT);
    assert_eq!(world.told(0), ["Unreached 503", "Progress 180", "Answered 200"]);
    world.bye(0, ours);
    world.run_out();
    world.assert_empty();
}

#[test]
fn a_redirection_is_the_owners_to_follow() {
    let (mut world, _) = refused(Status::MOVED_TEMPORARILY);
    assert_eq!(world.told(0), ["Redirected 302"]);
    world.run_out();
    assert_eq!(world.told(0), ["Redirected 302"]);
    world.assert_empty();
}
