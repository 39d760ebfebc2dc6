// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests that are neither calls nor registrations, and credentials for our own.

use offhook_sipcore::agent::{Command, Flow, InviteId, ServerRequestId};
use offhook_sipcore::message::{Headers, Method, Request, Response, Status, Uri, name};
use offhook_spi::{Cause, Digit, DigitMode, LineKey, Moment, TspEvent};

use super::SipMachine;
use crate::call::{Call, Phase};

impl SipMachine {
    /// Requests outside and inside calls that are ours to answer.
    pub(super) fn asked(
        &mut self,
        now: Moment,
        id: ServerRequestId,
        invite: Option<InviteId>,
        request: &Request,
        flow: &Flow,
    ) {
        if request.method == Method::REFER {
            return self.follow(now, id, invite, request);
        }
        let mut headers = Headers::new();
        let status = if request.method == Method::OPTIONS {
            headers.push(name::ACCEPT, "application/sdp");
            Status::OK
        } else if request.method == Method::INFO {
            self.info(invite, request)
        } else if request.method == Method::NOTIFY {
            match invite {
                Some(id) => self.notified(now, self.by_invite.get(&id).copied(), request),
                None => self.heard(now, request, flow),
            }
        } else {
            Status::NOT_IMPLEMENTED
        };
        self.agent(now, Command::RespondTo { id, status, headers, body: None });
    }

    /// INFO may carry digits (`application/dtmf-relay`, `application/dtmf`).
    pub(super) fn info(&mut self, invite: Option<InviteId>, request: &Request) -> Status {
        let Some(call) = invite.and_then(|id| self.by_invite.get(&id)).and_then(|n| self.calls.get(n)) else {
            return Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        };
        let kind = request.headers.get(name::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
        let text = String::from_utf8_lossy(&request.body);
        let signal = if kind.starts_with("application/dtmf-relay") {
            let line = text.lines().find_map(|line| line.trim().strip_prefix("Signal"));
            line.and_then(|rest| rest.trim_start().strip_prefix('=')).map(|rest| rest.trim().to_owned())
        } else if kind.starts_with("application/dtmf") {
            Some(text.trim().to_owned())
        } else if request.body.is_empty() {
            return Status::OK;
        } else {
            return Status::UNSUPPORTED_MEDIA_TYPE;
        };
        let digit = signal.and_then(|text| text.chars().next()).and_then(Digit::new);
        match digit {
            Some(digit) => {
                let event = TspEvent::Digit { call: call.key, digit, mode: DigitMode::Signalling };
                self.tell(event);
                Status::OK
            }
            None => Status::BAD_REQUEST,
        }
    }

    /// Credentials for a challenged request of a call, from its line.
    pub(super) fn challenged(
        &mut self,
        now: Moment,
        id: InviteId,
        method: &Method,
        uri: &Uri,
        response: &Response,
    ) {
        let serial = self.by_invite.get(&id).copied();
        let call = serial.and_then(|serial| self.calls.get_mut(&serial));
        let asked = call.map(|call| (call.line, &mut call.credentials));
        let asked = asked.or_else(|| self.closing.get_mut(&id).map(|it| (it.line, &mut it.credentials)));
        let again = Request::new(method.clone(), uri.clone());
        let asked = asked.map(|(line, credentials)| (line, std::mem::take(credentials)));
        let mended = asked.and_then(|(line, mut credentials)| {
            let headers = self.mend(line, &mut credentials, again, response)?;
            if let Some(call) = serial.and_then(|serial| self.calls.get_mut(&serial)) {
                call.credentials = credentials;
            } else if let Some(closing) = self.closing.get_mut(&id) {
                closing.credentials = credentials;
            }
            Some(headers)
        });
        if let Some(headers) = mended {
            return self.agent(now, Command::Retry { id, method: method.clone(), headers, flow: None });
        }
        if let Some(serial) = serial
            && matches!(self.calls.get(&serial), Some(Call { phase: Phase::Up, .. }))
        {
            return self.change_forbidden(serial);
        }
        self.agent(now, Command::Cancel { id, headers: Headers::new() });
        if let Some(serial) = serial
            && *method == Method::INVITE
        {
            self.over(serial, Cause::NotAuthorized);
        }
    }

    /// Credentials for a request that was challenged, if the line has any that were not refused before. What was
    /// sent last is in `credentials`, and so is what is to be sent.
    pub(super) fn mend(
        &mut self,
        line: LineKey,
        credentials: &mut Headers,
        mut again: Request,
        response: &Response,
    ) -> Option<Headers> {
        let line = self.lines.get_mut(line)?;
        // Only with what was sent the digest client can tell a refused password from a first challenge.
        let sent = Request { headers: std::mem::take(credentials), ..again.clone() };
        if line.digest.handle_challenge(&sent, response).is_err() {
            line.digest.forget();
            return None;
        }
        line.digest.authorize(&mut again, &mut self.tokens);
        *credentials = again.headers.clone();
        Some(again.headers)
    }
}

pub(super) fn is_challenge(status: Status) -> bool {
    status == Status::UNAUTHORIZED || status == Status::PROXY_AUTHENTICATION_REQUIRED
}
