// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operations on calls: what a TSP is asked to do with one call.
//!
//! Each operation says what it *requires* (the [`Op`](crate::Op) that the line must declare), what its
//! *reply* means, which *events* follow, its own *errors* beside the common ones (stale handle,
//! invalid state, provider gone), and the *TSPI* function whose job it does.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::key::{AddressIndex, CallKey};
use crate::media::{Digit, DigitMode, Gather, MediaSet, Tone};
use crate::op::Op;
use crate::opaque::Opaque;
use crate::party::{Address, CallDatum, NumberForms, Party};

/// How a new call shall be made (`LINECALLPARAMS`). The default asks for nothing special.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CallParams {
    /// The address of the line to call from.
    #[serde(default)]
    pub address: AddressIndex,
    /// Media the application wants over the life of the call; empty means what the line usually does.
    #[serde(default)]
    pub media: MediaSet,
    /// How to present the caller; `None` means as the line is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Party>,
    /// Give up after ringing so long; `None` means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_answer_timeout: Option<Duration>,
    /// Data to send with the call, for example own headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<CallDatum>,
    /// The number that is called, as it was meant: what is dialled is the address. The core shows it with the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Box<NumberForms>>,
}

/// What becomes of the two calls when a consultation ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(tag = "as", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Completion {
    /// All three stay together in a new conference call, which the core names.
    Conference {
        /// The new conference call.
        conference: CallKey,
    },
    /// The other two are joined, both calls of this side end.
    Transfer,
}

/// How to be told when a busy or unanswered party can be reached (`LINECALLCOMPLMODE`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CompletionMode {
    /// Ring back when the party is free.
    CallBack,
    /// Wait on the line until the party is free.
    CampOn,
    /// Break into the party's call.
    Intrude,
    /// Leave a message.
    Message,
}

/// One operation on one call. The call's key and the request's id stand beside it in
/// [`TspCommand::Call`](crate::TspCommand::Call).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallOp {
    /// Claims an offering call and starts alerting.
    ///
    /// - *Requires*: `accept`.
    /// - *Reply*: done once the far end hears alerting.
    /// - *Events*: state accepted.
    /// - *TSPI*: `lineAccept`.
    Accept,
    /// Merges a consultation call into this conference call.
    ///
    /// - *Requires*: `add_to_conference`.
    /// - *Reply*: done once the party takes part.
    /// - *Events*: state conferenced for the member, connected for the conference.
    /// - *Errors*: busy when the conference is full.
    /// - *TSPI*: `lineAddToConference`.
    AddToConference {
        /// The call to add.
        member: CallKey,
    },
    /// Answers an offering or accepted call.
    ///
    /// - *Requires*: `answer`.
    /// - *Reply*: done once the network was told.
    /// - *Events*: state connected when the answer is confirmed.
    /// - *Errors*: operation failed with cause incompatible destination when no medium is in common.
    /// - *TSPI*: `lineAnswer`.
    Answer,
    /// Transfers the call in one step.
    ///
    /// - *Requires*: `blind_transfer`.
    /// - *Reply*: done once the network took it over; refused with the network's cause.
    /// - *Events*: state idle; the handle stays readable.
    /// - *Errors*: invalid address.
    /// - *TSPI*: `lineBlindTransfer`.
    BlindTransfer {
        /// The new party.
        to: Address,
    },
    /// Asks to be told when the called party can be reached.
    ///
    /// - *Requires*: `complete_call`.
    /// - *Reply*: [`Outcome::Completion`] once the network accepted.
    /// - *Events*: later a new call with reason call completion.
    /// - *Errors*: busy when too many are pending.
    /// - *TSPI*: `lineCompleteCall`.
    CompleteCall {
        /// How.
        mode: CompletionMode,
    },
    /// Ends a consultation: this call is the one on hold pending transfer.
    ///
    /// - *Requires*: `complete_transfer`, or `complete_transfer_as_conference` for a conference.
    /// - *Reply*: done once the parties are joined.
    /// - *Events*: both idle (transfer), or both conferenced and the conference connected.
    /// - *TSPI*: `lineCompleteTransfer`.
    CompleteTransfer {
        /// The consultation call.
        consultation: CallKey,
        /// What becomes of them.
        completion: Completion,
    },
    /// Dials more digits; an empty string ends a partial dialling.
    ///
    /// - *Requires*: `dial`.
    /// - *Reply*: done once the digits are accepted, not when connected.
    /// - *Events*: states dialing, proceeding and so on.
    /// - *Errors*: invalid address, before anything is dialled.
    /// - *TSPI*: `lineDial`.
    Dial {
        /// Dialable text.
        digits: String,
    },
    /// Hangs up, abandons or rejects; always ends in idle.
    ///
    /// - *Requires*: `drop`.
    /// - *Reply*: done once the network was told.
    /// - *Events*: state disconnected where the network says more, then idle in any case.
    /// - *TSPI*: `lineDrop`.
    Drop {
        /// What to tell the far end; `None` means the usual for the state (hang up, cancel, decline).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
    },
    /// A vendor's own operation.
    ///
    /// - *Requires*: `extension`, and the schema among the line's extensions.
    /// - *Reply*: [`Outcome::Data`] or done, as the schema says.
    /// - *TSPI*: `lineDevSpecific`.
    Extension {
        /// What is asked.
        data: Opaque,
    },
    /// Collects digits into one string. One gather runs per call.
    ///
    /// - *Requires*: `gather_digits` (the core gathers itself where digits can be monitored).
    /// - *Reply*: done once gathering runs.
    /// - *Events*: [`TspEvent::Gathered`](crate::TspEvent::Gathered) exactly once.
    /// - *Errors*: invalid parameter for zero digits.
    /// - *TSPI*: `lineGatherDigits`.
    GatherDigits {
        /// What to gather; `None` cancels.
        gather: Option<Gather>,
    },
    /// Sends digits to the far end, one generation per call; a new one ends the old as cancelled.
    ///
    /// - *Requires*: `generate_digits`.
    /// - *Reply*: done once sending has begun.
    /// - *Events*: [`TspEvent::Generated`](crate::TspEvent::Generated).
    /// - *TSPI*: `lineGenerateDigits`.
    GenerateDigits {
        /// The digits; empty cancels.
        digits: Vec<Digit>,
        /// How they travel; `None` means as the line usually does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<DigitMode>,
        /// How long each sounds; `None` means the usual 100 ms, odd values are clamped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration: Option<Duration>,
    },
    /// Sends a tone to the far end; it shares the one generation per call with digits.
    ///
    /// - *Requires*: `generate_tone`.
    /// - *Reply*: done once sending has begun.
    /// - *Events*: [`TspEvent::Generated`](crate::TspEvent::Generated).
    /// - *TSPI*: `lineGenerateTone`.
    GenerateTone {
        /// The tone; `None` cancels.
        tone: Option<Tone>,
    },
    /// Holds the call.
    ///
    /// - *Requires*: `hold`, or `hold_with_music`.
    /// - *Reply*: done once the network holds it.
    /// - *Events*: state on hold.
    /// - *TSPI*: `lineHold`.
    Hold,
    /// Starts an outgoing call under the key beside this operation.
    ///
    /// - *Requires*: `make_call`; `make_call_partial` for an address that ends in `;`.
    /// - *Reply*: done no later than state proceeding.
    /// - *Events*: no event before the reply; then states from dial tone or dialing on.
    /// - *Errors*: invalid address, busy when no call may be added.
    /// - *TSPI*: `lineMakeCall`.
    MakeCall {
        /// Whom to call.
        to: Address,
        /// How.
        #[serde(default)]
        params: Box<CallParams>,
    },
    /// Reports each digit heard.
    ///
    /// - *Requires*: `monitor_digits`.
    /// - *Reply*: done once monitoring runs; an empty list ends it.
    /// - *Events*: [`TspEvent::Digit`](crate::TspEvent::Digit).
    /// - *TSPI*: `lineMonitorDigits`.
    MonitorDigits {
        /// Which ways of travelling to listen for.
        modes: Vec<DigitMode>,
    },
    /// Reports changes of the medium heard.
    ///
    /// - *Requires*: `monitor_media`.
    /// - *Reply*: done once monitoring runs; an empty set ends it.
    /// - *Events*: [`TspEvent::MediaHeard`](crate::TspEvent::MediaHeard).
    /// - *TSPI*: `lineMonitorMedia`.
    MonitorMedia {
        /// What to listen for.
        media: MediaSet,
    },
    /// Reports listed tones; each report carries the place of the tone in the list.
    ///
    /// - *Requires*: `monitor_tones`.
    /// - *Reply*: done once monitoring runs; an empty list ends it.
    /// - *Events*: [`TspEvent::ToneHeard`](crate::TspEvent::ToneHeard).
    /// - *TSPI*: `lineMonitorTones`.
    MonitorTones {
        /// What to listen for.
        tones: Vec<Tone>,
    },
    /// Parks the call.
    ///
    /// - *Requires*: `park_directed` with an address, `park` without.
    /// - *Reply*: [`Outcome::ParkedAt`].
    /// - *Events*: state idle; the handle stays readable.
    /// - *TSPI*: `linePark`.
    Park {
        /// Where; `None` lets the switch choose.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Address>,
    },
    /// Holds this conference call and starts a consultation call to add.
    ///
    /// - *Requires*: `prepare_add_to_conference`.
    /// - *Reply*: done once the consultation call exists.
    /// - *Events*: state on hold pending conference for the conference; dial tone and so on for the
    ///   consultation.
    /// - *TSPI*: `linePrepareAddToConference`.
    PrepareAddToConference {
        /// Key for the new consultation call.
        consultation: CallKey,
        /// Whom to consult; `None` waits for `Dial`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Address>,
    },
    /// Deflects an offering call without answering.
    ///
    /// - *Requires*: `redirect`.
    /// - *Reply*: done once the network took it over.
    /// - *Events*: state idle; the handle stays readable.
    /// - *Errors*: invalid address.
    /// - *TSPI*: `lineRedirect`.
    Redirect {
        /// The new party.
        to: Address,
    },
    /// Frees received user data so that the next message can come in.
    ///
    /// - *Requires*: `release_user_data`.
    /// - *Reply*: done at once.
    /// - *TSPI*: `lineReleaseUserUserInfo`.
    ReleaseUserData,
    /// Takes this member out of its conference.
    ///
    /// - *Requires*: `remove_from_conference`.
    /// - *Reply*: done once the party is out.
    /// - *Events*: the state the switch gives it, often idle; the others are unaffected.
    /// - *TSPI*: `lineRemoveFromConference`.
    RemoveFromConference,
    /// Protects the call from interruption.
    ///
    /// - *Requires*: `secure_call`.
    /// - *Reply*: done once it is protected.
    /// - *TSPI*: `lineSecureCall`.
    Secure,
    /// Sends user data to the far end in signalling.
    ///
    /// - *Requires*: `send_user_data`.
    /// - *Reply*: done once sent.
    /// - *Errors*: invalid parameter when it is too long.
    /// - *TSPI*: `lineSendUserUserInfo`.
    SendUserData {
        /// What to send.
        data: Opaque,
    },
    /// Sets the data that travels with the call; replaced as a whole.
    ///
    /// - *Requires*: `set_call_data`.
    /// - *Reply*: done once it is in force.
    /// - *Events*: [`TspEvent::CallInfo`](crate::TspEvent::CallInfo).
    /// - *TSPI*: `lineSetCallData`.
    SetCallData {
        /// The data.
        data: Vec<CallDatum>,
    },
    /// Changes the parameters of a live call.
    ///
    /// - *Requires*: `set_call_params`.
    /// - *Reply*: done once they are in force.
    /// - *TSPI*: `lineSetCallParams`.
    SetCallParams {
        /// The new parameters.
        params: Box<CallParams>,
    },
    /// Attaches media actions to digits, tones or states.
    ///
    /// - *Requires*: `set_media_control`.
    /// - *Reply*: done once attached; an empty list detaches all.
    /// - *TSPI*: `lineSetMediaControl`.
    SetMediaControl {
        /// What triggers what.
        rules: Vec<MediaRule>,
    },
    /// Records the media modes of the call.
    ///
    /// - *Requires*: `set_media_mode`.
    /// - *Reply*: done at once.
    /// - *TSPI*: `lineSetMediaMode`.
    SetMediaMode {
        /// The media.
        media: MediaSet,
    },
    /// Renegotiates the quality of service.
    ///
    /// - *Requires*: `set_quality`.
    /// - *Reply*: done once agreed.
    /// - *Errors*: operation failed with cause quality unavailable.
    /// - *TSPI*: `lineSetCallQualityOfService`.
    SetQuality {
        /// Bits per second in each direction.
        bits_per_second: u64,
    },
    /// Routes events or media of the call to a phone terminal of the switch.
    ///
    /// - *Requires*: `set_terminal`.
    /// - *Reply*: done once routed.
    /// - *TSPI*: `lineSetTerminal`.
    SetTerminal {
        /// Name of the terminal, from the line's own list.
        terminal: String,
        /// Whether it is used from now on.
        enabled: bool,
    },
    /// Chooses what a waiting or held party hears.
    ///
    /// - *Requires*: `set_treatment`.
    /// - *Reply*: done once it sounds.
    /// - *TSPI*: `lineSetCallTreatment`.
    SetTreatment {
        /// What.
        treatment: Treatment,
    },
    /// Starts a conference; the key beside this operation names the first member, or the consultation
    /// call where there is none yet.
    ///
    /// - *Requires*: `setup_conference`, or `setup_conference_empty` without a first member.
    /// - *Reply*: done once the calls exist.
    /// - *Events*: member conferenced, conference on hold pending conference, consultation dial tone.
    /// - *TSPI*: `lineSetupConference`.
    SetupConference {
        /// Key for the new conference call.
        conference: CallKey,
        /// Key for the consultation call; equal to the key beside the operation when there is no member.
        consultation: CallKey,
    },
    /// Holds the call and starts a consultation call.
    ///
    /// - *Requires*: `setup_transfer`; `setup_transfer_one_step` with an address.
    /// - *Reply*: done once the consultation call exists.
    /// - *Events*: state on hold pending transfer; dial tone and so on for the consultation.
    /// - *TSPI*: `lineSetupTransfer`.
    SetupTransfer {
        /// Key for the new consultation call.
        consultation: CallKey,
        /// Whom to consult; `None` waits for `Dial`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Address>,
        /// How.
        #[serde(default)]
        params: Box<CallParams>,
    },
    /// Swaps this active call with a held one.
    ///
    /// - *Requires*: `swap_hold`.
    /// - *Reply*: done once swapped.
    /// - *Events*: the states of both calls.
    /// - *TSPI*: `lineSwapHold`.
    SwapHold {
        /// The held call.
        with: CallKey,
    },
    /// Retrieves a held call.
    ///
    /// - *Requires*: `unhold`.
    /// - *Reply*: done once the network retrieved it.
    /// - *Events*: state connected; a consultation call goes idle.
    /// - *TSPI*: `lineUnhold`.
    Unhold,
}

/// What a waiting or held party hears (`LINECALLTREATMENT`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Treatment {
    /// A busy signal.
    Busy,
    /// Music.
    Music,
    /// Ringing.
    Ringback,
    /// Nothing.
    Silence,
}

/// A media action and what triggers it (`LINEMEDIACONTROL`).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct MediaRule {
    /// The digit that triggers it.
    pub digit: Digit,
    /// What happens.
    pub action: MediaAction,
}

/// What a media rule does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaAction {
    /// Pause what plays.
    Pause,
    /// Go on.
    Resume,
    /// Stop what plays.
    Stop,
    /// Softer.
    VolumeDown,
    /// Louder.
    VolumeUp,
}

/// What a request that was carried out brought.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing but success.
    #[default]
    Done,
    /// A call completion was accepted; the id cancels it.
    Completion {
        /// The provider's id.
        id: u64,
    },
    /// A vendor's data.
    Data {
        /// The data.
        data: Opaque,
    },
    /// A call was parked.
    ParkedAt {
        /// Where it can be fetched.
        at: Address,
    },
}

impl CallOp {
    /// The operation that a line must have declared for this to be asked.
    #[must_use]
    pub fn required(&self) -> Op {
        match self {
            Self::Accept => Op::Accept,
            Self::AddToConference { .. } => Op::AddToConference,
            Self::Answer => Op::Answer,
            Self::BlindTransfer { .. } => Op::BlindTransfer,
            Self::CompleteCall { .. } => Op::CompleteCall,
            Self::CompleteTransfer { completion: Completion::Transfer, .. } => Op::CompleteTransfer,
            Self::CompleteTransfer { completion: Completion::Conference { .. }, .. } => {
                Op::CompleteTransferAsConference
            }
            Self::Dial { .. } => Op::Dial,
            Self::Drop { .. } => Op::Drop,
            Self::Extension { .. } => Op::Extension,
            Self::GatherDigits { .. } => Op::GatherDigits,
            Self::GenerateDigits { .. } => Op::GenerateDigits,
            Self::GenerateTone { .. } => Op::GenerateTone,
            Self::Hold => Op::Hold,
            Self::MakeCall { to, .. } if to.as_str().ends_with(';') => Op::MakeCallPartial,
            Self::MakeCall { .. } => Op::MakeCall,
            Self::MonitorDigits { .. } => Op::MonitorDigits,
            Self::MonitorMedia { .. } => Op::MonitorMedia,
            Self::MonitorTones { .. } => Op::MonitorTones,
            Self::Park { at: None } => Op::Park,
            Self::Park { at: Some(_) } => Op::ParkDirected,
            Self::PrepareAddToConference { .. } => Op::PrepareAddToConference,
            Self::Redirect { .. } => Op::Redirect,
            Self::ReleaseUserData => Op::ReleaseUserData,
            Self::RemoveFromConference => Op::RemoveFromConference,
            Self::Secure => Op::SecureCall,
            Self::SendUserData { .. } => Op::SendUserData,
            Self::SetCallData { .. } => Op::SetCallData,
            Self::SetCallParams { .. } => Op::SetCallParams,
            Self::SetMediaControl { .. } => Op::SetMediaControl,
            Self::SetMediaMode { .. } => Op::SetMediaMode,
            Self::SetQuality { .. } => Op::SetQuality,
            Self::SetTerminal { .. } => Op::SetTerminal,
            Self::SetTreatment { .. } => Op::SetTreatment,
            Self::SetupConference { .. } => Op::SetupConference,
            Self::SetupTransfer { to: None, .. } => Op::SetupTransfer,
            Self::SetupTransfer { to: Some(_), .. } => Op::SetupTransferOneStep,
            Self::SwapHold { .. } => Op::SwapHold,
            Self::Unhold => Op::Unhold,
        }
    }
}
