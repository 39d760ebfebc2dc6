// SPDX-License-Identifier: MIT OR Apache-2.0
//! The operations of the simulated exchange, asked of it directly: what a TSP is told and tells.

#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::time::Duration;

use offhook_sim::{Exchange, ExchangeConfig, ExchangeInput, Script, Step, TspWatch};
use offhook_spi::{
    Address, CallKey, CallOp, CallParams, CallState, Cause, Completion, LineKey, Machine, Moment, Party,
    Refusal, RefusalKind, Reply, RequestId, StateKind, TspCommand, TspEvent, Version,
};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const ALICE: LineKey = LineKey(1);
const BOB: LineKey = LineKey(2);
const CAROL: LineKey = LineKey(3);

struct Bench {
    now: Moment,
    exchange: Exchange,
    watch: TspWatch,
    requests: u64,
    events: Vec<TspEvent>,
    states: std::collections::BTreeMap<CallKey, CallState>,
}

fn key(serial: u64) -> CallKey {
    CallKey::core(serial)
}

impl Bench {
    fn new() -> Self {
        let lines = ["alice", "bob", "carol"].map(str::to_owned).to_vec();
        let config = ExchangeConfig { lines, media: false, ..ExchangeConfig::default() };
        let mut bench = Self {
            now: Moment::ZERO,
            exchange: Exchange::new(config),
            watch: TspWatch::default(),
            requests: 0,
            events: Vec::new(),
            states: std::collections::BTreeMap::new(),
        };
        bench.command(TspCommand::Hello { version: Version::CURRENT });
        for line in [ALICE, BOB, CAROL] {
            bench.requests += 1;
            bench.command(TspCommand::Open { request: RequestId(bench.requests), line });
        }
        bench
    }

    fn command(&mut self, command: TspCommand) {
        self.watch.command(&command);
        self.exchange.handle(self.now, ExchangeInput::Command(command));
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(event) = self.exchange.poll() {
            self.watch.event(&event);
            if let TspEvent::CallState { call, state, .. } | TspEvent::NewCall { call, state, .. } = &event {
                self.states.insert(*call, state.clone());
            }
            self.events.push(event);
        }
    }

    fn ask(&mut self, line: LineKey, call: CallKey, op: CallOp) -> Result<(), Refusal> {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.events.clear();
        self.command(TspCommand::Call { request, line, call, session: None, op });
        let reply = self.events.iter().find_map(|event| match event {
            TspEvent::Reply { request: of, result } if *of == request => Some(result.clone()),
            _ => None,
        });
        reply.unwrap_or(Reply::DONE).into_result().map(drop)
    }

    fn make(&mut self, line: LineKey, call: CallKey, to: &str) {
        self.ask(line, call, make_call(to)).unwrap();
    }

    fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.exchange.deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.exchange.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    /// The newest call that was offered on a line.
    fn offered(&self, line: LineKey) -> CallKey {
        let offered = self.events.iter().rev().find_map(|event| match event {
            TspEvent::NewCall { line: on, call, .. } if *on == line => Some(*call),
            _ => None,
        });
        offered.unwrap()
    }

    fn state(&self, call: CallKey) -> StateKind {
        self.states.get(&call).unwrap().kind()
    }

    /// One line calls another, which answers; both keys.
    fn talk(&mut self, from: LineKey, call: CallKey, to: (LineKey, &str)) -> CallKey {
        self.make(from, call, to.1);
        let other = self.offered(to.0);
        self.ask(to.0, other, CallOp::Answer).unwrap();
        assert_eq!((self.state(call), self.state(other)), (StateKind::Connected, StateKind::Connected));
        other
    }

    fn drop_call(&mut self, line: LineKey, call: CallKey) {
        self.ask(line, call, CallOp::Drop { cause: None }).unwrap();
    }

    fn close_all(&mut self) {
        for line in [ALICE, BOB, CAROL] {
            self.command(TspCommand::Close { line });
        }
    }

    fn assert_clean(&self) {
        assert_eq!(self.watch.breaches(), Vec::<String>::new());
        assert_eq!(self.watch.leftovers(), Vec::<String>::new());
        assert_eq!(self.exchange.live(), 0);
    }
}

fn make_call(to: &str) -> CallOp {
    CallOp::MakeCall { to: Address::new(to), params: Box::default() }
}

fn consult(consultation: CallKey, to: Option<&str>) -> CallOp {
    CallOp::SetupTransfer { consultation, to: to.map(Address::new), params: Box::new(CallParams::default()) }
}

fn transfer(consultation: CallKey) -> CallOp {
    CallOp::CompleteTransfer { consultation, completion: Completion::Transfer }
}

#[test]
fn digits_are_dialled_in_parts() {
    let mut bench = Bench::new();
    bench.make(ALICE, key(1), ";");
    assert_eq!(bench.state(key(1)), StateKind::DialTone);
    let refusal = bench.ask(ALICE, key(1), CallOp::Dial { digits: "b?;".to_owned() }).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::InvalidAddress);
    bench.ask(ALICE, key(1), CallOp::Dial { digits: "bo;".to_owned() }).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::Dialing);
    bench.ask(ALICE, key(1), CallOp::Dial { digits: "b;".to_owned() }).unwrap();
    bench.ask(ALICE, key(1), CallOp::Dial { digits: String::new() }).unwrap();
    assert_eq!(bench.state(bench.offered(BOB)), StateKind::Offering);
    let again = bench.ask(ALICE, key(1), CallOp::Dial { digits: "1".to_owned() }).unwrap_err();
    assert_eq!(again.kind, RefusalKind::InvalidState);
    bench.drop_call(ALICE, key(1));
    bench.assert_clean();
}

#[test]
fn wrong_digits_end_in_special_information() {
    let mut bench = Bench::new();
    bench.make(ALICE, key(1), "1;");
    bench.ask(ALICE, key(1), CallOp::Dial { digits: "23".to_owned() }).unwrap();
    let cause = Cause::UnallocatedNumber;
    let told: Vec<&TspEvent> =
        bench.events.iter().filter(|event| matches!(event, TspEvent::CallState { .. })).collect();
    let ended = TspEvent::CallState { call: key(1), state: CallState::Disconnected { cause }, allowed: None };
    assert_eq!(told.get(1), Some(&&ended));
    bench.assert_clean();
}

#[test]
fn a_consultation_becomes_a_transfer() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.ask(ALICE, key(1), consult(key(2), Some("sim:carol"))).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::OnHoldPendingTransfer);
    let carol = bench.offered(CAROL);
    bench.ask(CAROL, carol, CallOp::Answer).unwrap();
    bench.ask(ALICE, key(1), transfer(key(2))).unwrap();
    assert_eq!((bench.state(key(1)), bench.state(key(2))), (StateKind::Idle, StateKind::Idle));
    assert_eq!((bench.state(bob), bench.state(carol)), (StateKind::Connected, StateKind::Connected));
    let names: Vec<Option<Address>> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            TspEvent::CallInfo { info, .. } => info.connected.clone().map(|party| party.address),
            _ => None,
        })
        .collect();
    assert_eq!(names, [Some(Address::new("sim:carol")), Some(Address::new("sim:bob"))]);
    bench.drop_call(BOB, bob);
    assert_eq!(bench.state(carol), StateKind::Idle);
    bench.assert_clean();
}

#[test]
fn a_transfer_completes_while_the_third_party_still_rings() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.ask(ALICE, key(1), consult(key(2), Some("sim:carol"))).unwrap();
    let carol = bench.offered(CAROL);
    bench.ask(ALICE, key(1), transfer(key(2))).unwrap();
    bench.ask(CAROL, carol, CallOp::Answer).unwrap();
    assert_eq!((bench.state(bob), bench.state(carol)), (StateKind::Connected, StateKind::Connected));
    bench.drop_call(CAROL, carol);
    bench.assert_clean();
}

#[test]
fn every_way_back_from_a_consultation_leads_to_the_first_call() {
    for way in ["unhold", "drop then unhold", "far end hangs up"] {
        let mut bench = Bench::new();
        let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
        bench.ask(ALICE, key(1), consult(key(2), None)).unwrap();
        assert_eq!(bench.state(key(2)), StateKind::DialTone);
        bench.ask(ALICE, key(2), CallOp::Dial { digits: "carol".to_owned() }).unwrap();
        let carol = bench.offered(CAROL);
        match way {
            "unhold" => {}
            "drop then unhold" => bench.drop_call(ALICE, key(2)),
            _ => bench.drop_call(CAROL, carol),
        }
        bench.ask(ALICE, key(1), CallOp::Unhold).unwrap();
        assert_eq!(bench.state(key(1)), StateKind::Connected, "{way}");
        assert_eq!(bench.state(key(2)), StateKind::Idle, "{way}");
        assert_eq!(bench.state(carol), StateKind::Idle, "{way}");
        bench.drop_call(BOB, bob);
        bench.assert_clean();
    }
}

#[test]
fn swapping_changes_who_waits() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.ask(ALICE, key(1), consult(key(2), Some("echo"))).unwrap();
    bench.run_for(2 * SECOND);
    bench.ask(ALICE, key(2), CallOp::SwapHold { with: key(1) }).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::Connected);
    assert_eq!(bench.state(key(2)), StateKind::OnHoldPendingTransfer);
    bench.ask(ALICE, key(2), transfer(key(1))).unwrap();
    assert_eq!(bench.state(bob), StateKind::Connected);
    bench.drop_call(BOB, bob);
    bench.assert_clean();
}

#[test]
fn a_blind_transfer_to_nobody_is_refused_and_the_call_is_kept() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    for (to, kind, cause) in [
        ("sim:teleport", RefusalKind::InvalidAddress, None),
        ("sim:busy", RefusalKind::OperationFailed, Some(Cause::UserBusy)),
    ] {
        let op = CallOp::BlindTransfer { to: Address::new(to) };
        let refusal = bench.ask(ALICE, key(1), op).unwrap_err();
        assert_eq!((refusal.kind, refusal.cause), (kind, cause));
        assert_eq!(bench.state(key(1)), StateKind::Connected);
    }
    bench.ask(ALICE, key(1), CallOp::BlindTransfer { to: Address::new("sim:carol") }).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::Idle);
    let carol = bench.offered(CAROL);
    bench.ask(CAROL, carol, CallOp::Answer).unwrap();
    bench.drop_call(BOB, bob);
    bench.assert_clean();
}

#[test]
fn an_offered_call_is_redirected_to_another_line() {
    let mut bench = Bench::new();
    bench.make(ALICE, key(1), "bob");
    let bob = bench.offered(BOB);
    bench.ask(BOB, bob, CallOp::Redirect { to: Address::new("sim:carol") }).unwrap();
    assert_eq!(bench.state(bob), StateKind::Idle);
    let carol = bench.offered(CAROL);
    bench.ask(CAROL, carol, CallOp::Answer).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::Connected);
    bench.drop_call(ALICE, key(1));
    bench.assert_clean();
}

/// Alice talks to Bob and Carol; the conference and the two members.
fn three_way(bench: &mut Bench) -> (CallKey, CallKey, CallKey) {
    bench.talk(ALICE, key(1), (BOB, "bob"));
    let op = CallOp::SetupConference { conference: key(10), consultation: key(2) };
    bench.ask(ALICE, key(1), op).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::Conferenced);
    assert_eq!(bench.state(key(10)), StateKind::OnHoldPendingConference);
    bench.ask(ALICE, key(2), CallOp::Dial { digits: "carol".to_owned() }).unwrap();
    let carol = bench.offered(CAROL);
    bench.ask(CAROL, carol, CallOp::Answer).unwrap();
    bench.ask(ALICE, key(10), CallOp::AddToConference { member: key(2) }).unwrap();
    assert_eq!((bench.state(key(2)), bench.state(key(10))), (StateKind::Conferenced, StateKind::Connected));
    (key(10), key(1), key(2))
}

#[test]
fn a_conference_collapses_when_one_member_is_left() {
    let mut bench = Bench::new();
    let (conference, bob, carol) = three_way(&mut bench);
    bench.ask(ALICE, carol, CallOp::RemoveFromConference).unwrap();
    assert_eq!((bench.state(carol), bench.state(conference)), (StateKind::Idle, StateKind::Idle));
    assert_eq!(bench.state(bob), StateKind::Connected);
    bench.drop_call(ALICE, bob);
    bench.assert_clean();
}

#[test]
fn who_drops_a_conference_drops_its_members() {
    let mut bench = Bench::new();
    let (conference, bob, carol) = three_way(&mut bench);
    bench.drop_call(ALICE, conference);
    for call in [conference, bob, carol] {
        assert_eq!(bench.state(call), StateKind::Idle);
    }
    bench.assert_clean();
}

#[test]
fn a_party_that_is_not_wanted_after_all_leaves_the_conference_as_it_was() {
    let mut bench = Bench::new();
    let (conference, bob, _) = three_way(&mut bench);
    let op = CallOp::PrepareAddToConference { consultation: key(3), to: Some(Address::new("echo")) };
    bench.ask(ALICE, conference, op).unwrap();
    assert_eq!(bench.state(conference), StateKind::OnHoldPendingConference);
    bench.ask(ALICE, conference, CallOp::Unhold).unwrap();
    assert_eq!((bench.state(key(3)), bench.state(conference)), (StateKind::Idle, StateKind::Connected));
    assert_eq!(bench.state(bob), StateKind::Conferenced);
    bench.drop_call(ALICE, conference);
    bench.assert_clean();
}

#[test]
fn a_full_conference_refuses_another_party() {
    let mut bench = Bench::new();
    let (conference, ..) = three_way(&mut bench);
    for serial in 20..24 {
        let op = CallOp::PrepareAddToConference { consultation: key(serial), to: Some(Address::new("echo")) };
        bench.ask(ALICE, conference, op).unwrap();
        bench.run_for(2 * SECOND);
        bench.ask(ALICE, conference, CallOp::AddToConference { member: key(serial) }).unwrap();
    }
    let op = CallOp::PrepareAddToConference { consultation: key(30), to: None };
    assert_eq!(bench.ask(ALICE, conference, op).unwrap_err().kind, RefusalKind::Busy);
    bench.drop_call(ALICE, conference);
    bench.assert_clean();
}

#[test]
fn a_conference_from_nothing_goes_when_its_only_consultation_goes() {
    let mut bench = Bench::new();
    let op = CallOp::SetupConference { conference: key(10), consultation: key(1) };
    bench.ask(ALICE, key(1), op).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::DialTone);
    bench.drop_call(ALICE, key(1));
    assert_eq!(bench.state(key(10)), StateKind::Idle);
    bench.assert_clean();
}

#[test]
fn a_consultation_becomes_a_conference() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.ask(ALICE, key(1), consult(key(2), Some("echo"))).unwrap();
    let completion = Completion::Conference { conference: key(10) };
    let early = CallOp::CompleteTransfer { consultation: key(2), completion };
    assert_eq!(bench.ask(ALICE, key(1), early.clone()).unwrap_err().kind, RefusalKind::InvalidState);
    bench.run_for(2 * SECOND);
    bench.ask(ALICE, key(1), early).unwrap();
    assert_eq!((bench.state(key(2)), bench.state(key(10))), (StateKind::Conferenced, StateKind::Connected));
    bench.drop_call(BOB, bob);
    assert_eq!((bench.state(key(2)), bench.state(key(10))), (StateKind::Connected, StateKind::Idle));
    bench.drop_call(ALICE, key(2));
    bench.assert_clean();
}

fn operation() -> impl Strategy<Value = (u64, u8, u64, u64)> {
    (1..4_u64, 0..18_u8, 0..12_u64, 0..12_u64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Operations at any moment on any call, most of them refused: the contract holds, and nothing is
    /// left when the lines are closed.
    #[test]
    fn any_operations_keep_the_contract(steps in proptest::collection::vec(operation(), 1..60)) {
        let mut bench = Bench::new();
        let names = ["bob", "carol", "echo", "friendly", "hangs-up", "busy", "alice", ";"];
        let mut fresh = 100;
        for (line, what, one, two) in steps {
            let live: Vec<CallKey> =
                bench.states.iter().filter(|(_, s)| s.kind() != StateKind::Idle).map(|(k, _)| *k).collect();
            let pick = |n: u64| live.get(usize::try_from(n).unwrap()).copied().unwrap_or(key(99));
            let name = names.get(usize::try_from(two % 8).unwrap()).copied().unwrap_or("bob");
            let to = Address::new(name);
            let (call, other) = (pick(one), pick(two));
            fresh += 2;
            let (new, newer) = (key(fresh), key(fresh + 1));
            let (call, op) = match what {
                0 | 1 => (new, make_call(name)),
                2 => (call, CallOp::Accept),
                3 | 4 => (call, CallOp::Answer),
                5 => (call, CallOp::Hold),
                6 => (call, CallOp::Unhold),
                7 => (call, CallOp::SwapHold { with: other }),
                8 => (call, consult(new, (two < 8).then_some(name).filter(|name| *name != ";"))),
                9 => (call, transfer(other)),
                10 => {
                    let completion = Completion::Conference { conference: new };
                    (call, CallOp::CompleteTransfer { consultation: other, completion })
                }
                11 => (call, CallOp::SetupConference { conference: new, consultation: newer }),
                12 => (new, CallOp::SetupConference { conference: newer, consultation: new }),
                13 => (call, CallOp::PrepareAddToConference { consultation: new, to: (two < 4).then_some(to) }),
                14 => (call, CallOp::AddToConference { member: other }),
                15 => (call, CallOp::RemoveFromConference),
                16 => (call, CallOp::BlindTransfer { to }),
                _ => (call, CallOp::Drop { cause: None }),
            };
            bench.ask(LineKey(line), call, op).ok();
            bench.run_for(SECOND * u32::try_from(two % 2).unwrap());
            prop_assert_eq!(bench.watch.breaches(), Vec::<String>::new());
        }
        let caller = Party::default();
        let script = Script::new([Step::Wait(SECOND), Step::HangUp(Cause::NormalClearing)]);
        bench.exchange.handle(bench.now, ExchangeInput::Ring { line: ALICE, caller, script });
        bench.collect();
        bench.close_all();
        bench.run_for(SECOND);
        bench.assert_clean();
    }
}
