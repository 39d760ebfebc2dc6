// SPDX-License-Identifier: MIT OR Apache-2.0
//! The conformance suite with rigs for every carrier and for the built-in pair.
//!
//! A provider's author writes a test like this, or runs `offhook provider test`:
//!
//! ```no_run
//! use offhook::carrier::Process;
//! use offhook::conformance::{self, ProcessRig};
//!
//! # async fn test() {
//! let report = conformance::run(&mut ProcessRig::new(Process::new("./my-provider"))).await;
//! assert!(report.is_clean(), "{report}");
//! # }
//! ```

mod carried;
#[cfg(all(feature = "rtp", feature = "sip"))]
mod sip;

pub use carried::{LibraryRig, ProcessRig};
#[cfg(all(feature = "rtp", feature = "sip"))]
pub use sip::SipRig;

pub use offhook_sim::conformance::*;
