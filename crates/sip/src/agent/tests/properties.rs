// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever the network does: every call ends on both sides and nothing is left.

use std::time::Duration;

use proptest::prelude::*;

use super::world::World;
use crate::agent::{Body, Command, Event, InviteId, fuzz};
use crate::message::{Headers, Method, Status};

/// One thing that an owner does after a while.
#[derive(Clone, Debug)]
enum Deed {
    Ring,
    Answer,
    Reject,
    Cancel,
    HangUp { side: usize },
    Change { side: usize },
    Inform { side: usize },
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        1 => Just(Deed::Ring),
        4 => Just(Deed::Answer),
        1 => Just(Deed::Reject),
        1 => Just(Deed::Cancel),
        1 => (0..2_usize).prop_map(|side| Deed::HangUp { side }),
        3 => (0..2_usize).prop_map(|side| Deed::Change { side }),
        1 => (0..2_usize).prop_map(|side| Deed::Inform { side }),
    ]
}

/// What owners do that always answer: accept changes, acknowledge late answers, give up what fails.
fn answer_back(world: &mut World, seen: &mut [usize; 2]) {
    for (side, seen) in seen.iter_mut().enumerate() {
        while *seen < world.ends[side].events.len() {
            let index = *seen;
            *seen += 1;
            let headers = Headers::new();
            let body = Some(Body::sdp("body"));
            let command = match &world.ends[side].events[index].1 {
                Event::Reoffered { id, .. } => Command::AnswerReinvite { id: *id, headers, body },
                Event::Answered { id, .. } | Event::ReofferAnswered { id, outcome: Ok(_) } => {
                    Command::AckWith { id: *id, body }
                }
                Event::Unreached { id, .. } | Event::Challenged { id, .. } => {
                    Command::Cancel { id: *id, headers }
                }
                Event::IncomingRequest { id, .. } => {
                    Command::RespondTo { id: *id, status: Status::OK, headers, body: None }
                }
                _ => continue,
            };
            world.command(side, command);
        }
    }
}

fn let_pass(world: &mut World, seen: &mut [usize; 2], time: Duration) {
    answer_back(world, seen);
    world.run_with(time, |world| answer_back(world, seen));
}

/// Says whether an event is the last one of a call.
fn is_last(event: &Event, call: InviteId) -> bool {
    match event {
        Event::Ended { id, .. } | Event::Failed { id, .. } | Event::Redirected { id, .. } => *id == call,
        _ => false,
    }
}

fn is_of(event: &Event, call: InviteId) -> bool {
    format!("{event:?}").contains(&format!("id: {call:?}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_call_ends_and_nothing_is_left(
        seed in 1..u64::MAX / 2_000,
        loss in 0..500_u64,
        copies in 0..300_u64,
        jitter in 0..2_000_u64,
        late_offer in any::<bool>(),
        deeds in prop::collection::vec((deed(), 0..4_000_u64), 0..8),
    ) {
        let mut world = World::with(2, seed % 1_000_000, &crate::agent::Config::default());
        (world.loss, world.copies, world.jitter) = (loss, copies, Duration::from_millis(jitter));
        let mut seen = [0, 0];
        let body = (!late_offer).then(|| Body::sdp("offer"));
        let ours = world.call_with(1, 1, body);
        let theirs = InviteId::Incoming(1);
        let ids = [ours, theirs];
        for (serial, (deed, wait)) in deeds.into_iter().enumerate() {
            let_pass(&mut world, &mut seen, Duration::from_millis(wait));
            match deed {
                Deed::Ring => world.answer(1, theirs, Status::RINGING),
                Deed::Answer => world.answer(1, theirs, Status::OK),
                Deed::Reject => world.reject(1, theirs, Status::BUSY_HERE),
                Deed::Cancel => world.cancel(0, ours),
                Deed::HangUp { side } => world.bye(side, ids[side]),
                Deed::Change { side } => world.reinvite(side, ids[side]),
                Deed::Inform { side } => {
                    let id = crate::agent::RequestId(serial as u64);
                    let (invite, method, headers) = (ids[side], Method::INFO, Headers::new());
                    world.command(side, Command::RequestInDialog { id, invite, method, headers, body: None });
                }
            }
        }
        let_pass(&mut world, &mut seen, Duration::from_secs(5));
        world.bye(0, ours);
        let_pass(&mut world, &mut seen, Duration::from_secs(200));
        // A callee whose caller's BYE was lost every time has to hang up itself.
        world.bye(1, theirs);
        let_pass(&mut world, &mut seen, Duration::from_secs(200));
        world.assert_empty();
        for (side, id) in ids.into_iter().enumerate() {
            let events = &world.ends[side].events;
            let lasts = events.iter().filter(|(_, event)| is_last(event, id)).count();
            let knew = side == 0 || world.told(1).iter().any(|told| told == "Incoming");
            prop_assert_eq!(lasts, usize::from(knew), "{:?}\n{}", world.told(side), world.ladder());
            let after = events.iter().skip_while(|(_, event)| !is_last(event, id)).skip(1);
            let late: Vec<_> = after
                .filter(|(_, event)| is_of(event, id) && !matches!(event, Event::IncomingRequest { .. }))
                .collect();
            prop_assert!(late.is_empty(), "{:?}", late);
        }
    }

    #[test]
    fn no_sequence_of_inputs_panics_or_leaves_anything(data in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz::operations(&data);
    }
}
