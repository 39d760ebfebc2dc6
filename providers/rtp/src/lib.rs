// SPDX-License-Identifier: MIT OR Apache-2.0
//! MSP for RTP: sessions that speak SDP, the pair of the SIP TSP.

mod config;
mod driver;
mod leg;
mod node;
mod ports;
mod provider;
mod sdp;
mod session;

#[cfg(test)]
mod tests;

pub use config::{AudioCodec, RtpConfig, Symmetric};
pub use driver::RtpMsp;
pub use ports::{AppAudio, FromCall, Ports, ToCall};

/// Entries for fuzzers.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// Anything as a session description.
    pub fn sdp(data: &[u8]) {
        crate::sdp::fuzz::sdp(data);
    }
}
