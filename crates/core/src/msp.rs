// SPDX-License-Identifier: MIT OR Apache-2.0
//! What MSPs say: each event is checked (known session and terminal, bounded size), none is trusted.

use offhook_spi::{MspCaps, MspEvent, RecordingEnd, SessionKey, StreamState, TerminalKey};

use crate::app::AppEvent;
use crate::bounds;
use crate::id::{CallId, ProviderId};
use crate::switch::Switch;

impl Switch {
    /// An MSP says something.
    pub(crate) fn msp_event(&mut self, provider: ProviderId, event: MspEvent) {
        if !self.msps.contains_key(&provider) {
            return self.stray();
        }
        use MspEvent as E;
        match event {
            E::Reply { request, result } => self.reply(provider, request, result.into_result()),
            E::Relay { session, data } => self.relay_to_tsp(provider, session, data),
            E::Ready { caps } => self.msp_ready(provider, caps),
            E::SessionEnded { session, statistics } => {
                if let Some(id) = self.served(provider, session) {
                    self.stop_generations(id);
                    self.session_ended(session, statistics);
                }
            }
            E::Statistics { session, statistics } => {
                self.served(provider, session);
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.statistics = Some(statistics);
                }
            }
            E::Digit { session, digit, mode } => {
                if let Some(id) = self.served(provider, session) {
                    self.digit_heard(id, digit, mode);
                }
            }
            E::Generated { session, end } => {
                if let Some(id) = self.served(provider, session) {
                    self.generated(provider, id, end);
                }
            }
            E::Stream { session, stream, mut state } => {
                if let StreamState::Failed { detail } | StreamState::Active { codec: detail } = &mut state {
                    bounds::clip(detail);
                }
                if let Some(call) = self.served(provider, session) {
                    self.tell_holders(call, AppEvent::Stream { call, stream, state });
                }
            }
            event => self.terminal_event(provider, event),
        }
    }

    fn terminal_event(&mut self, provider: ProviderId, event: MspEvent) {
        use MspEvent as E;
        match event {
            E::EndOfFile { session, terminal } => {
                if let Some(call) = self.mounted(provider, session, terminal) {
                    self.tell_holders(call, AppEvent::EndOfFile { call, terminal });
                }
            }
            E::Recorded { session, terminal, mut path, mut end } => {
                bounds::clip(&mut path);
                if let RecordingEnd::Failed { detail } = &mut end {
                    bounds::clip(detail);
                }
                if let Some(call) = self.mounted(provider, session, terminal) {
                    self.tell_holders(call, AppEvent::Recorded { call, terminal, path, end });
                }
            }
            E::ToneHeard { session, terminal, tone, on } => {
                if let Some(call) = self.mounted(provider, session, terminal) {
                    let terminal = Some(terminal);
                    self.tell_holders(call, AppEvent::ToneHeard { call, terminal, tone, on });
                }
            }
            // A newer vocabulary: unknown events are ignored.
            _ => {}
        }
    }

    /// An MSP says what it can do; lines that it serves may offer more now.
    fn msp_ready(&mut self, provider: ProviderId, caps: MspCaps) {
        let Some(msp) = self.msps.get_mut(&provider) else { return };
        if msp.caps == caps {
            return;
        }
        msp.caps = caps;
        let lines: Vec<_> = self
            .lines
            .iter()
            .filter(|(_, line)| line.link.is_some() && self.msp_for(line) == Some(provider))
            .map(|(id, _)| id)
            .collect();
        lines.into_iter().for_each(|line| self.tell_line(line));
    }

    /// The call that a session serves; an unknown session or another MSP's is a violation.
    fn served(&mut self, provider: ProviderId, key: SessionKey) -> Option<CallId> {
        let session = self.sessions.get(&key).filter(|session| session.msp == provider);
        if session.is_none() {
            let detail = format!("expected the key of a session that lives, received {key}");
            self.violation(provider, None, detail);
            return None;
        }
        session.map(|session| session.call)
    }

    /// As [`Switch::served`], and the terminal is one of the session's.
    fn mounted(&mut self, provider: ProviderId, key: SessionKey, terminal: TerminalKey) -> Option<CallId> {
        let call = self.served(provider, key)?;
        let session = self.sessions.get(&key)?;
        if session.terminals.contains(&terminal) {
            return Some(call);
        }
        let call_key = session.call_key;
        let detail = format!("expected the key of a terminal of {key}, received {terminal}");
        self.violation(provider, Some(call_key), detail);
        None
    }
}
