// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sound from memory: a prompt short enough to keep, shared by all calls that play it.

use std::sync::Arc;

use crate::format::Format;
use crate::node::{Flow, FrameInfo, Source};
use crate::tone::Repeat;

/// Plays samples from memory.
///
/// ```
/// use std::time::Duration;
/// use offhook_media::file::Clip;
/// use offhook_media::tone::Repeat;
/// use offhook_media::{Flow, Format, FrameInfo, SampleRate, Source, signal};
///
/// let beep = signal::reference_tone(SampleRate::HZ_8000, Duration::from_millis(30));
/// let mut clip = Clip::new(Format::TELEPHONE, beep, Repeat::Times(1));
/// let (mut frame, mut info) = ([0; 160], FrameInfo::default());
/// assert_eq!(clip.pull(&mut frame, &mut info), Flow::Continue);
/// assert_eq!(clip.pull(&mut frame, &mut info), Flow::End);
/// ```
#[derive(Clone, Debug)]
pub struct Clip {
    format: Format,
    samples: Arc<[i16]>,
    next: usize,
    /// Rounds left after this one; `None` without end.
    rounds: Option<u32>,
    position: u64,
}

impl Clip {
    /// Plays interleaved `samples` in `format`, `repeat`ed.
    #[must_use]
    pub fn new(format: Format, samples: impl Into<Arc<[i16]>>, repeat: Repeat) -> Self {
        let samples = samples.into();
        let rounds = match repeat {
            _ if samples.is_empty() => Some(0),
            Repeat::Forever => None,
            Repeat::Times(times) => Some(times),
        };
        Self { format, next: samples.len(), samples, rounds, position: 0 }
    }

    /// Begins a round if one is due, `false` if there is none.
    fn begin(&mut self) -> bool {
        if self.next < self.samples.len() {
            return true;
        }
        match &mut self.rounds {
            None => {}
            Some(0) => return false,
            Some(rounds) => *rounds -= 1,
        }
        self.next = 0;
        true
    }
}

impl Source for Clip {
    fn format(&self) -> Format {
        self.format
    }

    fn pull(&mut self, out: &mut [i16], info: &mut FrameInfo) -> Flow {
        *info = FrameInfo::at(self.position);
        let mut filled = 0;
        while filled < out.len() {
            if !self.begin() {
                out[filled..].fill(0);
                return Flow::End;
            }
            let count = (out.len() - filled).min(self.samples.len() - self.next);
            out[filled..filled + count].copy_from_slice(&self.samples[self.next..self.next + count]);
            self.next += count;
            filled += count;
            self.position = self.position.saturating_add((count / self.format.channels.count()) as u64);
        }
        Flow::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(clip: &mut Clip, count: usize) -> (Vec<i16>, u64, Flow) {
        let (mut out, mut info) = (vec![-1; count], FrameInfo::default());
        let flow = clip.pull(&mut out, &mut info);
        (out, info.position, flow)
    }

    #[test]
    fn rounds_join_without_a_seam_and_end_in_silence() {
        let mut clip = Clip::new(Format::TELEPHONE, [1, 2, 3], Repeat::Times(2));
        assert_eq!(pull(&mut clip, 4), (vec![1, 2, 3, 1], 0, Flow::Continue));
        assert_eq!(pull(&mut clip, 4), (vec![2, 3, 0, 0], 4, Flow::End));
        assert_eq!(pull(&mut clip, 2), (vec![0, 0], 6, Flow::End));
    }

    #[test]
    fn an_endless_clip_does_not_end_unless_it_is_empty() {
        let mut clip = Clip::new(Format::TELEPHONE, [7], Repeat::Forever);
        assert_eq!(pull(&mut clip, 500), (vec![7; 500], 0, Flow::Continue));
        let mut empty = Clip::new(Format::TELEPHONE, [], Repeat::Forever);
        assert_eq!(pull(&mut empty, 1), (vec![0], 0, Flow::End));
    }
}
