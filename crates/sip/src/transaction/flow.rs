// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ways between two sockets, as the owner of the sockets names them.

use std::fmt;
use std::net::SocketAddr;

use super::machine::Reliability;
use crate::message::ViaTransport;

/// Names a socket (UDP) or a connection (all others); chosen by whoever owns the sockets, never reused.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FlowId(pub u64);

/// What carries messages.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Transport {
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// UDP.
    Udp,
    /// WebSocket over TCP (RFC 7118).
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    /// The word in a `Via` line.
    #[must_use]
    pub const fn via(self) -> ViaTransport {
        match self {
            Self::Tcp => ViaTransport::Tcp,
            Self::Tls => ViaTransport::Tls,
            Self::Udp => ViaTransport::Udp,
            Self::Ws => ViaTransport::Ws,
            Self::Wss => ViaTransport::Wss,
        }
    }

    /// Whether messages travel over connections.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        match self {
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => true,
            Self::Udp => false,
        }
    }

    /// The port that is meant when none is written.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Tcp | Self::Udp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// Whether messages travel in frames of a WebSocket.
    #[must_use]
    pub const fn is_web_socket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// Whether nobody on the way can read them.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    pub(crate) const fn reliability(self) -> Reliability {
        match self {
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => Reliability::Reliable,
            Self::Udp => Reliability::Unreliable,
        }
    }
}

/// A way from here to there.
///
/// On UDP the id names the local socket and `remote` may be anyone it can reach. On streams the id names
/// one connection; when that is gone by the time something is to be sent, the owner of the sockets opens
/// another one to `remote`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Flow {
    /// The socket or connection.
    pub id: FlowId,
    /// What carries messages.
    pub transport: Transport,
    /// Our address as the far end should see it in `Via`; never an unspecified one.
    pub local: SocketAddr,
    /// The far end.
    pub remote: SocketAddr,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} to {}", self.transport.via().as_str(), self.local, self.remote)
    }
}

/// Where responses go that came without `rport`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "either the standard or what most others do")]
pub enum ResponsePort {
    /// To the port in the `Via` line, as RFC 3261 section 18.2.2 says.
    #[default]
    SentBy,
    /// Always to the port that the request came from, which more address translators let through.
    Source,
}

/// Says whether a request of `bytes` bytes should be tried on a stream first (RFC 3261 section 18.1.1).
#[must_use]
pub const fn prefers_stream(bytes: usize) -> bool {
    bytes > 1_300
}
