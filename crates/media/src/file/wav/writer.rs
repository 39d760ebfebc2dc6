// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes WAV files that can be played at any moment, even if the program never comes back to them.

use std::io::{Seek, SeekFrom, Write};

use super::ENCODINGS;
use crate::file::FileError;
use crate::file::encoding::{Encoding, SoundSpec};

/// Bytes collected before they are written.
const BLOCK: usize = 16_384;
/// What a header may take; the rest of 4 GiB is for sound.
const MOST_BYTES: u64 = u32::MAX as u64 - 64;

/// Writes a WAV file piece by piece.
///
/// The sizes in the header are put right by every [`WavWriter::flush`], so a file left behind by a crash plays up
/// to the last of them.
#[derive(Debug)]
pub struct WavWriter<W> {
    output: W,
    spec: SoundSpec,
    block: Vec<u8>,
    /// Bytes of sound, collected ones too.
    length: u64,
    header: Header,
}

impl<W: Write + Seek> WavWriter<W> {
    /// Begins a file at the start of `output`.
    ///
    /// # Errors
    ///
    /// If the output cannot be written.
    pub fn new(mut output: W, spec: SoundSpec) -> Result<Self, FileError> {
        let header = Header::new(spec);
        output.seek(SeekFrom::Start(0))?;
        output.write_all(&header.bytes(0))?;
        Ok(Self { output, spec, block: Vec::with_capacity(BLOCK), length: 0, header })
    }

    /// How the sound is stored.
    pub const fn spec(&self) -> SoundSpec {
        self.spec
    }

    /// Samples of each channel written so far.
    pub const fn len(&self) -> u64 {
        self.length / self.spec.moment() as u64
    }

    /// Whether nothing was written yet.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Writes interleaved samples.
    ///
    /// # Errors
    ///
    /// If the output cannot be written, or the file would become too long for its kind; then nothing is written.
    pub fn write(&mut self, samples: &[i16]) -> Result<(), FileError> {
        let added = (samples.len() as u64).saturating_mul(self.spec.encoding.bytes() as u64);
        if self.length.saturating_add(added) > MOST_BYTES {
            return Err(FileError::Full);
        }
        for part in samples.chunks(BLOCK / 4) {
            if self.block.len() + part.len() * self.spec.encoding.bytes() > BLOCK {
                self.write_block()?;
            }
            self.spec.encoding.encode(part, &mut self.block);
        }
        self.length += added;
        Ok(())
    }

    /// Hands everything to the output and puts the header right.
    ///
    /// # Errors
    ///
    /// If the output cannot be written.
    pub fn flush(&mut self) -> Result<(), FileError> {
        self.write_block()?;
        self.output.seek(SeekFrom::Start(0))?;
        self.output.write_all(&self.header.bytes(self.length))?;
        self.output.seek(SeekFrom::End(0))?;
        Ok(self.output.flush()?)
    }

    /// Completes the file and gives the output back.
    ///
    /// # Errors
    ///
    /// If the output cannot be written.
    pub fn finish(mut self) -> Result<W, FileError> {
        self.write_block()?;
        if self.length % 2 == 1 {
            self.output.write_all(&[0])?;
        }
        self.flush()?;
        Ok(self.output)
    }

    fn write_block(&mut self) -> Result<(), FileError> {
        let written = self.output.write_all(&self.block);
        self.block.clear();
        Ok(written?)
    }
}

/// What stands before the sound.
#[derive(Debug)]
struct Header {
    spec: SoundSpec,
    tag: u16,
    bits: u16,
}

impl Header {
    fn new(spec: SoundSpec) -> Self {
        let row = ENCODINGS.iter().find(|row| row.2 == spec.encoding);
        let (tag, bits) = row.map_or((1, 16), |row| (row.0, row.1));
        Self { spec, tag, bits }
    }

    /// The header for `length` bytes of sound.
    fn bytes(&self, length: u64) -> Vec<u8> {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let moment = u32::try_from(self.spec.moment()).unwrap_or(u32::MAX);
        let rate = self.spec.rate.hertz();
        let channels = u16::try_from(self.spec.channels.count()).unwrap_or(u16::MAX);
        // All but whole numbers have an extension, empty here, and say how many samples there are.
        let whole = !matches!(self.spec.encoding, Encoding::Alaw | Encoding::Float32 | Encoding::Ulaw);
        let mut format = Vec::with_capacity(18);
        format.extend_from_slice(&self.tag.to_le_bytes());
        format.extend_from_slice(&channels.to_le_bytes());
        format.extend_from_slice(&rate.to_le_bytes());
        format.extend_from_slice(&rate.saturating_mul(moment).to_le_bytes());
        format.extend_from_slice(&u16::try_from(moment).unwrap_or(u16::MAX).to_le_bytes());
        format.extend_from_slice(&self.bits.to_le_bytes());
        let mut chunks = Vec::with_capacity(64);
        chunks.extend_from_slice(b"WAVE");
        if whole {
            chunk(&mut chunks, *b"fmt ", &format);
        } else {
            format.extend_from_slice(&[0, 0]);
            chunk(&mut chunks, *b"fmt ", &format);
            chunk(&mut chunks, *b"fact", &(length / moment.max(1)).to_le_bytes());
        }
        chunks.extend_from_slice(b"data");
        chunks.extend_from_slice(&length.to_le_bytes());
        let after = u64::from(length) + u64::from(length % 2);
        let riff = u32::try_from(chunks.len() as u64 + after).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(8 + chunks.len());
        bytes.extend_from_slice(b"RIFF");
        bytes.extend_from_slice(&riff.to_le_bytes());
        bytes.extend_from_slice(&chunks);
        bytes
    }
}

fn chunk(out: &mut Vec<u8>, name: [u8; 4], body: &[u8]) {
    out.extend_from_slice(&name);
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(body);
}
