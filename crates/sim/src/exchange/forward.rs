// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where calls go that do not stay where they came: forwarding rules.

use std::time::Duration;

use offhook_spi::{
    AddressIndex, CallKey, CallReason, Cause, ForwardRule, ForwardWhen, LineKey, Moment, Outcome, Party,
    Refusal, RefusalKind, RequestId, StateKind,
};

use super::far::FarEnd;
use super::{Alarm, Exchange};

/// Rules that one line keeps.
const MOST_RULES: usize = 16;
/// How often one call is forwarded before it counts as going in circles.
const MOST_HOPS: usize = 5;
/// How long a line rings before a no-answer rule applies, unless the rule says.
const USUAL_RINGING: Duration = Duration::from_secs(20);
const SHORTEST_RINGING: Duration = Duration::from_secs(1);
const LONGEST_RINGING: Duration = Duration::from_secs(60);
/// Where a call goes in the end.
pub(super) struct Route {
    pub(super) far: FarEnd,
    pub(super) reason: CallReason,
    /// The lines that sent it on, last first.
    pub(super) redirecting: Vec<Party>,
}

impl Exchange {
    /// Replaces all rules; ring times that make no sense are clamped.
    pub(super) fn forward(
        &mut self,
        request: RequestId,
        line: LineKey,
        address: AddressIndex,
        mut rules: Vec<ForwardRule>,
    ) -> Result<(), Refusal> {
        if address != AddressIndex::default() {
            let detail = format!("{line} has one address; expected its number to be 0");
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        if rules.len() > MOST_RULES {
            let detail = format!("expected at most {MOST_RULES} rules, received {}", rules.len());
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        for to in rules.iter().filter_map(|rule| rule.to.as_ref()) {
            self.find(to)?;
        }
        for rule in &mut rules {
            if rule.when == ForwardWhen::NoAnswer {
                let after = rule.after.unwrap_or(USUAL_RINGING);
                rule.after = Some(after.clamp(SHORTEST_RINGING, LONGEST_RINGING));
            }
        }
        self.replied(request, Outcome::Done);
        if let Some(line) = self.lines.get_mut(&line) {
            line.forwarding = rules;
        }
        self.tell_status(line);
        Ok(())
    }

    fn rule(&self, line: LineKey, when: ForwardWhen, caller: &Party) -> Option<&ForwardRule> {
        let rules = &self.lines.get(&line)?.forwarding;
        let fits = |rule: &&ForwardRule| {
            rule.when == when && rule.caller.as_ref().is_none_or(|only| caller.address.as_ref() == Some(only))
        };
        rules.iter().find(fits)
    }

    /// Follows the rules of a line, and of the lines they lead to.
    pub(super) fn route(&self, line: LineKey, caller: &Party, reason: CallReason) -> Result<Route, Cause> {
        let mut route = Route { far: FarEnd::Line { line, call: None }, reason, redirecting: Vec::new() };
        while let FarEnd::Line { line, .. } = route.far {
            let busy = self.calls.values().any(|call| call.line == line);
            let always = self.rule(line, ForwardWhen::Always, caller);
            let (rule, reason) = match always {
                Some(rule) => (rule, CallReason::ForwardedAlways),
                None => match self.rule(line, ForwardWhen::Busy, caller).filter(|_| busy) {
                    Some(rule) => (rule, CallReason::ForwardedBusy),
                    None => break,
                },
            };
            // A rule without a destination is do not disturb: the line is busy for the caller.
            let to = rule.to.as_ref().ok_or(Cause::UserBusy)?;
            if route.redirecting.len() >= MOST_HOPS {
                return Err(Cause::DestinationOutOfOrder);
            }
            route.redirecting.insert(0, self.party(line));
            route.far = self.find(to).map_err(|_| Cause::UnallocatedNumber)?;
            route.reason = reason;
        }
        Ok(route)
    }

    /// A call rings: a rule may end that after a while.
    pub(super) fn watch_ringing(&mut self, now: Moment, key: CallKey) {
        let Some(call) = self.calls.get(&key) else { return };
        let rule = self.rule(call.line, ForwardWhen::NoAnswer, &call.info.caller);
        let already = call.info.reason == CallReason::ForwardedNoAnswer;
        if let Some(after) = rule.filter(|_| !already).map(|rule| rule.after.unwrap_or(USUAL_RINGING)) {
            self.alarms.set(now + after, Alarm::Unanswered { call: key });
        }
    }

    /// Nobody has answered in time: the rule that is in force now applies.
    pub(super) fn unanswered(&mut self, now: Moment, key: CallKey) {
        let Some(call) = self.calls.get(&key) else { return };
        if !matches!(call.state.kind(), StateKind::Offering | StateKind::Accepted) || self.is_camped_on(key) {
            return;
        }
        let Some(rule) = self.rule(call.line, ForwardWhen::NoAnswer, &call.info.caller) else { return };
        match rule.to.as_ref().and_then(|to| self.find_taker(to).ok()) {
            Some(target) => self.send_on(now, key, target, CallReason::ForwardedNoAnswer),
            None => self.drop_call(now, key, Some(Cause::NoAnswer)),
        }
    }
}
