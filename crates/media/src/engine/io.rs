// SPDX-License-Identifier: MIT OR Apache-2.0
//! How packets come and go: the one thing that differs between a real and a simulated network.

use std::net::SocketAddr;

use offhook_spi::Moment;

/// Carries the packets of one worker's legs.
///
/// All methods run on the tick: none blocks, locks, allocates or logs.
pub trait PacketIo: Send {
    /// What one leg owns of the network.
    type Port: Send;

    /// A step begins.
    fn begin(&mut self, now: Moment);

    /// Gives the next datagram that waits at a port, if any; it goes to the front of `buffer`.
    fn receive(&mut self, port: &mut Self::Port, channel: Channel, buffer: &mut [u8]) -> Received;

    /// Sends a datagram.
    fn send(&mut self, port: &mut Self::Port, channel: Channel, to: Peer, datagram: &[u8]) -> Sent;
}

/// Which of a leg's two ports.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3550 knows these two")]
pub enum Channel {
    /// Control: reports.
    Rtcp,
    /// Media.
    Rtp,
}

/// Where a datagram is to go, and how sure that is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "it was heard from or it was not")]
pub enum Peer {
    /// The peer says it is there, nothing came from there yet.
    Announced(SocketAddr),
    /// Packets come from there: others may be kept out.
    Latched(SocketAddr),
}

impl Peer {
    /// The address.
    #[must_use]
    pub const fn address(self) -> SocketAddr {
        match self {
            Self::Announced(address) | Self::Latched(address) => address,
        }
    }
}

/// A datagram that came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Datagram {
    /// Bytes at the front of the buffer.
    pub len: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// When it came, as exactly as the back-end knows.
    pub at: Moment,
}

/// What a look at a port found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "every case must be handled on the tick")]
pub enum Received {
    /// A datagram.
    Datagram(Datagram),
    /// Nothing waits.
    Nothing,
    /// An error of an earlier send came back: the peer's port is closed. Normal when calls end.
    Refused,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "every case must be handled on the tick")]
pub enum Sent {
    /// It is on its way.
    Done,
    /// The system did not take it.
    Failed,
    /// It was not sent, since an earlier one was refused by the peer.
    Refused,
}
