// SPDX-License-Identifier: MIT OR Apache-2.0
//! A SIP core without input and output of its own: it is given what was received and what time it is, and says
//! what to send.

pub mod agent;
pub mod body;
mod dialog;
pub mod digest;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod invite;
pub mod message;
pub mod subscription;
mod transaction;

/// The buffers of messages, for whoever owns the sockets.
pub use bytes;
