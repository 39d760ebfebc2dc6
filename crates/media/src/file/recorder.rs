// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes a ring into a sound file.

use std::fmt;
use std::io::{Seek, Write};
use std::time::Duration;

use super::player::Work;
use super::wav::WavWriter;
use super::{Encoding, FileError, SoundSpec};
use crate::format::Format;
use crate::node::{FrameInfo, Source};
use crate::ring::{RingControl, RingReader};

/// Samples taken from the ring at once.
const BLOCK: usize = 2_048;
/// What is missing from the sound is silence in the file, but never more than this at one place.
const LONGEST_GAP: Duration = Duration::from_secs(60);

/// Records a ring into a WAV file.
///
/// What was lost on the way to the ring is silence in the file, so that its time stays true. The header is put
/// right after every second of sound.
pub struct Recorder<W> {
    ring: RingReader,
    format: Format,
    file: Option<WavWriter<W>>,
    /// Samples of one channel at the last flush.
    flushed: u64,
    missing: u64,
}

impl<W: Write + Seek> Recorder<W> {
    /// Records `ring` into `output`, stored as `encoding`.
    ///
    /// # Errors
    ///
    /// If the output cannot be written.
    pub fn new(ring: RingReader, output: W, encoding: Encoding) -> Result<Self, FileError> {
        let format = ring.format();
        let spec = SoundSpec { encoding, rate: format.rate, channels: format.channels };
        let file = Some(WavWriter::new(output, spec)?);
        Ok(Self { ring, format, file, flushed: 0, missing: 0 })
    }

    /// Writes what is in the ring. Done when the sound is over; then the file is complete.
    ///
    /// # Errors
    ///
    /// If the file cannot be written or is full; up to the last flush it can still be played.
    pub fn pump(&mut self) -> Result<Work, FileError> {
        let Some(file) = &mut self.file else { return Ok(Work::Done) };
        let (mut block, mut info) = ([0; BLOCK], FrameInfo::default());
        loop {
            // Asked before reading: what was written before the end is read after it.
            let over = self.ring.is_over();
            let count = self.ring.read(&mut block, &mut info);
            self.missing += silence(file, self.format, &info)?;
            file.write(&block[..count])?;
            if count == 0 {
                if over {
                    return self.complete();
                }
                break;
            }
        }
        if file.len() - self.flushed >= u64::from(self.format.rate.hertz()) {
            file.flush()?;
            self.flushed = file.len();
        }
        Ok(Work::Waits)
    }

    /// Puts the header right for what was recorded so far, and ends the recording.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn complete(&mut self) -> Result<Work, FileError> {
        if let Some(file) = self.file.take() {
            self.flushed = file.len();
            file.finish()?;
        }
        Ok(Work::Done)
    }

    /// How long the recording is.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let samples = self.file.as_ref().map_or(self.flushed, WavWriter::len);
        self.format.rate.duration_of(samples)
    }

    /// How much of it is silence because the sound was lost.
    #[must_use]
    pub fn missing(&self) -> Duration {
        self.format.rate.duration_of(self.missing)
    }

    /// A handle to watch and steer the ring with.
    #[must_use]
    pub fn control(&self) -> RingControl {
        self.ring.control()
    }
}

impl<W> fmt::Debug for Recorder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("ring", &self.ring).finish_non_exhaustive()
    }
}

/// Writes silence for what is missing before a piece; returns its length.
fn silence<W: Write + Seek>(
    file: &mut WavWriter<W>,
    format: Format,
    info: &FrameInfo,
) -> Result<u64, FileError> {
    let lost = u64::from(info.gap) + u64::from(info.overrun);
    let lost = lost.min(format.rate.samples_in(LONGEST_GAP));
    let quiet = [0; BLOCK];
    let mut left = usize::try_from(lost).unwrap_or(0).saturating_mul(format.channels.count());
    while left > 0 {
        let count = left.min(quiet.len());
        file.write(&quiet[..count])?;
        left -= count;
    }
    Ok(lost)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Error, SeekFrom};

    use super::*;
    use crate::file::{SoundRead, WavReader};
    use crate::node::Sink;
    use crate::ring::{self, RingWriter};

    fn recorder() -> (RingWriter, Recorder<Cursor<Vec<u8>>>) {
        let (writer, reader) = ring::channel(Format::TELEPHONE, Duration::from_millis(100));
        (writer, Recorder::new(reader, Cursor::new(Vec::new()), Encoding::PcmS16).unwrap())
    }

    /// A disk that is full from the start of the sound.
    struct FullDisk(u64);

    impl Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0 >= 44 {
                return Err(Error::other("no space left"));
            }
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Seek for FullDisk {
        fn seek(&mut self, _: SeekFrom) -> std::io::Result<u64> {
            Ok(self.0)
        }
    }

    #[test]
    fn what_was_lost_is_silence_in_its_place() {
        let (mut writer, mut recorder) = recorder();
        let _ = writer.push(&[1; 160], &FrameInfo::default());
        let _ = writer.push(&[2; 160], &FrameInfo { gap: 320, ..FrameInfo::default() });
        drop(writer);
        assert_eq!(recorder.pump().unwrap(), Work::Done);
        assert_eq!(recorder.pump().unwrap(), Work::Done);
        assert_eq!(recorder.duration(), Duration::from_millis(80));
        assert_eq!(recorder.missing(), Duration::from_millis(40));
    }

    #[test]
    fn the_file_is_the_sound() {
        let (mut writer, reader) = ring::channel(Format::TELEPHONE, Duration::from_millis(100));
        let mut disk = Cursor::new(Vec::new());
        let mut recorder = Recorder::new(reader, &mut disk, Encoding::Alaw).unwrap();
        for _ in 0..200 {
            let _ = writer.push(&[8; 160], &FrameInfo::default());
            assert_eq!(recorder.pump().unwrap(), Work::Waits);
        }
        writer.control().finish();
        assert_eq!(recorder.pump().unwrap(), Work::Done);
        drop(recorder);
        let mut file = WavReader::new(disk).unwrap();
        let mut heard = vec![0; 40_000];
        assert_eq!(file.read(&mut heard).unwrap(), 32_000);
        assert!(heard[..32_000].iter().all(|&sample| sample == 8));
    }

    #[test]
    fn an_absurd_gap_is_cut() {
        let (mut writer, mut recorder) = recorder();
        let _ = writer.push(&[1], &FrameInfo { gap: u32::MAX, overrun: u32::MAX, ..FrameInfo::default() });
        let _ = recorder.pump().unwrap();
        assert_eq!(recorder.missing(), LONGEST_GAP);
    }

    #[test]
    fn a_full_disk_fails_the_recording() {
        let (mut writer, reader) = ring::channel(Format::TELEPHONE, Duration::from_secs(2));
        let mut recorder = Recorder::new(reader, FullDisk(0), Encoding::PcmS16).unwrap();
        let _ = writer.push(&[1; 16_000], &FrameInfo::default());
        let failed = recorder.pump().unwrap_err();
        assert_eq!(failed.to_string(), "sound file: no space left");
    }
}
