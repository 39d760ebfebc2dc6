// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two applications consult, transfer, confer, park, pick up and drop as they like, at once and at any moment: a small
//! model that only listens to events must always agree with the core about who is joined with whom.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use offhook_core::{
    Answer, AppEvent, AppId, Ask, CallAsk, CallId, CallRecord, Interest, LineAsk, LineId, Privilege, Tie,
};
use offhook_sim::{ExchangeConfig, Random, World};
use offhook_spi::{Address, CallState, CompletionMode, MediaSet, PickupTarget, StateKind};
use proptest::prelude::*;

const NAMES: [&str; 3] = ["alice", "bob", "carol"];
const TARGETS: [&str; 6] = ["sim:alice", "sim:bob", "sim:carol", "sim:echo", "sim:hangs-up", "sim:busy"];

/// One thing that an application does; calls are named by their place among those that live.
#[derive(Clone, Copy, Debug)]
struct Step {
    app: usize,
    what: u8,
    one: usize,
    two: usize,
    /// Milliseconds until the next step; none means that both are under way at once.
    pause: u64,
}

fn step() -> impl Strategy<Value = Step> {
    let pause = prop_oneof![3 => Just(0), 3 => 1..200_u64, 1 => 200..5_000_u64];
    (0..2_usize, 0..26_u8, 0..10_usize, 0..10_usize, pause).prop_map(|(app, what, one, two, pause)| Step {
        app,
        what,
        one,
        two,
        pause,
    })
}

struct Desk {
    world: World,
    apps: Vec<AppId>,
    lines: Vec<LineId>,
    /// The state of each call, as the first application was told last.
    told: BTreeMap<CallId, CallState>,
}

impl Desk {
    fn new() -> Self {
        let lines = NAMES.map(str::to_owned).to_vec();
        let mut world = World::new(ExchangeConfig { lines, ..ExchangeConfig::default() }, BTreeMap::new());
        let apps = vec![world.app("first", 2), world.app("second", 1)];
        let Ok(Answer::Lines { lines }) = world.ask(apps[0], Ask::Lines) else { panic!("no lines") };
        let lines: Vec<LineId> = lines.into_iter().map(|line| line.line).collect();
        let interest = Interest { monitor: true, own: MediaSet::AUDIO };
        for app in &apps {
            for line in &lines {
                world.tell(*app, Ask::OpenLine { line: *line, interest });
            }
        }
        world.run_for(Duration::from_secs(1));
        Self { world, apps, lines, told: BTreeMap::new() }
    }

    /// What the first application, which watches everything, may know of all calls.
    fn records(&mut self) -> BTreeMap<CallId, CallRecord> {
        let Ok(Answer::Calls { calls }) = self.world.ask(self.apps[0], Ask::Calls) else {
            panic!("no calls")
        };
        calls.into_iter().map(|call| (call.call, call)).collect()
    }

    fn live(&self) -> Vec<CallId> {
        let live = self.told.iter().filter(|(_, state)| state.kind() != StateKind::Idle);
        live.map(|(call, _)| *call).collect()
    }

    fn carry_out(&mut self, step: Step) {
        let live = self.live();
        let app = self.apps[step.app];
        let line = self.lines[step.one % self.lines.len()];
        let to = Address::new(TARGETS[step.two % TARGETS.len()]);
        let some = (step.two < 6).then(|| to.clone());
        let (Some(call), Some(other)) = (
            live.get(step.one % live.len().max(1)).copied(),
            live.get(step.two % live.len().max(1)).copied(),
        ) else {
            self.world.tell(app, Ask::MakeCall { line, to, params: Box::default() });
            return;
        };
        let op = match step.what {
            0..=2 => {
                self.world.tell(app, Ask::MakeCall { line, to, params: Box::default() });
                return;
            }
            3 => {
                self.world.tell(app, Ask::SetPrivilege { call, privilege: Privilege::Owner });
                return;
            }
            4 => {
                let what = PickupTarget::Group { group: None };
                self.world.tell(app, Ask::Line { line, op: LineAsk::Pickup { what } });
                return;
            }
            5 => {
                let at = Address::new(format!("sim:park-{}", 1 + step.two % 3));
                self.world.tell(app, Ask::Line { line, op: LineAsk::Unpark { at } });
                return;
            }
            6 => {
                self.world.tell(app, Ask::Line { line, op: LineAsk::SetupConference });
                return;
            }
            7 | 8 => CallAsk::Answer,
            9 => CallAsk::Hold,
            10 | 11 => CallAsk::Unhold,
            12 => CallAsk::SwapHold { with: other },
            13 | 14 => CallAsk::SetupTransfer { to: some, params: Box::default() },
            15 => CallAsk::CompleteTransfer { consultation: other, as_conference: false },
            16 | 17 => CallAsk::CompleteTransfer { consultation: other, as_conference: true },
            18 => CallAsk::SetupConference,
            19 => CallAsk::PrepareAddToConference { to: some, number: None },
            20 => CallAsk::AddToConference { member: other },
            21 => CallAsk::RemoveFromConference,
            22 => CallAsk::BlindTransfer { to },
            23 => CallAsk::Park { at: None },
            24 => CallAsk::CompleteCall { mode: CompletionMode::CampOn },
            _ => CallAsk::Drop { cause: None },
        };
        self.world.tell(app, Ask::Call { call, op });
    }

    fn listen(&mut self) {
        let watcher = self.apps[0];
        while let Some(event) = self.world.event(watcher) {
            match event {
                AppEvent::NewCall { record } => drop(self.told.insert(record.call, record.state)),
                AppEvent::CallState { call, state, .. } => drop(self.told.insert(call, state)),
                _ => {}
            }
        }
        let second = self.apps[1];
        while self.world.event(second).is_some() {}
    }

    /// The core's records against each other and against what was told.
    fn check(&mut self) -> Result<(), TestCaseError> {
        self.listen();
        prop_assert_eq!(self.world.breaches(), Vec::<String>::new());
        let records = self.records();
        for (id, record) in &records {
            if let Some(told) = self.told.get(id) {
                prop_assert_eq!(told, &record.state, "what was told of {} is what it is", id);
            }
            let is_conferenced = matches!(record.state, CallState::Conferenced { .. });
            let seat = record.ties.iter().find_map(|tie| match tie {
                Tie::Member { conference } => Some(*conference),
                _ => None,
            });
            prop_assert_eq!(
                is_conferenced,
                seat.is_some(),
                "{} is {:?} with {:?}",
                id,
                record.state,
                record.ties
            );
            for tie in &record.ties {
                self.check_tie(*id, tie, &records)?;
            }
        }
        Ok(())
    }

    /// Whatever one call says of another, the other says of the one.
    fn check_tie(
        &self,
        id: CallId,
        tie: &Tie,
        records: &BTreeMap<CallId, CallRecord>,
    ) -> Result<(), TestCaseError> {
        let answers = |other: &CallId, answer: &dyn Fn(&Tie) -> bool| {
            records.get(other).is_none_or(|record| record.ties.iter().any(answer))
        };
        match tie {
            Tie::Conference { members } => {
                let once: BTreeSet<&CallId> = members.iter().collect();
                prop_assert_eq!(once.len(), members.len(), "nobody sits twice in {}", id);
                for member in members {
                    let sits = |tie: &Tie| *tie == Tie::Member { conference: id };
                    prop_assert!(answers(member, &sits), "{} does not know that it sits in {}", member, id);
                }
            }
            Tie::Member { conference } => {
                let knows = |tie: &Tie| matches!(tie, Tie::Conference { members } if members.contains(&id));
                prop_assert!(answers(conference, &knows), "{} does not know of {}", conference, id);
            }
            Tie::ConsultedBy { consultation, .. } => {
                let knows = |tie: &Tie| matches!(tie, Tie::Consults { about, .. } if *about == id);
                prop_assert!(answers(consultation, &knows), "{} does not know of {}", consultation, id);
            }
            Tie::Consults { about, .. } => {
                let knows =
                    |tie: &Tie| matches!(tie, Tie::ConsultedBy { consultation, .. } if *consultation == id);
                prop_assert!(answers(about, &knows), "{} does not know of {}", about, id);
            }
            other => prop_assert!(false, "{:?} is not known here", other),
        }
        Ok(())
    }
}

/// What is tested is not tested unless it happens.
#[test]
fn random_steps_lead_into_every_kind_of_joining() {
    let mut random = Random::new(1);
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let mut desk = Desk::new();
        for _ in 0..60 {
            let mut below = |bound: u64| random.below(bound) as usize;
            let (app, one, two) = (below(2), below(10), below(10));
            let (what, pause) = (below(26) as u8, below(2_000) as u64);
            desk.carry_out(Step { app, what, one, two, pause });
            desk.world.run_for(Duration::from_millis(pause));
            desk.listen();
            seen.extend(desk.told.values().map(|state| state.kind().name()));
        }
    }
    for wanted in ["conferenced", "on hold pending conference", "on hold pending transfer", "on hold"] {
        assert!(seen.contains(wanted), "'{wanted}' never came; there were {seen:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn everybody_agrees_who_is_joined_with_whom(steps in proptest::collection::vec(step(), 1..80)) {
        let mut desk = Desk::new();
        for step in steps {
            desk.carry_out(step);
            desk.world.run_for(Duration::from_millis(step.pause));
            desk.check()?;
        }
        for app in desk.apps.clone() {
            desk.world.app_gone(app);
        }
        desk.world.run_for(Duration::from_secs(300));
        prop_assert_eq!(desk.world.breaches(), Vec::<String>::new());
        prop_assert_eq!(desk.world.leftovers(), Vec::<String>::new());
        prop_assert!(desk.world.switch().is_empty(), "{:?}", desk.world.switch().counts());
    }
}
