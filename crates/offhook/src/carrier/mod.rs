// SPDX-License-Identifier: MIT OR Apache-2.0
//! Providers that are no Rust of this program: the messages of a link as frames, over pipes or through C.
//!
//! [`Process`] starts a provider as a child process; what it gives is a provider like any other. A Rust provider
//! becomes such a program with [`serve_tsp`] or [`serve_msp`]; in other languages a program reads and writes lines of
//! JSON ([`spi::frame`](crate::spi::frame)), as `examples/provider.py` does with nothing but its standard library.
//!
//! [`Library`] loads one that is a shared library, as `examples/provider.c` is: the same messages through one C
//! function (`include/offhook_provider.h`).

mod abi;
mod child;
mod library;
mod process;
mod talk;

pub use child::{serve_msp, serve_tsp};
pub use library::{Library, LibraryMsp, LibraryTsp};
pub use process::{ChildMsp, ChildTsp, Process};
