// SPDX-License-Identifier: MIT OR Apache-2.0
//! What applications in other processes and the server say to each other: one JSON object per line.

use offhook_core::{Answer, AppEvent, AppId, AppProfile, Ask, AskId, Sequence};
use offhook_spi::{Moment, Refusal};
use serde::{Deserialize, Serialize};

/// Longer lines are refused: no request needs them.
pub(crate) const LONGEST_LINE: usize = 1 << 20;

/// The first line of an application.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Hello {
    /// Who it is.
    pub(crate) hello: AppProfile,
    /// The session that it had before it lost its connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resume: Option<Session>,
    /// The first event that it wants to be told; everything from now on if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Sequence>,
}

/// What an application must know to come back after it has lost its connection.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Session {
    pub(crate) app: AppId,
    pub(crate) key: u64,
}

/// The last line of an application that does not mean to come back.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Goodbye {
    /// Nothing yet.
    pub(crate) bye: Nothing,
}

/// An object without fields.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Nothing {}

/// Every other line of an application.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Request {
    /// The application's own number for it, not in use.
    pub(crate) id: AskId,
    #[serde(flatten)]
    pub(crate) ask: Ask,
}

/// A line of the server.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// The first line.
    Welcome {
        /// The application's id.
        app: AppId,
        /// To come back with after a lost connection.
        session: Session,
        /// The number that the next event will have.
        next: Sequence,
    },
    /// The answer to a request.
    Answer {
        /// Which.
        id: AskId,
        /// It was carried out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        done: Option<Answer>,
        /// It was not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<Refusal>,
    },
    /// Something happened.
    Event {
        /// Its place among all events of the server.
        sequence: Sequence,
        /// When.
        at: Moment,
        /// What.
        what: AppEvent,
    },
    /// The application has fallen behind; nothing is lost.
    Lagged {
        /// The next event that it will be told.
        from: Sequence,
    },
    /// The application has fallen so far behind that these events are forgotten.
    Lost {
        /// The first.
        from: Sequence,
        /// The last.
        to: Sequence,
    },
    /// The server closes the connection.
    Bye {
        /// Why: what was expected, what was found.
        because: String,
    },
}
