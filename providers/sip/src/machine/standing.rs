// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that go on with somebody else: an INVITE takes the place of one (RFC 3891), or the far end refers us to
//! whom to call next (RFC 3515, RFC 5589).
//!
//! A second call of the network stands in for the first, under the same key and with the same session. Until it
//! is answered, the first one is what the core sees; then the first one ends and nobody sees two:
//!
//! ```text
//!            answered                     the far end of the first left
//!   stands in ───────► the call, connected     stands in ───────► the call, still being set up
//!       │ failed                                    │ the first was dropped
//!       └──────► the first goes on as it was        └────────────► both are over
//! ```

use std::time::Duration;

use offhook_sipcore::agent::{Body, Command, Flow, InviteId, ServerRequestId};
use offhook_sipcore::message::{
    EventType, Headers, Method, ReferTarget, Request, Status, SubscriptionState, Termination, Uri, name,
    sipfrag,
};
use offhook_spi::{
    Address, CallDatum, CallInfo, CallParams, Cause, LineKey, Moment, Party, SdpMessage, StateKind, TspEvent,
};

use super::parties::caller_info;
use super::{Alarm, Asked, SipMachine};
use crate::call::{Call, Closing, Exchange, Incoming, Outgoing, Phase};
use crate::cause;
use crate::config::Transferred;

/// Whom we are referred to may ring for so long (RFC 3515 leaves it to us; proxies give up after as much).
const PATIENCE: Duration = Duration::from_secs(180);

impl SipMachine {
    /// An INVITE that takes the place of a call.
    pub(super) fn take_over(
        &mut self,
        now: Moment,
        new: (InviteId, Flow),
        old: InviteId,
        line: LineKey,
        request: &Request,
        offer: Option<String>,
    ) {
        let (id, flow) = new;
        let serial = match self.may_replace(old, line) {
            Ok(serial) => serial,
            Err(status) => {
                let mut headers = Headers::new();
                if status == Status::SERVER_INTERNAL_ERROR {
                    headers.push(name::RETRY_AFTER, "1");
                }
                return self.agent(now, Command::Reject { id, status, headers });
            }
        };
        let is_trusted = self.lines.get(line).is_some_and(|line| line.config.trusted);
        let CallInfo { caller, call_id, .. } = caller_info(request, is_trusted);
        let phase = Phase::Incoming(Incoming {
            offered: offer.is_some(),
            asked: offer.is_none(),
            at_once: true,
            ..Incoming::default()
        });
        let Some(by) = self.stand_in(serial, id, phase, caller) else { return };
        let Some(call) = self.calls.get_mut(&by) else { return };
        call.flow = Some(flow);
        call.info.call_id = call_id;
        let media = call.has_media();
        match offer {
            Some(sdp) => {
                call.held = !crate::call::flow_of(&sdp).receives();
                call.silence.hear(&sdp);
                if media {
                    return self.relay(by, SdpMessage::Offer { sdp });
                }
            }
            None if media => {
                let flow = call.flow(call.holding);
                return self.relay(by, SdpMessage::OfferWanted { flow });
            }
            None => {}
        }
        let sdp = self.silence(by);
        self.stand_in_described(now, serial, sdp);
    }

    /// The call whose place is taken, if that can be done now.
    fn may_replace(&self, old: InviteId, line: LineKey) -> Result<u64, Status> {
        let gone = Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let serial = self.by_invite.get(&old).copied().ok_or(gone)?;
        // A caller that is no party of this line learns nothing about its calls.
        let call = self.calls.get(&serial).filter(|call| call.line == line).ok_or(gone)?;
        match &call.phase {
            Phase::Up if call.rests() => Ok(serial),
            // Something goes on that has to end first.
            Phase::Up | Phase::Answering { .. } => Err(Status::SERVER_INTERNAL_ERROR),
            // Nobody takes the place of who has not answered: the application waits for that party.
            Phase::DialTone(_) | Phase::Outgoing(_) | Phase::Incoming(_) => Err(Status::DECLINE),
        }
    }

    /// The far end wants us to call somebody else (RFC 3515 section 2.4.2).
    pub(super) fn follow(
        &mut self,
        now: Moment,
        id: ServerRequestId,
        invite: Option<InviteId>,
        request: &Request,
    ) {
        let (status, place) = match self.may_follow(invite, request) {
            Ok(place) => (Status::ACCEPTED, Some(place)),
            Err(status) => (status, None),
        };
        let headers = place.as_ref().map_or_else(Headers::new, |(serial, ..)| self.own_contact(*serial));
        self.agent(now, Command::RespondTo { id, status, headers, body: None });
        if let Some((serial, target, to)) = place {
            self.set_off(now, serial, &target, to, request);
        }
    }

    fn may_follow(
        &self,
        invite: Option<InviteId>,
        request: &Request,
    ) -> Result<(u64, ReferTarget, Uri), Status> {
        let gone = Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let serial = invite.and_then(|id| self.by_invite.get(&id)).copied().ok_or(gone)?;
        let call = self.calls.get(&serial).ok_or(gone)?;
        let line = self.lines.get(call.line).ok_or(gone)?;
        if line.config.transferred != Transferred::Follow {
            return Err(Status::DECLINE);
        }
        let target = request.headers.refer_to().map_err(|_| Status::BAD_REQUEST)?;
        if !target.uri.is_sip() {
            return Err(Status::UNSUPPORTED_URI_SCHEME);
        }
        if !call.rests() {
            return Err(Status::REQUEST_PENDING);
        }
        if self.calls.len() >= self.config.limits.calls {
            return Err(Status::SERVICE_UNAVAILABLE);
        }
        let to = self.destination(call.line, &Address::new(target.uri.as_str()));
        Ok((serial, target, to.map_err(|_| Status::BAD_REQUEST)?))
    }

    /// Calls whom we were referred to.
    fn set_off(&mut self, now: Moment, serial: u64, target: &ReferTarget, to: Uri, request: &Request) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        // RFC 3515 section 2.4.6: from the second REFER on, reports say which one they are about.
        let number = request.headers.cseq().ok().map(|cseq| cseq.seq);
        call.referral = Some(number.filter(|_| call.referrals > 0));
        call.referrals = call.referrals.saturating_add(1);
        let text = |name: &str, value: String| CallDatum { name: name.to_owned(), value };
        let by = request.headers.get(name::REFERRED_BY).filter(|by| by.len() <= 1024);
        let by = by.map(|by| text(name::REFERRED_BY, by.to_owned()));
        let replaces = target.replaces.as_ref().map(|it| text(name::REPLACES, it.to_string()));
        let data = by.into_iter().chain(replaces).collect();
        let params = CallParams { no_answer_timeout: Some(PATIENCE), data, ..CallParams::default() };
        let dialled = Address::new(target.uri.as_str());
        let party = Party { address: Some(dialled.clone()), ..Party::default() };
        self.serial += 1;
        let id = InviteId::Outgoing(self.serial);
        let phase = Phase::Outgoing(Box::new(Outgoing::new(to, dialled, params)));
        let Some(by) = self.stand_in(serial, id, phase, party) else { return };
        self.report(now, serial, Status::TRYING, None);
        let alarm = self.set_alarm(now + PATIENCE, Alarm::NoAnswer(by));
        let Some(call) = self.calls.get_mut(&by) else { return };
        call.patience = Some(alarm);
        if call.has_media() {
            let flow = call.flow(call.holding);
            self.relay(by, SdpMessage::OfferWanted { flow });
        } else {
            let sdp = self.silence(by);
            self.stand_in_described(now, serial, sdp);
        }
        self.look_up(now, by);
    }

    /// A second call for a first one.
    fn stand_in(&mut self, serial: u64, id: InviteId, phase: Phase, party: Party) -> Option<u64> {
        self.serial += 1;
        let by = self.serial;
        let call = self.calls.get_mut(&serial)?;
        call.exchange = Exchange::Standing { by, wrote: false };
        let info = CallInfo {
            connected: Some(party),
            related_call_id: call.info.call_id.clone(),
            call_id: None,
            ..CallInfo::clone(&call.info)
        };
        let second = Call {
            holding: call.holding,
            wish: call.wish,
            info: Box::new(info),
            stands_for: Some(serial),
            ..Call::new(id, call.key, call.line, call.media, phase)
        };
        self.calls.insert(by, second);
        self.by_invite.insert(id, by);
        Some(by)
    }

    /// The description of a second call is written.
    pub(super) fn stand_in_described(&mut self, now: Moment, serial: u64, sdp: String) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let Exchange::Standing { by, wrote } = &mut call.exchange else { return };
        if std::mem::replace(wrote, true) {
            return;
        }
        let by = *by;
        match self.calls.get(&by).map(|call| &call.phase) {
            Some(Phase::Incoming(_)) => self.wrote(now, by, sdp),
            Some(Phase::Outgoing(_)) => self.described(now, by, sdp),
            _ => {}
        }
    }

    /// A second call becomes the call, as it was answered; the first one ends.
    pub(super) fn succeed(&mut self, now: Moment, by: u64) {
        let Some(serial) = self.calls.get(&by).and_then(|call| call.stands_for) else { return };
        let headers = self.own_contact(serial);
        let Some(first) = self.inherit(by) else { return };
        let (id, line) = (first.id, first.line);
        self.closing.insert(id, Closing { line, credentials: Headers::new() });
        match first.referral {
            // The last report goes before the BYE, which would end the dialog that it goes in.
            Some(number) => {
                self.send_report(now, (id, number, headers), Status::OK, Some(Termination::NoResource), true);
            }
            None => self.agent(now, Command::Bye { id, headers: Headers::new() }),
        }
    }

    /// The far end of the first call has left before the second was answered; says whether there is a second.
    pub(super) fn left_behind(&mut self, serial: u64) -> bool {
        let Some(Call { exchange: Exchange::Standing { by, .. }, .. }) = self.calls.get(&serial) else {
            return false;
        };
        let by = *by;
        self.inherit(by);
        if let Some(call) = self.calls.get_mut(&by) {
            call.is_quiet = true;
        }
        true
    }

    /// Gives a second call the place of the first, which is taken out of all tables.
    fn inherit(&mut self, by: u64) -> Option<Call> {
        let serial = self.calls.get_mut(&by)?.stands_for.take()?;
        let mut first =
            self.calls.get_mut(&serial).map(|call| (call.consults.take(), call.consulted_by.take()))?;
        let old = self.forget(serial)?;
        let call = self.calls.get_mut(&by)?;
        (call.told, call.is_pending, call.member_of) = (old.told, old.is_pending, old.member_of);
        call.stale = call.stale.saturating_add(old.stale);
        (call.consults, call.consulted_by) = first;
        self.by_key.insert(old.key, by);
        let event = TspEvent::CallInfo { call: call.key, info: call.info.clone() };
        if let Some(other) = first.0.take().and_then(|other| self.calls.get_mut(&other)) {
            other.consulted_by = Some(by);
        }
        if let Some(other) = first.1.take().and_then(|other| self.calls.get_mut(&other)) {
            other.consults = Some(by);
        }
        self.tell(event);
        Some(old)
    }

    /// A second call came to nothing: the first goes on as it was.
    pub(super) fn stood_in_vain(&mut self, now: Moment, serial: u64, by: u64, cause: Cause) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        if let Exchange::Standing { by: other, wrote } = call.exchange
            && other == by
        {
            call.exchange = Exchange::None;
            call.stale += u32::from(!wrote);
            self.relay(serial, SdpMessage::Rollback);
        }
        self.report(now, serial, cause::status(cause), Some(Termination::NoResource));
    }

    /// Whom we were referred to rings; that is reported once.
    pub(super) fn reports_ringing(&mut self, now: Moment, by: u64) {
        let Some(call) = self.calls.get_mut(&by) else { return };
        if let Some(serial) = call.stands_for.filter(|_| call.told != StateKind::Ringback) {
            call.told = StateKind::Ringback;
            self.report(now, serial, Status::RINGING, None);
        }
    }

    /// Reports to whoever referred us, if anybody did.
    fn report(&mut self, now: Moment, serial: u64, status: Status, end: Option<Termination>) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let Some(number) = call.referral else { return };
        if end.is_some() {
            call.referral = None;
        }
        let id = call.id;
        let headers = self.own_contact(serial);
        self.send_report(now, (id, number, headers), status, end, false);
    }

    fn send_report(
        &mut self,
        now: Moment,
        (invite, number, mut headers): (InviteId, Option<u32>, Headers),
        status: Status,
        end: Option<Termination>,
        is_farewell: bool,
    ) {
        let event = EventType { id: number.map(|number| number.to_string()), ..EventType::new("refer") };
        let left = u32::try_from(PATIENCE.as_secs()).unwrap_or_default();
        let state = end.map_or_else(|| SubscriptionState::active(left), SubscriptionState::terminated);
        headers.push(name::EVENT, event.to_string());
        headers.push(name::SUBSCRIPTION_STATE, state.to_string());
        let body = Body { kind: "message/sipfrag;version=2.0".into(), bytes: sipfrag(status).into() };
        let asked = if is_farewell { Asked::Farewell(invite) } else { Asked::Report };
        let id = self.sip_request(asked);
        let (method, body) = (Method::NOTIFY, Some(body));
        self.agent(now, Command::RequestInDialog { id, invite, method, headers, body });
    }
}
