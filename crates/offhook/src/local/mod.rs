// SPDX-License-Identifier: MIT OR Apache-2.0
//! Applications in other processes of this machine: a socket that only its owner can open.
//!
//! The server listens with [`Offhook::listen`](crate::Offhook::listen), an application connects with
//! [`Remote::connect`]. Both sides send lines of JSON; the words are those of the core ([`Ask`](crate::Ask),
//! [`Answer`](crate::Answer), [`AppEvent`](crate::AppEvent)), so that a program in any language can take part:
//!
//! ```json
//! {"hello":{"name":"crm","priority":0}}
//! {"id":1,"ask":"lines"}
//! ```
//!
//! Sound does not travel here: files and digits do what an application wants, and frames belong into the
//! process that hosts the media provider.

mod connect;
mod serve;
mod wire;

pub use connect::{Remote, RemoteEvent};
pub use serve::Listening;
pub use wire::Session;
