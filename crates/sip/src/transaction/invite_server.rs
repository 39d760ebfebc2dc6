// SPDX-License-Identifier: MIT OR Apache-2.0
//! The INVITE server transaction: RFC 3261 section 17.2.1 with the Accepted state of RFC 6026 section 7.1.

use std::time::Duration;

use super::machine::{Action, Actions, Rules, ServerInput, Timer, Trouble};

/// Where an INVITE server stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// Waiting for the owner's final answer.
    Proceeding,
    /// Refused, waiting for the ACK.
    Completed,
    /// Acknowledged; further ACKs are absorbed.
    Confirmed,
    /// Answered with a 2xx, which the owner repeats; repetitions of the INVITE are absorbed.
    Accepted,
    /// Over.
    Terminated,
}

/// An INVITE server transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InviteServer {
    pub(crate) state: State,
    interval: Duration,
}

impl InviteServer {
    pub(crate) fn new() -> Self {
        Self { state: State::Proceeding, interval: Duration::ZERO }
    }

    /// Takes one input and appends what is to be done.
    pub(crate) fn step(&mut self, input: ServerInput, rules: &Rules, out: &mut Actions) {
        match (self.state, input) {
            (State::Proceeding, ServerInput::Begin) => {
                out.push(Action::Arm(Timer::Trying, rules.timing.trying));
            }
            (State::Proceeding, ServerInput::Fired(Timer::Trying)) => out.push(Action::SendTrying),
            (State::Proceeding | State::Completed, ServerInput::Again) => out.push(Action::Send),
            (State::Proceeding, ServerInput::Provisional) => {
                out.extend([Action::Disarm(Timer::Trying), Action::Send]);
            }
            (State::Proceeding, ServerInput::Success) => {
                self.state = State::Accepted;
                out.extend([
                    Action::Disarm(Timer::Trying),
                    Action::Send,
                    Action::Arm(Timer::L, rules.timing.transaction()),
                ]);
            }
            (State::Accepted, ServerInput::Success) => out.push(Action::Send),
            (State::Proceeding, ServerInput::Failure) => self.refuse(rules, out),
            (State::Completed, ServerInput::Fired(Timer::G)) => {
                self.interval = rules.timing.doubled(self.interval);
                out.extend([Action::Send, Action::Arm(Timer::G, self.interval)]);
            }
            (State::Completed, ServerInput::Fired(Timer::H)) => {
                out.push(Action::Disarm(Timer::G));
                self.end(out, &[Action::Fail(Trouble::Timeout)]);
            }
            (State::Completed, ServerInput::Ack) => {
                self.state = State::Confirmed;
                let absorb = rules.if_unreliable(rules.timing.t4);
                out.extend([
                    Action::Disarm(Timer::G),
                    Action::Disarm(Timer::H),
                    Action::Arm(Timer::I, absorb),
                ]);
            }
            (State::Accepted, ServerInput::Ack) => out.push(Action::Deliver),
            // The owner hears of it, but the transaction goes on: the client may reach us by another way
            // (RFC 6026 section 8.8 takes back the termination of RFC 3261).
            (State::Proceeding | State::Completed | State::Accepted, ServerInput::Broken) => {
                out.push(Action::Fail(Trouble::Transport));
            }
            (State::Confirmed, ServerInput::Fired(Timer::I))
            | (State::Accepted, ServerInput::Fired(Timer::L)) => self.end(out, &[]),
            _ => {}
        }
    }

    fn refuse(&mut self, rules: &Rules, out: &mut Actions) {
        self.state = State::Completed;
        self.interval = rules.timing.t1;
        out.extend([Action::Disarm(Timer::Trying), Action::Send]);
        if rules.unreliable() {
            out.push(Action::Arm(Timer::G, self.interval));
        }
        out.push(Action::Arm(Timer::H, rules.timing.transaction()));
    }

    fn end(&mut self, out: &mut Actions, last: &[Action]) {
        self.state = State::Terminated;
        out.extend_from_slice(last);
        out.push(Action::End);
    }
}
