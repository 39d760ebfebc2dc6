// SPDX-License-Identifier: MIT OR Apache-2.0
//! Digits that come in: monitoring for applications, gathering by the core.

use offhook_spi::{
    CallOp, Digit, DigitMode, Gather, GatherEnd, MspCommand, Op, Outcome, Refusal, RefusalKind,
};

use crate::app::AppEvent;
use crate::asks::Handled;
use crate::deadline::Reason;
use crate::gather::{DigitWatch, Gathering, Modes};
use crate::id::{AppId, CallId, ProviderId};
use crate::media::Route;
use crate::request::{Asker, What};
use crate::switch::Switch;

/// Provider-run gatherings of one call that may be under way at once.
const MOST_ELSEWHERE: usize = 16;

/// Monitoring.
impl Switch {
    /// An application wants to hear digits; the provider is asked for the union of all wishes.
    pub(crate) fn monitor_digits(
        &mut self,
        asker: Asker,
        id: CallId,
        modes: &[DigitMode],
    ) -> Result<Handled, Refusal> {
        let route = self.route(id, Op::MonitorDigits)?;
        let Some(call) = self.calls.get_mut(id) else { return Ok(Handled::DONE) };
        let watch = call.digits.get_or_insert_default();
        let modes: Modes = modes.iter().copied().collect();
        let old = if modes == Modes::NONE {
            watch.monitors.remove(&asker.app)
        } else {
            watch.monitors.insert(asker.app, modes)
        };
        let undo = Some((asker.app, old.unwrap_or_default()));
        Ok(if self.update_watch(Some(asker), id, route, undo) { Handled::Later } else { Handled::DONE })
    }

    /// Asks the provider for what is wanted now; says whether that was a change.
    fn update_watch(
        &mut self,
        asker: Option<Asker>,
        id: CallId,
        route: Route,
        undo: Option<(AppId, Modes)>,
    ) -> bool {
        let gathered = self.gatherable(id, route);
        // Beside a session, digits in signalling are told unasked.
        let untold = match route {
            Route::Session { .. } if self.signals_digits(id) => Modes::of(DigitMode::Signalling),
            _ => Modes::NONE,
        };
        let Some(watch) = self.calls.get_mut(id).and_then(|call| call.digits.as_mut()) else { return false };
        let (before, wanted) = (watch.asked, watch.wanted(gathered).without(untold));
        if wanted == before {
            return false;
        }
        watch.asked = wanted;
        let what = What::Watch { call: id, before, undo };
        let modes = wanted.list();
        match route {
            Route::Tsp => self.call_op(asker, id, None, what, CallOp::MonitorDigits { modes }),
            Route::Session { msp, session } => {
                let request = self.next_request(msp);
                self.msp(msp, MspCommand::MonitorDigits { request, session, modes });
                self.expect_reply(msp, request, asker, what);
            }
        }
        true
    }

    /// The ways of travelling that a gathering can listen to.
    fn gatherable(&self, id: CallId, route: Route) -> Modes {
        match route {
            Route::Tsp => {
                let line = self.calls.get(id).and_then(|call| self.lines.get(call.line));
                let modes = line.map(|line| line.caps.digit_modes.iter().copied().collect::<Modes>());
                modes.filter(|modes| *modes != Modes::NONE).unwrap_or(Modes::EVERY)
            }
            // A session hears sound and packets; signalling belongs to the TSP.
            Route::Session { .. } => {
                Modes::EVERY.intersection([DigitMode::Event, DigitMode::Tone].into_iter().collect())
            }
        }
    }

    /// The provider has replied to a change of what it reports.
    pub(crate) fn watch_changed(
        &mut self,
        asker: Option<Asker>,
        id: CallId,
        before: Modes,
        undo: Option<(AppId, Modes)>,
        result: Result<Outcome, Refusal>,
    ) {
        let waiting = match self.calls.get_mut(id).and_then(|call| call.digits.as_mut()) {
            Some(watch) => {
                if result.is_err() {
                    watch.asked = before;
                    match undo {
                        Some((app, Modes::NONE)) => drop(watch.monitors.remove(&app)),
                        Some((app, modes)) => drop(watch.monitors.insert(app, modes)),
                        None => {}
                    }
                }
                watch.gathering.as_mut().and_then(|gathering| gathering.asker.take())
            }
            None => None,
        };
        self.pass_on(asker, result.clone());
        if let Some(waiting) = waiting {
            let failed = result.is_err();
            self.pass_on(Some(waiting), result);
            if failed {
                self.take_gathering(id);
            } else {
                self.wait_for_digit(id);
            }
        }
    }

    /// A digit was heard: who monitors digits is told, and the gathering takes it
    /// (inventory rules 58, 61).
    pub(crate) fn digit_heard(&mut self, id: CallId, digit: Digit, mode: DigitMode) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let to = call.hearers();
        let Some(watch) = call.digits.as_mut().filter(|_| call.life.kind().is_live()) else { return };
        let is_monitored = watch.monitored().contains(mode);
        let end = watch.gathering.as_mut().map(|gathering| gathering.take(digit));
        if is_monitored {
            self.tell(to, AppEvent::Digit { call: id, digit, mode });
        }
        match end {
            Some(Some(end)) => self.end_gathering(id, end),
            Some(None) => self.wait_for_digit(id),
            None => {}
        }
    }

    /// An application has left a call: what it wanted of digits ends.
    pub(crate) fn forget_digits(&mut self, id: CallId, app: AppId) {
        let Some(watch) = self.calls.get_mut(id).and_then(|call| call.digits.as_mut()) else { return };
        watch.monitors.remove(&app);
        if watch.gathering.as_ref().is_some_and(|gathering| gathering.app == app) {
            self.end_gathering(id, GatherEnd::Cancelled);
        } else {
            self.refresh_watch(id);
        }
    }

    /// Monitoring ends with the conversation; so does a gathering.
    pub(crate) fn stop_digits(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let Some(watch) = call.digits.as_mut() else { return };
        watch.monitors.clear();
        watch.asked = Modes::NONE;
        let elsewhere = std::mem::take(&mut watch.elsewhere);
        self.end_gathering(id, GatherEnd::CallEnded);
        for app in elsewhere {
            let event = AppEvent::Gathered { call: id, digits: Vec::new(), end: GatherEnd::CallEnded };
            self.tell_one(id, app, event);
        }
        if let Some(call) = self.calls.get_mut(id) {
            call.digits = None;
        }
    }

    /// Tells the provider when less is wanted than before.
    fn refresh_watch(&mut self, id: CallId) {
        if let Ok(route) = self.route(id, Op::MonitorDigits) {
            self.update_watch(None, id, route, None);
        }
    }
}

/// Gathering.
impl Switch {
    /// An application wants digits as one string, or no longer. The old gathering ends as cancelled.
    pub(crate) fn gather_digits(
        &mut self,
        asker: Asker,
        id: CallId,
        gather: Option<Gather>,
    ) -> Result<Handled, Refusal> {
        if gather.as_ref().is_some_and(|gather| gather.max == 0) {
            let detail = format!("a gathering in {id} needs at least one digit, 0 were asked for");
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        match self.route(id, Op::MonitorDigits) {
            Ok(route) => Ok(self.gather_here(asker, id, route, gather)),
            Err(refusal) => match self.route(id, Op::GatherDigits) {
                Ok(Route::Tsp) => self.gather_elsewhere(asker, id, gather),
                Ok(Route::Session { .. }) | Err(_) => Err(refusal),
            },
        }
    }

    fn gather_here(&mut self, asker: Asker, id: CallId, route: Route, wish: Option<Gather>) -> Handled {
        if let Some(old) = self.take_gathering(id) {
            self.tell_gathered(id, old, GatherEnd::Cancelled);
        }
        let Some(call) = self.calls.get_mut(id) else { return Handled::DONE };
        let watch = call.digits.get_or_insert_default();
        let Some(wish) = wish else {
            let is_change = self.update_watch(Some(asker), id, route, None);
            return if is_change { Handled::Later } else { Handled::DONE };
        };
        watch.gathering = Some(Gathering::new(asker, wish));
        if self.update_watch(None, id, route, None) {
            return Handled::Later;
        }
        // Digits are reported already.
        if let Some(watch) = self.watch(id)
            && let Some(gathering) = &mut watch.gathering
        {
            gathering.asker = None;
        }
        self.wait_for_digit(id);
        Handled::DONE
    }

    /// Arms the time for the next digit, once digits are reported at all.
    fn wait_for_digit(&mut self, id: CallId) {
        let now = self.now;
        let Some(gathering) = self.watch(id).and_then(|watch| watch.gathering.as_mut()) else { return };
        let (old, patience) = (gathering.timer.take(), gathering.patience());
        let waits = gathering.asker.is_none();
        if let Some(old) = old {
            self.deadlines.disarm(old);
        }
        if let Some(patience) = patience.filter(|_| waits) {
            let timer = self.deadlines.arm(now + patience, Reason::Gathering { call: id });
            if let Some(gathering) = self.watch(id).and_then(|watch| watch.gathering.as_mut()) {
                gathering.timer = Some(timer);
            }
        }
    }

    /// The next digit did not come in time.
    pub(crate) fn gather_timed_out(&mut self, id: CallId) {
        let gathering = self.watch(id).and_then(|watch| watch.gathering.as_ref());
        if let Some(end) = gathering.map(Gathering::timeout) {
            self.end_gathering(id, end);
        }
    }

    /// Ends the gathering, if there is one: who asked gets the digits so far.
    fn end_gathering(&mut self, id: CallId, end: GatherEnd) {
        if let Some(gathering) = self.take_gathering(id) {
            self.tell_gathered(id, gathering, end);
            self.refresh_watch(id);
        }
    }

    fn take_gathering(&mut self, id: CallId) -> Option<Gathering> {
        let gathering = self.watch(id)?.gathering.take()?;
        if let Some(timer) = gathering.timer {
            self.deadlines.disarm(timer);
        }
        Some(gathering)
    }

    fn tell_gathered(&mut self, id: CallId, mut gathering: Gathering, end: GatherEnd) {
        let app = gathering.app;
        // It never ran; it is answered before its end is told.
        self.pass_on(gathering.asker.take(), Ok(Outcome::Done));
        let event = AppEvent::Gathered { call: id, digits: gathering.into_digits(), end };
        self.tell_one(id, app, event);
    }

    fn watch(&mut self, id: CallId) -> Option<&mut DigitWatch> {
        self.calls.get_mut(id)?.digits.as_deref_mut()
    }

    /// The provider gathers itself, on a line that does not report single digits.
    fn gather_elsewhere(
        &mut self,
        asker: Asker,
        id: CallId,
        gather: Option<Gather>,
    ) -> Result<Handled, Refusal> {
        let what = match self.calls.get_mut(id).filter(|_| gather.is_some()) {
            Some(call) => {
                let waiting = &mut call.digits.get_or_insert_default().elsewhere;
                if waiting.len() >= MOST_ELSEWHERE {
                    let detail = format!("{id} has {MOST_ELSEWHERE} gatherings that have not ended");
                    return Err(Refusal::new(RefusalKind::Busy, detail));
                }
                waiting.push(asker.app);
                What::Gather { call: id, app: asker.app }
            }
            None => What::Ignore,
        };
        self.call_op(Some(asker), id, None, what, CallOp::GatherDigits { gather });
        Ok(Handled::Later)
    }

    pub(crate) fn gather_started(
        &mut self,
        asker: Option<Asker>,
        id: CallId,
        app: AppId,
        result: Result<Outcome, Refusal>,
    ) {
        if result.is_err()
            && let Some(watch) = self.watch(id)
            && let Some(n) = watch.elsewhere.iter().rposition(|waiting| *waiting == app)
        {
            watch.elsewhere.remove(n);
        }
        self.pass_on(asker, result);
    }

    /// A gathering that the provider runs has ended.
    pub(crate) fn gathered_elsewhere(
        &mut self,
        provider: ProviderId,
        id: CallId,
        mut digits: Vec<Digit>,
        end: GatherEnd,
    ) {
        let is_live = self.calls.get(id).is_some_and(|call| call.kind().is_live());
        let waiting = self.watch(id).map(|watch| &mut watch.elsewhere).filter(|apps| !apps.is_empty());
        if let Some(waiting) = waiting {
            let app = waiting.remove(0);
            digits.truncate(usize::from(u16::MAX));
            self.tell_one(id, app, AppEvent::Gathered { call: id, digits, end });
        } else if is_live {
            let key = self.calls.get(id).map(|call| call.key);
            let detail = "expected the end of a gathering under way, received another".to_owned();
            self.violation(provider, key, detail);
        }
    }
}
