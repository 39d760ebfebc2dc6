// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every operation that a line, a call or a phone may offer, and sets of them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An operation, or a variant of one that must be declared on its own.
///
/// Names follow one grammar: `operation`, `operation_with_parameter`, `operation_variant`. A provider
/// declares what it can do as an [`OpSet`]; the core refuses the rest by name
/// (TAPI's `LINECALLFEATURE`, `LINEADDRFEATURE` and `LINEFEATURE` bits).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Op {
    /// Claim an offering call and start alerting.
    Accept,
    /// Merge a consultation call into a conference.
    AddToConference,
    /// Answer an offering or accepted call.
    Answer,
    /// Transfer in one step, without consultation.
    BlindTransfer,
    /// Ask for call back, camp on, intrusion or a message when busy or unanswered.
    CompleteCall,
    /// Join both parties of a consultation transfer.
    CompleteTransfer,
    /// End a consultation transfer as a three-way conference.
    CompleteTransferAsConference,
    /// Dial more digits on an existing call.
    Dial,
    /// Hang up, abandon or reject.
    Drop,
    /// A vendor's own operation on a line, a call or a phone.
    Extension,
    /// Replace all forwarding rules of an address.
    Forward,
    /// Forwarding rules without a destination: do not disturb.
    ForwardDoNotDisturb,
    /// Collect digits into one string.
    GatherDigits,
    /// Send digits to the far end.
    GenerateDigits,
    /// Send a tone to the far end.
    GenerateTone,
    /// Hold a call.
    Hold,
    /// Hold a call while the far end hears music.
    HoldWithMusic,
    /// Start an outgoing call.
    MakeCall,
    /// Start an outgoing call and dial the rest later.
    MakeCallPartial,
    /// Report each digit heard.
    MonitorDigits,
    /// Report changes of the medium heard.
    MonitorMedia,
    /// Report listed tones heard.
    MonitorTones,
    /// Park a call where the switch chooses.
    Park,
    /// Park a call at a given address.
    ParkDirected,
    /// Answer a call that alerts elsewhere.
    Pickup,
    /// Answer a call that alerts in a group.
    PickupGroup,
    /// Answer a call that is held elsewhere.
    PickupHeld,
    /// Hold a conference and start a consultation call.
    PrepareAddToConference,
    /// Deflect an offering call without answering.
    Redirect,
    /// Free received user data for the next message.
    ReleaseUserData,
    /// Take one party out of a conference.
    RemoveFromConference,
    /// Protect a call from interruption.
    SecureCall,
    /// Send user data in signalling.
    SendUserData,
    /// Set the data that travels with a call.
    SetCallData,
    /// Change bearer or dial parameters of a live call.
    SetCallParams,
    /// Set the message-waiting lamp, in-service and lock flags of a line.
    SetLineStatus,
    /// Attach media actions to digits, tones or states.
    SetMediaControl,
    /// Record the media modes of a call.
    SetMediaMode,
    /// Change a phone's hook switches, volume, gain, ringer, lamps, display or buttons.
    SetPhone,
    /// Renegotiate the quality of service of a call.
    SetQuality,
    /// Route events or media of a call to a phone terminal.
    SetTerminal,
    /// Choose what a waiting or held party hears.
    SetTreatment,
    /// Start a conference from a call.
    SetupConference,
    /// Start a conference from nothing.
    SetupConferenceEmpty,
    /// Hold a call and start a consultation call.
    SetupTransfer,
    /// Hold a call and let the provider dial the consultation itself.
    SetupTransferOneStep,
    /// Swap the active call with a held one.
    SwapHold,
    /// Cancel a call completion.
    UncompleteCall,
    /// Retrieve a held call.
    Unhold,
    /// Fetch a parked call.
    Unpark,
}

impl Op {
    /// Every operation with its name, in alphabetical order.
    pub const ALL: [(Self, &'static str); 50] = [
        (Self::Accept, "accept"),
        (Self::AddToConference, "add_to_conference"),
        (Self::Answer, "answer"),
        (Self::BlindTransfer, "blind_transfer"),
        (Self::CompleteCall, "complete_call"),
        (Self::CompleteTransfer, "complete_transfer"),
        (Self::CompleteTransferAsConference, "complete_transfer_as_conference"),
        (Self::Dial, "dial"),
        (Self::Drop, "drop"),
        (Self::Extension, "extension"),
        (Self::Forward, "forward"),
        (Self::ForwardDoNotDisturb, "forward_do_not_disturb"),
        (Self::GatherDigits, "gather_digits"),
        (Self::GenerateDigits, "generate_digits"),
        (Self::GenerateTone, "generate_tone"),
        (Self::Hold, "hold"),
        (Self::HoldWithMusic, "hold_with_music"),
        (Self::MakeCall, "make_call"),
        (Self::MakeCallPartial, "make_call_partial"),
        (Self::MonitorDigits, "monitor_digits"),
        (Self::MonitorMedia, "monitor_media"),
        (Self::MonitorTones, "monitor_tones"),
        (Self::Park, "park"),
        (Self::ParkDirected, "park_directed"),
        (Self::Pickup, "pickup"),
        (Self::PickupGroup, "pickup_group"),
        (Self::PickupHeld, "pickup_held"),
        (Self::PrepareAddToConference, "prepare_add_to_conference"),
        (Self::Redirect, "redirect"),
        (Self::ReleaseUserData, "release_user_data"),
        (Self::RemoveFromConference, "remove_from_conference"),
        (Self::SecureCall, "secure_call"),
        (Self::SendUserData, "send_user_data"),
        (Self::SetCallData, "set_call_data"),
        (Self::SetCallParams, "set_call_params"),
        (Self::SetLineStatus, "set_line_status"),
        (Self::SetMediaControl, "set_media_control"),
        (Self::SetMediaMode, "set_media_mode"),
        (Self::SetPhone, "set_phone"),
        (Self::SetQuality, "set_quality"),
        (Self::SetTerminal, "set_terminal"),
        (Self::SetTreatment, "set_treatment"),
        (Self::SetupConference, "setup_conference"),
        (Self::SetupConferenceEmpty, "setup_conference_empty"),
        (Self::SetupTransfer, "setup_transfer"),
        (Self::SetupTransferOneStep, "setup_transfer_one_step"),
        (Self::SwapHold, "swap_hold"),
        (Self::UncompleteCall, "uncomplete_call"),
        (Self::Unhold, "unhold"),
        (Self::Unpark, "unpark"),
    ];

    /// The operation's name as it is written in JSON and configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Finds an operation by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(op, _)| *op)
    }

    const fn bit(self) -> u64 {
        1 << self as u64
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of operations; written as a list of names, unknown names are skipped when read.
///
/// ```
/// use offhook_spi::{Op, OpSet};
///
/// let can = OpSet::from([Op::MakeCall, Op::Drop]);
/// assert!(can.contains(Op::Drop));
/// assert!(!can.contains(Op::Hold));
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct OpSet(u64);

impl OpSet {
    /// No operation.
    pub const EMPTY: Self = Self(0);

    /// Adds an operation.
    #[must_use]
    pub const fn with(self, op: Op) -> Self {
        Self(self.0 | op.bit())
    }

    /// Takes an operation out.
    #[must_use]
    pub const fn without(self, op: Op) -> Self {
        Self(self.0 & !op.bit())
    }

    /// Whether the operation is in the set.
    #[must_use]
    pub const fn contains(self, op: Op) -> bool {
        self.0 & op.bit() != 0
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is nothing in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The operations in the set, in alphabetical order.
    pub fn iter(self) -> impl Iterator<Item = Op> {
        Op::ALL.into_iter().map(|(op, _)| op).filter(move |op| self.contains(*op))
    }
}

impl<const N: usize> From<[Op; N]> for OpSet {
    fn from(ops: [Op; N]) -> Self {
        ops.into_iter().collect()
    }
}

impl FromIterator<Op> for OpSet {
    fn from_iter<T: IntoIterator<Item = Op>>(iter: T) -> Self {
        iter.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for OpSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Op::name)).finish()
    }
}

impl fmt::Display for OpSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, op) in self.iter().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            f.write_str(op.name())?;
        }
        Ok(())
    }
}

impl Serialize for OpSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Op::name))
    }
}

impl<'de> Deserialize<'de> for OpSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        Ok(names.iter().filter_map(|name| Op::from_name(name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_stands_at_its_own_place_in_the_table() {
        for (n, (op, name)) in Op::ALL.into_iter().enumerate() {
            assert_eq!(op as usize, n, "{name}");
            assert_eq!(op.name(), name);
            assert_eq!(serde_json::to_value(op).unwrap(), name);
        }
    }

    #[test]
    fn names_of_a_newer_version_are_skipped() {
        let set: OpSet = serde_json::from_str(r#"["hold","teleport"]"#).unwrap();
        assert_eq!(set, OpSet::from([Op::Hold]));
    }
}
