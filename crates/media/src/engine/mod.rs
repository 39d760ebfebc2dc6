// SPDX-License-Identifier: MIT OR Apache-2.0
//! The engine: workers that own calls' media completely and move it in ticks.
//!
//! A **leg** is one call's audio: its sockets, jitter buffer, codecs and the terminals patched to it. A
//! [`Worker`] runs its legs in steps of 5 ms; each leg has its place in one of four steps, so every leg runs
//! every 20 ms and the work is spread. On that tick nothing blocks, locks, allocates, logs or panics:
//! commands come in and events go out through bounded rings, and what is to be freed goes out with the events.
//!
//! [`PacketIo`] has two back-ends: [`UdpIo`] on sockets, and [`VirtualNetwork`], in which thousands of calls run
//! in simulated time with the same legs. [`Engine`] runs workers on threads of their own.

mod bridge;
mod codec;
mod config;
mod control;
mod driver;
mod io;
mod latch;
mod leg;
mod patch;
mod ports;
mod protect;
mod receive;
mod report;
mod statistics;
mod tract;
mod transmit;
mod udp;
mod virtual_network;
mod worker;

pub use bridge::{Bridging, Speaker, converse};
pub use codec::{AudioCodec, ReceiveFormats};
pub use config::{Idle, JitterLimits, Latching, LegConfig, MediaFormat, Remote, RtcpMode};
pub use control::{Direction, Echo, LegControl, LegEvent, LegId};
pub use driver::{Engine, EngineConfig, EngineError};
pub use io::{Channel, Datagram, PacketIo, Peer, Received, Sent};
pub use leg::Leg;
pub use ports::{PortPool, PortRange, Sockets};
pub use protect::{Guard, Protection};
pub use statistics::{LegStatistics, ReceiveStatistics, SendStatistics};
pub use tract::LegMedia;
pub use udp::{UdpIo, UdpPort};
pub use virtual_network::{VirtualNetwork, VirtualPort, Weather};
pub use worker::{Control, Outgoing, Trash, Worker, WorkerEnds};

use std::time::Duration;

/// Between two steps of a worker.
pub const STEP: Duration = Duration::from_millis(5);
/// Between two ticks of a leg.
pub const TICK: Duration = Duration::from_millis(20);
/// Steps a tick.
const SLOTS: usize = 4;

#[cfg(test)]
mod tests;
