// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transactions: one request, its repetitions and its responses (RFC 3261 section 17, RFC 6026, RFC 4320).
//!
//! The four machines (`invite_client`, `other_client`, `invite_server`, `other_server`) decide; they know
//! neither messages nor time.

mod invite_client;
mod invite_server;
mod machine;
mod other_client;
mod other_server;
mod queue;
mod timing;

#[cfg(test)]
mod machine_tests;

pub(crate) use queue::TimerQueue;
pub use timing::Timing;
