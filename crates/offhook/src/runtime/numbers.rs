// SPDX-License-Identifier: MIT OR Apache-2.0
//! The forms of numbers: filled in before the switch sees a party, so that whoever holds a call sees the same.

use std::fmt;

use offhook_core::{Ask, CallAsk, Input, Switch};
use offhook_spi::{Address, CallInfo, NumberForms, Party, TspEvent};

/// What knows the numbers of a line's place: the line's name and an address go in.
pub(crate) struct NumberPlan(pub(crate) Box<Plan>);

type Plan = dyn Fn(&str, &Address) -> Option<NumberForms> + Send + Sync;

impl fmt::Debug for NumberPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NumberPlan")
    }
}

impl NumberPlan {
    /// Fills in what an input leaves out; what somebody said stands.
    pub(crate) fn fill(&self, switch: &Switch, input: &mut Input) {
        let Some(line) = switch.line_of(input) else { return };
        match input {
            Input::Tsp {
                event: TspEvent::NewCall { info, .. } | TspEvent::CallInfo { info, .. }, ..
            } => {
                self.parties(line, info);
            }
            Input::Ask { ask: Ask::MakeCall { to, params, .. }, .. } => {
                self.number(line, Some(to), &mut params.number);
            }
            Input::Ask { ask: Ask::Call { op, .. }, .. } => match op {
                CallAsk::SetupTransfer { to, params } => {
                    self.number(line, to.as_ref(), &mut params.number);
                }
                CallAsk::PrepareAddToConference { to, number } => {
                    self.number(line, to.as_ref(), number);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn parties(&self, line: &str, info: &mut CallInfo) {
        let CallInfo { caller, called, connected, redirecting, .. } = info;
        // More are clipped by the switch.
        let all =
            [caller, called].into_iter().chain(connected).chain(redirecting.iter_mut().take(REDIRECTIONS));
        for Party { address, number, .. } in all {
            self.number(line, address.as_ref(), number);
        }
    }

    fn number(&self, line: &str, address: Option<&Address>, number: &mut Option<Box<NumberForms>>) {
        if number.is_none() {
            let short = address.filter(|address| address.as_str().len() <= ADDRESS);
            *number = short.and_then(|address| (self.0)(line, address)).map(Box::new);
        }
    }
}

/// Redirections whose numbers are told apart.
const REDIRECTIONS: usize = 32;
/// Bytes of an address that may hold a number.
const ADDRESS: usize = 256;
