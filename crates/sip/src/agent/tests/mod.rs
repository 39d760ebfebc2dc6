// SPDX-License-Identifier: MIT OR Apache-2.0
//! Agents that talk to each other over a network of the mind.

mod auth;
mod calls;
mod cancel;
mod endings;
mod forks;
mod properties;
mod reinvites;
mod reliable;
mod replaces;
mod routes;
mod rules;
mod sessions;
mod times;
mod world;
