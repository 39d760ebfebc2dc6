// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sound without a header: the reader must be told what it is.

use std::io::{Read, Seek, SeekFrom};

use super::encoding::SoundSpec;
use super::{FileError, SoundRead};

/// Bytes read at once.
const BLOCK: usize = 4_096;

/// Reads raw samples from anything that can be read and sought.
#[derive(Debug)]
pub struct RawReader<R> {
    input: R,
    spec: SoundSpec,
    start: u64,
    length: u64,
    next: u64,
    block: Box<[u8]>,
}

impl<R: Read + Seek + Send> RawReader<R> {
    /// Reads `input` from its beginning as `spec` says; what is left of the last moment is ignored.
    ///
    /// # Errors
    ///
    /// If the input cannot be read.
    pub fn new(mut input: R, spec: SoundSpec) -> Result<Self, FileError> {
        let length = input.seek(SeekFrom::End(0))?;
        Self::part(input, spec, 0, length)
    }

    /// Reads `length` bytes of `input` from `start`.
    pub(super) fn part(mut input: R, spec: SoundSpec, start: u64, length: u64) -> Result<Self, FileError> {
        input.seek(SeekFrom::Start(start))?;
        let length = length - length % spec.moment() as u64;
        Ok(Self { input, spec, start, length, next: 0, block: vec![0; BLOCK].into_boxed_slice() })
    }

    /// Samples of each channel.
    pub const fn len(&self) -> u64 {
        self.length / self.spec.moment() as u64
    }

    /// Whether there is no sound.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Reads whole samples into the block, at most `most` bytes; returns how many bytes.
    fn fill(&mut self, most: usize) -> Result<usize, FileError> {
        let left = usize::try_from(self.length - self.next).unwrap_or(usize::MAX);
        let moment = self.spec.moment();
        let wanted = most.min(left).min(BLOCK) / moment * moment;
        let mut filled = 0;
        while filled < wanted {
            match self.input.read(&mut self.block[filled..wanted]) {
                Ok(0) => break,
                Ok(count) => filled += count.min(wanted - filled),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if filled < wanted {
            // Cut short since it was opened: what is there is all there is.
            self.length = self.next + (filled / moment * moment) as u64;
        }
        Ok(filled / moment * moment)
    }
}

impl<R: Read + Seek + Send> SoundRead for RawReader<R> {
    fn spec(&self) -> SoundSpec {
        self.spec
    }

    fn read(&mut self, out: &mut [i16]) -> Result<usize, FileError> {
        let mut done = 0;
        while done < out.len() {
            let bytes = self.fill((out.len() - done).saturating_mul(self.spec.encoding.bytes()))?;
            if bytes == 0 {
                break;
            }
            done += self.spec.encoding.decode(&self.block[..bytes], &mut out[done..]);
            self.next += bytes as u64;
        }
        Ok(done)
    }

    fn seek(&mut self, position: u64) -> Result<(), FileError> {
        self.next = position.saturating_mul(self.spec.moment() as u64).min(self.length);
        self.input.seek(SeekFrom::Start(self.start.saturating_add(self.next)))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::file::Encoding;
    use crate::format::{Channels, SampleRate};

    #[test]
    fn raw_stereo_is_read_in_whole_moments() {
        let spec =
            SoundSpec { encoding: Encoding::PcmS16, rate: SampleRate::HZ_8000, channels: Channels::STEREO };
        let bytes: Vec<u8> = (0..23).collect();
        let mut raw = RawReader::new(Cursor::new(bytes), spec).unwrap();
        assert_eq!(raw.len(), 5);
        let mut out = [0; 7];
        assert_eq!(raw.read(&mut out).unwrap(), 6);
        assert_eq!(raw.read(&mut out).unwrap(), 4);
        assert_eq!(raw.read(&mut out).unwrap(), 0);
        raw.seek(4).unwrap();
        assert_eq!(raw.read(&mut out).unwrap(), 2);
        assert_eq!(out[0], 0x1110);
        raw.seek(u64::MAX).unwrap();
        assert_eq!(raw.read(&mut out).unwrap(), 0);
    }

    #[test]
    fn long_sound_is_read_over_many_blocks() {
        let spec = SoundSpec::mono(Encoding::Ulaw, SampleRate::HZ_8000);
        let mut raw = RawReader::new(Cursor::new(vec![0xff; 10_000]), spec).unwrap();
        let mut out = vec![1; 20_000];
        assert_eq!(raw.read(&mut out).unwrap(), 10_000);
        assert!(out[..10_000].iter().all(|&sample| sample == 0));
    }
}
