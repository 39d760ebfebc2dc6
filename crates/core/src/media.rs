// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operations on the session of a call: terminals, streams, figures, and digits and tones that go out.

use std::time::Duration;

use offhook_spi::{
    CallOp, Digit, DigitMode, GenerationEnd, MspCommand, Op, Outcome, Refusal, RefusalKind, RequestId,
    SessionKey, StateKind, StreamChange, StreamKey, Terminal, TerminalControl, TerminalKey, Tone,
};

use crate::app::{Answer, AppEvent};
use crate::asks::Handled;
use crate::id::{AppId, CallId, ProviderId};
use crate::request::{Asker, What};
use crate::session::Stage;
use crate::switch::Switch;

/// Terminals that one session may have at once.
const MOST_TERMINALS: usize = 64;
/// Generations of one call that may be under way at once.
const MOST_GENERATIONS: usize = 16;

/// Who carries out an operation on digits or tones.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    /// The call's session.
    Session { msp: ProviderId, session: SessionKey },
    /// The call's TSP itself.
    Tsp,
}

/// Terminals, streams and figures.
impl Switch {
    /// Puts a terminal on a stream; the core names it.
    pub(crate) fn select_terminal(
        &mut self,
        asker: Asker,
        id: CallId,
        stream: StreamKey,
        what: Terminal,
    ) -> Result<Handled, Refusal> {
        let (msp, session) = self.media_of(id)?;
        let class = what.class();
        if let Some(known) = self.msps.get(&msp)
            && !known.caps.terminals.contains(&class)
        {
            let detail = format!("'{}' does not offer terminals of class {class:?}", known.name);
            return Err(Refusal::new(RefusalKind::Unsupported, detail));
        }
        if self.sessions.get(&session).is_some_and(|known| known.terminals.len() >= MOST_TERMINALS) {
            let detail = format!("{id} has {MOST_TERMINALS} terminals, the limit");
            return Err(Refusal::new(RefusalKind::Busy, detail));
        }
        self.last_terminal += 1;
        let terminal = TerminalKey(self.last_terminal);
        if let Some(known) = self.sessions.get_mut(&session) {
            known.terminals.push(terminal);
        }
        self.ask_msp(asker, msp, What::Select { session, terminal }, |request| MspCommand::SelectTerminal {
            request,
            session,
            stream,
            terminal,
            what,
        });
        Ok(Handled::Later)
    }

    /// The MSP has replied to the selection of a terminal.
    pub(crate) fn terminal_selected(
        &mut self,
        asker: Option<Asker>,
        session: SessionKey,
        terminal: TerminalKey,
        result: Result<Outcome, Refusal>,
    ) {
        if result.is_err() {
            self.terminal_gone(session, terminal);
        }
        if let Some(asker) = asker {
            self.answer(asker, result.map(|_| Answer::Terminal { terminal }));
        }
    }

    /// A terminal that was given up was made after all: it is taken off again.
    pub(crate) fn terminal_selected_late(
        &mut self,
        session: SessionKey,
        terminal: TerminalKey,
        is_done: bool,
    ) {
        let Some(msp) = self.sessions.get(&session).map(|known| known.msp) else { return };
        if is_done {
            let request = self.next_request(msp);
            self.msp(msp, MspCommand::UnselectTerminal { request, session, terminal });
            self.expect_reply(msp, request, None, What::Ignore);
        }
    }

    pub(crate) fn terminal_gone(&mut self, session: SessionKey, terminal: TerminalKey) {
        if let Some(known) = self.sessions.get_mut(&session) {
            known.terminals.retain(|key| *key != terminal);
        }
    }

    /// Takes a terminal off its stream.
    pub(crate) fn unselect_terminal(
        &mut self,
        asker: Asker,
        id: CallId,
        terminal: TerminalKey,
    ) -> Result<Handled, Refusal> {
        let (msp, session) = self.terminal_of(id, terminal)?;
        let what = What::Unselect { session, terminal };
        self.ask_msp(asker, msp, what, |request| MspCommand::UnselectTerminal { request, session, terminal });
        Ok(Handled::Later)
    }

    /// Pauses, resumes, moves or stops a file terminal.
    pub(crate) fn control_terminal(
        &mut self,
        asker: Asker,
        id: CallId,
        terminal: TerminalKey,
        control: TerminalControl,
    ) -> Result<Handled, Refusal> {
        let (msp, session) = self.terminal_of(id, terminal)?;
        self.ask_msp(asker, msp, What::Stream, |request| MspCommand::TerminalControl {
            request,
            session,
            terminal,
            control,
        });
        Ok(Handled::Later)
    }

    /// Changes a stream.
    pub(crate) fn set_stream(
        &mut self,
        asker: Asker,
        id: CallId,
        stream: StreamKey,
        change: StreamChange,
    ) -> Result<Handled, Refusal> {
        let (msp, session) = self.media_of(id)?;
        self.ask_msp(asker, msp, What::Stream, |request| MspCommand::SetStream {
            request,
            session,
            stream,
            change,
        });
        Ok(Handled::Later)
    }

    /// Asks for the figures of a call's session; monitors may.
    pub(crate) fn ask_statistics(&mut self, asker: Asker, id: CallId) -> Result<Handled, Refusal> {
        self.privilege(asker.app, id)?;
        let (msp, session) = self.media_of(id)?;
        let what = What::Statistics(session);
        self.ask_msp(asker, msp, what, |request| MspCommand::Statistics { request, session });
        Ok(Handled::Later)
    }

    /// The MSP has replied that the figures were given: they came as an event before.
    pub(crate) fn statistics_given(
        &mut self,
        asker: Option<Asker>,
        key: SessionKey,
        result: Result<Outcome, Refusal>,
    ) {
        let figures = self.sessions.get_mut(&key).and_then(|session| session.statistics.take());
        let none = || Refusal::new(RefusalKind::OperationFailed, format!("{key} gave no figures"));
        let result = result.and_then(|_| figures.ok_or_else(none));
        if let Some(asker) = asker {
            self.answer(asker, result.map(|statistics| Answer::Statistics { statistics }));
        }
    }

    /// The session of a call, if it has one that works.
    fn media_of(&self, id: CallId) -> Result<(ProviderId, SessionKey), Refusal> {
        let key = self.session_of(id).ok_or_else(|| self.no_media(id))?;
        match self.sessions.get(&key) {
            Some(session) if !matches!(session.stage, Stage::Ending(_)) => Ok((session.msp, key)),
            _ => Err(self.no_media(id)),
        }
    }

    fn terminal_of(&self, id: CallId, terminal: TerminalKey) -> Result<(ProviderId, SessionKey), Refusal> {
        let (msp, session) = self.media_of(id)?;
        let is_there = self.sessions.get(&session).is_some_and(|known| known.terminals.contains(&terminal));
        let gone = || Refusal::new(RefusalKind::StaleHandle, format!("{id} has no {terminal}"));
        is_there.then_some((msp, session)).ok_or_else(gone)
    }

    fn ask_msp(
        &mut self,
        asker: Asker,
        msp: ProviderId,
        what: What,
        command: impl FnOnce(RequestId) -> MspCommand,
    ) {
        let request = self.next_request(msp);
        self.msp(msp, command(request));
        self.expect_reply(msp, request, Some(asker), what);
    }
}

/// Digits and tones that go out.
impl Switch {
    /// Who carries out an operation on digits or tones: the TSP if its line declares it, else the session.
    pub(crate) fn route(&self, id: CallId, op: Op) -> Result<Route, Refusal> {
        let known = self.calls.get(id).and_then(|call| Some((call, self.lines.get(call.line)?)));
        let Some((call, line)) = known else { return Err(self.no_media(id)) };
        if line.caps.ops.contains(op) {
            self.must_be_legal(id, op)?;
            self.must_not_be_narrowed(id, op)?;
            return Ok(Route::Tsp);
        }
        let unsupported = || Refusal::unsupported(format_args!("{} ({})", call.line, line.name), op);
        if line.caps.session.is_none() {
            return Err(unsupported());
        }
        if call.kind() == StateKind::Idle {
            self.must_be_legal(id, op)?;
        }
        let (msp, session) = self.media_of(id)?;
        if !self.offered_by_session(call).contains(op) {
            return Err(unsupported());
        }
        self.must_be_legal(id, op)?;
        Ok(Route::Session { msp, session })
    }

    /// Sends digits; a new generation ends the old as cancelled (inventory rule 62).
    pub(crate) fn generate_digits(
        &mut self,
        asker: Asker,
        id: CallId,
        digits: Vec<Digit>,
        mode: Option<DigitMode>,
        duration: Option<Duration>,
    ) -> Result<Handled, Refusal> {
        let route = match mode {
            Some(DigitMode::Signalling) if self.signals_digits(id) => {
                self.must_be_legal(id, Op::GenerateDigits)?;
                Route::Tsp
            }
            _ => self.route(id, Op::GenerateDigits)?,
        };
        let what = self.begin_generation(asker.app, id, !digits.is_empty())?;
        match route {
            Route::Tsp => {
                self.call_op(Some(asker), id, None, what, CallOp::GenerateDigits { digits, mode, duration });
            }
            Route::Session { msp, session } => {
                self.ask_msp(asker, msp, what, |request| MspCommand::GenerateDigits {
                    request,
                    session,
                    digits,
                    mode,
                    duration,
                });
            }
        }
        Ok(Handled::Later)
    }

    /// Whether digits can travel in signalling, whatever a session does.
    pub(crate) fn signals_digits(&self, id: CallId) -> bool {
        let line = self.calls.get(id).and_then(|call| self.lines.get(call.line));
        line.is_some_and(|line| line.caps.digit_modes.contains(&DigitMode::Signalling))
    }

    /// Sends a tone; it shares the one generation with digits.
    pub(crate) fn generate_tone(
        &mut self,
        asker: Asker,
        id: CallId,
        tone: Option<Tone>,
    ) -> Result<Handled, Refusal> {
        let route = self.route(id, Op::GenerateTone)?;
        let what = self.begin_generation(asker.app, id, tone.is_some())?;
        match route {
            Route::Tsp => self.call_op(Some(asker), id, None, what, CallOp::GenerateTone { tone }),
            Route::Session { msp, session } => {
                self.ask_msp(asker, msp, what, |request| MspCommand::GenerateTone { request, session, tone });
            }
        }
        Ok(Handled::Later)
    }

    /// Notes who will be told of the end of a generation; an empty one only cancels.
    fn begin_generation(&mut self, app: AppId, id: CallId, is_sound: bool) -> Result<What, Refusal> {
        let Some(call) = self.calls.get_mut(id).filter(|_| is_sound) else { return Ok(What::Ignore) };
        if call.generations.len() >= MOST_GENERATIONS {
            let detail = format!("{id} has {MOST_GENERATIONS} generations that have not ended");
            return Err(Refusal::new(RefusalKind::Busy, detail));
        }
        call.generations.push_back(app);
        Ok(What::Generate { call: id, app })
    }

    pub(crate) fn generation_started(
        &mut self,
        asker: Option<Asker>,
        id: CallId,
        app: AppId,
        result: Result<Outcome, Refusal>,
    ) {
        if result.is_err()
            && let Some(call) = self.calls.get_mut(id)
            && let Some(n) = call.generations.iter().rposition(|waiting| *waiting == app)
        {
            call.generations.remove(n);
        }
        self.pass_on(asker, result);
    }

    /// A generation ended: the application that asked for it is told, nobody else.
    pub(crate) fn generated(&mut self, provider: ProviderId, id: CallId, end: GenerationEnd) {
        let Some(call) = self.calls.get_mut(id) else { return };
        match call.generations.pop_front() {
            Some(app) => self.tell_one(id, app, AppEvent::Generated { call: id, end }),
            // A generation may be cancelled by the end of the call, which the core has told already.
            None if !call.kind().is_live() => {}
            None => {
                let key = call.key;
                let detail = "expected the end of a generation under way, received another".to_owned();
                self.violation(provider, Some(key), detail);
            }
        }
    }

    /// Ends all generations of a call that is over.
    pub(crate) fn stop_generations(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        for app in std::mem::take(&mut call.generations) {
            self.tell_one(id, app, AppEvent::Generated { call: id, end: GenerationEnd::Cancelled });
        }
    }

    /// Tells one application, if it still has a handle.
    pub(crate) fn tell_one(&mut self, id: CallId, app: AppId, event: AppEvent) {
        if self.calls.get(id).is_some_and(|call| call.holders.privilege(app).is_some()) {
            self.tell(vec![app], event);
        }
    }
}
