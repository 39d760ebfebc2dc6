// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dialogs: what two ends remember about each other (RFC 3261 section 12).

mod route;
#[cfg(test)]
mod tests;

use crate::message::{Headers, Method, Request, Response, Uri, name};

pub(crate) use route::{Reach, hop_of, reach};

/// Call-ID, our tag and theirs (section 12).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct DialogKey(Box<str>);

impl DialogKey {
    pub(crate) fn new(call_id: &str, local_tag: &str, remote_tag: &str) -> Self {
        Self(format!("{call_id} {local_tag} {remote_tag}").into())
    }

    /// The key of the dialog that a request came in: its `To` is ours.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let headers = &request.headers;
        let (to, from) = (headers.to().ok()?, headers.from().ok()?);
        let local = to.tag()?;
        // A peer of RFC 2543 has no tag; that counts as an empty one (section 12.1.1).
        Some(Self::new(headers.call_id().ok()?, local, from.tag().unwrap_or_default()))
    }
}

/// The state that both kinds of dialog share.
#[derive(Debug)]
pub(crate) struct Dialog {
    call_id: Box<str>,
    local_tag: Box<str>,
    remote_tag: Box<str>,
    /// Our side as it stands in `From`, with the tag.
    local: Box<str>,
    /// Their side as it stands in `To`, with the tag.
    remote: Box<str>,
    local_number: u32,
    remote_number: Option<u32>,
    routes: Box<[Box<str>]>,
    target: Uri,
    caller: Caller,
}

/// Who sent the first request, and thereby chose the Call-ID.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Caller {
    Them,
    Us,
}

/// A request's number is lower than that of an earlier one (section 12.2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct OutOfOrder;

impl Dialog {
    /// The dialog that `request`, which came to us, makes once we answer with `tag` (section 12.1.1).
    pub(crate) fn server(request: &Request, tag: &str) -> Option<Self> {
        let headers = &request.headers;
        let remote_tag = headers.from().ok()?.tag().unwrap_or_default().into();
        Some(Self {
            call_id: headers.call_id().ok()?.into(),
            local_tag: tag.into(),
            remote_tag,
            local: format!("{};tag={tag}", headers.get(name::TO)?).into(),
            remote: headers.get(name::FROM)?.into(),
            local_number: 0,
            remote_number: Some(headers.cseq().ok()?.seq),
            routes: rows(headers),
            target: target(headers)?,
            caller: Caller::Them,
        })
    }

    /// The dialog that `response` makes from our `request` (section 12.1.2).
    pub(crate) fn client(request: &Request, response: &Response) -> Option<Self> {
        let headers = &response.headers;
        let mut dialog = Self {
            call_id: request.headers.call_id().ok()?.into(),
            local_tag: request.headers.from().ok()?.tag()?.into(),
            remote_tag: headers.to().ok()?.tag().unwrap_or_default().into(),
            local: request.headers.get(name::FROM)?.into(),
            remote: headers.get(name::TO)?.into(),
            local_number: request.headers.cseq().ok()?.seq,
            remote_number: None,
            routes: Box::default(),
            // A peer that forgot its Contact can only be reached where the request went.
            target: request.uri.clone(),
            caller: Caller::Us,
        };
        dialog.confirm(response);
        Some(dialog)
    }

    /// The dialog that a NOTIFY makes from our SUBSCRIBE, whose number was `number` (RFC 6665 section 4.1.2.4):
    /// to this request we are the server, so the route set stands in the order of the message.
    pub(crate) fn notified(notify: &Request, number: u32) -> Option<Self> {
        let headers = &notify.headers;
        Some(Self {
            call_id: headers.call_id().ok()?.into(),
            local_tag: headers.to().ok()?.tag()?.into(),
            remote_tag: headers.from().ok()?.tag().unwrap_or_default().into(),
            local: headers.get(name::TO)?.into(),
            remote: headers.get(name::FROM)?.into(),
            local_number: number,
            remote_number: Some(headers.cseq().ok()?.seq),
            routes: rows(headers),
            target: target(headers)?,
            caller: Caller::Us,
        })
    }

    /// Takes route set and target from a response that makes or confirms the dialog: the route set of an
    /// early dialog is computed anew by the 2xx and fixed from then on (section 13.2.2.4).
    pub(crate) fn confirm(&mut self, response: &Response) {
        let mut routes = rows(&response.headers);
        routes.reverse();
        self.routes = routes;
        self.refresh(&response.headers);
    }

    /// Takes the target from a refreshing request or its 2xx (section 12.2); the route set stays.
    pub(crate) fn refresh(&mut self, headers: &Headers) {
        if let Some(target) = target(headers) {
            self.target = target;
        }
    }

    /// Accepts or refuses the number of a request that came in: gaps are legal, going back is not.
    pub(crate) fn take_number(&mut self, number: u32) -> Result<(), OutOfOrder> {
        if self.remote_number.is_some_and(|highest| number < highest) {
            return Err(OutOfOrder);
        }
        self.remote_number = Some(number);
        Ok(())
    }

    /// The number of our next request.
    pub(crate) fn next_number(&mut self) -> u32 {
        // Section 8.1.1.5 wants numbers below 2^31; a dialog that gets there has other troubles.
        self.local_number = self.local_number.saturating_add(1);
        self.local_number
    }

    /// Counts a number that was used outside, for the INVITE that made this dialog.
    pub(crate) fn used_number(&mut self, number: u32) {
        self.local_number = self.local_number.max(number);
    }

    /// A request of ours inside the dialog, without `Via` (section 12.2.1.1).
    pub(crate) fn request(&self, method: &Method, number: u32) -> Request {
        let (uri, routes) = route::plan(&self.target, &self.routes);
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        headers.push(name::MAX_FORWARDS, "70");
        for route in routes {
            headers.push(name::ROUTE, route);
        }
        headers.push(name::FROM, &*self.local);
        headers.push(name::TO, &*self.remote);
        headers.push(name::CALL_ID, &*self.call_id);
        headers.push(name::CSEQ, format!("{number} {method}"));
        request
    }

    /// Where requests go first: the first route, else the target.
    pub(crate) fn next_hop(&self) -> Uri {
        self.routes.first().and_then(|row| route::uri_of(row)).unwrap_or_else(|| self.target.clone())
    }

    pub(crate) fn key(&self) -> DialogKey {
        DialogKey::new(&self.call_id, &self.local_tag, &self.remote_tag)
    }

    pub(crate) fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Where the other end can be reached.
    pub(crate) fn target(&self) -> &Uri {
        &self.target
    }

    pub(crate) fn local_tag(&self) -> &str {
        &self.local_tag
    }

    pub(crate) fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    pub(crate) fn caller(&self) -> Caller {
        self.caller
    }

    /// Whether there is a route set.
    pub(crate) fn is_routed(&self) -> bool {
        !self.routes.is_empty()
    }
}

/// The rows of `Record-Route`, one address each, in the order of the message.
fn rows(headers: &Headers) -> Box<[Box<str>]> {
    headers.record_routes().unwrap_or_default().iter().map(|route| route.to_string().into()).collect()
}

/// The address in `Contact`, without the headers that a URI may carry: they mean nothing in a Request-URI
/// (section 19.1.5).
fn target(headers: &Headers) -> Option<Uri> {
    let contact = headers.contacts().ok()?.into_iter().next()?;
    Some(if contact.uri.headers().is_some() { contact.uri.without_headers() } else { contact.uri })
}
