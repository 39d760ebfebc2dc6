// SPDX-License-Identifier: MIT OR Apache-2.0
//! Call completions: what becomes of a call to somebody who talks, or does not answer.
//!
//! | mode | what happens |
//! |---|---|
//! | call back | once the party is free and the asking line too, that line is offered a call |
//! | camp on | the call goes on ringing, and is connected once the party has no other call |
//! | intrude | the party's conversation waits, and it talks to the caller at once, unless its call is secure |
//! | message | the lamp of the party is lit |

use std::time::Duration;

use offhook_spi::{
    Address, CallDirection, CallKey, CallReason, CallState, Cause, CompletionMode, LineKey, Moment, Outcome,
    Party, Refusal, RefusalKind, RequestId, StateKind, TspEvent,
};

use super::calls::Asked;
use super::far::FarEnd;
use super::{Alarm, Exchange};

/// Completions that may be pending on one line.
const MOST_COMPLETIONS: usize = 8;
/// How long the exchange waits before it looks whether a party is free.
const LOOK_AFTER: Duration = Duration::from_secs(2);

/// What was asked for and is not done yet.
#[derive(Debug)]
pub(super) struct Completion {
    line: LineKey,
    target: Address,
    wish: Wish,
}

#[derive(Clone, Copy, Debug)]
enum Wish {
    CallBack,
    /// This call waits.
    CampOn(CallKey),
    Message,
}

impl Exchange {
    pub(super) fn complete(
        &mut self,
        now: Moment,
        asked: &Asked,
        mode: CompletionMode,
    ) -> Result<(), Refusal> {
        let target = self.called_by(asked.call)?;
        let pending = self.completions.values().filter(|pending| pending.line == asked.line).count();
        if pending >= MOST_COMPLETIONS {
            let detail = format!("{} has {pending} completions pending; cancel one first", asked.line);
            return Err(Refusal::new(RefusalKind::Busy, detail));
        }
        let wish = match mode {
            CompletionMode::CallBack => Wish::CallBack,
            CompletionMode::CampOn => {
                self.ringing_at(asked.call)?;
                Wish::CampOn(asked.call)
            }
            CompletionMode::Intrude => return self.intrude(now, asked),
            CompletionMode::Message => Wish::Message,
            other => {
                let detail = format!("the simulated exchange does not complete by {other:?}");
                return Err(Refusal::new(RefusalKind::Unsupported, detail));
            }
        };
        let id = self.accept_completion(asked.request);
        if let (Wish::Message, Ok(FarEnd::Line { line, .. })) = (wish, self.find(&target)) {
            if let Some(line) = self.lines.get_mut(&line) {
                line.message_waiting = true;
            }
            self.tell_status(line);
        }
        self.completions.insert(id, Completion { line: asked.line, target, wish });
        self.alarms.set(now + LOOK_AFTER, Alarm::Complete { id });
        Ok(())
    }

    fn accept_completion(&mut self, request: RequestId) -> u64 {
        self.newest_completion += 1;
        let id = self.newest_completion;
        self.replied(request, Outcome::Completion { id });
        id
    }

    /// Whom a call was made to.
    fn called_by(&self, key: CallKey) -> Result<Address, Refusal> {
        let call = self.calls.get(&key).filter(|call| call.direction() == CallDirection::Outgoing);
        call.and_then(|call| call.info.called.address.clone()).ok_or_else(|| {
            let detail = format!("{key} came in; expected a call that was made");
            Refusal::new(RefusalKind::InvalidState, detail)
        })
    }

    /// Where a call of ours rings: the call there.
    fn ringing_at(&self, key: CallKey) -> Result<CallKey, Refusal> {
        let rings = |other: &CallKey| self.calls.get(other).is_some_and(|call| !call.answered);
        self.other(key).filter(rings).ok_or_else(|| {
            let detail = format!("{key} does not ring at a line of the exchange; expected one that does");
            Refusal::new(RefusalKind::InvalidState, detail)
        })
    }

    /// The call in which the line of another one talks.
    fn conversation_beside(&self, ringing: CallKey) -> Option<CallKey> {
        let line = self.calls.get(&ringing)?.line;
        let talks = |call: &super::Call| call.line == line && call.state.kind() == StateKind::Connected;
        self.calls.iter().find(|(_, call)| talks(call)).map(|(key, _)| *key)
    }

    /// Breaks into the conversation of the party: it waits, as if the party had held it.
    fn intrude(&mut self, now: Moment, asked: &Asked) -> Result<(), Refusal> {
        let ringing = self.ringing_at(asked.call)?;
        let Some(talking) = self.conversation_beside(ringing) else {
            let detail = format!("the party of {} talks to nobody; expected one that does", asked.call);
            return Err(Refusal::new(RefusalKind::InvalidState, detail));
        };
        let sides = [Some(talking), self.other(talking)].into_iter().flatten();
        if sides.into_iter().any(|key| self.calls.get(&key).is_some_and(|call| call.signals.is_secure)) {
            let detail = "the party talks in a call that is protected from interruption";
            let refusal = Refusal::new(RefusalKind::OperationFailed, detail);
            return Err(refusal.with_cause(Cause::CallRejected));
        }
        let (line, id) = (asked.line, self.accept_completion(asked.request));
        self.rest(talking, CallState::OnHold);
        self.answer(now, ringing);
        self.out.push_back(TspEvent::CompletionGone { line, id });
        Ok(())
    }

    pub(super) fn uncomplete(&mut self, request: RequestId, line: LineKey, id: u64) -> Result<(), Refusal> {
        if self.completions.get(&id).is_none_or(|pending| pending.line != line) {
            let detail =
                format!("completion {id} of {line} was used or cancelled; expected one that is pending");
            return Err(Refusal::new(RefusalKind::Gone, detail));
        }
        self.completions.remove(&id);
        self.replied(request, Outcome::Done);
        Ok(())
    }

    /// Looks whether a completion can be done.
    pub(super) fn look_at_completion(&mut self, now: Moment, id: u64) {
        let Some(pending) = self.completions.get(&id) else { return };
        let line = pending.line;
        if !self.is_open(line) {
            self.completions.remove(&id);
            return;
        }
        let is_done = match pending.wish {
            Wish::CallBack => self.call_back(id),
            Wish::CampOn(call) => self.connect_camper(now, call),
            // The party can be reached again: the message has done its work.
            Wish::Message => self.is_free(&self.find(&pending.target)),
        };
        if !is_done {
            self.alarms.set(now + LOOK_AFTER, Alarm::Complete { id });
        } else if self.completions.remove(&id).is_some() {
            self.out.push_back(TspEvent::CompletionGone { line, id });
        }
    }

    fn is_free(&self, far: &Result<FarEnd, Refusal>) -> bool {
        match far {
            Ok(FarEnd::Line { line, .. }) => {
                let is_idle = !self.calls.values().any(|call| call.line == *line);
                is_idle && self.serves(*line)
            }
            _ => true,
        }
    }

    /// Calls back if the party is free, and the asking line has hung up as well; says whether there is no more to do.
    fn call_back(&mut self, id: u64) -> bool {
        let Some(pending) = self.completions.get(&id) else { return true };
        let (line, far) = (pending.line, self.find(&pending.target));
        let caller = Party { address: Some(pending.target.clone()), ..Party::default() };
        let is_calling =
            self.calls.values().any(|call| call.line == line && call.info.called.address == caller.address);
        if is_calling || !self.is_free(&far) {
            return false;
        }
        let Ok(far) = far else { return true };
        // The new call says that the completion is used up.
        self.completions.remove(&id);
        self.offer_about(line, caller, far, CallReason::CallCompletion, |info| info.completion = Some(id));
        true
    }

    /// Connects who waits on a line that has no other call any more; says whether there is no more to do.
    fn connect_camper(&mut self, now: Moment, call: CallKey) -> bool {
        let Ok(ringing) = self.ringing_at(call) else { return true };
        let line = self.calls.get(&ringing).map(|call| call.line);
        if self.calls.iter().any(|(key, call)| Some(call.line) == line && *key != ringing) {
            return false;
        }
        self.answer(now, ringing);
        true
    }

    /// Whether somebody waits on the line in this call: then it rings until the party is free.
    pub(super) fn is_camped_on(&self, ringing: CallKey) -> bool {
        let camper = self.other(ringing);
        let waits = |pending: &Completion| matches!(pending.wish, Wish::CampOn(call) if Some(call) == camper);
        self.completions.values().any(waits)
    }

    /// A line is closed or gone: nobody is called back.
    pub(super) fn forget_completions(&mut self, line: LineKey) {
        self.completions.retain(|_, pending| pending.line != line);
    }
}
