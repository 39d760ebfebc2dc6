// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operations on calls, their outcomes, and the states of calls.

use std::time::Duration;

use offhook_spi::{
    Address, AddressIndex, CallDatum, CallKey, CallOp, CallParams, CallState, Cause, Completion,
    CompletionMode, ConnectedMode, Digit, DigitMode, Gather, MediaAction, MediaRule, MediaSet, Outcome,
    Treatment,
};

use crate::media::tone;
use crate::parties::{bob, number, opaque};
use crate::pin::{Form, pin};

/// The key of a call that the core named.
pub(crate) const CALL: CallKey = CallKey::core(7);
/// The key of a call that the provider named.
pub(crate) const OTHER: CallKey = CallKey::provider(8);

pub(crate) fn digits(text: &str) -> Vec<Digit> {
    text.chars().filter_map(Digit::new).collect()
}

pub(crate) fn to() -> Address {
    Address::new("sip:bob@example.org")
}

fn params() -> Box<CallParams> {
    Box::new(CallParams {
        address: AddressIndex(1),
        media: MediaSet::AUDIO,
        caller: Some(bob()),
        no_answer_timeout: Some(Duration::from_millis(30_500)),
        data: vec![CallDatum { name: "X-Customer".to_owned(), value: "4711".to_owned() }],
        number: Some(number()),
    })
}

fn gather() -> Gather {
    Gather {
        max: 4,
        terminators: digits("#"),
        first_timeout: Some(Duration::from_secs(5)),
        inter_timeout: None,
    }
}

fn starting_ops() -> Vec<CallOp> {
    vec![
        CallOp::Accept,
        CallOp::Answer,
        CallOp::Dial { digits: "4711".to_owned() },
        CallOp::MakeCall { to: to(), params: Box::default() },
        CallOp::MakeCall { to: to(), params: params() },
        CallOp::Redirect { to: to() },
        CallOp::CompleteCall { mode: CompletionMode::CampOn },
    ]
}

fn switching_ops() -> Vec<CallOp> {
    let conference = Completion::Conference { conference: CallKey::core(9) };
    vec![
        CallOp::AddToConference { member: OTHER },
        CallOp::BlindTransfer { to: to() },
        CallOp::CompleteTransfer { consultation: OTHER, completion: Completion::Transfer },
        CallOp::CompleteTransfer { consultation: OTHER, completion: conference },
        CallOp::Drop { cause: None },
        CallOp::Drop { cause: Some(Cause::UserBusy) },
        CallOp::Hold,
        CallOp::Park { at: None },
        CallOp::Park { at: Some(to()) },
        CallOp::PrepareAddToConference { consultation: OTHER, to: None },
        CallOp::PrepareAddToConference { consultation: OTHER, to: Some(to()) },
        CallOp::RemoveFromConference,
        CallOp::SetupConference { conference: CALL, consultation: OTHER },
        CallOp::SetupTransfer { consultation: OTHER, to: None, params: Box::default() },
        CallOp::SetupTransfer { consultation: OTHER, to: Some(to()), params: params() },
        CallOp::SwapHold { with: OTHER },
        CallOp::Unhold,
    ]
}

fn data_and_media_ops() -> Vec<CallOp> {
    let mode = Some(DigitMode::Event);
    vec![
        CallOp::Extension { data: opaque() },
        CallOp::GatherDigits { gather: None },
        CallOp::GatherDigits { gather: Some(gather()) },
        CallOp::GenerateDigits { digits: Vec::new(), mode: None, duration: None },
        CallOp::GenerateDigits { digits: digits("1*#D!"), mode, duration: Some(Duration::from_millis(80)) },
        CallOp::GenerateTone { tone: None },
        CallOp::GenerateTone { tone: Some(tone()) },
        CallOp::MonitorDigits { modes: vec![DigitMode::Event, DigitMode::Tone] },
        CallOp::MonitorMedia { media: MediaSet::AUDIO },
        CallOp::MonitorTones { tones: vec![tone()] },
        CallOp::ReleaseUserData,
        CallOp::Secure,
        CallOp::SendUserData { data: opaque() },
        CallOp::SetCallData { data: params().data },
        CallOp::SetCallParams { params: params() },
        CallOp::SetMediaControl {
            rules: vec![MediaRule { digit: digits("5")[0], action: MediaAction::Pause }],
        },
        CallOp::SetMediaMode { media: MediaSet::AUDIO },
        CallOp::SetQuality { bits_per_second: 64_000 },
        CallOp::SetTerminal { terminal: "handset".to_owned(), enabled: true },
        CallOp::SetTreatment { treatment: Treatment::Music },
    ]
}

#[test]
fn operations_on_calls() {
    let all = [starting_ops(), switching_ops(), data_and_media_ops()].concat();
    pin("call_operations", Form::Tagged("op"), &all);
}

#[test]
fn completions_of_transfers() {
    let conference = CallKey::core(9);
    pin("completions", Form::Tagged("as"), &[Completion::Conference { conference }, Completion::Transfer]);
}

#[test]
fn outcomes() {
    let outcomes = [
        Outcome::Done,
        Outcome::Completion { id: 3 },
        Outcome::Data { data: opaque() },
        Outcome::ParkedAt { at: to() },
    ];
    pin("outcomes", Form::Tagged("outcome"), &outcomes);
}

#[test]
fn states() {
    let states = [
        CallState::Idle,
        CallState::Offering,
        CallState::Accepted,
        CallState::DialTone,
        CallState::Dialing,
        CallState::Proceeding,
        CallState::Ringback,
        CallState::Busy,
        CallState::SpecialInfo,
        CallState::CONNECTED,
        CallState::Connected { mode: ConnectedMode::ActiveHeld },
        CallState::OnHold,
        CallState::Conferenced { conference: CALL },
        CallState::OnHoldPendingConference,
        CallState::OnHoldPendingTransfer,
        CallState::Disconnected { cause: Cause::NormalClearing },
        CallState::Disconnected { cause: Cause::Q850(2) },
        CallState::Unknown,
    ];
    pin("call_states", Form::Tagged("state"), &states);
}
