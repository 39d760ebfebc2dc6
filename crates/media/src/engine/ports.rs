// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pairs of ports: an even one for RTP, the next for RTCP (RFC 3550 section 11).

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

use socket2::{Domain, Protocol, Socket, Type};

/// Bytes a media socket may buffer: several hundred packets, since each is charged a whole kernel buffer.
const RECEIVE_BUFFER: usize = 262_144;
/// Expedited forwarding (RFC 3246) in the place of the traffic class.
const EXPEDITED: u32 = 46 << 2;

/// Ports to choose from, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PortRange {
    /// Lowest port.
    pub first: u16,
    /// Highest port.
    pub last: u16,
}

impl Default for PortRange {
    /// 16384 to 32766, below the ports that systems give to clients.
    fn default() -> Self {
        Self { first: 16_384, last: 32_766 }
    }
}

impl PortRange {
    /// Even ports whose successor is in the range as well.
    const fn pairs(self) -> u32 {
        let first = self.first as u32 + (self.first as u32 & 1);
        (self.last as u32 + 1).saturating_sub(first) / 2
    }

    const fn pair(self, n: u32) -> u16 {
        let first = self.first as u32 + (self.first as u32 & 1);
        (first + n * 2) as u16
    }
}

/// Gives pairs of sockets from a range, each in its turn, so that a port rests before it is used again.
#[derive(Debug)]
pub struct PortPool {
    range: PortRange,
    next: AtomicU32,
}

/// The sockets of a leg.
#[derive(Debug)]
pub struct Sockets {
    /// For RTP.
    pub rtp: UdpSocket,
    /// For RTCP, unless it shares the port of RTP.
    pub rtcp: Option<UdpSocket>,
}

impl Sockets {
    /// Where RTP is received.
    ///
    /// # Errors
    ///
    /// When the system does not know the socket.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.rtp.local_addr()
    }
}

impl PortPool {
    /// A pool over `range`.
    #[must_use]
    pub const fn new(range: PortRange) -> Self {
        Self { range, next: AtomicU32::new(0) }
    }

    /// Binds the next free pair at `ip`.
    ///
    /// # Errors
    ///
    /// `AddrInUse` when every pair of the range is taken; otherwise what the system says of `ip`.
    pub fn bind(&self, ip: IpAddr) -> io::Result<Sockets> {
        let pairs = self.range.pairs();
        for _ in 0..pairs {
            let n = self.next.fetch_add(1, Ordering::Relaxed) % pairs;
            let port = self.range.pair(n);
            match bind_pair(ip, port) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                result => return result,
            }
        }
        let PortRange { first, last } = self.range;
        let message = format!("no free pair of ports from {first} to {last} at {ip}");
        Err(io::Error::new(io::ErrorKind::AddrInUse, message))
    }
}

fn bind_pair(ip: IpAddr, port: u16) -> io::Result<Sockets> {
    let rtp = bind(SocketAddr::new(ip, port))?;
    let rtcp = bind(SocketAddr::new(ip, port + 1))?;
    Ok(Sockets { rtp, rtcp: Some(rtcp) })
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    // Quality of service is a wish: networks and systems that refuse it still carry calls.
    match address {
        SocketAddr::V4(_) => socket.set_tos_v4(EXPEDITED).ok(),
        SocketAddr::V6(_) => socket.set_tclass_v6(EXPEDITED).ok(),
    };
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_begin_at_even_ports() {
        let range = PortRange { first: 10_001, last: 10_006 };
        assert_eq!(range.pairs(), 2);
        assert_eq!((range.pair(0), range.pair(1)), (10_002, 10_004));
        assert_eq!(PortRange { first: 10_000, last: 10_000 }.pairs(), 0);
        assert_eq!(PortRange { first: 65_534, last: 65_535 }.pairs(), 1);
        assert_eq!(PortRange { first: 9, last: 3 }.pairs(), 0);
    }

    #[test]
    fn real_ports_are_bound_in_pairs_until_none_is_left() {
        let pool = PortPool::new(PortRange { first: 42_100, last: 42_103 });
        let ip = "127.0.0.1".parse().unwrap();
        let (first, second) = (pool.bind(ip).unwrap(), pool.bind(ip).unwrap());
        assert_eq!(first.local().unwrap().port() % 2, 0);
        assert_ne!(first.local().unwrap(), second.local().unwrap());
        assert_eq!(pool.bind(ip).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(pool.bind(ip).is_ok());
    }
}
