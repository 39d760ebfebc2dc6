// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a call ended or a request failed, shaped after ITU-T Q.850.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a call ended. The numbers are those of ITU-T Q.850 where it has one; a few causes that only
/// exist between an application and its server have none.
///
/// SIP responses, modem result codes and disconnect reasons translate to causes by tables, each
/// tested for totality.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// 1: the number is not in use (`LINEDISCONNECTMODE_BADADDRESS`).
    UnallocatedNumber,
    /// 3: no way to the destination (`UNREACHABLE`).
    NoRouteToDestination,
    /// 16: somebody hung up (`NORMAL`).
    NormalClearing,
    /// 17: the far end is busy (`BUSY`).
    UserBusy,
    /// 18: the far end's terminal does not react at all.
    NoUserResponding,
    /// 19: it rang and nobody answered (`NOANSWER`).
    NoAnswer,
    /// 20: the far end is not logged in or not registered (`UNAVAIL`).
    SubscriberAbsent,
    /// 21: the far end refused (`REJECT`).
    CallRejected,
    /// 22: the number has changed (`NUMBERCHANGED`).
    NumberChanged,
    /// 23: the call was sent elsewhere (`FORWARDED`).
    Redirected,
    /// 26: somebody else took the call (`PICKUP`).
    AnsweredElsewhere,
    /// 27: the destination is out of order (`OUTOFORDER`).
    DestinationOutOfOrder,
    /// 28: the number is incomplete or not understood (`BADADDRESS`).
    InvalidNumberFormat,
    /// 29: a facility was refused.
    FacilityRejected,
    /// 31: normal, not said more precisely (`UNKNOWN`).
    NormalUnspecified,
    /// 34: all circuits are busy (`CONGESTION`).
    NoCircuitAvailable,
    /// 38: the network is out of order.
    NetworkOutOfOrder,
    /// 41: try again shortly (`TEMPFAILURE`).
    TemporaryFailure,
    /// 42: the switching equipment is overloaded (`CONGESTION`).
    Congestion,
    /// 47: a resource is missing, for example no media port was free.
    ResourceUnavailable,
    /// 49: the quality asked for cannot be had (`QOSUNAVAIL`).
    QualityUnavailable,
    /// 50: the account does not include this facility.
    NotSubscribed,
    /// 52: outgoing calls are barred (`BLOCKED`).
    OutgoingBarred,
    /// 54: incoming calls are barred.
    IncomingBarred,
    /// 57: this account may not use the bearer; also wrong credentials.
    NotAuthorized,
    /// 63: service or option unavailable, not said more precisely.
    ServiceUnavailable,
    /// 65: the bearer or media is not implemented.
    BearerNotImplemented,
    /// 79: service or option not implemented.
    NotImplemented,
    /// 88: the two ends have no medium in common (`INCOMPATIBLE`).
    IncompatibleDestination,
    /// 95: a message was malformed.
    InvalidMessage,
    /// 102: a timer of the protocol ran out.
    TimerExpired,
    /// 111: the protocol was broken.
    ProtocolError,
    /// 127: something between two networks, not said more precisely.
    Interworking,
    /// The caller gave up before an answer (`CANCELLED`).
    Cancelled,
    /// The far end does not want to be disturbed (`DONOTDISTURB`).
    DoNotDisturb,
    /// The line went away while the call lived.
    LineGone,
    /// Media stopped arriving and the line is told to end such calls.
    MediaTimeout,
    /// The provider ended while the call lived.
    ProviderGone,
    /// Another Q.850 number, kept as it came.
    #[serde(rename = "q850")]
    Q850(u8),
}

/// Every cause that has a Q.850 number, with it.
const Q850: [(Cause, u8); 33] = [
    (Cause::UnallocatedNumber, 1),
    (Cause::NoRouteToDestination, 3),
    (Cause::NormalClearing, 16),
    (Cause::UserBusy, 17),
    (Cause::NoUserResponding, 18),
    (Cause::NoAnswer, 19),
    (Cause::SubscriberAbsent, 20),
    (Cause::CallRejected, 21),
    (Cause::NumberChanged, 22),
    (Cause::Redirected, 23),
    (Cause::AnsweredElsewhere, 26),
    (Cause::DestinationOutOfOrder, 27),
    (Cause::InvalidNumberFormat, 28),
    (Cause::FacilityRejected, 29),
    (Cause::NormalUnspecified, 31),
    (Cause::NoCircuitAvailable, 34),
    (Cause::NetworkOutOfOrder, 38),
    (Cause::TemporaryFailure, 41),
    (Cause::Congestion, 42),
    (Cause::ResourceUnavailable, 47),
    (Cause::QualityUnavailable, 49),
    (Cause::NotSubscribed, 50),
    (Cause::OutgoingBarred, 52),
    (Cause::IncomingBarred, 54),
    (Cause::NotAuthorized, 57),
    (Cause::ServiceUnavailable, 63),
    (Cause::BearerNotImplemented, 65),
    (Cause::NotImplemented, 79),
    (Cause::IncompatibleDestination, 88),
    (Cause::InvalidMessage, 95),
    (Cause::TimerExpired, 102),
    (Cause::ProtocolError, 111),
    (Cause::Interworking, 127),
];

impl Cause {
    /// The cause for a Q.850 number; numbers without a name of their own are kept.
    #[must_use]
    pub fn from_q850(number: u8) -> Self {
        Q850.iter().find(|(_, n)| *n == number).map_or(Self::Q850(number), |(cause, _)| *cause)
    }

    /// The Q.850 number to tell a network; causes that only exist here map to the nearest one.
    #[must_use]
    pub fn q850(self) -> u8 {
        match self {
            Self::Q850(number) => number,
            Self::Cancelled => 16,
            Self::DoNotDisturb => 21,
            Self::LineGone | Self::ProviderGone => 27,
            Self::MediaTimeout => 41,
            named => Q850.iter().find(|(cause, _)| *cause == named).map_or(127, |(_, n)| *n),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::UnallocatedNumber => "number not in use",
            Self::NoRouteToDestination => "no route to the destination",
            Self::NormalClearing => "hung up",
            Self::UserBusy => "busy",
            Self::NoUserResponding => "far end does not react",
            Self::NoAnswer => "no answer",
            Self::SubscriberAbsent => "far end is not available",
            Self::CallRejected => "declined",
            Self::NumberChanged => "number changed",
            Self::Redirected => "redirected",
            Self::AnsweredElsewhere => "answered elsewhere",
            Self::DestinationOutOfOrder => "destination out of order",
            Self::InvalidNumberFormat => "address not understood",
            Self::FacilityRejected => "facility rejected",
            Self::NormalUnspecified => "ended",
            Self::NoCircuitAvailable => "no circuit available",
            Self::NetworkOutOfOrder => "network out of order",
            Self::TemporaryFailure => "temporary failure",
            Self::Congestion => "congestion",
            Self::ResourceUnavailable => "no resource free",
            Self::QualityUnavailable => "quality not available",
            Self::NotSubscribed => "not subscribed",
            Self::OutgoingBarred => "outgoing calls barred",
            Self::IncomingBarred => "incoming calls barred",
            Self::NotAuthorized => "not authorised",
            Self::ServiceUnavailable => "service unavailable",
            Self::BearerNotImplemented => "medium not implemented",
            Self::NotImplemented => "not implemented",
            Self::IncompatibleDestination => "no common medium",
            Self::InvalidMessage => "malformed message",
            Self::TimerExpired => "timed out",
            Self::ProtocolError => "protocol error",
            Self::Interworking => "interworking failure",
            Self::Cancelled => "cancelled",
            Self::DoNotDisturb => "do not disturb",
            Self::LineGone => "line gone",
            Self::MediaTimeout => "no media",
            Self::ProviderGone => "provider gone",
            Self::Q850(number) => return write!(f, "cause {number}"),
        };
        f.write_str(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_q850_number_survives_a_round_trip() {
        for number in 0..=127 {
            assert_eq!(Cause::from_q850(number).q850(), number);
        }
    }
}
