// SPDX-License-Identifier: MIT OR Apache-2.0
//! Providers outside this process: the messages of a link as lines over pipes.
//!
//! [`Process`] starts a provider as a child process; what it gives is a provider like any other. A Rust provider
//! becomes such a program with [`serve_tsp`] or [`serve_msp`]; in other languages a program reads and writes lines of
//! JSON ([`spi::frame`](crate::spi::frame)), as `examples/provider.py` does with nothing but its standard library.

mod child;
mod process;

pub use child::{serve_msp, serve_tsp};
pub use process::{ChildMsp, ChildTsp, Process};
