// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conversations of several legs: each hears the sum of all others.
//!
//! Between each two legs runs a ring each way, so that legs of different workers never wait for each other.
//! That is made for a few: the rings grow with the square of the legs.
//!
//! ```text
//!     peer ──► leg A ──► to others ═══╦═══► others ──► leg B ──► peer
//!     peer ◄── leg A ◄── others ◄═════╩════ to others ◄── leg B ◄── peer
//! ```

use std::fmt;
use std::time::Duration;

use super::TICK;
use crate::format::Format;
use crate::node::{Flow, FrameInfo, Sink, Source};
use crate::ring::{self, RingReader, RingWriter};

/// How a leg takes part in a conversation of several.
pub struct Bridging {
    /// What the others say.
    pub others: Box<dyn Source>,
    /// Takes what this leg says to the others.
    pub to_others: Box<dyn Sink>,
    /// Who talks to the others.
    pub speaker: Speaker,
}

/// Who talks to the others of a conversation through a leg.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "either end of a leg")]
pub enum Speaker {
    /// The peer: the others hear what comes in, and what they say goes out.
    Peer,
    /// The terminals of the leg, which needs no peer: the others hear what its sources say, and its sinks hear the
    /// others.
    Terminals,
}

/// How late the others may be heard: ticks of two workers do not come at the same moments.
const LATEST: Duration = TICK.saturating_mul(3);

/// Makes what legs of one format need to hear each other, in the order of `speakers`.
#[must_use]
pub fn converse(format: Format, speakers: &[Speaker]) -> Vec<Bridging> {
    let mut ends: Vec<(Vec<RingReader>, Vec<RingWriter>)> =
        speakers.iter().map(|_| (Vec::new(), Vec::new())).collect();
    for from in 0..speakers.len() {
        for to in (0..speakers.len()).filter(|to| *to != from) {
            let (writer, reader) = ring::channel(format, LATEST);
            ends[from].1.push(writer);
            ends[to].0.push(reader);
        }
    }
    let bridging = |((readers, writers), speaker): ((Vec<RingReader>, Vec<RingWriter>), &Speaker)| Bridging {
        others: Box::new(Sum::new(format, readers)),
        to_others: Box::new(Fan { format, writers }),
        speaker: *speaker,
    };
    ends.into_iter().zip(speakers).map(bridging).collect()
}

impl fmt::Debug for Bridging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridging").field("speaker", &self.speaker).finish_non_exhaustive()
    }
}

/// Adds up what others say; what is too loud together is cut.
struct Sum {
    format: Format,
    readers: Vec<RingReader>,
    one: Box<[i16]>,
    all: Box<[i32]>,
    position: u64,
}

impl Sum {
    fn new(format: Format, readers: Vec<RingReader>) -> Self {
        let room = usize::try_from(format.rate.samples_in(LATEST)).unwrap_or(0) * format.channels.count();
        Self { format, readers, one: vec![0; room].into(), all: vec![0; room].into(), position: 0 }
    }
}

impl Source for Sum {
    fn format(&self) -> Format {
        self.format
    }

    fn pull(&mut self, out: &mut [i16], info: &mut FrameInfo) -> Flow {
        *info = FrameInfo::at(self.position);
        self.position = self.position.saturating_add((out.len() / self.format.channels.count()) as u64);
        for part in out.chunks_mut(self.one.len().max(1)) {
            let (one, all) = (&mut self.one[..part.len()], &mut self.all[..part.len()]);
            all.fill(0);
            for reader in &mut self.readers {
                let mut heard = FrameInfo::default();
                // Whoever has nothing to say, or has gone, is silent.
                let _ = reader.pull(one, &mut heard);
                all.iter_mut().zip(one.iter()).for_each(|(sum, sample)| *sum += i32::from(*sample));
            }
            for (sample, sum) in part.iter_mut().zip(all.iter()) {
                *sample = (*sum).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
            }
        }
        Flow::Continue
    }
}

/// Says the same to several.
struct Fan {
    format: Format,
    writers: Vec<RingWriter>,
}

impl Sink for Fan {
    fn format(&self) -> Format {
        self.format
    }

    fn push(&mut self, samples: &[i16], info: &FrameInfo) -> Flow {
        for writer in &mut self.writers {
            // Who does not listen in time misses it; the others do not wait.
            let _ = writer.push(samples, info);
        }
        Flow::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(legs: &mut [Bridging], place: usize, value: i16) {
        let _ = legs[place].to_others.push(&[value; 160], &FrameInfo::default());
    }

    fn heard(legs: &mut [Bridging], place: usize) -> i16 {
        let (mut frame, mut info) = ([7; 160], FrameInfo::default());
        assert_eq!(legs[place].others.pull(&mut frame, &mut info), Flow::Continue);
        assert!(frame.iter().all(|sample| *sample == frame[0]));
        frame[0]
    }

    #[test]
    fn each_hears_all_others_and_not_itself() {
        let mut legs = converse(Format::TELEPHONE, &[Speaker::Peer; 3]);
        for (place, value) in [100, 20, 3].into_iter().enumerate() {
            say(&mut legs, place, value);
        }
        let sums: Vec<i16> = (0..3).map(|place| heard(&mut legs, place)).collect();
        assert_eq!(sums, [23, 103, 120]);
        assert_eq!(heard(&mut legs, 0), 0, "nothing more was said");
    }

    #[test]
    fn what_is_too_loud_is_cut_and_not_turned_over() {
        let mut legs = converse(Format::TELEPHONE, &[Speaker::Peer; 3]);
        say(&mut legs, 1, 30_000);
        say(&mut legs, 2, 30_000);
        assert_eq!(heard(&mut legs, 0), i16::MAX);
    }

    #[test]
    fn who_does_not_listen_hears_later_no_more_than_a_little() {
        let mut legs = converse(Format::TELEPHONE, &[Speaker::Peer, Speaker::Terminals]);
        (0..50).for_each(|_| say(&mut legs, 0, 5));
        let frames = (0..50).filter(|_| heard(&mut legs, 1) == 5).count();
        assert_eq!(frames, 3);
    }

    #[test]
    fn alone_one_hears_silence() {
        let mut legs = converse(Format::TELEPHONE, &[Speaker::Terminals]);
        say(&mut legs, 0, 5);
        assert_eq!(heard(&mut legs, 0), 0);
    }
}
