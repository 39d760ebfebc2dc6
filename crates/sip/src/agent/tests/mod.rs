// SPDX-License-Identifier: MIT OR Apache-2.0
//! Agents that talk to each other over a network of the mind.

mod calls;
mod world;
