// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages that agents of tests send.

use offhook_sipcore::agent::Body;
use offhook_sipcore::message::{Headers, Method, Request, Uri, name};

use super::world::uri;

/// An INVITE from the agent at 1 to the machine at 0.
pub(super) fn invite(body: Option<Body>) -> Request {
    let mut request = request(Method::INVITE);
    request.headers.push(name::CONTACT, format!("<{}>", uri(1)));
    if let Some(body) = body {
        request.headers.push(name::CONTENT_TYPE, body.kind.as_ref());
        request.body = body.bytes;
    }
    request
}

/// A request from the agent at 1 to the machine at 0.
pub(super) fn request(method: Method) -> Request {
    let to: Uri = uri(0).parse().unwrap();
    let mut request = Request::new(method, to);
    request.headers.push(name::FROM, "<sip:user1@example.com>");
    request.headers.push(name::TO, format!("<{}>", uri(0)));
    request
}

pub(super) fn contact(end: usize) -> Headers {
    let mut headers = Headers::new();
    headers.push(name::CONTACT, format!("<{}>", uri(end)));
    headers
}
