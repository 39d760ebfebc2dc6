// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which way a request inside a dialog goes.

use std::net::SocketAddr;

use crate::message::{NameAddr, Uri};
use crate::transaction::{Flow, Transport};

/// Whether the next hop of a request can be reached by a flow that is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    /// It needs looking up, or another connection.
    Elsewhere,
    /// By this flow.
    Here(Flow),
}

/// The Request-URI and the `Route` rows for a target and a route set (RFC 3261 section 12.2.1.1).
///
/// The first router is a strict one if it has no `lr`: then it stands in the Request-URI and the target
/// comes last.
pub(super) fn plan(target: &Uri, routes: &[Box<str>]) -> (Uri, Vec<Box<str>>) {
    let Some((first, rest)) = routes.split_first() else { return (target.clone(), Vec::new()) };
    match uri_of(first) {
        Some(router) if router.param("lr").is_none() => {
            let mut rows = rest.to_vec();
            rows.push(format!("<{target}>").into());
            (router, rows)
        }
        Some(_) | None => (target.clone(), routes.to_vec()),
    }
}

/// The address in a row of a route set.
pub(super) fn uri_of(row: &str) -> Option<Uri> {
    NameAddr::parse(row).map(|address| address.uri)
}

/// What decides where a request to `uri` goes; requests with the same hop go the same way.
pub(crate) fn hop_of(uri: &Uri) -> Box<str> {
    let host = uri.host().to_ascii_lowercase();
    let port = uri.port().map(|port| port.to_string()).unwrap_or_default();
    let transport = uri.param("transport").flatten().unwrap_or_default().to_ascii_lowercase();
    format!("{} {host} {port} {transport}", uri.scheme().to_ascii_lowercase()).into()
}

/// Says whether `flow`, or on UDP its socket, leads to the next hop `uri`.
///
/// Only addresses written as numbers can be judged; names are looked up by the owner (RFC 3263).
pub(crate) fn reach(uri: &Uri, flow: &Flow) -> Reach {
    // A browser has no address of its own; it is where it came from (RFC 7118 section 5.2).
    if flow.transport.is_web_socket() && is_nowhere(uri) {
        return Reach::Here(*flow);
    }
    // `ws` in a URI is said of both kinds (RFC 7118 section 5.2).
    let same = |wanted: Transport| {
        wanted == flow.transport || (wanted.is_web_socket() && flow.transport.is_web_socket())
    };
    let Some(ip) = uri.ip().filter(|_| transport(uri).is_some_and(same)) else { return Reach::Elsewhere };
    let remote = SocketAddr::new(ip, uri.port().unwrap_or_else(|| flow.transport.port()));
    match flow.transport {
        Transport::Udp if remote.is_ipv4() == flow.local.is_ipv4() => Reach::Here(Flow { remote, ..*flow }),
        Transport::Udp => Reach::Elsewhere,
        _ if remote == flow.remote => Reach::Here(*flow),
        _ => Reach::Elsewhere,
    }
}

/// Whether a URI names a host that cannot be (RFC 2606 section 2).
fn is_nowhere(uri: &Uri) -> bool {
    uri.host().to_ascii_lowercase().ends_with(".invalid")
}

/// The transport that a URI with a numeric host asks for (RFC 3263 section 4.1).
fn transport(uri: &Uri) -> Option<Transport> {
    let wanted = uri.param("transport").flatten().map(str::to_ascii_lowercase);
    match (uri.scheme().to_ascii_lowercase().as_str(), wanted.as_deref()) {
        ("sips", Some("tcp" | "tls") | None) | ("sip", Some("tls")) => Some(Transport::Tls),
        ("sips", Some("ws" | "wss")) | ("sip", Some("wss")) => Some(Transport::Wss),
        ("sip", Some("ws")) => Some(Transport::Ws),
        ("sip", Some("udp") | None) => Some(Transport::Udp),
        ("sip", Some("tcp")) => Some(Transport::Tcp),
        _ => None,
    }
}
