// SPDX-License-Identifier: MIT OR Apache-2.0
//! `offhook trace`: draw or replay what was recorded.

use serde_json::json;

use crate::args::Trace;
use crate::exit;
use crate::failure::Failure;
use crate::show::Show;

/// Draws a ladder, or runs a new core over the trace and compares.
pub(crate) fn run(show: Show, what: &Trace) -> Result<(), Failure> {
    match what {
        Trace::Ladder { file } => {
            let drawing = offhook::trace::ladder(file)?;
            show.result(drawing.trim_end(), &json!({"ladder": drawing.lines().collect::<Vec<_>>()}));
            Ok(())
        }
        Trace::Replay { file } => {
            let replayed = offhook::trace::replay(file)?;
            let (inputs, outputs) = (replayed.inputs, replayed.outputs);
            let first = replayed.differences.first();
            let text = match first {
                None => format!("{inputs} inputs replayed, all {outputs} outputs are the same bit for bit"),
                Some(first) => format!("differs from line {} on: {first:#?}", first.line),
            };
            show.result(
                &text,
                &json!({
                    "file": file, "inputs": inputs, "outputs": outputs, "identical": first.is_none(),
                    "line": first.map(|first| first.line),
                }),
            );
            match first {
                None => Ok(()),
                Some(_) => {
                    let file = file.display();
                    let detail = "this release decides otherwise than the one that wrote it";
                    Err(Failure::new(exit::FAILED, format!("the trace {file} replays differently; {detail}")))
                }
            }
        }
    }
}
