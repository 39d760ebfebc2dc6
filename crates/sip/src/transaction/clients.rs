// SPDX-License-Identifier: MIT OR Apache-2.0
//! All client transactions of an agent.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use offhook_spi::Moment;

use super::flow::Flow;
use super::invite_client::InviteClient;
use super::key::{ClientKey, TransactionId};
use super::machine::{Action, Actions, ClientInput, Rules, Timer, Trouble};
use super::other_client::OtherClient;
use super::queue::TimerQueue;
use super::templates;
use super::timing::Timing;
use crate::message::{Method, Request, Response};

/// What client transactions have to say, in order.
#[derive(Debug)]
pub(crate) enum ClientEvent<O> {
    /// The transaction is over; its identity is not used again.
    Ended { id: TransactionId, owner: O },
    /// No final response will come.
    Failed { id: TransactionId, owner: O, trouble: Trouble },
    /// A response that is not a repetition, or a 2xx to an INVITE (which the owner tells apart).
    Response { id: TransactionId, owner: O, response: Box<Response> },
    /// Send this.
    Send { flow: Flow, bytes: Bytes },
}

/// The client transactions of one agent; `O` is whom their outcome concerns.
#[derive(Debug)]
pub(crate) struct Clients<O> {
    timing: Timing,
    by_id: HashMap<TransactionId, Client<O>>,
    by_key: HashMap<ClientKey, TransactionId>,
    timers: TimerQueue<(TransactionId, Timer)>,
    out: VecDeque<ClientEvent<O>>,
    actions: Actions,
    last: u64,
}

#[derive(Debug)]
struct Client<O> {
    owner: O,
    machine: Machine,
    key: ClientKey,
    flow: Flow,
    /// The request, later the ACK to a failure, as sent.
    bytes: Bytes,
    /// What ACK and CANCEL are made from; only INVITEs have it.
    invite: Option<Arc<Request>>,
}

#[derive(Debug)]
enum Machine {
    Invite(InviteClient),
    Other(OtherClient),
}

impl<O: Clone> Clients<O> {
    pub(crate) fn new(timing: Timing) -> Self {
        Self {
            timing,
            by_id: HashMap::new(),
            by_key: HashMap::new(),
            timers: TimerQueue::default(),
            out: VecDeque::new(),
            actions: Actions::new(),
            last: 0,
        }
    }

    /// Sends `request`, whose top `Via` carries `branch`, and looks after it from here on.
    pub(crate) fn begin(
        &mut self,
        now: Moment,
        request: &Arc<Request>,
        branch: &str,
        flow: Flow,
        owner: O,
    ) -> TransactionId {
        self.last += 1;
        let id = TransactionId(self.last);
        let is_invite = request.method == Method::INVITE;
        let client = Client {
            owner,
            machine: if is_invite {
                Machine::Invite(InviteClient::new())
            } else {
                Machine::Other(OtherClient::new())
            },
            key: ClientKey::new(branch, &request.method),
            flow,
            bytes: request.to_bytes(),
            invite: is_invite.then(|| Arc::clone(request)),
        };
        self.by_key.insert(client.key.clone(), id);
        self.by_id.insert(id, client);
        self.step(now, id, ClientInput::Begin, None);
        id
    }

    /// Takes a response; hands it back when no transaction waits for it.
    pub(crate) fn receive(&mut self, now: Moment, response: Box<Response>) -> Option<Box<Response>> {
        let id = ClientKey::of(&response).and_then(|key| self.by_key.get(&key).copied());
        let Some(id) = id else { return Some(response) };
        let status = response.status;
        let input = if status.is_provisional() {
            ClientInput::Provisional
        } else if status.is_success() {
            ClientInput::Success
        } else {
            ClientInput::Failure
        };
        self.step(now, id, input, Some(response));
        None
    }

    /// Tells the transactions that wait for something sent over a flow that it did not get through.
    pub(crate) fn broken(&mut self, now: Moment, concerns: impl Fn(&Flow) -> bool) {
        let mut ids: Vec<_> =
            self.by_id.iter().filter(|(_, client)| concerns(&client.flow)).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        for id in ids {
            self.step(now, id, ClientInput::Broken, None);
        }
    }

    /// Makes the CANCEL for a pending INVITE, with its branch, and says which way it goes
    /// (RFC 3261 section 9.1).
    pub(crate) fn cancel(&self, id: TransactionId) -> Option<(Request, Flow)> {
        let client = self.by_id.get(&id)?;
        Some((templates::cancel(client.invite.as_ref()?), client.flow))
    }

    /// Ends a transaction whatever it waits for.
    pub(crate) fn abandon(&mut self, id: TransactionId) {
        self.remove(id);
    }

    /// Lets every timer that is due fire.
    pub(crate) fn fire(&mut self, now: Moment) {
        while let Some((_, (id, timer))) = self.timers.due(now) {
            self.step(now, id, ClientInput::Fired(timer), None);
        }
    }

    pub(crate) fn poll(&mut self) -> Option<ClientEvent<O>> {
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

    fn step(&mut self, now: Moment, id: TransactionId, input: ClientInput, message: Option<Box<Response>>) {
        let Some(client) = self.by_id.get_mut(&id) else { return };
        let rules = Rules { timing: self.timing, reliability: client.flow.transport.reliability() };
        let mut actions = mem::take(&mut self.actions);
        match &mut client.machine {
            Machine::Invite(machine) => machine.step(input, &rules, &mut actions),
            Machine::Other(machine) => machine.step(input, &rules, &mut actions),
        }
        let mut message = message;
        for action in actions.drain(..) {
            self.perform(now, id, action, &mut message);
        }
        self.actions = actions;
    }

    fn perform(
        &mut self,
        now: Moment,
        id: TransactionId,
        action: Action,
        message: &mut Option<Box<Response>>,
    ) {
        match action {
            Action::Arm(timer, after) => self.timers.arm((id, timer), now + after),
            Action::Disarm(timer) => self.timers.disarm((id, timer)),
            Action::End => self.remove(id),
            Action::Send | Action::SendTrying => self.send(id),
            Action::SendAck => {
                if let Some(response) = message.as_deref() {
                    self.acknowledge(id, response);
                }
                self.send(id);
            }
            Action::Deliver => {
                if let (Some(client), Some(response)) = (self.by_id.get(&id), message.take()) {
                    let owner = client.owner.clone();
                    self.out.push_back(ClientEvent::Response { id, owner, response });
                }
            }
            Action::Fail(trouble) => {
                if let Some(client) = self.by_id.get(&id) {
                    let owner = client.owner.clone();
                    self.out.push_back(ClientEvent::Failed { id, owner, trouble });
                }
            }
        }
    }

    /// Replaces the request by the ACK; it is made once and repeated as it is.
    fn acknowledge(&mut self, id: TransactionId, response: &Response) {
        let Some(client) = self.by_id.get_mut(&id) else { return };
        if let Some(invite) = client.invite.take() {
            client.bytes = templates::ack(&invite, response).to_bytes();
        }
    }

    fn send(&mut self, id: TransactionId) {
        if let Some(client) = self.by_id.get(&id) {
            self.out.push_back(ClientEvent::Send { flow: client.flow, bytes: client.bytes.clone() });
        }
    }

    fn remove(&mut self, id: TransactionId) {
        let Some(client) = self.by_id.remove(&id) else { return };
        // A request that was sent again with the same branch would own the key by now.
        if self.by_key.get(&client.key) == Some(&id) {
            self.by_key.remove(&client.key);
        }
        for timer in [Timer::A, Timer::B, Timer::D, Timer::E, Timer::F, Timer::K, Timer::M] {
            self.timers.disarm((id, timer));
        }
        self.out.push_back(ClientEvent::Ended { id, owner: client.owner });
    }
}
