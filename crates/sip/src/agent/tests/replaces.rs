// SPDX-License-Identifier: MIT OR Apache-2.0
//! INVITEs that take the place of a call (RFC 3891), and how calls are named for them.

use std::time::Duration;

use super::world::{World, invite};
use crate::agent::{Body, Command, Config, Event, InviteId};
use crate::message::{Headers, Replaces, Status, name};

const SHORT: Duration = Duration::from_millis(50);

fn world() -> World {
    World::with(3, 1, &Config { supported: vec!["replaces".to_owned()], ..Config::default() })
}

/// Agent 2 calls agent 0 in the place of a dialog; which call that is for 0, if it takes the INVITE.
fn take_over(world: &mut World, replaces: &Replaces) -> Option<InviteId> {
    let mut request = invite(2, 0, Some(Body::sdp("offer")));
    request.headers.push(name::REPLACES, replaces.to_string());
    let flow = world.flow(2, 0);
    world.command(2, Command::Invite { id: InviteId::Outgoing(9), request, flow });
    world.run(SHORT);
    world.ends[0].events.iter().find_map(|(_, event)| match event {
        Event::Incoming { replaces, .. } => Some(*replaces),
        _ => None,
    })?
}

/// How agent 1 names its call with 0 to somebody who is to call 0 instead.
fn named(world: &World, id: InviteId) -> Replaces {
    let dialog = world.ends[1].agent.dialog(id).expect("an answered call");
    assert_eq!(dialog.target.as_str(), "sip:user0@192.0.2.1:5060");
    Replaces {
        call_id: dialog.call_id,
        to_tag: dialog.remote_tag,
        from_tag: dialog.local_tag,
        early_only: false,
    }
}

#[test]
fn an_answered_call_is_replaced_by_its_name() {
    let mut world = world();
    let (ours, theirs) = world.connected();
    let name = named(&world, theirs);
    assert_eq!(take_over(&mut world, &name), Some(ours));
    let new = world.incoming(0);
    world.answer(0, new, Status::OK);
    world.bye(0, ours);
    world.run(SHORT);
    assert_eq!(world.told(1), ["Ended Remote"]);
    assert!(world.told(2).contains(&"Answered 200".to_owned()));
    world.bye(0, new);
    world.run_out();
    world.assert_empty();
}

#[test]
fn whoever_names_no_living_call_is_refused() {
    let mut world = world();
    let (_, theirs) = world.connected();
    let right = named(&world, theirs);
    let early = Replaces { early_only: true, ..right.clone() };
    let foreign = Replaces { from_tag: "other".to_owned(), ..right.clone() };
    let turned = Replaces { from_tag: right.to_tag.clone(), to_tag: right.from_tag.clone(), ..right.clone() };
    for (replaces, answer) in [(early, "486 INVITE"), (foreign, "481 INVITE"), (turned, "481 INVITE")] {
        assert_eq!(take_over(&mut world, &replaces), None);
        world.last(0, answer);
        world.run_out();
        world.forget();
    }
    // Our BYE is out: the call is as good as gone.
    world.lose(|wire| wire.from == 1);
    let ours = InviteId::Outgoing(1);
    world.command(0, Command::Bye { id: ours, headers: Headers::new() });
    assert_eq!(take_over(&mut world, &right), None);
    world.last(0, "603 INVITE");
    world.run_out();
    assert!(world.ends[1].agent.dialog(theirs).is_none(), "the BYE came through");
    world.assert_empty();
}

#[test]
fn a_ringing_call_is_replaced_for_the_caller_and_not_for_the_called() {
    for (early_only, caller) in [(false, true), (true, true), (false, false)] {
        let mut world = world();
        let ours = world.call(1, 1);
        world.run(SHORT);
        let theirs = world.incoming(1);
        world.answer(1, theirs, Status::RINGING);
        world.run(SHORT);
        let ringing = world.last(1, "180 INVITE").message();
        let headers = ringing.headers();
        let tag = |address: crate::message::NameAddr| address.tag().expect("a tag").to_owned();
        let (from, to) = (tag(headers.from().expect("From")), tag(headers.to().expect("To")));
        let call_id = headers.call_id().expect("Call-ID").to_owned();
        world.forget();
        if caller {
            let replaces = Replaces { call_id, to_tag: from, from_tag: to, early_only };
            assert_eq!(take_over(&mut world, &replaces), Some(ours));
            let new = world.incoming(0);
            world.reject(0, new, Status::BUSY_HERE);
        } else {
            let mut request = invite(2, 1, None);
            let replaces = Replaces { call_id, to_tag: to, from_tag: from, early_only };
            request.headers.push(name::REPLACES, replaces.to_string());
            let flow = world.flow(2, 1);
            world.command(2, Command::Invite { id: InviteId::Outgoing(9), request, flow });
            world.run(SHORT);
            world.last(1, "481 INVITE");
        }
        world.cancel(0, ours);
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn a_malformed_name_is_a_bad_request_and_who_knows_no_replacing_passes_it_over() {
    let mut world = world();
    let mut request = invite(2, 0, None);
    request.headers.push(name::REPLACES, "no-tags");
    let flow = world.flow(2, 0);
    world.command(2, Command::Invite { id: InviteId::Outgoing(9), request, flow });
    world.run_out();
    world.last(0, "400 INVITE");
    world.assert_empty();

    let mut world = World::new(3);
    let (_, theirs) = world.connected();
    let name = named(&world, theirs);
    assert_eq!(take_over(&mut world, &name), None);
    let new = world.incoming(0);
    world.reject(0, new, Status::BUSY_HERE);
    world.bye(0, InviteId::Outgoing(1));
    world.run_out();
    world.assert_empty();
}
