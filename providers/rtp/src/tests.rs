// SPDX-License-Identifier: MIT OR Apache-2.0
//! Facts about the provider's logic, with a leg that the test plays.

use std::time::Duration;

use offhook_spi::{
    BridgeSide, CallKey, Digit, DigitMode, Flowing, GenerationEnd, Machine, MediaSet, Moment, MspCommand,
    MspEvent, RecordingEnd, Refusal, RefusalKind, Reply, RequestId, SDP_SCHEMA, SchemaId, SdpMessage,
    SessionKey, StreamChange, StreamKey, StreamState, Terminal, TerminalControl, TerminalKey, Tone,
};

use crate::config::RtpConfig;
use crate::leg::{Bridge, Ear, Figures, Flow, Generation, Input, News, Opening, Output, Plan, Way};
use crate::provider::Provider;

const SESSION: SessionKey = SessionKey(1);
const TERMINAL: TerminalKey = TerminalKey(5);
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\n\
    m=audio 6000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n";

/// A provider and the engine that the test plays.
struct Rig {
    provider: Provider,
    now: Moment,
    requests: u64,
}

impl Rig {
    fn new(config: RtpConfig) -> Self {
        let mut rig = Self { provider: Provider::new(config), now: Moment::ZERO, requests: 0 };
        assert!(matches!(rig.drain()[..], [Output::Emit(MspEvent::Ready { .. })]));
        rig
    }

    /// With one session that has answered and may send.
    fn talking() -> Self {
        let mut rig = Self::new(RtpConfig::default());
        assert_eq!(rig.create(SESSION), Reply::DONE);
        rig.relay(SdpMessage::Offer { sdp: OFFER.to_owned() });
        rig.relay(SdpMessage::Commit);
        rig
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.provider.poll()).collect()
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        self.provider.handle(self.now, input);
        self.drain()
    }

    fn command(&mut self, command: MspCommand) -> Vec<Output> {
        self.give(Input::Command(command))
    }

    fn hear(&mut self, news: News) -> Vec<Output> {
        self.give(Input::Heard { session: SESSION, news })
    }

    fn request(&mut self, command: impl FnOnce(RequestId) -> MspCommand) -> Vec<Output> {
        self.requests += 1;
        let command = command(RequestId(self.requests));
        self.command(command)
    }

    fn create(&mut self, session: SessionKey) -> Reply {
        let mut outputs = self.request(|request| creation(request, session));
        if outputs == [Output::Open { session }] {
            let opening = Opening { port: 4_000, rtcp: Some(4_001), id: 7, keys: Vec::new() };
            outputs = self.give(Input::Opened { session, result: Ok(opening) });
        }
        reply(&outputs)
    }

    fn relay(&mut self, message: SdpMessage) -> Vec<Output> {
        self.command(MspCommand::Relay { session: SESSION, data: message.into_opaque() })
    }

    fn select(&mut self, stream: StreamKey, what: Terminal) -> Vec<Output> {
        self.request(|request| MspCommand::SelectTerminal {
            request,
            session: SESSION,
            stream,
            terminal: TERMINAL,
            what,
        })
    }

    /// Selects a terminal that the engine takes.
    fn fit(&mut self, stream: StreamKey, what: Terminal) {
        let outputs = self.select(stream, what);
        assert!(matches!(outputs[..], [Output::Attach { .. }]), "{outputs:?}");
        let outputs = self.give(Input::Attached { session: SESSION, terminal: TERMINAL, result: Ok(()) });
        assert_eq!(reply(&outputs), Reply::DONE);
    }

    fn control(&mut self, control: TerminalControl) -> Vec<Output> {
        let (session, terminal) = (SESSION, TERMINAL);
        self.request(|request| MspCommand::TerminalControl { request, session, terminal, control })
    }

    fn unselect(&mut self) -> Vec<Output> {
        let (session, terminal) = (SESSION, TERMINAL);
        self.request(|request| MspCommand::UnselectTerminal { request, session, terminal })
    }

    fn digits(&mut self, digits: &str, mode: Option<DigitMode>) -> Vec<Output> {
        let digits = digits.chars().filter_map(Digit::new).collect();
        let (session, duration) = (SESSION, None);
        self.request(|request| MspCommand::GenerateDigits { request, session, digits, mode, duration })
    }

    fn monitor(&mut self, modes: &[DigitMode]) -> Vec<Output> {
        let modes = modes.to_vec();
        self.request(|request| MspCommand::MonitorDigits { request, session: SESSION, modes })
    }
}

fn creation(request: RequestId, session: SessionKey) -> MspCommand {
    MspCommand::CreateSession {
        request,
        session,
        call: CallKey::core(1),
        line: "line".to_owned(),
        media: MediaSet::AUDIO,
        schema: SchemaId::new(SDP_SCHEMA),
    }
}

fn events(outputs: &[Output]) -> Vec<&MspEvent> {
    let mut events = Vec::new();
    for output in outputs {
        if let Output::Emit(event) = output {
            events.push(event);
        }
    }
    events
}

/// The one reply among the outputs.
fn reply(outputs: &[Output]) -> Reply {
    let replies: Vec<&Reply> = events(outputs)
        .into_iter()
        .filter_map(|event| match event {
            MspEvent::Reply { result, .. } => Some(result),
            _ => None,
        })
        .collect();
    assert_eq!(replies.len(), 1, "{outputs:?}");
    replies[0].clone()
}

fn refusal(outputs: &[Output]) -> RefusalKind {
    match reply(outputs) {
        Reply::Refused(refusal) => refusal.kind,
        Reply::Done(_) => panic!("{outputs:?}"),
    }
}

/// The plans among the outputs.
fn plans(outputs: &[Output]) -> Vec<&Plan> {
    let mut plans = Vec::new();
    for output in outputs {
        if let Output::Plan { plan, .. } = output {
            plans.push(plan);
        }
    }
    plans
}

/// What was said to the TSP.
fn said(outputs: &[Output]) -> Vec<SdpMessage> {
    let message = |event: &MspEvent| match event {
        MspEvent::Relay { data, .. } => SdpMessage::from_opaque(data),
        _ => None,
    };
    events(outputs).into_iter().filter_map(message).collect()
}

fn streams(outputs: &[Output]) -> Vec<(StreamKey, StreamState)> {
    let state = |event: &MspEvent| match event {
        MspEvent::Stream { stream, state, .. } => Some((*stream, state.clone())),
        _ => None,
    };
    events(outputs).into_iter().filter_map(state).collect()
}

fn active(stream: StreamKey) -> (StreamKey, StreamState) {
    (stream, StreamState::Active { codec: "PCMU/8000".to_owned() })
}

fn recording() -> Terminal {
    Terminal::FileRecording { path: "call.wav".to_owned() }
}

fn playback() -> Terminal {
    Terminal::FilePlayback { path: "hello.wav".to_owned(), repeat: false }
}

fn beep() -> Tone {
    Tone { frequencies: vec![440.0], duration: Duration::from_millis(200), level: -10.0 }
}

fn stored() -> RecordingEnd {
    RecordingEnd::Stored { duration: Duration::from_secs(1) }
}

fn end() -> MspCommand {
    MspCommand::EndSession { session: SESSION }
}

fn closed(figures: Figures) -> Input {
    Input::Closed { session: SESSION, figures: Box::new(figures) }
}

#[test]
fn an_incoming_call_receives_from_its_answer_and_sends_from_the_commit() {
    let mut rig = Rig::new(RtpConfig::default());
    rig.create(SESSION);
    let outputs = rig.relay(SdpMessage::Offer { sdp: OFFER.to_owned() });
    assert!(
        matches!(outputs[..], [Output::Plan { .. }, Output::Emit(MspEvent::Relay { .. })]),
        "{outputs:?}"
    );
    let plan = plans(&outputs)[0];
    assert_eq!((plan.flow, plan.far), (Flow(Flowing::In), None));
    assert!(matches!(said(&outputs)[..], [SdpMessage::Answer { .. }]));
    let outputs = rig.relay(SdpMessage::Commit);
    let plan = plans(&outputs)[0];
    assert_eq!(plan.flow, Flow(Flowing::Both));
    assert_eq!(plan.far.unwrap().remote, Some("127.0.0.9:6000".parse().unwrap()));
    assert_eq!(streams(&outputs), [active(StreamKey::AudioOut)]);
}

#[test]
fn an_outgoing_call_receives_from_its_offer_and_sends_from_an_early_answer() {
    let mut rig = Rig::new(RtpConfig::default());
    rig.create(SESSION);
    let outputs = rig.relay(SdpMessage::OfferWanted { flow: Flowing::Both });
    assert!(matches!(said(&outputs)[..], [SdpMessage::Offer { .. }]));
    assert_eq!(plans(&outputs)[0].flow, Flow(Flowing::In));
    let outputs = rig.relay(SdpMessage::EarlyAnswer { sdp: OFFER.to_owned() });
    assert_eq!(plans(&outputs)[0].flow, Flow(Flowing::Both));
    let elsewhere = OFFER.replace("6000", "6100");
    let outputs = rig.relay(SdpMessage::Answer { sdp: elsewhere });
    assert_eq!(plans(&outputs)[0].far.unwrap().remote, Some("127.0.0.9:6100".parse().unwrap()));
    assert_eq!(rig.relay(SdpMessage::Answer { sdp: OFFER.to_owned() }), [], "a repeated answer");
}

#[test]
fn what_cannot_be_used_is_unacceptable_and_changes_nothing() {
    let mut rig = Rig::talking();
    let outputs = rig.relay(SdpMessage::Offer { sdp: OFFER.replace("RTP/AVP", "RTP/SAVP") });
    let [SdpMessage::Unacceptable { detail }] = &said(&outputs)[..] else { panic!("{outputs:?}") };
    assert!(detail.contains("encrypted"), "{detail}");
    assert_eq!(plans(&outputs), Vec::<&Plan>::new());
}

#[test]
fn a_hold_is_told_and_ends() {
    let mut rig = Rig::talking();
    assert_eq!(streams(&rig.hear(News::Receiving)), [active(StreamKey::AudioIn)]);
    let outputs = rig.relay(SdpMessage::Offer { sdp: format!("{OFFER}a=inactive\r\n") });
    assert_eq!(streams(&outputs), [], "not before the answer is on its way");
    let outputs = rig.relay(SdpMessage::Commit);
    assert_eq!(plans(&outputs)[0].flow, Flow(Flowing::Neither));
    let both = [StreamKey::AudioIn, StreamKey::AudioOut];
    assert_eq!(streams(&outputs), both.map(|stream| (stream, StreamState::Inactive)));
    rig.relay(SdpMessage::Offer { sdp: OFFER.to_owned() });
    assert_eq!(streams(&rig.relay(SdpMessage::Commit)), [active(StreamKey::AudioOut)]);
}

#[test]
fn our_hold_stops_sending_only_when_it_is_answered() {
    let mut rig = Rig::talking();
    let outputs = rig.relay(SdpMessage::OfferWanted { flow: Flowing::Neither });
    assert!(plans(&outputs).iter().all(|plan| plan.flow == Flow(Flowing::Both)));
    let outputs = rig.relay(SdpMessage::Rollback);
    assert!(plans(&outputs).iter().all(|plan| plan.flow == Flow(Flowing::Both)));
    rig.relay(SdpMessage::OfferWanted { flow: Flowing::Neither });
    let outputs = rig.relay(SdpMessage::Answer { sdp: format!("{OFFER}a=inactive\r\n") });
    assert_eq!(plans(&outputs)[0].flow, Flow(Flowing::Neither));
}

#[test]
fn silence_is_told_once_and_its_end() {
    let mut rig = Rig::talking();
    rig.hear(News::Receiving);
    assert_eq!(streams(&rig.hear(News::Silent)), [(StreamKey::AudioIn, StreamState::Silent)]);
    assert_eq!(rig.hear(News::Silent), []);
    assert_eq!(streams(&rig.hear(News::Receiving)), [active(StreamKey::AudioIn)]);
}

#[test]
fn what_cannot_be_created_is_refused() {
    let mut rig = Rig::new(RtpConfig { max_sessions: 1, ..RtpConfig::default() });
    let other = rig.request(|request| match creation(request, SESSION) {
        MspCommand::CreateSession { request, session, call, line, media, .. } => {
            let schema = SchemaId::new("acme");
            MspCommand::CreateSession { request, session, call, line, media, schema }
        }
        command => command,
    });
    assert_eq!(refusal(&other), RefusalKind::Unsupported);
    rig.request(|request| creation(request, SESSION));
    let outputs = rig.give(Input::Opened { session: SESSION, result: Err("no port".to_owned()) });
    assert_eq!(refusal(&outputs), RefusalKind::OperationFailed);
    assert_eq!(rig.command(end()), [], "the key is dead");
    assert_eq!(rig.create(SESSION), Reply::DONE);
    let taken = rig.request(|request| creation(request, SESSION));
    assert_eq!(refusal(&taken), RefusalKind::InvalidParameter);
    let full = rig.request(|request| creation(request, SessionKey(2)));
    assert_eq!(refusal(&full), RefusalKind::Busy);
}

#[test]
fn terminals_fit_their_streams() {
    use StreamKey::{AudioIn, AudioOut, VideoIn};
    let detector = |tones| Terminal::ToneDetector { tones };
    for (stream, what, fits) in [
        (AudioOut, playback(), true),
        (AudioIn, playback(), false),
        (AudioIn, recording(), true),
        (AudioOut, recording(), false),
        (AudioOut, Terminal::Echo, true),
        (AudioIn, Terminal::Echo, false),
        (AudioIn, Terminal::Application { port: 1 }, true),
        (AudioOut, Terminal::Application { port: 1 }, true),
        (VideoIn, Terminal::Null, false),
        (AudioOut, Terminal::Tone { tone: beep() }, true),
        (AudioOut, Terminal::Tone { tone: Tone { frequencies: Vec::new(), ..beep() } }, false),
        (AudioOut, Terminal::Tone { tone: Tone { frequencies: vec![f32::NAN], ..beep() } }, false),
        (AudioIn, detector(vec![beep()]), true),
        (AudioIn, detector(Vec::new()), false),
    ] {
        let outputs = Rig::talking().select(stream, what.clone());
        match fits {
            true => assert!(matches!(outputs[..], [Output::Attach { .. }]), "{what:?} {outputs:?}"),
            false => assert_eq!(refusal(&outputs), RefusalKind::InvalidParameter, "{what:?}"),
        }
    }
}

#[test]
fn a_file_that_cannot_be_opened_leaves_its_key_free() {
    let mut rig = Rig::talking();
    rig.select(StreamKey::AudioOut, playback());
    let result = Err(Refusal::new(RefusalKind::OperationFailed, "no such file"));
    let outputs = rig.give(Input::Attached { session: SESSION, terminal: TERMINAL, result });
    assert_eq!(refusal(&outputs), RefusalKind::OperationFailed);
    rig.fit(StreamKey::AudioOut, playback());
}

#[test]
fn a_file_ends_once_however_it_ends() {
    let ended = MspEvent::EndOfFile { session: SESSION, terminal: TERMINAL };
    let mut rig = Rig::talking();
    rig.fit(StreamKey::AudioOut, playback());
    assert_eq!(rig.hear(News::Ended { terminal: TERMINAL }), [Output::Emit(ended.clone())]);
    assert_eq!(refusal(&rig.control(TerminalControl::Stop)), RefusalKind::InvalidState);
    assert_eq!(reply(&rig.unselect()), Reply::DONE);
    rig.fit(StreamKey::AudioOut, playback());
    assert!(events(&rig.control(TerminalControl::Stop)).contains(&&ended));
    assert_eq!(rig.hear(News::Ended { terminal: TERMINAL }), []);
    assert_eq!(refusal(&rig.control(TerminalControl::Resume)), RefusalKind::InvalidState);
}

#[test]
fn controls_fit_their_terminals() {
    let mut rig = Rig::talking();
    rig.fit(StreamKey::AudioIn, recording());
    assert_eq!(reply(&rig.control(TerminalControl::Pause)), Reply::DONE);
    let seek = TerminalControl::Seek(Duration::ZERO);
    assert_eq!(refusal(&rig.control(seek)), RefusalKind::InvalidParameter);
    let mut rig = Rig::talking();
    assert_eq!(refusal(&rig.control(seek)), RefusalKind::StaleHandle);
    rig.fit(StreamKey::AudioOut, Terminal::Echo);
    assert_eq!(refusal(&rig.control(TerminalControl::Pause)), RefusalKind::InvalidParameter);
}

#[test]
fn a_recording_is_stored_before_its_terminal_is_off() {
    let mut rig = Rig::talking();
    rig.fit(StreamKey::AudioIn, recording());
    let detach = Output::Detach { session: SESSION, terminal: TERMINAL };
    assert_eq!(rig.unselect(), [detach], "no reply yet");
    let outputs = rig.give(Input::Recorded { session: SESSION, terminal: TERMINAL, end: stored() });
    let [MspEvent::Recorded { path, .. }, MspEvent::Reply { result: Reply::DONE, .. }] = events(&outputs)[..]
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(path, "call.wav");
}

#[test]
fn a_stopped_recording_may_be_taken_off_while_it_is_stored() {
    let mut rig = Rig::talking();
    rig.fit(StreamKey::AudioIn, recording());
    assert_eq!(reply(&rig.control(TerminalControl::Stop)), Reply::DONE);
    assert_eq!(rig.unselect(), []);
    assert_eq!(refusal(&rig.unselect()), RefusalKind::InvalidState, "once is enough");
    let outputs = rig.give(Input::Recorded { session: SESSION, terminal: TERMINAL, end: stored() });
    assert_eq!(reply(&outputs), Reply::DONE);
    assert_eq!(refusal(&rig.unselect()), RefusalKind::StaleHandle);
}

#[test]
fn a_terminal_taken_off_while_it_comes_is_off() {
    let mut rig = Rig::talking();
    rig.select(StreamKey::AudioOut, playback());
    assert_eq!(rig.unselect(), []);
    let outputs = rig.give(Input::Attached { session: SESSION, terminal: TERMINAL, result: Ok(()) });
    assert_eq!(events(&outputs).len(), 2, "both are answered: {outputs:?}");
    assert!(outputs.contains(&Output::Detach { session: SESSION, terminal: TERMINAL }));
}

#[test]
fn digits_travel_as_agreed() {
    let mut rig = Rig::talking();
    let mode_of = |outputs: &[Output]| match outputs {
        [Output::Generate { what: Generation::Digits { mode, .. }, .. }, _] => Some(*mode),
        _ => None,
    };
    assert_eq!(mode_of(&rig.digits("12", None)), Some(DigitMode::Event));
    let outputs = rig.digits("3", Some(DigitMode::Tone));
    assert_eq!(mode_of(&outputs[2..]), Some(DigitMode::Tone), "{outputs:?}");
    rig.digits("", None);
    assert_eq!(refusal(&rig.digits("!", None)), RefusalKind::InvalidParameter, "the far end knows 0 to 15");
    assert_eq!(refusal(&rig.digits("1", Some(DigitMode::Signalling))), RefusalKind::Unsupported);
    assert_eq!(refusal(&rig.digits(&"1".repeat(65), None)), RefusalKind::InvalidParameter);
    let plain = OFFER.replace(" 101\r\n", "\r\n");
    rig.relay(SdpMessage::Offer { sdp: plain });
    rig.relay(SdpMessage::Commit);
    assert_eq!(mode_of(&rig.digits("1", None)), Some(DigitMode::Tone));
    assert_eq!(refusal(&rig.digits("1", Some(DigitMode::Event))), RefusalKind::InvalidState);
}

#[test]
fn a_generation_ends_exactly_once() {
    let generated = |end| MspEvent::Generated { session: SESSION, end };
    let mut rig = Rig::talking();
    rig.digits("1", None);
    assert_eq!(rig.hear(News::Generated { generation: 1 }), [Output::Emit(generated(GenerationEnd::Done))]);
    assert_eq!(rig.hear(News::Generated { generation: 1 }), []);
    rig.digits("2", None);
    let tone = |request| MspCommand::GenerateTone { request, session: SESSION, tone: Some(beep()) };
    let outputs = rig.request(tone);
    assert_eq!(events(&outputs)[0], &generated(GenerationEnd::Cancelled), "before the new one begins");
    assert_eq!(rig.hear(News::Generated { generation: 2 }), [], "of the old one");
    let cancel = |request| MspCommand::GenerateTone { request, session: SESSION, tone: None };
    let outputs = rig.request(cancel);
    assert_eq!(events(&outputs)[0], &generated(GenerationEnd::Cancelled));
    assert_eq!(events(&rig.request(cancel)).len(), 1, "nothing to cancel");
}

#[test]
fn nothing_is_generated_on_hold() {
    let mut rig = Rig::talking();
    rig.digits("1", None);
    rig.relay(SdpMessage::Offer { sdp: format!("{OFFER}a=sendonly\r\n") });
    let outputs = rig.relay(SdpMessage::Commit);
    let cancelled = MspEvent::Generated { session: SESSION, end: GenerationEnd::Cancelled };
    assert!(events(&outputs).contains(&&cancelled), "{outputs:?}");
    assert_eq!(refusal(&rig.digits("1", None)), RefusalKind::InvalidState);
}

#[test]
fn digits_are_reported_while_they_are_monitored() {
    let mut rig = Rig::talking();
    let digit = Digit::new('7').unwrap();
    let by = |mode| News::Digit { digit, mode };
    assert_eq!(rig.hear(by(DigitMode::Event)), []);
    let outputs = rig.monitor(&[DigitMode::Event, DigitMode::Tone]);
    assert!(!outputs.contains(&Output::Listen { session: SESSION, ear: Ear::Open }), "events were agreed");
    let heard = Output::Emit(MspEvent::Digit { session: SESSION, digit, mode: DigitMode::Event });
    assert_eq!(rig.hear(by(DigitMode::Event)), std::slice::from_ref(&heard));
    assert_eq!(rig.hear(by(DigitMode::Tone)), [], "the same key press");
    assert_eq!(rig.hear(by(DigitMode::Event)), [heard], "pressed again");
    rig.monitor(&[]);
    assert_eq!(rig.hear(by(DigitMode::Event)), []);
    assert_eq!(refusal(&rig.monitor(&[DigitMode::Signalling])), RefusalKind::Unsupported);
}

#[test]
fn tones_are_sought_only_where_no_events_were_agreed() {
    let mut rig = Rig::talking();
    rig.monitor(&[DigitMode::Event, DigitMode::Tone]);
    rig.relay(SdpMessage::Offer { sdp: OFFER.replace(" 101\r\n", "\r\n") });
    let outputs = rig.relay(SdpMessage::Commit);
    assert!(outputs.contains(&Output::Listen { session: SESSION, ear: Ear::Open }), "{outputs:?}");
    let outputs = rig.monitor(&[DigitMode::Event]);
    assert!(outputs.contains(&Output::Listen { session: SESSION, ear: Ear::Closed }), "{outputs:?}");
}

#[test]
fn figures_come_before_their_reply_and_unknown_ones_are_absent() {
    let mut rig = Rig::talking();
    let ask = |request| MspCommand::Statistics { request, session: SESSION };
    assert_eq!(rig.request(ask), [Output::Measure { session: SESSION }]);
    let figures = Figures { incoming: Way { packets: 3, ..Way::default() }, ..Figures::default() };
    let outputs = rig.give(Input::Measured { session: SESSION, figures: Box::new(figures) });
    let [MspEvent::Statistics { statistics, .. }, MspEvent::Reply { .. }] = events(&outputs)[..] else {
        panic!("{outputs:?}");
    };
    let incoming = &statistics.streams[&StreamKey::AudioIn];
    assert_eq!((incoming.packets, incoming.lost, incoming.mos), (3, None, None));
    assert_eq!(incoming.local.as_deref(), Some("127.0.0.1:4000"));
    assert_eq!(incoming.remote.as_deref(), Some("127.0.0.9:6000"));
    assert_eq!(incoming.codec.as_deref(), Some("PCMU/8000"));
}

#[test]
fn streams_are_changed_within_reason() {
    let mut rig = Rig::talking();
    let mut set = |stream, change| {
        rig.request(|request| MspCommand::SetStream { request, session: SESSION, stream, change })
    };
    assert_eq!(reply(&set(StreamKey::AudioIn, StreamChange::Gain(-6.0))), Reply::DONE);
    for (stream, change) in [
        (StreamKey::AudioIn, StreamChange::Gain(f32::NAN)),
        (StreamKey::AudioIn, StreamChange::Gain(60.0)),
        (StreamKey::VideoOut, StreamChange::Mute),
    ] {
        assert_eq!(refusal(&set(stream, change)), RefusalKind::InvalidParameter, "{change:?}");
    }
}

#[test]
fn a_session_ends_when_its_recordings_are_stored() {
    let mut rig = Rig::talking();
    rig.fit(StreamKey::AudioIn, recording());
    rig.digits("1", None);
    let outputs = rig.command(end());
    assert_eq!(outputs.last(), Some(&Output::Close { session: SESSION }));
    assert_eq!(events(&outputs).len(), 1, "the generation is cancelled");
    assert_eq!(rig.command(end()), []);
    assert_eq!(refusal(&rig.digits("1", None)), RefusalKind::InvalidState);
    assert_eq!(rig.hear(News::Silent), []);
    let figures = Figures { outgoing: Way { packets: 9, ..Way::default() }, ..Figures::default() };
    assert_eq!(rig.give(closed(figures)), []);
    let outputs = rig.give(Input::Recorded { session: SESSION, terminal: TERMINAL, end: stored() });
    let [MspEvent::Recorded { .. }, MspEvent::SessionEnded { statistics: Some(statistics), .. }] =
        events(&outputs)[..]
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(statistics.streams[&StreamKey::AudioOut].packets, 9);
    assert!(rig.provider.is_empty());
}

#[test]
fn an_end_answers_everything_that_waits() {
    let mut rig = Rig::talking();
    rig.select(StreamKey::AudioIn, recording());
    rig.request(|request| MspCommand::Statistics { request, session: SESSION });
    let outputs = rig.command(end());
    assert_eq!(events(&outputs).len(), 2, "{outputs:?}");
    assert_eq!(rig.give(Input::Attached { session: SESSION, terminal: TERMINAL, result: Ok(()) }), []);
    let outputs = rig.give(closed(Figures::default()));
    assert!(matches!(events(&outputs)[..], [MspEvent::SessionEnded { statistics: None, .. }]));
}

#[test]
fn requests_for_nobody_are_stale() {
    let mut rig = Rig::new(RtpConfig::default());
    assert_eq!(refusal(&rig.digits("1", None)), RefusalKind::StaleHandle);
    assert_eq!(rig.relay(SdpMessage::Commit), []);
    assert_eq!(rig.command(end()), []);
}

#[test]
fn a_party_joins_a_bridge_of_its_line_and_leaves_it() {
    let mut rig = Rig::talking();
    let bridge = Bridge { line: "line".into(), number: 7 };
    let side = BridgeSide::Party;
    let at = Some((bridge, side));
    let outputs = rig.relay(SdpMessage::Join { bridge: 7, side });
    assert_eq!(outputs, [Output::Bridge { session: SESSION, at }]);
    let outputs = rig.relay(SdpMessage::Leave);
    assert_eq!(outputs, [Output::Bridge { session: SESSION, at: None }]);
}

#[test]
fn music_is_played_and_ends_as_the_tsp_says() {
    let mut rig = Rig::talking();
    for path in [Some("music.wav".to_owned()), None] {
        let outputs = rig.relay(SdpMessage::Music { path: path.clone() });
        assert_eq!(outputs, [Output::Music { session: SESSION, path }]);
    }
}

#[test]
fn in_our_own_place_sound_flows_without_a_far_end() {
    let mut rig = Rig::new(RtpConfig::default());
    assert_eq!(rig.create(SESSION), Reply::DONE);
    let active = |stream| {
        let state = StreamState::Active { codec: "L16".to_owned() };
        Output::Emit(MspEvent::Stream { session: SESSION, stream, state })
    };
    let outputs = rig.relay(SdpMessage::Join { bridge: 7, side: BridgeSide::Own });
    assert_eq!(outputs[1..], [active(StreamKey::AudioIn), active(StreamKey::AudioOut)], "{outputs:?}");
    let outputs = rig.relay(SdpMessage::Leave);
    let inactive =
        |stream| Output::Emit(MspEvent::Stream { session: SESSION, stream, state: StreamState::Inactive });
    assert_eq!(outputs[1..], [inactive(StreamKey::AudioIn), inactive(StreamKey::AudioOut)], "{outputs:?}");
}
