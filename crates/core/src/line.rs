// SPDX-License-Identifier: MIT OR Apache-2.0
//! A line as the core knows it: it stays when its provider goes and comes back.

use std::collections::BTreeMap;
use std::fmt;

use offhook_spi::{Address, CallParams, LineCaps, LineKey, LineStatus, Op, OpSet};

use crate::app::{Interest, LineAsk};
use crate::id::{AppId, ProviderId};
use crate::policy::LinePolicy;
use crate::request::Asker;

/// What a line is called for good: name of its provider and the provider's lasting name for it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct LineName {
    pub(crate) provider: String,
    pub(crate) stable_id: String,
}

/// A line as the core knows it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: LineName,
    /// Where it is reached; `None` while it is absent.
    pub(crate) link: Option<LineLink>,
    pub(crate) caps: Box<LineCaps>,
    pub(crate) status: LineStatus,
    pub(crate) policy: LinePolicy,
    /// Applications that use it, and what for.
    pub(crate) openers: BTreeMap<AppId, Interest>,
    pub(crate) gate: Gate,
    /// What waits for the gate to open, in order.
    pub(crate) waiting: Vec<Waiting>,
    /// Call completions that it owes, and to whom.
    pub(crate) completions: BTreeMap<u64, AppId>,
    /// Calls on it that are not idle.
    pub(crate) calls: u32,
    /// Whether it was ever open on this link: calls may still come that began before it was closed.
    pub(crate) was_open: bool,
}

/// Where a line is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct LineLink {
    pub(crate) provider: ProviderId,
    pub(crate) key: LineKey,
}

/// Whether the line is open on its provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Gate {
    Closed,
    /// The provider was asked and has not replied.
    Opening,
    Open,
}

/// A request that waits for the gate to open.
#[derive(Debug)]
pub(crate) enum Waiting {
    Open(Asker),
    Line { asker: Asker, ask: Box<LineAsk> },
    MakeCall { asker: Asker, to: Address, params: Box<CallParams> },
}

/// What a session's MSP can add to the operations of a line.
pub(crate) const FROM_MSP: OpSet =
    OpSet::EMPTY.with(Op::GenerateDigits).with(Op::GenerateTone).with(Op::MonitorDigits);

impl Line {
    pub(crate) fn new(name: LineName, policy: LinePolicy) -> Self {
        Self {
            name,
            link: None,
            caps: Box::default(),
            status: LineStatus::default(),
            policy,
            openers: BTreeMap::new(),
            gate: Gate::Closed,
            waiting: Vec::new(),
            completions: BTreeMap::new(),
            calls: 0,
            was_open: false,
        }
    }

    /// Whether one more call may live on it.
    pub(crate) fn has_room(&self) -> bool {
        self.caps.max_calls == 0 || self.calls < self.caps.max_calls
    }

    /// Whether nobody needs it to be open.
    pub(crate) fn is_unused(&self) -> bool {
        self.openers.is_empty() && self.calls == 0 && self.waiting.is_empty()
    }
}

impl Waiting {
    pub(crate) const fn asker(&self) -> Asker {
        match self {
            Self::Line { asker, .. } | Self::MakeCall { asker, .. } | Self::Open(asker) => *asker,
        }
    }
}

impl fmt::Display for LineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.stable_id)
    }
}

/// Adds what the core itself can do with what providers declare: it gathers where digits are monitored.
pub(crate) const fn with_core(ops: OpSet) -> OpSet {
    if ops.contains(Op::MonitorDigits) { ops.with(Op::GatherDigits) } else { ops }
}
