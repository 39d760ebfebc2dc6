// SPDX-License-Identifier: MIT OR Apache-2.0
//! Forwarding and do not disturb by ourselves: callers are told where to call instead (RFC 3261 section 21.3.3), and
//! by whom they were sent there (RFC 5806). A registrar that forwards by itself never lets such calls come here.

use std::time::Duration;

use offhook_sipcore::agent::Command;
use offhook_sipcore::message::{Headers, NameAddr, Status, name};
use offhook_spi::{
    Address, AddressIndex, Cause, ForwardRule, ForwardWhen, LineKey, Moment, Party, Refusal, RefusalKind,
    RequestId,
};

use super::{Alarm, SipMachine};
use crate::call::{Call, Closing, Phase};

/// Rules that one line keeps.
const MOST_RULES: usize = 64;
/// How long a call rings before a no-answer rule applies, unless the rule says.
const USUAL_RINGING: Duration = Duration::from_secs(20);
/// As short and as long as a rule may say.
const RINGING: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(120));

impl SipMachine {
    /// Replaces all rules of a line; ring times that make no sense are clamped.
    pub(super) fn forward(
        &mut self,
        request: RequestId,
        key: LineKey,
        address: AddressIndex,
        rules: Vec<ForwardRule>,
    ) {
        let checked = self.check_rules(key, address, rules);
        let result = checked.map(|rules| {
            if let Some(line) = self.lines.get_mut(key) {
                line.forwarding = rules;
            }
        });
        let is_done = result.is_ok();
        self.reply(request, result);
        if is_done {
            self.tell_status(key);
        }
    }

    fn check_rules(
        &self,
        key: LineKey,
        address: AddressIndex,
        mut rules: Vec<ForwardRule>,
    ) -> Result<Vec<ForwardRule>, Refusal> {
        let wrong = |detail: String| Refusal::new(RefusalKind::InvalidParameter, detail);
        if address != AddressIndex::default() {
            return Err(wrong(format!("{key} has one address; expected its number to be 0")));
        }
        if rules.len() > MOST_RULES {
            return Err(wrong(format!("expected at most {MOST_RULES} rules, received {}", rules.len())));
        }
        for rule in &mut rules {
            if let Some(to) = &rule.to {
                self.address(key, to)?;
            }
            if rule.when == ForwardWhen::NoAnswer {
                rule.after = Some(rule.after.unwrap_or(USUAL_RINGING).clamp(RINGING.0, RINGING.1));
            }
        }
        Ok(rules)
    }

    /// The rule for a caller; one that names the caller goes before one for all.
    fn rule(&self, key: LineKey, when: ForwardWhen, caller: &Party) -> Option<&ForwardRule> {
        let rules = &self.lines.get(key)?.forwarding;
        let fitting = |named: bool| {
            rules.iter().find(|rule| {
                rule.when == when
                    && match &rule.caller {
                        Some(only) => {
                            named && caller.address.as_ref().is_some_and(|from| is_same(from, only))
                        }
                        None => !named,
                    }
            })
        };
        fitting(true).or_else(|| fitting(false))
    }

    /// How a call is refused that a rule sends elsewhere, or nowhere.
    pub(super) fn sent_on(
        &self,
        key: LineKey,
        when: ForwardWhen,
        caller: &Party,
    ) -> Option<(Status, Headers)> {
        let rule = self.rule(key, when, caller)?;
        let mut headers = Headers::new();
        let Some(to) = &rule.to else {
            crate::cause::add_reason(&mut headers, Cause::DoNotDisturb);
            return Some((Status::TEMPORARILY_UNAVAILABLE, headers));
        };
        let uri = self.address(key, to).ok()?;
        headers.push(name::CONTACT, NameAddr::new(uri).to_string());
        let (host, port) = self.own_host();
        let own = self.lines.get(key)?.address(&host, port);
        let reason = match when {
            ForwardWhen::Busy => "user-busy",
            ForwardWhen::NoAnswer => "no-answer",
            _ => "unconditional",
        };
        headers.push("Diversion", format!("{};reason={reason}", NameAddr::new(own)));
        Some((Status::MOVED_TEMPORARILY, headers))
    }

    /// A call rings: a rule may end that after a while.
    pub(super) fn watch_ringing(&mut self, now: Moment, serial: u64) {
        let Some(Call { line, info, .. }) = self.calls.get(&serial) else { return };
        let after = self.rule(*line, ForwardWhen::NoAnswer, &info.caller).and_then(|rule| rule.after);
        if let Some(after) = after {
            let alarm = self.set_alarm(now + after, Alarm::Unanswered(serial));
            if let Some(call) = self.calls.get_mut(&serial) {
                call.patience = Some(alarm);
            }
        }
    }

    /// Nobody has answered in time: the rule that is in force now applies.
    pub(super) fn unanswered(&mut self, now: Moment, serial: u64) {
        self.send_on(now, serial, ForwardWhen::NoAnswer);
    }

    /// Sends a ringing call where a rule says; false when there is none.
    pub(super) fn send_on(&mut self, now: Moment, serial: u64, when: ForwardWhen) -> bool {
        let Some(Call { id, line, info, phase: Phase::Incoming(incoming), .. }) = self.calls.get(&serial)
        else {
            return false;
        };
        let (id, line) = (*id, *line);
        let is_answered = incoming.answer.is_some() || incoming.at_once;
        let Some((status, headers)) = self.sent_on(line, when, &info.caller).filter(|_| !is_answered) else {
            return false;
        };
        let cause = if status.is_redirect() { Cause::Redirected } else { Cause::DoNotDisturb };
        self.closing.insert(id, Closing { line, credentials: Headers::new() });
        self.agent(now, Command::Reject { id, status, headers });
        self.over(serial, cause);
        true
    }
}

/// Whether two ways of writing an address mean the same: as they stand, or without what comes after the host.
fn is_same(one: &Address, other: &Address) -> bool {
    let bare = |address: &Address| {
        let text = address.as_str().trim();
        let text =
            text.split_once(':').filter(|(scheme, _)| scheme.starts_with("sip")).map_or(text, |it| it.1);
        text.split([';', '?']).next().unwrap_or_default().to_ascii_lowercase()
    };
    bare(one) == bare(other)
}
