// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls of ours: from the wish to the answer.

use std::collections::VecDeque;

use offhook_sipcore::agent::{Command, Ending, Failure, Flow, Transport, prefers_stream};
use offhook_sipcore::message::{Headers, Method, Request, Response, Status, Uri, name};
use offhook_spi::{
    Address, CallKey, CallParams, CallState, Cause, Flowing, LineKey, Moment, Party, Presentation, Refusal,
    RefusalKind, RequestId, SdpMessage, SessionKey, StateKind, TspEvent,
};

use super::body;
use super::{Alarm, LookupId, SipMachine, host_of, name_addr};
use crate::call::{Call, Closing, Outgoing, Phase};
use crate::cause;
use crate::location::{Lookup, Target};

/// Headers of ours that an application must not set through call data.
const OWN_HEADERS: [&str; 14] = [
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Route",
    "Record-Route",
    "Max-Forwards",
    "Content-Length",
    "Content-Type",
    "Authorization",
    "Proxy-Authorization",
    "Allow",
];

/// Who somebody is, on the word of a network that knows (RFC 3325).
const IDENTITY: &str = "P-Asserted-Identity";

impl SipMachine {
    #[expect(clippy::too_many_arguments, reason = "one per field of the command")]
    pub(super) fn make_call(
        &mut self,
        now: Moment,
        request: RequestId,
        line: LineKey,
        key: CallKey,
        session: Option<SessionKey>,
        to: &Address,
        params: CallParams,
    ) {
        let uri = match self.destination(line, to) {
            Ok(uri) => uri,
            Err(refusal) => return self.reply(request, Err(refusal)),
        };
        if let Err(refusal) = self.must_fit(key) {
            return self.reply(request, Err(refusal));
        }
        let serial = self.place(line, key, session, CallParams::default());
        let outgoing = Outgoing::new(uri, to.clone(), params);
        if let Some(call) = self.calls.get_mut(&serial) {
            *call.info = outgoing.info();
            call.phase = Phase::Outgoing(Box::new(outgoing));
        }
        self.reply(request, Ok(()));
        self.go(now, serial);
    }

    /// Starts a call of ours: asks for a description and a way.
    pub(super) fn go(&mut self, now: Moment, serial: u64) {
        let Some(call) = self.calls.get(&serial) else { return };
        let Phase::Outgoing(outgoing) = &call.phase else { return };
        let (no_answer, session) = (outgoing.params.no_answer_timeout, call.session());
        self.state(serial, CallState::Dialing);
        if let Some(timeout) = no_answer {
            let alarm = self.set_alarm(now + timeout, Alarm::NoAnswer(serial));
            if let Some(call) = self.calls.get_mut(&serial) {
                call.patience = Some(alarm);
            }
        }
        match session {
            Some(_) => self.relay(serial, SdpMessage::OfferWanted { flow: Flowing::Both }),
            None => {
                let sdp = self.silence(serial);
                self.described(now, serial, sdp);
            }
        }
        self.look_up(now, serial);
    }

    /// Where to call somebody: the address, by the line's own transport unless it names one.
    pub(super) fn destination(&self, key: LineKey, to: &Address) -> Result<Uri, Refusal> {
        let uri = self.address(key, to)?;
        let transport = self.lines.get(key).and_then(|line| line.transport());
        Ok(match (transport, uri.param("transport")) {
            (Some(transport), None) => uri.with_param("transport", Some(transport)),
            _ => uri,
        })
    }

    /// A SIP URI as it stands, or a number or user at the line's domain or proxy.
    pub(super) fn address(&self, key: LineKey, to: &Address) -> Result<Uri, Refusal> {
        let wrong = |why: &str| Refusal::new(RefusalKind::InvalidAddress, format!("'{to}' {why}"));
        let Some(line) = self.lines.get(key) else {
            return Err(Refusal::new(RefusalKind::Gone, format!("the SIP provider has no {key}")));
        };
        let text = to.as_str().trim();
        let uri: Uri = if text.starts_with("sip:") || text.starts_with("sips:") {
            text.parse().map_err(|error| wrong(&format!("is no SIP address: {error}")))?
        } else if let Some((user, host)) = text.split_once('@') {
            format!("sip:{user}@{host}")
                .parse()
                .map_err(|error| wrong(&format!("is no SIP address: {error}")))?
        } else {
            let number: String =
                text.trim_start_matches("tel:").chars().filter(|c| !" ()-./".contains(*c)).collect();
            if number.is_empty() {
                return Err(wrong("is no address; expected sip:user@host, a number or a name"));
            }
            let proxy = line.proxy.as_ref().map(Uri::as_str);
            match (line.config.domain.as_deref(), proxy) {
                (Some(domain), _) => format!("sip:{number}@{domain}"),
                (None, Some(proxy)) => proxy.replacen(':', &format!(":{number}@"), 1),
                (None, None) => {
                    return Err(wrong("names no host, and the line has no domain; expected sip:user@host"));
                }
            }
            .parse()
            .map_err(|error| wrong(&format!("is no SIP address: {error}")))?
        };
        if !uri.is_sip() && !uri.is_sips() {
            return Err(wrong("is no SIP address; expected sip:user@host"));
        }
        Ok(uri)
    }

    pub(super) fn look_up(&mut self, now: Moment, serial: u64) {
        let Some(Call { line, phase: Phase::Outgoing(outgoing), .. }) = self.calls.get(&serial) else {
            return;
        };
        let proxy = self.lines.get(*line).and_then(|line| line.proxy.clone());
        let next_hop = proxy.unwrap_or_else(|| outgoing.to.clone());
        let (lookup, step) = Lookup::start(&next_hop, &self.transports());
        self.lookups.insert(LookupId::Call(serial), (lookup, None));
        self.looked_up(now, LookupId::Call(serial), step);
    }

    pub(super) fn located(&mut self, now: Moment, serial: u64, targets: Vec<Target>) {
        let Some(Call { phase: Phase::Outgoing(outgoing), .. }) = self.calls.get_mut(&serial) else { return };
        if targets.is_empty() {
            return self.over(serial, Cause::NoRouteToDestination);
        }
        outgoing.targets = Some(VecDeque::from(targets));
        self.invite(now, serial);
    }

    /// Our description is written.
    pub(super) fn described(&mut self, now: Moment, serial: u64, sdp: String) {
        if let Some(Call { phase: Phase::Outgoing(outgoing), .. }) = self.calls.get_mut(&serial) {
            outgoing.offer = Some(sdp);
            self.invite(now, serial);
        }
    }

    /// Sends the INVITE once both the way and the description are known.
    fn invite(&mut self, now: Moment, serial: u64) {
        let Some(Call { phase: Phase::Outgoing(outgoing), .. }) = self.calls.get(&serial) else { return };
        let (Some(_), Some(offer)) = (&outgoing.targets, &outgoing.offer) else { return };
        if outgoing.sent {
            return;
        }
        let offer = offer.clone();
        let Some((target, mut flow)) = self.next_place(serial) else {
            return self.over(serial, Cause::NoRouteToDestination);
        };
        let Some(mut request) = self.build_invite(serial, &flow) else { return };
        request.body = offer.into();
        request.headers.set(name::CONTENT_TYPE, "application/sdp");
        if target.transport == Transport::Udp && prefers_stream(request.to_bytes().len() + 200) {
            // RFC 3261 section 18.1.1: too large for a datagram; TCP first, this target again on failure.
            let stream = Target { transport: Transport::Tcp, ..target.clone() };
            if let Some(other) = self.flow(&stream) {
                if let Some(Call { phase: Phase::Outgoing(outgoing), .. }) = self.calls.get_mut(&serial)
                    && let Some(targets) = &mut outgoing.targets
                {
                    targets.push_front(target);
                }
                flow = other;
            }
        }
        let Some(call) = self.calls.get_mut(&serial) else { return };
        call.flow = Some(flow);
        let id = call.id;
        if let Phase::Outgoing(outgoing) = &mut call.phase {
            outgoing.sent = true;
        }
        self.agent(now, Command::Invite { id, request, flow });
    }

    /// The best place that was not tried and that a socket of ours leads to.
    fn next_place(&mut self, serial: u64) -> Option<(Target, Flow)> {
        loop {
            let call = self.calls.get_mut(&serial)?;
            let Phase::Outgoing(outgoing) = &mut call.phase else { return None };
            let target = outgoing.targets.as_mut()?.pop_front()?;
            if let Some(flow) = self.flow(&target) {
                return Some((target, flow));
            }
        }
    }

    fn build_invite(&self, serial: u64, flow: &Flow) -> Option<Request> {
        let call = self.calls.get(&serial)?;
        let Phase::Outgoing(outgoing) = &call.phase else { return None };
        let line = self.lines.get(call.line)?;
        let public = line.registration.as_ref().and_then(|registration| registration.public());
        let params = &outgoing.params;
        let display = params.caller.as_ref().and_then(|party| party.name.clone());
        let display = display.or_else(|| line.config.display_name.clone());
        let withheld =
            params.caller.as_ref().is_some_and(|party| party.presentation == Presentation::Withheld);
        let own = line.address(&host_of(flow.local.ip()), Some(flow.local.port()));
        let from = if withheld {
            // RFC 3323 section 4.1.1.3.
            let anonymous = Uri::sip(Some("anonymous"), "anonymous.invalid", None);
            name_addr(anonymous, Some("Anonymous"))
        } else {
            name_addr(own, display.as_deref())
        };
        let mut request = Request::new(Method::INVITE, outgoing.to.without_headers());
        let headers = &mut request.headers;
        if let Some(proxy) = &line.proxy {
            let loose =
                if proxy.param("lr").is_some() { proxy.clone() } else { proxy.with_param("lr", None) };
            headers.push(name::ROUTE, format!("<{loose}>"));
        }
        headers.push(name::FROM, from.to_string());
        headers.push(name::TO, format!("<{}>", outgoing.to.without_headers()));
        headers.push(name::CONTACT, format!("<{}>", self.dialog_contact(line, flow, public)));
        if withheld {
            headers.push(name::PRIVACY, "id");
        }
        for datum in &params.data {
            let own = OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(&datum.name));
            let clean = |text: &str| !text.contains(['\r', '\n']);
            if !own && !datum.name.is_empty() && clean(&datum.name) && clean(&datum.value) {
                headers.push(&datum.name, datum.value.clone());
            }
        }
        Some(request)
    }

    /// The place that was tried leads nowhere: the next one (RFC 3263 section 4.3), or the end.
    pub(super) fn unreached(&mut self, now: Moment, serial: u64, failure: &Failure) {
        let cause = match failure {
            Failure::Refused(response) => cause::of_response(response.status, &response.headers),
            Failure::Timeout => Cause::TimerExpired,
            _ => Cause::NoRouteToDestination,
        };
        self.next_target(now, serial, cause);
    }

    fn next_target(&mut self, now: Moment, serial: u64, cause: Cause) {
        let Some(Call { id, phase: Phase::Outgoing(_), .. }) = self.calls.get(&serial) else { return };
        let id = *id;
        match self.next_place(serial) {
            Some((_, flow)) => {
                let user = self.calls.get(&serial).and_then(|call| self.lines.get(call.line));
                let contact = user.map(|line| self.dialog_contact(line, &flow, None));
                let mut headers = Headers::new();
                if let Some(contact) = contact {
                    headers.push(name::CONTACT, format!("<{contact}>"));
                }
                if let Some(call) = self.calls.get_mut(&serial) {
                    call.flow = Some(flow);
                }
                self.agent(now, Command::Retry { id, method: Method::INVITE, headers, flow: Some(flow) });
            }
            None => {
                self.agent(now, Command::Cancel { id, headers: Headers::new() });
                self.over(serial, cause);
            }
        }
    }

    /// A provisional response: what is heard and who rings.
    pub(super) fn progress(&mut self, now: Moment, serial: u64, response: &Response) {
        if response.status == Status::TRYING {
            return self.state(serial, CallState::Proceeding);
        }
        if let Ok(Some(sdp)) = body::answered(response)
            && let Some(Call { stands_for, phase: Phase::Outgoing(outgoing), .. }) =
                self.calls.get_mut(&serial)
            && outgoing.early.as_deref() != Some(sdp.as_str())
        {
            outgoing.early = Some(sdp.clone());
            // What a second call sounds like early is not heard beside the first.
            if stands_for.is_none() {
                self.relay(serial, SdpMessage::EarlyAnswer { sdp });
            }
        }
        let rings = response.status == Status::RINGING;
        let told = self.calls.get(&serial).map(|call| call.told);
        // Ringing stays ringing, also when a forked branch says less.
        if rings {
            self.reports_ringing(now, serial);
            self.state(serial, CallState::Ringback);
        } else if told == Some(StateKind::Dialing) {
            self.state(serial, CallState::Proceeding);
        }
    }

    /// Somebody answered.
    pub(super) fn answered(&mut self, now: Moment, serial: u64, response: &Response) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let Phase::Outgoing(outgoing) = &mut call.phase else { return };
        // An early answer stands where the final one says nothing; one that cannot be used is none.
        let sdp =
            body::answered(response).map(|sdp| sdp.or_else(|| outgoing.early.take())).unwrap_or_default();
        let media = call.has_media();
        call.phase = Phase::Up;
        call.credentials = Headers::new();
        if let Some(alarm) = call.patience.take() {
            self.alarms.remove(&alarm);
        }
        if call.stands_for.is_some() {
            call.info.call_id = response.headers.call_id().ok().map(str::to_owned);
            let flow = call.flow(call.holding);
            call.was_answered(flow, sdp.as_deref().unwrap_or_default());
        }
        if media {
            match sdp {
                Some(sdp) => self.relay(serial, SdpMessage::Answer { sdp }),
                // An answer to an offer must be described (RFC 3261 section 13.2.1).
                None => return self.hang_up(now, serial, Some(Cause::IncompatibleDestination)),
            }
        }
        self.succeed(now, serial);
        if response.headers.contains(IDENTITY) {
            self.connected_party(serial, response);
        }
        self.is_connected(serial);
    }

    /// Who answered, where that is said by the other side's asserted identity; beside all that was known, since
    /// the core replaces it as a whole.
    fn connected_party(&mut self, serial: u64, response: &Response) {
        let identity = response.headers.addresses(IDENTITY).ok().and_then(|all| all.into_iter().next());
        let (Some(identity), Some(call)) = (identity, self.calls.get_mut(&serial)) else { return };
        let is_trusted = self.lines.get(call.line).is_some_and(|line| line.config.trusted);
        let party = Party {
            address: Some(Address::new(identity.uri.as_str())),
            name: identity.display,
            presentation: if is_trusted { Presentation::Asserted } else { Presentation::Claimed },
            number: None,
        };
        call.info.connected = Some(party);
        call.info.call_id = response.headers.call_id().ok().map(str::to_owned);
        let event = TspEvent::CallInfo { call: call.key, info: call.info.clone() };
        self.tell(event);
    }

    pub(super) fn failed(&mut self, serial: u64, failure: &Failure) {
        self.over(serial, cause::of_failure(failure));
    }

    pub(super) fn redirected(&mut self, serial: u64, response: &Response) {
        let Some(call) = self.calls.get(&serial) else { return };
        if call.stands_for.is_some() {
            return self.over(serial, Cause::Redirected);
        }
        let mut contacts = response.headers.contacts().unwrap_or_default();
        contacts.sort_by_key(|contact| std::cmp::Reverse(contact.q()));
        let targets = contacts.iter().take(16).map(|contact| Address::new(contact.uri.as_str())).collect();
        let event = TspEvent::Redirected { call: call.key, targets, cause: None };
        self.tell(event);
        self.over(serial, Cause::Redirected);
    }

    pub(super) fn no_answer(&mut self, now: Moment, serial: u64) {
        let Some(Call { id, line, phase: Phase::Outgoing(outgoing), .. }) = self.calls.get(&serial) else {
            return;
        };
        let (id, line) = (*id, *line);
        if outgoing.sent {
            self.agent(now, Command::Cancel { id, headers: Headers::new() });
            self.closing.insert(id, Closing { line, credentials: Headers::new() });
        }
        self.over(serial, Cause::NoAnswer);
    }

    /// A call that was up, or was coming up, is over from the other side.
    pub(super) fn ended(&mut self, now: Moment, serial: u64, why: &Ending) {
        if matches!(why, Ending::Remote(_)) && self.left_with_transfer(now, serial) {
            return;
        }
        if matches!(why, Ending::Remote(_)) && self.left_behind(serial) {
            return;
        }
        let cause = match why {
            Ending::Remote(request) => cause::of_end(&request.headers, Cause::NormalClearing),
            Ending::Cancelled(request) => cause::of_end(&request.headers, Cause::Cancelled),
            Ending::Expired | Ending::NoAck => Cause::TimerExpired,
            Ending::Rejected => Cause::CallRejected,
            Ending::Local => Cause::NormalClearing,
            _ => Cause::TemporaryFailure,
        };
        // "Normal" from a caller that has not been answered is that it gave up.
        let incoming = matches!(self.calls.get(&serial), Some(Call { phase: Phase::Incoming(_), .. }));
        let gave_up = incoming && cause == Cause::NormalClearing;
        self.over(serial, if gave_up { Cause::Cancelled } else { cause });
    }
}
