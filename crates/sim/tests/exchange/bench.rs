// SPDX-License-Identifier: MIT OR Apache-2.0
//! An exchange that tests ask directly.

use std::time::Duration;

use offhook_sim::{Exchange, ExchangeConfig, ExchangeInput, TspWatch};
use offhook_spi::{
    Address, CallKey, CallOp, CallState, LineKey, Machine, Moment, Outcome, Refusal, Reply, RequestId,
    StateKind, TspCommand, TspEvent, Version,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const ALICE: LineKey = LineKey(1);
pub(crate) const BOB: LineKey = LineKey(2);
pub(crate) const CAROL: LineKey = LineKey(3);

/// Three lines of an exchange without media, a clock and a watcher.
pub(crate) struct Bench {
    pub(crate) now: Moment,
    pub(crate) exchange: Exchange,
    pub(crate) watch: TspWatch,
    pub(crate) requests: u64,
    pub(crate) events: Vec<TspEvent>,
    pub(crate) states: std::collections::BTreeMap<CallKey, CallState>,
}

pub(crate) fn key(serial: u64) -> CallKey {
    CallKey::core(serial)
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With an exchange of the test's own making.
    pub(crate) fn with(change: impl FnOnce(&mut ExchangeConfig)) -> Self {
        let lines = ["alice", "bob", "carol"].map(str::to_owned).to_vec();
        let mut config = ExchangeConfig { lines, media: false, ..ExchangeConfig::default() };
        change(&mut config);
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

    pub(crate) fn command(&mut self, command: TspCommand) {
        self.watch.command(&command);
        self.exchange.handle(self.now, ExchangeInput::Command(command));
        self.collect();
    }

    pub(crate) fn collect(&mut self) {
        while let Some(event) = self.exchange.poll() {
            self.watch.event(&event);
            if let TspEvent::CallState { call, state, .. } | TspEvent::NewCall { call, state, .. } = &event {
                self.states.insert(*call, state.clone());
            }
            self.events.push(event);
        }
    }

    pub(crate) fn ask(&mut self, line: LineKey, call: CallKey, op: CallOp) -> Result<(), Refusal> {
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

    pub(crate) fn make(&mut self, line: LineKey, call: CallKey, to: &str) {
        self.ask(line, call, make_call(to)).unwrap();
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.exchange.deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.exchange.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    /// The newest call that was offered on a line.
    pub(crate) fn offered(&self, line: LineKey) -> CallKey {
        let offered = self.events.iter().rev().find_map(|event| match event {
            TspEvent::NewCall { line: on, call, .. } if *on == line => Some(*call),
            _ => None,
        });
        offered.unwrap()
    }

    pub(crate) fn state(&self, call: CallKey) -> StateKind {
        self.states.get(&call).unwrap().kind()
    }

    /// One line calls another, which answers; both keys.
    pub(crate) fn talk(&mut self, from: LineKey, call: CallKey, to: (LineKey, &str)) -> CallKey {
        self.make(from, call, to.1);
        let other = self.offered(to.0);
        self.ask(to.0, other, CallOp::Answer).unwrap();
        assert_eq!((self.state(call), self.state(other)), (StateKind::Connected, StateKind::Connected));
        other
    }

    pub(crate) fn drop_call(&mut self, line: LineKey, call: CallKey) {
        self.ask(line, call, CallOp::Drop { cause: None }).unwrap();
    }

    pub(crate) fn close_all(&mut self) {
        for line in [ALICE, BOB, CAROL] {
            self.command(TspCommand::Close { line });
        }
    }

    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.watch.breaches(), Vec::<String>::new());
        assert_eq!(self.watch.leftovers(), Vec::<String>::new());
        assert_eq!(self.exchange.live(), 0);
    }
}

pub(crate) fn make_call(to: &str) -> CallOp {
    CallOp::MakeCall { to: Address::new(to), params: Box::default() }
}

/// What the last request brought.
pub(crate) fn outcome(bench: &Bench) -> Outcome {
    let outcome = |event: &TspEvent| match event {
        TspEvent::Reply { result: Reply::Done(outcome), .. } => Some(outcome.clone()),
        _ => None,
    };
    bench.events.iter().find_map(outcome).unwrap()
}
