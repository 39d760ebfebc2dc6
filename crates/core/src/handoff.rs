// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rights that change hands: handing a call to another application, changing one's own privilege, asking
//! for the calls of a line, leaving for a while.

use offhook_spi::{MediaSet, Refusal, RefusalKind};

use crate::app::{Answer, AppRecord, HandOff, Privilege};
use crate::asks::{Handled, stale};
use crate::deadline::Reason;
use crate::id::{AppId, CallId, LineId};
use crate::switch::{App, Switch};

/// Hand-off and privilege.
impl Switch {
    /// An owner makes another application an owner too; it stays one itself until it leaves
    /// (inventory, section 3.6).
    pub(crate) fn hand_off(&mut self, app: AppId, id: CallId, to: &HandOff) -> Result<Handled, Refusal> {
        self.must_own(app, id, "hand_off")?;
        let call = self.calls.get(id).ok_or_else(|| stale(app, id))?;
        if call.life.is_over() {
            let detail = format!("{id} is idle; hand_off needs a call that is not over");
            return Err(Refusal::new(RefusalKind::InvalidState, detail));
        }
        let line = call.line;
        let target = match to {
            HandOff::App { name } => self.named_target(line, name)?,
            HandOff::Media { media } => self.media_target(app, line, *media)?,
        };
        self.hand_over(id, target, Some(app));
        Ok(Handled::DONE)
    }

    /// Another application becomes an owner. Its old handle is used on, and it is told with its privilege
    /// even if it was an owner (inventory rule 48); the others are told of the new number of owners, but
    /// not who caused it (rule 47).
    pub(crate) fn hand_over(&mut self, id: CallId, to: AppId, from: Option<AppId>) {
        let was = self.calls.get(id).and_then(|call| call.holders.privilege(to));
        self.give_handle(id, to, Privilege::Owner);
        self.tell_new_call(id, vec![to], Privilege::Owner);
        if was != Some(Privilege::Owner) {
            let except: Vec<AppId> = from.into_iter().chain([to]).collect();
            self.tell_owners(id, &except);
        }
    }

    /// The application of a name that owns calls of the line; media do not matter, and it may be the one
    /// that asks.
    fn named_target(&self, line: LineId, name: &str) -> Result<AppId, Refusal> {
        self.best_owner(line, |app, _| app.profile.name == name).ok_or_else(|| {
            let is_there = self.apps.values().any(|app| app.profile.name == name);
            let detail = if is_there {
                format!("'{name}' has not opened {line} to own calls, or is not there now")
            } else {
                format!("there is no application '{name}'")
            };
            Refusal::new(RefusalKind::Gone, detail).with_retry(offhook_spi::Retry::Later)
        })
    }

    /// The application of the highest priority that owns calls of a medium.
    fn media_target(&self, app: AppId, line: LineId, media: MediaSet) -> Result<AppId, Refusal> {
        if media.iter().count() != 1 {
            let detail = format!("hand_off by media needs one medium, not {}", media.iter().count());
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        match self.best_owner(line, |_, own| own.intersects(media)) {
            Some(target) if target == app => {
                let detail = format!("this application itself is the first that owns {media:?} on {line}");
                Err(Refusal::new(RefusalKind::InvalidParameter, detail))
            }
            Some(target) => Ok(target),
            None => {
                let detail = format!("no application owns {media:?} on {line}");
                Err(Refusal::new(RefusalKind::Gone, detail).with_retry(offhook_spi::Retry::Later))
            }
        }
    }

    /// Among the applications that are there and own calls of a line, the one of the highest priority that
    /// is wanted; who registered first among equals.
    pub(crate) fn best_owner(
        &self,
        line: LineId,
        is_wanted: impl Fn(&App, MediaSet) -> bool,
    ) -> Option<AppId> {
        let owners = self.lines.get(line)?.openers.iter();
        owners
            .filter(|(_, interest)| !interest.own.is_empty())
            .filter_map(|(app, interest)| Some((*app, self.apps.get(app)?, interest.own)))
            .filter(|(_, known, own)| known.absent.is_none() && is_wanted(known, *own))
            .max_by_key(|(_, known, _)| (known.profile.priority, std::cmp::Reverse(known.registered)))
            .map(|(app, ..)| app)
    }

    /// An application changes its own privilege on a call (inventory rule 34).
    pub(crate) fn set_privilege(
        &mut self,
        app: AppId,
        id: CallId,
        wanted: Privilege,
    ) -> Result<Handled, Refusal> {
        let now = self.privilege(app, id)?;
        if now == wanted {
            return Ok(Handled::DONE);
        }
        let call = self.calls.get(id).ok_or_else(|| stale(app, id))?;
        let state = call.kind();
        if wanted == Privilege::Monitor && !call.life.is_over() && call.holders.is_sole_owner(app) {
            let detail =
                format!("{id} is {state} and this application its sole owner: drop it or hand it off first");
            return Err(Refusal::new(RefusalKind::SoleOwner, detail));
        }
        let interest = self.lines.get(call.line).and_then(|line| line.openers.get(&app));
        if wanted == Privilege::Owner && interest.is_none_or(|interest| interest.own.is_empty()) {
            let detail = format!("only who opened {} to own calls may become an owner of {id}", call.line);
            return Err(Refusal::new(RefusalKind::NotOwner, detail));
        }
        if wanted == Privilege::Monitor {
            self.forget_digits(id, app);
            self.forget_sounds(id, app);
        }
        if let Some(call) = self.calls.get_mut(id) {
            call.holders.set(app, wanted);
        }
        self.tell_owners(id, &[app]);
        Ok(Handled::DONE)
    }

    /// An application asks for the calls of a line that is open for it: it becomes a monitor of those that
    /// it has no handle on, never more (inventory rule 45, design 4).
    pub(crate) fn line_calls(&mut self, app: AppId, line: LineId) -> Result<Handled, Refusal> {
        let known = self.lines.get(line);
        let known = known.ok_or_else(|| Refusal::new(RefusalKind::Gone, format!("there is no {line}")))?;
        if !known.openers.contains_key(&app) {
            let detail = format!("{line} ({}) is not open for this application; open it first", known.name);
            return Err(Refusal::new(RefusalKind::InvalidState, detail));
        }
        let here = self.calls.iter().filter(|(_, call)| {
            call.line == line && !call.life.is_pending() && !call.life.is_over() && !call.is_doomed()
        });
        let ids: Vec<CallId> = here.map(|(id, _)| id).collect();
        for id in &ids {
            if self.calls.get(*id).is_some_and(|call| call.holders.privilege(app).is_none()) {
                self.give_handle(*id, app, Privilege::Monitor);
                self.tell_owners(*id, &[app]);
            }
        }
        let records = ids.iter().filter_map(|id| self.call_record(*id, self.privilege(app, *id).ok()?));
        Ok(Handled::Now(Answer::Calls { calls: records.collect() }))
    }

    /// Every application.
    pub(crate) fn app_records(&self) -> Vec<AppRecord> {
        let record = |(app, known): (&AppId, &App)| AppRecord {
            app: *app,
            name: known.profile.name.clone(),
            priority: known.profile.priority,
            present: known.absent.is_none(),
        };
        self.apps.iter().map(record).collect()
    }
}

/// Applications that lose their connection and may come back.
impl Switch {
    /// An application has lost its connection: all that it has is kept for a while. It is given no new
    /// calls, and its events are kept in the journal.
    pub(crate) fn app_lost(&mut self, app: AppId) {
        let at = self.now + self.config.grace;
        let Some(known) = self.apps.get_mut(&app).filter(|known| known.absent.is_none()) else { return };
        if self.config.grace.is_zero() {
            return self.app_down(app);
        }
        known.absent = Some(self.deadlines.arm(at, Reason::Absence { app }));
    }

    /// It has come back and goes on as if nothing had been.
    pub(crate) fn app_back(&mut self, app: AppId) {
        if let Some(timer) = self.apps.get_mut(&app).and_then(|known| known.absent.take()) {
            self.deadlines.disarm(timer);
        }
    }

    /// It has not come back in time: the policies of its lines decide.
    pub(crate) fn absence_over(&mut self, app: AppId) {
        self.app_down(app);
    }

    /// Whether an application is known, present or not: one that is may resume its session.
    #[must_use]
    pub fn knows_app(&self, app: AppId) -> bool {
        self.apps.contains_key(&app)
    }
}
