// SPDX-License-Identifier: MIT OR Apache-2.0
//! The non-INVITE server transaction: RFC 3261 section 17.2.2 with RFC 4320.

use super::machine::{Action, Actions, Rules, ServerInput, Timer, Trouble};

/// Where a non-INVITE server stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// No answer given yet.
    Trying,
    /// A provisional answer was given, which can only be 100 (RFC 4320 section 4.1).
    Proceeding,
    /// The final answer was given and is repeated when the request is.
    Completed,
    /// Over.
    Terminated,
}

/// A non-INVITE server transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OtherServer {
    pub(crate) state: State,
}

impl OtherServer {
    pub(crate) fn new() -> Self {
        Self { state: State::Trying }
    }

    /// Takes one input and appends what is to be done.
    pub(crate) fn step(&mut self, input: ServerInput, rules: &Rules, out: &mut Actions) {
        match (self.state, input) {
            (State::Trying, ServerInput::Begin) => out.extend([
                Action::Arm(Timer::Trying, rules.timing.late()),
                Action::Arm(Timer::Unanswered, rules.timing.transaction()),
            ]),
            (State::Trying, ServerInput::Fired(Timer::Trying)) => {
                self.state = State::Proceeding;
                out.push(Action::SendTrying);
            }
            (State::Trying | State::Proceeding, ServerInput::Provisional) => {
                self.state = State::Proceeding;
                out.extend([Action::Disarm(Timer::Trying), Action::Send]);
            }
            (State::Proceeding | State::Completed, ServerInput::Again) => out.push(Action::Send),
            (State::Trying | State::Proceeding, ServerInput::Success | ServerInput::Failure) => {
                self.state = State::Completed;
                let absorb = rules.if_unreliable(rules.timing.transaction());
                out.extend([
                    Action::Disarm(Timer::Trying),
                    Action::Disarm(Timer::Unanswered),
                    Action::Send,
                    Action::Arm(Timer::J, absorb),
                ]);
            }
            // Nobody listens any more: nothing may be sent, not even 408 (RFC 4320 section 4.2).
            (State::Trying | State::Proceeding, ServerInput::Fired(Timer::Unanswered)) => {
                out.push(Action::Disarm(Timer::Trying));
                self.end(out, &[Action::Fail(Trouble::Timeout)]);
            }
            (State::Proceeding | State::Completed, ServerInput::Broken) => {
                out.extend([Action::Disarm(Timer::Unanswered), Action::Disarm(Timer::J)]);
                self.end(out, &[Action::Fail(Trouble::Transport)]);
            }
            (State::Completed, ServerInput::Fired(Timer::J)) => self.end(out, &[]),
            _ => {}
        }
    }

    fn end(&mut self, out: &mut Actions, last: &[Action]) {
        self.state = State::Terminated;
        out.extend_from_slice(last);
        out.push(Action::End);
    }
}
