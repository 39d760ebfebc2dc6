// SPDX-License-Identifier: MIT OR Apache-2.0
//! An hour of virtual time with a hundred thousand calls and random faults: the watchers stay silent,
//! every call ends idle, nothing is left in any table.

#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::collections::BTreeMap;
use std::time::Duration;

use offhook_core::{Answer, AppEvent, AppId, Ask, CallAsk, CallId, Interest, LineId, Privilege};
use offhook_sim::{ExchangeConfig, Faults, Random, Script, Step, World, digits};
use offhook_spi::{Address, CallState, Cause, MediaSet, Moment, Party, StateKind};

const LINES: u64 = 20;
const CALLS: u64 = 100_000;
const HOUR: Duration = Duration::from_secs(3600);

/// What the traffic wants to do at some moment.
#[derive(Debug)]
enum Plan {
    Fault,
    HangUp(AppId, CallId),
    NewCall,
    Tell(AppId, CallId, CallAsk),
}

struct Traffic {
    world: World,
    random: Random,
    plans: BTreeMap<(Moment, u64), Plan>,
    count: u64,
    agents: Vec<AppId>,
    lines: BTreeMap<String, LineId>,
    replaced: u64,
}

impl Traffic {
    fn new(seed: u64) -> Self {
        let config = ExchangeConfig {
            lines: (1..=LINES).map(|n| format!("line{n}")).collect(),
            faults: Faults {
                congestion_one_in: 50,
                cut_off_one_in: 100,
                slowness: Duration::from_millis(200),
            },
            seed,
            ..ExchangeConfig::default()
        };
        let files = BTreeMap::from([("prompt.wav".to_owned(), Duration::from_secs(3))]);
        let mut traffic = Self {
            world: World::new(config, files),
            random: Random::new(seed),
            plans: BTreeMap::new(),
            count: 0,
            agents: Vec::new(),
            lines: BTreeMap::new(),
            replaced: 0,
        };
        for (name, priority) in [("first", 10), ("second", 5)] {
            traffic.agent(name, priority, Interest { monitor: true, own: MediaSet::AUDIO });
        }
        traffic.agent("watcher", 0, Interest::MONITOR);
        traffic
    }

    fn agent(&mut self, name: &str, priority: i32, interest: Interest) {
        let app = self.world.app(name, priority);
        let Ok(Answer::Lines { lines }) = self.world.ask(app, Ask::Lines) else { panic!("no lines") };
        for line in lines {
            self.lines.insert(line.stable_id.clone(), line.line);
            if line.present {
                self.world.tell(app, Ask::OpenLine { line: line.line, interest });
            }
        }
        self.agents.push(app);
    }

    fn plan(&mut self, after: Duration, plan: Plan) {
        self.count += 1;
        self.plans.insert((self.world.now() + after, self.count), plan);
    }

    fn between(&mut self, from_millis: u64, to_millis: u64) -> Duration {
        self.random.between(Duration::from_millis(from_millis), Duration::from_millis(to_millis))
    }

    fn run(&mut self, until: Moment) {
        while let Some(entry) = self.plans.first_entry().filter(|entry| entry.key().0 <= until) {
            let ((at, _), plan) = entry.remove_entry();
            let wait = at.since(self.world.now());
            self.world.run_for(wait);
            self.read_events();
            self.carry_out(plan);
        }
        let wait = until.since(self.world.now());
        self.world.run_for(wait);
        self.read_events();
    }

    fn carry_out(&mut self, plan: Plan) {
        match plan {
            Plan::Fault => {
                self.fault();
                let next = self.between(5_000, 30_000);
                self.plan(next, Plan::Fault);
            }
            Plan::HangUp(app, call) => {
                self.world.tell(app, Ask::Call { call, op: CallAsk::Drop { cause: None } });
            }
            Plan::NewCall => {
                self.new_call();
                let next = self.between(0, 64);
                self.plan(next, Plan::NewCall);
            }
            Plan::Tell(app, call, op) => {
                self.world.tell(app, Ask::Call { call, op });
            }
        }
    }

    fn new_call(&mut self) {
        let line = self.random.below(LINES) + 1;
        if self.random.one_in(3) {
            let script = self.caller();
            let caller = Party { address: Some(Address::new("sim:somebody")), ..Party::default() };
            return self.world.ring(&format!("line{line}"), caller, script);
        }
        let to = match self.random.below(4) {
            0 => format!("sim:line{}", self.random.below(LINES) + 1),
            1 => "sim:nobody-of-that-name".to_owned(),
            _ => {
                let names: Vec<&str> = Script::NAMES.iter().map(|(name, _)| *name).collect();
                format!("sim:{}", self.random.pick(&names).unwrap())
            }
        };
        let app = self.agents[usize::try_from(self.random.below(2)).unwrap()];
        let line = self.lines[&format!("line{line}")];
        self.world.tell(app, Ask::MakeCall { line, to: Address::new(to), params: Box::default() });
    }

    fn caller(&mut self) -> Script {
        let patience = self.between(500, 20_000);
        let talk = self.between(500, 30_000);
        if self.random.one_in(4) {
            return Script::new([Step::Wait(patience), Step::HangUp(Cause::NormalClearing)]);
        }
        Script::new([
            Step::Answer,
            Step::SendDigits(digits("12#")),
            Step::Hold,
            Step::Wait(talk / 2),
            Step::Unhold,
            Step::Wait(talk / 2),
            Step::HangUp(Cause::NormalClearing),
        ])
    }

    fn fault(&mut self) {
        match self.random.below(40) {
            0 => self.world.restart_tsp(),
            1 => self.world.restart_msp(),
            2 => {
                // An application dies and another takes its place.
                let gone = self.agents.remove(0);
                self.world.app_gone(gone);
                self.replaced += 1;
                let name = format!("successor{}", self.replaced);
                self.agent(&name, 10, Interest { monitor: true, own: MediaSet::AUDIO });
                self.agents.rotate_right(1);
                return;
            }
            _ => {
                let line = format!("line{}", self.random.below(LINES) + 1);
                self.world.plug(&line, false);
                let pause = self.between(10, 2_000);
                self.world.run_for(pause);
                self.world.plug(&line, true);
            }
        }
        // Whoever used the lines opens them again, as a program would on their coming back.
        for app in self.agents.clone() {
            for line in self.lines.clone().into_values() {
                let interest = Interest { monitor: true, own: MediaSet::AUDIO };
                self.world.tell(app, Ask::OpenLine { line, interest });
            }
        }
    }

    fn read_events(&mut self) {
        for app in self.agents.clone() {
            while let Some(event) = self.world.event(app) {
                self.react(app, event);
            }
        }
    }

    fn react(&mut self, app: AppId, event: AppEvent) {
        match event {
            AppEvent::NewCall { record } if record.privilege == Privilege::Owner => {
                let after = self.between(100, 5_000);
                let op = match self.random.below(10) {
                    0 => CallAsk::Drop { cause: Some(Cause::UserBusy) },
                    1 => CallAsk::Redirect { to: Address::new("sim:friendly") },
                    2 => CallAsk::Accept,
                    _ => CallAsk::Answer,
                };
                self.plan(after, Plan::Tell(app, record.call, op));
                let talk = self.between(5_000, 40_000);
                self.plan(talk, Plan::HangUp(app, record.call));
            }
            AppEvent::CallState { call, state, .. } => self.state(app, call, &state),
            _ => {}
        }
    }

    fn state(&mut self, app: AppId, call: CallId, state: &CallState) {
        match state.kind() {
            StateKind::Idle => {
                self.world.tell(app, Ask::Deallocate { call, keep: false });
            }
            StateKind::Ringback => {
                let patience = self.between(10_000, 40_000);
                self.plan(patience, Plan::HangUp(app, call));
            }
            StateKind::Connected => {
                let op = match self.random.below(6) {
                    0 => CallAsk::Hold,
                    1 => CallAsk::GenerateDigits { digits: digits("42"), mode: None, duration: None },
                    2 => CallAsk::MonitorDigits { modes: vec![offhook_spi::DigitMode::Event] },
                    3 => CallAsk::Unhold,
                    _ => CallAsk::SelectTerminal {
                        stream: offhook_spi::StreamKey::AudioOut,
                        what: offhook_spi::Terminal::FilePlayback {
                            path: "prompt.wav".into(),
                            repeat: false,
                        },
                    },
                };
                let (soon, later) = (self.between(0, 2_000), self.between(2_000, 30_000));
                self.plan(soon, Plan::Tell(app, call, op));
                self.plan(later, Plan::HangUp(app, call));
            }
            _ => {}
        }
    }
}

#[test]
fn an_hour_of_random_traffic_leaves_nothing_behind() {
    let mut traffic = Traffic::new(20_261_123);
    traffic.plan(Duration::ZERO, Plan::NewCall);
    traffic.plan(Duration::from_secs(1), Plan::Fault);
    traffic.run(Moment::ZERO + HOUR);
    let made = traffic.world.calls_made();
    assert!(made >= CALLS, "only {made} calls in the hour");

    // No new calls and no new faults; what lives is hung up as planned.
    traffic.plans.retain(|_, plan| !matches!(plan, Plan::NewCall | Plan::Fault));
    traffic.run(Moment::ZERO + HOUR + Duration::from_secs(600));
    for app in traffic.agents.clone() {
        traffic.world.app_gone(app);
    }
    traffic.world.run_for(Duration::from_secs(120));

    let breaches = traffic.world.breaches();
    assert!(
        breaches.is_empty(),
        "{} breaches, first: {:?}",
        breaches.len(),
        &breaches[..breaches.len().min(5)]
    );
    assert_eq!(traffic.world.leftovers(), Vec::<String>::new());
    assert!(traffic.world.switch().is_empty(), "the core still holds {:?}", traffic.world.switch().counts());
    println!(
        "{made} calls, {} inputs to the core in {} of virtual time",
        traffic.world.inputs(),
        traffic.world.now()
    );
}
