// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIP responses and reasons as causes, and back: total tables.

use offhook_sipcore::agent::Failure;
use offhook_sipcore::message::{Headers, ReasonValue, Status, name};
use offhook_spi::Cause;

/// The cause for a final response: the Q.850 reason where one came along (RFC 3326, RFC 6432), the status
/// otherwise.
pub(crate) fn of_response(status: Status, headers: &Headers) -> Cause {
    of_reason(headers).unwrap_or_else(|| of_status(status.code()))
}

/// The cause for something of ours that came to nothing.
pub(crate) fn of_failure(failure: &Failure) -> Cause {
    match failure {
        Failure::Refused(response) => of_response(response.status, &response.headers),
        Failure::Cancelled(_) => Cause::Cancelled,
        Failure::Timeout => Cause::TimerExpired,
        Failure::Transport => Cause::NoRouteToDestination,
        _ => Cause::TemporaryFailure,
    }
}

/// The cause for the end of a call by BYE or CANCEL.
pub(crate) fn of_end(headers: &Headers, usual: Cause) -> Cause {
    of_reason(headers).unwrap_or(usual)
}

/// What `Reason` says: Q.850 first, then SIP (`SIP;cause=200` means that another branch answered).
fn of_reason(headers: &Headers) -> Option<Cause> {
    let reasons = headers.reason().ok()?;
    let number = |protocol: &str| {
        reasons
            .iter()
            .find(|reason| reason.protocol.eq_ignore_ascii_case(protocol))
            .and_then(|reason| reason.cause)
    };
    // A cause of Q.850 has seven bits; anything above is no cause.
    let q850 = number("Q.850").and_then(|cause| u8::try_from(cause).ok()).filter(|cause| *cause <= 127);
    let q850 = q850.map(Cause::from_q850);
    q850.or_else(|| match number("SIP")? {
        200 => Some(Cause::AnsweredElsewhere),
        status @ 300..=699 => Some(of_status(status)),
        _ => None,
    })
}

/// The cause for a final status (RFC 3398 section 8.2.6.1 where that says more than the class).
pub(crate) const fn of_status(status: u16) -> Cause {
    match status {
        300..=399 => Cause::Redirected,
        401 | 402 | 407 => Cause::NotAuthorized,
        403 => Cause::CallRejected,
        404 | 604 => Cause::UnallocatedNumber,
        405 | 501 => Cause::NotImplemented,
        406 | 415 | 488 | 606 => Cause::IncompatibleDestination,
        408 | 504 => Cause::TimerExpired,
        410 => Cause::NumberChanged,
        413 | 414 | 416 | 420 | 421 | 423 | 482 | 483 | 505 | 513 => Cause::Interworking,
        480 => Cause::SubscriberAbsent,
        481 => Cause::TemporaryFailure,
        484 | 485 => Cause::InvalidNumberFormat,
        486 | 600 => Cause::UserBusy,
        487 => Cause::Cancelled,
        // RFC 5626 section 11.5: whoever is no proxy takes a 430 for a 400.
        400 | 430 | 493 => Cause::InvalidMessage,
        500 | 491 => Cause::TemporaryFailure,
        502 => Cause::NetworkOutOfOrder,
        503 => Cause::Congestion,
        580 => Cause::QualityUnavailable,
        603 | 607 | 608 => Cause::CallRejected,
        _ => match status / 100 {
            4 => Cause::Interworking,
            5 => Cause::TemporaryFailure,
            6 => Cause::CallRejected,
            _ => Cause::NormalUnspecified,
        },
    }
}

/// The status that refuses an incoming call for a cause (RFC 3398 section 7.2.4.1).
pub(crate) const fn status(cause: Cause) -> Status {
    match cause {
        Cause::UnallocatedNumber | Cause::NoRouteToDestination => Status::NOT_FOUND,
        Cause::UserBusy => Status::BUSY_HERE,
        Cause::NumberChanged => Status::GONE,
        Cause::InvalidNumberFormat => Status::ADDRESS_INCOMPLETE,
        Cause::IncompatibleDestination | Cause::BearerNotImplemented | Cause::QualityUnavailable => {
            Status::NOT_ACCEPTABLE_HERE
        }
        Cause::NoAnswer | Cause::NoUserResponding | Cause::SubscriberAbsent | Cause::DoNotDisturb => {
            Status::TEMPORARILY_UNAVAILABLE
        }
        Cause::NotAuthorized | Cause::OutgoingBarred | Cause::IncomingBarred | Cause::NotSubscribed => {
            Status::FORBIDDEN
        }
        Cause::NotImplemented | Cause::FacilityRejected => Status::NOT_IMPLEMENTED,
        Cause::Congestion
        | Cause::NoCircuitAvailable
        | Cause::ResourceUnavailable
        | Cause::TemporaryFailure
        | Cause::ServiceUnavailable
        | Cause::NetworkOutOfOrder
        | Cause::LineGone
        | Cause::ProviderGone => Status::SERVICE_UNAVAILABLE,
        Cause::TimerExpired => Status::REQUEST_TIMEOUT,
        Cause::InvalidMessage | Cause::ProtocolError => Status::BAD_REQUEST,
        Cause::Interworking | Cause::DestinationOutOfOrder => Status::SERVER_INTERNAL_ERROR,
        _ => Status::DECLINE,
    }
}

/// Adds the Q.850 reason of a cause, so that the far end learns more than the message alone says.
pub(crate) fn add_reason(headers: &mut Headers, cause: Cause) {
    let reason = ReasonValue {
        protocol: "Q.850".to_owned(),
        cause: Some(u16::from(cause.q850())),
        text: Some(cause.to_string()),
    };
    headers.push(name::REASON, reason.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_final_status_has_a_cause() {
        for status in 300..=699 {
            assert_ne!(of_status(status), Cause::NormalUnspecified, "{status}");
            assert_ne!(of_status(status), Cause::NormalClearing, "{status}");
        }
    }

    #[test]
    fn well_known_statuses_mean_what_people_expect() {
        for (status, cause) in [
            (302, Cause::Redirected),
            (401, Cause::NotAuthorized),
            (403, Cause::CallRejected),
            (404, Cause::UnallocatedNumber),
            (408, Cause::TimerExpired),
            (430, Cause::InvalidMessage),
            (480, Cause::SubscriberAbsent),
            (484, Cause::InvalidNumberFormat),
            (486, Cause::UserBusy),
            (487, Cause::Cancelled),
            (488, Cause::IncompatibleDestination),
            (499, Cause::Interworking),
            (503, Cause::Congestion),
            (599, Cause::TemporaryFailure),
            (600, Cause::UserBusy),
            (603, Cause::CallRejected),
            (699, Cause::CallRejected),
        ] {
            assert_eq!(of_status(status), cause, "{status}");
        }
    }

    #[test]
    fn every_cause_refuses_with_a_final_failure() {
        for number in 0..=127 {
            assert!(status(Cause::from_q850(number)).is_failure(), "{number}");
        }
        for cause in [Cause::Cancelled, Cause::DoNotDisturb, Cause::LineGone, Cause::MediaTimeout] {
            assert!(status(cause).is_failure(), "{cause}");
        }
    }

    #[test]
    fn a_q850_reason_wins_over_the_status() {
        let mut headers = Headers::new();
        headers.push(name::REASON, "SIP;cause=603, Q.850;cause=17;text=\"busy\"");
        assert_eq!(of_response(Status::DECLINE, &headers), Cause::UserBusy);
        let mut headers = Headers::new();
        headers.push(name::REASON, "SIP;cause=200;text=\"Call completed elsewhere\"");
        assert_eq!(of_end(&headers, Cause::Cancelled), Cause::AnsweredElsewhere);
    }

    #[test]
    fn a_number_that_q850_does_not_have_is_passed_over() {
        for number in ["128", "200", "255", "256", "65535", "99999"] {
            let mut headers = Headers::new();
            headers.push(name::REASON, format!("Q.850;cause={number}"));
            assert_eq!(of_response(Status::BUSY_HERE, &headers), Cause::UserBusy, "{number}");
            headers.push(name::REASON, "SIP;cause=603");
            assert_eq!(of_end(&headers, Cause::NormalClearing), Cause::CallRejected, "{number}");
        }
        let mut headers = Headers::new();
        headers.push(name::REASON, "Q.850;cause=127");
        assert_eq!(of_end(&headers, Cause::NormalClearing), Cause::Interworking);
    }

    #[test]
    fn a_cause_survives_the_reason_header() {
        let mut headers = Headers::new();
        add_reason(&mut headers, Cause::UserBusy);
        assert_eq!(of_end(&headers, Cause::NormalClearing), Cause::UserBusy);
    }
}
