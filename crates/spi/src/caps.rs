// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a line can ever do: declared once at `LineUp`, changed only by an event.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::media::{DigitMode, MediaSet};
use crate::op::OpSet;
use crate::opaque::SchemaId;
use crate::party::AddressKind;
use crate::tolerant::known_only;

/// What a line and its addresses can ever do (`LINEDEVCAPS`).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct LineCaps {
    /// Operations that the provider carries out. The core refuses the others by name.
    pub ops: OpSet,
    /// Media that calls of this line may carry.
    #[serde(default)]
    pub media: MediaSet,
    /// Which kind of MSP the line wants; `None` means call control only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionWish>,
    /// The addresses of the line, at least one.
    pub addresses: Vec<AddressCaps>,
    /// Calls that may live at once on the line; 0 means no limit is known.
    #[serde(default)]
    pub max_calls: u32,
    /// Parties that fit in one conference; 0 means none.
    #[serde(default)]
    pub conference_max_parties: u32,
    /// How digits can travel without an MSP. Beside a session, those that come in signalling are told unasked.
    #[serde(default, deserialize_with = "known_only")]
    pub digit_modes: Vec<DigitMode>,
    /// How long the provider waits for an answer unless told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_answer_timeout: Option<Duration>,
    /// Vendor extensions that the line understands.
    #[serde(default)]
    pub extensions: Vec<SchemaId>,
    /// Names of the terminals of the switch to which calls can be routed
    /// ([`CallOp::SetTerminal`](crate::CallOp::SetTerminal)).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terminals: Vec<String>,
}

/// The kind of session that the calls of a line need, and the schema that both providers speak.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SessionWish {
    /// Name of the MSP, as in its manifest: `rtp`.
    pub msp: String,
    /// What the relayed data means: `offhook.sdp`.
    pub schema: SchemaId,
}

/// What one address of a line can do (`LINEADDRESSCAPS`).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct AddressCaps {
    /// The address as others dial it: `sip:alice@example.org`, `+49 (30) 1234567`.
    pub address: String,
    /// Kinds of destination that can be dialled from it.
    #[serde(default, deserialize_with = "known_only")]
    pub dials: Vec<AddressKind>,
    /// Calls that may live at once on the address; 0 means no limit is known.
    #[serde(default)]
    pub max_calls: u32,
}
