// SPDX-License-Identifier: MIT OR Apache-2.0
//! How lines come and go, and how they are opened and closed.

use offhook_spi::{Cause, LineCaps, LineKey, LineStatus, Outcome, Refusal, RefusalKind, Retry, TspCommand};

use crate::app::{Answer, AppEvent, Interest};
use crate::asks::Handled;
use crate::bounds;
use crate::id::{AppId, CallId, LineId, ProviderId};
use crate::line::{Gate, Line, LineLink, LineName, Waiting};
use crate::policy::Opening;
use crate::request::{Asker, What};
use crate::switch::Switch;

/// Requests that may wait for one line to open.
const MOST_WAITING: usize = 1024;

/// Lines that appear, change and go.
impl Switch {
    /// A line appears, for the first time or again under the same id.
    pub(crate) fn line_up(
        &mut self,
        provider: ProviderId,
        key: LineKey,
        stable_id: String,
        caps: Box<LineCaps>,
        status: LineStatus,
    ) {
        let Some(tsp) = self.tsps.get(&provider) else { return };
        if tsp.lines.contains_key(&key) {
            return self.violation(provider, None, format!("expected a new line key, {key} is up already"));
        }
        if !bounds::is_stable_id(&stable_id) {
            let detail = "expected a stable id of 1 to 512 bytes, received another".to_owned();
            return self.violation(provider, None, detail);
        }
        let name = LineName { provider: tsp.name.clone(), stable_id };
        let Some(id) = self.remember_line(provider, name) else { return };
        let Some(line) = self.lines.get_mut(id) else { return };
        line.link = Some(LineLink { provider, key });
        line.caps = caps;
        line.status = status;
        line.gate = Gate::Closed;
        line.was_open = false;
        let wanted = !line.openers.is_empty() || line.policy.opening == Opening::Always;
        if let Some(tsp) = self.tsps.get_mut(&provider) {
            tsp.lines.insert(key, id);
        }
        self.tell_line(id);
        if wanted {
            self.open_gate(id, LineLink { provider, key });
        }
    }

    /// Finds the id that a line had before, or gives it one.
    fn remember_line(&mut self, provider: ProviderId, name: LineName) -> Option<LineId> {
        if let Some(id) = self.names.get(&name).copied() {
            let is_absent = self.lines.get(id).is_some_and(|line| line.link.is_none());
            if !is_absent {
                self.violation(provider, None, format!("expected each line once, {name} is up already"));
            }
            return is_absent.then_some(id);
        }
        if self.lines.len() >= self.config.max_lines {
            let most = self.config.max_lines;
            self.violation(provider, None, format!("expected at most {most} lines, received one more"));
            return None;
        }
        let policy = self.config.policy(&name.provider, &name.stable_id);
        let id = self.lines.insert(Line::new(name.clone(), policy));
        self.names.insert(name, id);
        Some(id)
    }

    /// A line goes; the core itself ends its calls.
    pub(crate) fn line_down(&mut self, provider: ProviderId, key: LineKey) {
        let Some(id) = self.tsps.get_mut(&provider).and_then(|tsp| tsp.lines.remove(&key)) else {
            return self.unknown_line(provider, key);
        };
        let refusal = self.gone(id);
        self.refuse_about_line(id, provider, &refusal);
        let is_used = self.lines.get(id).is_some_and(|line| line.calls > 0);
        let keys = self.tsps.get(&provider).filter(|_| is_used).map(|tsp| tsp.keys.values().copied());
        let calls: Vec<CallId> = keys.into_iter().flatten().collect();
        for call in calls {
            if self.calls.get(call).is_some_and(|call| call.line == id) {
                self.end_call(call, Cause::LineGone);
            }
        }
        self.lose_line(id, &refusal);
        self.tell_line(id);
    }

    /// A line is absent from now on; what waited for it is refused.
    pub(crate) fn lose_line(&mut self, id: LineId, refusal: &Refusal) {
        let Some(line) = self.lines.get_mut(id) else { return };
        line.link = None;
        line.gate = Gate::Closed;
        line.was_open = false;
        for waiting in std::mem::take(&mut line.waiting) {
            self.answer(waiting.asker(), Err(refusal.clone()));
        }
        self.lose_completions(id);
    }

    /// The capabilities of a line changed.
    pub(crate) fn line_caps(&mut self, provider: ProviderId, key: LineKey, caps: Box<LineCaps>) {
        match self.line_at(provider, key) {
            Some(id) => {
                if let Some(line) = self.lines.get_mut(id) {
                    line.caps = caps;
                }
                self.tell_line(id);
            }
            None => self.unknown_line(provider, key),
        }
    }

    /// The status of a line changed.
    pub(crate) fn line_status(&mut self, provider: ProviderId, key: LineKey, status: LineStatus) {
        match self.line_at(provider, key) {
            Some(id) => {
                if let Some(line) = self.lines.get_mut(id) {
                    line.status = status;
                }
                self.tell_line(id);
            }
            None => self.unknown_line(provider, key),
        }
    }

    pub(crate) fn line_at(&self, provider: ProviderId, key: LineKey) -> Option<LineId> {
        self.tsps.get(&provider)?.lines.get(&key).copied()
    }

    /// Tells every application what a line is like now.
    pub(crate) fn tell_line(&mut self, id: LineId) {
        if let Some(record) = self.line_record(id) {
            self.tell_all(AppEvent::Line { record: Box::new(record) });
        }
    }

    pub(crate) fn gone(&self, id: LineId) -> Refusal {
        let name = self.lines.get(id).map(|line| line.name.to_string()).unwrap_or_default();
        Refusal::new(RefusalKind::Gone, format!("{id} ({name}) went away")).with_retry(Retry::Later)
    }

    pub(crate) fn unknown_line(&mut self, provider: ProviderId, key: LineKey) {
        self.violation(provider, None, format!("expected the key of a line that is up, received {key}"));
    }
}

/// Lines that are opened and closed.
impl Switch {
    /// An application begins to use a line.
    pub(crate) fn open_line(
        &mut self,
        asker: Asker,
        id: LineId,
        interest: Interest,
    ) -> Result<Handled, Refusal> {
        let (line, link) = self.present_line(id)?;
        if line.gate == Gate::Open {
            self.use_line(asker.app, id, Some(interest));
            return Ok(Handled::DONE);
        }
        self.await_gate(id, link, Waiting::Open(asker))?;
        self.use_line(asker.app, id, Some(interest));
        Ok(Handled::Later)
    }

    /// Notes what an application wants of a line; making a call wants nothing more than to dial.
    pub(crate) fn use_line(&mut self, app: AppId, id: LineId, interest: Option<Interest>) {
        if let (Some(line), Some(known)) = (self.lines.get_mut(id), self.apps.get_mut(&app)) {
            known.lines.insert(id);
            let held = line.openers.entry(app).or_insert(Interest::DIAL);
            if let Some(interest) = interest {
                *held = interest;
            }
        }
    }

    /// Queues a request until the line is open, and opens it if nobody has yet.
    pub(crate) fn await_gate(&mut self, id: LineId, link: LineLink, what: Waiting) -> Result<(), Refusal> {
        let Some(line) = self.lines.get_mut(id) else { return Ok(()) };
        if line.waiting.len() >= MOST_WAITING {
            let detail = format!("{} requests wait for {id} ({}) to open", line.waiting.len(), line.name);
            return Err(Refusal::new(RefusalKind::Busy, detail));
        }
        line.waiting.push(what);
        if line.gate == Gate::Closed {
            self.open_gate(id, link);
        }
        Ok(())
    }

    fn open_gate(&mut self, id: LineId, link: LineLink) {
        if let Some(line) = self.lines.get_mut(id) {
            line.gate = Gate::Opening;
        }
        let request = self.next_request(link.provider);
        self.tsp(link.provider, TspCommand::Open { request, line: link.key });
        self.expect_reply(link.provider, request, None, What::Open { line: id, link });
    }

    /// The provider has replied to the opening of a line: what waited for it goes on, in order.
    pub(crate) fn line_opened(&mut self, id: LineId, link: LineLink, result: Result<(), Refusal>) {
        let Some(line) = self.lines.get_mut(id) else { return };
        if line.link != Some(link) || line.gate != Gate::Opening {
            return;
        }
        let waiting = std::mem::take(&mut line.waiting);
        match result {
            Ok(()) => {
                line.gate = Gate::Open;
                line.was_open = true;
                waiting.into_iter().for_each(|waiting| self.resume(id, waiting));
                self.close_if_unused(id);
            }
            Err(refusal) => {
                line.gate = Gate::Closed;
                for waiting in waiting {
                    let asker = waiting.asker();
                    self.answer(asker, Err(refusal.clone()));
                    self.disuse_line(asker.app, id);
                }
            }
        }
    }

    fn resume(&mut self, id: LineId, waiting: Waiting) {
        match waiting {
            Waiting::Open(asker) => self.answer(asker, Ok(Answer::Done { outcome: Outcome::Done })),
            Waiting::Line { asker, ask } => {
                if let Err(refusal) = self.operate_line(asker, id, *ask) {
                    self.answer(asker, Err(refusal));
                }
            }
            Waiting::MakeCall { asker, to, params } => {
                if let Err(refusal) = self.make_call(asker, id, to, params) {
                    self.answer(asker, Err(refusal));
                }
            }
        }
    }

    /// A line that was given up was opened after all.
    pub(crate) fn line_opened_late(&mut self, link: LineLink, is_open: bool) {
        let Some(id) = self.line_at(link.provider, link.key) else { return };
        if is_open && self.lines.get(id).is_some_and(|line| line.gate == Gate::Closed) {
            self.tsp(link.provider, TspCommand::Close { line: link.key });
        }
    }

    /// An application ends the use of a line: its handles on the line's calls die (inventory rule 36).
    pub(crate) fn close_line(&mut self, app: AppId, id: LineId) -> Result<Handled, Refusal> {
        let line = self.lines.get(id);
        let line = line.ok_or_else(|| Refusal::new(RefusalKind::Gone, format!("there is no {id}")))?;
        if !line.openers.contains_key(&app) {
            let detail = format!("{id} ({}) is not open for this application", line.name);
            return Err(Refusal::new(RefusalKind::InvalidState, detail));
        }
        self.leave_line(app, id);
        Ok(Handled::DONE)
    }

    /// Takes an application from a line with all that it has there.
    pub(crate) fn leave_line(&mut self, app: AppId, id: LineId) {
        self.disuse_line(app, id);
        if let Some(line) = self.lines.get_mut(id) {
            let (left, stay) = std::mem::take(&mut line.waiting)
                .into_iter()
                .partition::<Vec<_>, _>(|waiting| waiting.asker().app == app);
            line.waiting = stay;
            for waiting in left {
                let detail = format!("the application closed {id} before it was open");
                self.answer(waiting.asker(), Err(Refusal::new(RefusalKind::Abandoned, detail)));
            }
        }
        let calls: Vec<CallId> = self.apps.get(&app).into_iter().flat_map(|app| app.calls.clone()).collect();
        for call in calls {
            if self.calls.get(call).is_some_and(|call| call.line == id) {
                self.leave_call(app, call);
            }
        }
        self.close_if_unused(id);
    }

    fn disuse_line(&mut self, app: AppId, id: LineId) {
        if let Some(known) = self.apps.get_mut(&app) {
            known.lines.remove(&id);
        }
        if let Some(line) = self.lines.get_mut(id) {
            line.openers.remove(&app);
        }
        self.forget_completions(app, id);
    }

    /// Closes a line on its provider once nobody uses it and no call lives on it.
    pub(crate) fn close_if_unused(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(id) else { return };
        let stays = line.policy.opening == Opening::Always;
        if let Some(link) = line.link
            && line.gate == Gate::Open
            && line.is_unused()
            && !stays
        {
            line.gate = Gate::Closed;
            self.tsp(link.provider, TspCommand::Close { line: link.key });
        }
    }
}
