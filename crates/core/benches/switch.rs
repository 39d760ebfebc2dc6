// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the switch costs for each message, against a bare loop that pushes the same messages through a queue,
//! and what a held call costs, against keeping the messages that set it up. One run, so that ratios count.
//!
//! `cargo bench -p offhook-core`

use std::collections::VecDeque;
use std::fs;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use offhook_core::{
    Answer, AppId, AppProfile, Ask, AskId, CallAsk, CallId, Config, Input, LineId, Output, ProviderId, Switch,
};
use offhook_spi::{
    Address, AddressCaps, CallKey, CallOp, CallState, Cause, Flowing, LineCaps, LineKey, LineStatus, Machine,
    Manifest, MediaSet, Moment, MspCaps, MspCommand, MspEvent, Op, OpSet, Reply, RequestId, SDP_SCHEMA,
    SchemaId, SdpMessage, SessionKey, SessionWish, TspCommand, TspEvent, VersionRange,
};

const APP: AppId = AppId(1);
const TSP: ProviderId = ProviderId(1);
const MSP: ProviderId = ProviderId(2);
const LINE: LineKey = LineKey(1);
/// Calls of a measurement of time, and how many of them live at once.
const CALLS: usize = 2_000;
const AT_ONCE: usize = 500;
/// The fastest of so many passes counts: what else runs on the machine only ever adds.
const PASSES: usize = 7;
/// Calls that live beside them meanwhile, in the second measurement.
const LIVE: usize = 20_000;
/// Calls of the measurement of memory.
const HELD: usize = 50_000;

fn main() {
    // cargo test runs benches too, without this argument; then there is nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    // First, while the process is small.
    memory();
    time(0);
    time(LIVE);
}

/// A switch with one line and one media session per call, and providers that do at once what they are asked.
struct World {
    switch: Switch,
    now: Moment,
    waiting: VecDeque<Input>,
    asks: u64,
    line: LineId,
    /// Calls that came into being since the last look.
    made: Vec<CallId>,
    /// Inputs with what came out, where that is wanted.
    story: Option<Vec<Step>>,
}

/// One input and its outputs.
#[derive(Clone)]
struct Step {
    at: Moment,
    input: Input,
    outputs: Vec<Output>,
}

impl World {
    fn new(story: Option<Vec<Step>>) -> Self {
        let mut world = Self {
            switch: Switch::new(Config::default()),
            now: Moment::ZERO,
            waiting: VecDeque::new(),
            asks: 0,
            line: LineId::default(),
            made: Vec::new(),
            story,
        };
        let profile = AppProfile { name: "bench".to_owned(), priority: 0 };
        world.happen(Input::AppUp { app: APP, profile });
        world.happen(Input::TspUp { provider: TSP, manifest: manifest("tsp") });
        world.happen(Input::MspUp { provider: MSP, manifest: manifest("msp") });
        let caps = MspCaps { ops: OpSet::EMPTY, media: MediaSet::AUDIO, terminals: Vec::new() };
        world.happen(Input::Msp { provider: MSP, event: MspEvent::Ready { caps } });
        world.happen(tsp(line_up()));
        world.happen(tsp(TspEvent::Ready));
        world.ask(Ask::Lines);
        world
    }

    /// Something happens, and all that follows from it.
    fn happen(&mut self, input: Input) {
        self.waiting.push_back(input);
        while let Some(input) = self.waiting.pop_front() {
            let told = self.story.is_some().then(|| input.clone());
            self.now += Duration::from_micros(50);
            self.switch.handle(self.now, input);
            let mut outputs = Vec::new();
            while let Some(output) = self.switch.poll() {
                self.react(&output);
                if told.is_some() {
                    outputs.push(output);
                }
            }
            if let (Some(story), Some(input)) = (&mut self.story, told) {
                story.push(Step { at: self.now, input, outputs });
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        self.asks += 1;
        self.happen(Input::Ask { app: APP, id: AskId(self.asks), ask });
    }

    fn react(&mut self, output: &Output) {
        match output {
            Output::Tsp { command: TspCommand::Open { request, .. }, .. } => self.tsp_done(*request),
            Output::Tsp { command: TspCommand::Call { request, call, op, session, .. }, .. } => {
                self.tsp_done(*request);
                self.perform(*call, op, *session);
            }
            Output::Msp { command: MspCommand::CreateSession { request, .. }, .. } => {
                self.waiting.push_back(msp(MspEvent::Reply { request: *request, result: Reply::DONE }));
            }
            Output::Msp { command: MspCommand::EndSession { session }, .. } => {
                let (session, statistics) = (*session, None);
                self.waiting.push_back(msp(MspEvent::SessionEnded { session, statistics }));
            }
            Output::Answer { result: Ok(Answer::Lines { lines }), .. } => self.line = lines[0].line,
            Output::Answer { result: Ok(Answer::Call { call }), .. } => self.made.push(*call),
            Output::Answer { result: Err(refusal), .. } => panic!("{refusal}"),
            Output::Violation { detail, .. } => panic!("{detail}"),
            _ => {}
        }
    }

    fn perform(&mut self, call: CallKey, op: &CallOp, session: Option<SessionKey>) {
        let state = |state| tsp(TspEvent::CallState { call, state, allowed: None });
        match op {
            CallOp::MakeCall { .. } => {
                let flow = Flowing::Both;
                let sdp = || "v=0\r\n".repeat(40);
                let say = |message: SdpMessage| {
                    tsp(TspEvent::Relay { call, to: None, data: message.into_opaque() })
                };
                self.waiting.push_back(state(CallState::Dialing));
                self.waiting.push_back(say(SdpMessage::OfferWanted { flow }));
                if let Some(session) = session {
                    let data = SdpMessage::Offer { sdp: sdp() }.into_opaque();
                    self.waiting.push_back(msp(MspEvent::Relay { session, data }));
                }
                self.waiting.push_back(state(CallState::Ringback));
                self.waiting.push_back(say(SdpMessage::Answer { sdp: sdp() }));
                self.waiting.push_back(state(CallState::CONNECTED));
            }
            CallOp::Hold => self.waiting.push_back(state(CallState::OnHold)),
            CallOp::Unhold => self.waiting.push_back(state(CallState::CONNECTED)),
            CallOp::Drop { .. } => {
                let cause = Cause::NormalClearing;
                self.waiting.push_back(state(CallState::Disconnected { cause }));
                self.waiting.push_back(state(CallState::Idle));
            }
            _ => {}
        }
    }

    fn tsp_done(&mut self, request: RequestId) {
        self.waiting.push_back(tsp(TspEvent::Reply { request, result: Reply::DONE }));
    }

    fn make_call(&mut self) {
        let to = Address::new("sip:bob@example.org");
        self.ask(Ask::MakeCall { line: self.line, to, params: Box::default() });
    }

    /// So many calls are made, held, taken back and dropped together.
    fn round(&mut self, calls: usize) {
        for _ in 0..calls {
            self.make_call();
        }
        let made = std::mem::take(&mut self.made);
        for op in [CallAsk::Hold, CallAsk::Unhold, CallAsk::Drop { cause: None }] {
            for call in &made {
                self.ask(Ask::Call { call: *call, op: op.clone() });
            }
        }
        for call in made {
            self.ask(Ask::Deallocate { call, keep: false });
        }
    }
}

/// Calls that come and go while so many others live.
fn time(live: usize) {
    let mut world = World::new(Some(Vec::new()));
    for _ in 0..live {
        world.make_call();
    }
    world.made = Vec::new();
    let prologue = world.story.replace(Vec::new()).unwrap_or_default();
    for _ in 0..CALLS / AT_ONCE {
        world.round(AT_ONCE);
    }
    let left = world.switch.counts();
    assert_eq!((left.calls, left.sessions, left.requests), (live, live, 0), "every other call has ended");
    let story = world.story.unwrap_or_default();
    let outputs: usize = story.iter().map(|step| step.outputs.len()).sum();
    let inputs = |story: &[Step]| -> Vec<(Moment, Input)> {
        story.iter().map(|step| (step.at, step.input.clone())).collect()
    };
    let (mut bare, mut switch) = (Duration::MAX, Duration::MAX);
    for _ in 0..PASSES {
        bare = bare.min(through_a_queue(story.clone()));
        switch = switch.min(through_a_switch(inputs(&prologue), inputs(&story)));
    }
    let each = |time: Duration| time.as_secs_f64() * 1e9 / story.len() as f64;
    let rate = |time: Duration| story.len() as f64 / time.as_secs_f64() / 1e6;
    let inputs = story.len();
    say(&format!(
        "{inputs} inputs and {outputs} outputs of {CALLS} calls, {AT_ONCE} at once, beside {live} live calls"
    ));
    say("            million inputs/s   ns/input   us/call");
    for (name, time) in [("bare queue", bare), ("switch", switch)] {
        let per_call = time.as_secs_f64() * 1e6 / CALLS as f64;
        say(&format!("{name:<10}  {:16.2}  {:9.0}  {per_call:8.2}", rate(time), each(time)));
    }
    say(&format!("ratio {:.1}", switch.as_secs_f64() / bare.as_secs_f64()));
}

/// Each message goes through a queue and is dropped.
fn through_a_queue(story: Vec<Step>) -> Duration {
    let (mut inputs, mut outputs) = (VecDeque::new(), VecDeque::new());
    let begin = Instant::now();
    for step in story {
        inputs.push_back(black_box((step.at, step.input)));
        drop(black_box(inputs.pop_front()));
        outputs.extend(step.outputs);
        while let Some(output) = outputs.pop_front() {
            drop(black_box(output));
        }
    }
    begin.elapsed()
}

/// Each input goes through a new switch, what comes out is dropped; the prologue is not counted.
fn through_a_switch(prologue: Vec<(Moment, Input)>, inputs: Vec<(Moment, Input)>) -> Duration {
    let mut switch = Switch::new(Config::default());
    let mut pass = |inputs: Vec<(Moment, Input)>| {
        let begin = Instant::now();
        for (at, input) in inputs {
            switch.handle(at, input);
            while let Some(output) = switch.poll() {
                drop(black_box(output));
            }
        }
        begin.elapsed()
    };
    pass(prologue);
    pass(inputs)
}

fn memory() {
    let Some(before) = resident() else {
        return say("memory cannot be measured on this system");
    };
    let mut world = World::new(None);
    for _ in 0..HELD {
        world.make_call();
    }
    world.made = Vec::new();
    let after = resident().unwrap_or(before);
    let mut one = World::new(Some(Vec::new()));
    let prologue = one.story.as_ref().map_or(0, Vec::len);
    one.make_call();
    let messages: Vec<Step> = one.story.unwrap_or_default().split_off(prologue);
    let between = resident().unwrap_or(after);
    let kept: Vec<Vec<Input>> =
        (0..HELD).map(|_| messages.iter().map(|step| step.input.clone()).collect()).collect();
    let end = resident().unwrap_or(between);
    assert_eq!((world.switch.counts().calls, kept.len()), (HELD, HELD), "all calls are held");
    let each = |from: u64, to: u64| to.saturating_sub(from) as f64 / HELD as f64;
    let (switch, bare) = (each(before, after), each(between, end));
    say(&format!("{HELD} held calls: {switch:.0} bytes/call in the switch, {bare:.0} bytes/call as the"));
    say(&format!("{} messages that set them up, ratio {:.2}", messages.len(), switch / bare));
}

/// Bytes of this process in memory.
fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}

fn manifest(name: &str) -> Manifest {
    Manifest {
        name: name.to_owned(),
        vendor: "bench".to_owned(),
        release: "1".to_owned(),
        spi: VersionRange::CURRENT,
        schemas: vec![SchemaId::new(SDP_SCHEMA)],
    }
}

fn line_up() -> TspEvent {
    let session = SessionWish { msp: "msp".to_owned(), schema: SchemaId::new(SDP_SCHEMA) };
    let caps = LineCaps {
        ops: OpSet::from([Op::Drop, Op::Hold, Op::MakeCall, Op::Unhold]),
        media: MediaSet::AUDIO,
        session: Some(session),
        addresses: vec![AddressCaps::default()],
        ..LineCaps::default()
    };
    let stable_id = "bench".to_owned();
    TspEvent::LineUp { line: LINE, stable_id, caps: Box::new(caps), status: LineStatus::default() }
}

fn tsp(event: TspEvent) -> Input {
    Input::Tsp { provider: TSP, event }
}

fn msp(event: MspEvent) -> Input {
    Input::Msp { provider: MSP, event }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
}
