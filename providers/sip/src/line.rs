// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines: what they are, and which one a call belongs to.

mod directory;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::net::IpAddr;

use offhook_sipcore::digest::Client;
use offhook_sipcore::message::{Request, Tokens, Uri};
use offhook_spi::{
    Address, AddressCaps, AddressKind, DigitMode, ForwardRule, LineCaps, LineKey, LineStatus, MediaSet, Op,
    OpSet, SDP_SCHEMA, SchemaId, Service, SessionWish, TspEvent, Watched, WatchedState,
};

use crate::account::{Registration, credentials};
use crate::config::{ConfigError, LineConfig, LineKind, LineMedia};
use directory::Directory;

/// What every SIP line can do; digits, tones and streams come from its MSP.
pub(crate) const OPS: [Op; 15] = [
    Op::Accept,
    Op::Answer,
    Op::BlindTransfer,
    Op::CompleteTransfer,
    Op::Dial,
    Op::Drop,
    Op::Forward,
    Op::ForwardDoNotDisturb,
    Op::Hold,
    Op::MakeCall,
    Op::Redirect,
    Op::SetupTransfer,
    Op::SetupTransferOneStep,
    Op::SwapHold,
    Op::Unhold,
];

/// Parties of one conference: a mixer of this size costs little, and phones have no more keys.
pub(crate) const MOST_PARTIES: u32 = 8;

/// What a line with media can do beside: its MSP mixes.
pub(crate) const OPS_WITH_MEDIA: [Op; 5] = [
    Op::AddToConference,
    Op::CompleteTransferAsConference,
    Op::PrepareAddToConference,
    Op::RemoveFromConference,
    Op::SetupConference,
];

/// What a line without media does in signalling.
const OPS_WITHOUT_MEDIA: [Op; 2] = [Op::GenerateDigits, Op::MonitorDigits];

/// Whether any line can do this.
pub(crate) fn can(op: Op) -> bool {
    [&OPS[..], &OPS_WITH_MEDIA, &OPS_WITHOUT_MEDIA].iter().any(|ops| ops.contains(&op))
}

/// One line.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) config: LineConfig,
    /// User part of its address.
    pub(crate) user: String,
    pub(crate) open: bool,
    pub(crate) service: Service,
    pub(crate) registration: Option<Box<Registration>>,
    pub(crate) digest: Client,
    /// Where all requests go first.
    pub(crate) proxy: Option<Uri>,
    /// Where its calls go instead.
    pub(crate) forwarding: Vec<ForwardRule>,
    /// Whether messages wait, where that is known.
    pub(crate) messages: Option<bool>,
    /// What is known about the addresses that are watched: those whose calls are, then those whose presence is.
    pub(crate) watched: Vec<Watched>,
}

impl Line {
    fn new(config: LineConfig, instance: Option<&str>, tokens: &mut Tokens) -> Result<Self, ConfigError> {
        let user = config.user.clone().unwrap_or_else(|| config.name.clone());
        let proxy = config.proxy.as_deref().map(|text| server_uri(&config, text)).transpose()?;
        let registration = match config.kind {
            LineKind::Account => {
                let domain = config.domain.as_deref().ok_or_else(|| {
                    ConfigError(format!("line '{}' is an account and has no domain; set domain", config.name))
                })?;
                let aor = Uri::sip(Some(&user), domain_host(domain), domain_port(domain));
                let registrar = server_uri(&config, config.registrar.as_deref().unwrap_or(domain))?;
                Some(Box::new(Registration::new(&config, aor, registrar, instance, tokens)))
            }
            LineKind::Direct | LineKind::Trunk => None,
        };
        let service = if registration.is_some() { Service::Connecting } else { Service::In };
        let digest = credentials(&config);
        let watched = config.watch.iter().chain(&config.watch_presence);
        let watched = watched
            .map(|text| Watched { address: Address::new(text.as_str()), state: WatchedState::Unknown })
            .collect();
        let messages = None;
        let forwarding = Vec::new();
        let open = false;
        Ok(Self { user, open, service, registration, digest, proxy, forwarding, messages, watched, config })
    }

    /// What the line is like now.
    pub(crate) fn status(&self) -> LineStatus {
        LineStatus {
            service: self.service.clone(),
            message_waiting: self.messages,
            forwarding: Some(self.forwarding.clone()),
            watched: self.watched.clone(),
        }
    }

    /// The address of record: with the line's domain, or with our own host and port.
    pub(crate) fn address(&self, host: &str, port: Option<u16>) -> Uri {
        match self.config.domain.as_deref() {
            Some(domain) => Uri::sip(Some(&self.user), domain_host(domain), domain_port(domain)),
            None => Uri::sip(Some(&self.user), host, port),
        }
    }

    /// The transport to ask for when the target says none.
    pub(crate) fn transport(&self) -> Option<&str> {
        self.config.transport.as_deref()
    }

    /// How the line is announced to the core.
    pub(crate) fn up(&self, key: LineKey, host: &str, port: Option<u16>) -> TspEvent {
        let media = self.config.media == LineMedia::Rtp;
        let session = media.then(|| SessionWish { msp: "rtp".to_owned(), schema: SchemaId::new(SDP_SCHEMA) });
        let mixing: &[Op] = if media { &OPS_WITH_MEDIA } else { &OPS_WITHOUT_MEDIA };
        let music: &[Op] = if media && self.config.hold_music.is_some() { &[Op::HoldWithMusic] } else { &[] };
        let ops = mixing.iter().chain(music).fold(OpSet::from(OPS), |ops, op| ops.with(*op));
        let caps = LineCaps {
            ops,
            digit_modes: vec![DigitMode::Signalling],
            conference_max_parties: if media { MOST_PARTIES } else { 0 },
            media: if media { MediaSet::AUDIO } else { MediaSet::EMPTY },
            session,
            addresses: vec![AddressCaps {
                address: self.address(host, port).as_str().to_owned(),
                dials: vec![AddressKind::Sip, AddressKind::Number],
                max_calls: 0,
            }],
            ..LineCaps::default()
        };
        let stable_id = self.config.name.clone();
        TspEvent::LineUp { line: key, stable_id, caps: Box::new(caps), status: self.status() }
    }
}

/// A SIP URI as written, or one made of a host.
fn server_uri(line: &LineConfig, text: &str) -> Result<Uri, ConfigError> {
    let wrong = |_| ConfigError(format!("'{text}' of line '{}' is no host and no SIP URI", line.name));
    if text.starts_with("sip:") || text.starts_with("sips:") {
        return text.parse().map_err(wrong);
    }
    let uri: Uri = format!("sip:{text}").parse().map_err(wrong)?;
    Ok(match line.transport.as_deref() {
        Some(transport) => uri.with_param("transport", Some(transport)),
        None => uri,
    })
}

fn domain_host(domain: &str) -> &str {
    match domain.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.contains(':') => host,
        _ => domain,
    }
}

/// Without the brackets of an IPv6 address.
fn bare_host(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

fn domain_port(domain: &str) -> Option<u16> {
    let host = domain_host(domain);
    domain.get(host.len() + 1..).and_then(|port| port.parse().ok())
}

/// All lines, found by key, address or peer in one step each: ten thousand cost no more than ten.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    lines: Vec<Line>,
    directory: Directory,
}

impl Lines {
    pub(crate) fn new(
        configs: &[LineConfig],
        instance: Option<&str>,
        tokens: &mut Tokens,
    ) -> Result<Self, ConfigError> {
        let mut lines = Self::default();
        let mut names = HashSet::new();
        for config in configs.iter().flat_map(LineConfig::expanded) {
            if config.name.is_empty() {
                return Err(ConfigError("a line has no name; set name".to_owned()));
            }
            if !names.insert(config.name.clone()) {
                return Err(ConfigError(format!("two lines are called '{}'", config.name)));
            }
            lines.add(Line::new(config, instance, tokens)?);
        }
        Ok(lines)
    }

    fn add(&mut self, line: Line) {
        let place = self.lines.len();
        let domain = line.config.domain.as_deref().map(domain_host);
        match line.config.kind {
            LineKind::Account | LineKind::Direct => self.directory.add_user(&line.user, domain, place),
            LineKind::Trunk => {
                let written = [domain, line.proxy.as_ref().map(Uri::host)].into_iter().flatten();
                let hosts = written.filter_map(|host| bare_host(host).parse().ok());
                let peers = hosts.chain(line.config.peers.iter().copied());
                self.directory.add_trunk(peers, &line.config.numbers, place);
            }
        }
        self.lines.push(line);
    }

    /// The line that a request from `source` is for.
    pub(crate) fn find(&self, request: &Request, source: IpAddr) -> Option<LineKey> {
        self.directory.find(request, source).map(key)
    }

    pub(crate) fn get(&self, key: LineKey) -> Option<&Line> {
        self.lines.get(place(key)?)
    }

    pub(crate) fn get_mut(&mut self, key: LineKey) -> Option<&mut Line> {
        self.lines.get_mut(place(key)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LineKey, &Line)> {
        self.lines.iter().enumerate().map(|(place, line)| (key(place), line))
    }
}

const fn key(place: usize) -> LineKey {
    LineKey(place as u64 + 1)
}

fn place(key: LineKey) -> Option<usize> {
    usize::try_from(key.0.checked_sub(1)?).ok()
}
