// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the operator decides: how lines treat calls that nobody owns, time limits, size limits.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a switch is configured. A trace begins with it, so that a replay decides the same.
///
/// ```
/// use offhook_core::{Config, Incoming, LinePolicy};
///
/// let reject = LinePolicy { incoming: Incoming::Reject, ..LinePolicy::default() };
/// let config = Config::default().with_line("sip", "sip:alice@example.org", reject);
/// assert_eq!(config.policy("sip", "sip:alice@example.org").incoming, Incoming::Reject);
/// assert_eq!(config.policy("sip", "another").incoming, Incoming::Ring);
/// ```
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Config {
    /// The policy of every line that has none of its own.
    pub usual: LinePolicy,
    /// Policies by name of the provider, then by stable id of the line.
    pub lines: BTreeMap<String, BTreeMap<String, LinePolicy>>,
    /// How long a provider may take to reply before a request is refused as timed out.
    pub request_timeout: Duration,
    /// How long a dropped call or an ended session may take to be over before the core says so itself.
    pub ending_timeout: Duration,
    /// How long an application that lost its connection may take to come back before its calls are unowned.
    pub grace: Duration,
    /// Lines, and as many phones, that the core remembers at most; further ones are not taken.
    pub max_lines: usize,
    /// Calls that may exist at once; further ones are refused or rejected.
    pub max_calls: usize,
}

/// How one line treats its calls where no application decides.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct LinePolicy {
    /// What happens to an incoming call that no application wants.
    pub incoming: Incoming,
    /// When the line is open on its provider.
    pub opening: Opening,
    /// What happens to a live call whose last owner leaves.
    pub unowned: Unowned,
}

/// What happens to an incoming call that no application wants.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Incoming {
    /// It is rejected at once.
    Reject,
    /// It rings until the far end gives up.
    #[default]
    Ring,
}

/// When a line is open on its provider.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Opening {
    /// From the moment it comes up.
    Always,
    /// While an application has it open or a call lives on it.
    #[default]
    WhenUsed,
}

/// What happens to a live call whose last owner leaves without saying `keep`, or loses its connection and
/// does not come back within [`Config::grace`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unowned {
    /// It is dropped.
    #[default]
    Drop,
    /// The next application by priority that takes such calls becomes the owner; dropped if there is none.
    HandOff,
    /// It lives on without an owner.
    Keep,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            usual: LinePolicy::default(),
            lines: BTreeMap::new(),
            request_timeout: Duration::from_secs(30),
            ending_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(5),
            max_lines: 100_000,
            max_calls: 100_000,
        }
    }
}

impl Config {
    /// Gives one line a policy of its own.
    #[must_use]
    pub fn with_line(mut self, provider: &str, stable_id: &str, policy: LinePolicy) -> Self {
        self.lines.entry(provider.to_owned()).or_default().insert(stable_id.to_owned(), policy);
        self
    }

    /// The policy of a line.
    #[must_use]
    pub fn policy(&self, provider: &str, stable_id: &str) -> LinePolicy {
        self.lines.get(provider).and_then(|lines| lines.get(stable_id)).copied().unwrap_or(self.usual)
    }
}
