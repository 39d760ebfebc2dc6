// SPDX-License-Identifier: MIT OR Apache-2.0
//! The switch against a small reference model: two applications and a provider do as they like, and after
//! each step both must agree on who holds which call, with which privilege, and in which state it is.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::*;
use offhook_core::{Answer, AppId, Ask, AskId, CallAsk, CallId, HandOff, Input, Privilege};
use offhook_spi::{CallKey, CallOp, CallState, Cause, Refusal, RefusalKind, TspCommand};
use proptest::prelude::*;

/// One thing that somebody does; calls are named by their place among all that ever were.
#[derive(Clone, Copy, Debug)]
enum Step {
    Make { app: AppId, is_refused: bool },
    Incoming,
    Connect(usize),
    Disconnect(usize),
    End(usize),
    Hold { app: AppId, call: usize, is_refused: bool },
    Drop { app: AppId, call: usize, is_refused: bool },
    Deallocate { app: AppId, call: usize, keep: bool },
    Privilege { app: AppId, call: usize, wanted: Privilege },
    HandOff { app: AppId, call: usize, to: AppId },
    LineCalls(AppId),
    Leave(AppId),
}

fn step() -> impl Strategy<Value = Step> {
    let app = prop_oneof![Just(A), Just(B)];
    let (call, flag) = (0..12_usize, any::<bool>());
    let privilege = prop_oneof![Just(Privilege::Monitor), Just(Privilege::Owner)];
    prop_oneof![
        3 => (app.clone(), prop::bool::weighted(0.2)).prop_map(|(app, is_refused)| Step::Make { app, is_refused }),
        2 => Just(Step::Incoming),
        4 => call.clone().prop_map(Step::Connect),
        2 => call.clone().prop_map(Step::Disconnect),
        2 => call.clone().prop_map(Step::End),
        2 => (app.clone(), call.clone(), flag).prop_map(|(app, call, is_refused)| Step::Hold { app, call, is_refused }),
        2 => (app.clone(), call.clone(), flag).prop_map(|(app, call, is_refused)| Step::Drop { app, call, is_refused }),
        3 => (app.clone(), call.clone(), flag).prop_map(|(app, call, keep)| Step::Deallocate { app, call, keep }),
        4 => (app.clone(), call.clone(), privilege)
            .prop_map(|(app, call, wanted)| Step::Privilege { app, call, wanted }),
        3 => (app.clone(), call, app.clone()).prop_map(|(app, call, to)| Step::HandOff { app, call, to }),
        1 => app.clone().prop_map(Step::LineCalls),
        1 => app.prop_map(Step::Leave),
    ]
}

/// What the model knows of one call.
#[derive(Clone, Debug)]
struct Known {
    id: CallId,
    key: CallKey,
    state: CallState,
    holders: BTreeMap<AppId, Privilege>,
    is_dropped: bool,
}

impl Known {
    fn is_over(&self) -> bool {
        self.state == CallState::Idle
    }

    fn owners(&self) -> usize {
        self.holders.values().filter(|privilege| **privilege == Privilege::Owner).count()
    }

    fn is_sole_owner(&self, app: AppId) -> bool {
        self.owners() == 1 && self.holders.get(&app) == Some(&Privilege::Owner)
    }

    /// Why an application may not change the call, if it may not.
    fn refuses(&self, app: AppId) -> Option<RefusalKind> {
        match self.holders.get(&app) {
            None => Some(RefusalKind::StaleHandle),
            Some(Privilege::Monitor) => Some(RefusalKind::NotOwner),
            Some(Privilege::Owner) => None,
        }
    }

    /// Nobody is left to drop a call whose far end has gone: the core does.
    fn drop_if_unwanted(&mut self) {
        if self.owners() == 0 && matches!(self.state, CallState::Disconnected { .. }) {
            self.is_dropped = true;
        }
    }
}

/// The switch and the model side by side.
struct Pair {
    world: World,
    calls: Vec<Known>,
    /// Who registered first.
    order: Vec<AppId>,
    incoming: u64,
    asks: Vec<AskId>,
    /// Calls that the provider carried out a drop of.
    dropped: BTreeSet<CallKey>,
    /// Commands up to here have been carried out.
    seen: usize,
}

impl Pair {
    fn new() -> Self {
        let mut world = World::bare();
        world.open(A, BOTH);
        world.open(B, BOTH);
        let seen = world.outputs.len();
        Self {
            world,
            calls: Vec::new(),
            order: vec![A, B],
            incoming: 0,
            asks: Vec::new(),
            dropped: BTreeSet::new(),
            seen,
        }
    }

    fn ask(&mut self, app: AppId, ask: Ask) -> AskId {
        let id = self.world.ask(app, ask);
        self.asks.push(id);
        id
    }

    /// A request is answered as the model expects: with success, or with a refusal of a kind.
    #[track_caller]
    fn expect(&self, id: AskId, refusal: Option<RefusalKind>) {
        let answer = self.world.answer(id).expect("an answer");
        assert_eq!(answer.err().map(|refusal| refusal.kind), refusal);
    }

    fn reply(&mut self, is_refused: bool) {
        let request = self.world.last_call().0;
        if is_refused {
            self.world.refuse(request, Refusal::new(RefusalKind::OperationFailed, "no"));
        } else {
            self.world.done(request);
        }
        self.seen = self.world.outputs.len();
    }

    /// The provider carries out what the core asks of its own accord: to drop calls, and nothing else.
    fn carry_out(&mut self) {
        while self.seen < self.world.outputs.len() {
            let output = self.world.outputs[self.seen].clone();
            self.seen += 1;
            let offhook_core::Output::Tsp { command: TspCommand::Call { request, call, op, .. }, .. } =
                output
            else {
                continue;
            };
            assert!(matches!(op, CallOp::Drop { .. }), "{op:?}");
            let known = self.calls.iter().find(|known| known.key == call).expect("a call that is known");
            assert!(known.is_dropped, "{known:?} was dropped for no reason");
            self.dropped.insert(call);
            self.world.done(request);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Make { app, is_refused } => self.make(app, is_refused),
            Step::Incoming => self.come_in(),
            Step::Connect(n) => {
                let may = |state: &CallState| {
                    matches!(state, CallState::Unknown | CallState::Offering | CallState::OnHold)
                };
                self.report(n, CallState::CONNECTED, may);
            }
            Step::Disconnect(n) => {
                let gone = CallState::Disconnected { cause: Cause::NormalClearing };
                self.report(n, gone, |state| state.kind().is_live());
            }
            Step::End(n) => self.report(n, CallState::Idle, |state| *state != CallState::Idle),
            Step::Hold { app, call, is_refused } => self.hold(app, call, is_refused),
            Step::Drop { app, call, is_refused } => self.drop_call(app, call, is_refused),
            Step::Deallocate { app, call, keep } => self.deallocate(app, call, keep),
            Step::Privilege { app, call, wanted } => self.set_privilege(app, call, wanted),
            Step::HandOff { app, call, to } => self.hand_off(app, call, to),
            Step::LineCalls(app) => self.line_calls(app),
            Step::Leave(app) => self.leave(app),
        }
        self.carry_out();
        self.forget();
        self.compare();
    }

    fn make(&mut self, app: AppId, is_refused: bool) {
        let line = self.world.line();
        let id = self.world.make_call(app, line);
        self.asks.push(id);
        let key = self.world.last_call().1;
        self.reply(is_refused);
        if is_refused {
            return self.expect(id, Some(RefusalKind::OperationFailed));
        }
        let Answer::Call { call } = self.world.ok(id) else { panic!("no call") };
        let mut holders = BTreeMap::from([(A, Privilege::Monitor), (B, Privilege::Monitor)]);
        holders.insert(app, Privilege::Owner);
        self.calls.push(Known { id: call, key, state: CallState::Unknown, holders, is_dropped: false });
    }

    fn come_in(&mut self) {
        self.incoming += 1;
        let key = self.world.incoming(self.incoming);
        let call = self.world.newest();
        let mut holders = BTreeMap::from([(A, Privilege::Monitor), (B, Privilege::Monitor)]);
        holders.insert(self.order[0], Privilege::Owner);
        self.calls.push(Known { id: call, key, state: CallState::Offering, holders, is_dropped: false });
    }

    fn report(&mut self, n: usize, state: CallState, may: impl Fn(&CallState) -> bool) {
        let Some(known) = self.calls.get_mut(n).filter(|known| may(&known.state)) else { return };
        known.state = state.clone();
        known.drop_if_unwanted();
        let key = known.key;
        self.world.state(key, state);
    }

    fn hold(&mut self, app: AppId, n: usize, is_refused: bool) {
        let Some(known) = self.calls.get(n).cloned() else { return };
        let id = self.world.op(app, known.id, CallAsk::Hold);
        self.asks.push(id);
        let is_legal = known.state == CallState::CONNECTED;
        let refusal = known.refuses(app).or_else(|| (!is_legal).then_some(RefusalKind::InvalidState));
        if refusal.is_some() {
            return self.expect(id, refusal);
        }
        self.reply(is_refused);
        self.expect(id, is_refused.then_some(RefusalKind::OperationFailed));
        if !is_refused {
            self.report(n, CallState::OnHold, |_| true);
        }
    }

    fn drop_call(&mut self, app: AppId, n: usize, is_refused: bool) {
        let Some(known) = self.calls.get(n).cloned() else { return };
        let id = self.world.op(app, known.id, CallAsk::Drop { cause: None });
        self.asks.push(id);
        let refusal = known.refuses(app).or_else(|| known.is_over().then_some(RefusalKind::InvalidState));
        if refusal.is_some() || known.is_dropped {
            return self.expect(id, refusal);
        }
        self.reply(is_refused);
        self.expect(id, is_refused.then_some(RefusalKind::OperationFailed));
        self.calls[n].is_dropped = !is_refused;
        if !is_refused {
            self.dropped.insert(known.key);
        }
    }

    fn deallocate(&mut self, app: AppId, n: usize, keep: bool) {
        let Some(known) = self.calls.get_mut(n) else { return };
        let is_needed = !keep && !known.is_dropped && !known.is_over() && known.is_sole_owner(app);
        let refusal = if !known.holders.contains_key(&app) {
            Some(RefusalKind::StaleHandle)
        } else {
            is_needed.then_some(RefusalKind::SoleOwner)
        };
        if refusal.is_none() {
            known.holders.remove(&app);
            known.drop_if_unwanted();
        }
        let call = known.id;
        let id = self.ask(app, Ask::Deallocate { call, keep });
        self.expect(id, refusal);
    }

    fn set_privilege(&mut self, app: AppId, n: usize, wanted: Privilege) {
        let Some(known) = self.calls.get_mut(n) else { return };
        let is_needed = wanted == Privilege::Monitor && !known.is_over() && known.is_sole_owner(app);
        let refusal = if !known.holders.contains_key(&app) {
            Some(RefusalKind::StaleHandle)
        } else {
            is_needed.then_some(RefusalKind::SoleOwner)
        };
        if refusal.is_none() {
            known.holders.insert(app, wanted);
        }
        let call = known.id;
        let id = self.ask(app, Ask::SetPrivilege { call, privilege: wanted });
        self.expect(id, refusal);
    }

    fn hand_off(&mut self, app: AppId, n: usize, to: AppId) {
        let Some(known) = self.calls.get_mut(n) else { return };
        let refusal = known.refuses(app).or_else(|| known.is_over().then_some(RefusalKind::InvalidState));
        if refusal.is_none() {
            known.holders.insert(to, Privilege::Owner);
        }
        let name = if to == A { "desk" } else { "recorder" };
        let (call, to) = (known.id, HandOff::App { name: name.to_owned() });
        let id = self.ask(app, Ask::HandOff { call, to });
        self.expect(id, refusal);
    }

    fn line_calls(&mut self, app: AppId) {
        let line = self.world.line();
        let id = self.ask(app, Ask::LineCalls { line });
        self.expect(id, None);
        for known in self.calls.iter_mut().filter(|known| !known.is_over()) {
            known.holders.entry(app).or_insert(Privilege::Monitor);
        }
    }

    /// An application leaves, its calls are dropped where nobody else owns them, and it comes again.
    fn leave(&mut self, app: AppId) {
        for known in &mut self.calls {
            known.is_dropped |= !known.is_over() && known.is_sole_owner(app);
            if known.holders.remove(&app).is_some() {
                known.drop_if_unwanted();
            }
        }
        self.world.input(Input::AppDown { app });
        self.world.app_up(app, if app == A { "desk" } else { "recorder" }, 0);
        self.order.retain(|other| *other != app);
        self.order.push(app);
        let line = self.world.line();
        let id = self.ask(app, Ask::OpenLine { line, interest: BOTH });
        self.expect(id, None);
    }

    /// Calls that are over and that nobody holds are no more.
    fn forget(&mut self) {
        self.calls.retain(|known| !known.is_over() || !known.holders.is_empty());
    }

    /// Both know the same.
    fn compare(&mut self) {
        for known in self.calls.clone() {
            assert!(known.is_over() || known.is_dropped == self.dropped.contains(&known.key), "{known:?}");
            for app in [A, B] {
                let id = self.ask(app, Ask::CallRecord { call: known.id });
                let record = match self.world.answer(id).expect("an answer") {
                    Ok(Answer::Record { record }) => record,
                    other => {
                        assert!(!known.holders.contains_key(&app), "{app}: {other:?}, {known:?}");
                        continue;
                    }
                };
                assert_eq!(Some(&record.privilege), known.holders.get(&app), "{known:?}");
                assert_eq!(record.owners as usize, known.owners(), "{known:?}");
                assert_eq!(record.monitors as usize, known.holders.len() - known.owners(), "{known:?}");
                assert_eq!(record.state, known.state);
            }
        }
        let living = self.calls.iter().filter(|known| !known.is_over()).count();
        let counts = self.world.switch.counts();
        assert_eq!((counts.calls, counts.keys, counts.requests), (self.calls.len(), living, 0));
    }

    /// Everything ends: nothing is left, and every request had its one answer.
    fn finish(mut self) {
        for n in 0..self.calls.len() {
            self.report(n, CallState::Idle, |state| *state != CallState::Idle);
        }
        for app in [A, B] {
            self.world.input(Input::AppDown { app });
        }
        for id in std::mem::take(&mut self.asks) {
            assert!(self.world.answer(id).is_some(), "{id:?} was never answered");
        }
        assert_eq!(self.world.violations(), Vec::<String>::new());
        assert!(self.world.switch.is_empty(), "left over: {:?}", self.world.switch.counts());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_switch_agrees_with_the_model(steps in prop::collection::vec(step(), 0..60)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.take(step);
        }
        pair.finish();
    }
}
