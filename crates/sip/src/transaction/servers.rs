// SPDX-License-Identifier: MIT OR Apache-2.0
//! All server transactions of an agent.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use offhook_spi::Moment;

use super::flow::{Flow, FlowId};
use super::invite_server::{self, InviteServer};
use super::key::{MergeKey, ServerKey, TransactionId};
use super::machine::{Action, Actions, Rules, ServerInput, Timer};
use super::other_server::OtherServer;
use super::queue::TimerQueue;
use super::timing::Timing;
use crate::message::{Method, Request, Response, Status};

/// What server transactions have to say, in order.
#[derive(Debug)]
pub(crate) enum ServerEvent {
    /// No answer was given in time, or no ACK came.
    Failed { id: TransactionId },
    /// Send this.
    Send { flow: Flow, bytes: Bytes },
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Received {
    /// It was the repetition of one that is known, or an ACK that a transaction wanted.
    Absorbed,
    /// An ACK that belongs to no refusal: a dialog's, if anyone's.
    Ack,
    /// The same request came by another way before (RFC 3261 section 8.2.2.2).
    Merged(TransactionId),
    /// A new one.
    New(TransactionId),
    /// A new one, but there are too many; nothing is remembered of it.
    Overload,
}

/// How many transactions may live at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// In all.
    pub(crate) total: usize,
    /// From one address.
    pub(crate) per_source: usize,
}

/// The server transactions of one agent.
#[derive(Debug)]
pub(crate) struct Servers {
    timing: Timing,
    limits: Limits,
    by_id: HashMap<TransactionId, Server>,
    by_key: HashMap<ServerKey, TransactionId>,
    merged: HashMap<MergeKey, TransactionId>,
    sources: HashMap<IpAddr, usize>,
    timers: TimerQueue<(TransactionId, Timer)>,
    out: VecDeque<ServerEvent>,
    actions: Actions,
    last: u64,
}

#[derive(Debug)]
struct Server {
    machine: Machine,
    key: ServerKey,
    merge: Option<MergeKey>,
    source: IpAddr,
    /// The way that responses go.
    flow: Flow,
    /// Where a new connection would go if the request's is gone (RFC 3261 section 18.2.2).
    fallback: SocketAddr,
    /// The latest response, as sent.
    bytes: Option<Bytes>,
    /// The request, until the final response.
    request: Option<Arc<Request>>,
}

#[derive(Debug)]
enum Machine {
    Invite(InviteServer),
    Other(OtherServer),
}

impl Servers {
    pub(crate) fn new(timing: Timing, limits: Limits) -> Self {
        Self {
            timing,
            limits,
            by_id: HashMap::new(),
            by_key: HashMap::new(),
            merged: HashMap::new(),
            sources: HashMap::new(),
            timers: TimerQueue::default(),
            out: VecDeque::new(),
            actions: Actions::new(),
            last: 0,
        }
    }

    /// Takes a request that came from `source`; responses to it go to `reply`.
    pub(crate) fn receive(
        &mut self,
        now: Moment,
        request: &Arc<Request>,
        source: IpAddr,
        reply: Flow,
        fallback: SocketAddr,
    ) -> Received {
        let key = ServerKey::of(request);
        if let Some(&id) = self.by_key.get(&key) {
            return self.again(now, id, request);
        }
        if request.method == Method::ACK {
            return Received::Ack;
        }
        let merge = MergeKey::of(request);
        if self.is_full(source, merge.is_none()) {
            return Received::Overload;
        }
        self.last += 1;
        let id = TransactionId(self.last);
        let is_merged = merge.as_ref().is_some_and(|merge| self.merged.contains_key(merge));
        let merge = merge.filter(|_| !is_merged);
        if let Some(merge) = &merge {
            self.merged.insert(merge.clone(), id);
        }
        let machine = if request.method == Method::INVITE {
            Machine::Invite(InviteServer::new())
        } else {
            Machine::Other(OtherServer::new())
        };
        let request = Some(Arc::clone(request));
        let server =
            Server { machine, key: key.clone(), merge, source, flow: reply, fallback, bytes: None, request };
        self.by_key.insert(key, id);
        self.by_id.insert(id, server);
        *self.sources.entry(source).or_insert(0) += 1;
        self.step(now, id, ServerInput::Begin);
        if is_merged { Received::Merged(id) } else { Received::New(id) }
    }

    /// Finds the INVITE that a CANCEL means (RFC 3261 section 9.2).
    pub(crate) fn cancelled(&self, cancel: &Request) -> Option<TransactionId> {
        self.by_key.get(&ServerKey::of_invite(cancel)).copied()
    }

    /// Sends a response and says which way; `None` when the transaction is over.
    pub(crate) fn respond(&mut self, now: Moment, id: TransactionId, response: &Response) -> Option<Sent> {
        let server = self.by_id.get_mut(&id)?;
        let bytes = response.to_bytes();
        server.bytes = Some(bytes.clone());
        let flow = server.flow;
        let status = response.status;
        let input = if status.is_provisional() {
            ServerInput::Provisional
        } else {
            server.request = None;
            if status.is_success() { ServerInput::Success } else { ServerInput::Failure }
        };
        self.step(now, id, input);
        if let Some(server) = self.by_id.get_mut(&id)
            && matches!(&server.machine, Machine::Invite(it) if it.state == invite_server::State::Accepted)
        {
            // The dialog repeats a 2xx (section 13.3.1.4).
            server.bytes = None;
        }
        Some(Sent { flow, bytes })
    }

    /// Tells the transactions that answered over a flow that the answer did not get through.
    pub(crate) fn broken(&mut self, now: Moment, concerns: impl Fn(&Flow) -> bool) {
        let mut ids: Vec<_> =
            self.by_id.iter().filter(|(_, server)| concerns(&server.flow)).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        for id in ids {
            self.step(now, id, ServerInput::Broken);
        }
    }

    /// Sends the responses of a connection that is gone to where its client listens.
    pub(crate) fn closed(&mut self, flow: FlowId) {
        for server in self.by_id.values_mut().filter(|server| server.flow.id == flow) {
            server.flow.remote = server.fallback;
        }
    }

    /// Lets every timer that is due fire.
    pub(crate) fn fire(&mut self, now: Moment) {
        while let Some((_, (id, timer))) = self.timers.due(now) {
            self.step(now, id, ServerInput::Fired(timer));
        }
    }

    pub(crate) fn poll(&mut self) -> Option<ServerEvent> {
        self.out.pop_front()
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.timers.next()
    }

    /// How many transactions live.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn timers(&self) -> usize {
        self.timers.len()
    }

    /// Requests inside dialogs may use a reserve, so that calls can end when there are too many.
    fn is_full(&self, source: IpAddr, in_dialog: bool) -> bool {
        let reserve = if in_dialog { 2 } else { 1 };
        self.by_id.len() >= self.limits.total.saturating_mul(reserve)
            || self.sources.get(&source).copied().unwrap_or(0)
                >= self.limits.per_source.saturating_mul(reserve)
    }

    fn again(&mut self, now: Moment, id: TransactionId, request: &Request) -> Received {
        if request.method != Method::ACK {
            self.step(now, id, ServerInput::Again);
            return Received::Absorbed;
        }
        let accepted = self.by_id.get(&id).is_some_and(
            |server| matches!(&server.machine, Machine::Invite(it) if it.state == invite_server::State::Accepted),
        );
        if accepted {
            return Received::Ack;
        }
        self.step(now, id, ServerInput::Ack);
        Received::Absorbed
    }

    fn step(&mut self, now: Moment, id: TransactionId, input: ServerInput) {
        let Some(server) = self.by_id.get_mut(&id) else { return };
        let rules = Rules { timing: self.timing, reliability: server.flow.transport.reliability() };
        let mut actions = mem::take(&mut self.actions);
        match &mut server.machine {
            Machine::Invite(machine) => machine.step(input, &rules, &mut actions),
            Machine::Other(machine) => machine.step(input, &rules, &mut actions),
        }
        for action in actions.drain(..) {
            self.perform(now, id, action);
        }
        self.actions = actions;
    }

    fn perform(&mut self, now: Moment, id: TransactionId, action: Action) {
        match action {
            Action::Arm(timer, after) => self.timers.arm((id, timer), now + after),
            Action::Disarm(timer) => self.timers.disarm((id, timer)),
            Action::End => self.remove(id),
            Action::Fail(_) => self.out.push_back(ServerEvent::Failed { id }),
            Action::Send => self.send(id),
            Action::SendTrying => {
                if let Some(server) = self.by_id.get_mut(&id)
                    && let Some(request) = &server.request
                {
                    server.bytes = Some(request.response(Status::TRYING).to_bytes());
                }
                self.send(id);
            }
            // The agent looks at an ACK before the machine does.
            Action::Deliver | Action::SendAck => {}
        }
    }

    fn send(&mut self, id: TransactionId) {
        if let Some(server) = self.by_id.get(&id)
            && let Some(bytes) = &server.bytes
        {
            self.out.push_back(ServerEvent::Send { flow: server.flow, bytes: bytes.clone() });
        }
    }

    fn remove(&mut self, id: TransactionId) {
        let Some(server) = self.by_id.remove(&id) else { return };
        self.by_key.remove(&server.key);
        if let Some(merge) = server.merge {
            self.merged.remove(&merge);
        }
        if let Some(count) = self.sources.get_mut(&server.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.sources.remove(&server.source);
            }
        }
        for timer in [Timer::G, Timer::H, Timer::I, Timer::J, Timer::L, Timer::Trying, Timer::Unanswered] {
            self.timers.disarm((id, timer));
        }
    }
}

/// What went out and which way, for whoever has to repeat it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) flow: Flow,
    pub(crate) bytes: Bytes,
}
