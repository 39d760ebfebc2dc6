// SPDX-License-Identifier: MIT OR Apache-2.0
//! The media engine: codecs, tones and detectors, files, and the ends of sound paths.
//!
//! A sound path has a [`Source`] at one end and a [`Sink`] at the other, both of one [`Format`], and one clock
//! that pulls the first and pushes the second. Everything here is told the time; only the engine's driver for real
//! sockets (`engine/driver.rs`) reads a clock.

pub mod answer;
pub mod codec;
pub mod engine;
pub mod file;
mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod jitter;
pub mod level;
mod node;
pub mod quality;
pub mod resample;
pub mod ring;
pub mod rtp;
pub mod signal;
pub mod srtp;
pub mod tone;

pub use format::{Channels, Format, SampleRate};
pub use node::{Discard, Flow, FrameInfo, Silence, Sink, Source};
