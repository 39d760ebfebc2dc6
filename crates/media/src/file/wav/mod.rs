// SPDX-License-Identifier: MIT OR Apache-2.0
//! WAV files. Headers come from strangers: every size in them is doubted.

mod reader;
mod writer;

pub use reader::WavReader;
pub use writer::WavWriter;

use super::Encoding;

/// The tag that says the real one is in the extension.
const EXTENSIBLE: u16 = 0xfffe;
/// What follows the tag in the sixteen bytes of an extended format, the same for all tags.
const TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/// The encodings by format tag and bits of a sample.
const ENCODINGS: [(u16, u16, Encoding); 7] = [
    (1, 8, Encoding::PcmU8),
    (1, 16, Encoding::PcmS16),
    (1, 24, Encoding::PcmS24),
    (1, 32, Encoding::PcmS32),
    (3, 32, Encoding::Float32),
    (6, 8, Encoding::Alaw),
    (7, 8, Encoding::Ulaw),
];

#[cfg(test)]
mod tests;
