// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes inside dialogs: ACK, BYE, re-INVITE, and requests for the owner (RFC 3261 sections 12.2.2
//! and 14.2); and the responses to ours.

use std::sync::Arc;

use offhook_spi::Moment;

use super::api::{Event, NextHop};
use super::incoming::default_contact;
use super::{Agent, Served};
use crate::dialog::DialogKey;
use crate::invite::{Body, DialogId, Failure, InviteId, Life, Open, Purpose, Reoffered, Usage, Verdict};
use crate::message::{Headers, Method, Request, Response, Status, name};
use crate::transaction::{Flow, TransactionId};

impl Agent {
    pub(super) fn on_request_within(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        id: DialogId,
        transaction: TransactionId,
        request: &Arc<Request>,
        flow: Flow,
    ) {
        let by_flow = self.config.next_hop == NextHop::Flow;
        let Some(dialog) = usage.dialog(id) else { return };
        let Ok(cseq) = request.headers.cseq() else { return };
        if dialog.dialog.take_number(cseq.seq).is_err() {
            self.reply(now, transaction, request, Status::SERVER_INTERNAL_ERROR, &Headers::new());
            return;
        }
        if by_flow && !dialog.dialog.is_routed() {
            dialog.way.before = flow;
            dialog.way.flow = Some(flow);
        }
        if request.method == Method::BYE {
            self.on_bye(now, usage, id, transaction, request);
        } else if request.method == Method::PRACK {
            self.on_prack(now, usage, id, transaction, request);
        } else if request.method == Method::UPDATE && request.body.is_empty() {
            if !self.refuse_interval(now, transaction, request) {
                self.on_update(now, usage, id, transaction, request);
            }
        } else if request.method == Method::INVITE || request.method == Method::UPDATE {
            if !self.refuse_interval(now, transaction, request) {
                self.on_reinvite(now, usage, id, transaction, request);
            }
        } else if self.config.allow.contains(&request.method) {
            let call = usage.id;
            self.hand_over(transaction, Some(call), request, flow);
        } else {
            self.refuse_method(now, transaction, request);
        }
    }

    /// A re-INVITE, or an UPDATE with an offer, which is judged alike (RFC 3311 section 5.2).
    fn on_reinvite(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        id: DialogId,
        transaction: TransactionId,
        request: &Arc<Request>,
    ) {
        let call = usage.id;
        let Some(dialog) = usage.dialog(id) else { return };
        let verdict = match (dialog.life, call) {
            (Life::Ending, _) => {
                let gone = Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
                self.reply(now, transaction, request, gone, &Headers::new());
                return;
            }
            (Life::Confirmed, _) => dialog.open().judge(),
            // The first INVITE is not answered yet, theirs or ours.
            (Life::Early, InviteId::Incoming(_)) => Open { theirs: true, ..Open::default() }.judge(),
            (Life::Early, InviteId::Outgoing(_)) => Open { ours: true, ..Open::default() }.judge(),
        };
        match verdict {
            Verdict::Accept => {
                dialog.reoffered = Some(Reoffered { request: Arc::clone(request), transaction });
                self.served.insert(transaction, Served::Reinvite(call, id));
                self.event(Event::Reoffered { id: call, request: Box::new(Request::clone(request)) });
            }
            Verdict::Collision => {
                self.reply(now, transaction, request, Status::REQUEST_PENDING, &Headers::new());
            }
            Verdict::Overlap => {
                // A random time up to 10 s (section 14.2).
                let [random] = self.tokens.bytes();
                let mut headers = Headers::new();
                headers.push(name::RETRY_AFTER, (random % 11).to_string());
                self.reply(now, transaction, request, Status::SERVER_INTERNAL_ERROR, &headers);
            }
        }
    }

    pub(super) fn answer_reinvite(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        headers: &Headers,
        body: Option<Body>,
    ) {
        let contact = headers.get(name::CONTACT).map(Box::from).or_else(|| usage.contact.take());
        usage.contact = contact.clone();
        let call = usage.id;
        let Some(dialog) = usage.main() else { return };
        let id = dialog.id;
        let Some(Reoffered { request, transaction }) = dialog.reoffered.take() else { return };
        dialog.dialog.refresh(&request.headers);
        let flow = dialog.way.before;
        let tag = dialog.dialog.local_tag().to_owned();
        let contact = contact.or_else(|| Some(default_contact(&flow)));
        dialog.described.clone_from(&body);
        let mut response = self.dialog_response(&request, Status::OK, &tag, headers, contact, body, flow);
        self.answer_session(now, call, dialog, &request, &mut response);
        self.served.remove(&transaction);
        if request.method == Method::UPDATE {
            // Not acknowledged, and not repeated.
            self.servers.respond(now, transaction, &response);
            self.try_reinvite(now, usage, id);
            return;
        }
        let Some(sent) = self.servers.respond(now, transaction, &response) else { return };
        self.wait_for_ack(now, usage, id, &request, sent);
    }

    pub(super) fn reject_reinvite(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        status: Status,
        headers: &Headers,
    ) {
        if !status.is_final() || status.is_success() {
            return;
        }
        let Some(dialog) = usage.main() else { return };
        let id = dialog.id;
        let Some(Reoffered { request, transaction }) = dialog.reoffered.take() else { return };
        self.served.remove(&transaction);
        self.reply(now, transaction, &request, status, headers);
        self.try_reinvite(now, usage, id);
    }

    /// They took their re-INVITE back.
    pub(super) fn withdraw_reoffer(&mut self, now: Moment, usage: &mut Usage, id: DialogId) {
        let Some(dialog) = usage.dialog(id) else { return };
        let Some(Reoffered { request, transaction }) = dialog.reoffered.take() else { return };
        self.served.remove(&transaction);
        self.reply(now, transaction, &request, Status::REQUEST_TERMINATED, &Headers::new());
        self.event(Event::ReofferWithdrawn { id: usage.id });
        self.try_reinvite(now, usage, id);
    }

    /// An ACK that no refusal waits for: it belongs to a 2xx, found by dialog and number (section 13.3.1.4).
    pub(super) fn on_ack(&mut self, now: Moment, request: &Arc<Request>) {
        let place = DialogKey::of(request).and_then(|key| self.dialogs.get(&key).copied());
        let (Some((call, id)), Ok(cseq)) = (place, request.headers.cseq()) else { return };
        self.with(call, |agent, usage| {
            let Some(dialog) = usage.dialog(id) else { return };
            if dialog.repeat.as_ref().is_none_or(|repeat| repeat.number != cseq.seq) {
                return;
            }
            let wanted = agent.stop_repeating(call, dialog);
            agent.event(Event::Acked { id: call, request: Box::new(Request::clone(request)) });
            match wanted {
                Some(headers) => agent.bye(now, usage, id, headers),
                None => agent.try_reinvite(now, usage, id),
            }
        });
    }

    /// What came of a request of ours inside a dialog.
    pub(super) fn on_response_within(
        &mut self,
        now: Moment,
        call: InviteId,
        id: DialogId,
        purpose: Purpose,
        outcome: Result<Box<Response>, Failure>,
    ) {
        match purpose {
            Purpose::Bye => {
                self.with(call, |agent, usage| agent.on_bye_done(now, usage, id, outcome));
            }
            // Their response is repeated until it is acknowledged; nothing else hangs on it.
            Purpose::Prack => {}
            Purpose::Refresh => {
                if outcome.as_ref().is_ok_and(|response| response.status.is_provisional()) {
                    return;
                }
                self.with(call, |agent, usage| agent.on_refresh_done(now, usage, id, outcome));
            }
            Purpose::Reinvite => {
                self.with(call, |agent, usage| agent.on_reinvite_done(now, usage, id, outcome));
            }
            Purpose::Plain(request) => {
                if outcome.as_ref().is_ok_and(|response| response.status.is_provisional()) {
                    return;
                }
                self.event(Event::RequestDone { id: request, outcome });
            }
        }
    }
}
