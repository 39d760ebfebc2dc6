// SPDX-License-Identifier: MIT OR Apache-2.0
//! One registration (RFC 3261 section 10): register, refresh, follow our own address, back off, leave.

mod outbound;

use std::net::SocketAddr;
use std::time::Duration;

use offhook_sipcore::digest::{Account, Client, Password};
use offhook_sipcore::message::{Method, NameAddr, Request, Response, Status, Tokens, Uri, name};
use offhook_spi::{Moment, Service};

use crate::config::LineConfig;
use outbound::Outbound;

/// How long a registration shall last unless configured.
const USUAL_EXPIRES: u32 = 300;
/// The longest interval that a registrar may talk us into, in seconds.
const LONGEST_EXPIRES: u32 = 86_400;
/// The first and the longest pause after failures that may pass (the shape of RFC 5626 section 4.5).
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// The pause after a refusal that will stand until somebody changes something.
const LASTING: Duration = Duration::from_secs(3_600);
/// The longest `Retry-After` that is honoured.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);
/// How soon to register again when the connection was lost that calls come by.
const FLOW_LOST: Duration = Duration::from_secs(4);
/// How many REGISTERs one refresh may take: a challenge, a longer interval, a new address of ours, and two more.
const MAX_ATTEMPTS: u8 = 5;

/// Where a registration stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// Not wanted, or not yet.
    Off,
    /// The registrar is being looked for.
    Locating,
    /// A REGISTER is on its way.
    Waiting,
    /// Registered; refreshed at the alarm.
    On,
    /// Failed; tried again at the alarm.
    Failed,
    /// A REGISTER that leaves is on its way.
    Leaving,
}

/// Whether a failure may pass by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trouble {
    Lasting,
    Passing,
}

/// What the owner has to do.
#[derive(Debug)]
pub(crate) enum Act {
    /// Find the registrar, and bring the outcome to [`Registration::located`].
    Locate,
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
    /// The line is open.
    is_wanted: bool,
    contact: Option<Uri>,
    /// A contact of ours that calls do not reach any more, until the registrar has forgotten it.
    former: Option<Uri>,
    public: Option<SocketAddr>,
    outbound: Outbound,
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
    /// `instance` is what the names of all telephones here are made of, where they shall outlive us.
    pub(crate) fn new(
        line: &LineConfig,
        aor: Uri,
        registrar: Uri,
        instance: Option<&str>,
        tokens: &mut Tokens,
    ) -> Self {
        Self {
            outbound: Outbound::new(line.outbound, instance, &line.name, tokens),
            aor,
            registrar,
            is_wanted: false,
            contact: None,
            former: None,
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

    /// Whether the registrar sends calls by the connection that we opened (RFC 5626 section 4.3).
    pub(crate) const fn is_outbound(&self) -> bool {
        self.outbound.is_agreed
    }

    /// How often the registrar wants to hear from us at least, in seconds (RFC 5626 section 4.4).
    pub(crate) const fn flow_timer(&self) -> Option<u32> {
        self.outbound.timer
    }

    pub(crate) const fn alarm(&self) -> Option<Moment> {
        self.alarm
    }

    pub(crate) fn is_on(&self) -> bool {
        self.stage == Stage::On
    }

    /// Whether the registrar still has to hear from us, or we from it, before we may go.
    pub(crate) fn is_leaving(&self) -> bool {
        !self.is_wanted && matches!(self.stage, Stage::Waiting | Stage::Leaving)
    }

    /// The line was opened.
    pub(crate) fn start(&mut self) -> Vec<Act> {
        self.is_wanted = true;
        match self.stage {
            Stage::Off | Stage::Failed => {
                self.failures = 0;
                self.alarm = None;
                self.stage = Stage::Locating;
                vec![Act::Service(Service::Connecting), Act::Locate]
            }
            // What is under way goes on, or is followed by a new beginning.
            Stage::Locating | Stage::Waiting | Stage::On | Stage::Leaving => Vec::new(),
        }
    }

    /// The line was closed: leaves, if there is anything to leave.
    pub(crate) fn stop(&mut self, tokens: &mut Tokens) -> Vec<Act> {
        self.is_wanted = false;
        self.alarm = None;
        match self.stage {
            Stage::On => self.leave(tokens),
            // Section 10.2: no REGISTER before the last one has its answer. What is under way is undone then.
            Stage::Locating | Stage::Waiting | Stage::Leaving => Vec::new(),
            Stage::Off | Stage::Failed => self.rest(),
        }
    }

    /// The registrar was found, or not; `contact` is where calls shall reach us.
    pub(crate) fn located(&mut self, now: Moment, contact: Option<Uri>, tokens: &mut Tokens) -> Vec<Act> {
        if self.stage != Stage::Locating {
            return Vec::new();
        }
        if !self.is_wanted {
            return self.rest();
        }
        let Some(contact) = contact else {
            let reason = "the registrar's host name leads nowhere; check domain and registrar";
            return self.failed(now, reason, Trouble::Passing, None, tokens);
        };
        self.move_to(contact);
        self.attempts = 0;
        vec![self.register(Stage::Waiting, tokens)]
    }

    /// What was sent reached nobody; the same goes another way (RFC 3263 section 4.3).
    pub(crate) fn elsewhere(&mut self, contact: Uri, tokens: &mut Tokens) -> Vec<Act> {
        if !matches!(self.stage, Stage::Waiting | Stage::Leaving) {
            return Vec::new();
        }
        self.move_to(contact);
        vec![self.register(self.stage, tokens)]
    }

    /// The connection is gone that calls would have come by (RFC 5626 section 4.5).
    pub(crate) fn flow_lost(&mut self, now: Moment, tokens: &mut Tokens) -> Vec<Act> {
        if self.is_on() {
            self.alarm = Some(now + drawn(FLOW_LOST, tokens));
        }
        Vec::new()
    }

    /// Lets the alarm fire: a refresh or another attempt.
    pub(crate) fn wake(&mut self, now: Moment, tokens: &mut Tokens) -> Vec<Act> {
        if self.alarm.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.alarm = None;
        self.attempts = 0;
        match self.stage {
            Stage::On => vec![self.register(Stage::Waiting, tokens)],
            Stage::Failed => {
                self.stage = Stage::Locating;
                vec![Act::Locate]
            }
            Stage::Off | Stage::Locating | Stage::Waiting | Stage::Leaving => Vec::new(),
        }
    }

    /// Takes the outcome of what was sent; `None` when nothing answered.
    pub(crate) fn done(&mut self, now: Moment, response: Option<&Response>, tokens: &mut Tokens) -> Vec<Act> {
        match (self.stage, response) {
            (Stage::Off | Stage::Locating | Stage::On | Stage::Failed, _) => Vec::new(),
            (Stage::Leaving, response) => self.left(response, tokens),
            (Stage::Waiting, _) if !self.is_wanted => self.leave(tokens),
            (Stage::Waiting, None) => {
                let reason = "the registrar does not answer; check its address";
                self.failed(now, reason, Trouble::Passing, None, tokens)
            }
            (Stage::Waiting, Some(response)) => self.answered(now, response, tokens),
        }
    }

    fn leave(&mut self, tokens: &mut Tokens) -> Vec<Act> {
        self.attempts = 0;
        vec![self.register(Stage::Leaving, tokens)]
    }

    fn left(&mut self, response: Option<&Response>, tokens: &mut Tokens) -> Vec<Act> {
        let challenge = response.filter(|response| is_challenge(response.status));
        if challenge.is_some_and(|response| self.may_repeat() && self.mend(response)) {
            return vec![self.register(Stage::Leaving, tokens)];
        }
        self.rest();
        // It was opened again meanwhile.
        if self.is_wanted { self.start() } else { Vec::new() }
    }

    fn rest(&mut self) -> Vec<Act> {
        self.stage = Stage::Off;
        Vec::new()
    }

    fn answered(&mut self, now: Moment, response: &Response, tokens: &mut Tokens) -> Vec<Act> {
        let moved = self.learn(response);
        let status = response.status;
        if status.is_success() {
            return self.registered(now, response, moved, tokens);
        }
        let least = response.headers.min_expires().ok().flatten().unwrap_or_default();
        if is_challenge(status) {
            if self.may_repeat() && self.mend(response) {
                return vec![self.register(Stage::Waiting, tokens)];
            }
            // Trying again soon would only lock the account.
            let reason = "the registrar refuses user or password; correct them in the configuration";
            self.failed(now, reason, Trouble::Lasting, Some(response), tokens)
        } else if status == Status::INTERVAL_TOO_BRIEF
            && self.may_repeat()
            && least > self.expires
            && least <= LONGEST_EXPIRES
        {
            // Section 10.2.8.
            self.expires = least;
            vec![self.register(Stage::Waiting, tokens)]
        } else if status == Status::FIRST_HOP_LACKS_OUTBOUND_SUPPORT
            && self.may_repeat()
            && self.contact.as_ref().is_some_and(|contact| self.outbound.give_up(contact))
        {
            vec![self.register(Stage::Waiting, tokens)]
        } else {
            let text = format!("the registrar says {} {}", status.code(), response.reason);
            self.failed(now, &text, trouble(status), Some(response), tokens)
        }
    }

    /// Whether another REGISTER may follow at once. An address translator that gives a new port each time, or a
    /// registrar that is never content, must not keep us busy.
    const fn may_repeat(&self) -> bool {
        self.attempts < MAX_ATTEMPTS
    }

    /// Takes a challenge; false when it cannot be met, or was met before with the same password.
    fn mend(&mut self, response: &Response) -> bool {
        let Some(request) = &self.last else { return false };
        self.digest.handle_challenge(request, response).is_ok()
    }

    fn registered(&mut self, now: Moment, response: &Response, moved: bool, tokens: &mut Tokens) -> Vec<Act> {
        self.failures = 0;
        if moved && self.may_repeat() {
            // Section 4.2 of RFC 5626 in spirit: calls must come to the address that the registrar sees.
            return vec![self.register(Stage::Waiting, tokens)];
        }
        self.stage = Stage::On;
        self.former = None;
        self.outbound.learn(response);
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
        self.move_to(Uri::sip(contact.user(), &host, Some(port)));
        true
    }

    /// Calls come to another address from now on.
    fn move_to(&mut self, contact: Uri) {
        let former = self.contact.replace(contact);
        if let Some(former) = former.filter(|former| Some(former) != self.contact.as_ref()) {
            self.former = Some(former);
        }
    }

    fn failed(
        &mut self,
        now: Moment,
        reason: &str,
        trouble: Trouble,
        response: Option<&Response>,
        tokens: &mut Tokens,
    ) -> Vec<Act> {
        self.stage = Stage::Failed;
        self.digest.forget();
        let asked = response.and_then(|response| response.headers.retry_after().ok().flatten());
        let pause = self.pause(trouble, asked.unwrap_or_default(), tokens);
        self.failures = self.failures.saturating_add(1);
        self.alarm = Some(now + pause);
        let reason = format!("{reason}; next attempt in {} s", pause.as_secs().max(1));
        vec![Act::Service(Service::Out { reason })]
    }

    /// How long to wait: longer with each failure in a row, never shorter than `Retry-After` asks.
    fn pause(&self, trouble: Trouble, asked: u32, tokens: &mut Tokens) -> Duration {
        let (shortest, longest) = BACK_OFF;
        let ceiling = match trouble {
            Trouble::Lasting => LASTING,
            Trouble::Passing => shortest.saturating_mul(1 << self.failures.min(10)).min(longest),
        };
        let asked = Duration::from_secs(u64::from(asked)).min(LONGEST_RETRY_AFTER);
        let own = drawn(ceiling, tokens);
        // Those that were all asked to wait as long shall not come back at once.
        if asked > own { asked + drawn(shortest, tokens) } else { own }
    }

    fn register(&mut self, stage: Stage, tokens: &mut Tokens) -> Act {
        self.stage = stage;
        self.cseq = self.cseq.saturating_add(1);
        self.attempts = self.attempts.saturating_add(1);
        let expires = if stage == Stage::Leaving { 0 } else { self.expires };
        let mut request = Request::new(Method::REGISTER, self.registrar.clone());
        let from = NameAddr::new(self.aor.clone()).with_tag(&self.tag);
        request.headers.push(name::FROM, from.to_string());
        request.headers.push(name::TO, NameAddr::new(self.aor.clone()).to_string());
        request.headers.push(name::CALL_ID, self.call_id.clone());
        request.headers.push(name::CSEQ, format!("{} REGISTER", self.cseq));
        if let Some(contact) = &self.contact {
            let marks = self.outbound.marks(contact);
            request.headers.push(name::CONTACT, format!("<{contact}>{marks};expires={expires}"));
            self.outbound.announce(contact, &mut request.headers);
        }
        // Where the flow is named, the new contact takes the place of the old one by itself.
        let named = self.contact.as_ref().is_some_and(|contact| self.outbound.applies(contact));
        if let Some(former) = self.former.as_ref().filter(|_| !named) {
            request.headers.push(name::CONTACT, format!("<{former}>;expires=0"));
        }
        request.headers.push(name::EXPIRES, expires.to_string());
        self.digest.authorize(&mut request, tokens);
        self.last = Some(request.clone());
        Act::Send(Box::new(request))
    }
}

/// Half of a time fixed, half of it drawn, so that many lines do not come at once (RFC 5626 section 4.5).
fn drawn(time: Duration, tokens: &mut Tokens) -> Duration {
    let share = f32::from(u16::from_le_bytes(tokens.bytes())) / f32::from(u16::MAX);
    time.mul_f32(0.5 + share / 2.0)
}

fn is_challenge(status: Status) -> bool {
    status == Status::UNAUTHORIZED || status == Status::PROXY_AUTHENTICATION_REQUIRED
}

/// What a refusal says about another attempt.
const fn trouble(status: Status) -> Trouble {
    match status.code() {
        402..=405 | 410 | 414..=416 | 420 | 423 | 501 | 600..=699 => Trouble::Lasting,
        _ => Trouble::Passing,
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
