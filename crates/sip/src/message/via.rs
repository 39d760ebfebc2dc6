// SPDX-License-Identifier: MIT OR Apache-2.0
//! One Via entry.

use std::fmt;
use std::net::IpAddr;

use sip_header::{HeaderParse, SipVia, WarningCode};

use super::grammar::{is_overfull, is_token, trim};
use super::params::Params;
use super::uri::parse_ip;

/// One hop of a Via (RFC 3261 20.42).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// How the message was sent over that hop.
    pub transport: ViaTransport,
    /// The host part of `sent-by` as received, an IPv6 address with its brackets.
    pub host: String,
    /// The port of `sent-by`.
    pub port: Option<u16>,
    /// All parameters.
    pub params: Params,
}

/// A transport named in a Via.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ViaTransport {
    /// `SCTP`.
    Sctp,
    /// `TCP`.
    Tcp,
    /// `TLS`: TLS over TCP.
    Tls,
    /// `TLS-SCTP`.
    TlsSctp,
    /// `UDP`.
    Udp,
    /// `WS`: WebSocket (RFC 7118).
    Ws,
    /// `WSS`: WebSocket over TLS.
    Wss,
    /// Any other token, as received.
    Other(Box<str>),
}

impl ViaTransport {
    /// Reads a transport; names are compared without regard to case. `None` when the text is not a token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let known = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss, Self::Sctp, Self::TlsSctp];
        known
            .into_iter()
            .find(|transport| transport.as_str().eq_ignore_ascii_case(text))
            .or_else(|| is_token(text).then(|| Self::Other(text.into())))
    }

    /// The transport as it is written in a Via.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sctp => "SCTP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::TlsSctp => "TLS-SCTP",
            Self::Udp => "UDP",
            Self::Ws => "WS",
            Self::Wss => "WSS",
            Self::Other(text) => text,
        }
    }
}

impl Via {
    /// A Via for a request of ours.
    #[must_use]
    pub fn new(transport: ViaTransport, host: &str, port: Option<u16>, branch: &str) -> Self {
        let mut params = Params::default();
        params.set("branch", Some(branch));
        let host = match host.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => host.to_owned(),
        };
        Self { transport, host, port, params }
    }

    /// Sets `received` (RFC 3261 18.2.1).
    pub fn set_received(&mut self, source: IpAddr) {
        self.params.set("received", Some(&source.to_string()));
    }

    /// Sets the value of `rport`, or asks for it with `None` (RFC 3581).
    pub fn set_rport(&mut self, port: Option<u16>) {
        self.params.set("rport", port.map(|port| port.to_string()).as_deref());
    }

    /// `host[:port]` as written.
    #[must_use]
    pub fn sent_by(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// The host of `sent-by` as an address, when it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        parse_ip(&self.host)
    }

    /// The branch.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.params.value("branch")
    }

    /// The address the request was received from, when it was noted and is one.
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        self.params.value("received").and_then(parse_ip)
    }

    /// `rport`: `None` when absent, `Some(None)` when asked for, `Some(Some(port))` when answered (RFC 3581). A
    /// value that is no port counts as absent.
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        match self.params.get("rport")? {
            None => Some(None),
            Some(value) => value.parse().ok().map(Some),
        }
    }

    /// The multicast scope.
    #[must_use]
    pub fn ttl(&self) -> Option<u8> {
        self.params.value("ttl").and_then(|value| value.parse().ok())
    }

    /// The multicast address.
    #[must_use]
    pub fn maddr(&self) -> Option<&str> {
        self.params.value("maddr")
    }

    /// Reads one entry of a Via.
    pub(super) fn parse(entry: &str) -> Option<Self> {
        Self::plain(entry).or_else(|| Self::full(entry))
    }

    /// `SIP/2.0/UDP host:port;branch=...` without a blank or a quote too many.
    fn plain(entry: &str) -> Option<Self> {
        let (transport, rest) = entry.strip_prefix("SIP/2.0/")?.split_once(' ')?;
        let at = rest.find(';').unwrap_or(rest.len());
        let (sent_by, params) = rest.split_at(at);
        let (host, port) = match sent_by.rsplit_once(':') {
            _ if sent_by.ends_with(']') => (sent_by, None),
            Some((host, port)) => (host, Some(port)),
            None => (sent_by, None),
        };
        if !is_plain_host(host) {
            return None;
        }
        let port = match port {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
            None => None,
        };
        Some(Self {
            transport: ViaTransport::parse(transport)?,
            host: host.to_owned(),
            port,
            params: Params::plain(params)?,
        })
    }

    /// Every legal spelling. What the grammar crate would drop on the way is refused.
    fn full(entry: &str) -> Option<Self> {
        if is_overfull(entry) {
            return None;
        }
        let parsed = SipVia::parse_with_warnings(entry).ok()?;
        if parsed.warnings.iter().any(|warning| is_loss(warning.code)) {
            return None;
        }
        let [via] = parsed.value.entries() else { return None };
        if !via.protocol().eq_ignore_ascii_case("SIP") || via.version() != "2.0" {
            return None;
        }
        let mut params = Params::default();
        for (name, value) in via.params().iter() {
            params.push(name, value);
        }
        let host = via
            .host_span()
            .and_then(|span| span.get(entry).ok())
            .map_or_else(|| via.host().to_string(), |text| trim(text).to_owned());
        Some(Self { transport: ViaTransport::parse(via.transport())?, host, port: via.port(), params })
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport.as_str(), self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

fn is_plain_host(host: &str) -> bool {
    match host.as_bytes() {
        [b'[', ..] => parse_ip(host).is_some(),
        [first, ..] => {
            first.is_ascii_alphanumeric()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        }
        [] => false,
    }
}

fn is_loss(code: WarningCode) -> bool {
    matches!(
        code,
        WarningCode::TrailingContent
            | WarningCode::InvalidToken
            | WarningCode::UnterminatedQuote
            | WarningCode::SkippedEntry
            | WarningCode::EmptyEntry
            | WarningCode::TrailingComma
            | WarningCode::StrayDelimiter
            | WarningCode::ControlChar
            | WarningCode::InvalidPort
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_reads_the_same() {
        let plain = Via::parse("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport").expect("plain");
        assert!(Via::plain("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport").is_some());
        for spelling in [
            "SIP / 2.0 / UDP  192.0.2.1 : 5060 ; branch = z9hG4bK1 ;rport",
            "sip/2.0/udp 192.0.2.1:5060;branch=z9hG4bK1;rport",
            "SIP/2.0/UDP\t192.0.2.1:5060;Branch=z9hG4bK1;rport",
        ] {
            let via = Via::parse(spelling).unwrap_or_else(|| panic!("{spelling}"));
            assert_eq!(via.to_string().to_lowercase(), plain.to_string().to_lowercase(), "{spelling}");
        }
    }

    #[test]
    fn the_short_path_agrees_with_the_grammar() {
        for entry in [
            "SIP/2.0/UDP host.example.com",
            "SIP/2.0/TCP [2001:db8::1]:5061;branch=z9hG4bK-.!%66*_+`'~",
            "SIP/2.0/TLS [2001:db8::1];received=192.0.2.7;rport=99;ttl=3;maddr=224.2.0.1",
            "SIP/2.0/UNKNOWN a_b.example.com:5060;hidden;branch=1",
        ] {
            assert_eq!(Via::plain(entry), Via::full(entry), "{entry}");
            assert_eq!(Via::parse(entry).map(|via| via.to_string()).as_deref(), Some(entry));
        }
    }

    #[test]
    fn what_is_no_hop_is_refused() {
        for entry in [
            "",
            "SIP/2.0/UDP",
            "SIP/3.0/UDP a",
            "HTTP/2.0/UDP a",
            "SIP/2.0/UDP 192.0.2.15;;",
            "SIP/2.0/UDP a:99999",
            "SIP/2.0/UDP a:b",
            "SIP/2.0/UDP [::1",
            "SIP/2.0/UDP a b",
            "SIP/2.0/UDP a;x=\"",
        ] {
            assert_eq!(Via::parse(entry), None, "{entry:?}");
        }
    }

    #[test]
    fn rport_is_absent_asked_for_or_answered() {
        let rport = |text: &str| Via::parse(text).expect(text).rport();
        assert_eq!(rport("SIP/2.0/UDP a"), None);
        assert_eq!(rport("SIP/2.0/UDP a;rport"), Some(None));
        assert_eq!(rport("SIP/2.0/UDP a;rport=5062"), Some(Some(5062)));
        assert_eq!(rport("SIP/2.0/UDP a;rport=x"), None);
    }

    #[test]
    fn a_hop_of_ours_is_written_in_brackets_where_it_must_be() {
        let mut via = Via::new(ViaTransport::Udp, "::1", Some(5060), "z9hG4bKx1");
        via.set_rport(None);
        via.set_received("2001:db8::7".parse().expect("address"));
        assert_eq!(via.to_string(), "SIP/2.0/UDP [::1]:5060;branch=z9hG4bKx1;rport;received=2001:db8::7");
        assert_eq!(via.sent_by(), "[::1]:5060");
        assert_eq!(via.received(), "2001:db8::7".parse().ok());
    }
}
