// SPDX-License-Identifier: MIT OR Apache-2.0
//! The provider's task: it brings the machine what happens, and carries out what the machine wants.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use offhook_sipcore::agent::{Flow, FlowId, Transport};
use offhook_sipcore::bytes::Bytes;
use offhook_sipcore::message::{Limits, Message, ParseError};
use offhook_spi::{Machine, Moment, TspLink};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::names::{NameAnswer, Names};
use super::stream::{Connections, FromStream, Sent};
use super::unreached::{self, Unreached};
use crate::machine::{Input, SipMachine, Socket, ToDo};

/// Datagrams taken from one socket, or messages from streams, before anything else gets its turn.
const BATCH: usize = 64;
/// Commands taken at once, likewise.
const COMMANDS: usize = 64;
/// The largest datagram there is.
const DATAGRAM: usize = 65_535;
/// How long good-byes, and what they are challenged with, may take once the host has gone. A datagram that is lost
/// is sent again after 0.5 and 1.5 seconds (RFC 3261 section 17.1.2.1).
const GOODBYE: Duration = Duration::from_secs(2);

/// Who asks the name system, and where its answers come in.
pub(super) struct Answers {
    pub(super) names: Names,
    pub(super) to_answers: mpsc::Sender<NameAnswer>,
}

/// The provider at work.
pub(super) struct Running {
    machine: SipMachine,
    link: TspLink,
    udp: HashMap<FlowId, Arc<UdpSocket>>,
    sockets: Vec<(Socket, Arc<UdpSocket>)>,
    connections: Connections,
    answers: Answers,
    start: Instant,
    limits: Limits,
    buffer: Vec<u8>,
    unreached: Unreached,
    /// The host has gone; at this time we go, whoever still has to answer.
    leaving: Option<Instant>,
}

impl Running {
    pub(super) fn new(
        machine: SipMachine,
        link: TspLink,
        sockets: Vec<(Socket, Arc<UdpSocket>)>,
        connections: Connections,
        answers: Answers,
    ) -> Self {
        Self {
            machine,
            link,
            udp: sockets.iter().map(|(socket, udp)| (socket.id, Arc::clone(udp))).collect(),
            sockets,
            connections,
            answers,
            start: Instant::now(),
            limits: Limits::default(),
            buffer: vec![0; DATAGRAM],
            unreached: Unreached::default(),
            leaving: None,
        }
    }

    /// Works until the host has gone, and a little longer to say good-bye.
    pub(super) async fn serve(
        mut self,
        mut streams: mpsc::Receiver<FromStream>,
        mut answers: mpsc::Receiver<NameAnswer>,
    ) {
        loop {
            let deadline = self.machine.deadline().map(|at| self.start + at.since(Moment::ZERO));
            let deadline = [deadline, self.leaving, self.unreached.deadline()].into_iter().flatten().min();
            let sleep = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let ready = async {
                let waits = self.sockets.iter().map(|(_, udp)| Box::pin(udp.ready(unreached::interest())));
                first(waits.collect()).await
            };
            tokio::select! {
                command = self.link.next(), if self.leaving.is_none() => match command {
                    Some(command) => self.commands(command),
                    None => self.leave(),
                },
                place = ready => self.datagrams(place),
                Some(from) = streams.recv() => self.streams(from, &mut streams),
                Some((lookup, answer)) = answers.recv() => {
                    let now = self.now();
                    self.machine.handle(now, Input::Answered { lookup, answer });
                }
                () = sleep => self.wake(),
            }
            self.carry_out().await;
            if self.leaving.is_some_and(|limit| self.machine.has_left() || Instant::now() >= limit) {
                return;
            }
        }
    }

    /// Ends calls and registrations; sockets stay open until the others have heard of it.
    fn leave(&mut self) {
        if self.leaving.is_none() {
            self.leaving = Some(Instant::now() + GOODBYE);
            let now = self.now();
            self.machine.handle(now, Input::Leave);
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
        self.unreached.add(socket.id, unreached::take_known(&udp));
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
        batch(first, more, BATCH, |event| self.stream(now, event));
    }

    fn stream(&mut self, now: Moment, event: FromStream) {
        match event {
            FromStream::Accepted { flow, writer } => self.connections.accepted(flow, writer),
            FromStream::Message { flow, message } => {
                self.machine.handle(now, Input::Receive { flow, message });
            }
            FromStream::Malformed { flow, error } => self.refuse(flow, *error),
            FromStream::Failed { flow } => {
                self.connections.gone(flow.id);
                self.lost(now, flow);
            }
            FromStream::Closed { flow } => {
                self.connections.gone(flow);
                self.machine.handle(now, Input::FlowClosed { flow });
            }
        }
    }

    /// A connection that could not be had.
    fn lost(&mut self, now: Moment, flow: Flow) {
        self.machine.handle(now, Input::FlowFailed { flow: flow.id, remote: flow.remote });
        self.machine.handle(now, Input::FlowClosed { flow: flow.id });
    }

    /// Does what the machine wants.
    async fn carry_out(&mut self) {
        while let Some(todo) = self.machine.poll() {
            match todo {
                ToDo::Transmit { flow, bytes } => self.transmit(flow, bytes),
                ToDo::Expect { flow, name } => self.connections.expect(flow, name),
                ToDo::Tell(event) => {
                    let told = match self.leaving {
                        None => self.link.emit(event).await.is_ok(),
                        // Nobody need be listening any more.
                        Some(limit) => timeout_at(limit, self.link.emit(event)).await.is_ok(),
                    };
                    if !told {
                        self.leave();
                    }
                }
                ToDo::Ask { lookup, question } => {
                    self.answers.names.ask(lookup, question, self.answers.to_answers.clone())
                }
            }
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        if flow.transport.is_stream() {
            if self.connections.send(flow, bytes) == Sent::Never {
                let now = self.now();
                self.lost(now, flow);
            }
            return;
        }
        let Some(udp) = self.udp.get(&flow.id).cloned() else { return };
        // Once more, as an error may concern a datagram before this one, to somebody else.
        for is_last in [false, true] {
            match udp.try_send_to(&bytes, flow.remote) {
                Ok(_) => return,
                // What a full buffer swallows is sent again by its transaction.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) if is_last => {
                    let now = self.now();
                    let (flow, remote) = (flow.id, flow.remote);
                    self.machine.handle(now, Input::FlowFailed { flow, remote });
                }
                Err(_) => self.unreached.add(flow.id, unreached::take_all(&udp)),
            }
        }
    }

    /// Lets fire what is due, and fails what was on its way to peers that are not there.
    fn wake(&mut self) {
        let now = self.now();
        for (flow, remote) in self.unreached.due() {
            self.machine.handle(now, Input::FlowFailed { flow, remote });
        }
        self.machine.handle_timeout(now);
    }
}

/// Waits for the first of several futures; gives its place. With none it waits for ever.
async fn first<F: Future + Unpin>(mut futures: Vec<F>) -> usize {
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

/// Hands out what waits in a queue, at most so much at once. The rest stays in the queue, and whoever fills it
/// waits for room: nothing is lost on the way.
fn batch<T>(first: T, more: &mut mpsc::Receiver<T>, most: usize, mut act: impl FnMut(T)) {
    act(first);
    for _ in 1..most {
        let Ok(next) = more.try_recv() else { return };
        act(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_handed_out_in_order_and_whole() {
        let (sender, mut queue) = mpsc::channel(1000);
        for number in 0..1000 {
            sender.try_send(number).unwrap();
        }
        let mut taken = Vec::new();
        while let Ok(first) = queue.try_recv() {
            let before = taken.len();
            batch(first, &mut queue, BATCH, |number| taken.push(number));
            assert!(taken.len() - before <= BATCH);
        }
        assert_eq!(taken, (0..1000).collect::<Vec<_>>());
    }
}
