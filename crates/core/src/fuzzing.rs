// SPDX-License-Identifier: MIT OR Apache-2.0
//! Anything may happen to a switch: bodies of fuzz targets, run as ordinary tests too.
//!
//! Bytes become applications that ask, providers that reply, report, err and vanish, and time that
//! passes. Meanwhile watchers check what must always hold: one answer per request, nothing about a call
//! before its birth or after its end, no gap between events, and nothing left once everything is over.

use std::collections::BTreeMap;

use offhook_spi::frame::{self, FromProvider, ToProvider, TspWords, Words as _};
use offhook_spi::{
    CallKey, CallState, LineCaps, LineKey, LineStatus, Machine, Manifest, MediaSet, Moment, MspCaps,
    MspCommand, MspEvent, Op, OpSet, PhoneCaps, PhoneKey, RequestId, SchemaId, SessionKey, SessionWish,
    TerminalClass, TspCommand, TspEvent, VersionRange,
};

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::choices::Bytes;
use crate::app::{Answer, AppEvent, AppProfile, Ask, Interest};
use crate::id::{AppId, AskId, CallId, LineId, PhoneId, ProviderId};
use crate::io::{Input, Output};
use crate::policy::Config;
use crate::record::Entry;
use crate::switch::Switch;

mod choices;

/// Turns bytes into a story and checks what must always hold.
///
/// # Panics
/// When it does not hold.
pub fn operations(data: &[u8]) {
    drop(story(data));
}

/// As [`operations`]; gives what went in and what came out, to be replayed.
///
/// # Panics
/// When something that must always hold does not.
#[must_use]
pub fn story(data: &[u8]) -> (Config, Vec<Entry>, Vec<Output>) {
    let mut bytes = Bytes(data);
    let config = bytes.config();
    let mut story = Story::new(config.clone());
    while !bytes.0.is_empty() {
        let input = story.choose(&mut bytes);
        story.happen(input);
    }
    story.finish();
    (config, story.entries, story.outputs)
}

/// Reads lines as a carrier does, whatever it may carry, and feeds what is understood to a switch.
///
/// # Panics
/// When something that must always hold does not, or a message is not read as it was written.
pub fn frames(data: &[u8]) {
    let mut story = Story::new(Config::default());
    let line = story.line();
    story.happen(Input::Ask { app: AppId(0), id: AskId(900), ask: Ask::OpenLine { line, interest: BOTH } });
    for frame in data.split(|byte| *byte == b'\n') {
        if let Some(event) = said::<TspEvent>(frame) {
            story.happen(Input::Tsp { provider: story.tsp, event });
        }
        if let Some(event) = said::<MspEvent>(frame) {
            story.happen(Input::Msp { provider: story.msp, event });
        }
        if let Ok(ask) = serde_json::from_slice(frame) {
            let id = story.next_ask();
            story.happen(Input::Ask { app: AppId(0), id, ask });
        }
        told::<TspCommand>(frame);
        told::<MspCommand>(frame);
        let _ = frame::Introduction::read(frame);
        let _ = serde_json::from_slice::<Entry>(frame);
    }
    story.finish();
}

/// What a provider says, if it is an event that is known.
fn said<E: DeserializeOwned + Serialize>(bytes: &[u8]) -> Option<E> {
    let Ok(FromProvider::Event(event)) = FromProvider::<E>::read(bytes) else { return None };
    let written = frame::line(&event);
    match FromProvider::<E>::read(&written) {
        Ok(FromProvider::Event(again)) => assert_eq!(frame::line(&again), written, "read as it was written"),
        Ok(_) | Err(_) => panic!("{} is not read again", String::from_utf8_lossy(&written)),
    }
    Some(event)
}

/// What a host says; a command that is not known is answered as far as it has a request.
fn told<C: DeserializeOwned + Serialize>(bytes: &[u8]) {
    match ToProvider::<C>::read(bytes) {
        Ok(ToProvider::Command(command)) => {
            let written = frame::line(&command);
            let Ok(ToProvider::Command(again)) = ToProvider::<C>::read(&written) else {
                panic!("{} is not read again", String::from_utf8_lossy(&written))
            };
            assert_eq!(frame::line(&again), written, "read as it was written");
        }
        Ok(ToProvider::Unknown { request: Some(request), detail }) => {
            drop(frame::line(&TspWords::refuse(request, frame::unsupported(&detail))));
        }
        Ok(ToProvider::Unknown { .. } | ToProvider::Ping(_)) | Err(_) => {}
    }
}

const BOTH: Interest = Interest { monitor: true, own: MediaSet::AUDIO };
const LINE: LineKey = LineKey(1);
const PHONE: PhoneKey = PhoneKey(1);

/// A switch, those around it, and the watchers.
struct Story {
    switch: Switch,
    now: Moment,
    tsp: ProviderId,
    msp: ProviderId,
    providers: u32,
    serial: u64,
    asks: u64,
    entries: Vec<Entry>,
    outputs: Vec<Output>,
    /// Requests that a provider has not replied to.
    open: Vec<(ProviderId, RequestId)>,
    /// Keys and sessions that were ever heard of: used in events whether they live or not.
    keys: Vec<CallKey>,
    sessions: Vec<SessionKey>,
    ids: Vec<CallId>,
    /// What watchers know: who waits for an answer, who may hear of which call and whether it is over.
    waiting: BTreeMap<AskId, Option<CallId>>,
    born: BTreeMap<(AppId, CallId), bool>,
    sequence: u64,
}

impl Story {
    fn new(config: Config) -> Self {
        let mut story = Self {
            switch: Switch::new(config),
            now: Moment::ZERO,
            tsp: ProviderId(0),
            msp: ProviderId(0),
            providers: 0,
            serial: 0,
            asks: 1000,
            entries: Vec::new(),
            outputs: Vec::new(),
            open: Vec::new(),
            keys: vec![CallKey::core(1), CallKey::provider(1)],
            sessions: vec![SessionKey(1)],
            ids: Vec::new(),
            waiting: BTreeMap::new(),
            born: BTreeMap::new(),
            sequence: 0,
        };
        for app in 0..3 {
            story.happen(Input::AppUp { app: AppId(app), profile: profile(app) });
        }
        story.msp_up();
        story.tsp_up();
        story
    }

    fn tsp_up(&mut self) {
        self.providers += 1;
        self.tsp = ProviderId(self.providers);
        let provider = self.tsp;
        self.happen(Input::TspUp { provider, manifest: manifest("tsp") });
        self.happen(Input::Tsp { provider, event: line_up() });
        self.happen(Input::Tsp { provider, event: phone_up() });
    }

    fn msp_up(&mut self) {
        self.providers += 1;
        self.msp = ProviderId(self.providers);
        let provider = self.msp;
        self.happen(Input::MspUp { provider, manifest: manifest("msp") });
        let ops = OpSet::from([Op::GenerateDigits, Op::GenerateTone, Op::MonitorDigits]);
        let terminals = vec![TerminalClass::Echo, TerminalClass::FileRecording];
        let caps = MspCaps { ops, media: MediaSet::AUDIO, terminals };
        self.happen(Input::Msp { provider, event: MspEvent::Ready { caps } });
    }

    fn line(&self) -> LineId {
        self.switch.lines.keys().next().unwrap_or_default()
    }

    fn phone(&self) -> PhoneId {
        self.switch.phones.keys().next().unwrap_or_default()
    }

    fn next_ask(&mut self) -> AskId {
        self.asks += 1;
        AskId(self.asks)
    }

    /// Lets something happen while the watchers watch.
    fn happen(&mut self, input: Input) {
        self.before(&input);
        self.entries.push(Entry { at: self.now, input: input.clone() });
        self.switch.handle(self.now, input);
        while let Some(output) = self.switch.poll() {
            self.watch(&output);
            self.outputs.push(output);
        }
    }

    fn before(&mut self, input: &Input) {
        match input {
            Input::Ask { id, ask, .. } => {
                let given_back = match ask {
                    Ask::Deallocate { call, .. } => Some(*call),
                    _ => None,
                };
                self.waiting.insert(*id, given_back);
            }
            Input::AppDown { app } => self.born.retain(|(holder, _), _| holder != app),
            Input::Tsp { provider, event: TspEvent::Reply { request, .. } }
            | Input::Msp { provider, event: MspEvent::Reply { request, .. } }
            | Input::Overflow { provider, request } => {
                self.open.retain(|open| *open != (*provider, *request));
            }
            Input::ProviderDown { provider, .. } => self.open.retain(|(open, _)| open != provider),
            _ => {}
        }
    }

    fn watch(&mut self, output: &Output) {
        match output {
            Output::Answer { app, id, result } => {
                let asked = self.waiting.remove(id);
                assert!(asked.is_some(), "{id:?} was answered twice");
                match result {
                    Ok(Answer::Call { call }) => self.birth(*app, *call),
                    Ok(Answer::Conference { conference, consultation }) => {
                        self.birth(*app, *conference);
                        self.birth(*app, *consultation);
                    }
                    Ok(Answer::Calls { calls }) => {
                        for record in calls {
                            self.ids.push(record.call);
                            let over = record.state == CallState::Idle;
                            self.born.entry((*app, record.call)).or_insert(over);
                        }
                    }
                    Ok(Answer::Done { .. }) => {
                        if let Some(Some(call)) = asked {
                            self.born.remove(&(*app, call));
                        }
                    }
                    _ => {}
                }
            }
            Output::Event { sequence, to, event } => {
                self.sequence += 1;
                assert_eq!(sequence.0, self.sequence, "events have a gap");
                assert!(to.is_sorted() && !to.is_empty(), "{to:?}");
                to.iter().for_each(|app| self.hear(*app, event));
            }
            Output::Tsp { provider, command } => self.command(*provider, command),
            Output::Msp { provider, command } => self.media_command(*provider, command),
            Output::Violation { .. } => {}
        }
    }

    fn birth(&mut self, app: AppId, call: CallId) {
        assert!(self.born.insert((app, call), false).is_none(), "{call} was born twice for {app}");
        self.ids.push(call);
    }

    /// An application hears of a call only between its birth and its end.
    fn hear(&mut self, app: AppId, event: &AppEvent) {
        match event {
            AppEvent::NewCall { record } => {
                self.ids.push(record.call);
                self.born.insert((app, record.call), false);
            }
            AppEvent::CallState { call, state, .. } => {
                let over = self.born.get_mut(&(app, *call));
                assert_eq!(over.as_deref(), Some(&false), "{app} hears of {call}: {state}");
                if let Some(over) = over {
                    *over = *state == CallState::Idle;
                }
            }
            AppEvent::CallInfo { call, .. }
            | AppEvent::Digit { call, .. }
            | AppEvent::Gathered { call, .. }
            | AppEvent::Generated { call, .. }
            | AppEvent::Hub { call, .. }
            | AppEvent::MediaHeard { call, .. }
            | AppEvent::Owners { call, .. }
            | AppEvent::Redirected { call, .. } => {
                assert_eq!(self.born.get(&(app, *call)), Some(&false), "{app} hears {event:?}");
            }
            AppEvent::EndOfFile { call, .. }
            | AppEvent::Recorded { call, .. }
            | AppEvent::SessionEnded { call, .. }
            | AppEvent::Stream { call, .. } => {
                assert!(self.born.contains_key(&(app, *call)), "{app} hears {event:?}");
            }
            _ => {}
        }
    }

    fn command(&mut self, provider: ProviderId, command: &TspCommand) {
        assert_eq!(provider, self.tsp, "a command to a provider that is gone");
        match command {
            TspCommand::Call { request, call, .. } => {
                self.open.push((provider, *request));
                self.keys.push(*call);
            }
            TspCommand::Line { request, .. }
            | TspCommand::Open { request, .. }
            | TspCommand::Phone { request, .. } => self.open.push((provider, *request)),
            _ => {}
        }
    }

    fn media_command(&mut self, provider: ProviderId, command: &MspCommand) {
        assert_eq!(provider, self.msp, "a command to a provider that is gone");
        match command {
            MspCommand::CreateSession { request, session, .. } => {
                self.open.push((provider, *request));
                self.sessions.push(*session);
            }
            MspCommand::GenerateDigits { request, .. }
            | MspCommand::GenerateTone { request, .. }
            | MspCommand::MonitorDigits { request, .. }
            | MspCommand::SelectTerminal { request, .. }
            | MspCommand::SetStream { request, .. }
            | MspCommand::Statistics { request, .. }
            | MspCommand::TerminalControl { request, .. }
            | MspCommand::UnselectTerminal { request, .. } => self.open.push((provider, *request)),
            _ => {}
        }
    }

    /// Everything ends: the line or its provider goes, time passes, applications leave.
    fn finish(&mut self) {
        if self.serial.is_multiple_of(2) {
            self.happen(Input::ProviderDown { provider: self.tsp, detail: String::new() });
            self.happen(Input::ProviderDown { provider: self.msp, detail: String::new() });
        } else {
            self.happen(Input::Tsp { provider: self.tsp, event: TspEvent::LineDown { line: LINE } });
        }
        while let Some(at) = self.switch.deadline() {
            self.now = self.now.max(at);
            self.happen(Input::Wake);
        }
        assert!(self.waiting.is_empty(), "never answered: {:?}", self.waiting);
        for app in 0..3 {
            self.happen(Input::AppDown { app: AppId(app) });
        }
        assert!(self.switch.is_empty(), "left over: {:?}", self.switch.counts());
        assert!(self.switch.phones.values().all(|phone| phone.users().is_empty() && phone.asked.is_empty()));
        assert!(
            self.switch.lines.values().all(|line| line.completions.is_empty() && line.openers.is_empty())
        );
    }
}

fn profile(app: u64) -> AppProfile {
    AppProfile { name: format!("application {app}"), priority: 0 }
}

fn manifest(name: &str) -> Manifest {
    Manifest {
        name: name.to_owned(),
        vendor: String::new(),
        release: String::new(),
        spi: VersionRange::CURRENT,
        schemas: Vec::new(),
    }
}

/// A line that offers everything but what only its MSP can do.
fn line_up() -> TspEvent {
    let from_msp = [Op::GenerateDigits, Op::GenerateTone, Op::MonitorDigits];
    let caps = LineCaps {
        ops: Op::ALL.into_iter().map(|(op, _)| op).filter(|op| !from_msp.contains(op)).collect(),
        media: MediaSet::AUDIO,
        session: Some(SessionWish { msp: "msp".to_owned(), schema: SchemaId::new("test") }),
        ..LineCaps::default()
    };
    let (stable_id, status) = ("line".to_owned(), LineStatus::default());
    TspEvent::LineUp { line: LINE, stable_id, caps: Box::new(caps), status }
}

/// A phone with a little of everything.
fn phone_up() -> TspEvent {
    let hooks = vec![offhook_spi::HookSwitch::Handset];
    let caps = PhoneCaps { hooks, display: (1, 20), buttons: 2, ring_modes: 1, ..PhoneCaps::default() };
    TspEvent::PhoneUp { phone: PHONE, stable_id: "phone".to_owned(), caps }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Config;
    use crate::record::{Entry, compare, replay};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_happens_the_watchers_stay_silent(data in proptest::collection::vec(any::<u8>(), 0..3000)) {
            operations(&data);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

        /// What was recorded is written as lines, read back and replayed: equal bit for bit.
        #[test]
        fn a_recording_replays_bit_for_bit(data in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let (config, entries, outputs) = story(&data);
            let config = serde_json::to_string(&config).unwrap();
            let inputs: Vec<String> = entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
            let entries = inputs.iter().map(|line| serde_json::from_str::<Entry>(line).unwrap());
            let again = replay(serde_json::from_str::<Config>(&config).unwrap(), entries);
            prop_assert_eq!(compare(&outputs, &again), None);
            let written: Vec<_> = outputs.iter().map(|output| serde_json::to_string(output).unwrap()).collect();
            let read = written.iter().map(|line| serde_json::from_str::<Output>(line).unwrap());
            prop_assert_eq!(compare(&outputs, &read.collect::<Vec<_>>()), None);
        }

        #[test]
        fn no_frame_panics(data in proptest::collection::vec(any::<u8>(), 0..400)) {
            frames(&data);
        }
    }

    /// What fuzzing found worth keeping.
    #[test]
    fn the_corpus_does_no_harm() {
        for (name, target) in
            [("core_operations", operations as fn(&[u8])), ("core_frames", frames as fn(&[u8]))]
        {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/");
            let files: Vec<_> = std::fs::read_dir(format!("{folder}{name}")).unwrap().collect();
            assert!(!files.is_empty(), "{name} has no corpus");
            for file in files {
                target(&std::fs::read(file.unwrap().path()).unwrap());
            }
        }
    }

    #[test]
    fn good_frames_are_understood() {
        let frames_text = concat!(
            r#"{"event":"reply","request":1,"done":{"outcome":"done"}}"#,
            "\n",
            r#"{"event":"new_call","line":1,"call":{"named_by":"provider","serial":1},"info":{},"state":"offering"}"#,
            "\n",
            r#"{"event":"call_state","call":{"named_by":"provider","serial":1},"state":"connected"}"#,
            "\n",
            r#"{"event":"digit","session":1,"digit":"5","mode":"event"}"#,
            "\n",
            r#"{"event":"relay","session":1,"data":{"schema":"x","data":""}}"#,
            "\n",
            r#"{"ask":"calls"}"#,
            "\n",
        );
        frames(frames_text.as_bytes());
    }
}
