// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one error of the application interface: what was tried, whose fault it is, what to do next.

use std::fmt;
use std::sync::Arc;

use offhook_spi::{Cause, Refusal, RefusalKind, Retry};

/// Something an application asked for did not come about.
///
/// Printed, it names the operation and the object, says what was expected and what to do next. For
/// programs there are [`Error::kind`], [`Error::fault`], [`Error::retry`] and [`Error::cause`].
///
/// ```
/// use offhook::{Error, ErrorKind, Fault};
///
/// fn worth_another_number(error: &Error) -> bool {
///     error.kind() == ErrorKind::CallEnded && error.fault() == Fault::Peer
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: ErrorKind,
    fault: Fault,
    retry: Retry,
    operation: String,
    cause: Option<Cause>,
    detail: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request was cancelled before it was carried out.
    Abandoned,
    /// A queue or a limit is full.
    Busy,
    /// The call ended first; [`Error::cause`] says why.
    CallEnded,
    /// A file or a socket of this machine failed.
    Io,
    /// The address cannot be used.
    InvalidAddress,
    /// A parameter is out of range or contradictory.
    InvalidParameter,
    /// The call, line or stream is not in a state for it.
    InvalidState,
    /// The line has no media provider.
    NoMedia,
    /// Nothing has that name.
    NotFound,
    /// The application only watches the call.
    NotOwner,
    /// It was tried and failed.
    OperationFailed,
    /// The provider ended.
    ProviderGone,
    /// The server has been shut down.
    ShutDown,
    /// The sole owner of a live call cannot give it back.
    SoleOwner,
    /// The object ended and its handle means nothing any more.
    StaleHandle,
    /// Nothing happened in time.
    TimedOut,
    /// The line, the call or the provider cannot do it.
    Unsupported,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "every failure must be blamed on one of these five")]
pub enum Fault {
    /// The application asked for something that could not be.
    Caller,
    /// The network between.
    Network,
    /// The far end.
    Peer,
    /// The provider.
    Provider,
    /// The server itself.
    Us,
}

impl Error {
    /// Makes an error about `operation` with the usual blame and advice of its kind.
    pub(crate) fn new(kind: ErrorKind, operation: impl Into<String>, detail: impl Into<String>) -> Self {
        let (fault, retry) = kind.usual();
        let (operation, detail) = (operation.into(), detail.into());
        Self(Box::new(Inner { kind, fault, retry, operation, cause: None, detail, source: None }))
    }

    /// The server has been shut down, or is being shut down.
    pub(crate) fn shut_down(operation: impl Into<String>) -> Self {
        Self::new(ErrorKind::ShutDown, operation, "the server has been shut down")
    }

    /// The call ended before what was waited for.
    pub(crate) fn call_ended(operation: impl Into<String>, cause: Cause) -> Self {
        let mut error = Self::new(ErrorKind::CallEnded, operation, "the call ended first");
        error.0.fault = fault_of(cause);
        error.0.retry = retry_of(cause);
        error.with_cause(cause)
    }

    /// Nothing happened in time.
    pub(crate) fn timed_out(operation: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::TimedOut, operation, detail)
    }

    /// A file or socket of this machine failed.
    pub(crate) fn io(
        operation: impl Into<String>,
        detail: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        let mut error = Self::new(ErrorKind::Io, operation, detail);
        error.0.source = Some(Arc::new(source));
        error
    }

    /// Says what was tried, where the error was made by somebody who could not know.
    #[must_use]
    pub(crate) fn during(mut self, operation: impl Into<String>) -> Self {
        self.0.operation = operation.into();
        self
    }

    fn with_cause(mut self, cause: Cause) -> Self {
        self.0.cause = Some(cause);
        self
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.0.fault
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// What was tried, with its object: `hold call:1.1`.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// The network's reason, when there is one.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.0.cause
    }

    /// One sentence: names the object and what was expected.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        if !inner.operation.is_empty() {
            write!(f, "{}: ", inner.operation)?;
        }
        f.write_str(&inner.detail)?;
        if let Some(cause) = inner.cause {
            write!(f, " ({cause})")?;
        }
        match inner.kind.advice(inner.retry) {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

impl From<Refusal> for Error {
    /// Keeps the provider's or the core's advice and adds whose fault it is.
    fn from(refusal: Refusal) -> Self {
        let mut error = Self::new(kind_of(refusal.kind), String::new(), refusal.detail);
        error.0.retry = refusal.retry;
        match refusal.cause {
            Some(cause) => {
                error.0.fault = fault_of(cause);
                error.with_cause(cause)
            }
            None => error,
        }
    }
}

impl ErrorKind {
    const fn usual(self) -> (Fault, Retry) {
        match self {
            Self::Abandoned => (Fault::Caller, Retry::Later),
            Self::Busy | Self::OperationFailed | Self::ProviderGone | Self::TimedOut => {
                (Fault::Provider, Retry::Later)
            }
            Self::CallEnded => (Fault::Peer, Retry::Later),
            Self::Io => (Fault::Us, Retry::AfterChange),
            Self::InvalidState | Self::NoMedia | Self::NotOwner | Self::SoleOwner => {
                (Fault::Caller, Retry::AfterChange)
            }
            Self::InvalidAddress
            | Self::InvalidParameter
            | Self::NotFound
            | Self::ShutDown
            | Self::StaleHandle
            | Self::Unsupported => (Fault::Caller, Retry::Never),
        }
    }

    /// What the reader of an error can do, where the detail alone does not say it.
    const fn advice(self, retry: Retry) -> Option<&'static str> {
        match self {
            Self::NoMedia => Some("give the server a media provider for this line, for example `.rtp(...)`"),
            Self::NotOwner => Some("ask through an application that owns the call"),
            Self::ShutDown => Some("start a new server"),
            Self::SoleOwner => Some("hang up, or hand the call off first"),
            Self::StaleHandle => Some("let go of the handle"),
            Self::Busy | Self::OperationFailed | Self::ProviderGone | Self::TimedOut => match retry {
                Retry::Later => Some("try again later"),
                Retry::AfterChange | Retry::Never => None,
            },
            Self::Abandoned
            | Self::CallEnded
            | Self::Io
            | Self::InvalidAddress
            | Self::InvalidParameter
            | Self::InvalidState
            | Self::NotFound
            | Self::Unsupported => None,
        }
    }
}

const fn kind_of(kind: RefusalKind) -> ErrorKind {
    match kind {
        RefusalKind::Abandoned => ErrorKind::Abandoned,
        RefusalKind::Busy => ErrorKind::Busy,
        RefusalKind::Gone => ErrorKind::NotFound,
        RefusalKind::InvalidAddress => ErrorKind::InvalidAddress,
        RefusalKind::InvalidParameter => ErrorKind::InvalidParameter,
        RefusalKind::InvalidState => ErrorKind::InvalidState,
        RefusalKind::NoMedia => ErrorKind::NoMedia,
        RefusalKind::NotOwner => ErrorKind::NotOwner,
        RefusalKind::ProviderGone => ErrorKind::ProviderGone,
        RefusalKind::SoleOwner => ErrorKind::SoleOwner,
        RefusalKind::StaleHandle => ErrorKind::StaleHandle,
        RefusalKind::TimedOut => ErrorKind::TimedOut,
        RefusalKind::Unsupported => ErrorKind::Unsupported,
        // The operation failed, or a newer contract knows a reason that we do not.
        _ => ErrorKind::OperationFailed,
    }
}

/// Who is to blame when a network gives this reason.
const fn fault_of(cause: Cause) -> Fault {
    match cause {
        Cause::Cancelled
        | Cause::InvalidNumberFormat
        | Cause::NotAuthorized
        | Cause::NotSubscribed
        | Cause::OutgoingBarred
        | Cause::UnallocatedNumber => Fault::Caller,
        Cause::LineGone | Cause::ProviderGone => Fault::Provider,
        Cause::ResourceUnavailable => Fault::Us,
        Cause::Congestion
        | Cause::Interworking
        | Cause::InvalidMessage
        | Cause::MediaTimeout
        | Cause::NetworkOutOfOrder
        | Cause::NoCircuitAvailable
        | Cause::NoRouteToDestination
        | Cause::ProtocolError
        | Cause::Q850(_)
        | Cause::QualityUnavailable
        | Cause::ServiceUnavailable
        | Cause::TemporaryFailure
        | Cause::TimerExpired => Fault::Network,
        _ => Fault::Peer,
    }
}

/// Whether the same call can succeed another time.
const fn retry_of(cause: Cause) -> Retry {
    match cause {
        Cause::InvalidNumberFormat
        | Cause::NotImplemented
        | Cause::NumberChanged
        | Cause::UnallocatedNumber => Retry::Never,
        Cause::BearerNotImplemented
        | Cause::IncompatibleDestination
        | Cause::IncomingBarred
        | Cause::NotAuthorized
        | Cause::NotSubscribed
        | Cause::OutgoingBarred => Retry::AfterChange,
        _ => Retry::Later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_operation_object_and_advice() {
        let refusal = Refusal::new(RefusalKind::NotOwner, "'watcher' only monitors call:1.1");
        let error = Error::from(refusal).during("hold call:1.1");
        assert_eq!(
            error.to_string(),
            "hold call:1.1: 'watcher' only monitors call:1.1; ask through an application that owns the call"
        );
        assert_eq!((error.kind(), error.fault()), (ErrorKind::NotOwner, Fault::Caller));
    }

    #[test]
    fn the_cause_decides_whose_fault_it_is() {
        for (cause, fault) in [
            (Cause::UserBusy, Fault::Peer),
            (Cause::UnallocatedNumber, Fault::Caller),
            (Cause::NetworkOutOfOrder, Fault::Network),
            (Cause::LineGone, Fault::Provider),
            (Cause::ResourceUnavailable, Fault::Us),
        ] {
            let error = Error::call_ended("call sip:bob@example.org", cause);
            assert_eq!((error.fault(), error.cause()), (fault, Some(cause)));
        }
    }

    #[test]
    fn a_refusal_keeps_its_own_advice() {
        let refusal = Refusal::new(RefusalKind::Busy, "line 'a' has no free call").with_retry(Retry::Never);
        assert_eq!(Error::from(refusal).to_string(), "line 'a' has no free call");
    }
}
