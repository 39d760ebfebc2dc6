// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads sound files into a ring.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::{FileError, SoundRead, mixed};
use crate::format::SampleRate;
use crate::resample::Resampler;
use crate::ring::{RingControl, RingWriter};
use crate::tone::Repeat;

/// Moments read from a file at once.
const BLOCK: usize = 1_024;

/// What is left to do after a piece of work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "work is done or it is not")]
pub enum Work {
    /// Nothing now; ask again soon.
    Waits,
    /// Nothing ever again.
    Done,
}

/// Plays a list of files, one after the other, into a mono ring at the ring's rate.
///
/// It is pure: it works when [`Player::pump`] is called, as much as the ring has room for.
pub struct Player {
    files: VecDeque<Box<dyn SoundRead>>,
    /// Files of this round that were played already.
    played: VecDeque<Box<dyn SoundRead>>,
    /// Rounds left after this one; `None` without end.
    rounds: Option<u32>,
    ring: RingWriter,
    rate: SampleRate,
    resampler: Option<Resampler>,
    converted: Vec<i16>,
    /// Converted samples that the ring has taken.
    taken: usize,
    /// Whether this round gave any sound, so that files without any cannot go round for ever.
    sounded: bool,
}

impl Player {
    /// Plays `files` in order, the whole list as often as `repeat` says, into `ring`.
    ///
    /// # Errors
    ///
    /// If the rate of a file cannot be converted to the ring's.
    pub fn new(
        files: Vec<Box<dyn SoundRead>>,
        repeat: Repeat,
        ring: RingWriter,
        rate: SampleRate,
    ) -> Result<Self, FileError> {
        for file in &files {
            converter(&**file, rate)?;
        }
        let rounds = match repeat {
            Repeat::Forever => None,
            Repeat::Times(times) => Some(times),
        };
        let resampler = files.first().map(|file| converter(file, rate)).transpose()?.flatten();
        let files = if rounds == Some(0) { VecDeque::new() } else { files.into() };
        Ok(Self {
            files,
            played: VecDeque::new(),
            rounds: rounds.map(|rounds| rounds.saturating_sub(1)),
            ring,
            rate,
            resampler,
            converted: Vec::new(),
            taken: 0,
            sounded: false,
        })
    }

    /// Fills the ring. Done when all was read, or when nobody listens any more.
    ///
    /// # Errors
    ///
    /// If a file cannot be read; the sound ends there.
    pub fn pump(&mut self) -> Result<Work, FileError> {
        loop {
            self.taken += self.ring.write(&self.converted[self.taken..]);
            if self.taken < self.converted.len() {
                return Ok(if self.ring.is_abandoned() { Work::Done } else { Work::Waits });
            }
            if !self.read()? {
                self.ring.control().finish();
                return Ok(Work::Done);
            }
        }
    }

    /// Throws away what is in the ring and goes on `at` this place of the file that is being read.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn seek(&mut self, at: Duration) -> Result<(), FileError> {
        if let Some(file) = self.files.front_mut() {
            file.seek(file.spec().rate.samples_in(at))?;
        }
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
        }
        self.converted.clear();
        self.taken = 0;
        self.ring.control().flush();
        Ok(())
    }

    /// Whether nothing waits in the ring to be heard, or nobody is there to hear it.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.ring.is_abandoned() || self.ring.control().progress().waiting() == 0
    }

    /// A handle to watch and steer the ring with.
    #[must_use]
    pub fn control(&self) -> RingControl {
        self.ring.control()
    }

    /// Reads and converts the next block, `false` if there is none.
    fn read(&mut self) -> Result<bool, FileError> {
        self.converted.clear();
        self.taken = 0;
        loop {
            let Some(file) = self.files.front_mut() else { return Ok(false) };
            let channels = file.spec().channels.count();
            let mut block = vec![0; BLOCK * channels];
            let count = file.read(&mut block)?;
            if count == 0 {
                self.turn_over()?;
                continue;
            }
            self.sounded = true;
            let mono: Vec<i16> = block[..count].chunks_exact(channels).map(mixed).collect();
            match &mut self.resampler {
                None => self.converted = mono,
                Some(resampler) => {
                    self.converted.resize(resampler.most(mono.len()), 0);
                    let count = resampler.convert(&mono, &mut self.converted);
                    self.converted.truncate(count);
                }
            }
            return Ok(true);
        }
    }

    /// Goes to the next file, or to the first of the next round.
    fn turn_over(&mut self) -> Result<(), FileError> {
        self.played.extend(self.files.pop_front());
        if self.files.is_empty() && self.sounded && self.rounds != Some(0) {
            self.rounds = self.rounds.map(|rounds| rounds.saturating_sub(1));
            self.sounded = false;
            std::mem::swap(&mut self.files, &mut self.played);
            for file in &mut self.files {
                file.seek(0)?;
            }
        }
        // The same file again needs no new converter: its sound goes on without a seam.
        let from = self.played.back().map(|file| file.spec().rate);
        if let Some(file) = self.files.front()
            && from != Some(file.spec().rate)
        {
            self.resampler = converter(file, self.rate)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

fn converter(file: &dyn SoundRead, rate: SampleRate) -> Result<Option<Resampler>, FileError> {
    let from = file.spec().rate;
    Ok(if from == rate { None } else { Some(Resampler::new(from, rate)?) })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::file::{Encoding, RawReader, SoundSpec};
    use crate::format::{Channels, Format};
    use crate::node::{Flow, FrameInfo, Source};
    use crate::ring::{self, RingReader};
    use crate::signal;
    use crate::tone::analysis::analyse;

    fn file(rate: SampleRate, channels: Channels, samples: &[i16]) -> Box<dyn SoundRead> {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let spec = SoundSpec { encoding: Encoding::PcmS16, rate, channels };
        Box::new(RawReader::new(Cursor::new(bytes), spec).unwrap())
    }

    fn telephone(samples: &[i16]) -> Box<dyn SoundRead> {
        file(SampleRate::HZ_8000, Channels::MONO, samples)
    }

    fn player(files: Vec<Box<dyn SoundRead>>, repeat: Repeat) -> (Player, RingReader) {
        let (writer, reader) = ring::channel(Format::TELEPHONE, Duration::from_millis(100));
        (Player::new(files, repeat, writer, SampleRate::HZ_8000).unwrap(), reader)
    }

    /// Pumps and pulls by turns, as the disk thread and the tick would.
    fn heard(player: &mut Player, reader: &mut RingReader, frames: usize) -> Vec<i16> {
        let (mut heard, mut frame, mut info) = (Vec::new(), [0; 160], FrameInfo::default());
        for _ in 0..frames {
            let _ = player.pump().unwrap();
            let flow = reader.pull(&mut frame, &mut info);
            assert_eq!(info.concealed, 0);
            heard.extend_from_slice(&frame);
            if flow == Flow::End {
                let length = usize::try_from(reader.control().progress().position).unwrap();
                heard.truncate(length);
                break;
            }
        }
        heard
    }

    #[test]
    fn a_playlist_is_played_in_order_and_repeated() {
        let files = vec![telephone(&[1; 500]), telephone(&[]), telephone(&[2; 300])];
        let (mut player, mut reader) = player(files, Repeat::Times(2));
        let heard = heard(&mut player, &mut reader, 100);
        let round = [vec![1; 500], vec![2; 300]].concat();
        assert_eq!(heard, [round.clone(), round].concat());
        assert_eq!(player.pump().unwrap(), Work::Done);
    }

    #[test]
    fn files_without_sound_do_not_go_round_for_ever() {
        for repeat in [Repeat::Forever, Repeat::Times(u32::MAX), Repeat::Times(0)] {
            let (mut player, mut reader) = player(vec![telephone(&[]), telephone(&[])], repeat);
            assert_eq!(player.pump().unwrap(), Work::Done);
            assert_eq!(heard(&mut player, &mut reader, 5).len(), 0);
        }
    }

    #[test]
    fn a_stereo_file_at_48_khz_is_heard_at_8() {
        let tone = signal::reference_tone(SampleRate::HZ_48000, Duration::from_secs(1));
        let stereo: Vec<i16> = tone.iter().flat_map(|&sample| [sample, sample]).collect();
        let files = vec![file(SampleRate::HZ_48000, Channels::STEREO, &stereo)];
        let (mut player, mut reader) = player(files, Repeat::Times(1));
        let heard = heard(&mut player, &mut reader, 100);
        assert_eq!(heard.len(), 8_000);
        let report = analyse(&heard, SampleRate::HZ_8000).unwrap();
        assert!(report.matches(1_004.0, signal::REFERENCE_LEVEL, &Default::default()), "{report:?}");
    }

    #[test]
    fn seeking_drops_what_waits_and_goes_on_there() {
        let samples: Vec<i16> = (0..4_000).collect();
        let (mut player, mut reader) = player(vec![telephone(&samples)], Repeat::Times(1));
        assert_eq!(player.pump().unwrap(), Work::Waits);
        player.seek(Duration::from_millis(250)).unwrap();
        let (mut frame, mut info) = ([0; 160], FrameInfo::default());
        assert_eq!(reader.pull(&mut frame, &mut info), Flow::Continue);
        assert_eq!(info.concealed, 160);
        assert_eq!(player.pump().unwrap(), Work::Waits);
        assert_eq!(reader.pull(&mut frame, &mut info), Flow::Continue);
        assert_eq!(frame[0], 2_000);
    }

    #[test]
    fn a_player_without_a_listener_is_done() {
        let (mut player, reader) = player(vec![telephone(&[1; 5_000])], Repeat::Forever);
        assert_eq!(player.pump().unwrap(), Work::Waits);
        drop(reader);
        assert_eq!(player.pump().unwrap(), Work::Done);
    }

    #[test]
    fn an_impossible_rate_is_refused_at_once() {
        let (writer, _reader) = ring::channel(Format::TELEPHONE, Duration::from_millis(100));
        let odd = file(SampleRate::new(44_099).unwrap(), Channels::MONO, &[0; 9]);
        let refused = Player::new(vec![odd], Repeat::Forever, writer, SampleRate::HZ_8000);
        assert!(matches!(refused, Err(FileError::Rate(_))));
    }
}
