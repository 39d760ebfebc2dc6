// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sound in files: WAV and raw, read and written piece by piece, never on the tick.
//!
//! A [`Player`] reads a file into a [ring](crate::ring), a [`Recorder`] writes a ring into a file; both do a bounded
//! piece of work when asked to. [`Disk`] is the one thread that asks them.

mod clip;
mod driver;
mod encoding;
mod player;
mod raw;
mod recorder;
mod wav;

use std::io;

use thiserror::Error;

pub use clip::Clip;
pub use driver::{Disk, DiskBusy, DiskEvent, JobId, PlayOrder, RecordOrder, Storage, open};
pub use encoding::{Encoding, SoundSpec};
pub use player::{Player, Work};
pub use raw::RawReader;
pub use recorder::Recorder;
pub use wav::{WavReader, WavWriter};

use crate::format::SampleRate;
use crate::resample::{UnevenRates, convert_all};

/// Why a sound file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be read or written.
    #[error("sound file: {0}")]
    Io(#[from] io::Error),
    /// The file is not what its kind prescribes.
    #[error("wav file: {0}")]
    Malformed(&'static str),
    /// The file is of its kind but holds what this library does not read.
    #[error("wav file: {what} {found} is not supported")]
    Unsupported {
        /// What was looked at.
        what: &'static str,
        /// What was found there.
        found: u32,
    },
    /// The file would become longer than its kind allows.
    #[error("wav file: full, expected less than 4 GiB of sound")]
    Full,
    /// The file's rate cannot be converted to the call's.
    #[error("sound file: {0}")]
    Rate(#[from] UnevenRates),
}

/// Sound that is read piece by piece.
pub trait SoundRead: Send {
    /// How the sound is stored.
    fn spec(&self) -> SoundSpec;

    /// Reads interleaved samples into `out`, whole moments of all channels; zero at the end.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    fn read(&mut self, out: &mut [i16]) -> Result<usize, FileError>;

    /// Goes to a place, in samples of one channel; beyond the end is the end.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    fn seek(&mut self, position: u64) -> Result<(), FileError>;
}

impl<S: SoundRead + ?Sized> SoundRead for Box<S> {
    fn spec(&self) -> SoundSpec {
        (**self).spec()
    }

    fn read(&mut self, out: &mut [i16]) -> Result<usize, FileError> {
        (**self).read(out)
    }

    fn seek(&mut self, position: u64) -> Result<(), FileError> {
        (**self).seek(position)
    }
}

/// Reads `sound` to its end, but no more than `limit` samples of it, mixed to one channel at `rate`.
///
/// # Errors
///
/// If the file cannot be read or its rate cannot be converted.
pub fn load(sound: &mut dyn SoundRead, rate: SampleRate, limit: usize) -> Result<Vec<i16>, FileError> {
    let spec = sound.spec();
    let channels = spec.channels.count();
    let mut block = vec![0; 1_024 * channels];
    let mut samples = Vec::new();
    while samples.len() < limit {
        let count = sound.read(&mut block)?;
        if count == 0 {
            break;
        }
        samples.extend(block[..count].chunks_exact(channels).map(mixed));
    }
    samples.truncate(limit);
    Ok(convert_all(&samples, spec.rate, rate)?)
}

/// One moment of all channels as one sample: their mean, so that nothing can clip.
fn mixed(moment: &[i16]) -> i16 {
    let sum: i32 = moment.iter().map(|&sample| i32::from(sample)).sum();
    let count = i32::try_from(moment.len()).unwrap_or(1).max(1);
    (sum / count) as i16
}
