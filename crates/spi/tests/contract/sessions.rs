// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that travels on the link of a media provider.

use std::time::Duration;

use offhook_spi::{
    DigitMode, GenerationEnd, MediaSet, MspCommand, MspEvent, Refusal, RefusalKind, Reply, RequestId,
    SchemaId, SessionKey, StreamKey, TerminalKey, Version,
};

use crate::calls::{CALL, digits};
use crate::capabilities::msp_caps;
use crate::media::{
    recording_ends, statistics, stream_changes, stream_states, terminal_controls, terminals, tone,
};
use crate::parties::opaque;
use crate::pin::{Form, pin};

const REQUEST: RequestId = RequestId(42);
const SESSION: SessionKey = SessionKey(5);
const TERMINAL: TerminalKey = TerminalKey(6);

#[test]
fn commands() {
    let (request, session, terminal) = (REQUEST, SESSION, TERMINAL);
    let digits =
        |digits, mode, duration| MspCommand::GenerateDigits { request, session, digits, mode, duration };
    let mut commands = vec![
        MspCommand::Abandon { request },
        MspCommand::CreateSession {
            request,
            session,
            call: CALL,
            line: "sip:alice@example.org".to_owned(),
            media: MediaSet::AUDIO,
            schema: SchemaId::new("offhook.sdp"),
        },
        MspCommand::EndSession { session },
        digits(Vec::new(), None, None),
        digits(crate::calls::digits("42#"), Some(DigitMode::Tone), Some(Duration::from_millis(80))),
        MspCommand::GenerateTone { request, session, tone: None },
        MspCommand::GenerateTone { request, session, tone: Some(tone()) },
        MspCommand::Hello { version: Version(1) },
        MspCommand::MonitorDigits { request, session, modes: vec![DigitMode::Event] },
        MspCommand::Relay { session, data: opaque() },
        MspCommand::Statistics { request, session },
        MspCommand::UnselectTerminal { request, session, terminal },
    ];
    let stream = StreamKey::AudioOut;
    let select = |what| MspCommand::SelectTerminal { request, session, stream, terminal, what };
    commands.extend(terminals().into_iter().map(select));
    let set = |change| MspCommand::SetStream { request, session, stream, change };
    commands.extend(stream_changes().into_iter().map(set));
    let control = |control| MspCommand::TerminalControl { request, session, terminal, control };
    commands.extend(terminal_controls().into_iter().map(control));
    pin("msp_commands", Form::Tagged("command"), &commands);
}

#[test]
fn events() {
    let (session, terminal) = (SESSION, TERMINAL);
    let figures = || Box::new(statistics());
    let refusal = Refusal::new(RefusalKind::Busy, "no port is free");
    let mut events = vec![
        MspEvent::Digit { session, digit: digits("5")[0], mode: DigitMode::Event },
        MspEvent::EndOfFile { session, terminal },
        MspEvent::Generated { session, end: GenerationEnd::Cancelled },
        MspEvent::Ready { caps: msp_caps() },
        MspEvent::Relay { session, data: opaque() },
        MspEvent::Reply { request: REQUEST, result: Reply::DONE },
        MspEvent::Reply { request: REQUEST, result: Reply::Refused(refusal) },
        MspEvent::SessionEnded { session, statistics: None },
        MspEvent::SessionEnded { session, statistics: Some(figures()) },
        MspEvent::Statistics { session, statistics: figures() },
        MspEvent::ToneHeard { session, terminal, tone: 0, on: true },
    ];
    let recorded = |end| MspEvent::Recorded { session, terminal, path: "recording.wav".to_owned(), end };
    events.extend(recording_ends().into_iter().map(recorded));
    let stream = |state| MspEvent::Stream { session, stream: StreamKey::AudioIn, state };
    events.extend(stream_states().into_iter().map(stream));
    pin("msp_events", Form::Tagged("event"), &events);
}
