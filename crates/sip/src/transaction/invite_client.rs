// SPDX-License-Identifier: MIT OR Apache-2.0
//! The INVITE client transaction: RFC 3261 section 17.1.1 with the Accepted state of RFC 6026 section 7.2.

use std::time::Duration;

use super::machine::{Action, Actions, ClientInput, Rules, Timer, Trouble};

/// Where an INVITE client stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// Sent, no answer yet.
    Calling,
    /// A provisional response came; there is no limit on the time spent here.
    Proceeding,
    /// A failure came and was acknowledged; repetitions are absorbed.
    Completed,
    /// A 2xx came; every further 2xx, of this branch or of others, is passed on.
    Accepted,
    /// Over.
    Terminated,
}

/// An INVITE client transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InviteClient {
    pub(crate) state: State,
    interval: Duration,
}

impl InviteClient {
    pub(crate) fn new() -> Self {
        Self { state: State::Calling, interval: Duration::ZERO }
    }

    /// Takes one input and appends what is to be done.
    pub(crate) fn step(&mut self, input: ClientInput, rules: &Rules, out: &mut Actions) {
        match (self.state, input) {
            (State::Calling, ClientInput::Begin) => self.begin(rules, out),
            (State::Calling, ClientInput::Fired(Timer::A)) => {
                // Timer A doubles without a ceiling (section 17.1.1.2).
                self.interval = self.interval.saturating_mul(2);
                out.extend([Action::Send, Action::Arm(Timer::A, self.interval)]);
            }
            (State::Calling, ClientInput::Fired(Timer::B)) => {
                self.end(out, &[Action::Fail(Trouble::Timeout)]);
            }
            (State::Calling | State::Completed, ClientInput::Broken) => {
                self.end(out, &[Action::Fail(Trouble::Transport)]);
            }
            (State::Calling | State::Proceeding, ClientInput::Provisional) => {
                self.quiet(out);
                self.state = State::Proceeding;
                out.push(Action::Deliver);
            }
            (State::Calling | State::Proceeding, ClientInput::Success) => {
                self.quiet(out);
                self.state = State::Accepted;
                out.extend([Action::Deliver, Action::Arm(Timer::M, rules.timing.transaction())]);
            }
            (State::Calling | State::Proceeding, ClientInput::Failure) => {
                self.quiet(out);
                self.state = State::Completed;
                // At least 32 s on unreliable transports, nothing on others (section 17.1.1.2).
                let absorb = rules.if_unreliable(rules.timing.transaction());
                out.extend([Action::SendAck, Action::Deliver, Action::Arm(Timer::D, absorb)]);
            }
            (State::Completed, ClientInput::Failure) => out.push(Action::SendAck),
            // A proxy passes on a 2xx even after a failure (section 16.7 step 5): somebody has answered and
            // must be acknowledged and released.
            (State::Accepted | State::Completed, ClientInput::Success) => out.push(Action::Deliver),
            (State::Completed, ClientInput::Fired(Timer::D))
            | (State::Accepted, ClientInput::Fired(Timer::M)) => self.end(out, &[]),
            _ => {}
        }
    }

    fn begin(&mut self, rules: &Rules, out: &mut Actions) {
        self.interval = rules.timing.t1;
        out.push(Action::Send);
        if rules.unreliable() {
            out.push(Action::Arm(Timer::A, self.interval));
        }
        out.push(Action::Arm(Timer::B, rules.timing.transaction()));
    }

    fn quiet(self, out: &mut Actions) {
        if self.state == State::Calling {
            out.extend([Action::Disarm(Timer::A), Action::Disarm(Timer::B)]);
        }
    }

    fn end(&mut self, out: &mut Actions, last: &[Action]) {
        self.state = State::Terminated;
        out.extend_from_slice(last);
        out.push(Action::End);
    }
}
