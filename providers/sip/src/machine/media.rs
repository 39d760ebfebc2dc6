// SPDX-License-Identifier: MIT OR Apache-2.0
//! Descriptions between the network and the MSP: hold, retrieve, and what the far end changes.

use offhook_sipcore::agent::{Command, Failure};
use offhook_sipcore::message::{Headers, Request, Response, Status};
use offhook_spi::{
    CallKey, CallState, Cause, ConnectedMode, Flowing, Moment, Opaque, Refusal, RefusalKind, RequestId,
    SdpMessage, StateKind, TspEvent,
};

use super::SipMachine;
use super::body::{self, sdp_body};
use crate::call::{Call, Exchange, Phase, Then, flow_of};
use crate::cause;

impl SipMachine {
    /// Says something to the session of a call.
    pub(super) fn relay(&mut self, serial: u64, message: SdpMessage) {
        let Some(call) = self.calls.get(&serial).filter(|call| call.has_media()) else { return };
        let event = TspEvent::Relay { call: call.key, to: call.session(), data: message.into_opaque() };
        self.tell(event);
    }

    /// The session of a call says something.
    pub(super) fn relayed(&mut self, now: Moment, key: CallKey, data: &Opaque) {
        let (Some(serial), Some(message)) = (self.by_key.get(&key).copied(), SdpMessage::from_opaque(data))
        else {
            return;
        };
        let is_word = matches!(
            message,
            SdpMessage::Offer { .. } | SdpMessage::Answer { .. } | SdpMessage::Unacceptable { .. }
        );
        if is_word && self.calls.get_mut(&serial).is_some_and(Call::skips_word) {
            return;
        }
        match message {
            SdpMessage::Offer { sdp } | SdpMessage::Answer { sdp } => self.described_by_msp(now, serial, sdp),
            SdpMessage::Unacceptable { .. } => self.unacceptable(now, serial),
            _ => {}
        }
    }

    fn described_by_msp(&mut self, now: Moment, serial: u64, sdp: String) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        match &mut call.phase {
            Phase::DialTone(_) => {}
            Phase::Outgoing(_) => self.described(now, serial, sdp),
            Phase::Incoming(_) => self.wrote(now, serial, sdp),
            Phase::Answering { .. } => {}
            Phase::Up => self.described_while_up(now, serial, sdp),
        }
    }

    fn described_while_up(&mut self, now: Moment, serial: u64, sdp: String) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let id = call.id;
        if matches!(call.exchange, Exchange::Standing { .. }) {
            return self.stand_in_described(now, serial, sdp);
        }
        match &mut call.exchange {
            Exchange::Ours { sent, .. } if !*sent => {
                *sent = true;
                let body = sdp_body(sdp);
                let headers = self.own_contact(serial);
                self.agent(now, Command::Reinvite { id, headers, body });
            }
            Exchange::Theirs { flow } => {
                // What they send, we receive: held when they do not want to hear us.
                call.held = !flow.receives();
                call.exchange = Exchange::None;
                let body = sdp_body(sdp);
                let headers = self.own_contact(serial);
                self.agent(now, Command::AnswerReinvite { id, headers, body });
                self.relay(serial, SdpMessage::Commit);
                self.told_of_hold(serial);
            }
            Exchange::Asked { sent, .. } if !*sent => {
                *sent = true;
                let body = sdp_body(sdp);
                let headers = self.own_contact(serial);
                self.agent(now, Command::AnswerReinvite { id, headers, body });
            }
            _ => {}
        }
    }

    /// Neither side can use what the other describes.
    fn unacceptable(&mut self, now: Moment, serial: u64) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let id = call.id;
        match &call.phase {
            Phase::DialTone(_) | Phase::Outgoing(_) | Phase::Incoming(_) | Phase::Answering { .. } => {
                self.hang_up(now, serial, Some(Cause::IncompatibleDestination));
            }
            Phase::Up => match std::mem::take(&mut call.exchange) {
                Exchange::Theirs { .. } | Exchange::Asked { sent: false, .. } => {
                    let status = Status::NOT_ACCEPTABLE_HERE;
                    self.agent(now, Command::RejectReinvite { id, status, headers: Headers::new() });
                }
                Exchange::Standing { by, .. } => {
                    self.hang_up(now, by, Some(Cause::IncompatibleDestination));
                }
                Exchange::Ours { request, .. } => {
                    let refusal = Refusal::new(RefusalKind::OperationFailed, "the session cannot change so")
                        .with_cause(Cause::IncompatibleDestination);
                    self.change_failed(serial, request, &refusal);
                }
                // The answer to what was agreed cannot be used: nothing flows any more.
                Exchange::None | Exchange::Asked { sent: true, .. } => {
                    self.hang_up(now, serial, Some(Cause::IncompatibleDestination));
                }
            },
        }
    }

    /// Holds or retrieves: an offer in which our media flow otherwise.
    pub(super) fn hold(&mut self, now: Moment, request: RequestId, serial: u64, hold: bool) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        if !call.rests() {
            let refusal = Refusal::new(
                RefusalKind::Busy,
                format!("{} is changing just now; try again when that is done", call.key),
            );
            return self.reply(request, Err(refusal));
        }
        call.is_pending &= !hold;
        self.change(now, serial, Some(request), hold);
    }

    /// Offers the flow that fits who holds whom.
    pub(super) fn change(&mut self, now: Moment, serial: u64, request: Option<RequestId>, hold: bool) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let flow = call.flow(hold);
        call.exchange = Exchange::Ours { request, hold, flow, sent: false };
        if call.has_media() {
            return self.relay(serial, SdpMessage::OfferWanted { flow });
        }
        let sdp = self.silence(serial);
        self.described_while_up(now, serial, sdp);
    }

    /// The next description of a call without media.
    pub(super) fn silence(&mut self, serial: u64) -> String {
        let own = self.sockets.first().map(|socket| socket.local.ip());
        let Some(call) = self.calls.get_mut(&serial) else { return String::new() };
        let ip = call.flow.map(|flow| flow.local.ip()).or(own);
        call.silence.say(&ip.map_or_else(|| "127.0.0.1".to_owned(), super::host_of))
    }

    pub(super) fn reoffer_answered(
        &mut self,
        now: Moment,
        serial: u64,
        outcome: Result<Box<Response>, Failure>,
    ) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        call.credentials = Headers::new();
        let Exchange::Ours { request, hold, flow, .. } = std::mem::take(&mut call.exchange) else { return };
        match outcome {
            Ok(response) => {
                call.holding = hold;
                match body::answered(&response).unwrap_or_default() {
                    Some(sdp) => {
                        call.was_answered(flow, &sdp);
                        self.relay(serial, SdpMessage::Answer { sdp });
                        self.play_music(serial, hold);
                    }
                    None if call.has_media() => {
                        let detail = format!("the far end does not describe how {} goes on", call.key);
                        let refusal = Refusal::new(RefusalKind::OperationFailed, detail)
                            .with_cause(Cause::IncompatibleDestination);
                        self.change_failed(serial, request, &refusal);
                        return self.hang_up(now, serial, Some(Cause::IncompatibleDestination));
                    }
                    None => {}
                }
                if let Some(request) = request {
                    self.reply(request, Ok(()));
                }
                self.changed(now, serial, hold);
            }
            Err(failure) => {
                self.relay(serial, SdpMessage::Rollback);
                let cause = cause::of_failure(&failure);
                let what = if hold { "hold" } else { "unhold" };
                let refusal =
                    Refusal::new(RefusalKind::OperationFailed, format!("the far end refuses to {what}"));
                self.change_failed(serial, request, &refusal.with_cause(cause));
            }
        }
    }

    /// Who is held hears the music of the line, and us again once it is retrieved.
    fn play_music(&mut self, serial: u64, hold: bool) {
        let line = self.calls.get(&serial).and_then(|call| self.lines.get(call.line));
        if let Some(music) = line.and_then(|line| line.config.hold_music.as_ref()) {
            let path = hold.then(|| music.display().to_string());
            self.relay(serial, SdpMessage::Music { path });
        }
    }

    /// Our re-INVITE was challenged and the line has no answer: the call stays as it was, and the agent forgets
    /// the re-INVITE in time.
    pub(super) fn change_forbidden(&mut self, serial: u64) {
        let Some(Call { key, exchange: Exchange::Ours { request, .. }, .. }) = self.calls.get_mut(&serial)
        else {
            return;
        };
        let detail = format!("the far end wants another password before {key} changes");
        let refusal = Refusal::new(RefusalKind::OperationFailed, detail).with_cause(Cause::NotAuthorized);
        let request = request.take();
        self.change_failed(serial, request, &refusal);
    }

    /// A call is held or retrieved as we wanted.
    fn changed(&mut self, now: Moment, serial: u64, hold: bool) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        match call.then.take() {
            Some(then) => self.follow_up(now, serial, *then),
            None => {
                // Who was held for a consultation is back: there is nothing to consult about any more.
                let other = call.consulted_by.filter(|_| !hold);
                self.told_of_hold(serial);
                if let Some(other) = other {
                    self.hang_up(now, other, None);
                }
            }
        }
    }

    /// Refuses what waited for a change of the media, if it was not answered before, and what was to follow.
    fn change_failed(&mut self, serial: u64, request: Option<RequestId>, refusal: &Refusal) {
        let then = self.calls.get_mut(&serial).and_then(|call| call.then.take());
        let next = then.and_then(|then| then.request());
        for request in request.into_iter().chain(next) {
            self.reply(request, Err(refusal.clone()));
        }
    }

    /// The far end changes the media.
    pub(super) fn reoffered(&mut self, now: Moment, serial: u64, request: &Request) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let id = call.id;
        let media = call.has_media();
        if call.exchange != Exchange::None {
            // Ours is in the making: as if it were on its way (RFC 3261 section 14.2).
            let status = Status::REQUEST_PENDING;
            return self.agent(now, Command::RejectReinvite { id, status, headers: Headers::new() });
        }
        let offer = match body::offered(request) {
            Ok(offer) => offer,
            Err((status, headers)) => {
                return self.agent(now, Command::RejectReinvite { id, status, headers });
            }
        };
        match offer {
            Some(sdp) => {
                call.exchange = Exchange::Theirs { flow: flow_of(&sdp) };
                if media {
                    return self.relay(serial, SdpMessage::Offer { sdp });
                }
                call.silence.hear(&sdp);
            }
            None => {
                // Whoever asks wants to hear all that we can do, and says anew whether it holds us.
                let flow = Flowing::of(true, !call.holding);
                call.exchange = Exchange::Asked { flow, sent: false };
                if media {
                    return self.relay(serial, SdpMessage::OfferWanted { flow });
                }
            }
        }
        if let Exchange::Theirs { flow } = std::mem::take(&mut call.exchange) {
            call.held = !flow.receives();
            self.told_of_hold(serial);
        }
        let body = sdp_body(self.silence(serial));
        let headers = self.own_contact(serial);
        self.agent(now, Command::AnswerReinvite { id, headers, body });
    }

    pub(super) fn reoffer_withdrawn(&mut self, serial: u64) {
        let theirs = self.calls.get(&serial).is_some_and(|call| {
            matches!(call.exchange, Exchange::Theirs { .. } | Exchange::Asked { sent: false, .. })
        });
        if theirs {
            self.roll_back(serial);
        }
    }

    /// What goes on comes to nothing; what the MSP still says about it is not for the next exchange.
    fn roll_back(&mut self, serial: u64) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        if std::mem::take(&mut call.exchange).waits_for_msp() {
            call.stale += 1;
        }
        self.relay(serial, SdpMessage::Rollback);
    }

    /// The core gives a request up. What waits for the MSP comes to nothing; what waits for the far end is on its
    /// way, and its reply says what became of it. All else was answered at once.
    pub(super) fn abandon(&mut self, request: RequestId) {
        let asks = |call: &Call| call.outstanding().contains(&request);
        let Some((serial, call)) = self.calls.iter_mut().find(|(_, call)| asks(call)) else { return };
        let serial = *serial;
        match (&mut call.phase, &call.exchange) {
            (Phase::Incoming(incoming), _) => incoming.answer = None,
            (_, Exchange::Ours { sent: false, .. }) => {
                call.then = None;
                self.roll_back(serial);
            }
            _ => return,
        }
        let refusal =
            Refusal::new(RefusalKind::Abandoned, "the request was given up before it was carried out");
        self.reply(request, Err(refusal));
    }

    /// The ACK to our answer within a call: the end of what goes on.
    pub(super) fn acked_while_up(&mut self, now: Moment, serial: u64, request: &Request) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        match call.exchange {
            Exchange::Asked { flow, sent: true } => {
                call.exchange = Exchange::None;
                match body::acknowledged(request) {
                    Some(sdp) => {
                        call.was_answered(flow, &sdp);
                        self.relay(serial, SdpMessage::Answer { sdp });
                    }
                    None => self.relay(serial, SdpMessage::Rollback),
                }
                self.told_of_hold(serial);
            }
            Exchange::None => self.widen(now, serial),
            _ => {}
        }
    }

    /// The far end has retrieved us while the MSP answers by a wish from when it held us: we offer what can flow
    /// now, or one side would stay unheard.
    fn widen(&mut self, now: Moment, serial: u64) {
        let Some(call) = self.calls.get(&serial).filter(|call| call.has_media()) else { return };
        let (can, wish) = (call.flow(call.holding), call.wish);
        let lacks = can.sends() && !wish.sends() || can.receives() && !wish.receives();
        if lacks {
            self.change(now, serial, None, call.holding);
        }
    }

    /// Reports that both sides talk.
    pub(super) fn is_connected(&mut self, serial: u64) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        call.is_quiet = false;
        match call.told {
            // It came into the place of another.
            StateKind::Connected | StateKind::OnHold | StateKind::OnHoldPendingTransfer => {
                self.told_of_hold(serial);
            }
            _ => self.state(serial, CallState::CONNECTED),
        }
    }

    /// Reports who holds whom.
    pub(super) fn told_of_hold(&mut self, serial: u64) {
        let Some(call) = self.calls.get(&serial) else { return };
        if let Some(conference) = call.member_of {
            return self.state(serial, CallState::Conferenced { conference });
        }
        let state = match (call.holding, call.held) {
            (true, _) if call.is_pending => CallState::OnHoldPendingTransfer,
            (true, _) => CallState::OnHold,
            (false, true) => CallState::Connected { mode: ConnectedMode::ActiveHeld },
            (false, false) => CallState::CONNECTED,
        };
        self.state(serial, state);
    }
}

impl Call {
    /// Requests that wait for the network.
    pub(crate) fn outstanding(&self) -> Vec<RequestId> {
        let answering = match &self.phase {
            Phase::Incoming(incoming) => incoming.answer,
            _ => None,
        };
        let changing = match self.exchange {
            Exchange::Ours { request, .. } => request,
            _ => None,
        };
        let then = self.then.as_ref().and_then(|then| then.request());
        let transfer = self.transfer.as_ref().map(|transfer| transfer.request);
        answering.into_iter().chain(changing).chain(then).chain(transfer).collect()
    }
}

impl Then {
    /// The request that waits for what follows.
    const fn request(&self) -> Option<RequestId> {
        match self {
            Self::Consult(request, _) | Self::Swap(request, _) => Some(*request),
            Self::Seat(seating) => Some(seating.request),
            Self::Keep => None,
        }
    }
}
