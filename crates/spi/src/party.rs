// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who takes part in a call, and what is known about the call beside its state.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::key::AddressIndex;
use crate::media::MediaSet;
use crate::opaque::Opaque;

/// A kind of address (`LINEADDRESSTYPE`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AddressKind {
    /// A host name or an IP address.
    Host,
    /// A telephone number.
    Number,
    /// A session description or the name of one.
    Session,
    /// A `sip:` or `sips:` address.
    Sip,
    /// Something only the provider understands.
    Other,
}

/// Somebody's address as text: `+4930123456`, `sip:bob@example.org`, `sap:weekly meeting`.
///
/// Personal data: [`fmt::Debug`] shows only its first two and last two characters.
#[derive(Clone, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Address(pub String);

impl Address {
    /// Makes an address from text; nothing is checked, the provider judges.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<char> = self.0.chars().collect();
        match shown.as_slice() {
            [a, b, .., y, z] if shown.len() > 6 => write!(f, "Address({a}{b}…{y}{z})"),
            _ => f.write_str("Address(…)"),
        }
    }
}

/// One side of a call.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Party {
    /// Where it can be reached; `None` when withheld or unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// What it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why there is no address or name, or how far it can be trusted.
    #[serde(default)]
    pub presentation: Presentation,
    /// The forms of the telephone number in the address, where somebody knows them. Providers leave it out; the
    /// server fills it in by the dialling rules of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Box<NumberForms>>,
}

/// A telephone number beside its dialled or presented form, which is the address
/// (`LINETRANSLATEOUTPUT`, `dwDisplayableAddress`).
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct NumberForms {
    /// Tied to no place: `+49 (30) 1234567`.
    pub canonical: String,
    /// What numbers are compared by (E.164): `+49301234567`.
    pub key: String,
    /// As people at the line's place write it: `030 1234567`.
    pub display: String,
}

/// Personal data: nothing of it is shown.
impl fmt::Debug for NumberForms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NumberForms(…)")
    }
}

/// How far the identity of a party is known (`LINECALLPARTYID`).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Presentation {
    /// Told by the party itself.
    #[default]
    Claimed,
    /// Vouched for by a network that the line trusts.
    Asserted,
    /// The party withholds it.
    Withheld,
    /// Not known (yet).
    Unknown,
}

/// Why a call exists (`LINECALLREASON`).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallReason {
    /// Somebody dialled.
    #[default]
    Direct,
    /// An earlier request for call completion was fulfilled.
    CallCompletion,
    /// Forwarded because the called party was busy.
    ForwardedBusy,
    /// Forwarded because nobody answered.
    ForwardedNoAnswer,
    /// Forwarded in any case.
    ForwardedAlways,
    /// Parked calls come back.
    Parked,
    /// Picked up from elsewhere.
    Pickup,
    /// Deflected to here.
    Redirected,
    /// Reminds of a held or parked call.
    Reminder,
    /// Transferred to here.
    Transfer,
    /// Fetched from a park.
    Unpark,
    /// Not known.
    Unknown,
}

/// Which way a call was set up.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a call comes in or goes out")]
pub enum CallDirection {
    /// It came to the line.
    Incoming,
    /// The line started it.
    #[default]
    Outgoing,
}

/// A header, field or element of signalling that travels with a call, as name and text.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CallDatum {
    /// Name, as the protocol writes it: `X-Customer`.
    pub name: String,
    /// Text.
    pub value: String,
}

/// What is known about a call beside its state (`LINECALLINFO`). Empty fields are not known.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CallInfo {
    /// Which way it was set up.
    #[serde(default)]
    pub direction: CallDirection,
    /// The address of the line it is on.
    #[serde(default)]
    pub address: AddressIndex,
    /// Who calls.
    #[serde(default)]
    pub caller: Party,
    /// Who was called.
    #[serde(default)]
    pub called: Party,
    /// Who is connected in the end, where the network says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<Party>,
    /// Who sent the call here, last first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirecting: Vec<Party>,
    /// Why it exists.
    #[serde(default)]
    pub reason: CallReason,
    /// Media it carries or wants.
    #[serde(default)]
    pub media: MediaSet,
    /// The network's id of the call: equal ids on different lines belong to one conversation
    /// (call hub). A SIP provider uses the Call-ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// The id of another call that this one came out of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related_call_id: Option<String>,
    /// Data that travels with the call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<CallDatum>,
    /// The call completion that this call fulfils; its id is used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<u64>,
    /// User data received in signalling; stays until it is released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Box<Opaque>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_most_of_an_address() {
        assert_eq!(format!("{:?}", Address::new("+4930123456")), "Address(+4…56)");
        assert_eq!(format!("{:?}", Address::new("110")), "Address(…)");
    }
}
