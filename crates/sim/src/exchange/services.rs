// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a line may ask of the exchange beside its calls: park slots, pickup, lamps and locks.

use std::time::Duration;

use offhook_spi::{
    Address, CallDirection, CallInfo, CallKey, CallReason, CallState, Cause, LineKey, LineOp, LineStatus,
    MediaSet, Moment, Op, Outcome, Party, PickupTarget, Refusal, RefusalKind, Reply, RequestId, Service,
    StateKind, TspEvent,
};

use super::calls::Asked;
use super::far::FarEnd;
use super::{Call, Exchange};
use crate::conformance::{FarAct, RIG};
use crate::script::{Script, Step};

/// How many calls may be parked at once: `sim:park-1` to `sim:park-9`.
const SLOTS: u32 = 9;

/// A call in a park slot.
#[derive(Debug)]
pub(super) struct Parked {
    far: FarEnd,
    party: Party,
}

/// A call that is fetched from somewhere, and under which key it appears.
struct Fetched {
    request: RequestId,
    line: LineKey,
    key: CallKey,
    reason: CallReason,
}

impl Exchange {
    pub(super) fn operate_line(&mut self, now: Moment, request: RequestId, line: LineKey, op: LineOp) {
        if let Err(refusal) = self.carry_out_line(now, request, line, op) {
            self.reply(now, request, Err(refusal), Vec::new());
        }
    }

    /// Carries out an operation; whoever succeeds has replied before the first event.
    fn carry_out_line(
        &mut self,
        now: Moment,
        request: RequestId,
        line: LineKey,
        op: LineOp,
    ) -> Result<(), Refusal> {
        if !self.lines.get(&line).is_some_and(|line| line.present) {
            return Err(super::gone(line));
        }
        match op {
            LineOp::Extension { data } if data.schema.0 == RIG && data.data == FarAct::Replug.word() => {
                self.replied(request, Outcome::Done);
                self.plug(now, line, false);
                self.plug(now, line, true);
            }
            LineOp::Extension { data } if data.schema.0 == RIG => {
                let script = asked_for(&data.data)?;
                self.replied(request, Outcome::Done);
                self.ring(now, line, Party::default(), script);
            }
            LineOp::Extension { data } => {
                let outcome = super::signals::extended(data)?;
                self.replied(request, outcome);
            }
            LineOp::Forward { address, rules } => self.forward(request, line, address, rules)?,
            LineOp::Pickup { call, what } => {
                let fetched = Fetched { request, line, key: call, reason: CallReason::Pickup };
                self.pick_up(now, &fetched, &what)?;
            }
            LineOp::SetStatus { message_waiting, in_service, locked } => {
                self.replied(request, Outcome::Done);
                self.set_status(line, message_waiting, in_service, locked);
            }
            LineOp::UncompleteCall { id } => self.uncomplete(request, line, id)?,
            LineOp::Unpark { call, at } => {
                let fetched = Fetched { request, line, key: call, reason: CallReason::Unpark };
                self.unpark(now, &fetched, &at)?;
            }
            other => return Err(Refusal::unsupported("the simulated exchange", other.required())),
        }
        Ok(())
    }

    pub(super) fn replied(&mut self, request: RequestId, outcome: Outcome) {
        self.out.push_back(TspEvent::Reply { request, result: Reply::Done(outcome) });
    }

    fn set_status(
        &mut self,
        key: LineKey,
        message_waiting: Option<bool>,
        in_service: Option<bool>,
        locked: Option<bool>,
    ) {
        let Some(line) = self.lines.get_mut(&key) else { return };
        line.message_waiting = message_waiting.unwrap_or(line.message_waiting);
        line.in_service = in_service.unwrap_or(line.in_service);
        line.locked = locked.unwrap_or(line.locked);
        self.tell_status(key);
    }

    pub(super) fn status(&self, key: LineKey) -> LineStatus {
        let Some(line) = self.lines.get(&key) else { return LineStatus::default() };
        let service = match (line.in_service, line.locked) {
            (false, _) => {
                Service::Out { reason: "it was taken out of service; set it in service".to_owned() }
            }
            (true, true) => Service::Out { reason: "it is locked; unlock it".to_owned() },
            (true, false) => Service::In,
        };
        let message_waiting = Some(line.message_waiting);
        let forwarding = Some(line.forwarding.clone());
        LineStatus { service, message_waiting, forwarding, ..LineStatus::default() }
    }

    pub(super) fn tell_status(&mut self, line: LineKey) {
        if self.is_open(line) {
            let status = self.status(line);
            self.out.push_back(TspEvent::Line { line, status });
        }
    }

    /// Whether the line serves calls: those that ring it and those it makes.
    pub(super) fn serves(&self, line: LineKey) -> bool {
        self.is_open(line) && self.status(line).service == Service::In
    }

    /// Puts a call in a slot, a free one if none is named.
    pub(super) fn park(&mut self, asked: &Asked, at: Option<Address>) -> Result<(), Refusal> {
        self.must_be_single(asked.call, Op::Park)?;
        let slot = self.slot(at)?;
        let party = self.party_at_far_end(asked.call).unwrap_or_default();
        let Some(call) = self.calls.get_mut(&asked.call) else { return Ok(()) };
        let far = std::mem::replace(&mut call.far, FarEnd::Nobody);
        self.replied(asked.request, Outcome::ParkedAt { at: Address::new(slot.clone()) });
        if let FarEnd::Line { call: Some(other), .. } = far {
            self.put(other, FarEnd::Nobody);
            self.told_of_hold(other, true);
        }
        self.parked.insert(slot, Parked { far, party });
        self.idle(asked.call);
        Ok(())
    }

    fn slot(&self, at: Option<Address>) -> Result<String, Refusal> {
        let mut names = (1..=SLOTS).map(|n| format!("sim:park-{n}"));
        let Some(at) = at else {
            let free = names.find(|name| !self.parked.contains_key(name));
            let full = || Refusal::new(RefusalKind::Busy, format!("all {SLOTS} park slots are taken"));
            return free.ok_or_else(full);
        };
        let Some(name) = names.find(|name| name == at.as_str()) else {
            let detail = format!("'{at}' is no park slot; there are sim:park-1 to sim:park-{SLOTS}");
            return Err(Refusal::new(RefusalKind::InvalidAddress, detail));
        };
        if self.parked.contains_key(&name) {
            return Err(Refusal::new(RefusalKind::Busy, format!("{name} is taken; expected a free slot")));
        }
        Ok(name)
    }

    /// A call is over: nothing in a slot refers to it.
    pub(super) fn clear_slot_of(&mut self, key: CallKey) {
        let refers = |far: &FarEnd| matches!(far, FarEnd::Line { call: Some(call), .. } if *call == key);
        self.parked.retain(|_, parked| !refers(&parked.far));
    }

    /// Calls that wait in park slots.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.parked.len()
    }

    fn unpark(&mut self, now: Moment, fetched: &Fetched, at: &Address) -> Result<(), Refusal> {
        self.must_be_new(fetched.key)?;
        let Some(parked) = self.parked.remove(at.as_str()) else {
            let detail = format!("nothing is parked at '{at}'; expected the address that park gave");
            return Err(Refusal::new(RefusalKind::InvalidAddress, detail));
        };
        self.fetch(now, fetched, parked.far, parked.party);
        Ok(())
    }

    fn pick_up(&mut self, now: Moment, fetched: &Fetched, what: &PickupTarget) -> Result<(), Refusal> {
        self.must_be_new(fetched.key)?;
        let key = self.find_pickup(fetched.line, what)?;
        let party = self.party_at_far_end(key).unwrap_or_default();
        let Some(call) = self.calls.get_mut(&key) else { return Ok(()) };
        let far = std::mem::replace(&mut call.far, FarEnd::Nobody);
        self.fetch(now, fetched, far, party);
        self.state(key, CallState::Disconnected { cause: Cause::AnsweredElsewhere });
        self.idle(key);
        Ok(())
    }

    fn find_pickup(&self, line: LineKey, what: &PickupTarget) -> Result<CallKey, Refusal> {
        const ALERTING: &[StateKind] = &[StateKind::Offering, StateKind::Accepted];
        let (at, wanted) = match what {
            PickupTarget::Address { address } => (Some(address), ALERTING),
            PickupTarget::Held { address } => (Some(address), &[StateKind::OnHold][..]),
            PickupTarget::Group { group: None } => (None, ALERTING),
            PickupTarget::Group { group: Some(group) } if group.as_str() == "sim:group" => (None, ALERTING),
            PickupTarget::Group { group: Some(group) } => {
                let detail = format!("'{group}' is no pickup group; there is sim:group");
                return Err(Refusal::new(RefusalKind::InvalidAddress, detail));
            }
            _ => return Err(Refusal::unsupported("the simulated exchange", Op::Pickup)),
        };
        let target = at.map(|at| self.line_at(at)).transpose()?;
        let fits = |call: &Call| {
            let right_line = target.map_or(call.line != line, |target| call.line == target);
            right_line && !call.is_conference && wanted.contains(&call.state.kind())
        };
        let found = self.calls.iter().find(|(_, call)| fits(call)).map(|(key, _)| *key);
        found.ok_or_else(|| {
            let wanted = wanted.iter().map(|state| state.name()).collect::<Vec<_>>().join(" or ");
            Refusal::new(RefusalKind::OperationFailed, format!("no call to pick up; expected one {wanted}"))
        })
    }

    fn line_at(&self, address: &Address) -> Result<LineKey, Refusal> {
        let name = address.as_str().strip_prefix("sim:").unwrap_or(address.as_str());
        let unknown = || {
            let detail = format!("'{address}' is no line of the exchange; expected sim: and its name");
            Refusal::new(RefusalKind::InvalidAddress, detail)
        };
        self.line(name).ok_or_else(unknown)
    }

    /// A far end talks to this line now, in a new call that the core named.
    fn fetch(&mut self, now: Moment, fetched: &Fetched, far: FarEnd, party: Party) {
        let Fetched { request, line, key, reason } = *fetched;
        self.replied(request, Outcome::Done);
        self.made += 1;
        let info = CallInfo {
            direction: CallDirection::Incoming,
            caller: party,
            called: self.party(line),
            media: MediaSet::AUDIO,
            reason,
            ..CallInfo::default()
        };
        let other = match &far {
            FarEnd::Line { call, .. } => *call,
            FarEnd::Nobody | FarEnd::Scripted { .. } => None,
        };
        self.calls.insert(key, Call::new(line, far, info));
        match other {
            Some(other) => {
                self.put(other, FarEnd::Line { line, call: Some(key) });
                self.share_id(other, key);
                self.connect(key);
                self.told_of_hold(other, false);
                self.connect(other);
            }
            None => {
                self.tell_info(key);
                self.connect(key);
                self.run(now, key);
            }
        }
    }
}

/// What a far end does that the conformance suite asks for.
fn asked_for(word: &str) -> Result<Script, Refusal> {
    if word == FarAct::Call.word() {
        return Ok(Script::new([Step::Answer]));
    }
    if word == FarAct::CallAndGiveUp.word() {
        return Ok(Script::new([Step::Wait(Duration::from_secs(1)), Step::HangUp(Cause::NormalClearing)]));
    }
    let detail = format!(
        "no far end of the simulated exchange can '{word}'; expected call, call_and_give_up or replug"
    );
    Err(Refusal::new(RefusalKind::Unsupported, detail))
}
