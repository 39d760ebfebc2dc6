// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls of theirs: from the INVITE to the ACK.

use offhook_sipcore::agent::{Command, Flow, InviteId};
use offhook_sipcore::message::{Headers, NameAddr, Request, Status, Uri, name};
use offhook_spi::{
    Address, CallDatum, CallDirection, CallInfo, CallKey, CallReason, CallState, Cause, Flowing, LineKey,
    MediaSet, Moment, Party, Presentation, Refusal, RefusalKind, RequestId, SdpMessage, SessionKey, TspEvent,
};

use super::SipMachine;
use super::body::{self, sdp_body};
use crate::call::{Call, Closing, Incoming, Media, Phase};
use crate::config::LineMedia;

/// Headers of a caller's own that are passed on as call data: how many, and how long.
const MAX_DATA: (usize, usize) = (32, 1024);

impl SipMachine {
    pub(super) fn incoming(
        &mut self,
        now: Moment,
        id: InviteId,
        request: &Request,
        flow: Flow,
        replaces: Option<InviteId>,
    ) {
        let source = flow.remote.ip();
        let line = match self.admit(now, request, source) {
            Ok(line) => line,
            Err((status, headers)) => return self.agent(now, Command::Reject { id, status, headers }),
        };
        let offer = match body::offered(request) {
            Ok(offer) => offer,
            Err((status, headers)) => return self.agent(now, Command::Reject { id, status, headers }),
        };
        if let Some(old) = replaces {
            return self.take_over(now, (id, flow), old, line, request, offer);
        }
        let Some(config) = self.lines.get(line).map(|line| line.config.clone()) else { return };
        self.serial += 1;
        let serial = self.serial;
        self.provider_serial += 1;
        let key = CallKey::provider(self.provider_serial);
        let media = match config.media {
            LineMedia::Rtp => Media::Session(None),
            LineMedia::None => Media::Nobody,
        };
        let phase = Phase::Incoming(Incoming { offered: offer.is_some(), ..Incoming::default() });
        let info = Box::new(caller_info(request, config.trusted));
        let call = Call { flow: Some(flow), info: info.clone(), ..Call::new(id, key, line, media, phase) };
        self.calls.insert(serial, call);
        self.by_key.insert(key, serial);
        self.by_invite.insert(id, serial);
        *self.per_source.entry(source).or_insert(0) += 1;
        self.sources.insert(serial, source);
        self.tell(TspEvent::NewCall { line, call: key, info, state: CallState::Offering });
        if let Some(sdp) = offer {
            if let Some(call) = self.calls.get_mut(&serial) {
                call.silence.hear(&sdp);
            }
            self.relay(serial, SdpMessage::Offer { sdp });
        }
        if config.ring.unwrap_or(true) {
            self.ring(now, serial);
        }
    }

    /// Decides whether a call may come in, and to which line.
    fn admit(
        &mut self,
        now: Moment,
        request: &Request,
        source: std::net::IpAddr,
    ) -> Result<LineKey, (Status, Headers)> {
        let no = |status| (status, Headers::new());
        let limits = self.config.limits;
        let from_there = self.per_source.get(&source).copied().unwrap_or(0);
        if self.calls.len() >= limits.calls || from_there >= limits.calls_per_source {
            let mut headers = Headers::new();
            headers.push(name::RETRY_AFTER, limits.retry_after.to_string());
            return Err((Status::SERVICE_UNAVAILABLE, headers));
        }
        let key = self.lines.find(request, source).ok_or_else(|| no(Status::NOT_FOUND))?;
        let line = self.lines.get(key).ok_or_else(|| no(Status::NOT_FOUND))?;
        if !line.open {
            return Err(no(Status::TEMPORARILY_UNAVAILABLE));
        }
        self.gates.admit(now, request, line)?;
        Ok(key)
    }

    /// The session that serves an incoming call.
    pub(super) fn session(&mut self, key: CallKey, session: SessionKey) {
        let call = self.by_key.get(&key).and_then(|serial| self.calls.get_mut(serial));
        if let Some(call) = call
            && call.media == Media::Session(None)
        {
            call.media = Media::Session(Some(session));
        }
    }

    fn ring(&mut self, now: Moment, serial: u64) {
        let Some(call) = self.calls.get(&serial) else { return };
        let id = call.id;
        let headers = self.own_contact(serial);
        self.agent(now, Command::Answer { id, status: Status::RINGING, headers, body: None });
    }

    pub(super) fn own_contact(&self, serial: u64) -> Headers {
        let mut headers = Headers::new();
        let Some(call) = self.calls.get(&serial) else { return headers };
        if let (Some(line), Some(flow)) = (self.lines.get(call.line), &call.flow) {
            let public = line.registration.as_ref().and_then(|registration| registration.public());
            headers.push(name::CONTACT, format!("<{}>", self.contact(&line.user, flow, public)));
        }
        headers
    }

    pub(super) fn accept(&mut self, now: Moment, request: RequestId, serial: u64) {
        self.reply(request, Ok(()));
        if matches!(self.calls.get(&serial), Some(Call { phase: Phase::Incoming(_), .. })) {
            self.ring(now, serial);
            self.state(serial, CallState::Accepted);
        }
    }

    /// Answers as soon as our description is written.
    pub(super) fn answer(&mut self, now: Moment, request: RequestId, serial: u64) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let Phase::Incoming(incoming) = &mut call.phase else {
            let refusal = Refusal::new(RefusalKind::InvalidState, "the call waits for no answer");
            return self.reply(request, Err(refusal));
        };
        if incoming.answer.is_some() {
            let refusal = Refusal::new(RefusalKind::Busy, format!("{} is being answered already", call.key));
            return self.reply(request, Err(refusal));
        }
        incoming.answer = Some(request);
        let must_ask = !incoming.offered && incoming.description.is_none() && !incoming.asked;
        incoming.asked |= must_ask;
        if call.session().is_none() {
            // The core has named no session by now, so it has none: nobody else will write a description.
            call.media = Media::Nobody;
            let sdp = self.silence(serial);
            return self.wrote(now, serial, sdp);
        }
        if must_ask {
            return self.relay(serial, SdpMessage::OfferWanted { flow: Flowing::Both });
        }
        self.try_answer(now, serial);
    }

    /// Our description of an incoming call is written.
    pub(super) fn wrote(&mut self, now: Moment, serial: u64, sdp: String) {
        if let Some(Call { phase: Phase::Incoming(incoming), .. }) = self.calls.get_mut(&serial) {
            incoming.description = Some(sdp);
            self.try_answer(now, serial);
        }
    }

    fn try_answer(&mut self, now: Moment, serial: u64) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let (id, media) = (call.id, call.has_media());
        let Phase::Incoming(incoming) = &mut call.phase else { return };
        let is_wanted = incoming.at_once || incoming.answer.is_some();
        if !is_wanted || incoming.description.is_none() {
            return;
        }
        let (request, sdp) = (incoming.answer.take(), incoming.description.take());
        let offered = incoming.offered;
        call.phase = Phase::Answering { offered: !offered };
        let headers = self.own_contact(serial);
        let body = sdp.and_then(sdp_body);
        self.agent(now, Command::Answer { id, status: Status::OK, headers, body });
        if let Some(request) = request {
            self.reply(request, Ok(()));
        }
        self.succeed(now, serial);
        if media && offered {
            self.relay(serial, SdpMessage::Commit);
        }
    }

    pub(super) fn redirect(&mut self, now: Moment, request: RequestId, serial: u64, to: &Address) {
        let uri: Result<Uri, _> = to.as_str().parse();
        let (Ok(uri), Some(Call { id, line, phase: Phase::Incoming(_), .. })) =
            (uri, self.calls.get(&serial))
        else {
            let detail = format!("'{to}' is no SIP address, or the call is answered; expected sip:user@host");
            return self.reply(request, Err(Refusal::new(RefusalKind::InvalidAddress, detail)));
        };
        let (id, line) = (*id, *line);
        let mut headers = Headers::new();
        headers.push(name::CONTACT, NameAddr::new(uri).to_string());
        self.agent(now, Command::Reject { id, status: Status::MOVED_TEMPORARILY, headers });
        self.closing.insert(id, Closing { line, credentials: Headers::new() });
        self.reply(request, Ok(()));
        self.over(serial, Cause::Redirected);
    }

    /// The ACK came: the call is up; if it answers our offer, that goes to the MSP.
    pub(super) fn acked(&mut self, now: Moment, serial: u64, request: &Request) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let media = call.has_media();
        match &call.phase {
            Phase::Answering { offered } => {
                let offered = *offered;
                call.phase = Phase::Up;
                if offered && media {
                    match body::acknowledged(request) {
                        Some(sdp) => self.relay(serial, SdpMessage::Answer { sdp }),
                        None => return self.hang_up(now, serial, Some(Cause::IncompatibleDestination)),
                    }
                }
                self.is_connected(serial);
            }
            Phase::Up => self.acked_while_up(now, serial, request),
            Phase::DialTone(_) | Phase::Outgoing(_) | Phase::Incoming(_) => {}
        }
    }
}

/// What an INVITE says about itself.
pub(super) fn caller_info(request: &Request, trusted: bool) -> CallInfo {
    let headers = &request.headers;
    let withheld = headers.get(name::PRIVACY).is_some_and(|privacy| {
        privacy.split(';').any(|word| matches!(word.trim(), "id" | "user" | "header"))
    });
    let asserted = trusted
        .then(|| headers.addresses("P-Asserted-Identity").ok())
        .flatten()
        .and_then(|all| all.into_iter().next());
    let party = |address: NameAddr, presentation| Party {
        address: Some(Address::new(address.uri.as_str())),
        name: address.display,
        presentation,
    };
    let from = headers.from().ok();
    let anonymous = from.as_ref().is_some_and(|from| from.uri.host() == "anonymous.invalid");
    let caller = match (asserted, from) {
        (Some(asserted), _) if !withheld => party(asserted, Presentation::Asserted),
        _ if withheld || anonymous => Party { presentation: Presentation::Withheld, ..Party::default() },
        (_, Some(from)) => party(from, Presentation::Claimed),
        (_, None) => Party { presentation: Presentation::Unknown, ..Party::default() },
    };
    let called = headers.to().map(|to| party(to, Presentation::Claimed)).unwrap_or_default();
    let diversions = headers.addresses("Diversion").unwrap_or_default();
    let reason = if diversions.is_empty() { CallReason::Direct } else { CallReason::ForwardedAlways };
    let is_data = |name: &str| name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
    let data = headers
        .iter()
        .filter(|(name, value)| is_data(name) && value.len() <= MAX_DATA.1)
        .take(MAX_DATA.0)
        .map(|(name, value)| CallDatum { name: name.to_owned(), value: value.to_owned() })
        .collect();
    CallInfo {
        direction: CallDirection::Incoming,
        caller,
        called,
        redirecting: diversions.into_iter().take(8).map(|d| party(d, Presentation::Claimed)).collect(),
        reason,
        media: MediaSet::AUDIO,
        call_id: headers.call_id().ok().map(str::to_owned),
        data,
        ..CallInfo::default()
    }
}
