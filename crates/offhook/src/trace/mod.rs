// SPDX-License-Identifier: MIT OR Apache-2.0
//! Traces: everything that happened to a server, as lines of JSON, to replay and to draw.
//!
//! [`Builder::trace`](crate::Builder::trace) writes one. Its first line holds the policy, each further
//! one an input, an output or a wake-up with its moment. [`replay`] runs a new switch over the inputs
//! and compares the outputs, [`ladder`] draws who said what to whom.
//!
//! ```no_run
//! # fn example() -> Result<(), offhook::trace::TraceError> {
//! println!("{}", offhook::trace::ladder("call.trace")?);
//! let replayed = offhook::trace::replay("call.trace")?;
//! assert!(replayed.differences.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! A trace holds names, numbers and digits in the clear.

mod live;
mod read;
mod write;

use serde::{Deserialize, Serialize};

use offhook_core::{Config, Input, Output};
use offhook_spi::Moment;

pub use live::Arrows;
pub(crate) use live::Observer;
pub use offhook_core::ladder::{Arrow, Column, heads, line};
pub use read::{Difference, Replayed, TraceError, ladder, replay};
pub(crate) use write::TraceWriter;

/// The first line of a trace.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Header {
    /// Version of the format.
    offhook_trace: u16,
    /// How the switch was set up.
    policy: Config,
}

/// A further line of a trace.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// Something happened to the switch.
    In(Moment, Input),
    /// So many lines are missing here, because the disk was too slow.
    Lost(u64),
    /// The switch wanted something.
    Out(Moment, Output),
    /// The switch was woken at its deadline.
    Wake(Moment),
}

/// The format that this code writes and reads.
const FORMAT: u16 = 1;
