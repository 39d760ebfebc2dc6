// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets, connections, name look-ups and the clock of the SIP provider: one task around the machine.

mod names;
mod stream;
mod tls;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use offhook_sipcore::agent::{Flow, FlowId, Transport};
use offhook_sipcore::bytes::Bytes;
use offhook_sipcore::message::{Limits, Message, ParseError};
use offhook_spi::{
    Machine, Manifest, Moment, ProviderError, SDP_SCHEMA, SchemaId, Tsp, TspLink, VersionRange,
};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::config::{ConfigError, SipConfig};
use crate::machine::{Input, LookupId, SipMachine, Socket, ToDo};
use names::Names;
use stream::{Connections, FromStream};
use tls::Tls;

/// Datagrams taken from one socket before anything else gets its turn.
const BATCH: usize = 64;
/// Commands taken at once, likewise.
const COMMANDS: usize = 64;
/// What streams may have read ahead, in messages.
const STREAM_QUEUE: usize = 1024;
/// The largest datagram there is.
const DATAGRAM: usize = 65_535;
/// What sockets are asked to buffer: bursts must not be lost while calls are set up.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// The SIP provider with its sockets bound.
pub struct SipTsp {
    machine: SipMachine,
    sockets: Vec<(Socket, Arc<UdpSocket>)>,
    listeners: Vec<(Socket, TcpListener)>,
    tls: Tls,
    names: Names,
    connections: usize,
}

/// Where a provider listens, with the ports it got.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BoundAddresses {
    /// Every socket, in the order of the configuration.
    pub sockets: Vec<Bound>,
}

/// One socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bound {
    /// What carries messages.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

impl BoundAddresses {
    /// The first UDP socket.
    #[must_use]
    pub fn udp(&self) -> Option<SocketAddr> {
        self.first(Transport::Udp)
    }

    /// The first TCP socket.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.first(Transport::Tcp)
    }

    /// The first TLS socket.
    #[must_use]
    pub fn tls(&self) -> Option<SocketAddr> {
        self.first(Transport::Tls)
    }

    fn first(&self, transport: Transport) -> Option<SocketAddr> {
        self.sockets.iter().find(|bound| bound.transport == transport).map(|bound| bound.address)
    }
}

/// The provider cannot start.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// A part of the configuration cannot be used.
    Config(ConfigError),
    /// A socket cannot be opened.
    Socket {
        /// Which.
        address: String,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Socket { address, error } => {
                write!(f, "cannot listen on {address}: {error}; choose another address or port")
            }
        }
    }
}

impl std::error::Error for BindError {}

impl From<ConfigError> for BindError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl fmt::Debug for SipTsp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SipTsp").finish_non_exhaustive()
    }
}

impl SipTsp {
    /// Binds the sockets of a configuration.
    ///
    /// # Errors
    /// [`BindError`] names the socket or the part of the configuration.
    pub async fn bind(config: SipConfig) -> Result<(Self, BoundAddresses), BindError> {
        let tls = Tls::new(&config.tls)?;
        let names = Names::new(&config.name_servers);
        let mut sockets = Vec::new();
        let mut listeners = Vec::new();
        let mut bound = BoundAddresses::default();
        for (number, listen) in (0u64..).zip(&config.listen) {
            let failed = |error| BindError::Socket {
                address: format!("{} {}", listen.transport.via().as_str(), listen.address),
                error,
            };
            let id = FlowId(number * 2);
            let (local, socket) = match listen.transport {
                Transport::Udp => {
                    let socket = udp(listen.address).map_err(failed)?;
                    (socket.local_addr().map_err(failed)?, Ok(Arc::new(socket)))
                }
                transport => {
                    if transport == Transport::Tls && !tls.can_serve() {
                        let detail = "a tls socket needs tls.certificate and tls.key".to_owned();
                        return Err(ConfigError(detail).into());
                    }
                    let listener = TcpListener::bind(listen.address).await.map_err(failed)?;
                    (listener.local_addr().map_err(failed)?, Err(listener))
                }
            };
            bound.sockets.push(Bound { transport: listen.transport, address: local });
            let socket_at = Socket { id, transport: listen.transport, local: seen(local, config.advertise) };
            match socket {
                Ok(udp) => sockets.push((socket_at, udp)),
                Err(tcp) => listeners.push((socket_at, tcp)),
            }
        }
        let mut all: Vec<Socket> = sockets.iter().map(|(socket, _)| *socket).collect();
        all.extend(listeners.iter().map(|(socket, _)| *socket));
        let connections = config.limits.connections;
        let machine = SipMachine::new(config, all, seed()?)?;
        Ok((Self { machine, sockets, listeners, tls, names, connections }, bound))
    }
}

/// A UDP socket with room for bursts.
fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::DGRAM,
        Some(socket2::Protocol::UDP),
    )?;
    // More than the system allows is cut to what it allows; that is no error.
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Our address as others see it.
fn seen(local: SocketAddr, advertise: Option<IpAddr>) -> SocketAddr {
    match advertise {
        Some(ip) if ip.is_ipv4() == local.is_ipv4() => SocketAddr::new(ip, local.port()),
        _ if local.ip().is_unspecified() => SocketAddr::new(route_out(), local.port()),
        _ => local,
    }
}

/// The address that packets to the world would carry; no packet is sent to find out.
fn route_out() -> IpAddr {
    let probe = || {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    };
    probe().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

/// 32 bytes that nobody can guess, from the system.
fn seed() -> Result<[u8; 32], BindError> {
    let mut seed = [0; 32];
    let random = rustls_provider().secure_random;
    random.fill(&mut seed).map_err(|_| ConfigError("the system gives no random numbers".to_owned()))?;
    Ok(seed)
}

pub(super) fn rustls_provider() -> tokio_rustls::rustls::crypto::CryptoProvider {
    tokio_rustls::rustls::crypto::ring::default_provider()
}

impl Tsp for SipTsp {
    fn manifest(&self) -> Manifest {
        Manifest {
            name: "sip".to_owned(),
            vendor: "offhook".to_owned(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            spi: VersionRange::CURRENT,
            schemas: vec![SchemaId::new(SDP_SCHEMA)],
        }
    }

    async fn run(self, link: TspLink) -> Result<(), ProviderError> {
        let (to_task, from_streams) = mpsc::channel(STREAM_QUEUE);
        let (to_answers, answers) = mpsc::channel(STREAM_QUEUE);
        let udp: HashMap<FlowId, Arc<UdpSocket>> =
            self.sockets.iter().map(|(socket, udp)| (socket.id, Arc::clone(udp))).collect();
        for (socket, listener) in self.listeners {
            let acceptor = (socket.transport == Transport::Tls).then(|| self.tls.acceptor()).flatten();
            tokio::spawn(stream::listen(socket, listener, acceptor, to_task.clone(), self.connections));
        }
        let running = Running {
            machine: self.machine,
            link,
            udp,
            sockets: self.sockets,
            connections: Connections::new(self.tls, to_task, self.connections),
            names: self.names,
            to_answers,
            start: Instant::now(),
            limits: Limits::default(),
            buffer: vec![0; DATAGRAM],
            leaving: false,
        };
        running.serve(from_streams, answers).await;
        Ok(())
    }
}

type NameAnswer = (LookupId, crate::location::Answer);

struct Running {
    machine: SipMachine,
    link: TspLink,
    udp: HashMap<FlowId, Arc<UdpSocket>>,
    sockets: Vec<(Socket, Arc<UdpSocket>)>,
    connections: Connections,
    names: Names,
    to_answers: mpsc::Sender<NameAnswer>,
    start: Instant,
    limits: Limits,
    buffer: Vec<u8>,
    leaving: bool,
}

impl Running {
    async fn serve(
        mut self,
        mut streams: mpsc::Receiver<FromStream>,
        mut answers: mpsc::Receiver<NameAnswer>,
    ) {
        loop {
            let deadline = self.machine.deadline().map(|at| self.start + at.since(Moment::ZERO));
            let sleep = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let ready = async {
                let waits = self.sockets.iter().map(|(_, udp)| Box::pin(udp.readable()));
                first(waits.collect()).await
            };
            tokio::select! {
                command = self.link.next() => match command {
                    Some(command) => self.commands(command),
                    None => return,
                },
                place = ready => self.datagrams(place),
                Some(from) = streams.recv() => self.streams(from, &mut streams),
                Some((lookup, answer)) = answers.recv() => {
                    let now = self.now();
                    self.machine.handle(now, Input::Answered { lookup, answer });
                }
                () = sleep => {
                    let now = self.now();
                    self.machine.handle_timeout(now);
                }
            }
            if !self.carry_out().await || self.leaving {
                return;
            }
        }
    }

    fn now(&self) -> Moment {
        Moment::ZERO + self.start.elapsed()
    }

    fn commands(&mut self, first: offhook_spi::TspCommand) {
        let now = self.now();
        self.machine.handle(now, Input::Command(first));
        for _ in 1..COMMANDS {
            let Some(command) = self.link.try_next() else { return };
            self.machine.handle(now, Input::Command(command));
        }
    }

    fn datagrams(&mut self, place: usize) {
        let Some((socket, udp)) = self.sockets.get(place).map(|(socket, udp)| (*socket, Arc::clone(udp)))
        else {
            return;
        };
        let now = self.now();
        for _ in 0..BATCH {
            match udp.try_recv_from(&mut self.buffer) {
                Ok((len, remote)) => {
                    // Messages keep parts of it for as long as calls stand: no longer than it need be.
                    let datagram = Bytes::copy_from_slice(self.buffer.get(..len).unwrap_or_default());
                    self.datagram(now, socket, &datagram, remote);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // A peer's closed port comes back as an error of our next call; nothing is wrong with ours.
                Err(_) => {}
            }
        }
    }

    fn datagram(&mut self, now: Moment, socket: Socket, datagram: &Bytes, remote: SocketAddr) {
        let flow = Flow { id: socket.id, transport: Transport::Udp, local: socket.local, remote };
        match Message::parse(datagram, &self.limits) {
            Ok(message) => self.machine.handle(now, Input::Receive { flow, message }),
            Err(error) => self.refuse(flow, error),
        }
    }

    /// A malformed request that says where it came from gets its answer.
    fn refuse(&mut self, flow: Flow, error: ParseError) {
        if let Some(reply) = error.reply {
            self.transmit(flow, reply.to_bytes());
        }
    }

    fn streams(&mut self, first: FromStream, more: &mut mpsc::Receiver<FromStream>) {
        let now = self.now();
        let mut next = Some(first);
        for _ in 0..BATCH {
            match next {
                Some(FromStream::Accepted { flow, writer }) => self.connections.accepted(flow, writer),
                Some(FromStream::Message { flow, message }) => {
                    self.machine.handle(now, Input::Receive { flow, message });
                }
                Some(FromStream::Malformed { flow, error }) => self.refuse(flow, *error),
                Some(FromStream::Failed { flow }) => {
                    self.connections.gone(flow.id);
                    let (flow, remote) = (flow.id, flow.remote);
                    self.machine.handle(now, Input::FlowFailed { flow, remote });
                    self.machine.handle(now, Input::FlowClosed { flow });
                }
                Some(FromStream::Closed { flow }) => {
                    self.connections.gone(flow);
                    self.machine.handle(now, Input::FlowClosed { flow });
                }
                None => return,
            }
            next = more.try_recv().ok();
        }
        if let Some(FromStream::Message { flow, message }) = next {
            self.machine.handle(now, Input::Receive { flow, message });
        } else if let Some(FromStream::Accepted { flow, writer }) = next {
            self.connections.accepted(flow, writer);
        } else if let Some(FromStream::Closed { flow } | FromStream::Failed { flow: Flow { id: flow, .. } }) =
            next
        {
            self.connections.gone(flow);
            self.machine.handle(now, Input::FlowClosed { flow });
        }
    }

    /// Does what the machine wants; false when the host has gone.
    async fn carry_out(&mut self) -> bool {
        while let Some(todo) = self.machine.poll() {
            match todo {
                ToDo::Transmit { flow, bytes } => self.transmit(flow, bytes),
                ToDo::Tell(event) => {
                    if self.link.emit(event).await.is_err() {
                        return false;
                    }
                }
                ToDo::Ask { lookup, question } => self.names.ask(lookup, question, self.to_answers.clone()),
            }
        }
        true
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        if flow.transport.is_stream() {
            return self.connections.send(flow, bytes);
        }
        let Some(udp) = self.udp.get(&flow.id) else { return };
        // What a full buffer swallows is sent again by its transaction. A peer that is not there
        // answers by ICMP, which comes back here as refused.
        if let Err(error) = udp.try_send_to(&bytes, flow.remote)
            && error.kind() != io::ErrorKind::WouldBlock
        {
            let now = self.now();
            let (flow, remote) = (flow.id, flow.remote);
            self.machine.handle(now, Input::FlowFailed { flow, remote });
        }
    }
}

/// Waits for the first of several futures; gives its place. With none it waits for ever.
async fn first<F: Future<Output = io::Result<()>> + Unpin>(mut futures: Vec<F>) -> usize {
    std::future::poll_fn(move |context| {
        for (place, future) in futures.iter_mut().enumerate() {
            if std::pin::Pin::new(future).poll(context).is_ready() {
                return std::task::Poll::Ready(place);
            }
        }
        std::task::Poll::Pending
    })
    .await
}
