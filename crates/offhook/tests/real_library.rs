// SPDX-License-Identifier: MIT OR Apache-2.0
//! Providers in shared libraries: the C example passes the conformance suite and carries calls; libraries that are no
//! providers are refused, and providers that misbehave end alone, with a reason.
#![cfg(unix)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "peers say what they measured; what cannot be set up has failed"
)]

mod peers;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use offhook::carrier::Library;
use offhook::conformance::{self, LibraryRig, Report, Verdict};
use offhook::{AppEvent, Cause, ErrorKind, Interest, Offhook};
use offhook_sim::{ExchangeConfig, SimMsp, SimTsp};

/// Builds a library in a folder of its own, or nothing where there is no C compiler.
fn build(name: &str, source: &str, flags: &[&str]) -> Option<PathBuf> {
    if !peers::have("cc") {
        return None;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = peers::folder(name).join("library.so");
    let output = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-shared", "-fPIC"])
        .arg("-I")
        .arg(here.join("../../include"))
        .args(flags)
        .arg("-o")
        .arg(&library)
        .arg(here.join(source))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(library)
}

fn example(name: &str) -> Option<Library> {
    build(name, "../../examples/provider.c", &[]).map(Library::new)
}

#[tokio::test]
async fn real_c_provider_conforms() {
    let Some(library) = example("c-conforms") else { return };
    let report: Report = conformance::run(&mut LibraryRig::new(library)).await;
    assert!(report.is_clean(), "{report}");
    let passed = report.tests.iter().filter(|(_, verdict)| *verdict == Verdict::Passed).count();
    let tried = report.tests.iter().all(|(_, verdict)| *verdict != Verdict::NotTried);
    assert!(passed >= 20 && tried, "{report}");
}

#[tokio::test]
async fn real_c_provider_carries_calls_and_closes_with_its_server() {
    let Some(library) = example("c-calls") else { return };
    let phone = Offhook::builder().tsp(library.tsp().await.unwrap()).start().await.unwrap();
    let app = phone.app("test").await.unwrap();
    let toy = app.line("toy-c:1").await.unwrap();
    let call = toy.call("rig:answers").await.unwrap();
    call.connected().await.unwrap();
    call.hold().await.unwrap();
    call.unhold().await.unwrap();
    call.hang_up().await.unwrap();
    assert_eq!(call.ended().await, Cause::NormalClearing);
    let refused = toy.call("rig:nobody").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidAddress, "{refused}");
    assert_eq!(phone.violations(), 0);
    phone.shutdown().await;
}

#[tokio::test]
async fn real_libraries_that_are_no_providers_are_refused_with_a_reason() {
    for (flaw, expected) in [
        ("REFUSES", "refuses to open, with code 42"),
        ("NO_FUNCTIONS", "expected deliver and close"),
        ("SMALL", "gives a structure of 8 bytes"),
        ("FROM_THE_FUTURE", "speaks version 900 of the contract: expected 1 to 1"),
        ("NO_TSP", "is no TSP but says it is a MSP"),
    ] {
        let Some(library) = build(flaw, "tests/library/odd.c", &[&format!("-DFLAW={flaw}")]) else { return };
        let error = Library::new(&library).tsp().await.unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("library.so"), "{flaw}: {error}");
    }
    let flags = ["-DWITHOUT_SYMBOL", "-DFLAW=FAILS"];
    let Some(library) = build("no-symbol", "tests/library/odd.c", &flags) else { return };
    let error = Library::new(&library).tsp().await.unwrap_err().to_string();
    assert!(error.contains("it does not export offhook_provider_open"), "{error}");
    let text = library.with_extension("txt");
    std::fs::write(&text, "no library").unwrap();
    let error = Library::new(text).tsp().await.unwrap_err().to_string();
    assert!(error.contains("cannot be loaded"), "{error}");
}

#[tokio::test]
async fn real_libraries_that_misbehave_end_alone_with_a_reason() {
    for (flaw, expected) in [
        ("FAILS", "it cannot take a message, with code 7"),
        ("LONG", "it cannot take a message, with code 8"),
        ("BABBLES", "expected a JSON object per line"),
        ("HANGS", "has not answered 3 pings"),
    ] {
        let Some(library) = build(flaw, "tests/library/odd.c", &[&format!("-DFLAW={flaw}")]) else { return };
        let library = Library::new(library).ping_every(Duration::from_millis(400));
        let (exchange, _) = SimTsp::new(ExchangeConfig::default());
        let odd = library.tsp().await.unwrap();
        let phone = Offhook::builder().tsp(exchange).msp(SimMsp).tsp(odd).start().await.unwrap();
        let app = phone.app("test").await.unwrap();
        let mut events = app.events();
        let call = app.line("alice").await.unwrap().call("sim:echo").await.unwrap();
        app.line("odd").await.unwrap().open(Interest::MONITOR).await.unwrap_err();
        let gone = |event: &AppEvent| match event {
            AppEvent::ProviderGone { detail, .. } => Some(detail.clone()),
            _ => None,
        };
        let detail = events.find(gone).await.unwrap();
        assert!(detail.contains(expected), "{flaw}: {detail}");
        call.connected().await.unwrap();
        phone.shutdown().await;
    }
}
