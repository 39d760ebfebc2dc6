// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two requests that are made from another request: ACK to a failure, and CANCEL.

use crate::message::{Headers, Method, Request, Response, name};

/// The ACK that a failure needs: the INVITE's addresses and top `Via`, the response's `To`
/// (RFC 3261 section 17.1.1.3).
pub(crate) fn ack(invite: &Request, response: &Response) -> Request {
    let mut ack = like(invite, Method::ACK);
    copy(&response.headers, &mut ack.headers, name::TO);
    finish(invite, &mut ack);
    ack
}

/// The CANCEL of a pending INVITE; its `To` is the INVITE's, so outside dialogs it has no tag
/// (section 9.1).
pub(crate) fn cancel(invite: &Request) -> Request {
    let mut cancel = like(invite, Method::CANCEL);
    copy(&invite.headers, &mut cancel.headers, name::TO);
    finish(invite, &mut cancel);
    cancel
}

fn like(invite: &Request, method: Method) -> Request {
    let mut request = Request::new(method, invite.uri.clone());
    if let Some(via) = invite.headers.get(name::VIA) {
        request.headers.push(name::VIA, via);
    }
    request.headers.push(name::MAX_FORWARDS, "70");
    for route in invite.headers.all(name::ROUTE) {
        request.headers.push(name::ROUTE, route);
    }
    copy(&invite.headers, &mut request.headers, name::FROM);
    request
}

fn finish(invite: &Request, request: &mut Request) {
    copy(&invite.headers, &mut request.headers, name::CALL_ID);
    if let Ok(cseq) = invite.headers.cseq() {
        request.headers.push(name::CSEQ, format!("{} {}", cseq.seq, request.method));
    }
}

fn copy(from: &Headers, to: &mut Headers, name: &str) {
    if let Some(value) = from.get(name) {
        to.push(name, value);
    }
}
