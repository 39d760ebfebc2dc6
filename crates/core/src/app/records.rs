// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known about applications, lines, calls and phones.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use offhook_spi::{
    CallInfo, CallState, HookMode, HookSwitch, LampMode, LineCaps, LineStatus, Moment, OpSet, PhoneCaps,
};

use super::Privilege;
use crate::id::{AppId, CallId, HubId, LineId, PhoneId};

/// What is known about an application.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AppRecord {
    /// Its id.
    pub app: AppId,
    /// Its name.
    pub name: String,
    /// Higher gets incoming calls first.
    pub priority: i32,
    /// Whether it is there now; one that lost its connection may come back for a while.
    pub present: bool,
}

/// What is known about a line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LineRecord {
    /// Its id.
    pub line: LineId,
    /// Name of its provider.
    pub provider: String,
    /// The provider's lasting name for it.
    pub stable_id: String,
    /// Whether it is there now.
    pub present: bool,
    /// What it can do, with what its MSP adds.
    pub caps: LineCaps,
    /// What it is like.
    pub status: LineStatus,
    /// How many calls live on it.
    pub calls: u32,
}

/// What is known about a call.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CallRecord {
    /// Its id.
    pub call: CallId,
    /// The line it is on.
    pub line: LineId,
    /// Its state.
    #[serde(flatten)]
    pub state: CallState,
    /// When it entered the state.
    pub since: Moment,
    /// What the application may ask for now.
    pub allowed: OpSet,
    /// What the application may do at all.
    pub privilege: Privilege,
    /// Applications that own it, and that watch it.
    pub owners: u32,
    /// Applications that watch it.
    pub monitors: u32,
    /// The conversation it belongs to: equal for all calls that came out of one another or were joined.
    #[serde(default)]
    pub hub: HubId,
    /// How it hangs together with other calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ties: Vec<Tie>,
    /// What is known beside the state.
    pub info: CallInfo,
}

/// How a call hangs together with another.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "tie", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tie {
    /// It is a conference.
    Conference {
        /// Who takes part.
        members: Vec<CallId>,
    },
    /// It waits while another call consults about it.
    ConsultedBy {
        /// The consultation call.
        consultation: CallId,
        /// What for.
        purpose: Purpose,
    },
    /// It was started to consult about another call.
    Consults {
        /// The call that waits.
        about: CallId,
        /// What for.
        purpose: Purpose,
    },
    /// It takes part in a conference.
    Member {
        /// The conference.
        conference: CallId,
    },
}

/// What a consultation is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a consultation leads to a transfer or into a conference")]
pub enum Purpose {
    /// To add a party to a conference.
    Conference,
    /// To transfer a call.
    Transfer,
}

/// What is known about a phone; nothing is known of what it never reported.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PhoneRecord {
    /// Its id.
    pub phone: PhoneId,
    /// Name of its provider.
    pub provider: String,
    /// The provider's lasting name for it.
    pub stable_id: String,
    /// Whether it is there now.
    pub present: bool,
    /// What it has.
    pub caps: PhoneCaps,
    /// What it is like, as last reported.
    pub state: PhoneState,
    /// The application that may change it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AppId>,
    /// How many applications watch it.
    pub monitors: u32,
}

/// What a phone is like, as last reported (`PHONESTATUS`).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct PhoneState {
    /// Its hook switches.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<HookSwitch, HookState>,
    /// What its display shows, rows joined by line feeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// Its buttons and their lamps, by number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<ButtonState>,
    /// How loud its ringer rings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_volume: Option<u16>,
    /// The pattern in which it rings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_mode: Option<u16>,
}

/// What one hook switch of a phone is like. Muting keeps volume and gain (inventory rule 70).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct HookState {
    /// What of it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<HookMode>,
    /// Volume of the loudspeaker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<u16>,
    /// Gain of the microphone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<u16>,
}

/// What one button of a phone is like.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct ButtonState {
    /// Its number.
    pub button: u16,
    /// Whether it is down.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub down: bool,
    /// Its label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How its lamp shines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lamp: Option<LampMode>,
}
