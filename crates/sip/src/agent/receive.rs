// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sorts what comes in: responses to their transactions, requests to calls, dialogs and the owner
//! (RFC 3261 section 8.2).

use std::sync::Arc;

use offhook_spi::Moment;

use super::api::{Event, ServerRequestId};
use super::send::fill;
use super::{Agent, Owner, Served};
use crate::dialog::DialogKey;
use crate::invite::{Body, Failure, InviteId, RequestId};
use crate::message::{Headers, Message, Method, Request, Response, Status, name};
use crate::transaction::{Flow, Received, TransactionId};

impl Agent {
    pub(super) fn receive(&mut self, now: Moment, flow: Flow, message: Message) {
        match message {
            Message::Request(request) => self.receive_request(now, flow, request),
            Message::Response(response) => {
                if let Some(stray) = self.clients.receive(now, Box::new(response)) {
                    self.stray(&stray);
                }
            }
        }
    }

    fn receive_request(&mut self, now: Moment, flow: Flow, mut request: Request) {
        // Without a Via nobody could be answered.
        let Some((reply, fallback)) = self.receive_via(&mut request, &flow) else { return };
        if !is_sound(&request) {
            self.reply_statelessly(&request, Status::BAD_REQUEST, reply);
            return;
        }
        let request = Arc::new(request);
        match self.servers.receive(now, &request, flow.remote.ip(), reply, fallback) {
            Received::Absorbed => {}
            Received::Ack => self.on_ack(now, &request),
            Received::Merged(id) => {
                self.reply(now, id, &request, Status::LOOP_DETECTED, &Headers::new());
            }
            Received::New(id) => self.dispatch(now, id, &request, flow),
            Received::Overload => {
                self.reply_statelessly(&request, Status::SERVICE_UNAVAILABLE, reply);
            }
        }
    }

    fn dispatch(&mut self, now: Moment, id: TransactionId, request: &Arc<Request>, flow: Flow) {
        if request.method == Method::CANCEL {
            self.on_cancel(now, id, request);
            return;
        }
        if let Some(unsupported) = self.unsupported(request) {
            // Section 8.2.2.3.
            let mut headers = Headers::new();
            headers.push(name::UNSUPPORTED, unsupported);
            self.reply(now, id, request, Status::BAD_EXTENSION, &headers);
            return;
        }
        if request.headers.to().is_ok_and(|to| to.tag().is_some()) {
            self.dispatch_within(now, id, request, flow);
        } else if request.method == Method::INVITE {
            self.on_invite(now, id, request, flow);
        } else if !self.config.allow.contains(&request.method) {
            self.refuse_method(now, id, request);
        } else if needs_dialog(&request.method) {
            self.reply(now, id, request, Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &Headers::new());
        } else {
            self.hand_over(id, None, request, flow);
        }
    }

    fn dispatch_within(&mut self, now: Moment, id: TransactionId, request: &Arc<Request>, flow: Flow) {
        let place = DialogKey::of(request).and_then(|key| self.dialogs.get(&key).copied());
        match place {
            Some((call, dialog)) => self.with(call, |agent, usage| {
                agent.on_request_within(now, usage, dialog, id, request, flow);
            }),
            // It may belong to a subscription of the owner, which made its dialog (RFC 6665 section 4.1.2.4).
            None if request.method == Method::NOTIFY && self.config.allow.contains(&Method::NOTIFY) => {
                self.hand_over(id, None, request, flow);
            }
            None => {
                self.reply(now, id, request, Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &Headers::new());
            }
        }
    }

    /// Lets the owner answer.
    pub(super) fn hand_over(
        &mut self,
        id: TransactionId,
        invite: Option<InviteId>,
        request: &Arc<Request>,
        flow: Flow,
    ) {
        self.served.insert(id, Served::Request(Arc::clone(request)));
        let request = Box::new(Request::clone(request));
        self.event(Event::IncomingRequest { id: ServerRequestId(id.0), invite, request, flow });
    }

    /// 405 with `Allow` (section 8.2.1).
    pub(super) fn refuse_method(&mut self, now: Moment, id: TransactionId, request: &Request) {
        let mut headers = Headers::new();
        headers.push(name::ALLOW, self.allow.clone());
        self.reply(now, id, request, Status::METHOD_NOT_ALLOWED, &headers);
    }

    pub(super) fn respond_to(
        &mut self,
        now: Moment,
        id: ServerRequestId,
        status: Status,
        headers: &Headers,
        body: Option<Body>,
    ) {
        let id = TransactionId(id.0);
        // A provisional answer to a non-INVITE request is not allowed (RFC 4320 section 4.1).
        if status.is_provisional() || !matches!(self.served.get(&id), Some(Served::Request(_))) {
            return;
        }
        let Some(Served::Request(request)) = self.served.remove(&id) else { return };
        let tag = self.tokens.tag();
        let mut response = self.response(&request, status, &tag, headers);
        if status.is_success() {
            self.introduce(&mut response.headers, &request.method);
        }
        fill(&mut response.headers, &mut response.body, body);
        self.servers.respond(now, id, &response);
    }

    pub(super) fn request(&mut self, now: Moment, id: RequestId, mut request: Request, flow: Flow) {
        // These three are no requests on their own.
        if [Method::ACK, Method::CANCEL, Method::INVITE].contains(&request.method) {
            self.event(Event::RequestDone { id, outcome: Err(Failure::Busy) });
            return;
        }
        self.complete(&mut request);
        self.launch(now, request, flow, Owner::Request(id));
    }

    /// A response without transaction: a late repetition of a 2xx wants its ACK again, since the far end may
    /// repeat longer than our transaction lives.
    fn stray(&mut self, response: &Response) {
        let headers = &response.headers;
        let (Ok(cseq), Ok(from), Ok(to), Ok(call)) =
            (headers.cseq(), headers.from(), headers.to(), headers.call_id())
        else {
            return;
        };
        if cseq.method != Method::INVITE || !response.status.is_success() {
            return;
        }
        let key = DialogKey::new(call, from.tag().unwrap_or_default(), to.tag().unwrap_or_default());
        let Some((id, dialog)) = self.dialogs.get(&key).copied() else { return };
        let ack = self.usages.get_mut(&id).and_then(|usage| usage.dialog(dialog)?.ack.clone());
        if let Some(ack) = ack
            && ack.number == cseq.seq
        {
            self.transmit(ack.flow, ack.bytes);
        }
    }

    /// The option tags in `Require` that we do not know.
    fn unsupported(&self, request: &Request) -> Option<String> {
        let unknown: Vec<_> = request
            .headers
            .option_tags(name::REQUIRE)
            .filter(|tag| !self.config.supported.iter().any(|known| known.eq_ignore_ascii_case(tag)))
            .collect();
        (!unknown.is_empty()).then(|| unknown.join(", "))
    }
}

/// Says whether a request has what every request has (section 8.1.1).
fn is_sound(request: &Request) -> bool {
    let headers = &request.headers;
    headers.cseq().is_ok_and(|cseq| cseq.method == request.method)
        && headers.from().is_ok()
        && headers.to().is_ok()
        && headers.call_id().is_ok()
}

/// Says whether a method means nothing outside a dialog.
fn needs_dialog(method: &Method) -> bool {
    [Method::BYE, Method::INFO, Method::PRACK, Method::UPDATE].contains(method)
}
