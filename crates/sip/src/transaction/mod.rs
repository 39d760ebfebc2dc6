// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transactions: one request, its repetitions and its responses (RFC 3261 section 17, RFC 6026, RFC 4320).
//!
//! The four machines (`invite_client`, `other_client`, `invite_server`, `other_server`) decide; they know
//! neither messages nor time. `clients` and `servers` join them with messages, ways and timers.

mod clients;
mod flow;
mod invite_client;
mod invite_server;
mod key;
mod machine;
mod other_client;
mod other_server;
mod queue;
mod servers;
mod templates;
mod timing;

#[cfg(test)]
mod machine_tests;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use clients::{ClientEvent, Clients};
pub use flow::{Flow, FlowId, ResponsePort, Transport, prefers_stream};
pub(crate) use key::TransactionId;
pub(crate) use machine::Trouble;
pub(crate) use queue::TimerQueue;
pub(crate) use servers::{Limits, Received, Sent, ServerEvent, Servers};
pub use timing::Timing;
