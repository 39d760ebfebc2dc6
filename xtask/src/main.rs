// SPDX-License-Identifier: MIT OR Apache-2.0
//! Repository chores. `cargo xtask` lists them.

mod deps;
mod limits;
mod map;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask deps     check who depends on whom against the rules of ARCHITECTURE.md
cargo xtask limits   check lengths of files, licence lines and forbidden marks
cargo xtask map      check docs/tspi-map.md against the words of the code";

fn main() -> ExitCode {
    let chore = std::env::args().nth(1).unwrap_or_default();
    let complaints = match chore.as_str() {
        "deps" => deps::check(),
        "limits" => limits::check(),
        "map" => map::check(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match complaints {
        Ok(complaints) if complaints.is_empty() => {
            eprintln!("{chore}: all in order");
            ExitCode::SUCCESS
        }
        Ok(complaints) => {
            for complaint in &complaints {
                eprintln!("{chore}: {complaint}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{chore}: {error}");
            ExitCode::FAILURE
        }
    }
}
