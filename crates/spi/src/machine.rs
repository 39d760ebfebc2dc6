// SPDX-License-Identifier: MIT OR Apache-2.0
//! State machines without input and output of their own: the shape of all logic in offhook.

use crate::time::Moment;

/// A state machine that is told the time and never asks for it.
///
/// Give it exactly one input, then take outputs until there are none, then wait until the next input
/// or the deadline, whichever comes first. At the deadline call [`Machine::handle_timeout`].
pub trait Machine {
    /// What may happen to the machine.
    type Input;
    /// What the machine asks its driver to do.
    type Output;

    /// Takes one input; drain [`Machine::poll`] afterwards.
    fn handle(&mut self, now: Moment, input: Self::Input);

    /// Lets every deadline that is at or before `now` fire; drain [`Machine::poll`] afterwards.
    fn handle_timeout(&mut self, now: Moment);

    /// Takes the next output, in the order in which the machine produced them.
    fn poll(&mut self) -> Option<Self::Output>;

    /// Says when the machine next wants to be woken, or `None` when only an input can change it.
    fn deadline(&self) -> Option<Moment>;
}
