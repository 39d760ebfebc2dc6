// SPDX-License-Identifier: MIT OR Apache-2.0
//! Watchers: the rules of a link, checked on every message. Always on in tests.

use std::collections::{BTreeMap, BTreeSet};

use offhook_spi::{
    CallKey, CallOp, CallState, LineKey, LineOp, MspCommand, MspEvent, NamedBy, RequestId, SessionKey,
    StateKind, TspCommand, TspEvent,
};

/// Watches one TSP link.
#[derive(Debug, Default)]
pub struct TspWatch {
    outstanding: BTreeSet<RequestId>,
    answered: BTreeSet<RequestId>,
    calls: BTreeMap<CallKey, Watched>,
    /// Serial numbers of dead calls of the provider: none may come back.
    newest_of_provider: u64,
    lines: BTreeSet<LineKey>,
    breaches: Vec<String>,
    ended: u64,
}

#[derive(Debug)]
struct Watched {
    line: LineKey,
    state: StateKind,
    /// The request that made it, until its reply.
    pending: Option<RequestId>,
}

impl TspWatch {
    /// Sees a command on its way to the provider.
    pub fn command(&mut self, command: &TspCommand) {
        match command {
            TspCommand::Call { request, line, call, op, .. } => {
                self.asked(*request);
                for key in new_calls(*call, op) {
                    self.calls.insert(
                        key,
                        Watched { line: *line, state: StateKind::Unknown, pending: Some(*request) },
                    );
                }
            }
            TspCommand::Line { request, line, op } => {
                self.asked(*request);
                if let LineOp::Pickup { call, .. } | LineOp::Unpark { call, .. } = op {
                    let watched = Watched { line: *line, state: StateKind::Unknown, pending: Some(*request) };
                    self.calls.insert(*call, watched);
                }
            }
            TspCommand::Open { request, .. } | TspCommand::Phone { request, .. } => self.asked(*request),
            _ => {}
        }
    }

    /// Sees an event of the provider.
    pub fn event(&mut self, event: &TspEvent) {
        match event {
            TspEvent::Reply { request, result } => {
                let refused = matches!(result, offhook_spi::Reply::Refused(_));
                self.replied(*request, refused);
            }
            TspEvent::NewCall { line, call, state, .. } => self.born(*line, *call, state),
            TspEvent::CallState { call, state, .. } => self.stepped(*call, state),
            TspEvent::LineUp { line, .. } => self.line_up(*line),
            TspEvent::LineDown { line } => {
                if !self.lines.remove(line) {
                    self.breach(format!("{line} went down without having come up"));
                }
                self.calls.retain(|_, call| call.line != *line);
            }
            TspEvent::CallInfo { call, .. }
            | TspEvent::Digit { call, .. }
            | TspEvent::Gathered { call, .. }
            | TspEvent::Generated { call, .. }
            | TspEvent::MediaHeard { call, .. }
            | TspEvent::Redirected { call, .. }
            | TspEvent::ToneHeard { call, .. } => self.about(*call, event_name(event)),
            TspEvent::Relay { call, .. } => self.relayed(*call),
            _ => {}
        }
    }

    /// The provider died: the core answers what is outstanding and ends the calls.
    pub fn died(&mut self) {
        let breaches = std::mem::take(&mut self.breaches);
        *self = Self { breaches, ended: self.ended, ..Self::default() };
    }

    /// All breaches so far.
    #[must_use]
    pub fn breaches(&self) -> &[String] {
        &self.breaches
    }

    /// Calls that ended idle.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.ended
    }

    /// What must not be left when everything is over: requests without reply, calls that never ended.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let requests = self.outstanding.iter().map(|request| format!("{request} was never answered"));
        let calls = self.calls.iter().map(|(key, call)| format!("{key} never ended, it is {}", call.state));
        requests.chain(calls).collect()
    }

    fn line_up(&mut self, line: LineKey) {
        if !self.lines.insert(line) {
            self.breach(format!("{line} came up twice"));
        }
    }

    fn breach(&mut self, what: String) {
        self.breaches.push(what);
    }

    fn asked(&mut self, request: RequestId) {
        if !self.outstanding.insert(request) || self.answered.contains(&request) {
            self.breach(format!("{request} was used twice by the core"));
        }
    }

    fn replied(&mut self, request: RequestId, refused: bool) {
        if !self.outstanding.remove(&request) {
            let what =
                if self.answered.contains(&request) { "was answered twice" } else { "was never asked" };
            return self.breach(format!("{request} {what}"));
        }
        self.answered.insert(request);
        // Old ones are forgotten so that a long run stays small; a late double answer is then "never asked".
        if self.answered.len() > 1024 {
            self.answered.pop_first();
        }
        let made = |call: &Watched| call.pending == Some(request);
        if refused {
            self.calls.retain(|_, call| !made(call));
        } else {
            self.calls.values_mut().filter(|call| made(call)).for_each(|call| call.pending = None);
        }
    }

    fn born(&mut self, line: LineKey, call: CallKey, state: &CallState) {
        if !self.lines.contains(&line) {
            self.breach(format!("{call} is on {line}, which is not up"));
        }
        if call.named_by != NamedBy::Provider {
            self.breach(format!("{call} is named as if by the core"));
        }
        if call.serial <= self.newest_of_provider {
            self.breach(format!("{call} was used before"));
        }
        self.newest_of_provider = self.newest_of_provider.max(call.serial);
        self.calls.insert(call, Watched { line, state: state.kind(), pending: None });
    }

    fn stepped(&mut self, key: CallKey, state: &CallState) {
        self.about(key, "a state");
        let Some(call) = self.calls.get_mut(&key) else { return };
        let (from, to) = (call.state, state.kind());
        call.state = to;
        if !offhook_core::table::may_follow(from, to) {
            self.breach(format!("{key} went from {from} to {to}"));
        }
        if to == StateKind::Idle {
            self.calls.remove(&key);
            self.ended += 1;
        }
    }

    fn about(&mut self, call: CallKey, what: &str) {
        match self.calls.get(&call).map(|call| call.pending) {
            None => self.breach(format!("{what} for {call}, which does not live")),
            Some(Some(request)) => self.breach(format!("{what} for {call} before the reply to {request}")),
            Some(None) => {}
        }
    }

    /// A relay may precede the reply: the session is often asked for a description first.
    fn relayed(&mut self, call: CallKey) {
        if !self.calls.contains_key(&call) {
            self.breach(format!("a relay for {call}, which does not live"));
        }
    }
}

/// The calls that an operation starts.
fn new_calls(call: CallKey, op: &CallOp) -> Vec<CallKey> {
    match op {
        CallOp::MakeCall { .. } => vec![call],
        CallOp::SetupTransfer { consultation, .. } | CallOp::PrepareAddToConference { consultation, .. } => {
            vec![*consultation]
        }
        CallOp::SetupConference { conference, consultation } => vec![*conference, *consultation],
        CallOp::CompleteTransfer {
            completion: offhook_spi::Completion::Conference { conference }, ..
        } => vec![*conference],
        _ => Vec::new(),
    }
}

const fn event_name(event: &TspEvent) -> &'static str {
    match event {
        TspEvent::CallInfo { .. } => "information",
        TspEvent::Digit { .. } => "a digit",
        TspEvent::Gathered { .. } => "gathered digits",
        TspEvent::Generated { .. } => "the end of a generation",
        TspEvent::Redirected { .. } => "a redirection",
        _ => "an event",
    }
}

/// Watches one MSP link.
#[derive(Debug, Default)]
pub struct MspWatch {
    outstanding: BTreeSet<RequestId>,
    sessions: BTreeSet<SessionKey>,
    creating: BTreeMap<RequestId, SessionKey>,
    breaches: Vec<String>,
    ended: u64,
}

impl MspWatch {
    /// Sees a command on its way to the provider.
    pub fn command(&mut self, command: &MspCommand) {
        if let MspCommand::CreateSession { request, session, .. } = command {
            self.sessions.insert(*session);
            self.creating.insert(*request, *session);
        }
        if let Some(request) = request_of(command)
            && !self.outstanding.insert(request)
        {
            self.breaches.push(format!("{request} was used twice by the core"));
        }
    }

    /// Sees an event of the provider.
    pub fn event(&mut self, event: &MspEvent) {
        match event {
            MspEvent::Reply { request, result } => {
                if !self.outstanding.remove(request) {
                    self.breaches.push(format!("{request} was answered twice or never asked"));
                }
                let created = self.creating.remove(request);
                if let (Some(session), offhook_spi::Reply::Refused(_)) = (created, result) {
                    self.sessions.remove(&session);
                }
            }
            MspEvent::SessionEnded { session, .. } => {
                self.ended += 1;
                if !self.sessions.remove(session) {
                    self.breaches.push(format!("{session} ended twice or never lived"));
                }
            }
            MspEvent::Digit { session, .. }
            | MspEvent::EndOfFile { session, .. }
            | MspEvent::Generated { session, .. }
            | MspEvent::Recorded { session, .. }
            | MspEvent::Relay { session, .. }
            | MspEvent::Statistics { session, .. }
            | MspEvent::Stream { session, .. }
            | MspEvent::ToneHeard { session, .. } => self.about(*session),
            _ => {}
        }
    }

    fn about(&mut self, session: SessionKey) {
        if !self.sessions.contains(&session) {
            self.breaches.push(format!("an event for {session}, which does not live"));
        }
    }

    /// The provider died, and its sessions with it.
    pub fn died(&mut self) {
        let breaches = std::mem::take(&mut self.breaches);
        *self = Self { breaches, ended: self.ended, ..Self::default() };
    }

    /// All breaches so far.
    #[must_use]
    pub fn breaches(&self) -> &[String] {
        &self.breaches
    }

    /// Sessions that ended.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.ended
    }

    /// What must not be left when everything is over.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let requests = self.outstanding.iter().map(|request| format!("{request} was never answered"));
        let sessions = self.sessions.iter().map(|session| format!("{session} never ended"));
        requests.chain(sessions).collect()
    }
}

const fn request_of(command: &MspCommand) -> Option<RequestId> {
    match command {
        MspCommand::CreateSession { request, .. }
        | MspCommand::GenerateDigits { request, .. }
        | MspCommand::GenerateTone { request, .. }
        | MspCommand::MonitorDigits { request, .. }
        | MspCommand::SelectTerminal { request, .. }
        | MspCommand::SetStream { request, .. }
        | MspCommand::Statistics { request, .. }
        | MspCommand::TerminalControl { request, .. }
        | MspCommand::UnselectTerminal { request, .. } => Some(*request),
        _ => None,
    }
}
