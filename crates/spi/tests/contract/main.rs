// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contract as it is written down: the bytes of each message, and what a reader must put up with.
//!
//! A snapshot holds one line of JSON per example, as a carrier would send it. A change of a snapshot is a
//! change of the contract: it breaks providers of the same version unless it only adds what may be left out.

mod calls;
mod capabilities;
mod media;
mod parties;
mod pin;
mod sessions;
mod tolerance;
mod tsp;
mod words;
