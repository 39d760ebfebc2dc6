// SPDX-License-Identifier: MIT OR Apache-2.0
//! What applications ask: who may, and who does it.

use offhook_spi::{Op, OpSet, Outcome, Refusal, RefusalKind, StateKind};

use crate::app::{Answer, AppEvent, Ask, CallRecord, LineRecord, Privilege};
use crate::call::{Call, Fate};
use crate::id::{AppId, CallId, LineId};
use crate::line::{FROM_MSP, Line, LineLink, with_core};
use crate::request::Asker;
use crate::switch::Switch;
use crate::table;

/// What became of a request that was not refused.
#[derive(Debug)]
pub(crate) enum Handled {
    /// It is answered now.
    Now(Answer),
    /// It is answered when a provider has replied.
    Later,
}

impl Handled {
    pub(crate) const DONE: Self = Self::Now(Answer::Done { outcome: Outcome::Done });
}

impl Switch {
    /// An application asks; it gets exactly one answer, now or later.
    pub(crate) fn ask(&mut self, asker: Asker, ask: Ask) {
        match self.try_ask(asker, ask) {
            Ok(Handled::Now(answer)) => self.answer(asker, Ok(answer)),
            Ok(Handled::Later) => {}
            Err(refusal) => self.answer(asker, Err(refusal)),
        }
    }

    fn try_ask(&mut self, asker: Asker, ask: Ask) -> Result<Handled, Refusal> {
        let app = asker.app;
        if !self.apps.contains_key(&app) {
            return Err(Refusal::new(RefusalKind::Gone, format!("{app} is not there")));
        }
        match ask {
            Ask::Lines => {
                let lines = self.lines.keys().filter_map(|id| self.line_record(id)).collect();
                Ok(Handled::Now(Answer::Lines { lines }))
            }
            Ask::Apps => Ok(Handled::Now(Answer::Apps { apps: self.app_records() })),
            Ask::Phones => {
                let phones = self.phones.keys().filter_map(|id| self.phone_record(id)).collect();
                Ok(Handled::Now(Answer::Phones { phones }))
            }
            Ask::LineCalls { line } => self.line_calls(app, line),
            Ask::Line { line, op } => self.operate_line(asker, line, op),
            Ask::HandOff { call, to } => self.hand_off(app, call, &to),
            Ask::SetPrivilege { call, privilege } => self.set_privilege(app, call, privilege),
            Ask::OpenPhone { phone, privilege } => self.open_phone(app, phone, privilege),
            Ask::ClosePhone { phone } => self.close_phone(app, phone),
            Ask::Phone { phone, op } => self.set_phone(asker, phone, op),
            Ask::Calls => Ok(Handled::Now(Answer::Calls { calls: self.calls_of(app) })),
            Ask::OpenLine { line, interest } => self.open_line(asker, line, interest),
            Ask::CloseLine { line } => self.close_line(app, line),
            Ask::MakeCall { line, to, params } => self.make_call(asker, line, to, params),
            Ask::Call { call, op } => self.operate(asker, call, op),
            Ask::CallRecord { call } => {
                let privilege = self.privilege(app, call)?;
                let record = self.call_record(call, privilege).ok_or_else(|| stale(app, call))?;
                Ok(Handled::Now(Answer::Record { record: Box::new(record) }))
            }
            Ask::Deallocate { call, keep } => self.deallocate(app, call, keep),
            Ask::Statistics { call } => self.ask_statistics(asker, call),
        }
    }

    /// The handle that an application has on a call; a call that is not born yet is nobody's.
    pub(crate) fn privilege(&self, app: AppId, id: CallId) -> Result<Privilege, Refusal> {
        self.calls
            .get(id)
            .filter(|call| !call.life.is_pending())
            .and_then(|call| call.holders.privilege(app))
            .ok_or_else(|| stale(app, id))
    }

    /// Checks that an application owns a call; the refusal names what it asked and who may.
    pub(crate) fn must_own(&self, app: AppId, id: CallId, asked: &str) -> Result<(), Refusal> {
        if self.privilege(app, id)? == Privilege::Owner {
            return Ok(());
        }
        let owners = self.calls.get(id).map(|call| call.holders.owners().collect::<Vec<_>>());
        let names: Vec<&str> = owners
            .iter()
            .flatten()
            .filter_map(|owner| self.apps.get(owner).map(|app| app.profile.name.as_str()))
            .collect();
        let owner = if names.is_empty() { "nobody".to_owned() } else { format!("'{}'", names.join("', '")) };
        let detail = format!("{asked} needs an owner of {id}; this application monitors it, {owner} owns it");
        Err(Refusal::new(RefusalKind::NotOwner, detail))
    }

    /// A line that is there now, and where.
    pub(crate) fn present_line(&self, id: LineId) -> Result<(&Line, LineLink), Refusal> {
        let none = || Refusal::new(RefusalKind::Gone, format!("there is no {id}"));
        let line = self.lines.get(id).ok_or_else(none)?;
        let absent = || {
            let detail = format!("{id} ({}) is absent; its provider has to bring it back", line.name);
            Refusal::new(RefusalKind::Gone, detail).with_retry(offhook_spi::Retry::Later)
        };
        Ok((line, line.link.ok_or_else(absent)?))
    }

    /// Gives an application a handle on a call.
    pub(crate) fn give_handle(&mut self, id: CallId, app: AppId, privilege: Privilege) {
        if let (Some(call), Some(known)) = (self.calls.get_mut(id), self.apps.get_mut(&app)) {
            call.holders.give(app, privilege);
            known.calls.insert(id);
        }
    }

    /// What a call's state, line, session and provider let an owner ask for now.
    pub(crate) fn allowed(&self, id: CallId) -> OpSet {
        let Some(call) = self.calls.get(id) else { return OpSet::EMPTY };
        let spent = call.spent;
        let legal = table::allowed_in(call.life.state()).intersection(self.offered_now(call));
        legal.iter().filter(|op| !spent.contains(*op)).collect()
    }

    /// What the line and the session of a call offer, as far as the provider has not narrowed it.
    pub(crate) fn offered_now(&self, call: &Call) -> OpSet {
        let declared = self.lines.get(call.line).map_or(OpSet::EMPTY, |line| line.caps.ops);
        let narrowed = call.life.narrowed().map_or(declared, |ops| ops.intersection(declared));
        with_core(narrowed.union(self.offered_by_session(call)))
    }

    /// What the MSP of a call's session adds.
    pub(crate) fn offered_by_session(&self, call: &Call) -> OpSet {
        let session = call.session.and_then(|key| self.sessions.get(&key));
        let msp = session.and_then(|session| self.msps.get(&session.msp));
        msp.map_or(OpSet::EMPTY, |msp| msp.caps.ops.intersection(FROM_MSP))
    }

    /// What is known about a call, for an application with this privilege.
    pub(crate) fn call_record(&self, id: CallId, privilege: Privilege) -> Option<CallRecord> {
        let call = self.calls.get(id)?;
        let allowed = match privilege {
            Privilege::Monitor => OpSet::EMPTY,
            Privilege::Owner => self.allowed(id),
        };
        Some(CallRecord {
            call: id,
            line: call.line,
            state: call.life.state().clone(),
            since: call.life.since(),
            allowed,
            privilege,
            owners: call.holders.count(Privilege::Owner),
            monitors: call.holders.count(Privilege::Monitor),
            hub: call.hub,
            ties: self.ties_of(id),
            info: (*call.info).clone(),
        })
    }

    /// What is known about a line, with what its MSP adds.
    pub(crate) fn line_record(&self, id: LineId) -> Option<LineRecord> {
        let line = self.lines.get(id)?;
        let msp = self.msp_for(line).and_then(|msp| self.msps.get(&msp));
        let added = msp.map_or(OpSet::EMPTY, |msp| msp.caps.ops.intersection(FROM_MSP));
        let mut caps = (*line.caps).clone();
        caps.ops = with_core(caps.ops.union(added));
        Some(LineRecord {
            line: id,
            provider: line.name.provider.clone(),
            stable_id: line.name.stable_id.clone(),
            present: line.link.is_some(),
            caps,
            status: line.status.clone(),
            calls: line.calls,
        })
    }

    fn calls_of(&self, app: AppId) -> Vec<CallRecord> {
        let ids = self.apps.get(&app).map(|app| &app.calls);
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.call_record(*id, self.privilege(app, *id).ok()?))
            .collect()
    }

    /// An application gives a handle back (`lineDeallocateCall`).
    fn deallocate(&mut self, app: AppId, id: CallId, keep: bool) -> Result<Handled, Refusal> {
        self.privilege(app, id)?;
        let call = self.calls.get(id).ok_or_else(|| stale(app, id))?;
        let is_dropped = call.fate >= Fate::Dropped;
        if !keep && !is_dropped && !call.life.is_over() && call.holders.is_sole_owner(app) {
            let state = call.kind();
            let detail = format!("{id} is {state} and this application its sole owner: drop it or say keep");
            return Err(Refusal::new(RefusalKind::SoleOwner, detail));
        }
        self.take_handle(id, app);
        Ok(Handled::DONE)
    }

    /// Takes an application's handle on a call; the last one takes an idle call's record along. Others
    /// are told of the new numbers while the call lives (inventory rule 47).
    pub(crate) fn take_handle(&mut self, id: CallId, app: AppId) {
        if let Some(known) = self.apps.get_mut(&app) {
            known.calls.remove(&id);
        }
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.holders.take(app).is_none() {
            return;
        }
        self.forget_digits(id, app);
        self.forget_sounds(id, app);
        self.tell_owners(id, &[app]);
        self.remove_if_over(id);
        self.drop_if_unwanted(id);
    }

    /// Tells all but these applications how many own and watch a call.
    pub(crate) fn tell_owners(&mut self, id: CallId, except: &[AppId]) {
        let Some(call) = self.calls.get(id) else { return };
        if !call.life.is_over() {
            let owners = call.holders.count(Privilege::Owner);
            let monitors = call.holders.count(Privilege::Monitor);
            let to = call.holders.others(except);
            self.tell(to, AppEvent::Owners { call: id, owners, monitors });
        }
    }

    /// Checks that the state of a call allows an operation, and that it was not asked for already.
    pub(crate) fn must_be_legal(&self, id: CallId, op: Op) -> Result<(), Refusal> {
        let Some(call) = self.calls.get(id) else { return Ok(()) };
        let state = call.life.state();
        if !table::allowed_in(state).contains(op) {
            return Err(Refusal::invalid_state(id, op, state.kind(), table::states_for(op)));
        }
        if call.spent.contains(op) {
            let state: StateKind = state.kind();
            let detail =
                format!("{op} was asked of {id} already; it is {state} until the provider says more");
            return Err(Refusal::new(RefusalKind::InvalidState, detail));
        }
        Ok(())
    }
}

/// The refusal for a call on which the application has no handle.
pub(crate) fn stale(app: AppId, id: CallId) -> Refusal {
    Refusal::new(RefusalKind::StaleHandle, format!("{app} has no handle on {id}"))
}
