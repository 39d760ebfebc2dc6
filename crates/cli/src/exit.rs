// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit codes that scripts can use.

use offhook_spi::Cause;

/// What `--help` says about them.
pub(crate) const HELP: &str = "\
Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 line not in service; 10 busy; 11 no answer;
12 declined; 13 no such number; 14 not authorised; 15 not reachable; 16 no common medium; 17 congestion or temporary
failure; 18 the network ended the call; 19 redirected";

/// Something failed that has no code of its own.
pub(crate) const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub(crate) const USAGE: u8 = 2;
/// A line does not serve calls.
pub(crate) const OUT_OF_SERVICE: u8 = 3;

/// The code for a call that ended with this cause before it did what was wanted.
pub(crate) const fn code(cause: Cause) -> u8 {
    match cause {
        Cause::NormalClearing => 0,
        Cause::UserBusy => 10,
        Cause::NoAnswer | Cause::NoUserResponding | Cause::Cancelled => 11,
        Cause::CallRejected | Cause::DoNotDisturb | Cause::AnsweredElsewhere => 12,
        Cause::UnallocatedNumber | Cause::InvalidNumberFormat | Cause::NumberChanged => 13,
        Cause::NotAuthorized | Cause::NotSubscribed | Cause::OutgoingBarred | Cause::IncomingBarred => 14,
        Cause::NetworkOutOfOrder | Cause::TimerExpired => 15,
        Cause::NoRouteToDestination | Cause::SubscriberAbsent | Cause::DestinationOutOfOrder => 15,
        Cause::IncompatibleDestination | Cause::BearerNotImplemented | Cause::MediaTimeout => 16,
        Cause::Congestion | Cause::NoCircuitAvailable | Cause::TemporaryFailure => 17,
        Cause::ResourceUnavailable | Cause::ServiceUnavailable => 17,
        Cause::Redirected => 19,
        _ => 18,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_the_code_that_the_help_promises() {
        for (expected, causes) in [
            (0, vec![Cause::NormalClearing]),
            (10, vec![Cause::UserBusy]),
            (11, vec![Cause::NoAnswer, Cause::NoUserResponding, Cause::Cancelled]),
            (12, vec![Cause::CallRejected, Cause::DoNotDisturb, Cause::AnsweredElsewhere]),
            (13, vec![Cause::UnallocatedNumber, Cause::InvalidNumberFormat, Cause::NumberChanged]),
            (
                14,
                vec![
                    Cause::NotAuthorized,
                    Cause::NotSubscribed,
                    Cause::OutgoingBarred,
                    Cause::IncomingBarred,
                ],
            ),
            (15, vec![Cause::NoRouteToDestination, Cause::SubscriberAbsent, Cause::DestinationOutOfOrder]),
            (15, vec![Cause::NetworkOutOfOrder, Cause::TimerExpired]),
            (16, vec![Cause::IncompatibleDestination, Cause::BearerNotImplemented, Cause::MediaTimeout]),
            (17, vec![Cause::Congestion, Cause::NoCircuitAvailable, Cause::TemporaryFailure]),
            (17, vec![Cause::ResourceUnavailable, Cause::ServiceUnavailable]),
            (18, vec![Cause::FacilityRejected, Cause::Interworking, Cause::InvalidMessage, Cause::LineGone]),
            (18, vec![Cause::NormalUnspecified, Cause::NotImplemented, Cause::ProtocolError]),
            (18, vec![Cause::ProviderGone, Cause::QualityUnavailable, Cause::Q850(99)]),
            (19, vec![Cause::Redirected]),
        ] {
            for cause in causes {
                assert_eq!(code(cause), expected, "{cause}");
            }
            assert!(HELP.contains(&format!("{expected} ")), "{expected}");
        }
    }
}
