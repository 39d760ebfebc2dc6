// SPDX-License-Identifier: MIT OR Apache-2.0
//! An INVITE of ours outside dialogs, with all its answers (RFC 3261 sections 9.1 and 13.2).

use std::sync::Arc;

use offhook_spi::Moment;

use super::api::{Event, NextHop};
use super::send::{append, fill, replace, unknown_way};
use super::session::body_of;
use super::{Agent, Alarm, Owner};
use crate::dialog::{Dialog, hop_of};
use crate::invite::{
    Body, CallStage, Cancel, DialogId, Failure, InviteId, LONGEST_SESSION, Life, Outbound, Outgoing, Owed,
    Start, Usage, Way,
};
use crate::message::{Headers, Method, Request, Response, Status, name};
use crate::transaction::{Flow, TransactionId};

impl Agent {
    pub(super) fn invite(&mut self, now: Moment, id: InviteId, mut request: Request, flow: Flow) {
        if self.usages.contains_key(&id) {
            return;
        }
        let ours = matches!(id, InviteId::Outgoing(_)) && request.method == Method::INVITE;
        if !ours || self.usages.len() >= self.config.limits.calls {
            self.event(Event::Failed { id, failure: Failure::Busy });
            return;
        }
        self.complete(&mut request);
        if !request.body.is_empty() && self.knows_reliability() {
            // An INVITE that asks for an offer does not want it in a response that must be acknowledged: the
            // answer would have to go with the PRACK, and the owner gives it with the ACK.
            request.headers.set(name::SUPPORTED, self.config.supported.join(", "));
        }
        if let Some(policy) = self.config.session {
            policy.ask(&mut request.headers);
        }
        let contact = request.headers.get(name::CONTACT).map(Box::from);
        let (transaction, request) = self.launch(now, request, flow, Owner::Invite(id));
        let outgoing = Outgoing {
            request,
            flow,
            stage: CallStage::Calling,
            cancel: Cancel::No,
            transaction: Some(transaction),
            raised: 0,
        };
        let usage = Usage::new(id, Start::Outgoing(Box::new(outgoing)), contact);
        self.usages.insert(id, Box::new(usage));
    }

    pub(super) fn on_response(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        transaction: TransactionId,
        response: Box<Response>,
    ) {
        let Some(outgoing) = usage.outgoing() else { return };
        let status = response.status;
        let is_superseded = outgoing.transaction.is_some_and(|current| current != transaction);
        if status.is_success() {
            self.on_success(now, usage, response, is_superseded);
        } else if outgoing.transaction != Some(transaction) || matches!(outgoing.stage, CallStage::Done) {
            // An INVITE that was sent once more says nothing more about the call.
        } else if status.is_provisional() {
            self.on_provisional(now, usage, response);
        } else {
            self.on_failure(now, usage, response);
        }
    }

    fn on_provisional(&mut self, now: Moment, usage: &mut Usage, response: Box<Response>) {
        let Some(outgoing) = usage.outgoing() else { return };
        outgoing.stage = CallStage::Proceeding;
        if !matches!(outgoing.cancel, Cancel::No) {
            self.send_cancel(now, usage);
            return;
        }
        let has_tag = response.headers.to().is_ok_and(|to| to.tag().is_some());
        let dialog = if has_tag && response.status != Status::TRYING {
            self.client_dialog(usage, &response)
        } else {
            None
        };
        if self.hear_provisional(now, usage, dialog, &response) {
            self.event(Event::Progress { id: usage.id, dialog, response });
        }
    }

    /// Finds the dialog of a response or makes it; each tag makes one (section 13.2.2.1).
    fn client_dialog(&mut self, usage: &mut Usage, response: &Response) -> Option<DialogId> {
        let to = response.headers.to().ok()?;
        let tag = to.tag().unwrap_or_default();
        if let Some(dialog) = usage.by_tag(tag) {
            dialog.dialog.confirm(response);
            return Some(dialog.id);
        }
        if usage.dialogs.len() >= MAX_DIALOGS {
            return None;
        }
        let outgoing = usage.outgoing()?;
        let dialog = Dialog::client(&outgoing.request, response)?;
        let way = first_way(outgoing, self.config.next_hop);
        let key = dialog.key();
        let id = usage.add(dialog, Life::Early, way);
        self.dialogs.insert(key, (usage.id, id));
        Some(id)
    }

    /// A 2xx; one to an INVITE that was sent once more is only acknowledged and released.
    fn on_success(&mut self, now: Moment, usage: &mut Usage, response: Box<Response>, is_superseded: bool) {
        let Ok(number) = response.headers.cseq().map(|cseq| cseq.seq) else { return };
        let tag = response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        if let Some(dialog) = usage.by_tag(&tag)
            && dialog.life != Life::Early
        {
            if let Some(ack) = dialog.ack.clone().filter(|ack| ack.number == number) {
                self.transmit(ack.flow, ack.bytes);
            }
            return;
        }
        let Some(id) = self.client_dialog(usage, &response) else { return };
        let (request, is_wanted) = match usage.outgoing() {
            Some(outgoing) => {
                if !is_superseded {
                    outgoing.stage = CallStage::Done;
                }
                (Arc::clone(&outgoing.request), matches!(outgoing.cancel, Cancel::No))
            }
            None => return,
        };
        let Some(dialog) = usage.dialog(id) else { return };
        dialog.life = Life::Confirmed;
        dialog.dialog.used_number(number);
        if is_superseded {
            self.acknowledge(now, usage, id, number, &request, None);
            self.bye(now, usage, id, Headers::new());
            return;
        }
        if let Some(transaction) = usage.outgoing().and_then(|outgoing| outgoing.transaction) {
            self.alarms.disarm(Alarm::Abandon(transaction));
        }
        self.alarms.disarm(Alarm::Parked(usage.id));
        if usage.answered.is_some() || usage.is_told || !is_wanted {
            // Another branch was faster, or the call is not wanted any more: acknowledge and release
            // (sections 9.1 and 13.2.2.4).
            self.acknowledge(now, usage, id, number, &request, None);
            self.bye(now, usage, id, Headers::new());
            if !usage.is_told && usage.answered.is_none() {
                self.fail(usage, Failure::Cancelled(Some(response)));
            }
            return;
        }
        usage.answered = Some(id);
        let call = usage.id;
        if let Some(dialog) = usage.dialog(id) {
            dialog.described = body_of(&request);
            self.session_granted(now, call, dialog, &response);
        }
        if request.body.is_empty() {
            if let Some(dialog) = usage.dialog(id) {
                dialog.owed = Some(Owed { number, request });
            }
        } else {
            self.acknowledge(now, usage, id, number, &request, None);
        }
        self.event(Event::Answered { id: usage.id, dialog: id, response });
    }

    fn on_failure(&mut self, now: Moment, usage: &mut Usage, response: Box<Response>) {
        self.drop_early(usage);
        let Some(outgoing) = usage.outgoing() else { return };
        let status = response.status;
        if !matches!(outgoing.cancel, Cancel::No) {
            self.fail(usage, Failure::Cancelled(Some(response)));
        } else if status == Status::UNAUTHORIZED || status == Status::PROXY_AUTHENTICATION_REQUIRED {
            let uri = outgoing.request.uri.clone();
            outgoing.stage = CallStage::Parked(Failure::Refused(response.clone()));
            self.park(now, usage.id);
            self.event(Event::Challenged { id: usage.id, method: Method::INVITE, uri, response });
        } else if status == Status::SESSION_INTERVAL_TOO_SMALL && outgoing.raised < MAX_RAISES {
            self.ask_longer(now, usage, response);
        } else if status == Status::SERVICE_UNAVAILABLE {
            self.unreached(now, usage, Failure::Refused(response));
        } else if status.is_redirect() {
            outgoing.stage = CallStage::Done;
            usage.is_told = true;
            self.event(Event::Redirected { id: usage.id, response });
        } else {
            self.fail(usage, Failure::Refused(response));
        }
    }

    /// A longer session interval is wanted: the same INVITE with that, or the end (RFC 4028 section 7.3).
    fn ask_longer(&mut self, now: Moment, usage: &mut Usage, response: Box<Response>) {
        let id = usage.id;
        let Some(outgoing) = usage.outgoing() else { return };
        let asked = outgoing.request.headers.session_expires().ok().flatten().map_or(0, |it| it.seconds);
        let least = response.headers.min_se().ok().flatten().unwrap_or_default();
        if self.config.session.is_none() || least <= asked || least > LONGEST_SESSION {
            self.fail(usage, Failure::Refused(response));
            return;
        }
        let mut request = Request::clone(&outgoing.request);
        request.headers.set(name::SESSION_EXPIRES, least.to_string());
        request.headers.set(name::MIN_SE, least.to_string());
        outgoing.raised += 1;
        raise_number(&mut request);
        let flow = outgoing.flow;
        request.headers.remove(name::VIA);
        let (transaction, request) = self.launch(now, request, flow, Owner::Invite(id));
        outgoing.transaction = Some(transaction);
        outgoing.request = request;
        outgoing.stage = CallStage::Calling;
    }

    /// Nobody answered, or nothing could be sent.
    pub(super) fn on_trouble(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        transaction: TransactionId,
        failure: Failure,
    ) {
        let Some(outgoing) = usage.outgoing() else { return };
        // After a final response only its ACK was lost, whether the INVITE was sent once more or not.
        let is_open = matches!(outgoing.stage, CallStage::Calling | CallStage::Proceeding);
        if !is_open || outgoing.transaction != Some(transaction) {
            return;
        }
        if matches!(outgoing.cancel, Cancel::No) {
            self.unreached(now, usage, failure);
        } else {
            self.fail(usage, Failure::Cancelled(None));
        }
    }

    fn unreached(&mut self, now: Moment, usage: &mut Usage, failure: Failure) {
        let Some(outgoing) = usage.outgoing() else { return };
        outgoing.stage = CallStage::Parked(failure.clone());
        self.park(now, usage.id);
        self.event(Event::Unreached { id: usage.id, failure });
    }

    fn park(&mut self, now: Moment, id: InviteId) {
        self.alarms.arm(Alarm::Parked(id), now + self.config.timing.transaction());
    }

    /// Tries a parked INVITE again: with credentials under the next number (section 22.1), by another way
    /// under the same (RFC 3263 section 4.3).
    pub(super) fn retry_invite(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        headers: &Headers,
        flow: Option<Flow>,
    ) {
        let id = usage.id;
        let Some(outgoing) = usage.outgoing() else { return };
        let CallStage::Parked(failure) = &outgoing.stage else { return };
        let mut request = Request::clone(&outgoing.request);
        if is_challenge(failure) {
            raise_number(&mut request);
        }
        request.headers.remove(name::VIA);
        replace(&mut request.headers, headers);
        let flow = flow.unwrap_or(outgoing.flow);
        let (transaction, request) = self.launch(now, request, flow, Owner::Invite(id));
        outgoing.transaction = Some(transaction);
        outgoing.request = request;
        outgoing.flow = flow;
        outgoing.stage = CallStage::Calling;
        self.alarms.disarm(Alarm::Parked(id));
    }

    /// The owner takes its INVITE back.
    pub(super) fn cancel(&mut self, now: Moment, usage: &mut Usage, headers: Headers) {
        let Some(outgoing) = usage.outgoing() else { return };
        if !matches!(outgoing.cancel, Cancel::No) {
            return;
        }
        match outgoing.stage {
            CallStage::Parked(_) => self.give_up(usage),
            CallStage::Done => {}
            CallStage::Calling => outgoing.cancel = Cancel::Wanted(headers),
            CallStage::Proceeding => {
                outgoing.cancel = Cancel::Wanted(headers);
                self.send_cancel(now, usage);
            }
        }
    }

    fn send_cancel(&mut self, now: Moment, usage: &mut Usage) {
        let Some(outgoing) = usage.outgoing() else { return };
        let Cancel::Wanted(headers) = std::mem::replace(&mut outgoing.cancel, Cancel::Sent) else { return };
        let Some(invite) = outgoing.transaction else { return };
        let Some((mut cancel, flow)) = self.clients.cancel(invite) else { return };
        append(&mut cancel.headers, &headers);
        let branch = cancel.headers.top_via().ok().and_then(|via| via.branch().map(str::to_owned));
        self.clients.begin(now, &Arc::new(cancel), &branch.unwrap_or_default(), flow, Owner::Cancel);
        // Without a final response by then the INVITE counts as cancelled (section 9.1).
        self.alarms.arm(Alarm::Abandon(invite), now + self.config.timing.transaction());
    }

    /// The owner does not go on with a parked INVITE.
    pub(super) fn give_up(&mut self, usage: &mut Usage) {
        let Some(outgoing) = usage.outgoing() else { return };
        let CallStage::Parked(failure) = &outgoing.stage else { return };
        let failure = failure.clone();
        self.fail(usage, failure);
    }

    /// The call came to nothing; its transaction may still absorb repetitions and late answers.
    pub(super) fn fail(&mut self, usage: &mut Usage, failure: Failure) {
        self.alarms.disarm(Alarm::Parked(usage.id));
        if let Some(outgoing) = usage.outgoing() {
            outgoing.stage = CallStage::Done;
            if outgoing.transaction.is_none() {
                usage.start = Start::Over;
            }
        }
        if !usage.is_told {
            usage.is_told = true;
            self.event(Event::Failed { id: usage.id, failure });
        }
    }

    pub(super) fn on_transaction_over(&mut self, usage: &mut Usage, transaction: TransactionId) {
        let Some(outgoing) = usage.outgoing() else { return };
        if outgoing.transaction != Some(transaction) {
            return;
        }
        outgoing.transaction = None;
        match outgoing.stage {
            CallStage::Parked(_) => {}
            CallStage::Done => {
                usage.start = Start::Over;
                // Branches that have not answered by now will not (section 13.2.2.4).
                self.drop_early(usage);
            }
            CallStage::Calling | CallStage::Proceeding => {
                self.drop_early(usage);
                self.fail(usage, Failure::Cancelled(None));
            }
        }
    }

    /// Sends the ACK to a 2xx, with the credentials of its INVITE (section 13.2.2.4).
    pub(super) fn acknowledge(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        dialog: DialogId,
        number: u32,
        invite: &Request,
        body: Option<Body>,
    ) {
        let Some(it) = usage.dialog(dialog) else { return };
        it.owed = None;
        let mut ack = it.dialog.request(&Method::ACK, number);
        for name in [name::AUTHORIZATION, name::PROXY_AUTHORIZATION] {
            for value in invite.headers.all(name) {
                ack.headers.push(name, value);
            }
        }
        fill(&mut ack.headers, &mut ack.body, body);
        self.send_within(now, usage, dialog, Outbound::Ack(ack));
    }

    pub(super) fn ack_with(&mut self, now: Moment, usage: &mut Usage, body: Option<Body>) {
        let Some(dialog) = usage.main() else { return };
        let id = dialog.id;
        let Some(owed) = dialog.owed.take() else { return };
        dialog.described.clone_from(&body);
        self.acknowledge(now, usage, id, owed.number, &owed.request, body);
        self.try_reinvite(now, usage, id);
    }
}

/// The same request under the next number.
fn raise_number(request: &mut Request) {
    if let Ok(cseq) = request.headers.cseq() {
        let number = cseq.seq.saturating_add(1);
        request.headers.set(name::CSEQ, format!("{number} INVITE"));
    }
}

/// A longer session interval is not asked for more often than this.
const MAX_RAISES: u8 = 3;

/// More early dialogs than this one INVITE does not get.
const MAX_DIALOGS: usize = 64;

/// The way of the first request in a dialog, known if it has the same next hop as the INVITE.
fn first_way(outgoing: &Outgoing, next_hop: NextHop) -> Way {
    let request = &outgoing.request;
    let routes = request.headers.routes().unwrap_or_default();
    let hop = hop_of(routes.first().map_or(&request.uri, |route| &route.uri));
    let mut way = unknown_way(outgoing.flow);
    if next_hop == NextHop::Target {
        way.hop = hop;
        way.flow = Some(outgoing.flow);
    }
    way
}

fn is_challenge(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(response)
        if response.status == Status::UNAUTHORIZED || response.status == Status::PROXY_AUTHENTICATION_REQUIRED)
}
