// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes into the switch and what comes out: all of it can be written down and replayed.

use serde::{Deserialize, Serialize};

use offhook_spi::{CallKey, Manifest, MspCommand, MspEvent, Refusal, TspCommand, TspEvent};

use crate::app::{Answer, AppEvent, AppProfile, Ask};
use crate::id::{AppId, AskId, ProviderId, Sequence};

/// One thing that happens to the switch.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "input", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Input {
    /// An application is there.
    AppUp {
        /// Its id, never used before.
        app: AppId,
        /// Who it is.
        profile: AppProfile,
    },
    /// An application is gone: its handles are given back by the rules of its lines.
    AppDown {
        /// Which.
        app: AppId,
    },
    /// An application has lost its connection: all that it has is kept for a while
    /// ([`Config::grace`](crate::Config::grace)), in which it may come back.
    AppLost {
        /// Which.
        app: AppId,
    },
    /// An application that had lost its connection is back; see
    /// [`Switch::knows_app`](crate::Switch::knows_app) for whether it is in time.
    AppBack {
        /// Which.
        app: AppId,
    },
    /// An application asks.
    Ask {
        /// Who asks.
        app: AppId,
        /// Number of the request, unique for the application.
        id: AskId,
        /// What.
        ask: Ask,
    },
    /// A TSP is there; its link is open.
    TspUp {
        /// Its id, never used before.
        provider: ProviderId,
        /// What it says about itself.
        manifest: Manifest,
    },
    /// A TSP says something.
    Tsp {
        /// Who.
        provider: ProviderId,
        /// What.
        event: TspEvent,
    },
    /// An MSP is there; its link is open.
    MspUp {
        /// Its id, never used before.
        provider: ProviderId,
        /// What it says about itself.
        manifest: Manifest,
    },
    /// An MSP says something.
    Msp {
        /// Who.
        provider: ProviderId,
        /// What.
        event: MspEvent,
    },
    /// A provider ended, or its command queue would not take a command.
    ProviderDown {
        /// Which.
        provider: ProviderId,
        /// One sentence for people.
        detail: String,
    },
    /// A command could not be queued because the provider's queue is full; its request is refused as busy.
    Overflow {
        /// Which provider.
        provider: ProviderId,
        /// The command's request.
        request: offhook_spi::RequestId,
    },
    /// Time has come to a deadline: the same as [`Machine::handle_timeout`](offhook_spi::Machine), as it
    /// stands in a trace.
    Wake,
}

/// One thing that the switch wants done.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "output", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Output {
    /// Answer a request.
    Answer {
        /// Whose.
        app: AppId,
        /// Which.
        id: AskId,
        /// How it went.
        result: Result<Answer, Refusal>,
    },
    /// Write an event to the journal, then tell these applications.
    Event {
        /// Its place in the journal.
        sequence: Sequence,
        /// Who may know.
        to: Vec<AppId>,
        /// What.
        event: AppEvent,
    },
    /// Send a command to a TSP.
    Tsp {
        /// To whom.
        provider: ProviderId,
        /// What.
        command: TspCommand,
    },
    /// Send a command to an MSP.
    Msp {
        /// To whom.
        provider: ProviderId,
        /// What.
        command: MspCommand,
    },
    /// A provider broke the contract; it was ignored and is counted.
    Violation {
        /// Who.
        provider: ProviderId,
        /// The call it is about, if any.
        #[serde(default)]
        call: Option<CallKey>,
        /// What was expected and what came.
        detail: String,
    },
}
