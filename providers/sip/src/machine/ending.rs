// SPDX-License-Identifier: MIT OR Apache-2.0
//! How calls end: by us, by the network, and out of all tables.

use offhook_sipcore::agent::Command;
use offhook_sipcore::message::Headers;
use offhook_spi::{CallState, Cause, ForwardWhen, GenerationEnd, Moment, Refusal, RefusalKind, TspEvent};

use super::{LookupId, SipMachine};
use crate::call::{Call, Closing, Exchange, Phase};

impl SipMachine {
    /// Ends a call from our side: whatever the network still says about it concerns nobody.
    pub(super) fn hang_up(&mut self, now: Moment, serial: u64, cause: Option<Cause>) {
        // An application that is busy sends the call where its rules say.
        if cause == Some(Cause::UserBusy) && self.send_on(now, serial, ForwardWhen::Busy) {
            return;
        }
        let Some(call) = self.calls.get(&serial) else { return };
        let (id, line) = (call.id, call.line);
        let was_sent = match &call.phase {
            Phase::DialTone(_) => false,
            Phase::Outgoing(outgoing) => outgoing.sent,
            Phase::Incoming(_) | Phase::Answering { .. } | Phase::Up => true,
        };
        // The agent's last word on the call takes the entry away; what it never knew it says nothing about.
        if was_sent {
            self.closing.insert(id, Closing { line, credentials: Headers::new() });
        }
        let mut headers = Headers::new();
        let told = match &call.phase {
            Phase::DialTone(_) | Phase::Outgoing(_) => {
                crate::cause::add_reason(&mut headers, cause.unwrap_or(Cause::NormalClearing));
                if was_sent {
                    self.agent(now, Command::Cancel { id, headers });
                }
                // Who finds no media in common has not given up by itself.
                cause.filter(|cause| *cause == Cause::IncompatibleDestination).unwrap_or(Cause::Cancelled)
            }
            Phase::Incoming(_) => {
                let cause = cause.unwrap_or(Cause::CallRejected);
                let status = crate::cause::status(cause);
                crate::cause::add_reason(&mut headers, cause);
                self.agent(now, Command::Reject { id, status, headers });
                cause
            }
            Phase::Answering { .. } | Phase::Up => {
                crate::cause::add_reason(&mut headers, cause.unwrap_or(Cause::NormalClearing));
                self.agent(now, Command::Bye { id, headers });
                cause.unwrap_or(Cause::NormalClearing)
            }
        };
        self.over(serial, told);
    }

    /// A call is over: the core is told why, then that the key is dead.
    pub(super) fn over(&mut self, serial: u64, cause: Cause) {
        if let Some(Call { exchange: Exchange::Standing { by, .. }, .. }) = self.calls.get(&serial) {
            let by = *by;
            self.hang_up(self.now, by, Some(cause));
        }
        self.end_digits(serial, GenerationEnd::Cancelled);
        let Some(call) = self.forget(serial) else { return };
        if let Some(first) = call.stands_for {
            return self.stood_in_vain(self.now, first, serial, cause);
        }
        for request in call.outstanding() {
            let refusal = Refusal::new(RefusalKind::OperationFailed, format!("{} ended first", call.key))
                .with_cause(cause);
            self.reply(request, Err(refusal));
        }
        self.tell(TspEvent::CallState {
            call: call.key,
            state: CallState::Disconnected { cause },
            allowed: None,
        });
        self.tell(TspEvent::CallState { call: call.key, state: CallState::Idle, allowed: None });
        self.leaves_conference(call.key, call.member_of);
    }

    /// Takes a call out of all tables.
    pub(super) fn forget(&mut self, serial: u64) -> Option<Call> {
        let call = self.calls.remove(&serial)?;
        if self.by_key.get(&call.key) == Some(&serial) {
            self.by_key.remove(&call.key);
        }
        self.by_invite.remove(&call.id);
        self.lookups.remove(&LookupId::Call(serial));
        let transfer = call.transfer.as_ref().and_then(|transfer| transfer.alarm);
        for alarm in call.patience.into_iter().chain(transfer) {
            self.alarms.remove(&alarm);
        }
        self.untie(serial, &call);
        if let Some(source) = self.sources.remove(&serial)
            && let Some(count) = self.per_source.get_mut(&source)
        {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&source);
            }
        }
        Some(call)
    }
}
