// SPDX-License-Identifier: MIT OR Apache-2.0
//! The non-INVITE client transaction: RFC 3261 section 17.1.2.

use std::time::Duration;

use super::machine::{Action, Actions, ClientInput, Rules, Timer, Trouble};

/// Where a non-INVITE client stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// Sent, no answer yet.
    Trying,
    /// A provisional response came; the request is still repeated, every T2.
    Proceeding,
    /// A final response came; repetitions are absorbed.
    Completed,
    /// Over.
    Terminated,
}

/// A non-INVITE client transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OtherClient {
    pub(crate) state: State,
    interval: Duration,
}

impl OtherClient {
    pub(crate) fn new() -> Self {
        Self { state: State::Trying, interval: Duration::ZERO }
    }

    /// Takes one input and appends what is to be done.
    pub(crate) fn step(&mut self, input: ClientInput, rules: &Rules, out: &mut Actions) {
        match (self.state, input) {
            (State::Trying, ClientInput::Begin) => self.begin(rules, out),
            (State::Trying | State::Proceeding, ClientInput::Fired(Timer::E)) => {
                self.interval = match self.state {
                    State::Trying => rules.timing.doubled(self.interval),
                    State::Proceeding | State::Completed | State::Terminated => rules.timing.t2,
                };
                out.extend([Action::Send, Action::Arm(Timer::E, self.interval)]);
            }
            (State::Trying | State::Proceeding, ClientInput::Fired(Timer::F)) => {
                out.push(Action::Disarm(Timer::E));
                self.end(out, &[Action::Fail(Trouble::Timeout)]);
            }
            (State::Trying | State::Proceeding, ClientInput::Broken) => {
                out.extend([Action::Disarm(Timer::E), Action::Disarm(Timer::F)]);
                self.end(out, &[Action::Fail(Trouble::Transport)]);
            }
            (State::Trying | State::Proceeding, ClientInput::Provisional) => {
                self.state = State::Proceeding;
                out.push(Action::Deliver);
            }
            (State::Trying | State::Proceeding, ClientInput::Success | ClientInput::Failure) => {
                self.state = State::Completed;
                let absorb = rules.if_unreliable(rules.timing.t4);
                out.extend([
                    Action::Disarm(Timer::E),
                    Action::Disarm(Timer::F),
                    Action::Deliver,
                    Action::Arm(Timer::K, absorb),
                ]);
            }
            (State::Completed, ClientInput::Fired(Timer::K)) => self.end(out, &[]),
            _ => {}
        }
    }

    fn begin(&mut self, rules: &Rules, out: &mut Actions) {
        self.interval = rules.timing.t1;
        out.push(Action::Send);
        if rules.unreliable() {
            out.push(Action::Arm(Timer::E, self.interval));
        }
        out.push(Action::Arm(Timer::F, rules.timing.transaction()));
    }

    fn end(&mut self, out: &mut Actions, last: &[Action]) {
        self.state = State::Terminated;
        out.extend_from_slice(last);
        out.push(Action::End);
    }
}
