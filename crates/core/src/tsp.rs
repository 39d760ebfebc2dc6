// SPDX-License-Identifier: MIT OR Apache-2.0
//! What TSPs say: each event is checked (known key, legal step, bounded size), none is trusted.

use offhook_spi::{CallKey, CallState, OpSet, Opaque, TspEvent};

use crate::app::AppEvent;
use crate::bounds;
use crate::call::{Fate, Life, Report};
use crate::id::{CallId, ProviderId};
use crate::switch::Switch;

impl Switch {
    /// A TSP says something.
    pub(crate) fn tsp_event(&mut self, provider: ProviderId, event: TspEvent) {
        if !self.tsps.contains_key(&provider) {
            return self.stray();
        }
        use TspEvent as E;
        match event {
            E::CallState { call, state, allowed } => self.call_state(provider, call, state, allowed),
            E::Reply { request, result } => self.reply(provider, request, result.into_result()),
            E::NewCall { line, call, info, state } => self.new_call(provider, line, call, info, state),
            E::Relay { call, to, data } => self.relay_to_msp(provider, call, to, data),
            E::LineUp { line, stable_id, caps, status } => {
                self.line_up(provider, line, stable_id, caps, status);
            }
            E::LineDown { line } => self.line_down(provider, line),
            E::LineCaps { line, caps } => self.line_caps(provider, line, caps),
            E::Line { line, status } => self.line_status(provider, line, status),
            E::Extension { call, line, data } => match call {
                Some(key) => {
                    if let Some(id) = self.born(provider, key) {
                        self.extension(provider, id, data);
                    }
                }
                None => self.line_extension(provider, line, data),
            },
            E::CompletionGone { line, id } => self.completion_gone(provider, line, id),
            E::Phone { phone, change } => self.phone_event(provider, phone, change),
            E::PhoneDown { phone } => self.phone_down(provider, phone),
            E::PhoneUp { phone, stable_id, caps } => self.phone_up(provider, phone, stable_id, caps),
            E::Ready => {}
            event => self.call_event(provider, event),
        }
    }

    /// Events about a call that is born, beside its state.
    fn call_event(&mut self, provider: ProviderId, event: TspEvent) {
        use TspEvent as E;
        let key = match &event {
            E::CallInfo { call, .. }
            | E::Digit { call, .. }
            | E::Gathered { call, .. }
            | E::Generated { call, .. }
            | E::MediaHeard { call, .. }
            | E::Redirected { call, .. }
            | E::ToneHeard { call, .. } => *call,
            // A newer vocabulary: unknown events are ignored.
            _ => return,
        };
        let Some(id) = self.born(provider, key) else { return };
        match event {
            E::CallInfo { mut info, .. } => {
                bounds::clip_info(&mut info);
                if let Some(call) = self.calls.get_mut(id) {
                    bounds::keep_numbers(&call.info, &mut info);
                    call.info.clone_from(&info);
                }
                self.place_in_hub(id, &info);
                self.tell_holders(id, AppEvent::CallInfo { call: id, info });
            }
            E::Digit { digit, mode, .. } => self.digit_heard(id, digit, mode),
            E::Gathered { digits, end, .. } => self.gathered_elsewhere(provider, id, digits, end),
            E::Generated { end, .. } => self.generated(provider, id, end),
            E::Redirected { mut targets, .. } => {
                bounds::clip_addresses(&mut targets);
                self.tell_holders(id, AppEvent::Redirected { call: id, targets });
            }
            E::MediaHeard { media, .. } => self.media_heard(id, media),
            E::ToneHeard { tone, .. } => self.tone_heard(id, tone),
            _ => {}
        }
    }

    /// A call is in a state. Before the reply that is a breach of the contract; what is said is held back
    /// until the application has its answer.
    fn call_state(&mut self, provider: ProviderId, key: CallKey, state: CallState, narrowed: Option<OpSet>) {
        let Some(id) = self.known(provider, key) else { return };
        let Some(call) = self.calls.get_mut(id) else { return };
        let report = Report { state, narrowed };
        if let Life::Pending { held, .. } = &mut call.life {
            let kind = report.state.kind();
            // Idle is final, also here.
            if held.as_ref().is_none_or(|held| held.state != CallState::Idle) {
                *held = Some(Box::new(report));
            }
            let detail = format!("expected the reply before any event, received {kind}");
            return self.violation(provider, Some(key), detail);
        }
        // The core has said that the call is disconnected; only its end is news.
        if call.fate == Fate::Overruled && report.state != CallState::Idle {
            return;
        }
        self.apply(id, report);
    }

    /// The call under a key that is in use; an unknown or dead key is a violation.
    pub(crate) fn known(&mut self, provider: ProviderId, key: CallKey) -> Option<CallId> {
        let id = self.tsps.get(&provider)?.keys.get(&key).copied();
        if id.is_none() {
            let detail = format!("expected the key of a call that lives, received {key}");
            self.violation(provider, Some(key), detail);
        }
        id
    }

    /// As [`Switch::known`], and its provider has replied to the request that started it.
    fn born(&mut self, provider: ProviderId, key: CallKey) -> Option<CallId> {
        let id = self.known(provider, key)?;
        if self.calls.get(id)?.life.is_pending() {
            let detail = "expected the reply before any event, received one".to_owned();
            self.violation(provider, Some(key), detail);
            return None;
        }
        Some(id)
    }

    pub(crate) fn tell_holders(&mut self, id: CallId, event: AppEvent) {
        if let Some(call) = self.calls.get(id) {
            let to = call.hearers();
            self.tell(to, event);
        }
    }

    fn extension(&mut self, provider: ProviderId, id: CallId, data: Opaque) {
        if bounds::fits(&data) {
            self.tell_holders(id, AppEvent::Extension { call: Some(id), line: None, data });
        } else {
            self.too_big(provider, self.calls.get(id).map(|call| call.key), &data);
        }
    }

    fn line_extension(&mut self, provider: ProviderId, line: Option<offhook_spi::LineKey>, data: Opaque) {
        if !bounds::fits(&data) {
            return self.too_big(provider, None, &data);
        }
        let id = line.and_then(|key| self.line_at(provider, key));
        if let Some(key) = line
            && id.is_none()
        {
            let detail = format!("expected the key of a line that is up, received {key}");
            return self.violation(provider, None, detail);
        }
        let event = AppEvent::Extension { call: None, line: id, data };
        match id.and_then(|id| self.lines.get(id)) {
            Some(line) => self.tell(line.openers.keys().copied().collect(), event),
            None => self.tell_all(event),
        }
    }

    /// Notes data that is too big to be carried.
    pub(crate) fn too_big(&mut self, provider: ProviderId, call: Option<CallKey>, data: &Opaque) {
        let (most, got) = (Opaque::MAX_BYTES, data.data.len());
        self.violation(provider, call, format!("expected at most {most} bytes of data, received {got}"));
    }
}
