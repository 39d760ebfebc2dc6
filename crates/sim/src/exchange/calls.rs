// SPDX-License-Identifier: MIT OR Apache-2.0
//! Single calls: made, dialled, offered, answered, held, deflected and dropped.

use offhook_core::table;
use offhook_spi::{
    Address, CallDirection, CallInfo, CallKey, CallOp, CallReason, CallState, Cause, Flowing, LineKey,
    MediaSet, Moment, Op, Party, Refusal, RefusalKind, Reply, RequestId, SessionKey, StateKind, TspEvent,
};

use super::far::FarEnd;
use super::signals::MUSIC;
use super::{Alarm, Call, Exchange};
use crate::script::{Script, Step};
use crate::sound::Sound;

/// Characters of dialled text that one call collects.
const LONGEST_NUMBER: usize = 256;

/// One request about a call, as it came.
pub(super) struct Asked {
    pub(super) request: RequestId,
    pub(super) line: LineKey,
    pub(super) call: CallKey,
    pub(super) session: Option<SessionKey>,
}

impl Exchange {
    pub(super) fn operate(&mut self, now: Moment, asked: &Asked, op: CallOp) {
        let result = self.carry_out(now, asked, op);
        if let Err(refusal) = result {
            self.reply(now, asked.request, Err(refusal), Vec::new());
        }
    }

    /// Carries out an operation; whoever succeeds has replied before the first event.
    fn carry_out(&mut self, now: Moment, asked: &Asked, op: CallOp) -> Result<(), Refusal> {
        if let CallOp::MakeCall { to, params } = &op {
            return self.make_call(now, asked, to, params.no_answer_timeout);
        }
        let key = asked.call;
        if let CallOp::SetupConference { conference, consultation } = op
            && consultation == key
        {
            return self.conference_from_nothing(asked, conference);
        }
        self.check(key, op.required())?;
        match op {
            CallOp::Accept => {
                self.done(asked);
                self.accept(key);
            }
            CallOp::AddToConference { member } => self.add_to_conference(asked, member)?,
            CallOp::Answer => {
                self.done(asked);
                self.answer(now, key);
            }
            CallOp::BlindTransfer { to } => self.blind_transfer(now, asked, &to)?,
            CallOp::CompleteTransfer { consultation, completion } => {
                self.complete_transfer(now, asked, consultation, completion)?;
            }
            CallOp::Dial { digits } => self.dial(now, asked, &digits)?,
            CallOp::Drop { cause } => {
                self.done(asked);
                self.drop_call(now, key, cause);
            }
            CallOp::Hold => {
                self.done(asked);
                self.rest(key, CallState::OnHold);
            }
            CallOp::CompleteCall { mode } => self.complete(now, asked, mode)?,
            CallOp::Park { at } => self.park(asked, at)?,
            CallOp::PrepareAddToConference { consultation, to } => {
                self.prepare_add(now, asked, consultation, to.as_ref())?;
            }
            CallOp::Redirect { to } => self.redirect(now, asked, &to)?,
            CallOp::RemoveFromConference => {
                self.done(asked);
                self.drop_call(now, key, None);
            }
            CallOp::SetCallData { data } => {
                self.done(asked);
                self.inform(key, |info| info.data = data);
            }
            CallOp::SetMediaMode { media } => {
                self.done(asked);
                self.inform(key, |info| info.media = media);
            }
            CallOp::SetupConference { conference, consultation } => {
                self.conference_from_call(asked, conference, consultation)?;
            }
            CallOp::SetupTransfer { consultation, to, .. } => {
                self.setup_transfer(now, asked, consultation, to.as_ref())?;
            }
            CallOp::SwapHold { with } => self.swap(asked, with)?,
            CallOp::Unhold => {
                self.done(asked);
                self.retrieve(now, key);
            }
            other => return self.carry_out_signal(now, asked, other),
        }
        Ok(())
    }

    /// As [`Self::carry_out`], for what changes no state.
    fn carry_out_signal(&mut self, now: Moment, asked: &Asked, op: CallOp) -> Result<(), Refusal> {
        match op {
            CallOp::Extension { data } => {
                let outcome = super::signals::extended(data)?;
                self.replied(asked.request, outcome);
            }
            CallOp::GatherDigits { gather } => self.gather(now, asked, gather)?,
            CallOp::GenerateDigits { digits, mode, duration } => {
                self.generate(now, asked, digits, mode, duration)?;
            }
            CallOp::GenerateTone { tone } => self.generate_tone(now, asked, tone),
            CallOp::MonitorDigits { modes } => self.monitor(asked, &modes)?,
            CallOp::MonitorMedia { media } => self.monitor_media(asked, media),
            CallOp::MonitorTones { tones } => self.monitor_tones(asked, tones),
            CallOp::ReleaseUserData => {
                self.done(asked);
                self.inform(asked.call, |info| info.user_data = None);
            }
            CallOp::Secure => {
                self.done(asked);
                if let Some(call) = self.calls.get_mut(&asked.call) {
                    call.signals.is_secure = true;
                }
            }
            CallOp::SendUserData { data } => self.send_user_data(asked, data)?,
            CallOp::SetCallParams { params } => self.set_params(now, asked, *params),
            CallOp::SetMediaControl { rules } => self.set_media_control(asked, rules)?,
            CallOp::SetTerminal { terminal, enabled } => self.set_terminal(asked, &terminal, enabled)?,
            CallOp::SetQuality { bits_per_second } => self.set_quality(asked, bits_per_second)?,
            CallOp::SetTreatment { treatment } => self.treat(asked, treatment),
            other => return Err(Refusal::unsupported("the simulated exchange", other.required())),
        }
        Ok(())
    }

    /// Whether the call lives, the exchange does such things and the moment is right; a core asks at the
    /// wrong one only when it was overtaken.
    fn check(&self, key: CallKey, op: Op) -> Result<(), Refusal> {
        if !self.ops().contains(op) {
            return Err(Refusal::unsupported("the simulated exchange", op));
        }
        self.must_be(key, op, table::states_for(op))
    }

    /// Checks the state of a call that an operation names.
    pub(super) fn must_be(&self, key: CallKey, op: Op, legal: &[StateKind]) -> Result<(), Refusal> {
        let Some(call) = self.calls.get(&key) else {
            return Err(Refusal::new(RefusalKind::StaleHandle, format!("{key} has ended")));
        };
        let state = call.state.kind();
        if legal.contains(&state) { Ok(()) } else { Err(Refusal::invalid_state(key, op, state, legal)) }
    }

    /// The operation succeeds. Nothing about it is late where the network is slow: its events must not
    /// precede the reply.
    pub(super) fn done(&mut self, asked: &Asked) {
        self.out.push_back(TspEvent::Reply { request: asked.request, result: Reply::DONE });
    }

    fn make_call(
        &mut self,
        now: Moment,
        asked: &Asked,
        to: &Address,
        patience: Option<std::time::Duration>,
    ) -> Result<(), Refusal> {
        if !self.serves(asked.line) {
            let detail =
                format!("{} does not serve calls; expected it open, in service, unlocked", asked.line);
            return Err(Refusal::new(RefusalKind::InvalidState, detail));
        }
        let partial = to.as_str().strip_suffix(';');
        let far = match partial {
            Some(digits) => {
                dialable(digits)?;
                FarEnd::Nobody
            }
            None => self.find(to)?,
        };
        self.done(asked);
        self.create(asked.line, asked.call, asked.session, far);
        match partial {
            Some(digits) => self.collect(asked.call, digits),
            None => self.start(now, asked.call, to),
        }
        if let (Some(patience), true) = (patience, self.calls.contains_key(&asked.call)) {
            self.alarms.set(now + patience, Alarm::NoAnswer { call: asked.call });
        }
        Ok(())
    }

    /// Enters a call that the core named.
    pub(super) fn create(
        &mut self,
        line: LineKey,
        key: CallKey,
        session: Option<SessionKey>,
        far: FarEnd,
    ) -> &mut Call {
        self.made += 1;
        let info = CallInfo { caller: self.party(line), media: MediaSet::AUDIO, ..CallInfo::default() };
        self.calls.insert(key, Call { session, ..Call::new(line, far, info.clone()) });
        self.calls.entry(key).or_insert_with(|| Call::new(line, FarEnd::Nobody, info))
    }

    /// Dials a complete address whose far end is there already.
    pub(super) fn start(&mut self, now: Moment, key: CallKey, to: &Address) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.dialled = None;
        call.info.called = Party { address: Some(to.clone()), ..Party::default() };
        self.state(key, CallState::Dialing);
        self.begin(now, key);
    }

    /// Keeps the digits of an address that is not complete; none yet is dial tone.
    pub(super) fn collect(&mut self, key: CallKey, digits: &str) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let sofar = call.dialled.get_or_insert_default();
        sofar.push_str(digits);
        let state = if sofar.is_empty() { CallState::DialTone } else { CallState::Dialing };
        self.state(key, state);
    }

    fn dial(&mut self, now: Moment, asked: &Asked, digits: &str) -> Result<(), Refusal> {
        let key = asked.call;
        let (more, is_last) = match digits.strip_suffix(';') {
            Some(more) => (more, false),
            None => (digits, true),
        };
        dialable(more)?;
        let Some((state, sofar)) = self.calls.get(&key).map(|call| (call.state.kind(), &call.dialled)) else {
            return Ok(());
        };
        let Some(sofar) = sofar else {
            let legal = [StateKind::DialTone, StateKind::Dialing];
            return Err(Refusal::invalid_state(key, Op::Dial, state, &legal));
        };
        if sofar.len() + more.len() > LONGEST_NUMBER {
            let detail = format!("{key} has more than {LONGEST_NUMBER} characters dialled");
            return Err(Refusal::new(RefusalKind::InvalidAddress, detail));
        }
        let whole = Address::new(format!("{sofar}{more}"));
        self.done(asked);
        if !is_last {
            self.collect(key, more);
            return Ok(());
        }
        match self.find(&whole) {
            Ok(far) => {
                self.put(key, far);
                self.start(now, key, &whole);
            }
            // The digits were accepted, so the network says it: a tone, then the end.
            Err(_) => {
                self.state(key, CallState::SpecialInfo);
                self.far_hangs_up(now, key, Cause::UnallocatedNumber);
            }
        }
        Ok(())
    }

    /// The far end for an address: another line, a script of the configuration, or a well-known one.
    pub(super) fn find(&self, to: &Address) -> Result<FarEnd, Refusal> {
        let name = to.as_str().strip_prefix("sim:").unwrap_or(to.as_str());
        if let Some(line) = self.line(name) {
            return Ok(FarEnd::Line { line, call: None });
        }
        let script = self.config.scripts.get(name).cloned().or_else(|| Script::named(name));
        script.map(FarEnd::scripted).ok_or_else(|| {
            let names: Vec<&str> = Script::NAMES.iter().map(|(name, _)| *name).collect();
            let known = names.join(", ");
            Refusal::new(RefusalKind::InvalidAddress, format!("nobody is called '{name}'; there are {known}"))
        })
    }

    /// As [`Self::find`], for whom a call is sent to: who cannot take it is refused, with the reason.
    pub(super) fn find_taker(&self, to: &Address) -> Result<FarEnd, Refusal> {
        let far = self.find(to)?;
        let cause = match &far {
            FarEnd::Line { line, .. } => (!self.serves(*line)).then_some(Cause::SubscriberAbsent),
            FarEnd::Scripted { script, .. } => {
                match script.steps.iter().find(|step| !matches!(step, Step::Proceed | Step::Ring)) {
                    Some(Step::HangUp(cause)) => Some(*cause),
                    _ => None,
                }
            }
            FarEnd::Nobody => None,
        };
        let refuse = |cause| {
            let detail = format!("'{to}' does not take the call; expected somebody who can be reached");
            Err(Refusal::new(RefusalKind::OperationFailed, detail).with_cause(cause))
        };
        cause.map_or(Ok(far), refuse)
    }

    fn begin(&mut self, now: Moment, key: CallKey) {
        if self.random.one_in(self.config.faults.congestion_one_in) {
            return self.far_hangs_up(now, key, Cause::Congestion);
        }
        if self.random.one_in(self.config.faults.cut_off_one_in) {
            let after = self.random.between(std::time::Duration::ZERO, std::time::Duration::from_secs(60));
            self.alarms.set(now + after, Alarm::CutOff { call: key });
        }
        self.reach(now, key, CallReason::Direct);
    }

    /// Rings the line at the far end of a call, or lets the script begin.
    pub(super) fn reach(&mut self, now: Moment, key: CallKey, reason: CallReason) {
        match self.calls.get(&key).map(|call| &call.far) {
            Some(FarEnd::Line { line, .. }) => {
                let line = *line;
                self.ring_line(now, key, line, reason);
            }
            Some(FarEnd::Scripted { .. }) => self.run(now, key),
            Some(FarEnd::Nobody) | None => {}
        }
    }

    /// Somebody outside calls a line; the rules of the line may send the call on.
    pub(super) fn ring(&mut self, now: Moment, line: LineKey, caller: Party, script: Script) {
        let Ok(route) = self.route(line, &caller, CallReason::Direct) else { return };
        if let FarEnd::Line { line, .. } = route.far
            && self.serves(line)
        {
            let redirecting = route.redirecting;
            let far = FarEnd::scripted(script);
            let key =
                self.offer_about(line, caller, far, route.reason, |info| info.redirecting = redirecting);
            self.watch_ringing(now, key);
            self.run(now, key);
        }
    }

    fn ring_line(&mut self, now: Moment, from: CallKey, line: LineKey, reason: CallReason) {
        let Some(call) = self.calls.get(&from) else { return };
        let (far, answered) = (call.line, call.answered);
        let caller = match call.direction() {
            CallDirection::Outgoing => call.info.caller.clone(),
            CallDirection::Incoming => self.party(far),
        };
        let route = match self.route(line, &caller, reason) {
            Ok(route) => route,
            Err(cause) => return self.far_hangs_up(now, from, cause),
        };
        let FarEnd::Line { line, .. } = route.far else {
            self.put(from, route.far);
            return self.run(now, from);
        };
        if !self.serves(line) {
            return self.far_hangs_up(now, from, Cause::SubscriberAbsent);
        }
        let back = FarEnd::Line { line: far, call: Some(from) };
        let redirecting = route.redirecting;
        let key = self.offer_about(line, caller, back, route.reason, |info| info.redirecting = redirecting);
        self.put(from, FarEnd::Line { line, call: Some(key) });
        self.share_id(key, from);
        if !answered {
            self.state(from, CallState::Proceeding);
        }
        self.watch_ringing(now, key);
    }

    /// Gives a call the network's id of another one.
    pub(super) fn share_id(&mut self, of: CallKey, with: CallKey) {
        let id = self.calls.get(&of).and_then(|call| call.info.call_id.clone());
        self.inform(with, |info| info.call_id = id);
    }

    pub(super) fn is_open(&self, line: LineKey) -> bool {
        self.lines.get(&line).is_some_and(|line| line.open && line.present)
    }

    pub(super) fn party(&self, line: LineKey) -> Party {
        let name = self.lines.get(&line).map(|line| line.name.clone()).unwrap_or_default();
        let address = Some(Address::new(format!("sim:{name}")));
        Party { address, name: Some(name), ..Party::default() }
    }

    pub(super) fn offer(&mut self, line: LineKey, caller: Party, far: FarEnd, reason: CallReason) -> CallKey {
        self.offer_about(line, caller, far, reason, |_| {})
    }

    /// As [`Self::offer`], with more known about the call.
    pub(super) fn offer_about(
        &mut self,
        line: LineKey,
        caller: Party,
        far: FarEnd,
        reason: CallReason,
        known: impl FnOnce(&mut CallInfo),
    ) -> CallKey {
        self.serial += 1;
        self.made += 1;
        let key = CallKey::provider(self.serial);
        let mut info = CallInfo {
            direction: CallDirection::Incoming,
            caller,
            called: Party { name: None, ..self.party(line) },
            media: MediaSet::AUDIO,
            reason,
            call_id: Some(format!("sim-{}", self.serial)),
            ..CallInfo::default()
        };
        known(&mut info);
        let state = CallState::Offering;
        self.calls.insert(key, Call { state: state.clone(), ..Call::new(line, far, info.clone()) });
        self.out.push_back(TspEvent::NewCall { line, call: key, info: Box::new(info), state });
        key
    }

    fn accept(&mut self, key: CallKey) {
        self.state(key, CallState::Accepted);
        let other = self.other(key).filter(|other| self.calls.get(other).is_some_and(|call| !call.answered));
        if let Some(other) = other {
            self.state(other, CallState::Ringback);
        }
    }

    pub(super) fn answer(&mut self, now: Moment, key: CallKey) {
        self.connect(key);
        match self.other(key) {
            Some(other) => self.connect(other),
            // Who answers a call back is connected by calling the party now.
            None => self.reach(now, key, CallReason::Direct),
        }
    }

    /// The call is answered. One that was held or joined meanwhile keeps its state.
    pub(super) fn connect(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let rests = call.answered && !matches!(call.state, CallState::Connected { .. });
        call.answered = true;
        if !rests && call.member_of.is_none() {
            self.state(key, CallState::CONNECTED);
            self.relay(key, Sound::Flow { flow: Flowing::Both });
        }
    }

    /// This side stops talking in the call and will come back.
    pub(super) fn rest(&mut self, key: CallKey, state: CallState) {
        self.state(key, state);
        self.relay(key, Sound::Flow { flow: Flowing::Neither });
        if let Some(other) = self.other(key) {
            self.told_of_hold(other, true);
            self.relay(other, Sound::Tone { frequency: Some(MUSIC) });
        }
    }

    /// This side talks again.
    pub(super) fn resume(&mut self, key: CallKey) {
        self.state(key, CallState::CONNECTED);
        self.relay(key, Sound::Flow { flow: Flowing::Both });
        if let Some(other) = self.other(key) {
            self.relay(other, Sound::Tone { frequency: None });
            self.told_of_hold(other, false);
        }
    }

    /// Sends an offered call elsewhere; who cannot take it leaves it here.
    fn redirect(&mut self, now: Moment, asked: &Asked, to: &Address) -> Result<(), Refusal> {
        let target = self.find_taker(to)?;
        self.done(asked);
        self.send_on(now, asked.call, target, CallReason::Redirected);
        Ok(())
    }

    pub(super) fn drop_call(&mut self, now: Moment, key: CallKey, cause: Option<Cause>) {
        let Some(call) = self.calls.get(&key) else { return };
        let usual = match (call.answered, call.direction()) {
            (true, _) => Cause::NormalClearing,
            (false, CallDirection::Incoming) => Cause::CallRejected,
            (false, CallDirection::Outgoing) => Cause::Cancelled,
        };
        if call.is_conference {
            self.drop_members(now, key, cause);
        }
        self.far_ends(now, key, cause.unwrap_or(usual));
        self.idle(key);
    }

    /// Tells the other line of a call between lines that this side has gone.
    pub(super) fn far_ends(&mut self, now: Moment, key: CallKey, cause: Cause) {
        if let Some(other) = self.other(key) {
            self.put(other, FarEnd::Nobody);
            self.far_hangs_up(now, other, cause);
        }
    }

    pub(super) fn other(&self, key: CallKey) -> Option<CallKey> {
        match self.calls.get(&key)?.far {
            FarEnd::Line { call, .. } => call,
            FarEnd::Nobody | FarEnd::Scripted { .. } => None,
        }
    }

    pub(super) fn put(&mut self, key: CallKey, far: FarEnd) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.far = far;
        }
    }

    pub(super) fn state(&mut self, key: CallKey, state: CallState) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.state = state.clone();
            match state {
                CallState::Conferenced { conference } => call.member_of = Some(conference),
                // The seat outlives the last states, so that the conference learns of the end.
                CallState::Disconnected { .. } | CallState::Idle => {}
                _ => call.member_of = None,
            }
            self.out.push_back(TspEvent::CallState { call: key, state, allowed: None });
            self.show(key);
        }
    }

    /// Changes what is known about a call and says so.
    pub(super) fn inform(&mut self, key: CallKey, change: impl FnOnce(&mut CallInfo)) {
        if let Some(call) = self.calls.get_mut(&key) {
            change(&mut call.info);
            self.tell_info(key);
        }
    }

    pub(super) fn tell_info(&mut self, key: CallKey) {
        if let Some(call) = self.calls.get(&key) {
            self.out.push_back(TspEvent::CallInfo { call: key, info: call.info.clone() });
        }
    }

    /// A call is over: nothing hangs on it any more.
    pub(super) fn idle(&mut self, key: CallKey) {
        self.end_signals(key);
        self.state(key, CallState::Idle);
        let Some(gone) = self.calls.remove(&key) else { return };
        self.clear_slot_of(key);
        if let Some(call) = gone.consults.and_then(|about| self.calls.get_mut(&about)) {
            call.consulted_by = None;
        }
        if let Some(call) = gone.consulted_by.and_then(|other| self.calls.get_mut(&other)) {
            call.consults = None;
        }
        for conference in [gone.member_of, gone.consults].into_iter().flatten() {
            self.collapse(conference);
        }
    }

    /// The session of a call hears something; without one, digits come in signalling.
    pub(super) fn relay(&mut self, call: CallKey, sound: Sound) {
        self.overhear(call, &sound);
        if let (false, Sound::Digit { digit }) = (self.config.media, &sound) {
            return self.digit_came(self.now, call, *digit);
        }
        if self.calls.get(&call).is_some_and(|call| call.session.is_some()) {
            self.out.push_back(TspEvent::Relay { call, to: None, data: sound.into_opaque() });
        }
    }
}

/// The first thing in dialled text that no line of the exchange understands is refused before anything
/// happens (inventory rule 53).
pub(super) fn dialable(digits: &str) -> Result<(), Refusal> {
    match digits.chars().find(|c| matches!(c, '?' | '@' | '$' | ';') || c.is_control()) {
        None => Ok(()),
        Some(c) => Err(Refusal::new(
            RefusalKind::InvalidAddress,
            format!("expected dialable text, received the modifier {c:?}"),
        )),
    }
}
