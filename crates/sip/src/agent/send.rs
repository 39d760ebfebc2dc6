// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that leaves: `Via` lines, tags, ways, and the headers that every message has.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use offhook_spi::Moment;

use super::api::{Event, NextHop, Output};
use super::{Agent, Alarm, Owner};
use crate::dialog::{Reach, hop_of, reach};
use crate::invite::{Ack, Body, DialogId, Failure, InviteDialog, InviteId, Outbound, Purpose, Usage, Way};
use crate::message::{Headers, Method, Request, Response, Status, Via, name};
use crate::transaction::{Flow, ResponsePort, Sent, TransactionId};

/// More than this many requests do not wait for one dialog's way to be found.
const MAX_WAITING: usize = 16;

impl Agent {
    pub(super) fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    pub(super) fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.out.push_back(Output::Transmit { flow, bytes });
    }

    /// Starts a client transaction with a branch of its own.
    pub(super) fn launch(
        &mut self,
        now: Moment,
        mut request: Request,
        flow: Flow,
        owner: Owner,
    ) -> (TransactionId, Arc<Request>) {
        let branch = self.stamp(&mut request, &flow);
        let request = Arc::new(request);
        (self.clients.begin(now, &request, &branch, flow, owner), request)
    }

    /// Puts our `Via` on top and returns its branch.
    fn stamp(&mut self, request: &mut Request, flow: &Flow) -> String {
        let branch = self.tokens.branch();
        let host = flow.local.ip().to_string();
        let mut via = Via::new(flow.transport.via(), &host, Some(flow.local.port()), &branch);
        // Asking for rport lets responses through address translators (RFC 3581 section 3).
        via.set_rport(None);
        request.headers.push_front(name::VIA, via.to_string());
        branch
    }

    /// Adds what an owner's request outside dialogs lacks.
    pub(super) fn complete(&mut self, request: &mut Request) {
        let method = request.method.clone();
        let tagged = request.headers.from().is_ok_and(|from| from.tag().is_some());
        if !tagged && let Some(from) = request.headers.get(name::FROM) {
            let from = format!("{from};tag={}", self.tokens.tag());
            request.headers.set(name::FROM, from);
        }
        if request.headers.get(name::CALL_ID).is_none() {
            request.headers.push(name::CALL_ID, self.tokens.call_id());
        }
        if request.headers.get(name::CSEQ).is_none() {
            request.headers.push(name::CSEQ, format!("1 {method}"));
        }
        if request.headers.get(name::MAX_FORWARDS).is_none() {
            request.headers.push(name::MAX_FORWARDS, "70");
        }
        self.introduce(&mut request.headers, &method);
    }

    /// Says what we can and who we are, where that is wanted and missing.
    pub(super) fn introduce(&self, headers: &mut Headers, method: &Method) {
        if [Method::INVITE, Method::OPTIONS, Method::UPDATE].contains(method) {
            if headers.get(name::ALLOW).is_none() {
                headers.push(name::ALLOW, self.allow.clone());
            }
            if !self.supported.is_empty() && headers.get(name::SUPPORTED).is_none() {
                headers.push(name::SUPPORTED, self.supported.clone());
            }
        }
        if let Some(product) = &self.config.product
            && headers.get(name::USER_AGENT).is_none()
        {
            headers.push(name::USER_AGENT, product.clone());
        }
    }

    /// Answers a request with nothing but a status and perhaps some headers.
    pub(super) fn reply(
        &mut self,
        now: Moment,
        transaction: TransactionId,
        request: &Request,
        status: Status,
        headers: &Headers,
    ) -> Option<Sent> {
        let tag = self.tokens.tag();
        let mut response = self.response(request, status, &tag, headers);
        if status == Status::OK && request.method == Method::OPTIONS {
            self.introduce(&mut response.headers, &request.method);
        }
        self.servers.respond(now, transaction, &response)
    }

    /// A response with a `To` tag, ours unless the request has one.
    pub(super) fn response(
        &self,
        request: &Request,
        status: Status,
        tag: &str,
        headers: &Headers,
    ) -> Response {
        let mut response = request.response(status);
        let tagged = request.headers.to().is_ok_and(|to| to.tag().is_some());
        if !tagged && status != Status::TRYING {
            response.headers.set_to_tag(tag);
        }
        if let Some(product) = &self.config.product {
            response.headers.push(name::SERVER, product.clone());
        }
        append(&mut response.headers, headers);
        response
    }

    /// Answers without remembering anything (section 8.2.7): the tag is made from what a repetition has too.
    pub(super) fn reply_statelessly(&mut self, request: &Request, status: Status, reply: Flow) {
        if request.method == Method::ACK {
            return;
        }
        let mut headers = Headers::new();
        if status == Status::SERVICE_UNAVAILABLE {
            headers.push(name::RETRY_AFTER, self.config.limits.retry_after_seconds.to_string());
        }
        let branch = request.headers.top_via().ok().and_then(|via| via.branch().map(str::to_owned));
        let tag = format!("o{:016x}", fingerprint(branch.unwrap_or_default().as_bytes()));
        let response = self.response(request, status, &tag, &headers);
        self.transmit(reply, response.to_bytes());
    }

    /// Sends a request inside a dialog, at once or when its way has been found.
    pub(super) fn send_within(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        dialog: DialogId,
        outbound: Outbound,
    ) {
        let id = usage.id;
        let Some(dialog) = usage.dialog(dialog) else { return };
        match self.way(now, id, dialog) {
            Some(flow) => self.put_out(now, id, dialog, flow, outbound),
            None if dialog.way.waiting.len() < MAX_WAITING => dialog.way.waiting.push(outbound),
            None => {
                if let Outbound::Begin(_, Purpose::Plain(request)) = outbound {
                    self.event(Event::RequestDone { id: request, outcome: Err(Failure::Busy) });
                }
            }
        }
    }

    /// Sends everything of a call another way from now on.
    pub(super) fn shift(&mut self, now: Moment, usage: &mut Usage, flow: Flow) {
        let ids: Vec<_> = usage.dialogs.iter().map(|dialog| dialog.id).collect();
        for id in ids {
            self.flush(now, usage, id, flow);
        }
        if let Some(outgoing) = usage.outgoing() {
            outgoing.flow = flow;
        }
    }

    /// Sends what waited for its way.
    pub(super) fn flush(&mut self, now: Moment, usage: &mut Usage, dialog: DialogId, flow: Flow) {
        let id = usage.id;
        let Some(dialog) = usage.dialog(dialog) else { return };
        self.alarms.disarm(Alarm::Locate(id, dialog.id));
        let hop = hop_of(&dialog.dialog.next_hop());
        dialog.way.hop = hop;
        dialog.way.flow = Some(flow);
        dialog.way.before = flow;
        for outbound in std::mem::take(&mut dialog.way.waiting) {
            self.put_out(now, id, dialog, flow, outbound);
        }
    }

    fn put_out(
        &mut self,
        now: Moment,
        id: InviteId,
        dialog: &mut InviteDialog,
        flow: Flow,
        outbound: Outbound,
    ) {
        match outbound {
            Outbound::Ack(mut request) => {
                let number = request.headers.cseq().map(|cseq| cseq.seq).unwrap_or_default();
                // The ACK to a 2xx is no part of its transaction and has a branch of its own
                // (section 13.2.2.4).
                self.stamp(&mut request, &flow);
                let bytes = request.to_bytes();
                dialog.ack = Some(Ack { number, bytes: bytes.clone(), flow });
                self.transmit(flow, bytes);
            }
            Outbound::Begin(request, purpose) => {
                let owner = Owner::Dialog(id, dialog.id, purpose);
                let (transaction, request) = self.launch(now, request, flow, owner);
                if purpose == Purpose::Reinvite
                    && let Some(reoffer) = &mut dialog.reoffer
                {
                    reoffer.transaction = Some(transaction);
                    reoffer.request = Some(request);
                }
            }
        }
    }

    /// The way of the dialog's next request; when it is not known, the owner is asked once.
    fn way(&mut self, now: Moment, id: InviteId, dialog: &mut InviteDialog) -> Option<Flow> {
        let uri = dialog.dialog.next_hop();
        let hop = hop_of(&uri);
        let way = &mut dialog.way;
        if way.hop == hop {
            if way.flow.is_some() || !way.waiting.is_empty() {
                return way.flow;
            }
        } else {
            way.hop = hop;
        }
        let by_flow = self.config.next_hop == NextHop::Flow && !dialog.dialog.is_routed();
        way.flow = match reach(&uri, &way.before) {
            _ if by_flow => Some(way.before),
            Reach::Here(flow) => Some(flow),
            Reach::Elsewhere => None,
        };
        if let Some(flow) = way.flow {
            way.before = flow;
        } else {
            let (dialog, before) = (dialog.id, way.before);
            self.alarms.arm(Alarm::Locate(id, dialog), now + self.config.timing.transaction());
            self.out.push_back(Output::Locate { id, dialog, uri, before });
        }
        way.flow
    }

    /// Notes what a received request's `Via` lacks and says which way its responses go, and where a new
    /// connection would have to go (RFC 3261 sections 18.2.1 and 18.2.2, RFC 3581 section 4).
    ///
    /// `maddr` is not obeyed: it would let anyone direct our responses at others.
    pub(super) fn receive_via(&self, request: &mut Request, flow: &Flow) -> Option<(Flow, SocketAddr)> {
        let mut via = request.headers.top_via().ok()?;
        let source = flow.remote;
        let sent_port = via.port.unwrap_or_else(|| flow.transport.port());
        let asks_rport = via.rport().is_some();
        if asks_rport || via.ip() != Some(source.ip()) {
            via.set_received(source.ip());
        }
        if asks_rport {
            via.set_rport(Some(source.port()));
        }
        request.headers.set_top_via(&via);
        let fallback = SocketAddr::new(source.ip(), sent_port);
        let by_source =
            asks_rport || flow.transport.is_stream() || self.config.response_port == ResponsePort::Source;
        let remote = if by_source { source } else { fallback };
        Some((Flow { remote, ..*flow }, fallback))
    }
}

/// A dialog's way before anything was sent in it.
pub(super) fn unknown_way(before: Flow) -> Way {
    Way { hop: Box::default(), flow: None, before, waiting: Vec::new() }
}

/// Adds headers as they are.
pub(super) fn append(to: &mut Headers, from: &Headers) {
    for (name, value) in from.iter() {
        to.push(name, value);
    }
}

/// Adds headers in place of those with the same names.
pub(super) fn replace(to: &mut Headers, from: &Headers) {
    for (name, _) in from.iter() {
        to.remove(name);
    }
    append(to, from);
}

/// Puts a body in.
pub(super) fn fill(headers: &mut Headers, to: &mut Bytes, body: Option<Body>) {
    if let Some(body) = body {
        headers.set(name::CONTENT_TYPE, body.kind.as_ref());
        *to = body.bytes;
    }
}

/// FNV-1a, 64 bits: the same bytes give the same number in every run.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
