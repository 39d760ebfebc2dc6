// SPDX-License-Identifier: MIT OR Apache-2.0
//! How calls end, and what happens to them when applications or providers leave.

use std::time::Duration;

use offhook_spi::{
    CallKey, CallOp, CallState, Cause, Op, Outcome, Refusal, RefusalKind, SessionKey, StateKind, TspCommand,
};

use crate::app::AppEvent;
use crate::asks::Handled;
use crate::call::{Fate, Report, Step};
use crate::consultation::Event;
use crate::deadline::Reason;
use crate::id::{AppId, CallId, LineId, ProviderId};
use crate::policy::Unowned;
use crate::request::{Asker, What};
use crate::switch::Switch;

/// How often the core asks again for a drop that was refused.
const MOST_DROPS: u8 = 5;

/// States, and what follows from them.
impl Switch {
    /// Takes what a provider, or the core in its place, reports about a call.
    pub(crate) fn apply(&mut self, id: CallId, report: Report) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(id) else { return };
        let (before, narrowed) = (call.life.state().clone(), call.life.narrowed());
        if let Err(illegal) = call.step(now, Step::Report(report)) {
            let (provider, key) = (call.provider, call.key);
            return self.violation(provider, Some(key), illegal.to_string());
        }
        let kind = call.kind();
        if kind != before.kind() {
            call.spent = offhook_spi::OpSet::EMPTY;
        }
        if !kind.is_live() {
            self.stop_digits(id);
            self.stop_sounds(id);
            self.consult_step(id, None, Event::OneIsOver);
        }
        if kind == StateKind::Idle {
            self.stop_generations(id);
        }
        self.take_seat(id);
        self.tell_state(id, &before, narrowed);
        match kind {
            StateKind::Idle => self.bury(id),
            StateKind::Disconnected => self.drop_if_unwanted(id),
            _ => {}
        }
    }

    fn tell_state(&mut self, id: CallId, before: &CallState, narrowed: Option<offhook_spi::OpSet>) {
        let Some(call) = self.calls.get(id) else { return };
        let state = call.life.state();
        if state != before || call.life.narrowed() != narrowed {
            let (to, state, allowed) = (call.hearers(), state.clone(), self.allowed(id));
            self.tell(to, AppEvent::CallState { call: id, state, allowed });
        }
    }

    /// A call has become idle: its key is dead, its session ends, its record stays for who holds it.
    fn bury(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let (provider, key, line, session) = (call.provider, call.key, call.line, call.session.take());
        if let Some(timer) = call.ending.take() {
            self.deadlines.disarm(timer);
        }
        if let Some(session) = session {
            self.end_session(session);
        }
        self.remove_if_over(id);
        self.forget_key(provider, key, line);
    }

    pub(crate) fn forget_key(&mut self, provider: ProviderId, key: CallKey, line: LineId) {
        if let Some(tsp) = self.tsps.get_mut(&provider) {
            tsp.keys.remove(&key);
        }
        if let Some(line) = self.lines.get_mut(line) {
            line.calls = line.calls.saturating_sub(1);
        }
        self.close_if_unused(line);
    }

    pub(crate) fn remove_if_over(&mut self, id: CallId) {
        if self.calls.get(id).is_some_and(|call| call.life.is_over() && call.holders.is_empty())
            && let Some(call) = self.calls.remove(id)
        {
            self.hubs.leave(call.hub, id);
        }
    }

    /// The core ends a call whose line or provider has gone.
    pub(crate) fn end_call(&mut self, id: CallId, cause: Cause) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.life.is_pending() {
            return self.discard(id);
        }
        // What has gone cannot be asked to drop the call.
        call.fate = Fate::Overruled;
        if call.kind().is_live() {
            self.apply(id, Report { state: CallState::Disconnected { cause }, narrowed: None });
        }
        self.apply(id, Report { state: CallState::Idle, narrowed: None });
    }
}

/// Dropping.
impl Switch {
    /// An application drops a call; once it was asked for, asking again changes nothing.
    pub(crate) fn ask_drop(&mut self, asker: Asker, id: CallId, cause: Option<Cause>) -> Handled {
        if self.calls.get(id).is_none_or(|call| call.fate >= Fate::Dropped) {
            return Handled::DONE;
        }
        self.send_drop(Some(asker), id, cause);
        Handled::Later
    }

    /// The core drops a call for its own reasons.
    pub(crate) fn drop_call(&mut self, id: CallId, cause: Option<Cause>) {
        self.send_drop(None, id, cause);
    }

    fn send_drop(&mut self, asker: Option<Asker>, id: CallId, cause: Option<Cause>) {
        let at = self.now + self.config.ending_timeout;
        let Some(call) = self.calls.get_mut(id) else { return };
        let is_under_way = call.ending.is_some() && call.fate >= Fate::Dropped;
        if call.life.is_over() || call.life.is_pending() || is_under_way {
            return;
        }
        // It was expected to end by itself; a drop is quicker.
        if let Some(timer) = call.ending.take() {
            self.deadlines.disarm(timer);
        }
        call.is_drop_due = false;
        call.ending = Some(self.deadlines.arm(at, Reason::Ending { call: id }));
        call.fate = call.fate.max(Fate::Dropped);
        self.call_op(asker, id, None, What::Drop(id), CallOp::Drop { cause });
    }

    /// The provider has replied to a drop. A call that it does not know (any more) is idle.
    pub(crate) fn dropped(
        &mut self,
        provider: ProviderId,
        asker: Option<Asker>,
        id: CallId,
        result: Result<Outcome, Refusal>,
    ) {
        if let Err(refusal) = &result
            && let Some(call) = self.calls.get_mut(id)
            && !call.life.is_over()
        {
            let has_owner = call.holders.owners().next().is_some();
            if refusal.kind == RefusalKind::StaleHandle {
                let key = call.key;
                let detail = "expected idle before a refusal as stale, received no state".to_owned();
                self.violation(provider, Some(key), detail);
                self.apply(id, Report { state: CallState::Idle, narrowed: None });
            } else if has_owner && asker.is_some() && call.fate == Fate::Dropped {
                // The owner may try again.
                call.fate = Fate::Open;
                if let Some(timer) = call.ending.take() {
                    self.deadlines.disarm(timer);
                }
            } else {
                self.drop_again_later(id);
            }
        }
        self.pass_on(asker, result);
    }

    /// A drop that the core needs was refused, perhaps because a queue was full: it is tried again, a
    /// little later each time.
    fn drop_again_later(&mut self, id: CallId) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.refused_drops >= MOST_DROPS {
            return;
        }
        call.refused_drops += 1;
        if let Some(timer) = call.ending.take() {
            self.deadlines.disarm(timer);
        }
        let at = now + Duration::from_secs(1 << call.refused_drops.min(6));
        call.ending = Some(self.deadlines.arm(at, Reason::Ending { call: id }));
        call.is_drop_due = true;
    }

    /// A dropped call did not become idle: the core says so itself, unless it has to drop it once more.
    pub(crate) fn call_overdue(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.ending = None;
        if std::mem::take(&mut call.is_drop_due) {
            return self.drop_call(id, None);
        }
        let (provider, key) = (call.provider, call.key);
        let detail = "expected idle in time after a drop, received nothing".to_owned();
        self.violation(provider, Some(key), detail);
        self.apply(id, Report { state: CallState::Idle, narrowed: None });
    }

    /// Drops a call that nobody waits for, or that is disconnected with no owner left to drop it.
    pub(crate) fn drop_if_unwanted(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        let is_unowned = call.holders.owners().next().is_none();
        if call.fate == Fate::Doomed || (is_unowned && call.kind() == StateKind::Disconnected) {
            self.drop_call(id, None);
        }
    }

    /// Sends an operation on a call to its provider.
    pub(crate) fn call_op(
        &mut self,
        asker: Option<Asker>,
        id: CallId,
        session: Option<SessionKey>,
        what: What,
        op: CallOp,
    ) {
        let Some(call) = self.calls.get(id) else { return };
        let (provider, line, key) = (call.provider, call.line_key, call.key);
        let request = self.next_request(provider);
        self.tsp(provider, TspCommand::Call { request, line, call: key, session, op });
        self.expect_reply(provider, request, asker, what);
    }

    /// An operation was refused, or is one that may be asked again.
    pub(crate) fn unspend(&mut self, id: CallId, op: Op, is_done: bool) {
        const ONCE: offhook_spi::OpSet = offhook_spi::OpSet::EMPTY
            .with(Op::Accept)
            .with(Op::Answer)
            .with(Op::BlindTransfer)
            .with(Op::CompleteTransfer)
            .with(Op::CompleteTransferAsConference)
            .with(Op::Park)
            .with(Op::ParkDirected)
            .with(Op::Redirect);
        if let Some(call) = self.calls.get_mut(id)
            && !(is_done && ONCE.contains(op))
        {
            call.spent = call.spent.without(op);
        }
    }
}

/// Leaving.
impl Switch {
    /// An application is gone.
    pub(crate) fn app_down(&mut self, app: AppId) {
        let Some(known) = self.apps.get(&app) else { return };
        let (lines, phones) = (known.lines.clone(), known.phones.clone());
        let calls = known.calls.clone();
        calls.into_iter().for_each(|call| self.leave_call(app, call));
        lines.into_iter().for_each(|line| self.leave_line(app, line));
        phones.into_iter().for_each(|phone| self.leave_phone(app, phone));
        self.app_back(app);
        self.apps.remove(&app);
    }

    /// An application leaves a call without having dropped it; of a sole owner the line's policy decides.
    pub(crate) fn leave_call(&mut self, app: AppId, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        if call.life.is_pending() {
            let detail = format!("{app} left before the call was there");
            self.refuse_creation(id, Refusal::new(RefusalKind::Abandoned, detail));
        } else if !call.life.is_over() && call.holders.is_sole_owner(app) {
            let unowned = self.lines.get(call.line).map(|line| line.policy.unowned).unwrap_or_default();
            let heir = if unowned == Unowned::HandOff { self.heir(id, Some(app)) } else { None };
            match (unowned, heir) {
                (Unowned::Keep, _) => {}
                (Unowned::HandOff, Some(heir)) => self.hand_over(id, heir, Some(app)),
                (Unowned::Drop | Unowned::HandOff, _) => self.drop_call(id, None),
            }
        }
        self.take_handle(id, app);
    }

    /// A TSP is gone: all its requests are refused, its calls end, its lines are absent.
    pub(crate) fn tsp_down(&mut self, provider: ProviderId, detail: String) {
        let Some(tsp) = self.tsps.remove(&provider) else { return };
        let refusal = Refusal::new(RefusalKind::ProviderGone, format!("'{}' ended: {detail}", tsp.name));
        self.refuse_outstanding(provider, &refusal);
        self.tell_all(AppEvent::ProviderGone { provider: tsp.name, detail });
        for call in tsp.keys.into_values() {
            self.end_call(call, Cause::ProviderGone);
        }
        for line in tsp.lines.into_values() {
            self.lose_line(line, &refusal);
        }
        tsp.phones.into_values().for_each(|phone| self.lose_phone(phone));
    }

    /// An MSP is gone: its sessions are over, their calls go on.
    pub(crate) fn msp_down(&mut self, provider: ProviderId, detail: String) {
        let Some(msp) = self.msps.remove(&provider) else { return };
        let mine = self.sessions.iter().filter(|(_, session)| session.msp == provider);
        let sessions: Vec<SessionKey> = mine.map(|(key, _)| *key).collect();
        let reason = format!("'{}' ended: {detail}", msp.name);
        self.tell_all(AppEvent::ProviderGone { provider: msp.name, detail });
        sessions.into_iter().for_each(|session| self.session_lost(session, &reason));
        self.refuse_outstanding(provider, &Refusal::new(RefusalKind::ProviderGone, reason));
    }
}
