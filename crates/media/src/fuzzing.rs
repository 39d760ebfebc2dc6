// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bodies of the fuzz targets: each takes any bytes and must come back.

use std::io::Cursor;

use crate::file::{SoundRead, WavReader};

/// Reads a WAV file to its end, then again from the middle.
pub fn wav(data: &[u8]) {
    let Ok(mut file) = WavReader::new(Cursor::new(data)) else { return };
    let mut block = [0; 1_000];
    let mut samples = 0;
    while let Ok(count @ 1..) = file.read(&mut block) {
        samples += count;
    }
    assert!(samples <= data.len(), "more samples than bytes");
    if file.seek(file.len() / 2).is_ok() {
        let _ = file.read(&mut block);
    }
}
