// SPDX-License-Identifier: MIT OR Apache-2.0
//! MSP for RTP: sessions that speak SDP, the pair of the SIP TSP.
//!
//! A session negotiates by offers and answers in the schema `offhook.sdp`, and runs on a leg of the media
//! engine. Commands and events pass through a machine without sockets, files or clock; `driver` alone has those.
//!
//! | part | what it does |
//! |---|---|
//! | `config` | what an administrator may choose |
//! | `sdp` | offers and answers (RFC 3264), pure |
//! | `session`, `provider` | commands and news in, events and work out, pure |
//! | `leg` | the words between the pure part and the driver |
//! | `node` | gates, conversions and listeners on the tick |
//! | `ports` | rings between a program and the provider |
//! | `driver` | engine, sockets, files |

mod codec;
mod config;
mod driver;
mod leg;
mod node;
mod provider;
mod sdp;
mod session;

#[cfg(test)]
mod tests;

pub use codec::AudioCodec;
pub use config::{RtpConfig, Srtp, Symmetric};
pub use driver::RtpMsp;
pub use driver::ports::{AppAudio, FromCall, Ports, ToCall};

/// Entries for fuzzers.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// Anything as a session description.
    pub fn sdp(data: &[u8]) {
        crate::sdp::fuzz::sdp(data);
    }
}

/// The rate of an application's frames; see [`Ports::open`].
pub use offhook_media::SampleRate;
