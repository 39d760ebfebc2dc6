// SPDX-License-Identifier: MIT OR Apache-2.0
//! Session timers (RFC 4028), and UPDATE, which refreshes and changes sessions (RFC 3311).

use std::sync::Arc;

use offhook_spi::Moment;

use super::api::{Ending, Event};
use super::ending::is_challenge;
use super::incoming::default_contact;
use super::send::replace;
use super::{Agent, Alarm};
use crate::invite::{
    Body, DialogId, Failure, InviteDialog, InviteId, Life, Outbound, Purpose, Reoffer, Session, Usage, pause,
};
use crate::message::{Headers, Method, ReasonValue, Request, Response, Status, name};
use crate::transaction::TransactionId;

impl Agent {
    /// Refuses a request whose interval is too short (section 9); says whether it did.
    pub(super) fn refuse_interval(&mut self, now: Moment, id: TransactionId, request: &Request) -> bool {
        let Some(min) = self.config.session.and_then(|policy| policy.refuses(&request.headers)) else {
            return false;
        };
        let mut headers = Headers::new();
        headers.push(name::MIN_SE, min.to_string());
        self.reply(now, id, request, Status::SESSION_INTERVAL_TOO_SMALL, &headers);
        true
    }

    /// Says in our 2xx how the session lives on, and sets its timer.
    pub(super) fn answer_session(
        &mut self,
        now: Moment,
        call: InviteId,
        dialog: &mut InviteDialog,
        request: &Request,
        response: &mut Response,
    ) {
        note_methods(dialog, &request.headers);
        if let Some(policy) = self.config.session {
            dialog.session = policy.answer(now, &request.headers, &mut response.headers);
            self.arm_session(now, call, dialog);
        }
    }

    /// A 2xx to a request of ours says how the session lives on.
    pub(super) fn session_granted(
        &mut self,
        now: Moment,
        call: InviteId,
        dialog: &mut InviteDialog,
        response: &Response,
    ) {
        note_methods(dialog, &response.headers);
        if self.config.session.is_some() {
            dialog.session = Session::granted(now, &response.headers);
            self.arm_session(now, call, dialog);
        }
    }

    fn arm_session(&mut self, now: Moment, call: InviteId, dialog: &InviteDialog) {
        let alarm = Alarm::Session(call, dialog.id);
        self.alarms.disarm(alarm);
        if let Some(session) = &dialog.session {
            self.alarms.arm(alarm, session.next(now));
        }
    }

    /// Half of the interval is over, or nearly all of it.
    pub(super) fn session_due(&mut self, now: Moment, usage: &mut Usage, id: DialogId) {
        let call = usage.id;
        let Some(dialog) = usage.dialog(id).filter(|dialog| dialog.life == Life::Confirmed) else { return };
        let Some(session) = &mut dialog.session else { return };
        if now < session.expires {
            session.is_asked = true;
            self.arm_session(now, call, dialog);
            self.refresh(now, usage, id);
            return;
        }
        // Section 10: whoever is not heard of any more has gone.
        usage.why = Some(Ending::Expired);
        let reason = ReasonValue {
            text: Some("session expired".to_owned()),
            ..ReasonValue::new("SIP", Status::REQUEST_TIMEOUT.code())
        };
        let mut headers = Headers::new();
        headers.push(name::REASON, reason.to_string());
        self.bye(now, usage, id, headers);
    }

    /// Refreshes a session: by UPDATE where the far end knows it, since that describes nothing anew (section
    /// 7.4), else by a re-INVITE that says what was said last.
    fn refresh(&mut self, now: Moment, usage: &mut Usage, id: DialogId) {
        let Some(dialog) = usage.dialog(id) else { return };
        if dialog.peer_updates {
            self.send_update(now, usage, id, &Headers::new());
        } else if dialog.reoffer.is_none() && dialog.described.is_some() {
            let body = dialog.described.clone();
            dialog.reoffer =
                Some(Box::new(Reoffer { is_refresh: true, ..Reoffer::new(Headers::new(), body) }));
            self.try_reinvite(now, usage, id);
        }
        // A re-INVITE that is under way refreshes as well.
    }

    fn send_update(&mut self, now: Moment, usage: &mut Usage, id: DialogId, credentials: &Headers) {
        let contact = usage.contact.clone();
        let Some(dialog) = usage.dialog(id) else { return };
        let number = dialog.dialog.next_number();
        let mut request = dialog.dialog.request(&Method::UPDATE, number);
        let contact = contact.unwrap_or_else(|| default_contact(&dialog.way.before));
        request.headers.push(name::CONTACT, contact);
        if let Some(session) = &dialog.session {
            session.ask(&mut request.headers);
        }
        replace(&mut request.headers, credentials);
        self.introduce(&mut request.headers, &Method::UPDATE);
        self.send_within(now, usage, id, Outbound::Begin(request, Purpose::Refresh));
    }

    /// The owner brings credentials for our UPDATE.
    pub(super) fn retry_update(&mut self, now: Moment, usage: &mut Usage, credentials: &Headers) {
        let id = usage.main().filter(|it| it.life == Life::Confirmed && it.session.is_some()).map(|it| it.id);
        if let Some(id) = id {
            self.send_update(now, usage, id, credentials);
        }
    }

    /// What came of our UPDATE. What is not said here leaves the timer to run out.
    pub(super) fn on_refresh_done(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        id: DialogId,
        outcome: Result<Box<Response>, Failure>,
    ) {
        let call = usage.id;
        let random = u64::from_be_bytes(self.tokens.bytes());
        let Some(dialog) = usage.dialog(id).filter(|dialog| dialog.life == Life::Confirmed) else { return };
        let response = match outcome {
            Ok(response) => response,
            Err(Failure::Timeout) => return self.lose(now, usage, id),
            Err(_) => return,
        };
        let status = response.status;
        if status.is_success() {
            dialog.dialog.refresh(&response.headers);
            self.session_granted(now, call, dialog, &response);
        } else if status == Status::SESSION_INTERVAL_TOO_SMALL {
            if dialog.session.as_mut().is_some_and(|session| session.raise(&response.headers)) {
                self.send_update(now, usage, id, &Headers::new());
            }
        } else if status == Status::METHOD_NOT_ALLOWED || status == Status::NOT_IMPLEMENTED {
            dialog.peer_updates = false;
            self.refresh(now, usage, id);
        } else if status == Status::REQUEST_PENDING || status == Status::SERVER_INTERNAL_ERROR {
            // RFC 3311 section 5.1: something else goes on; a little later again.
            let again = now + pause(dialog.dialog.caller(), random);
            if let Some(session) = dialog.session.as_mut().filter(|session| again < session.expires) {
                session.is_asked = false;
                self.alarms.arm(Alarm::Session(call, id), again);
            }
        } else if is_challenge(status) {
            let uri = dialog.dialog.request(&Method::UPDATE, 0).uri;
            self.event(Event::Challenged { id: call, method: Method::UPDATE, uri, response });
        } else if status == Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST || status == Status::REQUEST_TIMEOUT {
            self.lose(now, usage, id);
        }
    }

    /// The far end knows nothing of the call any more (RFC 3261 section 12.2.1.2).
    fn lose(&mut self, now: Moment, usage: &mut Usage, id: DialogId) {
        usage.why = Some(Ending::Lost);
        self.bye(now, usage, id, Headers::new());
    }

    /// An UPDATE of theirs that describes nothing: it refreshes (RFC 3311 section 5.2).
    pub(super) fn on_update(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        id: DialogId,
        transaction: TransactionId,
        request: &Arc<Request>,
    ) {
        let (call, contact) = (usage.id, usage.contact.clone());
        let Some(dialog) = usage.dialog(id) else { return };
        if dialog.life == Life::Ending {
            let gone = Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            self.reply(now, transaction, request, gone, &Headers::new());
            return;
        }
        dialog.dialog.refresh(&request.headers);
        let flow = dialog.way.before;
        let tag = dialog.dialog.local_tag().to_owned();
        let contact = contact.or_else(|| Some(default_contact(&flow)));
        let mut response =
            self.dialog_response(request, Status::OK, &tag, &Headers::new(), contact, None, flow);
        if dialog.life == Life::Confirmed {
            self.answer_session(now, call, dialog, request, &mut response);
        }
        self.servers.respond(now, transaction, &response);
    }
}

/// Notes whether the far end knows UPDATE, if it says what it knows.
fn note_methods(dialog: &mut InviteDialog, headers: &Headers) {
    if headers.contains(name::ALLOW) {
        dialog.peer_updates = headers.lists(name::ALLOW, "UPDATE");
    }
}

/// The description in a request, as a body that can be sent again.
pub(super) fn body_of(request: &Request) -> Option<Body> {
    let kind = request.headers.get(name::CONTENT_TYPE)?.into();
    (!request.body.is_empty()).then(|| Body { kind, bytes: request.body.clone() })
}
