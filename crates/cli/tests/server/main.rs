// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program as a server, and everything that asks it.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

mod commands;
mod program;
mod serve;
