// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lengths of files, licence lines, marks of unfinished work.

use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of a file without its tests.
const MOST_LINES: usize = 600;

/// Text that no source may contain, put together so that this file does not complain about itself.
const FORBIDDEN: &[[&str; 2]] = &[["to", "do!("], ["unimpl", "emented!("], ["FIX", "ME"], ["XX", "X"]];

/// Lists every breach.
pub(crate) fn check() -> Result<Vec<String>, String> {
    let mut complaints = Vec::new();
    for top in ["crates", "providers", "xtask", "fuzz/fuzz_targets"] {
        for file in rust_files(Path::new(top)) {
            let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            check_file(&file, &text, &mut complaints);
        }
    }
    Ok(complaints)
}

fn check_file(file: &Path, text: &str, complaints: &mut Vec<String>) {
    let name = file.display();
    if !text.starts_with("// SPDX-License-Identifier: MIT OR Apache-2.0") {
        complaints.push(format!("{name}: does not open with the licence line"));
    }
    let is_test = file.components().any(|part| part.as_os_str() == "tests")
        || file.file_name().is_some_and(|f| f == "tests.rs");
    let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
    if !is_test && lines > MOST_LINES {
        complaints.push(format!("{name}: {lines} lines without tests, at most {MOST_LINES}"));
    }
    for mark in FORBIDDEN.iter().map(|parts| parts.concat()).filter(|mark| text.contains(mark.as_str())) {
        complaints.push(format!("{name}: contains {mark}"));
    }
}

/// Every Rust file below a folder, in order.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
