// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server's mind: one pure state machine over applications, lines, calls, sessions and requests.
//!
//! [`Switch`] is a [`Machine`](offhook_spi::Machine): it takes one [`Input`] at a [`Moment`], gives
//! [`Output`]s, and says when it wants to be woken. The story of a call goes through these modules:
//! it comes into being in `creation`, its states and its end are in `ending`, what applications ask goes
//! through `asks` and `operate`, what providers say through `tsp` and `msp`. How calls hang together is in
//! `consultation`, `conference` and `hubs`; who may do what in `rights` and `handoff`; phones are beside all
//! that in `phones`.
//!
//! [`Moment`]: offhook_spi::Moment

mod app;
mod asks;
mod bounds;
mod call;
mod conference;
mod consultation;
mod creation;
mod deadline;
mod digits;
mod ending;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gather;
mod handoff;
mod hubs;
mod id;
mod io;
pub mod ladder;
mod line;
mod line_ops;
mod lines;
mod media;
mod msp;
mod operate;
mod phone;
mod phones;
mod policy;
mod record;
mod relay;
mod request;
mod rights;
mod session;
mod sounds;
mod switch;
pub mod table;
mod tsp;

pub use app::{
    Answer, AppEvent, AppProfile, AppRecord, Ask, ButtonState, CallAsk, CallRecord, HandOff, HookState,
    Interest, LineAsk, LineRecord, PhoneRecord, PhoneState, Privilege, Purpose, Tie,
};
pub use deadline::Reason;
pub use id::{AppId, AskId, CallId, HubId, LineId, NotAnId, PhoneId, ProviderId, Sequence};
pub use io::{Input, Output};
pub use policy::{Config, Incoming, LinePolicy, Opening, Unowned};
pub use record::{Difference, Entry, compare, replay};
pub use switch::{Counts, Switch};
