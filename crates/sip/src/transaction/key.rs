// SPDX-License-Identifier: MIT OR Apache-2.0
//! How messages find their transaction (RFC 3261 sections 17.1.3 and 17.2.3).

use crate::message::{HeaderError, Method, NameAddr, Request, Response};

/// Names a transaction inside one table; never reused.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct TransactionId(pub(crate) u64);

/// What a response and its request have in common.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct ClientKey(Box<str>);

impl ClientKey {
    pub(crate) fn new(branch: &str, method: &Method) -> Self {
        Self(format!("{branch} {method}").into())
    }

    /// The method distinguishes a CANCEL, which has the branch of its INVITE.
    pub(crate) fn of(response: &Response) -> Option<Self> {
        let via = response.headers.top_via().ok()?;
        Some(Self::new(via.branch()?, &response.headers.cseq().ok()?.method))
    }
}

/// What a request, its repetitions, its ACK and (but for the method) its CANCEL have in common.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct ServerKey(Box<str>);

impl ServerKey {
    /// An ACK belongs to its INVITE.
    pub(crate) fn of(request: &Request) -> Self {
        let method = if request.method == Method::ACK { Method::INVITE } else { request.method.clone() };
        Self::new(request, &method)
    }

    /// The key of the INVITE that a CANCEL means.
    pub(crate) fn of_invite(cancel: &Request) -> Self {
        Self::new(cancel, &Method::INVITE)
    }

    fn new(request: &Request, method: &Method) -> Self {
        let headers = &request.headers;
        let via = headers.top_via().ok();
        let sent_by = via.as_ref().map(|via| via.sent_by().to_ascii_lowercase()).unwrap_or_default();
        let branch = via.as_ref().and_then(|via| via.branch()).unwrap_or_default();
        // Branches with the cookie are unique; without it the sender follows RFC 2543 and the rest of the
        // request has to tell (section 17.2.3).
        if branch.starts_with(COOKIE) {
            return Self(format!("{branch} {sent_by} {method}").into());
        }
        let number = headers.cseq().map(|cseq| cseq.seq).unwrap_or_default();
        let (from, call) = (tag(headers.from()), headers.call_id().unwrap_or_default());
        // The To tag of an INVITE's ACK is ours, so it cannot be part of the key.
        let to = if *method == Method::INVITE { String::new() } else { tag(headers.to()) };
        Self(format!("{} {branch} {sent_by} {method} {number} {call} {from} {to}", request.uri).into())
    }
}

/// What the copies of one request have in common that came by several ways (section 8.2.2.2).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct MergeKey(Box<str>);

impl MergeKey {
    /// Requests inside dialogs cannot be merged.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let headers = &request.headers;
        if !tag(headers.to()).is_empty() || request.method == Method::CANCEL {
            return None;
        }
        let cseq = headers.cseq().ok()?;
        let call = headers.call_id().unwrap_or_default();
        Some(Self(format!("{call} {} {} {}", tag(headers.from()), cseq.seq, cseq.method).into()))
    }
}

/// The beginning of every branch that is unique (RFC 3261 section 8.1.1.7).
const COOKIE: &str = "z9hG4bK";

fn tag(address: Result<NameAddr, HeaderError>) -> String {
    address.ok().and_then(|address| address.tag().map(str::to_owned)).unwrap_or_default()
}
