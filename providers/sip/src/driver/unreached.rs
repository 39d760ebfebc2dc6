// SPDX-License-Identifier: MIT OR Apache-2.0
//! What ICMP says about our datagrams: a host, network or port that is not there fails its transactions at once
//! instead of after their last repetition (RFC 3261 section 18.4).
//!
//! Linux keeps such errors with the address that could not be reached in a queue beside the socket
//! (`IP_RECVERR`). Elsewhere nobody says whom an error concerns, and the transactions' own time limits decide.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use offhook_sipcore::agent::FlowId;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// Errors taken from one socket before anything else gets its turn.
#[cfg(target_os = "linux")]
const BATCH: usize = 64;
/// How long errors are gathered: each look for what they concern goes through all transactions, and one peer may
/// cause very many of them.
const GATHERING: Duration = Duration::from_millis(50);
/// Addresses gathered at most; what concerns others ends by the time limits of its transactions.
const MOST: usize = 256;

/// Addresses that were found unreachable, each once.
#[derive(Debug, Default)]
pub(super) struct Unreached {
    found: BTreeSet<(FlowId, SocketAddr)>,
    due: Option<Instant>,
}

impl Unreached {
    pub(super) fn add(&mut self, flow: FlowId, addresses: Vec<SocketAddr>) {
        for address in addresses {
            if self.found.len() < MOST {
                self.found.insert((flow, address));
                self.due.get_or_insert_with(|| Instant::now() + GATHERING);
            }
        }
    }

    /// When [`Unreached::due`] has something to give.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// What was gathered, when its time has come.
    pub(super) fn due(&mut self) -> BTreeSet<(FlowId, SocketAddr)> {
        if self.due.is_none_or(|due| due > Instant::now()) {
            return BTreeSet::new();
        }
        self.due = None;
        std::mem::take(&mut self.found)
    }
}

/// Asks for the errors of a socket. Without them everything works, only slower, so nothing can fail here.
pub(super) fn watch(socket: &std::net::UdpSocket) {
    #[cfg(target_os = "linux")]
    linux::watch(socket);
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

/// What to wait for on a socket.
pub(super) fn interest() -> Interest {
    #[cfg(target_os = "linux")]
    let interest = Interest::READABLE | Interest::ERROR;
    #[cfg(not(target_os = "linux"))]
    let interest = Interest::READABLE;
    interest
}

/// Takes the errors that the runtime knows of, when a socket is ready.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "nobody says whom an error concerns"))]
pub(super) fn take_known(socket: &UdpSocket) -> Vec<SocketAddr> {
    #[cfg(target_os = "linux")]
    return addresses(|| socket.try_io(Interest::ERROR, || linux::next(socket)));
    #[cfg(not(target_os = "linux"))]
    return Vec::new();
}

/// Takes the errors that are there, whether the runtime has heard of them or not.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "nobody says whom an error concerns"))]
pub(super) fn take_all(socket: &UdpSocket) -> Vec<SocketAddr> {
    #[cfg(target_os = "linux")]
    return addresses(|| linux::next(socket));
    #[cfg(not(target_os = "linux"))]
    return Vec::new();
}

#[cfg(target_os = "linux")]
fn addresses(mut next: impl FnMut() -> std::io::Result<Option<SocketAddr>>) -> Vec<SocketAddr> {
    let errors = std::iter::from_fn(|| next().ok()).take(BATCH);
    errors.flatten().collect()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, IoSliceMut};
    use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
    use std::os::fd::AsRawFd;

    use nix::cmsg_space;
    use nix::errno::Errno;
    use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};

    /// "Destination unreachable" in ICMP and in ICMPv6.
    const UNREACHABLE: (u8, u8) = (3, 1);

    pub(super) fn watch(socket: &std::net::UdpSocket) {
        // One of the two fits the socket's family.
        let _ = setsockopt(socket, Ipv4RecvErr, &true);
        let _ = setsockopt(socket, Ipv6RecvErr, &true);
    }

    /// The next error: the address that it makes unreachable, or `None` when it says something else.
    pub(super) fn next(socket: &impl AsRawFd) -> io::Result<Option<SocketAddr>> {
        // The datagram itself comes back too, and is not wanted.
        let mut datagram = [0; 1];
        let mut parts = [IoSliceMut::new(&mut datagram)];
        let mut control = cmsg_space!([u8; 128]);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let is_final = message.cmsgs()?.any(|control| match control {
            ControlMessageOwned::Ipv4RecvErr(error, _) => {
                error.ee_type == UNREACHABLE.0 && is_lasting(error.ee_errno)
            }
            ControlMessageOwned::Ipv6RecvErr(error, _) => {
                error.ee_type == UNREACHABLE.1 && is_lasting(error.ee_errno)
            }
            _ => false,
        });
        let address = message.address.filter(|_| is_final);
        Ok(address.as_ref().and_then(socket_address))
    }

    /// Port, protocol, host or network unreachable; not "too large", which repetition cannot make worse.
    fn is_lasting(number: u32) -> bool {
        let number = i32::try_from(number).unwrap_or_default();
        matches!(
            Errno::from_raw(number),
            Errno::ECONNREFUSED
                | Errno::EHOSTDOWN
                | Errno::EHOSTUNREACH
                | Errno::ENETUNREACH
                | Errno::ENOPROTOOPT
        )
    }

    fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
        let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4(SocketAddrV4::from(*v4)));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6(SocketAddrV6::from(*v6))))
    }
}
