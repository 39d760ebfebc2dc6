// SPDX-License-Identifier: MIT OR Apache-2.0
//! One registration (RFC 3261 section 10): register, refresh, follow our own address, back off, leave.

use std::net::SocketAddr;
use std::time::Duration;

use offhook_sipcore::digest::{Account, Client, Password};
use offhook_sipcore::message::{Method, NameAddr, Request, Response, Status, Tokens, Uri, name};
use offhook_spi::{Moment, Service};

use crate::config::LineConfig;

/// How long a registration shall last unless configured.
const USUAL_EXPIRES: u32 = 300;
/// The shortest and longest pause after a failure (the shape of RFC 5626 section 4.5).
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// How many REGISTERs one refresh may take: a challenge, a longer interval, a new address of ours, and two more.
const MAX_ATTEMPTS: u8 = 5;

/// Where a registration stands.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Stage {
    /// Not wanted (yet).
    Off,
    /// A REGISTER is on its way.
    Waiting,
    /// Registered; refreshed at the alarm.
    On,
    /// Failed; tried again at the alarm, or never.
    Failed,
    /// A REGISTER that leaves is on its way.
    Leaving,
}

/// What the owner has to do.
#[derive(Debug)]
pub(crate) enum Act {
    /// Send this, and bring the outcome to [`Registration::done`].
    Send(Box<Request>),
    /// Tell the core.
    Service(Service),
}

/// One registration as a state machine.
#[derive(Debug)]
pub(crate) struct Registration {
    aor: Uri,
    registrar: Uri,
    contact: Option<Uri>,
    public: Option<SocketAddr>,
    call_id: String,
    tag: String,
    cseq: u32,
    expires: u32,
    digest: Client,
    last: Option<Request>,
    stage: Stage,
    failures: u32,
    /// REGISTERs since the last pause.
    attempts: u8,
    alarm: Option<Moment>,
}

impl Registration {
    pub(crate) fn new(line: &LineConfig, aor: Uri, registrar: Uri, tokens: &mut Tokens) -> Self {
        Self {
            aor,
            registrar,
            contact: None,
            public: None,
            call_id: tokens.call_id(),
            tag: tokens.tag(),
            cseq: tokens.cseq(),
            expires: if line.expires == 0 { USUAL_EXPIRES } else { line.expires },
            digest: credentials(line),
            last: None,
            stage: Stage::Off,
            failures: 0,
            attempts: 0,
            alarm: None,
        }
    }

    /// Where requests of this registration go.
    pub(crate) const fn registrar(&self) -> &Uri {
        &self.registrar
    }

    /// Our address as the registrar sees it, where that is another than ours.
    pub(crate) const fn public(&self) -> Option<SocketAddr> {
        self.public
    }

    pub(crate) const fn alarm(&self) -> Option<Moment> {
        self.alarm
    }

    /// Begins; `contact` is where calls shall reach us.
    pub(crate) fn start(&mut self, contact: Uri, tokens: &mut Tokens) -> Vec<Act> {
        self.contact = Some(contact);
        self.failures = 0;
        self.attempts = 0;
        vec![Act::Service(Service::Connecting), self.register(self.expires, tokens)]
    }

    /// Leaves, if there is anything to leave.
    pub(crate) fn stop(&mut self, tokens: &mut Tokens) -> Vec<Act> {
        self.alarm = None;
        self.attempts = 0;
        let registered = matches!(self.stage, Stage::On | Stage::Waiting);
        self.stage = Stage::Off;
        if !registered {
            return Vec::new();
        }
        let act = self.register(0, tokens);
        self.stage = Stage::Leaving;
        vec![act]
    }

    /// Lets the alarm fire: a refresh or another attempt.
    pub(crate) fn wake(&mut self, now: Moment, tokens: &mut Tokens) -> Vec<Act> {
        if self.alarm.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.alarm = None;
        self.attempts = 0;
        vec![self.register(self.expires, tokens)]
    }

    /// Takes the outcome of what was sent; `None` when nothing answered.
    pub(crate) fn done(&mut self, now: Moment, response: Option<&Response>, tokens: &mut Tokens) -> Vec<Act> {
        match self.stage {
            Stage::Off | Stage::On | Stage::Failed => Vec::new(),
            Stage::Leaving => self.left(response, tokens),
            Stage::Waiting => match response {
                None => self.failed(now, "the registrar does not answer; check its address", true, tokens),
                Some(response) => self.answered(now, response, tokens),
            },
        }
    }

    fn left(&mut self, response: Option<&Response>, tokens: &mut Tokens) -> Vec<Act> {
        if let Some(response) = response
            && self.may_repeat()
            && self.mend(response)
        {
            let act = self.register(0, tokens);
            self.stage = Stage::Leaving;
            return vec![act];
        }
        self.stage = Stage::Off;
        Vec::new()
    }

    fn answered(&mut self, now: Moment, response: &Response, tokens: &mut Tokens) -> Vec<Act> {
        let moved = self.learn(response);
        match response.status {
            status if status.is_success() => self.registered(now, response, moved, tokens),
            Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED => {
                if self.may_repeat() && self.mend(response) {
                    vec![self.register(self.expires, tokens)]
                } else {
                    let reason = "the registrar refuses user or password; correct them in the configuration";
                    self.failed(now, reason, false, tokens)
                }
            }
            Status::INTERVAL_TOO_BRIEF => match response.headers.min_expires() {
                Ok(Some(least)) if self.may_repeat() && least > self.expires && least < 86_400 => {
                    self.expires = least;
                    vec![self.register(self.expires, tokens)]
                }
                _ => self.failed(
                    now,
                    "the registrar wants another interval than any it was offered",
                    true,
                    tokens,
                ),
            },
            status => {
                let text = format!("the registrar says {} {}", status.code(), response.reason);
                let hopeless = matches!(status.code(), 403 | 404 | 405 | 423 | 501);
                self.failed(now, &text, !hopeless, tokens)
            }
        }
    }

    /// Whether another REGISTER may follow at once. An address translator that gives a new port each time, or a
    /// registrar that is never content, must not keep us busy.
    const fn may_repeat(&self) -> bool {
        self.attempts < MAX_ATTEMPTS
    }

    /// Takes a challenge once; false when it cannot be met, or was met before with the same password.
    fn mend(&mut self, response: &Response) -> bool {
        let Some(request) = &self.last else { return false };
        self.digest.handle_challenge(request, response).is_ok()
    }

    fn registered(&mut self, now: Moment, response: &Response, moved: bool, tokens: &mut Tokens) -> Vec<Act> {
        self.failures = 0;
        if moved && self.may_repeat() {
            // Section 4.2 of RFC 5626 in spirit: calls must come to the address that the registrar sees.
            return vec![self.register(self.expires, tokens)];
        }
        self.stage = Stage::On;
        let granted = self.granted(response);
        // Early enough for two more attempts, late enough not to bother.
        let pause = Duration::from_secs(u64::from(granted)).mul_f32(0.75).max(Duration::from_secs(1));
        self.alarm = Some(now + pause);
        vec![Act::Service(Service::In)]
    }

    /// The expiry of our own contact, else the `Expires` header, else what we asked for.
    fn granted(&self, response: &Response) -> u32 {
        let ours = |address: &NameAddr| {
            self.contact.as_ref().is_some_and(|contact| {
                contact.host().eq_ignore_ascii_case(address.uri.host())
                    && contact.port() == address.uri.port()
            })
        };
        let contacts = response.headers.contacts().unwrap_or_default();
        let own = contacts.iter().find(|address| ours(address)).and_then(NameAddr::expires);
        own.or_else(|| response.headers.expires().ok().flatten()).unwrap_or(self.expires).max(1)
    }

    /// Reads our address off the Via (RFC 3581); true when it is another than before.
    fn learn(&mut self, response: &Response) -> bool {
        let Ok(via) = response.headers.top_via() else { return false };
        let (Some(ip), Some(Some(port))) = (via.received().or_else(|| via.ip()), via.rport()) else {
            return false;
        };
        let seen = SocketAddr::new(ip, port);
        let Some(contact) = &self.contact else { return false };
        let is_stream = contact.param("transport").flatten().is_some_and(|t| !t.eq_ignore_ascii_case("udp"));
        let same = contact.ip() == Some(ip) && contact.port() == Some(port);
        // The port of a connection that we opened is nobody's to call.
        if same || is_stream || self.public == Some(seen) {
            return false;
        }
        self.public = Some(seen);
        let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
        self.contact = Some(Uri::sip(contact.user(), &host, Some(port)));
        true
    }

    fn failed(&mut self, now: Moment, reason: &str, again: bool, tokens: &mut Tokens) -> Vec<Act> {
        self.stage = Stage::Failed;
        self.digest.forget();
        let mut text = reason.to_owned();
        if again {
            let (shortest, longest) = BACK_OFF;
            let ceiling = shortest.saturating_mul(1 << self.failures.min(10)).min(longest);
            // Half of it fixed, half of it drawn, so that many lines do not come at once.
            let share = f32::from(u16::from_le_bytes(tokens.bytes())) / f32::from(u16::MAX);
            let pause = ceiling.mul_f32(0.5 + share / 2.0);
            self.failures += 1;
            self.alarm = Some(now + pause);
            text.push_str(&format!("; next attempt in {} s", pause.as_secs().max(1)));
        }
        vec![Act::Service(Service::Out { reason: text })]
    }

    fn register(&mut self, expires: u32, tokens: &mut Tokens) -> Act {
        self.cseq += 1;
        self.attempts = self.attempts.saturating_add(1);
        let mut request = Request::new(Method::REGISTER, self.registrar.clone());
        let from = NameAddr::new(self.aor.clone()).with_tag(&self.tag);
        request.headers.push(name::FROM, from.to_string());
        request.headers.push(name::TO, NameAddr::new(self.aor.clone()).to_string());
        request.headers.push(name::CALL_ID, self.call_id.clone());
        request.headers.push(name::CSEQ, format!("{} REGISTER", self.cseq));
        if let Some(contact) = &self.contact {
            request.headers.push(name::CONTACT, format!("<{contact}>;expires={expires}"));
        }
        request.headers.push(name::EXPIRES, expires.to_string());
        self.digest.authorize(&mut request, tokens);
        self.last = Some(request.clone());
        self.stage = Stage::Waiting;
        Act::Send(Box::new(request))
    }
}

/// The digest client for a line.
pub(crate) fn credentials(line: &LineConfig) -> Client {
    let username = line.auth_user.as_ref().or(line.user.as_ref()).unwrap_or(&line.name).clone();
    if line.password.reveal().is_empty() {
        return Client::default();
    }
    Client::new(vec![Account { realm: None, username, password: Password::new(line.password.reveal()) }])
}

#[cfg(test)]
mod tests;
