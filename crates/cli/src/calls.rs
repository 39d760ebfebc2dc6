// SPDX-License-Identifier: MIT OR Apache-2.0
//! `offhook calls`: the calls of the running server, and every operation on them.

use std::time::Duration;

use offhook::{Answer, AppEvent, Ask, CallAsk, CallId, CallRecord, CallState, HandOff, LineAsk};
use offhook_spi::{
    Address, CallDatum, CallDirection, CompletionMode, Digit, DigitMode, Gather, GatherEnd, Opaque, Outcome,
    SchemaId, Tone,
};
use serde_json::{Value, json};

use crate::args::{CallVerb as V, Calls};
use crate::exit;
use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::number::written;
use crate::show::Show;
use crate::visit::{Visit, strange};

/// Does one thing and leaves.
pub(crate) async fn run(show: Show, args: Calls) -> Result<(), Failure> {
    let mut interrupts = Interrupts::listen()?;
    let mut visit = Visit::begin(args.server.server).await?;
    let outcome = tokio::select! {
        outcome = act(show, &mut visit, args.what.unwrap_or(V::List)) => outcome,
        () = interrupts.next() => Ok(()),
    };
    visit.leave().await?;
    outcome
}

async fn act(show: Show, visit: &mut Visit, verb: V) -> Result<(), Failure> {
    match verb {
        V::List => list(show, visit).await,
        V::Show { call } => {
            let (line, record) = visit.call(call).await?;
            show.result(&detail(&line, &record), &with_line(&line, &record));
            Ok(())
        }
        V::CompleteCall { call, mode } => complete_call(show, visit, call, mode).await,
        V::Gather { call, most, until, first, next } => {
            let gather =
                Gather { max: most, terminators: digits(&until)?, first_timeout: first, inter_timeout: next };
            self::gather(show, visit, call, gather).await
        }
        V::HandOff { call, application } => {
            visit.own(&[call]).await?;
            visit.ask(Ask::HandOff { call, to: HandOff::App { name: application.clone() } }).await?;
            show.event(
                "handed_off",
                &format!("{call} belongs to {application}"),
                json!({"call": call, "id": call.to_string()}),
            );
            Ok(())
        }
        V::Listen { call, digits, tones, media } => {
            visit.own(&[call]).await?;
            if digits {
                let modes = vec![DigitMode::Event, DigitMode::Signalling, DigitMode::Tone];
                visit.operate(call, CallAsk::MonitorDigits { modes }).await?;
            }
            if !tones.is_empty() {
                let tones = tones.iter().map(|hertz| tone(vec![*hertz], Duration::ZERO)).collect();
                visit.operate(call, CallAsk::MonitorTones { tones }).await?;
            }
            if !media.is_empty() {
                visit.operate(call, CallAsk::MonitorMedia { media: media.into_iter().collect() }).await?;
            }
            listen(show, visit, call, &tones).await
        }
        verb => {
            let (call, op, others) = operation(verb)?;
            visit.own(&[call]).await?;
            visit.own(&others).await?;
            operate(show, visit, call, op).await
        }
    }
}

/// A word of the command line as an operation: the call, what, and which other calls it names.
fn operation(verb: V) -> Result<(CallId, CallAsk, Vec<CallId>), Failure> {
    let to = |target: String| Address::new(target);
    Ok(match verb {
        V::Accept { call } => (call, CallAsk::Accept, vec![]),
        V::Add { conference, member } => (conference, CallAsk::AddToConference { member }, vec![member]),
        V::Answer { call } => (call, CallAsk::Answer, vec![]),
        V::Ask { call, operation } => {
            let wrong = |error| Failure::usage(format!("'{operation}' is no operation: {error}"));
            (call, serde_json::from_str(&operation).map_err(wrong)?, vec![])
        }
        V::Complete { call, consultation, conference } => {
            let op = CallAsk::CompleteTransfer { consultation, as_conference: conference };
            (call, op, vec![consultation])
        }
        V::Conference { call } => (call, CallAsk::SetupConference, vec![]),
        V::Consult { call, target } => {
            (call, CallAsk::SetupTransfer { to: target.map(to), params: Box::default() }, vec![])
        }
        V::Dial { call, digits } => (call, CallAsk::Dial { digits }, vec![]),
        V::Drop { call, cause } => (call, CallAsk::Drop { cause }, vec![]),
        V::Hold { call } => (call, CallAsk::Hold, vec![]),
        V::Media { call, media } => {
            (call, CallAsk::SetMediaMode { media: media.into_iter().collect() }, vec![])
        }
        V::Park { call, at } => (call, CallAsk::Park { at: at.map(to) }, vec![]),
        V::PrepareAdd { conference, target } => {
            (conference, CallAsk::PrepareAddToConference { to: target.map(to), number: None }, vec![])
        }
        V::Quality { call, bits_per_second } => (call, CallAsk::SetQuality { bits_per_second }, vec![]),
        V::Redirect { call, target } => (call, CallAsk::Redirect { to: to(target) }, vec![]),
        V::ReleaseUserData { call } => (call, CallAsk::ReleaseUserData, vec![]),
        V::Remove { member } => (member, CallAsk::RemoveFromConference, vec![]),
        V::Secure { call } => (call, CallAsk::Secure, vec![]),
        V::SendDigits { call, digits: text } => {
            let digits = digits(&text)?;
            (call, CallAsk::GenerateDigits { digits, mode: None, duration: None }, vec![])
        }
        V::SetData { call, data } => {
            let data = data.iter().map(|text| datum(text)).collect::<Result<_, _>>()?;
            (call, CallAsk::SetCallData { data }, vec![])
        }
        V::Swap { call, with } => (call, CallAsk::SwapHold { with }, vec![with]),
        V::Terminal { call, name, off } => {
            (call, CallAsk::SetTerminal { terminal: name, enabled: !off }, vec![])
        }
        V::Tone { call, hertz, length } => {
            (call, CallAsk::GenerateTone { tone: Some(tone(hertz, length)) }, vec![])
        }
        V::Transfer { call, target } => (call, CallAsk::BlindTransfer { to: to(target) }, vec![]),
        V::Treat { call, treatment } => (call, CallAsk::SetTreatment { treatment }, vec![]),
        V::Unhold { call } => (call, CallAsk::Unhold, vec![]),
        V::UserData { call, schema, data } => {
            (call, CallAsk::SendUserData { data: Opaque { schema: SchemaId::new(schema), data } }, vec![])
        }
        V::CompleteCall { .. }
        | V::Gather { .. }
        | V::HandOff { .. }
        | V::List
        | V::Listen { .. }
        | V::Show { .. } => return Err(Failure::usage("this is no single operation")),
    })
}

/// Asks, and waits until what was asked for has happened: who comes next finds it so.
async fn operate(show: Show, visit: &mut Visit, call: CallId, op: CallAsk) -> Result<(), Failure> {
    let waits = settled(&op);
    let generates = matches!(op, CallAsk::GenerateDigits { .. } | CallAsk::GenerateTone { .. });
    match visit.operate(call, op).await? {
        Answer::Done { outcome: Outcome::ParkedAt { at } } => {
            show.event(
                "parked",
                &format!("{call} waits at {at}"),
                json!({"call": call, "id": call.to_string(), "at": at}),
            );
        }
        Answer::Done { outcome: Outcome::Data { data } } => {
            show.event("data", &data.data, json!({"call": call, "id": call.to_string(), "data": data}));
        }
        Answer::Call { call: new } => {
            show.event(
                "call",
                &format!("{new} came of {call}"),
                json!({"call": new, "id": new.to_string(), "of": call.to_string()}),
            );
        }
        Answer::Conference { conference, consultation } => {
            let text = format!("{conference} is a conference, {consultation} waits for `offhook calls dial`");
            show.event(
                "conference",
                &text,
                json!({"id": conference.to_string(), "consultation": consultation.to_string()}),
            );
        }
        Answer::Done { .. } => {}
        other => return Err(strange(&other)),
    }
    if let Some(is_settled) = waits {
        visit.reaches(call, is_settled).await?;
    }
    if generates {
        visit.generated(call).await?;
    }
    let state = match visit.ask(Ask::CallRecord { call }).await {
        Ok(Answer::Record { record }) => record.state,
        _ => CallState::Idle,
    };
    show.event(
        "state",
        &format!("{call} {state}"),
        json!({"call": call, "id": call.to_string(), "state": state.kind()}),
    );
    Ok(())
}

/// When what was asked for has happened, where the reply alone does not say so.
fn settled(op: &CallAsk) -> Option<fn(&CallState) -> bool> {
    Some(match op {
        CallAsk::Answer | CallAsk::Unhold => |state| matches!(state, CallState::Connected { .. }),
        CallAsk::Hold | CallAsk::SwapHold { .. } => |state| {
            matches!(
                state,
                CallState::OnHold | CallState::OnHoldPendingTransfer | CallState::OnHoldPendingConference
            )
        },
        CallAsk::BlindTransfer { .. }
        | CallAsk::Drop { .. }
        | CallAsk::Park { .. }
        | CallAsk::Redirect { .. }
        | CallAsk::RemoveFromConference
        | CallAsk::CompleteTransfer { as_conference: false, .. } => |state| *state == CallState::Idle,
        CallAsk::CompleteTransfer { as_conference: true, .. } => {
            |state| matches!(state, CallState::Conferenced { .. })
        }
        CallAsk::AddToConference { .. } => |state| matches!(state, CallState::Connected { .. }),
        _ => return None,
    })
}

async fn list(show: Show, visit: &mut Visit) -> Result<(), Failure> {
    let calls = visit.calls().await?;
    if calls.is_empty() {
        show.text("no calls");
    }
    for (line, call) in calls {
        let direction = if call.info.direction == CallDirection::Outgoing { "to" } else { "from" };
        let row = format!(
            "{:<12} {line:<16} {:<28} {direction} {}",
            call.call.to_string(),
            call.state.to_string(),
            party(&call)
        );
        show.result(row.trim_end(), &with_line(&line, &call));
    }
    Ok(())
}

fn detail(line: &str, call: &CallRecord) -> String {
    let allowed: Vec<&str> = call.allowed.iter().map(offhook_spi::Op::name).collect();
    format!(
        "{} on {line}\n  state       {}\n  party       {}\n  owners      {}, monitors {}\n  hub         {}\n  may         {}",
        call.call,
        call.state,
        party(call),
        call.owners,
        call.monitors,
        call.hub,
        allowed.join(", ")
    )
}

fn with_line(line: &str, call: &CallRecord) -> Value {
    let mut object = json!(call);
    if let Some(fields) = object.as_object_mut() {
        fields.insert("id".to_owned(), json!(call.call.to_string()));
        fields.insert("line_name".to_owned(), json!(line));
    }
    object
}

fn party(call: &CallRecord) -> String {
    let usual =
        if call.info.direction == CallDirection::Outgoing { &call.info.called } else { &call.info.caller };
    written(call.info.connected.as_ref().unwrap_or(usual))
}

/// Waits for the party, and leaves the call that comes of it to others; an interrupt ends the wish.
async fn complete_call(
    show: Show,
    visit: &mut Visit,
    call: CallId,
    mode: CompletionMode,
) -> Result<(), Failure> {
    let mut interrupts = Interrupts::listen()?;
    visit.own(&[call]).await?;
    let (_, record) = visit.call(call).await?;
    let line = record.line;
    let id = match visit.operate(call, CallAsk::CompleteCall { mode }).await? {
        Answer::Done { outcome: Outcome::Completion { id } } => id,
        other => return Err(strange(&other)),
    };
    show.event(
        "completion",
        &format!("completion {id}: waiting"),
        json!({"call": call, "id": call.to_string(), "completion": id}),
    );
    loop {
        let event = tokio::select! {
            event = visit.event() => event?,
            () = interrupts.next() => {
                visit.ask(Ask::Line { line, op: LineAsk::UncompleteCall { id } }).await?;
                return Ok(());
            }
        };
        match event {
            AppEvent::NewCall { record } if record.info.completion == Some(id) => {
                visit.note(&Answer::Call { call: record.call });
                let text = format!("{} comes: the party can be reached", record.call);
                show.event(
                    "call",
                    &text,
                    json!({"call": record.call, "id": record.call.to_string(), "completion": id}),
                );
                return Ok(());
            }
            AppEvent::CompletionGone { completion, .. } if completion == id => {
                show.event("done", &format!("completion {id} is done"), json!({"completion": id}));
                return Ok(());
            }
            _ => {}
        }
    }
}

async fn gather(show: Show, visit: &mut Visit, call: CallId, gather: Gather) -> Result<(), Failure> {
    visit.own(&[call]).await?;
    visit.operate(call, CallAsk::GatherDigits { gather: Some(gather) }).await?;
    loop {
        let AppEvent::Gathered { call: of, digits, end } = visit.event().await? else { continue };
        if of != call {
            continue;
        }
        let text: String = digits.iter().map(|digit| digit.as_char()).collect();
        show.event(
            "gathered",
            &text,
            json!({"call": call, "id": call.to_string(), "digits": text, "end": end}),
        );
        return match end {
            GatherEnd::BufferFull | GatherEnd::Terminator => Ok(()),
            end => Err(Failure::new(exit::FAILED, format!("{call}: the digits ended early: {end:?}"))),
        };
    }
}

/// Tells what comes until the call is over.
async fn listen(show: Show, visit: &mut Visit, mine: CallId, hertz: &[f32]) -> Result<(), Failure> {
    show.event("listening", &format!("listening to {mine}"), json!({"call": mine, "id": mine.to_string()}));
    loop {
        match visit.event().await? {
            AppEvent::Digit { call, digit, .. } if call == mine => {
                show.event(
                    "digit",
                    &digit.to_string(),
                    json!({"call": call, "id": call.to_string(), "digit": digit}),
                );
            }
            AppEvent::ToneHeard { call, tone, on, .. } if call == mine => {
                let hertz = hertz.get(usize::from(tone)).copied().unwrap_or_default();
                show.event(
                    "tone",
                    &format!("{hertz} Hz"),
                    json!({"call": call, "id": call.to_string(), "hertz": hertz, "on": on}),
                );
            }
            AppEvent::MediaHeard { call, media } if call == mine => {
                show.event(
                    "media",
                    &format!("{media:?}"),
                    json!({"call": call, "id": call.to_string(), "media": media}),
                );
            }
            AppEvent::CallState { call, state: CallState::Idle, .. } if call == mine => return Ok(()),
            _ => {}
        }
    }
}

fn digits(text: &str) -> Result<Vec<Digit>, Failure> {
    let wrong = |c| Failure::usage(format!("'{c}' is no digit; expected 0 to 9, *, #, A to D or !"));
    text.chars().map(|c| Digit::new(c).ok_or_else(|| wrong(c))).collect()
}

fn datum(text: &str) -> Result<CallDatum, Failure> {
    let wrong = || Failure::usage(format!("'{text}' is no call data; expected NAME=VALUE"));
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    Ok(CallDatum { name: name.to_owned(), value: value.to_owned() })
}

fn tone(frequencies: Vec<f32>, duration: Duration) -> Tone {
    Tone { frequencies, duration, level: -10.0 }
}
