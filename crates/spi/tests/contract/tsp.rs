// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that travels on the link of a telephony provider.

use offhook_spi::{
    CallOp, CallState, Cause, ConnectedMode, DigitMode, GatherEnd, GenerationEnd, LineKey, MediaSet, Op,
    OpSet, Outcome, PhoneKey, Refusal, RefusalKind, Reply, RequestId, SessionKey, TspCommand, TspEvent,
    Version,
};

use crate::calls::{CALL, OTHER, digits, to};
use crate::capabilities::{line_caps, line_ops, phone_caps, phone_changes, phone_ops, status};
use crate::parties::{info, opaque};
use crate::pin::{Form, pin};

const REQUEST: RequestId = RequestId(42);
const LINE: LineKey = LineKey(1);
const PHONE: PhoneKey = PhoneKey(2);
const SESSION: SessionKey = SessionKey(5);

#[test]
fn commands() {
    let (request, line) = (REQUEST, LINE);
    let call = |call, session, op| TspCommand::Call { request, line, call, session, op };
    let mut commands = vec![
        TspCommand::Abandon { request },
        call(CALL, Some(SESSION), CallOp::MakeCall { to: to(), params: Box::default() }),
        call(OTHER, None, CallOp::Hold),
        call(OTHER, None, CallOp::Extension { data: opaque() }),
        TspCommand::Close { line },
        TspCommand::Hello { version: Version(1) },
        TspCommand::Open { request, line },
        TspCommand::Relay { call: CALL, from: SESSION, data: opaque() },
        TspCommand::Session { call: OTHER, session: SESSION },
    ];
    commands.extend(line_ops().into_iter().map(|op| TspCommand::Line { request, line, op }));
    commands.extend(phone_ops().into_iter().map(|op| TspCommand::Phone { request, phone: PHONE, op }));
    pin("tsp_commands", Form::Tagged("command"), &commands);
}

#[test]
fn events() {
    pin("tsp_events", Form::Tagged("event"), &[about_calls(), about_lines(), about_media()].concat());
}

fn about_calls() -> Vec<TspEvent> {
    let state = |state, allowed| TspEvent::CallState { call: CALL, state, allowed };
    let held = CallState::Connected { mode: ConnectedMode::ActiveHeld };
    let refusal = Refusal::new(RefusalKind::OperationFailed, "busy").with_cause(Cause::UserBusy);
    let reply = |result| TspEvent::Reply { request: REQUEST, result };
    vec![
        TspEvent::CallInfo { call: CALL, info: Box::new(info()) },
        state(CallState::Ringback, None),
        state(held, Some(OpSet::from([Op::Drop, Op::Hold]))),
        state(CallState::Disconnected { cause: Cause::Q850(2) }, Some(OpSet::EMPTY)),
        TspEvent::NewCall { line: LINE, call: OTHER, info: Box::default(), state: CallState::Offering },
        TspEvent::Redirected { call: CALL, targets: vec![to()], cause: None },
        TspEvent::Redirected { call: CALL, targets: Vec::new(), cause: Some(Cause::NumberChanged) },
        TspEvent::Relay { call: CALL, to: None, data: opaque() },
        TspEvent::Relay { call: CALL, to: Some(SESSION), data: opaque() },
        reply(Reply::DONE),
        reply(Reply::Done(Outcome::ParkedAt { at: to() })),
        reply(Reply::Refused(refusal)),
    ]
}

fn about_lines() -> Vec<TspEvent> {
    let stable_id = "sip:alice@example.org".to_owned();
    let caps = Box::new(line_caps());
    let mut events = vec![
        TspEvent::CompletionGone { line: LINE, id: 3 },
        TspEvent::Extension { call: None, line: None, data: opaque() },
        TspEvent::Extension { call: Some(CALL), line: Some(LINE), data: opaque() },
        TspEvent::Line { line: LINE, status: status() },
        TspEvent::LineCaps { line: LINE, caps: caps.clone() },
        TspEvent::LineDown { line: LINE },
        TspEvent::LineUp { line: LINE, stable_id, caps, status: status() },
        TspEvent::PhoneDown { phone: PHONE },
        TspEvent::PhoneUp { phone: PHONE, stable_id: "usb:0".to_owned(), caps: phone_caps() },
        TspEvent::Ready,
    ];
    events.extend(phone_changes().into_iter().map(|change| TspEvent::Phone { phone: PHONE, change }));
    events
}

fn about_media() -> Vec<TspEvent> {
    vec![
        TspEvent::Digit { call: CALL, digit: digits("#")[0], mode: DigitMode::Signalling },
        TspEvent::Gathered { call: CALL, digits: digits("12#"), end: GatherEnd::Terminator },
        TspEvent::Generated { call: CALL, end: GenerationEnd::Done },
        TspEvent::MediaHeard { call: CALL, media: MediaSet::AUDIO },
        TspEvent::ToneHeard { call: CALL, tone: 1 },
    ]
}
