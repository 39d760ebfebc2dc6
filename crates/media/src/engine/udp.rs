// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets on UDP sockets: one pair a leg, read once a tick. Reports are so rare that their sockets are watched
//! by one epoll for all of a worker's legs.

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use offhook_spi::Moment;
use rustix::event::epoll;
use rustix::time::Timespec;

use super::io::{Channel, Datagram, PacketIo, Peer, Received, Sent};
use super::ports::Sockets;

/// Readiness events taken in one step; what is left comes in the next.
const EVENTS: usize = 64;

/// A worker's network.
#[derive(Debug)]
pub struct UdpIo {
    now: Moment,
    epoll: Arc<OwnedFd>,
    /// When a report came to the leg of each index; kept until its tick.
    ready: Box<[Option<Moment>]>,
}

/// The sockets of one leg.
#[derive(Debug)]
pub struct UdpPort {
    rtp: UdpSocket,
    rtcp: Option<UdpSocket>,
    index: u16,
    /// The kernel keeps others out.
    connected: Option<SocketAddr>,
}

impl UdpIo {
    /// A network for at most `legs` legs.
    ///
    /// # Errors
    ///
    /// When the system has no more descriptors.
    pub fn new(legs: u16) -> io::Result<Self> {
        Ok(Self {
            now: Moment::ZERO,
            epoll: Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?),
            ready: vec![None; usize::from(legs)].into(),
        })
    }

    /// Makes the port of the leg with `index` from its sockets.
    ///
    /// # Errors
    ///
    /// When the system refuses to watch them.
    pub fn port(&self, sockets: Sockets, index: u16) -> io::Result<UdpPort> {
        self.watch().port(sockets, index)
    }

    /// What makes ports of sockets, from another thread.
    pub(super) fn watch(&self) -> ReportWatch {
        ReportWatch(Arc::clone(&self.epoll))
    }
}

/// Watches the report sockets of one worker.
#[derive(Clone, Debug)]
pub(super) struct ReportWatch(Arc<OwnedFd>);

impl ReportWatch {
    /// Makes the port of the leg with `index`.
    pub(super) fn port(&self, sockets: Sockets, index: u16) -> io::Result<UdpPort> {
        sockets.rtp.set_nonblocking(true)?;
        if let Some(rtcp) = &sockets.rtcp {
            rtcp.set_nonblocking(true)?;
            epoll::add(&*self.0, rtcp, epoll::EventData::new_u64(u64::from(index)), epoll::EventFlags::IN)?;
        }
        Ok(UdpPort { rtp: sockets.rtp, rtcp: sockets.rtcp, index, connected: None })
    }
}

impl PacketIo for UdpIo {
    type Port = UdpPort;

    fn begin(&mut self, now: Moment) {
        self.now = now;
        let no_wait = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut room = [const { MaybeUninit::uninit() }; EVENTS];
        // When interrupted, they are still ready in the next step.
        let Ok((events, _)) = epoll::wait(&*self.epoll, &mut room, Some(&no_wait)) else { return };
        for event in events {
            let ready = usize::try_from(event.data.u64()).ok().and_then(|index| self.ready.get_mut(index));
            if let Some(ready) = ready {
                ready.get_or_insert(now);
            }
        }
    }

    fn receive(&mut self, port: &mut UdpPort, channel: Channel, buffer: &mut [u8]) -> Received {
        match channel {
            Channel::Rtcp => {
                let ready = self.ready.get_mut(usize::from(port.index)).and_then(Option::take);
                let (Some(at), Some(socket)) = (ready, &port.rtcp) else { return Received::Nothing };
                received(socket.recv_from(buffer), at)
            }
            Channel::Rtp => match port.connected {
                Some(from) => received(port.rtp.recv(buffer).map(|len| (len, from)), self.now),
                None => received(port.rtp.recv_from(buffer), self.now),
            },
        }
    }

    fn send(&mut self, port: &mut UdpPort, channel: Channel, to: Peer, datagram: &[u8]) -> Sent {
        if channel == Channel::Rtcp {
            let Some(socket) = &port.rtcp else { return Sent::Failed };
            return sent(socket.send_to(datagram, to.address()));
        }
        port.follow(to);
        match port.connected {
            Some(_) => sent(port.rtp.send(datagram)),
            None => sent(port.rtp.send_to(datagram, to.address())),
        }
    }
}

impl UdpPort {
    /// Connects once the peer is latched: sends are cheaper, the kernel keeps strangers out and tells when
    /// the peer's port is closed. Until then a peer behind a translator may still come from elsewhere.
    fn follow(&mut self, to: Peer) {
        let wanted = match to {
            Peer::Announced(_) => None,
            Peer::Latched(address) => Some(address),
        };
        if self.connected == wanted {
            return;
        }
        if self.connected.take().is_some() {
            rustix::net::connect_unspec(&self.rtp).ok();
        }
        if let Some(address) = wanted
            && self.rtp.connect(address).is_ok()
        {
            self.connected = Some(address);
        }
    }
}

fn received(result: io::Result<(usize, SocketAddr)>, at: Moment) -> Received {
    match result {
        Ok((len, from)) => Received::Datagram(Datagram { len, from, at }),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Received::Nothing,
        Err(error) if is_refusal(&error) => Received::Refused,
        Err(_) => Received::Nothing,
    }
}

fn sent(result: io::Result<usize>) -> Sent {
    match result {
        Ok(_) => Sent::Done,
        Err(error) if is_refusal(&error) => Sent::Refused,
        Err(_) => Sent::Failed,
    }
}

/// The peer's port, host or network said no, by ICMP; it concerns a datagram sent earlier.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
    )
}
