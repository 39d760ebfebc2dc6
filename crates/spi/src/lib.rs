// SPDX-License-Identifier: MIT OR Apache-2.0
//! The offhook provider contract.

mod machine;
mod time;

pub use machine::Machine;
pub use time::Moment;
