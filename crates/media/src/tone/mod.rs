// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tones: made, noticed as they pass, and measured exactly afterwards.

pub mod analysis;
pub(crate) mod burst;
mod detector;
pub mod dtmf;
pub(crate) mod ear;
mod generator;
mod goertzel;
mod oscillator;
pub mod progress;
mod spectrum;

use std::fmt;

pub use detector::{Detector, DetectorSink, ToneDetector, ToneEvent, ToneTarget};
pub use generator::{Component, Repeat, Step, ToneGenerator, ToneScript};

/// A frequency in hertz.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Frequency(f32);

impl Frequency {
    /// A frequency of `hertz`; what is negative or no number counts as zero.
    #[must_use]
    pub const fn from_hertz(hertz: f32) -> Self {
        Self(hertz.max(0.0))
    }

    /// The frequency in hertz.
    #[must_use]
    pub const fn hertz(self) -> f32 {
        self.0
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}
