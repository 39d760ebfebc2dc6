// SPDX-License-Identifier: MIT OR Apache-2.0
//! The headers of subscriptions (RFC 6665), and the fragments that a REFER is reported with (RFC 3420).

use std::fmt;

use super::grammar::{is_token, saturating_number, trim};
use super::headers::Headers;
use super::name;
use super::params::Params;
use super::status::Status;
use super::typed::HeaderError;

/// What is subscribed to: an event package, and an id where several subscriptions share a dialog (RFC 6665
/// section 8.2.1).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct EventType {
    /// The package with its templates: `dialog`, `message-summary`, `presence.winfo`.
    pub package: String,
    /// Tells apart what would be equal otherwise.
    pub id: Option<String>,
}

/// How a subscription stands after a NOTIFY (RFC 6665 section 8.2.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SubscriptionState {
    /// Whether it goes on.
    pub life: SubscriptionLife,
    /// How many seconds are left.
    pub expires: Option<u32>,
    /// After how many seconds another attempt makes sense.
    pub retry_after: Option<u32>,
}

/// Whether a subscription goes on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SubscriptionLife {
    /// It was accepted and reports.
    Active,
    /// It waits to be accepted. States that nobody has registered count as this one.
    Pending,
    /// It is over.
    Terminated(Termination),
}

/// Why a subscription is over (RFC 6665 section 4.1.3).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Termination {
    /// The notifier has moved it away: subscribe again at once.
    Deactivated,
    /// The notifier could not get it authorized in time: try again.
    GaveUp,
    /// What was reported can never change again.
    Invariant,
    /// What was subscribed to is not there any more.
    NoResource,
    /// Try again later.
    Probation,
    /// It is not allowed any more.
    Rejected,
    /// Nobody refreshed it.
    Timeout,
    /// No reason, or one that nobody has registered.
    Unsaid,
}

impl EventType {
    /// A package without an id.
    #[must_use]
    pub fn new(package: &str) -> Self {
        Self { package: package.to_owned(), id: None }
    }

    fn parse(value: &str) -> Option<Self> {
        let (package, params) = head_and_params(value)?;
        Some(Self { package: package.to_owned(), id: params.value("id").map(str::to_owned) })
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.package)?;
        match &self.id {
            Some(id) => write!(f, ";id={id}"),
            None => Ok(()),
        }
    }
}

impl SubscriptionState {
    /// A subscription that lives for so many seconds.
    #[must_use]
    pub const fn active(expires: u32) -> Self {
        Self { life: SubscriptionLife::Active, expires: Some(expires), retry_after: None }
    }

    /// A subscription that is over.
    #[must_use]
    pub const fn terminated(why: Termination) -> Self {
        Self { life: SubscriptionLife::Terminated(why), expires: None, retry_after: None }
    }

    /// Whether nothing more will come.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        matches!(self.life, SubscriptionLife::Terminated(_))
    }

    fn parse(value: &str) -> Option<Self> {
        let (word, params) = head_and_params(value)?;
        let seconds = |name: &str| {
            let seconds = saturating_number(params.value(name)?)?;
            Some(u32::try_from(seconds).unwrap_or(u32::MAX))
        };
        let life = match word.to_ascii_lowercase().as_str() {
            "active" => SubscriptionLife::Active,
            "terminated" => {
                SubscriptionLife::Terminated(Termination::of(params.value("reason").unwrap_or_default()))
            }
            _ => SubscriptionLife::Pending,
        };
        Some(Self { life, expires: seconds("expires"), retry_after: seconds("retry-after") })
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.life {
            SubscriptionLife::Active => f.write_str("active")?,
            SubscriptionLife::Pending => f.write_str("pending")?,
            SubscriptionLife::Terminated(Termination::Unsaid) => f.write_str("terminated")?,
            SubscriptionLife::Terminated(why) => write!(f, "terminated;reason={}", why.word())?,
        }
        if let Some(expires) = self.expires {
            write!(f, ";expires={expires}")?;
        }
        if let Some(after) = self.retry_after {
            write!(f, ";retry-after={after}")?;
        }
        Ok(())
    }
}

impl Termination {
    const ALL: [Self; 7] = [
        Self::Deactivated,
        Self::GaveUp,
        Self::Invariant,
        Self::NoResource,
        Self::Probation,
        Self::Rejected,
        Self::Timeout,
    ];

    fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|why| why.word().eq_ignore_ascii_case(word)).unwrap_or(Self::Unsaid)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Deactivated => "deactivated",
            Self::GaveUp => "giveup",
            Self::Invariant => "invariant",
            Self::NoResource => "noresource",
            Self::Probation => "probation",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::Unsaid => "",
        }
    }
}

impl Headers {
    /// What a SUBSCRIBE or NOTIFY is about.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is missing or malformed.
    pub fn event(&self) -> Result<EventType, HeaderError> {
        let value = self.get(name::EVENT).ok_or(HeaderError::Missing(name::EVENT))?;
        EventType::parse(value).ok_or(HeaderError::Malformed(name::EVENT))
    }

    /// How the subscription of a NOTIFY stands.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is missing or malformed.
    pub fn subscription_state(&self) -> Result<SubscriptionState, HeaderError> {
        let name = name::SUBSCRIPTION_STATE;
        let value = self.get(name).ok_or(HeaderError::Missing(name))?;
        SubscriptionState::parse(value).ok_or(HeaderError::Malformed(name))
    }
}

/// The status in the first line of a `message/sipfrag` body, as a REFER is reported with (RFC 3515 section
/// 2.4.5).
#[must_use]
pub fn sipfrag_status(body: &[u8]) -> Option<Status> {
    let line = body.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line.get(..line.len().min(64))?).ok()?;
    let code = line.strip_prefix("SIP/2.0 ")?.split([' ', '\r']).next()?;
    Status::new(code.parse().ok().filter(|_| code.len() == 3)?)
}

/// A `message/sipfrag` body with nothing but a status line.
#[must_use]
pub fn sipfrag(status: Status) -> String {
    format!("SIP/2.0 {} {}\r\n", status.code(), status.reason_phrase())
}

/// Splits `word;name=value`; the word must be a token. Of the parameters what can be read is: one that cannot,
/// such as quoted text with a semicolon, is passed over.
pub(super) fn head_and_params(value: &str) -> Option<(&str, Params)> {
    let mut parts = value.split(';').map(trim);
    let head = parts.next().filter(|head| is_token(head))?;
    let mut params = Params::default();
    for part in parts.take(MAX_PARAMS) {
        match part.split_once('=') {
            Some((name, value)) => params.set(trim(name), Some(trim(value).trim_matches('"'))),
            None => params.set(part, None),
        }
    }
    Some((head, params))
}

/// Parameters beyond this many are not read.
const MAX_PARAMS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push(name, value);
        headers
    }

    #[test]
    fn events_are_read_in_either_form_with_and_without_an_id() {
        for (name, value, package, id) in [
            ("Event", "refer", "refer", None),
            ("o", "refer;id=93809824", "refer", Some("93809824")),
            ("Event", "dialog ; id = 7;call-id=\"x\"", "dialog", Some("7")),
            ("Event", "presence.winfo", "presence.winfo", None),
        ] {
            let event = with(name, value).event().unwrap();
            assert_eq!((event.package.as_str(), event.id.as_deref()), (package, id), "{value}");
        }
        assert!(with("Event", ";id=1").event().is_err() && Headers::new().event().is_err());
        assert_eq!(
            EventType { id: Some("4".to_owned()), ..EventType::new("refer") }.to_string(),
            "refer;id=4"
        );
    }

    #[test]
    fn every_state_and_reason_is_read_and_written_alike() {
        for text in [
            "active;expires=60",
            "pending",
            "terminated",
            "terminated;reason=noresource",
            "terminated;reason=probation;retry-after=30",
            "terminated;reason=giveup",
        ] {
            let state = with(name::SUBSCRIPTION_STATE, text).subscription_state().unwrap();
            assert_eq!(state.to_string(), text);
            assert_eq!(state.is_terminated(), text.starts_with("terminated"));
        }
        for why in Termination::ALL {
            let state = SubscriptionState::terminated(why);
            let read = with(name::SUBSCRIPTION_STATE, &state.to_string()).subscription_state();
            assert_eq!(read.unwrap(), state);
        }
    }

    #[test]
    fn what_nobody_has_registered_is_pending_or_unsaid() {
        let read = |text| with(name::SUBSCRIPTION_STATE, text).subscription_state().unwrap().life;
        assert_eq!(read("waiting"), SubscriptionLife::Pending);
        assert_eq!(read("TERMINATED;reason=tired"), SubscriptionLife::Terminated(Termination::Unsaid));
        let long = format!("active;{}", "x;".repeat(5_000));
        assert_eq!(read(&long), SubscriptionLife::Active);
    }

    #[test]
    fn the_status_of_a_fragment_is_its_first_line() {
        for (body, code) in [
            ("SIP/2.0 200 OK\r\n", Some(200)),
            ("SIP/2.0 100 Trying", Some(100)),
            ("SIP/2.0 503 Service Unavailable\r\nReason: Q.850;cause=34\r\n", Some(503)),
            ("SIP/2.0 180", Some(180)),
            ("SIP/2.0 99 Low\r\n", None),
            ("SIP/2.0 0200 OK\r\n", None),
            ("INVITE sip:a@b SIP/2.0\r\n", None),
            ("", None),
        ] {
            assert_eq!(sipfrag_status(body.as_bytes()).map(Status::code), code, "{body:?}");
        }
        assert_eq!(sipfrag_status(sipfrag(Status::BUSY_HERE).as_bytes()), Some(Status::BUSY_HERE));
        assert_eq!(sipfrag_status(b"SIP/2.0 2\xff0 OK"), None);
    }
}
