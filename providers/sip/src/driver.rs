// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets, connections, name look-ups and the clock of the SIP provider: one task around the machine.

mod names;
mod opened;
mod serve;
mod stream;
mod tls;
mod unreached;
mod web_socket;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use offhook_sipcore::agent::{FlowId, Transport};
use offhook_spi::{Manifest, ProviderError, SDP_SCHEMA, SchemaId, Tsp, TspLink, VersionRange};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;

use crate::config::{ConfigError, SipConfig};
use crate::machine::{SipMachine, Socket};
use names::Names;
use serve::{Answers, Running};
use stream::Connections;
use tls::Tls;

/// What streams may have read ahead, in messages.
const STREAM_QUEUE: usize = 1024;
/// What sockets are asked to buffer: bursts must not be lost while calls are set up.
#[cfg(unix)]
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// The SIP provider with its sockets bound.
pub struct SipTsp {
    machine: SipMachine,
    sockets: Vec<(Socket, Arc<UdpSocket>)>,
    listeners: Vec<(Socket, TcpListener)>,
    tls: Tls,
    names: Names,
    connections: usize,
    /// Where servers have SIP in a WebSocket.
    path: Arc<str>,
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

    /// The first WebSocket.
    #[must_use]
    pub fn ws(&self) -> Option<SocketAddr> {
        self.first(Transport::Ws)
    }

    /// The first WebSocket over TLS.
    #[must_use]
    pub fn wss(&self) -> Option<SocketAddr> {
        self.first(Transport::Wss)
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
    pub async fn bind(mut config: SipConfig) -> Result<(Self, BoundAddresses), BindError> {
        config.instance = config.instance.or_else(machine_id);
        check_music(&config)?;
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
                    if transport.is_secure() && !tls.can_serve() {
                        let detail = "a tls or wss socket needs tls.certificate and tls.key".to_owned();
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
        let path = Arc::from(config.web_socket_path.as_str());
        let machine = SipMachine::new(config, all, seed()?)?;
        Ok((Self { machine, sockets, listeners, tls, names, connections, path }, bound))
    }
}

/// A UDP socket with room for bursts, that tells us which peers are not there.
fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    make_room(&socket)?;
    unreached::watch(&socket);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// More than the system allows is cut to what it allows; that is no error.
#[cfg(unix)]
fn make_room(socket: &std::net::UdpSocket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    setsockopt(socket, sockopt::RcvBuf, &SOCKET_BUFFER)?;
    setsockopt(socket, sockopt::SndBuf, &SOCKET_BUFFER)?;
    Ok(())
}

/// Elsewhere the system's own buffers have to do.
#[cfg(not(unix))]
fn make_room(_: &std::net::UdpSocket) -> io::Result<()> {
    Ok(())
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

/// The files of held calls must be there; what is in them is the MSP's business.
fn check_music(config: &SipConfig) -> Result<(), ConfigError> {
    for line in &config.lines {
        let Some(path) = &line.hold_music else { continue };
        std::fs::metadata(path).map_err(|error| {
            ConfigError(format!("hold_music of line '{}' is {}: {error}", line.name, path.display()))
        })?;
    }
    Ok(())
}

/// A text that only this machine has, where the system keeps one (machine-id(5)).
fn machine_id() -> Option<String> {
    let text = std::fs::read_to_string("/etc/machine-id").ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
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
        for (socket, listener) in self.listeners {
            let acceptor = socket.transport.is_secure().then(|| self.tls.acceptor()).flatten();
            tokio::spawn(stream::listen(socket, listener, acceptor, to_task.clone(), self.connections));
        }
        let connections = Connections::new(self.tls, self.path, to_task, self.connections);
        let running = Running::new(
            self.machine,
            link,
            self.sockets,
            connections,
            Answers { names: self.names, to_answers },
        );
        running.serve(from_streams, answers).await;
        Ok(())
    }
}
