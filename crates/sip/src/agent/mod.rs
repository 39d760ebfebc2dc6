// SPDX-License-Identifier: MIT OR Apache-2.0
//! One SIP user agent as a state machine: transactions, dialogs and calls, without sockets and clocks.
//!
//! Give it [`Input`]s with the time, drain [`Output`]s, wake it at its deadline. It sends what must be
//! sent again, answers what needs no decision, and tells its owner the rest. Accounts, credentials, host
//! names and session descriptions are the owner's.
//!
//! The parts: `receive` sorts messages, `outgoing` is an INVITE of ours, `incoming` one of theirs, `within`
//! what comes inside a dialog, `ending` how dialogs end, `reinvite` our re-INVITEs, `reliable` PRACK, `session`
//! timers and UPDATE, `send` all that leaves.

mod api;
mod ending;
mod incoming;
mod outgoing;
mod receive;
mod reinvite;
mod reliable;
mod send;
mod session;
mod within;

#[cfg(any(test, fuzzing))]
pub mod fuzz;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use offhook_spi::{Machine, Moment};

pub use api::{Command, Config, DialogName, Ending, Event, Input, Limits, NextHop, Output, ServerRequestId};

pub use crate::invite::{Body, DialogId, Failure, InviteId, Reliability, RequestId, SessionPolicy};
pub use crate::transaction::{Flow, FlowId, ResponsePort, Timing, Transport, prefers_stream};

use crate::dialog::DialogKey;
use crate::invite::{Purpose, Usage};
use crate::message::{Request, Tokens};
use crate::transaction::{
    ClientEvent, Clients, Limits as ServerLimits, ServerEvent, Servers, TimerQueue, TransactionId,
};

/// One SIP user agent.
///
/// ```
/// use offhook_sipcore::agent::{Agent, Config};
/// use offhook_sipcore::message::Tokens;
/// use offhook_spi::Machine;
///
/// let agent = Agent::new(Config::default(), Tokens::from_seed(7));
/// assert_eq!(agent.deadline(), None);
/// ```
#[derive(Debug)]
pub struct Agent {
    config: Config,
    allow: String,
    /// What we say in `Supported`, but for what only an INVITE with an offer says.
    supported: String,
    tokens: Tokens,
    clients: Clients<Owner>,
    servers: Servers,
    alarms: TimerQueue<Alarm>,
    usages: HashMap<InviteId, Box<Usage>>,
    dialogs: HashMap<DialogKey, (InviteId, DialogId)>,
    served: HashMap<TransactionId, Served>,
    unacknowledged: usize,
    last_incoming: u64,
    out: VecDeque<Output>,
}

/// Whom a client transaction concerns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Owner {
    /// Our CANCEL; nobody waits for its answer.
    Cancel,
    Dialog(InviteId, DialogId, Purpose),
    Invite(InviteId),
    Request(RequestId),
}

/// Who answers a server transaction.
#[derive(Debug)]
enum Served {
    Invite(InviteId),
    Reinvite(InviteId, DialogId),
    Request(Arc<Request>),
}

/// What an agent wakes for, beside its transactions.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Alarm {
    /// A transaction that nobody waits for any more is destroyed.
    Abandon(TransactionId),
    /// The owner did not bring credentials for our BYE.
    Bye(InviteId, DialogId),
    /// The pause after a 491 is over.
    Collision(InviteId, DialogId),
    /// The owner did not find a way.
    Locate(InviteId, DialogId),
    /// The owner did not say how to go on with our INVITE.
    Parked(InviteId),
    /// The owner did not bring credentials for our re-INVITE.
    Reoffer(InviteId, DialogId),
    /// Our reliable response is due again.
    Reliable(InviteId),
    /// Our 2xx is due again.
    Repeat(InviteId, DialogId),
    /// Our provisional response is due again.
    Ringing(InviteId),
    /// The session is to be refreshed, or is over.
    Session(InviteId, DialogId),
}

impl Agent {
    /// An agent that does nothing yet.
    #[must_use]
    pub fn new(mut config: Config, tokens: Tokens) -> Self {
        config.session = config.session.map(SessionPolicy::bounded);
        if config.session.is_some() {
            config.supported.push("timer".to_owned());
        }
        let supported: Vec<&str> =
            config.supported.iter().map(String::as_str).filter(|tag| *tag != reliable::TAG).collect();
        let mut allow = String::new();
        for method in &config.allow {
            let comma = if allow.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(allow, "{comma}{method}");
        }
        let limits = ServerLimits {
            total: config.limits.transactions,
            per_source: config.limits.transactions_per_source,
        };
        Self {
            allow,
            supported: supported.join(", "),
            tokens,
            clients: Clients::new(config.timing),
            servers: Servers::new(config.timing, limits),
            alarms: TimerQueue::default(),
            usages: HashMap::new(),
            dialogs: HashMap::new(),
            served: HashMap::new(),
            unacknowledged: 0,
            last_incoming: 0,
            out: VecDeque::new(),
            config,
        }
    }

    /// How much is going on.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            calls: self.usages.len(),
            dialogs: self.dialogs.len(),
            client_transactions: self.clients.len(),
            server_transactions: self.servers.len(),
            unacknowledged: self.unacknowledged,
        }
    }

    /// How the dialog of an answered call is named, while it lives.
    #[must_use]
    pub fn dialog(&self, id: InviteId) -> Option<DialogName> {
        let usage = self.usages.get(&id)?;
        let dialog = &usage.find(usage.answered?)?.dialog;
        Some(DialogName {
            call_id: dialog.call_id().to_owned(),
            local_tag: dialog.local_tag().to_owned(),
            remote_tag: dialog.remote_tag().to_owned(),
            target: dialog.target().clone(),
        })
    }

    /// Fails unless nothing at all is remembered.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn assert_empty(&self) {
        assert_eq!(self.load(), Load::default());
        assert_eq!((self.alarms.len(), self.clients.timers(), self.servers.timers()), (0, 0, 0));
        assert!(self.served.is_empty(), "{:?}", self.served);
    }

    fn command(&mut self, now: Moment, command: Command) {
        match command {
            Command::Invite { id, request, flow } => self.invite(now, id, request, flow),
            Command::Request { id, request, flow } => self.request(now, id, request, flow),
            Command::RespondTo { id, status, headers, body } => {
                self.respond_to(now, id, status, &headers, body);
            }
            Command::AckWith { id, body } => self.with(id, |agent, usage| agent.ack_with(now, usage, body)),
            Command::Answer { id, status, headers, body } => {
                self.with(id, |agent, usage| agent.answer(now, usage, status, &headers, body));
            }
            Command::AnswerReinvite { id, headers, body } => {
                self.with(id, |agent, usage| agent.answer_reinvite(now, usage, &headers, body));
            }
            Command::Bye { id, headers } | Command::Cancel { id, headers } => {
                self.with(id, |agent, usage| agent.hang_up(now, usage, headers));
            }
            Command::Located { id, dialog, flow } => {
                self.with(id, |agent, usage| agent.located(now, usage, dialog, flow));
            }
            Command::Move { id, flow } => self.with(id, |agent, usage| agent.shift(now, usage, flow)),
            Command::Reinvite { id, headers, body } => {
                self.with(id, |agent, usage| agent.reinvite(now, usage, headers, body));
            }
            Command::Reject { id, status, headers } => {
                self.with(id, |agent, usage| agent.reject(now, usage, status, &headers));
            }
            Command::RejectReinvite { id, status, headers } => {
                self.with(id, |agent, usage| agent.reject_reinvite(now, usage, status, &headers));
            }
            Command::RequestInDialog { id, invite, method, headers, body } => {
                if !self.usages.contains_key(&invite) {
                    self.event(Event::RequestDone { id, outcome: Err(Failure::Busy) });
                }
                self.with(invite, |agent, usage| {
                    agent.request_within(now, usage, id, &method, &headers, body);
                });
            }
            Command::Retry { id, method, headers, flow } => {
                self.with(id, |agent, usage| agent.retry(now, usage, &method, &headers, flow));
            }
        }
    }

    /// Lets `act` work on a call, which is taken out of the table meanwhile and put back unless it is over.
    fn with(&mut self, id: InviteId, act: impl FnOnce(&mut Self, &mut Usage)) {
        let Some(mut usage) = self.usages.remove(&id) else { return };
        act(self, &mut usage);
        if usage.is_over() {
            debug_assert!(usage.is_told, "the owner has been told that the call is over");
            self.alarms.disarm(Alarm::Parked(id));
            self.alarms.disarm(Alarm::Reliable(id));
            self.alarms.disarm(Alarm::Ringing(id));
        } else {
            self.usages.insert(id, usage);
        }
    }

    /// Carries out what the transactions ask for.
    fn settle(&mut self, now: Moment) {
        loop {
            if let Some(event) = self.servers.poll() {
                match event {
                    ServerEvent::Failed { id } => {
                        self.served.remove(&id);
                    }
                    ServerEvent::Send { flow, bytes } => self.transmit(flow, bytes),
                }
            } else if let Some(event) = self.clients.poll() {
                self.client_event(now, event);
            } else {
                return;
            }
        }
    }

    fn client_event(&mut self, now: Moment, event: ClientEvent<Owner>) {
        match event {
            ClientEvent::Send { flow, bytes } => self.transmit(flow, bytes),
            ClientEvent::Response { id, owner, response } => match owner {
                Owner::Invite(call) => {
                    self.with(call, |agent, usage| agent.on_response(now, usage, id, response));
                }
                Owner::Dialog(call, dialog, purpose) => {
                    self.on_response_within(now, call, dialog, purpose, Ok(response));
                }
                Owner::Request(request) if response.status.is_final() => {
                    self.event(Event::RequestDone { id: request, outcome: Ok(response) });
                }
                Owner::Request(_) | Owner::Cancel => {}
            },
            ClientEvent::Failed { id, owner, trouble } => {
                let failure = Failure::from(trouble);
                match owner {
                    Owner::Invite(call) => {
                        self.with(call, |agent, usage| agent.on_trouble(now, usage, id, failure));
                    }
                    Owner::Dialog(call, dialog, purpose) => {
                        self.on_response_within(now, call, dialog, purpose, Err(failure));
                    }
                    Owner::Request(request) => {
                        self.event(Event::RequestDone { id: request, outcome: Err(failure) });
                    }
                    Owner::Cancel => {}
                }
            }
            ClientEvent::Ended { id, owner } => {
                self.alarms.disarm(Alarm::Abandon(id));
                if let Owner::Invite(call) = owner {
                    self.with(call, |agent, usage| agent.on_transaction_over(usage, id));
                }
            }
        }
    }

    fn alarm(&mut self, now: Moment, alarm: Alarm) {
        match alarm {
            Alarm::Abandon(transaction) => self.clients.abandon(transaction),
            Alarm::Bye(id, dialog) => self.with(id, |agent, usage| agent.finish(now, usage, dialog)),
            Alarm::Collision(id, dialog) => {
                self.with(id, |agent, usage| agent.pause_over(now, usage, dialog));
            }
            Alarm::Locate(id, dialog) => {
                self.with(id, |agent, usage| agent.located(now, usage, dialog, None));
            }
            Alarm::Parked(id) => self.with(id, |agent, usage| agent.give_up(usage)),
            Alarm::Reoffer(id, dialog) => {
                self.with(id, |agent, usage| agent.reoffer_unmended(now, usage, dialog));
            }
            Alarm::Reliable(id) => self.with(id, |agent, usage| agent.repeat_reliable(now, usage)),
            Alarm::Session(id, dialog) => {
                self.with(id, |agent, usage| agent.session_due(now, usage, dialog));
            }
            Alarm::Repeat(id, dialog) => self.with(id, |agent, usage| agent.repeat(now, usage, dialog)),
            Alarm::Ringing(id) => self.with(id, |agent, usage| agent.ring_again(now, usage)),
        }
    }

    fn flow_failed(&mut self, now: Moment, flow: FlowId, remote: SocketAddr) {
        let concerns = |used: &Flow| used.id == flow && used.remote == remote;
        self.clients.broken(now, concerns);
        self.servers.broken(now, concerns);
    }
}

impl Machine for Agent {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Moment, input: Input) {
        match input {
            Input::Command(command) => self.command(now, command),
            Input::FlowClosed { flow } => {
                self.clients.broken(now, |used| used.id == flow);
                self.servers.closed(flow);
            }
            Input::FlowFailed { flow, remote } => self.flow_failed(now, flow, remote),
            Input::Receive { flow, message } => self.receive(now, flow, message),
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Moment) {
        self.servers.fire(now);
        self.clients.fire(now);
        self.settle(now);
        while let Some((_, alarm)) = self.alarms.due(now) {
            self.alarm(now, alarm);
            self.settle(now);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Moment> {
        [self.servers.deadline(), self.clients.deadline(), self.alarms.next()].into_iter().flatten().min()
    }
}

/// How much is going on in an agent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Load {
    /// Calls, in and out, until nothing is remembered of them.
    pub calls: usize,
    /// Dialogs of these calls.
    pub dialogs: usize,
    /// Requests of ours with their repetitions.
    pub client_transactions: usize,
    /// Requests of others with theirs.
    pub server_transactions: usize,
    /// Answers of ours that wait for their ACK.
    pub unacknowledged: usize,
}
