// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may depend on whom. The table is the architecture; `cargo metadata` is the fact.

use std::process::Command;

use serde_json::Value;

/// A package, the packages of this workspace that it may use, and how many outside ones it may require.
struct Rule {
    package: &'static str,
    may_use: &'static [&'static str],
    outside: usize,
}

/// One line per package. What is not listed is refused, so a new package is a deliberate step.
const RULES: &[Rule] = &[
    Rule { package: "offhook-spi", may_use: &[], outside: 3 },
    Rule { package: "offhook-core", may_use: &["offhook-spi"], outside: 3 },
    Rule { package: "offhook-sipcore", may_use: &["offhook-spi"], outside: 7 },
    Rule { package: "offhook-media", may_use: &["offhook-spi"], outside: 14 },
    Rule { package: "offhook-numbers", may_use: &[], outside: 3 },
    Rule { package: "offhook-sim", may_use: &["offhook-core", "offhook-spi"], outside: 4 },
    Rule { package: "offhook-sip", may_use: &["offhook-sipcore", "offhook-spi"], outside: 7 },
    Rule { package: "offhook-rtp", may_use: &["offhook-media", "offhook-spi"], outside: 6 },
    Rule {
        package: "offhook",
        may_use: &["offhook-core", "offhook-rtp", "offhook-sim", "offhook-sip", "offhook-spi"],
        outside: 9,
    },
    Rule {
        package: "offhook-cli",
        may_use: &["offhook", "offhook-media", "offhook-numbers", "offhook-spi"],
        outside: 12,
    },
    Rule { package: "xtask", may_use: &[], outside: 3 },
];

/// Source that may touch sockets, clocks, threads, files or the environment: whole packages.
const WORLDLY: &[&str] = &["offhook", "offhook-cli", "xtask"];

/// What only worldly code may name.
const WORLD: &[&str] = &[
    "std::net::Udp",
    "std::net::Tcp",
    "std::fs",
    "std::thread",
    "std::env",
    "Instant::now",
    "SystemTime::now",
    "tokio::net",
    "tokio::time::sleep",
];

/// Lists every breach of the rules.
pub(crate) fn check() -> Result<Vec<String>, String> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let ours: Vec<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut complaints = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        match RULES.iter().find(|rule| rule.package == name) {
            None => complaints.push(format!("{name} has no line in xtask/src/deps.rs; add one")),
            Some(rule) => check_package(rule, package, &ours, &mut complaints),
        }
        if !WORLDLY.contains(&name) {
            check_sources(name, package, &mut complaints);
        }
    }
    Ok(complaints)
}

fn metadata() -> Result<Value, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata is not JSON: {error}"))
}

fn check_package(rule: &Rule, package: &Value, ours: &[&str], complaints: &mut Vec<String>) {
    let mut outside = Vec::new();
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let name = dependency["name"].as_str().unwrap_or_default();
        let development = dependency["kind"].as_str() == Some("dev");
        if development {
            continue;
        }
        if ours.contains(&name) {
            if !rule.may_use.contains(&name) {
                complaints.push(format!("{} must not depend on {name}", rule.package));
            }
        } else if dependency["optional"].as_bool() != Some(true) {
            outside.push(name);
        }
    }
    if outside.len() > rule.outside {
        complaints.push(format!(
            "{} requires {} outside crates ({}), its budget is {}",
            rule.package,
            outside.len(),
            outside.join(", "),
            rule.outside
        ));
    }
}

/// Protocol logic is tested without sockets and clocks, so it must not name them: only files called
/// `driver.rs`, tests, benches and examples may.
fn check_sources(name: &str, package: &Value, complaints: &mut Vec<String>) {
    let manifest = package["manifest_path"].as_str().unwrap_or_default();
    let Some(root) = std::path::Path::new(manifest).parent() else { return };
    for file in crate::limits::rust_files(&root.join("src")) {
        let worldly_name = file.file_name().is_some_and(|f| f == "driver.rs" || f == "tests.rs");
        let in_driver = file.components().any(|part| part.as_os_str() == "driver");
        if worldly_name || in_driver {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in
            code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            for word in WORLD.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!(
                    "{name}: {}:{} names {word}; only driver.rs may",
                    file.display(),
                    number + 1
                ));
            }
        }
    }
}
