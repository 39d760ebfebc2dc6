// SPDX-License-Identifier: MIT OR Apache-2.0
//! A small world around a switch: what goes in is recorded, what comes out is kept.
#![expect(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::time::Duration;

use offhook_core::{
    Answer, AppEvent, AppId, AppProfile, Ask, AskId, CallAsk, CallId, Config, Entry, Input, Interest, LineId,
    Output, ProviderId, Switch,
};
use offhook_spi::{
    Address, AddressCaps, CallInfo, CallKey, CallOp, CallParams, CallState, DigitMode, LineCaps, LineKey,
    LineStatus, Machine, Manifest, MediaSet, Moment, MspCaps, MspCommand, MspEvent, Op, OpSet, Refusal,
    Reply, RequestId, SchemaId, SessionKey, SessionWish, TerminalClass, TspCommand, TspEvent, VersionRange,
};

pub const TSP: ProviderId = ProviderId(1);
pub const MSP: ProviderId = ProviderId(2);
pub const ALICE: LineKey = LineKey(1);
pub const A: AppId = AppId(1);
pub const B: AppId = AppId(2);
pub const C: AppId = AppId(3);

/// Takes and watches.
pub const BOTH: Interest = Interest { monitor: true, own: MediaSet::AUDIO };

pub struct World {
    pub switch: Switch,
    pub now: Moment,
    pub entries: Vec<Entry>,
    pub outputs: Vec<Output>,
    fresh: usize,
    asks: u64,
}

pub fn manifest(name: &str) -> Manifest {
    Manifest {
        name: name.to_owned(),
        vendor: "test".to_owned(),
        release: "1".to_owned(),
        spi: VersionRange::CURRENT,
        schemas: vec![SchemaId::new("test.data")],
    }
}

/// All operations of call control; nothing about digits and tones.
pub fn control_ops() -> OpSet {
    let media = [Op::GatherDigits, Op::GenerateDigits, Op::GenerateTone, Op::MonitorDigits, Op::MonitorTones];
    Op::ALL.into_iter().map(|(op, _)| op).filter(|op| !media.contains(op)).collect()
}

pub fn caps(ops: OpSet, session: bool) -> Box<LineCaps> {
    Box::new(LineCaps {
        ops,
        media: MediaSet::AUDIO,
        session: session.then(|| SessionWish { msp: "media".to_owned(), schema: SchemaId::new("test.data") }),
        addresses: vec![AddressCaps::default()],
        digit_modes: vec![DigitMode::Event],
        extensions: vec![SchemaId::new("test.extension")],
        ..LineCaps::default()
    })
}

impl World {
    /// A TSP with the line `alice`, no MSP, applications A, B and C.
    pub fn bare() -> Self {
        Self::with(Config::default(), caps(control_ops(), false))
    }

    /// The same, and the line wants sessions of an MSP that is there.
    pub fn media() -> Self {
        let mut world = Self::with(Config::default(), caps(control_ops(), true));
        world.msp_up();
        world.forget();
        world
    }

    pub fn with(config: Config, caps: Box<LineCaps>) -> Self {
        let mut world = Self {
            switch: Switch::new(config),
            now: Moment::ZERO,
            entries: Vec::new(),
            outputs: Vec::new(),
            fresh: 0,
            asks: 0,
        };
        for (app, name) in [(A, "desk"), (B, "recorder"), (C, "robot")] {
            world.app_up(app, name, 0);
        }
        world.input(Input::TspUp { provider: TSP, manifest: manifest("sim") });
        world.line_up(TSP, ALICE, "alice", caps);
        world.tsp(TspEvent::Ready);
        world.forget();
        world
    }

    pub fn app_up(&mut self, app: AppId, name: &str, priority: i32) {
        self.input(Input::AppUp { app, profile: AppProfile { name: name.to_owned(), priority } });
    }

    pub fn line_up(&mut self, provider: ProviderId, line: LineKey, stable_id: &str, caps: Box<LineCaps>) {
        let (stable_id, status) = (stable_id.to_owned(), LineStatus::default());
        self.input(Input::Tsp { provider, event: TspEvent::LineUp { line, stable_id, caps, status } });
    }

    pub fn msp_up(&mut self) {
        self.input(Input::MspUp { provider: MSP, manifest: manifest("media") });
        let ops = OpSet::from([Op::GenerateDigits, Op::GenerateTone, Op::MonitorDigits]);
        let terminals = vec![TerminalClass::FilePlayback, TerminalClass::FileRecording];
        self.msp(MspEvent::Ready { caps: MspCaps { ops, media: MediaSet::AUDIO, terminals } });
    }

    pub fn input(&mut self, input: Input) {
        self.entries.push(Entry { at: self.now, input: input.clone() });
        self.switch.handle(self.now, input);
        while let Some(output) = self.switch.poll() {
            self.outputs.push(output);
        }
    }

    pub fn tsp(&mut self, event: TspEvent) {
        self.input(Input::Tsp { provider: TSP, event });
    }

    pub fn msp(&mut self, event: MspEvent) {
        self.input(Input::Msp { provider: MSP, event });
    }

    pub fn down(&mut self, provider: ProviderId) {
        self.input(Input::ProviderDown { provider, detail: "unplugged".to_owned() });
    }

    pub fn done(&mut self, request: RequestId) {
        self.tsp(TspEvent::Reply { request, result: Reply::DONE });
    }

    pub fn refuse(&mut self, request: RequestId, refusal: Refusal) {
        self.tsp(TspEvent::Reply { request, result: Reply::Refused(refusal) });
    }

    pub fn msp_done(&mut self, request: RequestId) {
        self.msp(MspEvent::Reply { request, result: Reply::DONE });
    }

    pub fn msp_refuse(&mut self, request: RequestId, refusal: Refusal) {
        self.msp(MspEvent::Reply { request, result: Reply::Refused(refusal) });
    }

    pub fn state(&mut self, call: CallKey, state: CallState) {
        self.tsp(TspEvent::CallState { call, state, allowed: None });
    }

    /// Lets time pass and wakes the switch at each deadline on the way.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.switch.deadline().filter(|at| *at <= end) {
            self.now = at;
            self.input(Input::Wake);
        }
        self.now = end;
    }

    pub fn ask(&mut self, app: AppId, ask: Ask) -> AskId {
        self.asks += 1;
        let id = AskId(self.asks);
        self.input(Input::Ask { app, id, ask });
        id
    }

    pub fn op(&mut self, app: AppId, call: CallId, op: CallAsk) -> AskId {
        self.ask(app, Ask::Call { call, op })
    }

    /// The answer to a request, if it was given; never more than one.
    pub fn answer(&self, id: AskId) -> Option<Result<Answer, Refusal>> {
        let mut answers = self.outputs.iter().filter_map(|output| match output {
            Output::Answer { id: answered, result, .. } if *answered == id => Some(result.clone()),
            _ => None,
        });
        let answer = answers.next();
        assert_eq!(answers.next(), None, "{id:?} was answered twice");
        answer
    }

    #[track_caller]
    pub fn ok(&self, id: AskId) -> Answer {
        self.answer(id).expect("an answer").expect("success")
    }

    #[track_caller]
    pub fn refused(&self, id: AskId) -> Refusal {
        self.answer(id).expect("an answer").expect_err("a refusal")
    }

    /// Everything that came out since the last time.
    pub fn fresh(&mut self) -> Vec<Output> {
        let fresh = self.outputs[self.fresh..].to_vec();
        self.fresh = self.outputs.len();
        fresh
    }

    pub fn forget(&mut self) {
        self.fresh = self.outputs.len();
    }

    /// Events since the last time, with whom they went to.
    pub fn events(&mut self) -> Vec<(Vec<AppId>, AppEvent)> {
        let events = self.fresh().into_iter();
        events
            .filter_map(|output| match output {
                Output::Event { to, event, .. } => Some((to, event)),
                _ => None,
            })
            .collect()
    }

    /// States told to an application since the last time.
    pub fn states(&mut self, app: AppId) -> Vec<CallState> {
        let events = self.events().into_iter().filter(|(to, _)| to.contains(&app));
        events
            .filter_map(|(_, event)| match event {
                AppEvent::CallState { state, .. } => Some(state),
                _ => None,
            })
            .collect()
    }

    pub fn commands(&mut self) -> Vec<TspCommand> {
        let fresh = self.fresh().into_iter();
        fresh
            .filter_map(|output| match output {
                Output::Tsp { command, .. } => Some(command),
                _ => None,
            })
            .collect()
    }

    pub fn violations(&self) -> Vec<String> {
        let all = self.outputs.iter();
        all.filter_map(|output| match output {
            Output::Violation { detail, .. } => Some(detail.clone()),
            _ => None,
        })
        .collect()
    }

    /// The last request to the TSP, with the key it is about.
    #[track_caller]
    pub fn last_call(&self) -> (RequestId, CallKey, CallOp, Option<SessionKey>) {
        let mut all = self.outputs.iter().rev();
        all.find_map(|output| match output {
            Output::Tsp { command: TspCommand::Call { request, call, op, session, .. }, .. } => {
                Some((*request, *call, op.clone(), *session))
            }
            _ => None,
        })
        .expect("a request to the TSP")
    }

    #[track_caller]
    pub fn last_open(&self) -> RequestId {
        let mut all = self.outputs.iter().rev();
        all.find_map(|output| match output {
            Output::Tsp { command: TspCommand::Open { request, .. }, .. } => Some(*request),
            _ => None,
        })
        .expect("an open line")
    }

    #[track_caller]
    pub fn last_msp(&self) -> MspCommand {
        let mut all = self.outputs.iter().rev();
        all.find_map(|output| match output {
            Output::Msp { command, .. } => Some(command.clone()),
            _ => None,
        })
        .expect("a command to the MSP")
    }

    #[track_caller]
    pub fn msp_request(&self) -> RequestId {
        match self.last_msp() {
            MspCommand::CreateSession { request, .. }
            | MspCommand::GenerateDigits { request, .. }
            | MspCommand::GenerateTone { request, .. }
            | MspCommand::MonitorDigits { request, .. }
            | MspCommand::SelectTerminal { request, .. }
            | MspCommand::SetStream { request, .. }
            | MspCommand::Statistics { request, .. }
            | MspCommand::TerminalControl { request, .. }
            | MspCommand::UnselectTerminal { request, .. } => request,
            other => panic!("{other:?} is not a request"),
        }
    }

    /// The line `alice`.
    pub fn line(&mut self) -> LineId {
        let id = self.ask(A, Ask::Lines);
        match self.ok(id) {
            Answer::Lines { lines } => lines[0].line,
            other => panic!("{other:?}"),
        }
    }

    /// An application opens the line, and it is open.
    pub fn open(&mut self, app: AppId, interest: Interest) -> LineId {
        let line = self.line();
        let id = self.ask(app, Ask::OpenLine { line, interest });
        if self.answer(id).is_none() {
            self.done(self.last_open());
        }
        self.ok(id);
        line
    }

    pub fn make_call(&mut self, app: AppId, line: LineId) -> AskId {
        let to = Address::new("sip:bob@example.org");
        self.ask(app, Ask::MakeCall { line, to, params: Box::<CallParams>::default() })
    }

    /// An application has made a call and knows it; nothing was reported yet.
    pub fn made(&mut self, app: AppId) -> (CallId, CallKey) {
        let line = self.line();
        let ask = self.make_call(app, line);
        if !matches!(self.last_tsp(), TspCommand::Call { .. }) {
            self.done(self.last_open());
        }
        let (request, key, _, session) = self.last_call();
        if session.is_some() {
            self.msp_done(self.msp_request());
        }
        self.done(request);
        match self.ok(ask) {
            Answer::Call { call } => (call, key),
            other => panic!("{other:?}"),
        }
    }

    /// As [`World::made`], and it is connected.
    pub fn connected(&mut self, app: AppId) -> (CallId, CallKey) {
        let (call, key) = self.made(app);
        self.state(key, CallState::CONNECTED);
        self.forget();
        (call, key)
    }

    /// A call comes in; gives its key.
    pub fn incoming(&mut self, serial: u64) -> CallKey {
        let call = CallKey::provider(serial);
        let info = Box::new(CallInfo { media: MediaSet::AUDIO, ..CallInfo::default() });
        self.tsp(TspEvent::NewCall { line: ALICE, call, info, state: CallState::Offering });
        call
    }

    /// The call last told of as new.
    #[track_caller]
    pub fn newest(&self) -> CallId {
        let mut all = self.outputs.iter().rev();
        all.find_map(|output| match output {
            Output::Event { event: AppEvent::NewCall { record }, .. } => Some(record.call),
            _ => None,
        })
        .expect("a new call")
    }

    pub fn end(&mut self, key: CallKey) {
        self.state(key, CallState::Idle);
    }

    fn last_tsp(&self) -> TspCommand {
        let mut all = self.outputs.iter().rev();
        all.find_map(|output| match output {
            Output::Tsp { command, .. } => Some(command.clone()),
            _ => None,
        })
        .expect("a command to the TSP")
    }
}
