// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our re-INVITEs (RFC 3261 section 14.1).

use offhook_spi::Moment;

use super::api::{Ending, Event};
use super::ending::is_challenge;
use super::incoming::default_contact;
use super::send::{append, fill, replace};
use super::session::body_of;
use super::{Agent, Alarm};
use crate::invite::{Body, DialogId, Failure, Life, Outbound, Owed, Purpose, Reoffer, Stage, Usage, pause};
use crate::message::{Headers, Method, Request, Response, Status, name};
use crate::transaction::Flow;

/// After this many collisions a re-INVITE is given up: two ends that never agree would ask for ever.
const MAX_COLLISIONS: u8 = 8;

impl Agent {
    pub(super) fn reinvite(&mut self, now: Moment, usage: &mut Usage, headers: Headers, body: Option<Body>) {
        let call = usage.id;
        if usage.is_told {
            return;
        }
        if let Some(contact) = headers.get(name::CONTACT) {
            usage.contact = Some(contact.into());
        }
        let is_free = |reoffer: &Reoffer| reoffer.is_refresh && reoffer.stage == Stage::Waiting;
        let free =
            usage.main().filter(|it| it.life == Life::Confirmed && it.reoffer.as_deref().is_none_or(is_free));
        let Some(dialog) = free else {
            self.event(Event::ReofferAnswered { id: call, outcome: Err(Failure::Busy) });
            return;
        };
        dialog.reoffer = Some(Box::new(Reoffer::new(headers, body)));
        let id = dialog.id;
        self.try_reinvite(now, usage, id);
    }

    /// Sends the re-INVITE that waits, if no other INVITE of the dialog is under way.
    pub(super) fn try_reinvite(&mut self, now: Moment, usage: &mut Usage, id: DialogId) {
        let waits = usage.dialog(id).is_some_and(|it| {
            it.life == Life::Confirmed
                && it.open().admits_ours()
                && it.reoffer.as_ref().is_some_and(|reoffer| reoffer.stage == Stage::Waiting)
        });
        if waits {
            self.send_reinvite(now, usage, id, &Headers::new());
        }
    }

    fn send_reinvite(&mut self, now: Moment, usage: &mut Usage, id: DialogId, credentials: &Headers) {
        let contact = usage.contact.clone();
        let Some(dialog) = usage.dialog(id) else { return };
        let number = dialog.dialog.next_number();
        let mut request = dialog.dialog.request(&Method::INVITE, number);
        let contact = contact.unwrap_or_else(|| default_contact(&dialog.way.before));
        let Some(reoffer) = &mut dialog.reoffer else { return };
        reoffer.stage = Stage::Sent;
        append(&mut request.headers, &reoffer.headers);
        replace(&mut request.headers, credentials);
        if !request.headers.contains(name::CONTACT) {
            request.headers.push(name::CONTACT, contact);
        }
        if let Some(session) = &dialog.session {
            session.ask(&mut request.headers);
        }
        fill(&mut request.headers, &mut request.body, reoffer.body.clone());
        self.introduce(&mut request.headers, &Method::INVITE);
        self.send_within(now, usage, id, Outbound::Begin(request, Purpose::Reinvite));
    }

    /// What came of our re-INVITE.
    pub(super) fn on_reinvite_done(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        id: DialogId,
        outcome: Result<Box<Response>, Failure>,
    ) {
        match outcome {
            Ok(response) if response.status.is_provisional() => {}
            Ok(response) if response.status.is_success() => self.reinvite_answered(now, usage, id, response),
            Ok(response) => self.reinvite_refused(now, usage, id, response),
            Err(failure) => {
                let Some(dialog) = usage.dialog(id) else { return };
                if !dialog.reoffer.as_ref().is_some_and(|reoffer| reoffer.stage == Stage::Sent) {
                    return;
                }
                // Who does not answer has lost the call (section 12.2.1.2).
                let is_lost = matches!(failure, Failure::Timeout);
                self.reinvite_failed(now, usage, id, failure, is_lost);
            }
        }
    }

    fn reinvite_answered(&mut self, now: Moment, usage: &mut Usage, id: DialogId, response: Box<Response>) {
        let call = usage.id;
        let Ok(cseq) = response.headers.cseq() else { return };
        let Some(dialog) = usage.dialog(id) else { return };
        if let Some(ack) = dialog.ack.clone().filter(|ack| ack.number == cseq.seq) {
            self.transmit(ack.flow, ack.bytes);
            return;
        }
        if dialog.owed.as_ref().is_some_and(|owed| owed.number == cseq.seq) {
            return;
        }
        let sent = dialog.reoffer.take_if(|reoffer| reoffer.stage == Stage::Sent);
        let is_refresh = sent.as_ref().is_some_and(|reoffer| reoffer.is_refresh);
        let Some(request) = sent.and_then(|reoffer| reoffer.request) else {
            // The call ended meanwhile; the 2xx still wants its ACK.
            let none = Request::new(Method::INVITE, dialog.dialog.next_hop());
            self.acknowledge(now, usage, id, cseq.seq, &none, None);
            return;
        };
        dialog.dialog.refresh(&response.headers);
        dialog.described = body_of(&request);
        self.session_granted(now, call, dialog, &response);
        let Some(dialog) = usage.dialog(id) else { return };
        if request.body.is_empty() {
            dialog.owed = Some(Owed { number: cseq.seq, request });
        } else {
            self.acknowledge(now, usage, id, cseq.seq, &request, None);
        }
        if !is_refresh {
            self.event(Event::ReofferAnswered { id: call, outcome: Ok(response) });
        }
    }

    fn reinvite_refused(&mut self, now: Moment, usage: &mut Usage, id: DialogId, response: Box<Response>) {
        let call = usage.id;
        let Some(dialog) = usage.dialog(id) else { return };
        let caller = dialog.dialog.caller();
        let Some(reoffer) = dialog.reoffer.as_deref_mut() else { return };
        if reoffer.stage != Stage::Sent {
            return;
        }
        let status = response.status;
        if status == Status::REQUEST_PENDING && reoffer.collisions < MAX_COLLISIONS {
            reoffer.collisions += 1;
            reoffer.stage = Stage::Collided;
            let random = u64::from_be_bytes(self.tokens.bytes());
            self.alarms.arm(Alarm::Collision(call, id), now + pause(caller, random));
        } else if status == Status::SESSION_INTERVAL_TOO_SMALL
            && dialog.session.as_mut().is_some_and(|session| session.raise(&response.headers))
        {
            reoffer.stage = Stage::Waiting;
            self.try_reinvite(now, usage, id);
        } else if is_challenge(status) {
            reoffer.stage = Stage::Challenged;
            let uri = reoffer.request.as_ref().map(|request| request.uri.clone());
            let uri = uri.unwrap_or_else(|| dialog.dialog.next_hop());
            self.alarms.arm(Alarm::Reoffer(call, id), now + self.config.timing.transaction());
            self.event(Event::Challenged { id: call, method: Method::INVITE, uri, response });
        } else {
            // Section 12.2.1.2: these two end the dialog, all others leave it as it was.
            let is_lost =
                status == Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST || status == Status::REQUEST_TIMEOUT;
            self.reinvite_failed(now, usage, id, Failure::Refused(response), is_lost);
        }
    }

    fn reinvite_failed(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        id: DialogId,
        failure: Failure,
        is_lost: bool,
    ) {
        let call = usage.id;
        let reoffer = usage.dialog(id).and_then(|dialog| dialog.reoffer.take());
        if !reoffer.is_some_and(|reoffer| reoffer.is_refresh) {
            self.event(Event::ReofferAnswered { id: call, outcome: Err(failure) });
        }
        if is_lost {
            usage.why = Some(Ending::Lost);
            self.bye(now, usage, id, Headers::new());
        }
    }

    /// The pause after a collision is over.
    pub(super) fn pause_over(&mut self, now: Moment, usage: &mut Usage, id: DialogId) {
        if let Some(dialog) = usage.dialog(id)
            && let Some(reoffer) = &mut dialog.reoffer
            && reoffer.stage == Stage::Collided
        {
            reoffer.stage = Stage::Waiting;
            self.try_reinvite(now, usage, id);
        }
    }

    /// The owner brought no credentials.
    pub(super) fn reoffer_unmended(&mut self, now: Moment, usage: &mut Usage, id: DialogId) {
        let is_challenged = usage
            .dialog(id)
            .and_then(|dialog| dialog.reoffer.as_ref())
            .is_some_and(|reoffer| reoffer.stage == Stage::Challenged);
        if is_challenged {
            self.reinvite_failed(now, usage, id, Failure::Timeout, false);
        }
    }

    /// Sends again what was challenged or reached nobody.
    pub(super) fn retry(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        method: &Method,
        headers: &Headers,
        flow: Option<Flow>,
    ) {
        if *method == Method::BYE {
            self.retry_bye(now, usage, headers, flow);
            return;
        }
        if *method == Method::UPDATE {
            self.retry_update(now, usage, headers);
            return;
        }
        let call = usage.id;
        let Some(dialog) = usage.main() else {
            self.retry_invite(now, usage, headers, flow);
            return;
        };
        let id = dialog.id;
        let challenged = dialog.reoffer.as_ref().is_some_and(|it| it.stage == Stage::Challenged);
        if !challenged {
            return;
        }
        if flow.is_some() {
            dialog.way.flow = flow;
        }
        self.alarms.disarm(Alarm::Reoffer(call, id));
        if dialog.open().admits_ours() {
            self.send_reinvite(now, usage, id, headers);
        } else if let Some(reoffer) = &mut dialog.reoffer {
            // Another INVITE came in between; the credentials wait with the rest.
            replace(&mut reoffer.headers, headers);
            reoffer.stage = Stage::Waiting;
        }
    }

    /// Sends any other request of the owner inside the dialog of an answered call.
    pub(super) fn request_within(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        request_id: crate::invite::RequestId,
        method: &Method,
        headers: &Headers,
        body: Option<Body>,
    ) {
        let own = [Method::ACK, Method::BYE, Method::CANCEL, Method::INVITE].contains(method);
        let ready = usage.main().filter(|dialog| dialog.life == Life::Confirmed && !own);
        let Some(dialog) = ready else {
            self.event(Event::RequestDone { id: request_id, outcome: Err(Failure::Busy) });
            return;
        };
        let id = dialog.id;
        let number = dialog.dialog.next_number();
        let mut request = dialog.dialog.request(method, number);
        append(&mut request.headers, headers);
        fill(&mut request.headers, &mut request.body, body);
        self.introduce(&mut request.headers, method);
        self.send_within(now, usage, id, Outbound::Begin(request, Purpose::Plain(request_id)));
    }
}
