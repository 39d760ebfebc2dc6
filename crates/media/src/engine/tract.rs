// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ways between a leg's frames and its payloads: what codecs remember, and the rates between.
//!
//! A **tract** is what one kind of payload needs on its way to frames of the leg: the state of its codec if it has
//! any, what conceals its losses, and a conversion when its rate is not the leg's. Codecs without state share the
//! tract of their rate. All of it is made outside the worker; on the tick nothing is allocated.

use std::fmt;
use std::time::Duration;

use super::{AudioCodec, MediaFormat, TICK};
use crate::codec::Codec;
use crate::format::{Channels, SampleRate};
use crate::jitter::Concealer;
use crate::resample::Resampler;

/// Longest sound of a packet that waits as one piece where the codec has no state.
const PIECE: Duration = Duration::from_millis(60);
/// Longest sound of any packet: RFC 6716 section 2 (Opus) allows no more.
const LONGEST: Duration = Duration::from_millis(120);
/// Parts of a second after which a codec that hears nothing falls silent.
const PAUSES: u32 = 5;
/// Longest packet sent, and a frame: what may wait to be sent.
const PENDING: Duration = Duration::from_millis(80);

/// Formats of a leg with all the memory that they need.
#[derive(Debug)]
pub struct LegMedia {
    pub(super) format: MediaFormat,
    pub(super) sender: Sender,
    pub(super) tracts: Vec<Tract>,
}

impl LegMedia {
    /// Makes what `format` needs in a leg whose frames have `rate`.
    #[must_use]
    pub fn new(format: MediaFormat, rate: SampleRate) -> Box<Self> {
        let mut tracts: Vec<Tract> = Vec::new();
        for (_, codec) in format.receive.iter() {
            if !tracts.iter().any(|tract| tract.serves(codec)) {
                tracts.extend(Tract::new(codec, rate));
            }
        }
        Box::new(Self { format, sender: Sender::new(format.send_codec, rate), tracts })
    }

    /// Takes over what goes on unchanged, so that no codec forgets in mid-stream.
    pub(super) fn inherit(&mut self, from: &mut Self) {
        for tract in &mut self.tracts {
            if let Some(old) = from.tracts.iter_mut().find(|old| old.serves(tract.codec)) {
                std::mem::swap(tract, old);
            }
        }
        if self.sender.codec == from.sender.codec {
            std::mem::swap(&mut self.sender, &mut from.sender);
        }
    }

    /// The place of the tract of a codec.
    #[inline]
    pub(super) fn place(&self, codec: AudioCodec) -> Option<usize> {
        self.tracts.iter().position(|tract| tract.serves(codec))
    }
}

/// From payloads to frames.
pub(super) struct Tract {
    codec: AudioCodec,
    state: Option<Box<dyn Codec>>,
    rate: SampleRate,
    channels: usize,
    conversion: Option<Resampler>,
    concealer: Concealer,
    /// The codec makes up what is lost by itself.
    conceals: bool,
    /// Sound of a packet longer than the frame it began in.
    leftover: Box<[i16]>,
    pub(super) left: usize,
    /// Samples that the codec made up since its last packet.
    made_up: u32,
}

impl Tract {
    /// `None` when there is no conversion between the rates.
    fn new(codec: AudioCodec, leg: SampleRate) -> Option<Self> {
        let rate = codec.rate();
        let mut state = codec.state();
        // What it makes up has all its channels; frames have one.
        let is_mono = codec.channels() == Channels::MONO;
        let conceals = is_mono && state.as_mut().is_some_and(|state| state.conceal(&mut []).is_some());
        let longest = if state.is_some() { LONGEST } else { PIECE };
        Some(Self {
            codec,
            rate,
            channels: codec.channels().count(),
            conversion: conversion(rate, leg)?,
            concealer: Concealer::new(rate),
            conceals,
            // A packet may be played longer than it is.
            leftover: vec![0; rate.samples_in(longest + TICK) as usize].into(),
            left: 0,
            made_up: 0,
            state,
        })
    }

    /// Whether payloads of `codec` go this way.
    #[inline]
    pub(super) fn serves(&self, codec: AudioCodec) -> bool {
        self.codec == codec
            || (self.state.is_none()
                && codec.is_stateless()
                && self.rate == codec.rate()
                && self.channels == codec.channels().count())
    }

    /// A codec that goes this way.
    #[inline]
    pub(super) const fn codec(&self) -> AudioCodec {
        self.codec
    }

    /// Samples a second here.
    #[inline]
    pub(super) const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Samples of one frame of the leg.
    pub(super) fn frame_len(&self) -> usize {
        self.rate.samples_in(TICK) as usize
    }

    /// Whether frames need no conversion.
    #[inline]
    pub(super) const fn is_direct(&self) -> bool {
        self.conversion.is_none()
    }

    /// Samples of the longest packet that finds room.
    pub(super) fn longest(&self) -> usize {
        self.leftover.len() - self.frame_len()
    }

    /// Samples of one channel in a payload; where a codec keeps no state, a payload may be cut anywhere.
    pub(super) fn samples(&self, codec: AudioCodec, payload: &[u8]) -> u32 {
        match &self.state {
            Some(state) => state.duration(payload),
            None => (payload.len() / codec.sample_bytes().max(1)) as u32,
        }
    }

    /// Whether payloads may be cut.
    pub(super) const fn is_cuttable(&self) -> bool {
        self.state.is_none()
    }

    /// Turns a payload into mono sound; gives the samples.
    #[inline]
    pub(super) fn decode(&mut self, codec: AudioCodec, payload: &[u8], pcm: &mut [i16]) -> usize {
        let samples = match &mut self.state {
            Some(state) => state.decode(payload, pcm),
            None => codec.decode(payload, pcm),
        };
        let samples = if self.channels > 1 { mix_down(&mut pcm[..samples], self.channels) } else { samples };
        self.made_up = 0;
        samples
    }

    /// Tells what of a packet is played, which may be longer or shorter than it came.
    #[inline]
    pub(super) fn played(&mut self, pcm: &mut [i16]) {
        if !self.conceals {
            self.concealer.played(pcm);
        }
    }

    /// Makes up a lost frame, from what the packet after it repeats of it where it does.
    pub(super) fn make_up(&mut self, next: Option<&[u8]>, frame: &mut [i16]) {
        self.made_up = self.made_up.saturating_add(frame.len() as u32);
        if self.conceals
            && let Some(state) = &mut self.state
        {
            let found = next.and_then(|next| state.recover(next, frame)).or_else(|| state.conceal(frame));
            if let Some(rest) = frame.get_mut(found.unwrap_or(0)..) {
                rest.fill(0);
            }
            return;
        }
        self.concealer.conceal(frame);
    }

    /// Whether losses are made up by the codec, which may want to see the packet after them.
    pub(super) const fn recovers(&self) -> bool {
        self.conceals
    }

    /// From a frame at this rate to one of the leg.
    pub(super) fn convert(&mut self, line: &[i16], frame: &mut [i16]) {
        match &mut self.conversion {
            Some(conversion) => {
                let filled = conversion.convert(line, frame);
                if let Some(rest) = frame.get_mut(filled..) {
                    rest.fill(0);
                }
            }
            None => frame.copy_from_slice(line),
        }
    }

    /// Plays what is left of the last packet; gives the samples.
    #[inline]
    pub(super) fn take_leftover(&mut self, frame: &mut [i16]) -> usize {
        let taken = self.left.min(frame.len());
        frame[..taken].copy_from_slice(&self.leftover[..taken]);
        self.leftover.copy_within(taken..self.left, 0);
        self.left -= taken;
        taken
    }

    /// Plays what fits, keeps the rest for the next frame.
    #[inline]
    pub(super) fn put(&mut self, frame: &mut [i16], pcm: &[i16]) -> usize {
        let now = pcm.len().min(frame.len());
        frame[..now].copy_from_slice(&pcm[..now]);
        let later = &pcm[now..];
        self.left = later.len().min(self.leftover.len());
        self.leftover[..self.left].copy_from_slice(&later[..self.left]);
        now
    }

    /// Goes on where nothing came; false once that is silence.
    pub(super) fn make_up_pause(&mut self, rest: &mut [i16]) -> bool {
        if self.conceals {
            let goes_on = self.made_up < self.rate.hertz() / PAUSES;
            if goes_on {
                self.make_up(None, rest);
            } else {
                rest.fill(0);
            }
            return goes_on;
        }
        let goes_on = !self.concealer.has_faded();
        self.concealer.conceal(rest);
        goes_on
    }
}

/// From frames to payloads.
pub(super) struct Sender {
    codec: AudioCodec,
    state: Option<Box<dyn Codec>>,
    conversion: Option<Resampler>,
    /// Sound that does not yet fill a packet, interleaved.
    pending: Box<[i16]>,
    waiting: usize,
}

impl Sender {
    fn new(codec: AudioCodec, leg: SampleRate) -> Self {
        let room = codec.rate().samples_in(PENDING) as usize * codec.channels().count();
        Self {
            codec,
            state: codec.state(),
            // There is one between all rates that a telephone has ever used.
            conversion: conversion(leg, codec.rate()).flatten(),
            pending: vec![0; room].into(),
            waiting: 0,
        }
    }

    /// Whether a frame of the leg can be encoded as it stands, now.
    #[inline]
    pub(super) fn is_direct(&self) -> bool {
        self.state.is_none()
            && self.conversion.is_none()
            && self.waiting == 0
            && self.codec.channels() == Channels::MONO
    }

    /// Takes a frame of the leg.
    pub(super) fn push(&mut self, frame: &[i16]) {
        let channels = self.codec.channels().count();
        let room = &mut self.pending[self.waiting..];
        let samples = match &mut self.conversion {
            Some(conversion) => conversion.convert(frame, room),
            None => {
                let samples = frame.len().min(room.len());
                room[..samples].copy_from_slice(&frame[..samples]);
                samples
            }
        };
        let filled = (samples * channels).min(room.len());
        if channels > 1 {
            // From the end, so that no sample is overwritten before it is copied.
            for place in (0..filled).rev() {
                room[place] = room[place / channels];
            }
        }
        self.waiting += filled;
    }

    /// Encodes the next packet of so many samples, when they wait; gives how many wait before the packet is taken,
    /// and its bytes, none where the codec has nothing to say.
    pub(super) fn next(&mut self, samples: usize, payload: &mut [u8]) -> Option<(usize, usize)> {
        let channels = self.codec.channels().count();
        let wanted = samples * channels;
        if wanted == 0 || self.waiting < wanted {
            return None;
        }
        let (pcm, waiting) = (&self.pending[..wanted], self.waiting / channels);
        let len = match &mut self.state {
            Some(state) => state.encode(pcm, payload),
            None => self.codec.encode(pcm, payload),
        };
        self.pending.copy_within(wanted..self.waiting, 0);
        self.waiting -= wanted;
        Some((waiting, len))
    }

    /// Forgets what waits.
    pub(super) const fn forget(&mut self) {
        self.waiting = 0;
    }
}

impl fmt::Debug for Tract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tract({})", self.codec)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender({})", self.codec)
    }
}

/// The conversion between two rates, if one is needed; `None` when there is none.
#[expect(clippy::option_option, reason = "no conversion is needed, or none exists")]
fn conversion(from: SampleRate, to: SampleRate) -> Option<Option<Resampler>> {
    if from == to {
        return Some(None);
    }
    Resampler::new(from, to).ok().map(Some)
}

/// The mean of all channels, to the front; gives its samples.
fn mix_down(pcm: &mut [i16], channels: usize) -> usize {
    let samples = pcm.len() / channels;
    for n in 0..samples {
        let sum: i32 = pcm[n * channels..][..channels].iter().map(|sample| i32::from(*sample)).sum();
        pcm[n] = (sum / channels as i32) as i16;
    }
    samples
}
