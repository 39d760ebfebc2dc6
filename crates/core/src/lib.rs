// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server's mind: one pure state machine over applications, lines, calls, sessions and requests.

mod app;
mod id;
mod io;
pub mod ladder;

pub use app::{Answer, AppEvent, AppProfile, Ask, CallAsk, CallRecord, Interest, LineRecord, Privilege};
pub use id::{AppId, AskId, CallId, LineId, NotAnId, ProviderId, Sequence};
pub use io::{Input, Output};
