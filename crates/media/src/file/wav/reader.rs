// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads WAV files.

use std::io::{Read, Seek, SeekFrom};

use super::{ENCODINGS, EXTENSIBLE, TAIL};
use crate::file::encoding::SoundSpec;
use crate::file::raw::RawReader;
use crate::file::{FileError, SoundRead};
use crate::format::{Channels, SampleRate};

/// Chunks looked at before giving up.
const MOST_CHUNKS: usize = 1_000;
/// Bytes of an extended format chunk; more are not looked at.
const FORMAT: usize = 40;

/// Reads a WAV file: linear, floating point, µ-law or A-law, with any number of channels.
///
/// A size that goes beyond the file, as a crashed writer leaves it, means "to the end of the file".
///
/// ```
/// use std::io::Cursor;
/// use offhook_media::SampleRate;
/// use offhook_media::file::{Encoding, SoundRead, SoundSpec, WavReader, WavWriter};
///
/// let spec = SoundSpec::mono(Encoding::Ulaw, SampleRate::HZ_8000);
/// let mut writer = WavWriter::new(Cursor::new(Vec::new()), spec).unwrap();
/// writer.write(&[0; 8]).unwrap();
/// let mut reader = WavReader::new(writer.finish().unwrap()).unwrap();
/// assert_eq!((reader.spec(), reader.len()), (spec, 8));
/// assert_eq!(reader.read(&mut [1; 100]).unwrap(), 8);
/// ```
#[derive(Debug)]
pub struct WavReader<R> {
    sound: RawReader<R>,
}

impl<R: Read + Seek + Send> WavReader<R> {
    /// Reads the header of `input` and stops before the first sample.
    ///
    /// # Errors
    ///
    /// If the input cannot be read, is no WAV file, or holds an encoding, a rate or a number of channels that is
    /// not supported.
    pub fn new(mut input: R) -> Result<Self, FileError> {
        let end = input.seek(SeekFrom::End(0))?;
        input.seek(SeekFrom::Start(0))?;
        let mut head = [0; 12];
        read_exact(&mut input, &mut head)?;
        // RF64 is the same with sizes that do not fit; they are doubted anyway.
        if !matches!(&head[..4], b"RIFF" | b"RF64") || &head[8..] != b"WAVE" {
            return Err(FileError::Malformed("no RIFF WAVE header, expected one at the start"));
        }
        let mut at = head.len() as u64;
        let mut spec = None;
        for _ in 0..MOST_CHUNKS {
            if at >= end {
                break;
            }
            input.seek(SeekFrom::Start(at))?;
            let mut chunk = [0; 8];
            read_exact(&mut input, &mut chunk)?;
            let size = u64::from(u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]));
            let body = at + chunk.len() as u64;
            match &chunk[..4] {
                b"fmt " => spec = Some(read_format(&mut input, size)?),
                b"data" => {
                    let spec =
                        spec.ok_or(FileError::Malformed("data chunk without a fmt chunk before it"))?;
                    let length = size.min(end.saturating_sub(body));
                    return Ok(Self { sound: RawReader::part(input, spec, body, length)? });
                }
                _ => {}
            }
            // Chunks are padded to even sizes.
            at = body + size + size % 2;
        }
        Err(FileError::Malformed("no data chunk, expected one"))
    }

    /// Samples of each channel.
    pub const fn len(&self) -> u64 {
        self.sound.len()
    }

    /// Whether there is no sound.
    pub const fn is_empty(&self) -> bool {
        self.sound.is_empty()
    }
}

impl<R: Read + Seek + Send> SoundRead for WavReader<R> {
    fn spec(&self) -> SoundSpec {
        self.sound.spec()
    }

    fn read(&mut self, out: &mut [i16]) -> Result<usize, FileError> {
        self.sound.read(out)
    }

    fn seek(&mut self, position: u64) -> Result<(), FileError> {
        self.sound.seek(position)
    }
}

fn read_format(input: &mut impl Read, size: u64) -> Result<SoundSpec, FileError> {
    let mut body = [0; FORMAT];
    let length = usize::try_from(size).unwrap_or(FORMAT).min(FORMAT);
    if length < 16 {
        return Err(FileError::Malformed("fmt chunk of less than 16 bytes"));
    }
    read_exact(input, &mut body[..length])?;
    let two = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
    let mut tag = two(0);
    if tag == EXTENSIBLE {
        if length < FORMAT || body[26..] != TAIL {
            return Err(FileError::Malformed("extended fmt chunk without a known format in it"));
        }
        tag = two(24);
    }
    let rate = u32::from_le_bytes([body[4], body[5], body[6], body[7]]);
    let rate = SampleRate::new(rate).ok_or(FileError::Unsupported { what: "rate", found: rate })?;
    let count = two(2);
    let channels = u8::try_from(count).ok().and_then(Channels::new);
    let channels =
        channels.ok_or_else(|| FileError::Unsupported { what: "number of channels", found: count.into() })?;
    let bits = two(14);
    let mut same_tag = ENCODINGS.iter().filter(|row| row.0 == tag).peekable();
    if same_tag.peek().is_none() {
        return Err(FileError::Unsupported { what: "format tag", found: tag.into() });
    }
    let row = same_tag.find(|row| row.1 == bits);
    let row = row.ok_or_else(|| FileError::Unsupported { what: "number of bits", found: bits.into() })?;
    Ok(SoundSpec { encoding: row.2, rate, channels })
}

/// Like [`Read::read_exact`], but an early end is the file's fault, not the disk's.
fn read_exact(input: &mut impl Read, out: &mut [u8]) -> Result<(), FileError> {
    input.read_exact(out).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => FileError::Malformed("ends within its header"),
        _ => FileError::Io(error),
    })
}
