// SPDX-License-Identifier: MIT OR Apache-2.0
//! The simulated exchange, asked directly: what a TSP is told and tells.

#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

mod bench;
mod hearing;
mod operations;
