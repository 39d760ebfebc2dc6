// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two ends of every sound path: sources are pulled, sinks are pushed, by one clock per graph.
//!
//! `pull` and `push` run on the tick. They do not block, allocate, lock, log or panic; what went wrong with
//! the sound travels beside it in [`FrameInfo`], in order with the samples.

use crate::format::Format;

/// Something that gives sound when asked.
pub trait Source: Send {
    /// The format of every frame this source gives.
    fn format(&self) -> Format;

    /// Fills `out`, always whole: what the source does not have is silence, and `info` says so.
    ///
    /// `out` is one frame of [`Source::format`]; a source copes with any other length. After
    /// [`Flow::End`] the source has no more sound and gives silence.
    fn pull(&mut self, out: &mut [i16], info: &mut FrameInfo) -> Flow;
}

/// Something that takes sound when given.
pub trait Sink: Send {
    /// The format of every frame this sink takes.
    fn format(&self) -> Format;

    /// Takes `samples`, whole.
    ///
    /// After [`Flow::End`] the sink needs no more sound and ignores it.
    fn push(&mut self, samples: &[i16], info: &FrameInfo) -> Flow;
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn format(&self) -> Format {
        (**self).format()
    }

    fn pull(&mut self, out: &mut [i16], info: &mut FrameInfo) -> Flow {
        (**self).pull(out, info)
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn format(&self) -> Format {
        (**self).format()
    }

    fn push(&mut self, samples: &[i16], info: &FrameInfo) -> Flow {
        (**self).push(samples, info)
    }
}

/// Whether the other end wants to go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "a path goes on or ends; a third answer would be a new contract")]
pub enum Flow {
    /// There is more.
    Continue,
    /// This was the last frame.
    End,
}

/// What is to be known about one frame beside its samples. Counts are samples of one channel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FrameInfo {
    /// Where the first sample of the frame stands in the stream.
    pub position: u64,
    /// Samples missing from the stream just before this frame, lost and replaced by nothing.
    pub gap: u32,
    /// Samples thrown away just before this frame because the taker was too slow.
    pub overrun: u32,
    /// Samples of this frame that were made up, because the real ones were lost, late or never there.
    pub concealed: u32,
}

impl FrameInfo {
    /// A frame at `position` of which nothing else is to be said.
    #[must_use]
    pub const fn at(position: u64) -> Self {
        Self { position, gap: 0, overrun: 0, concealed: 0 }
    }

    /// Nothing is missing before this frame, nothing in it was made up.
    #[must_use]
    pub const fn is_intact(&self) -> bool {
        self.gap == 0 && self.overrun == 0 && self.concealed == 0
    }
}

/// Gives silence for ever.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    format: Format,
    position: u64,
}

impl Silence {
    /// Silence in `format`.
    #[must_use]
    pub const fn new(format: Format) -> Self {
        Self { format, position: 0 }
    }
}

impl Source for Silence {
    fn format(&self) -> Format {
        self.format
    }

    fn pull(&mut self, out: &mut [i16], info: &mut FrameInfo) -> Flow {
        out.fill(0);
        *info = FrameInfo::at(self.position);
        self.position = self.position.saturating_add((out.len() / self.format.channels.count()) as u64);
        Flow::Continue
    }
}

/// Takes sound and forgets it, counting what came.
#[derive(Clone, Copy, Debug)]
pub struct Discard {
    format: Format,
    samples: u64,
}

impl Discard {
    /// A sink for `format` that keeps nothing.
    #[must_use]
    pub const fn new(format: Format) -> Self {
        Self { format, samples: 0 }
    }

    /// Samples of one channel taken so far.
    #[must_use]
    pub const fn samples(&self) -> u64 {
        self.samples
    }
}

impl Sink for Discard {
    fn format(&self) -> Format {
        self.format
    }

    fn push(&mut self, samples: &[i16], _info: &FrameInfo) -> Flow {
        self.samples = self.samples.saturating_add((samples.len() / self.format.channels.count()) as u64);
        Flow::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_overwrites_what_was_in_the_frame() {
        let mut source: Box<dyn Source> = Box::new(Silence::new(Format::TELEPHONE));
        let mut frame = [7; 160];
        let mut info = FrameInfo::default();
        assert_eq!(source.pull(&mut frame, &mut info), Flow::Continue);
        assert_eq!(source.pull(&mut frame, &mut info), Flow::Continue);
        assert_eq!(frame, [0; 160]);
        assert_eq!(info, FrameInfo::at(160));
        assert!(info.is_intact());
    }

    #[test]
    fn a_discarding_sink_counts() {
        let mut sink = Discard::new(Format::TELEPHONE);
        assert_eq!(sink.push(&[1; 160], &FrameInfo::at(0)), Flow::Continue);
        assert_eq!(sink.samples(), 160);
    }
}
