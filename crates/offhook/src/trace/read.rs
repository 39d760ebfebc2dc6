// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading a trace: replaying it and drawing it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use offhook_core::ladder::{Arrow, draw};
use offhook_core::{Output, Switch};
use offhook_spi::{Machine, Moment};

use super::{FORMAT, Header, Line};

/// A trace cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The file cannot be read.
    #[error("the trace '{path}' cannot be read: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not part of a trace.
    #[error("line {line} of the trace '{path}' is not what was expected: {source}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What was expected.
        source: serde_json::Error,
    },
    /// The trace has a gap, so that a replay would differ.
    #[error("{count} lines are missing before line {line} of the trace '{path}', it cannot be replayed")]
    Gap {
        /// Which file.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// How many lines are missing.
        count: u64,
    },
    /// The trace was written by another version.
    #[error("the trace '{path}' has format {found}, expected {FORMAT}")]
    Format {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u16,
    },
}

/// What came of a replay.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Replayed {
    /// Inputs that were given to the switch.
    pub inputs: u64,
    /// Outputs that were compared.
    pub outputs: u64,
    /// Where the outputs differ; at most [`Replayed::MOST`] are kept.
    pub differences: Vec<Difference>,
}

impl Replayed {
    /// The most differences that a replay keeps.
    pub const MOST: usize = 20;
}

/// An output that differs from the trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Line of the trace, counted from 1.
    pub line: usize,
    /// When.
    pub at: Moment,
    /// What the trace has; nothing when the replay said more.
    pub recorded: Option<Box<Output>>,
    /// What the replay said; nothing when it said less.
    pub replayed: Option<Box<Output>>,
}

/// Runs a new switch over the inputs of a trace and compares what comes out.
///
/// # Errors
/// When the file cannot be read, is not a trace, or has a gap. A trace that was cut off in the middle
/// of a line is replayed up to there.
pub fn replay(path: impl AsRef<Path>) -> Result<Replayed, TraceError> {
    let path = path.as_ref();
    let mut trace = Reader::open(path)?;
    let mut switch = Switch::new(trace.header.policy.clone());
    let mut said: VecDeque<Output> = VecDeque::new();
    let mut replayed = Replayed::default();
    let mut last = Moment::ZERO;
    while let Some((number, line)) = trace.next()? {
        match line {
            Line::Out(at, recorded) => {
                replayed.outputs = replayed.outputs.saturating_add(1);
                let now = said.pop_front();
                if now.as_ref() != Some(&recorded) {
                    replayed.differ(number, at, Some(recorded), now);
                }
                continue;
            }
            Line::Lost(count) => {
                return Err(TraceError::Gap { path: path.to_owned(), line: number, count });
            }
            Line::In(at, input) => {
                replayed.surplus(number, last, &mut said);
                replayed.inputs = replayed.inputs.saturating_add(1);
                switch.handle(at, input);
                last = at;
            }
            Line::Wake(at) => {
                replayed.surplus(number, last, &mut said);
                switch.handle_timeout(at);
                last = at;
            }
        }
        said.extend(std::iter::from_fn(|| switch.poll()));
    }
    if !trace.cut_off {
        replayed.surplus(trace.line, last, &mut said);
    }
    Ok(replayed)
}

/// Draws a trace: applications, core, telephony and media providers as columns, messages as arrows.
///
/// # Errors
/// When the file cannot be read or is not a trace.
pub fn ladder(path: impl AsRef<Path>) -> Result<String, TraceError> {
    let mut trace = Reader::open(path.as_ref())?;
    let mut arrows = Vec::new();
    while let Some((_, line)) = trace.next()? {
        arrows.extend(match line {
            Line::In(at, input) => Arrow::of_input(at, &input),
            Line::Out(at, output) => Arrow::of_output(at, &output),
            Line::Lost(_) | Line::Wake(_) => None,
        });
    }
    Ok(draw(&arrows))
}

impl Replayed {
    fn differ(&mut self, line: usize, at: Moment, recorded: Option<Output>, replayed: Option<Output>) {
        if self.differences.len() < Self::MOST {
            let (recorded, replayed) = (recorded.map(Box::new), replayed.map(Box::new));
            self.differences.push(Difference { line, at, recorded, replayed });
        }
    }

    /// What the replay said and the trace did not.
    fn surplus(&mut self, line: usize, at: Moment, said: &mut VecDeque<Output>) {
        for output in said.drain(..) {
            self.differ(line, at, None, Some(output));
        }
    }
}

/// Reads a trace line by line.
struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    header: Header,
    /// The line read last, counted from 1.
    line: usize,
    /// Whether the file ends in the middle of a line.
    cut_off: bool,
}

impl Reader {
    fn open(path: &Path) -> Result<Self, TraceError> {
        let failed = |source| TraceError::Io { path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        let mut text = String::new();
        file.read_line(&mut text).map_err(failed)?;
        let header: Header = serde_json::from_str(&text).map_err(|source| TraceError::Line {
            path: path.to_owned(),
            line: 1,
            source,
        })?;
        if header.offhook_trace != FORMAT {
            return Err(TraceError::Format { path: path.to_owned(), found: header.offhook_trace });
        }
        Ok(Self { path: path.to_owned(), file, header, line: 1, cut_off: false })
    }

    fn next(&mut self) -> Result<Option<(usize, Line)>, TraceError> {
        let mut text = String::new();
        let failed = |source| TraceError::Io { path: self.path.clone(), source };
        if self.file.read_line(&mut text).map_err(failed)? == 0 {
            return Ok(None);
        }
        if !text.ends_with('\n') {
            self.cut_off = true;
            return Ok(None);
        }
        self.line += 1;
        let number = self.line;
        let line = serde_json::from_str(&text).map_err(|source| TraceError::Line {
            path: self.path.clone(),
            line: number,
            source,
        })?;
        Ok(Some((number, line)))
    }
}
