// SPDX-License-Identifier: MIT OR Apache-2.0
//! What applications ask of one call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use offhook_spi::{
    Address, CallDatum, CallParams, Cause, CompletionMode, Digit, DigitMode, Gather, MediaRule, MediaSet,
    NumberForms, Opaque, StreamChange, StreamKey, Terminal, TerminalControl, TerminalKey, Tone, Treatment,
};

use crate::id::CallId;

/// An operation on a call, in the application's words: other calls are named by their ids.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallAsk {
    /// See [`CallOp::Accept`](offhook_spi::CallOp::Accept).
    Accept,
    /// See [`CallOp::AddToConference`](offhook_spi::CallOp::AddToConference).
    AddToConference {
        /// The call to add.
        member: CallId,
    },
    /// See [`CallOp::Answer`](offhook_spi::CallOp::Answer).
    Answer,
    /// See [`CallOp::BlindTransfer`](offhook_spi::CallOp::BlindTransfer).
    BlindTransfer {
        /// The new party.
        to: Address,
    },
    /// See [`CallOp::CompleteCall`](offhook_spi::CallOp::CompleteCall); answered with
    /// [`Outcome::Completion`](offhook_spi::Outcome::Completion), whose id cancels it
    /// ([`LineAsk::UncompleteCall`](super::LineAsk::UncompleteCall)).
    CompleteCall {
        /// How.
        mode: CompletionMode,
    },
    /// See [`CallOp::CompleteTransfer`](offhook_spi::CallOp::CompleteTransfer).
    CompleteTransfer {
        /// The consultation call.
        consultation: CallId,
        /// Keep all three together; answered with [`Answer::Call`](super::Answer::Call), the conference.
        #[serde(default)]
        as_conference: bool,
    },
    /// See [`CallOp::Dial`](offhook_spi::CallOp::Dial).
    Dial {
        /// Dialable text.
        digits: String,
    },
    /// See [`CallOp::Drop`](offhook_spi::CallOp::Drop).
    Drop {
        /// What to tell the far end.
        #[serde(default)]
        cause: Option<Cause>,
    },
    /// See [`CallOp::Extension`](offhook_spi::CallOp::Extension).
    Extension {
        /// What is asked.
        data: Opaque,
    },
    /// See [`CallOp::GatherDigits`](offhook_spi::CallOp::GatherDigits); the core gathers itself where digits can be monitored.
    GatherDigits {
        /// What; `None` cancels.
        gather: Option<Gather>,
    },
    /// See [`CallOp::GenerateDigits`](offhook_spi::CallOp::GenerateDigits).
    GenerateDigits {
        /// The digits.
        digits: Vec<Digit>,
        /// How they travel.
        #[serde(default)]
        mode: Option<DigitMode>,
        /// How long each sounds.
        #[serde(default)]
        duration: Option<Duration>,
    },
    /// See [`CallOp::GenerateTone`](offhook_spi::CallOp::GenerateTone).
    GenerateTone {
        /// The tone; `None` cancels.
        tone: Option<Tone>,
    },
    /// See [`CallOp::Hold`](offhook_spi::CallOp::Hold).
    Hold,
    /// See [`CallOp::MonitorDigits`](offhook_spi::CallOp::MonitorDigits).
    MonitorDigits {
        /// Which ways of travelling to listen for; empty ends it.
        modes: Vec<DigitMode>,
    },
    /// See [`CallOp::MonitorMedia`](offhook_spi::CallOp::MonitorMedia); only the application that asked is told.
    MonitorMedia {
        /// What to listen for; empty ends it.
        media: MediaSet,
    },
    /// See [`CallOp::MonitorTones`](offhook_spi::CallOp::MonitorTones); only the application that asked is told.
    MonitorTones {
        /// What to listen for; empty ends it.
        tones: Vec<Tone>,
    },
    /// See [`CallOp::Park`](offhook_spi::CallOp::Park).
    Park {
        /// Where; `None` lets the switch choose.
        #[serde(default)]
        at: Option<Address>,
    },
    /// See [`CallOp::PrepareAddToConference`](offhook_spi::CallOp::PrepareAddToConference); answered with [`Answer::Call`](super::Answer::Call).
    PrepareAddToConference {
        /// Whom to consult.
        #[serde(default)]
        to: Option<Address>,
        /// The forms of the number that is called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<Box<NumberForms>>,
    },
    /// See [`CallOp::Redirect`](offhook_spi::CallOp::Redirect).
    Redirect {
        /// The new party.
        to: Address,
    },
    /// See [`CallOp::ReleaseUserData`](offhook_spi::CallOp::ReleaseUserData).
    ReleaseUserData,
    /// See [`CallOp::RemoveFromConference`](offhook_spi::CallOp::RemoveFromConference).
    RemoveFromConference,
    /// See [`CallOp::Secure`](offhook_spi::CallOp::Secure).
    Secure,
    /// See [`CallOp::SendUserData`](offhook_spi::CallOp::SendUserData).
    SendUserData {
        /// What to send.
        data: Opaque,
    },
    /// See [`CallOp::SetCallData`](offhook_spi::CallOp::SetCallData).
    SetCallData {
        /// The data.
        data: Vec<CallDatum>,
    },
    /// See [`CallOp::SetCallParams`](offhook_spi::CallOp::SetCallParams).
    SetCallParams {
        /// The new parameters.
        params: Box<CallParams>,
    },
    /// See [`CallOp::SetMediaControl`](offhook_spi::CallOp::SetMediaControl).
    SetMediaControl {
        /// What triggers what; empty detaches all.
        rules: Vec<MediaRule>,
    },
    /// See [`CallOp::SetMediaMode`](offhook_spi::CallOp::SetMediaMode).
    SetMediaMode {
        /// The media.
        media: MediaSet,
    },
    /// See [`CallOp::SetQuality`](offhook_spi::CallOp::SetQuality).
    SetQuality {
        /// Bits per second in each direction.
        bits_per_second: u64,
    },
    /// See [`CallOp::SetTerminal`](offhook_spi::CallOp::SetTerminal).
    SetTerminal {
        /// Name of the terminal, from the line's own list.
        terminal: String,
        /// Whether it is used from now on.
        enabled: bool,
    },
    /// See [`CallOp::SetTreatment`](offhook_spi::CallOp::SetTreatment).
    SetTreatment {
        /// What the waiting party hears.
        treatment: Treatment,
    },
    /// See [`CallOp::SetupConference`](offhook_spi::CallOp::SetupConference); answered with [`Answer::Conference`](super::Answer::Conference).
    SetupConference,
    /// See [`CallOp::SetupTransfer`](offhook_spi::CallOp::SetupTransfer); answered with [`Answer::Call`](super::Answer::Call).
    SetupTransfer {
        /// Whom to consult; `None` waits for `Dial`.
        #[serde(default)]
        to: Option<Address>,
        /// How the consultation call shall be made.
        #[serde(default)]
        params: Box<CallParams>,
    },
    /// See [`CallOp::SwapHold`](offhook_spi::CallOp::SwapHold).
    SwapHold {
        /// The held call.
        with: CallId,
    },
    /// See [`CallOp::Unhold`](offhook_spi::CallOp::Unhold).
    Unhold,
    /// Puts a terminal on a stream of the call's session; answered with [`Answer::Terminal`](super::Answer::Terminal).
    SelectTerminal {
        /// Which stream.
        stream: StreamKey,
        /// What.
        what: Terminal,
    },
    /// Takes a terminal off.
    UnselectTerminal {
        /// Which.
        terminal: TerminalKey,
    },
    /// Pauses, resumes, moves or stops a file terminal.
    TerminalControl {
        /// Which.
        terminal: TerminalKey,
        /// What to do.
        control: TerminalControl,
    },
    /// Changes gain, mutes, pauses or starts a stream.
    SetStream {
        /// Which.
        stream: StreamKey,
        /// What.
        change: StreamChange,
    },
}
