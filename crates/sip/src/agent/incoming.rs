// SPDX-License-Identifier: MIT OR Apache-2.0
//! An INVITE of theirs outside dialogs, until it is answered (RFC 3261 sections 9.2 and 13.3).

use std::sync::Arc;

use offhook_spi::Moment;

use super::api::{Ending, Event};
use super::send::{append, fill, unknown_way};
use super::{Agent, Alarm, Served};
use crate::dialog::{Dialog, DialogKey};
use crate::invite::{Body, DialogId, Due, Incoming, InviteId, Life, Queued, Repeat, Start, Usage};
use crate::message::{Headers, Request, Response, Status, name};
use crate::transaction::{Flow, Sent, TransactionId};

impl Agent {
    pub(super) fn on_invite(
        &mut self,
        now: Moment,
        transaction: TransactionId,
        request: &Arc<Request>,
        flow: Flow,
    ) {
        let limits = self.config.limits;
        if self.usages.len() >= limits.calls || self.unacknowledged >= limits.unacknowledged {
            let mut headers = Headers::new();
            headers.push(name::RETRY_AFTER, limits.retry_after_seconds.to_string());
            self.reply(now, transaction, request, Status::SERVICE_UNAVAILABLE, &headers);
            return;
        }
        if self.wants_reliability(request) {
            let mut headers = Headers::new();
            headers.push(name::REQUIRE, super::reliable::TAG);
            self.reply(now, transaction, request, Status::EXTENSION_REQUIRED, &headers);
            return;
        }
        if self.refuse_interval(now, transaction, request) {
            return;
        }
        let replaces = match self.replaced(request) {
            Ok(replaces) => replaces,
            Err(status) => {
                self.reply(now, transaction, request, status, &Headers::new());
                return;
            }
        };
        let tag: Box<str> = self.tokens.tag().into();
        // The dialog is made right away, so that a BYE can find it whenever it comes.
        let Some(dialog) = Dialog::server(request, &tag) else {
            self.reply(now, transaction, request, Status::BAD_REQUEST, &Headers::new());
            return;
        };
        self.last_incoming += 1;
        let id = InviteId::Incoming(self.last_incoming);
        let incoming = Incoming { request: Arc::clone(request), flow, tag, transaction, ringing: None };
        let mut usage = Usage::new(id, Start::Incoming(Box::new(incoming)), None);
        let key = dialog.key();
        let dialog = usage.add(dialog, Life::Early, unknown_way(flow));
        self.dialogs.insert(key, (id, dialog));
        self.served.insert(transaction, Served::Invite(id));
        self.usages.insert(id, Box::new(usage));
        self.event(Event::Incoming { id, request: Box::new(Request::clone(request)), flow, replaces });
    }

    /// The call that an INVITE takes the place of, or how to refuse the INVITE (RFC 3891 section 3). Their `To`
    /// is our side.
    fn replaced(&self, request: &Request) -> Result<Option<InviteId>, Status> {
        if !self.config.supported.iter().any(|tag| tag == "replaces") {
            return Ok(None);
        }
        let Some(named) = request.headers.replaces().map_err(|_| Status::BAD_REQUEST)? else {
            return Ok(None);
        };
        let key = DialogKey::new(&named.call_id, &named.to_tag, &named.from_tag);
        let gone = Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let (call, dialog) = self.dialogs.get(&key).copied().ok_or(gone)?;
        let life = self.usages.get(&call).and_then(|usage| usage.find(dialog)).map(|dialog| dialog.life);
        match (life.ok_or(gone)?, call) {
            (Life::Confirmed, _) if named.early_only => Err(Status::BUSY_HERE),
            (Life::Confirmed, _) | (Life::Early, InviteId::Outgoing(_)) => Ok(Some(call)),
            // Only whoever has called may be replaced before it is answered.
            (Life::Early, InviteId::Incoming(_)) => Err(gone),
            (Life::Ending, _) => Err(Status::DECLINE),
        }
    }

    pub(super) fn answer(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        status: Status,
        headers: &Headers,
        body: Option<Body>,
    ) {
        let contact = headers.get(name::CONTACT).map(Box::from).or_else(|| usage.contact.take());
        usage.contact = contact.clone();
        let id = usage.id;
        let Some(incoming) = usage.incoming() else { return };
        if !(status.is_provisional() && status != Status::TRYING || status.is_success()) {
            return;
        }
        let request = Arc::clone(&incoming.request);
        let (transaction, flow) = (incoming.transaction, incoming.flow);
        let tag = incoming.tag.clone();
        if let Some(reliable) = usage.dialogs.first_mut().and_then(|dialog| dialog.reliable.as_mut())
            && reliable.holds_back(status)
        {
            reliable.wait(Queued { status, headers: headers.clone(), body });
            return;
        }
        if status.is_provisional() {
            self.answer_early(now, usage, &request, (status, tag), (headers, contact, body));
            return;
        }
        let described = body.clone();
        let mut response = self.dialog_response(&request, status, &tag, headers, contact, body, flow);
        let Some(dialog) = usage.dialogs.first_mut() else { return };
        self.answer_session(now, id, dialog, &request, &mut response);
        let Some(sent) = self.servers.respond(now, transaction, &response) else { return };
        self.alarms.disarm(Alarm::Reliable(id));
        self.alarms.disarm(Alarm::Ringing(id));
        self.served.remove(&transaction);
        usage.start = Start::Over;
        dialog.life = Life::Confirmed;
        dialog.described = described;
        if let Some(reliable) = &mut dialog.reliable {
            reliable.finish();
        }
        let dialog = dialog.id;
        usage.answered = Some(dialog);
        self.wait_for_ack(now, usage, dialog, &request, sent);
    }

    /// Answers provisionally, so that it is acknowledged where both ends can do that.
    fn answer_early(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        request: &Request,
        (status, tag): (Status, Box<str>),
        (headers, contact, body): (&Headers, Option<Box<str>>, Option<Body>),
    ) {
        let id = usage.id;
        let is_reliable = self.is_reliable(request, body.as_ref());
        let mut headers = headers.clone();
        if is_reliable {
            self.number_response(usage, request, &mut headers);
        }
        let has_body = body.is_some();
        let Some(incoming) = usage.incoming() else { return };
        let (transaction, flow) = (incoming.transaction, incoming.flow);
        let response = self.dialog_response(request, status, &tag, &headers, contact, body, flow);
        let Some(sent) = self.servers.respond(now, transaction, &response) else { return };
        incoming.ringing = Some(sent.clone());
        self.alarms.arm(Alarm::Ringing(id), now + self.config.timing.ringing);
        if is_reliable {
            self.wait_for_prack(now, usage, sent, has_body);
        }
    }

    /// A response that makes or refreshes a dialog: with `Record-Route` and `Contact` (section 12.1.1).
    #[expect(clippy::too_many_arguments, reason = "the parts of a response, from three owners")]
    pub(super) fn dialog_response(
        &self,
        request: &Request,
        status: Status,
        tag: &str,
        headers: &Headers,
        contact: Option<Box<str>>,
        body: Option<Body>,
        flow: Flow,
    ) -> Response {
        let mut response = self.response(request, status, tag, &Headers::new());
        for row in request.headers.all(name::RECORD_ROUTE) {
            response.headers.push(name::RECORD_ROUTE, row);
        }
        append(&mut response.headers, headers);
        if !response.headers.contains(name::CONTACT) {
            let contact = contact.unwrap_or_else(|| default_contact(&flow));
            response.headers.push(name::CONTACT, contact);
        }
        if status.is_success() {
            self.introduce(&mut response.headers, &request.method);
        }
        fill(&mut response.headers, &mut response.body, body);
        response
    }

    /// Repeats a 2xx until its ACK comes (section 13.3.1.4).
    pub(super) fn wait_for_ack(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        dialog: DialogId,
        request: &Request,
        sent: Sent,
    ) {
        let id = usage.id;
        let Some(dialog) = usage.dialog(dialog) else { return };
        let Ok(cseq) = request.headers.cseq() else { return };
        let repeat = Repeat::new(now, cseq.seq, sent, &self.config.timing);
        self.alarms.arm(Alarm::Repeat(id, dialog.id), repeat.first(now));
        dialog.repeat = Some(repeat);
        self.unacknowledged += 1;
    }

    /// The moment to send a 2xx again, or to end the call for want of its ACK.
    pub(super) fn repeat(&mut self, now: Moment, usage: &mut Usage, id: DialogId) {
        let call = usage.id;
        let Some(dialog) = usage.dialog(id) else { return };
        let Some(repeat) = &mut dialog.repeat else { return };
        match repeat.due(now, &self.config.timing) {
            Due::Again(next) => {
                let Sent { flow, bytes } = repeat.sent.clone();
                self.transmit(flow, bytes);
                self.alarms.arm(Alarm::Repeat(call, id), next);
            }
            Due::GiveUp => {
                let wanted = self.stop_repeating(call, dialog);
                if wanted.is_none() {
                    usage.why = Some(Ending::NoAck);
                }
                self.bye(now, usage, id, wanted.unwrap_or_default());
            }
        }
    }

    /// Our provisional response once more, so that proxies do not give up (section 13.3.1.1).
    pub(super) fn ring_again(&mut self, now: Moment, usage: &mut Usage) {
        let id = usage.id;
        let Some(incoming) = usage.incoming() else { return };
        let Some(Sent { flow, bytes }) = incoming.ringing.clone() else { return };
        self.transmit(flow, bytes);
        self.alarms.arm(Alarm::Ringing(id), now + self.config.timing.ringing);
    }

    pub(super) fn reject(&mut self, now: Moment, usage: &mut Usage, status: Status, headers: &Headers) {
        if status.is_final() && !status.is_success() {
            self.refuse(now, usage, status, headers, Ending::Rejected);
        }
    }

    /// Answers the INVITE with a failure, which ends the call.
    pub(super) fn refuse(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        status: Status,
        headers: &Headers,
        why: Ending,
    ) {
        let Some(incoming) = usage.incoming() else { return };
        let response = self.response(&incoming.request, status, &incoming.tag, headers);
        let transaction = incoming.transaction;
        self.servers.respond(now, transaction, &response);
        self.served.remove(&transaction);
        self.alarms.disarm(Alarm::Ringing(usage.id));
        usage.start = Start::Over;
        self.drop_early(usage);
        self.tell_end(usage, why);
    }

    /// A CANCEL: 200 for itself, 487 for the INVITE if that is still open (section 9.2).
    pub(super) fn on_cancel(&mut self, now: Moment, id: TransactionId, request: &Arc<Request>) {
        let Some(invite) = self.servers.cancelled(request) else {
            self.reply(now, id, request, Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &Headers::new());
            return;
        };
        match self.served.get(&invite) {
            Some(&Served::Invite(call)) => self.with(call, |agent, usage| {
                let Some(incoming) = usage.incoming() else { return };
                // Both answers carry the same tag (section 9.2).
                let tag = incoming.tag.clone();
                let response = agent.response(request, Status::OK, &tag, &Headers::new());
                agent.servers.respond(now, id, &response);
                let why = Ending::Cancelled(Box::new(Request::clone(request)));
                agent.refuse(now, usage, Status::REQUEST_TERMINATED, &Headers::new(), why);
            }),
            Some(&Served::Reinvite(call, dialog)) => {
                self.reply(now, id, request, Status::OK, &Headers::new());
                self.with(call, |agent, usage| agent.withdraw_reoffer(now, usage, dialog));
            }
            Some(Served::Request(_)) | None => {
                self.reply(now, id, request, Status::OK, &Headers::new());
            }
        }
    }
}

/// Where we can be reached when the owner does not say.
pub(super) fn default_contact(flow: &Flow) -> Box<str> {
    let transport = flow.transport.via().as_str().to_ascii_lowercase();
    format!("<sip:{};transport={transport}>", flow.local).into()
}
