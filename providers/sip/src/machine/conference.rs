// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conferences that this side mixes: SIP knows nothing of them, each party has a call like any other. The MSP is told
//! whose sessions hear each other; the session of the conference call itself is this side's own place.
//!
//! ```text
//!   set up ──► pending, with a consultation call ──── added ────► connected
//!                 ▲    │ retrieved ───────────────────────────────►  │ │
//!                 └────┼──────────────── to be added ────────────────┘ │
//!                      │ nobody left                                   │ fewer than two parties, or dropped
//!                      └──────────────► idle ◄─────────────────────────┘
//! ```
//!
//! Parties that are held are retrieved before they take part.

use offhook_spi::{
    Address, BridgeSide, CallKey, CallOp, CallState, Cause, LineKey, Moment, Op, OpSet, Refusal, RefusalKind,
    RequestId, SdpMessage, SessionKey, StateKind, TspEvent,
};

use super::SipMachine;
use crate::call::Then;
use crate::line::MOST_PARTIES;

/// What may be done with a conference; members have calls of their own.
const OPS: [Op; 4] = [Op::AddToConference, Op::Drop, Op::PrepareAddToConference, Op::Unhold];

/// A conference.
#[derive(Debug)]
pub(super) struct Conference {
    pub(super) line: LineKey,
    /// Our own place in it.
    session: Option<SessionKey>,
    bridge: u64,
    members: Vec<CallKey>,
    /// The call to who may be added.
    consultation: Option<CallKey>,
    /// We do not take part at the moment.
    is_pending: bool,
}

impl Conference {
    fn is_full(&self) -> bool {
        u32::try_from(self.members.len()).is_ok_and(|taken| taken >= MOST_PARTIES)
    }
}

/// Calls that are to take part in a conference, once none of them is held.
#[derive(Debug)]
pub(crate) struct Seating {
    pub(crate) request: RequestId,
    conference: CallKey,
    parties: Vec<u64>,
    purpose: Purpose,
}

#[derive(Debug)]
enum Purpose {
    /// They join the conference.
    Add,
    /// They are the conference, with us.
    Complete { session: Option<SessionKey> },
    /// It is the first of a conference; a call to a second one is wanted.
    Setup { consultation: CallKey, session: Option<SessionKey> },
}

impl SipMachine {
    /// An operation on a conference call.
    pub(super) fn operate_conference(
        &mut self,
        now: Moment,
        request: RequestId,
        key: CallKey,
        session: Option<SessionKey>,
        op: CallOp,
    ) {
        match op {
            CallOp::AddToConference { member } => self.add_to_conference(now, request, key, member),
            CallOp::Drop { cause } => {
                self.reply(request, Ok(()));
                self.drop_conference(now, key, cause);
            }
            CallOp::PrepareAddToConference { consultation, to } => {
                self.prepare_add(now, request, key, (consultation, session), to.as_ref());
            }
            CallOp::Unhold => {
                self.reply(request, Ok(()));
                self.retrieve_conference(now, key);
            }
            op => self.reply(request, Err(Refusal::unsupported(key, op.required()))),
        }
    }

    /// Three together: the call that waits, its consultation call, and we.
    pub(super) fn complete_as_conference(
        &mut self,
        now: Moment,
        request: RequestId,
        parties: (u64, CallKey),
        conference: CallKey,
        session: Option<SessionKey>,
    ) {
        let (serial, consultation) = parties;
        let other = self.by_key.get(&consultation).copied().filter(|other| *other != serial);
        let Some(other) = other else {
            let refusal = Refusal::new(RefusalKind::StaleHandle, format!("{consultation} has ended"));
            return self.reply(request, Err(refusal));
        };
        let purpose = Purpose::Complete { session };
        self.seat(now, Seating { request, conference, parties: vec![serial, other], purpose });
    }

    /// A conference that begins with one call.
    pub(super) fn setup_conference(
        &mut self,
        now: Moment,
        request: RequestId,
        serial: u64,
        keys: (CallKey, CallKey),
        session: Option<SessionKey>,
    ) {
        let (conference, consultation) = keys;
        if let Err(refusal) = self.must_fit(consultation) {
            return self.reply(request, Err(refusal));
        }
        let purpose = Purpose::Setup { consultation, session };
        self.seat(now, Seating { request, conference, parties: vec![serial], purpose });
    }

    fn add_to_conference(&mut self, now: Moment, request: RequestId, key: CallKey, member: CallKey) {
        let refused = match (self.by_key.get(&member).copied(), self.conferences.get(&key)) {
            (None, _) => Refusal::new(RefusalKind::StaleHandle, format!("{member} has ended")),
            (Some(_), Some(conference)) if conference.is_full() => full(key),
            (Some(serial), _) => {
                let seating =
                    Seating { request, conference: key, parties: vec![serial], purpose: Purpose::Add };
                return self.seat(now, seating);
            }
        };
        self.reply(request, Err(refused));
    }

    /// Lets calls take part: first whoever is held is retrieved, one after the other.
    pub(super) fn seat(&mut self, now: Moment, seating: Seating) {
        let checked = seating.parties.iter().try_for_each(|serial| self.may_sit(*serial));
        if let Err(refusal) = checked.and_then(|()| self.is_possible(&seating)) {
            self.reply(seating.request, Err(refusal));
            return seating.parties.iter().for_each(|serial| self.stays_outside(*serial));
        }
        let is_held = |serial: &&u64| self.calls.get(serial).is_some_and(|call| call.holding);
        let held = seating.parties.iter().find(is_held).copied();
        match held {
            Some(serial) => {
                if let Some(call) = self.calls.get_mut(&serial) {
                    call.then = Some(Box::new(Then::Seat(seating)));
                }
                self.change(now, serial, None, false);
            }
            None => self.sit_down(now, seating),
        }
    }

    /// It comes to nothing; who was retrieved for it is an ordinary call again.
    fn stays_outside(&mut self, serial: u64) {
        let waited = [StateKind::OnHold, StateKind::OnHoldPendingTransfer];
        if self.calls.get(&serial).is_some_and(|call| !call.holding && waited.contains(&call.told)) {
            self.told_of_hold(serial);
        }
    }

    /// Checks that a call can take part in a conference.
    fn may_sit(&self, serial: u64) -> Result<(), Refusal> {
        self.must_rest(serial)?;
        let Some(call) = self.calls.get(&serial) else { return Ok(()) };
        if !call.has_media() {
            return Err(Refusal::unsupported(call.key, Op::AddToConference));
        }
        match call.member_of {
            None => Ok(()),
            Some(other) => {
                let detail = format!("{} takes part in {other}; expected a single call", call.key);
                Err(Refusal::new(RefusalKind::InvalidParameter, detail))
            }
        }
    }

    fn is_possible(&self, seating: &Seating) -> Result<(), Refusal> {
        let lives = self.conferences.contains_key(&seating.conference);
        let is_addition = matches!(seating.purpose, Purpose::Add);
        if lives == is_addition && !self.by_key.contains_key(&seating.conference) {
            return Ok(());
        }
        let key = seating.conference;
        Err(match is_addition {
            true => Refusal::new(RefusalKind::StaleHandle, format!("{key} has ended")),
            false => {
                let detail = format!("expected a key for a new conference, received {key}, which lives");
                Refusal::new(RefusalKind::InvalidParameter, detail)
            }
        })
    }

    /// Nobody is held: it begins.
    fn sit_down(&mut self, now: Moment, seating: Seating) {
        let Seating { request, conference: key, parties, purpose } = seating;
        let Some(line) = parties.first().and_then(|serial| self.calls.get(serial)).map(|call| call.line)
        else {
            return;
        };
        self.reply(request, Ok(()));
        let consultation = match &purpose {
            Purpose::Add => None,
            Purpose::Complete { session } => {
                self.found(key, line, *session);
                None
            }
            Purpose::Setup { consultation, session } => {
                self.found(key, line, None);
                Some((*consultation, *session))
            }
        };
        for serial in parties {
            self.take_seat(serial, key);
        }
        match consultation {
            Some((consultation, session)) => self.consult_for(now, key, (consultation, session), None),
            None => self.go_on(key),
        }
        self.collapse(key);
    }

    fn found(&mut self, key: CallKey, line: LineKey, session: Option<SessionKey>) {
        self.serial += 1;
        let bridge = self.serial;
        let (members, consultation) = (Vec::new(), None);
        let conference = Conference { line, session, bridge, members, consultation, is_pending: true };
        self.conferences.insert(key, conference);
    }

    fn take_seat(&mut self, serial: u64, key: CallKey) {
        self.part(serial);
        let (Some(call), Some(conference)) = (self.calls.get_mut(&serial), self.conferences.get_mut(&key))
        else {
            return;
        };
        call.member_of = Some(key);
        call.is_pending = false;
        conference.members.push(call.key);
        if conference.consultation == Some(call.key) {
            conference.consultation = None;
        }
        let bridge = conference.bridge;
        self.relay(serial, SdpMessage::Join { bridge, side: BridgeSide::Party });
        self.told_of_hold(serial);
    }

    /// A call neither waits for another nor was started about one any more.
    fn part(&mut self, serial: u64) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let (about, by) = (call.consults.take(), call.consulted_by.take());
        if let Some(call) = about.and_then(|about| self.calls.get_mut(&about)) {
            call.consulted_by = None;
        }
        if let Some(call) = by.and_then(|by| self.calls.get_mut(&by)) {
            call.consults = None;
        }
    }

    fn prepare_add(
        &mut self,
        now: Moment,
        request: RequestId,
        key: CallKey,
        consultation: (CallKey, Option<SessionKey>),
        to: Option<&Address>,
    ) {
        let Some(conference) = self.conferences.get(&key) else { return };
        let line = conference.line;
        let room = if conference.is_full() { Err(full(key)) } else { Ok(()) };
        let checked = room
            .and_then(|()| self.must_fit(consultation.0))
            .and_then(|()| to.map_or(Ok(()), |to| self.destination(line, to).map(|_| ())));
        if let Err(refusal) = checked {
            return self.reply(request, Err(refusal));
        }
        self.reply(request, Ok(()));
        self.consult_for(now, key, consultation, to);
    }

    /// We leave our place for a call to who may be added; the parties go on without us.
    fn consult_for(
        &mut self,
        now: Moment,
        key: CallKey,
        consultation: (CallKey, Option<SessionKey>),
        to: Option<&Address>,
    ) {
        let Some(conference) = self.conferences.get_mut(&key) else { return };
        let (consultation, session) = consultation;
        // An older consultation is a call like any other from now on.
        conference.consultation = Some(consultation);
        conference.is_pending = true;
        let line = conference.line;
        self.tell_own_place(key);
        self.tell_conference(key, CallState::OnHoldPendingConference);
        let serial = self.place(line, consultation, session, offhook_spi::CallParams::default());
        match to {
            Some(to) => self.dial(now, None, serial, to.as_str()),
            None => self.state(serial, CallState::DialTone),
        }
    }

    /// We take part again.
    fn go_on(&mut self, key: CallKey) {
        let Some(conference) = self.conferences.get_mut(&key) else { return };
        if std::mem::replace(&mut conference.is_pending, false) {
            self.tell_own_place(key);
            self.tell_conference(key, CallState::CONNECTED);
        }
    }

    /// We come back without the party that was to be added.
    fn retrieve_conference(&mut self, now: Moment, key: CallKey) {
        let consultation =
            self.conferences.get_mut(&key).and_then(|conference| conference.consultation.take());
        if let Some(serial) = consultation.and_then(|key| self.by_key.get(&key)).copied() {
            self.hang_up(now, serial, None);
        }
        self.go_on(key);
        self.collapse(key);
    }

    /// A member goes; the others stay together.
    pub(super) fn remove_from_conference(&mut self, now: Moment, request: RequestId, serial: u64) {
        let Some(call) = self.calls.get(&serial) else { return };
        if call.member_of.is_none() {
            let (key, op, legal) = (call.key, Op::RemoveFromConference, [StateKind::Conferenced]);
            return self.reply(request, Err(Refusal::invalid_state(key, op, call.told, &legal)));
        }
        self.reply(request, Ok(()));
        self.hang_up(now, serial, None);
    }

    /// Everybody in a conference that is dropped goes too.
    pub(super) fn drop_conference(&mut self, now: Moment, key: CallKey, cause: Option<Cause>) {
        let Some(conference) = self.conferences.remove(&key) else { return };
        for member in &conference.members {
            if let Some(serial) = self.by_key.get(member).copied() {
                self.hang_up(now, serial, cause);
            }
        }
        self.end_conference(key, &conference);
    }

    /// A call has ended: a conference may be too small without it, or have nobody to wait for.
    pub(super) fn leaves_conference(&mut self, member: CallKey, of: Option<CallKey>) {
        let waiting = self.conferences.iter().find(|(_, it)| it.consultation == Some(member));
        for key in waiting.map(|(key, _)| *key).into_iter().chain(of) {
            if let Some(conference) = self.conferences.get_mut(&key) {
                conference.members.retain(|other| *other != member);
                conference.consultation.take_if(|other| *other == member);
            }
            self.collapse(key);
        }
    }

    /// One party that is left has an ordinary call again; without any, and nobody to wait for, it is over.
    fn collapse(&mut self, key: CallKey) {
        let Some(conference) = self.conferences.get(&key) else { return };
        let is_over = match conference.members.as_slice() {
            [] => conference.consultation.is_none(),
            [_] => !conference.is_pending,
            _ => false,
        };
        if !is_over {
            return;
        }
        let Some(conference) = self.conferences.remove(&key) else { return };
        let last = conference.members.first().and_then(|member| self.by_key.get(member)).copied();
        if let Some(call) = last.and_then(|serial| self.calls.get_mut(&serial)) {
            call.member_of = None;
        }
        if let Some(serial) = last {
            self.relay(serial, SdpMessage::Leave);
            self.told_of_hold(serial);
        }
        self.end_conference(key, &conference);
    }

    fn end_conference(&mut self, key: CallKey, conference: &Conference) {
        self.say_in_place(key, conference.session, SdpMessage::Leave);
        let state = CallState::Disconnected { cause: Cause::NormalClearing };
        self.tell_conference(key, state);
        self.tell_conference(key, CallState::Idle);
    }

    /// The session of a conference call is there.
    pub(super) fn place_taken(&mut self, key: CallKey, session: SessionKey) {
        if let Some(conference) = self.conferences.get_mut(&key) {
            conference.session = Some(session);
            self.tell_own_place(key);
        }
    }

    /// Tells the MSP whether we take part.
    fn tell_own_place(&mut self, key: CallKey) {
        let Some(conference) = self.conferences.get(&key) else { return };
        let (bridge, session) = (conference.bridge, conference.session);
        let message = match conference.is_pending {
            true => SdpMessage::Leave,
            false => SdpMessage::Join { bridge, side: BridgeSide::Own },
        };
        self.say_in_place(key, session, message);
    }

    fn say_in_place(&mut self, key: CallKey, session: Option<SessionKey>, message: SdpMessage) {
        if session.is_some() {
            self.tell(TspEvent::Relay { call: key, to: session, data: message.into_opaque() });
        }
    }

    fn tell_conference(&mut self, key: CallKey, state: CallState) {
        let allowed = Some(OpSet::from(OPS));
        self.tell(TspEvent::CallState { call: key, state, allowed });
    }
}

fn full(key: CallKey) -> Refusal {
    let detail = format!("{key} has {MOST_PARTIES} parties, which are all that it may have");
    Refusal::new(RefusalKind::Busy, detail)
}
