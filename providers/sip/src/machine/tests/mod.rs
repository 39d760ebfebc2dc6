// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls from end to end in virtual time: machines and scripted agents on a network in memory.

mod conferences;
mod forwarding;
mod holding;
mod incoming;
mod media;
mod messages;
mod outgoing;
mod remains;
mod standing;
mod transfers;
mod world;
