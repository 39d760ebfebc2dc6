// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of bounded length, from sockets and pipes.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

/// Reads lines and never keeps more than one.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    /// What has come of the present line; kept here so that reading may be interrupted.
    line: Vec<u8>,
    longest: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(reader: R, longest: usize) -> Self {
        Self { reader: BufReader::new(reader), line: Vec::new(), longest }
    }

    /// The next line that is not empty, or nothing at the end. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            let room = self.longest.saturating_sub(self.line.len());
            let limit = u64::try_from(room).unwrap_or(u64::MAX);
            let read = (&mut self.reader).take(limit).read_until(b'\n', &mut self.line).await;
            match read {
                Err(error) => return Err(error.to_string()),
                Ok(_) if self.line.ends_with(b"\n") => {
                    let line = std::mem::take(&mut self.line);
                    if line.iter().all(u8::is_ascii_whitespace) {
                        continue;
                    }
                    return Ok(Some(line));
                }
                Ok(0) if self.line.len() >= self.longest => {
                    return Err(format!("expected a line of at most {} bytes", self.longest));
                }
                Ok(0) => return Ok(None),
                Ok(_) => {}
            }
        }
    }
}
