// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a command failed, with the exit code that says so.

use std::fmt;

use offhook::trace::TraceError;
use offhook::{Error, ErrorKind};
use offhook_spi::Cause;

use crate::exit;

/// A command's failure: what to print and what to exit with.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Wrong usage or configuration.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(exit::USAGE, text)
    }

    /// A call that did not do what was wanted.
    pub(crate) fn call(target: &str, cause: Cause) -> Self {
        let advice = match cause {
            Cause::UserBusy => "; try again later",
            Cause::NoAnswer | Cause::Cancelled => "; give it longer with --ring",
            Cause::UnallocatedNumber | Cause::InvalidNumberFormat => "; check the address",
            Cause::NotAuthorized => "; check user and password of the line in the configuration",
            Cause::NoRouteToDestination | Cause::DestinationOutOfOrder | Cause::TimerExpired => {
                "; check that the host runs and can be reached from here"
            }
            Cause::IncompatibleDestination => "; the far end offers no codec that the line allows",
            _ => "",
        };
        Self::new(exit::code(cause).max(exit::FAILED), format!("call to {target}: {cause}{advice}"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match (error.cause(), error.kind()) {
            (Some(cause), _) => exit::code(cause).max(exit::FAILED),
            (None, ErrorKind::NotFound | ErrorKind::InvalidAddress | ErrorKind::InvalidParameter) => {
                exit::USAGE
            }
            (None, _) => exit::FAILED,
        };
        Self::new(code, error.to_string())
    }
}

impl From<TraceError> for Failure {
    fn from(error: TraceError) -> Self {
        Self::usage(format!("{error}; name a file that --trace has written"))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(exit::FAILED, format!("{error:#}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}
