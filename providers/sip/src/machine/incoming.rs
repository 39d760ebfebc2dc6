// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls of theirs: from the INVITE to the ACK.

use offhook_sipcore::agent::{Command, Flow, InviteId};
use offhook_sipcore::message::{Headers, NameAddr, Request, Status, Uri, name};
use offhook_spi::{
    Address, CallKey, CallState, Cause, Flowing, ForwardWhen, LineKey, Moment, Refusal, RefusalKind,
    RequestId, SdpMessage, SessionKey, TspEvent,
};

use super::SipMachine;
use super::body::{self, sdp_body};
use super::parties::caller_info;
use crate::call::{Call, Closing, Incoming, Media, Phase};
use crate::config::LineMedia;

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
        self.watch_ringing(now, serial);
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
        self.gates.admit(now, request, line)?;
        // Rules hold also while no application uses the line.
        let caller = caller_info(request, line.config.trusted).caller;
        if let Some(refusal) = self.sent_on(key, ForwardWhen::Always, &caller) {
            return Err(refusal);
        }
        if !line.open {
            return Err(no(Status::TEMPORARILY_UNAVAILABLE));
        }
        let may_wait = line.config.call_waiting.unwrap_or(true);
        if !may_wait && self.calls.values().any(|call| call.line == key) {
            let elsewhere = self.sent_on(key, ForwardWhen::Busy, &caller);
            return Err(elsewhere.unwrap_or_else(|| no(Status::BUSY_HERE)));
        }
        Ok(key)
    }

    /// The session that serves an incoming call.
    pub(super) fn session(&mut self, key: CallKey, session: SessionKey) {
        self.place_taken(key, session);
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
            headers.push(name::CONTACT, format!("<{}>", self.dialog_contact(line, flow, public)));
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
        if let Some(alarm) = call.patience.take() {
            self.alarms.remove(&alarm);
        }
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
