// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections: one task reads, one writes, each within bounds. What WebSockets do otherwise is in `web_socket`.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use offhook_sipcore::agent::{Flow, FlowId};
use offhook_sipcore::bytes::Bytes;
use offhook_sipcore::message::{Frame, Limits, Message, ParseError, StreamDecoder};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::opened::Opened;
use super::tls::Tls;
use super::web_socket;
use crate::machine::Socket;

/// Messages that may wait to be written to one connection; a peer that does not read loses it.
const WRITE_QUEUE: usize = 256;
/// How long a connection or a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a far end may be silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Before a ping goes out (RFC 5626 section 4.4.1).
    pub(super) quiet: Duration,
    /// Before its answer comes, likewise.
    pub(super) pong: Duration,
}

pub(super) const PATIENCE: Patience =
    Patience { quiet: Duration::from_secs(110), pong: Duration::from_secs(10) };

/// What connections tell the provider's task.
pub(super) enum FromStream {
    Accepted { flow: Flow, writer: mpsc::Sender<Bytes> },
    Closed { flow: FlowId },
    Failed { flow: Flow },
    Malformed { flow: Flow, error: Box<ParseError> },
    Message { flow: Flow, message: Message },
}

/// What became of a message that was to be sent on a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sent {
    /// It waits to be written. Should the connection end first, that is told as its end.
    Queued,
    /// There are as many connections as may be, or the far end has not read for long.
    Never,
}

/// Numbers connections that others open; even, above those of sockets. Those that we open are odd.
static ACCEPTED: AtomicU64 = AtomicU64::new(1 << 32);

/// All connections, by their flow.
pub(super) struct Connections {
    writers: HashMap<FlowId, mpsc::Sender<Bytes>>,
    /// Whom certificates have to name.
    names: HashMap<FlowId, Arc<str>>,
    tls: Tls,
    /// Where servers have SIP in a WebSocket.
    path: Arc<str>,
    events: mpsc::Sender<FromStream>,
    most: usize,
}

impl Connections {
    pub(super) fn new(tls: Tls, path: Arc<str>, events: mpsc::Sender<FromStream>, most: usize) -> Self {
        Self { writers: HashMap::new(), names: HashMap::new(), tls, path, events, most }
    }

    pub(super) fn accepted(&mut self, flow: Flow, writer: mpsc::Sender<Bytes>) {
        self.writers.insert(flow.id, writer);
    }

    pub(super) fn gone(&mut self, flow: FlowId) {
        self.writers.remove(&flow);
        self.names.remove(&flow);
    }

    /// The certificate at the other end has to name this domain.
    pub(super) fn expect(&mut self, flow: FlowId, name: Arc<str>) {
        self.names.insert(flow, name);
    }

    /// Sends on a connection; one that is not there is opened.
    pub(super) fn send(&mut self, flow: Flow, bytes: Bytes) -> Sent {
        if let Some(writer) = self.writers.get(&flow.id) {
            return match writer.try_send(bytes) {
                // Of one that has just ended the end is on its way to us, and fails whatever waits.
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Sent::Queued,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    // Dropping the writer closes the connection of one that does not read.
                    self.writers.remove(&flow.id);
                    Sent::Never
                }
            };
        }
        self.open(flow, bytes)
    }

    fn open(&mut self, flow: Flow, bytes: Bytes) -> Sent {
        if self.writers.len() >= self.most {
            return Sent::Never;
        }
        let (writer, queue) = mpsc::channel(WRITE_QUEUE);
        // The queue is new and has room.
        let _ = writer.try_send(bytes);
        self.writers.insert(flow.id, writer);
        let name = self.names.get(&flow.id).cloned();
        let host = (name, Arc::clone(&self.path));
        tokio::spawn(connect(flow, host, self.tls.clone(), queue, self.events.clone()));
        Sent::Queued
    }
}

async fn connect(
    flow: Flow,
    (name, path): (Option<Arc<str>>, Arc<str>),
    tls: Tls,
    queue: mpsc::Receiver<Bytes>,
    events: mpsc::Sender<FromStream>,
) {
    let opening = async {
        let stream = TcpStream::connect(flow.remote).await?;
        stream.set_nodelay(true)?;
        let stream = match flow.transport.is_secure() {
            true => Opened::Secure(Box::new(tls.connect(stream, name.as_deref(), flow.remote).await?)),
            false => Opened::Plain(stream),
        };
        if !flow.transport.is_web_socket() {
            return Ok::<_, io::Error>(stream);
        }
        let host = name.as_deref().map_or_else(|| flow.remote.to_string(), str::to_owned);
        let opened = web_socket::ask(stream, &host, flow.remote.port(), &path).await?;
        Ok(Opened::Web(Box::new(opened)))
    };
    match tokio::time::timeout(HANDSHAKE, opening).await {
        Ok(Ok(Opened::Web(socket))) => web_socket::run(flow, *socket, queue, events).await,
        Ok(Ok(stream)) => run(flow, stream, queue, events).await,
        // The provider's task may have ended; then nobody wants to know.
        _ => drop(events.send(FromStream::Failed { flow }).await),
    }
}

/// Accepts connections on one listener, at most `most` at once.
pub(super) async fn listen(
    socket: Socket,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    events: mpsc::Sender<FromStream>,
    most: usize,
) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = events.closed() => return,
        };
        let Ok((stream, remote)) = accepted else {
            // Out of descriptors, or a peer that left: give others the turn, then go on.
            tokio::task::yield_now().await;
            continue;
        };
        if open.load(Ordering::Relaxed) >= most {
            continue;
        }
        let id = FlowId(ACCEPTED.fetch_add(2, Ordering::Relaxed));
        let flow = Flow { id, transport: socket.transport, local: socket.local, remote };
        let (events, tls) = (events.clone(), tls.clone());
        let place = Place::take(&open);
        tokio::spawn(async move {
            let _place = place;
            let _ = stream.set_nodelay(true);
            let (writer, queue) = mpsc::channel(WRITE_QUEUE);
            // A slow handshake holds up nobody: it has its own task and a time limit.
            let Ok(Ok(opened)) = tokio::time::timeout(HANDSHAKE, shake(flow, stream, tls)).await else {
                return;
            };
            if events.send(FromStream::Accepted { flow, writer }).await.is_err() {
                return;
            }
            match opened {
                Opened::Web(socket) => web_socket::run(flow, *socket, queue, events).await,
                stream => run(flow, stream, queue, events).await,
            }
        });
    }
}

/// Shakes hands as a listener of the transport does.
async fn shake(flow: Flow, stream: TcpStream, tls: Option<TlsAcceptor>) -> io::Result<Opened> {
    let stream = match tls {
        Some(tls) => Opened::Accepted(Box::new(tls.accept(stream).await?)),
        None => Opened::Plain(stream),
    };
    match flow.transport.is_web_socket() {
        true => Ok(Opened::Web(Box::new(web_socket::accept(stream).await?))),
        false => Ok(stream),
    }
}

/// Counts an open connection for as long as it lives.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads and writes until either side ends.
async fn run<S>(flow: Flow, stream: S, mut queue: mpsc::Receiver<Bytes>, events: mpsc::Sender<FromStream>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (pong, mut pongs) = mpsc::channel::<&'static [u8]>(4);
    let reading = read(flow, &mut reader, &events, &pong, PATIENCE);
    let writing = async {
        loop {
            let bytes = tokio::select! {
                bytes = queue.recv() => match bytes { Some(bytes) => bytes, None => return },
                Some(pong) = pongs.recv() => Bytes::from_static(pong),
            };
            // One that does not read is cut off: it must not hold a place for ever.
            let written = async { writer.write_all(&bytes).await.is_ok() && writer.flush().await.is_ok() };
            if !tokio::time::timeout(HANDSHAKE, written).await.unwrap_or(false) {
                return;
            }
        }
    };
    tokio::select! {
        _ = reading => {}
        () = writing => {}
    }
    events.send(FromStream::Closed { flow: flow.id }).await.ok();
}

async fn read<R: AsyncRead + Unpin>(
    flow: Flow,
    reader: &mut R,
    events: &mpsc::Sender<FromStream>,
    pong: &mpsc::Sender<&'static [u8]>,
    patience: Patience,
) -> io::Result<()> {
    let mut decoder = StreamDecoder::new(Limits::default());
    let mut buffer = vec![0; 16 * 1024];
    let mut pinged = false;
    // Whoever has never answered a ping need not know of them: its silence says nothing.
    let mut answers = false;
    loop {
        let limit = if pinged && answers { patience.pong } else { patience.quiet };
        let count = match tokio::time::timeout(limit, reader.read(&mut buffer)).await {
            Ok(count) => count?,
            Err(_) if pinged && answers => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) => {
                pinged = true;
                pong.send(b"\r\n\r\n").await.ok();
                continue;
            }
        };
        if count == 0 {
            return Ok(());
        }
        pinged = false;
        decoder.push(&buffer[..count]);
        while let Some(frame) = decoder.next().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))? {
            let event = match frame {
                Frame::Message(message) => FromStream::Message { flow, message },
                Frame::Malformed(error) => FromStream::Malformed { flow, error: Box::new(error) },
                Frame::Ping => {
                    pong.send(b"\r\n").await.ok();
                    continue;
                }
                Frame::Pong => {
                    answers = true;
                    continue;
                }
                _ => continue,
            };
            if events.send(event).await.is_err() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use offhook_sipcore::agent::Transport;

    use super::*;

    const NONE: Patience = Patience { quiet: Duration::ZERO, pong: Duration::ZERO };

    fn flow() -> Flow {
        let at = |text: &str| text.parse().unwrap();
        let (local, remote) = (at("192.0.2.1:5060"), at("192.0.2.2:5060"));
        Flow { id: FlowId(1), transport: Transport::Tcp, local, remote }
    }

    #[tokio::test]
    async fn a_far_end_that_knows_no_pings_may_be_silent() {
        let (mut ours, _theirs) = tokio::io::duplex(64);
        let (events, _kept) = mpsc::channel(1);
        let (pong, mut pings) = mpsc::channel(1);
        tokio::select! {
            ended = read(flow(), &mut ours, &events, &pong, NONE) => panic!("{ended:?}"),
            () = async { for _ in 0..10 { assert_eq!(pings.recv().await.unwrap(), b"\r\n\r\n"); } } => {}
        }
    }

    #[tokio::test]
    async fn a_far_end_that_has_answered_a_ping_must_answer_the_next() {
        let (mut ours, mut theirs) = tokio::io::duplex(64);
        theirs.write_all(b"\r\n").await.unwrap();
        let (events, _kept) = mpsc::channel(1);
        let (pong, _pings) = mpsc::channel(4);
        let ended = read(flow(), &mut ours, &events, &pong, NONE).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
