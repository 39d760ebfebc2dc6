// SPDX-License-Identifier: MIT OR Apache-2.0
//! Providers in other processes: the Python example passes the conformance suite, carries calls, and can be killed
//! amid them without harm to others; programs that misbehave end alone, with a reason.
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

use offhook::carrier::{ChildTsp, Process, serve_tsp};
use offhook::conformance::{self, ProcessRig, Report, Verdict};
use offhook::{AppEvent, Cause, ErrorKind, Interest, Offhook};
use offhook_sim::{ExchangeConfig, SimMsp, SimTsp};
use offhook_spi::{RefusalKind, TspCommand, TspEvent};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

/// The example, or nothing where there is no Python.
fn example() -> Option<Process> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/provider.py");
    peers::have("python3").then(|| Process::new(path))
}

#[tokio::test]
async fn real_python_provider_conforms() {
    let Some(process) = example() else { return };
    let report: Report = conformance::run(&mut ProcessRig::new(process)).await;
    assert!(report.is_clean(), "{report}");
    let passed = report.tests.iter().filter(|(_, verdict)| *verdict == Verdict::Passed).count();
    let tried = report.tests.iter().all(|(_, verdict)| *verdict != Verdict::NotTried);
    assert!(passed >= 20 && tried, "{report}");
}

async fn beside_the_simulator(child: ChildTsp) -> Offhook {
    let (exchange, _) = SimTsp::new(ExchangeConfig::default());
    Offhook::builder().tsp(exchange).msp(SimMsp).tsp(child).start().await.unwrap()
}

#[tokio::test]
async fn real_python_provider_is_killed_amid_fifty_calls_and_nobody_else_is_hurt() {
    let Some(process) = example() else { return };
    let child = process.tsp().await.unwrap();
    let id = child.id().unwrap().to_string();
    let phone = beside_the_simulator(child).await;
    let app = phone.app("test").await.unwrap();
    let (toy, alice) = (app.line("toy:1").await.unwrap(), app.line("alice").await.unwrap());
    let other = alice.call("sim:echo").await.unwrap();
    other.connected().await.unwrap();
    let mut calls = Vec::new();
    for _ in 0..50 {
        let call = toy.call("rig:answers").await.unwrap();
        call.connected().await.unwrap();
        calls.push(call);
    }
    let mut events = app.events();
    assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
    for call in &calls {
        assert_eq!(call.ended().await, Cause::ProviderGone);
    }
    let gone = |event: &AppEvent| match event {
        AppEvent::ProviderGone { provider, detail } => Some((provider.clone(), detail.clone())),
        _ => None,
    };
    let (provider, detail) = events.find(gone).await.unwrap();
    assert_eq!(provider, "toy");
    assert!(detail.contains("killed by signal 9"), "{detail}");
    assert_eq!(toy.call("rig:answers").await.unwrap_err().kind(), ErrorKind::NotFound);
    // The simulator's call stands, and new ones come about.
    other.hold().await.unwrap();
    other.unhold().await.unwrap();
    alice.call("sim:echo").await.unwrap().connected().await.unwrap();
    assert_eq!(phone.violations(), 0);
    phone.shutdown().await;
}

#[tokio::test]
async fn real_python_provider_takes_calls_and_ends_with_its_server() {
    let Some(process) = example() else { return };
    let child = process.tsp().await.unwrap();
    let id = child.id().unwrap();
    let phone = beside_the_simulator(child).await;
    let toy = phone.app("test").await.unwrap().line("toy:1").await.unwrap();
    toy.open(Interest::OWN_AUDIO).await.unwrap();
    let call = toy.call("rig:answers").await.unwrap();
    call.connected().await.unwrap();
    call.hang_up().await.unwrap();
    assert_eq!(call.ended().await, Cause::NormalClearing);
    phone.shutdown().await;
    // It is gone, and not left behind as a zombie.
    assert!(!Path::new(&format!("/proc/{id}")).exists());
}

/// The process ids of our children that run this program.
fn children(program: &Path) -> Vec<u32> {
    let parent = std::process::id().to_string();
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers
        .filter(|id| {
            let read = |name: &str| std::fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
            let (stat, line) = (String::from_utf8_lossy(&read("stat")).into_owned(), read("cmdline"));
            // The parent is the second field after the name in parentheses.
            let is_ours =
                stat.rsplit(')').next().unwrap_or_default().split_whitespace().nth(1) == Some(&parent);
            is_ours && String::from_utf8_lossy(&line).contains(program.to_str().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn real_python_provider_comes_back_with_its_line() {
    if example().is_none() {
        return;
    }
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/provider.py");
    let path = peers::folder("again").join("again.py");
    std::fs::copy(original, &path).unwrap();
    let phone = Offhook::builder().child(Process::new(&path)).start().await.unwrap();
    let app = phone.app("test").await.unwrap();
    let line = app.line("toy:1").await.unwrap();
    for _ in 0..3 {
        let call = line.call("rig:answers").await.unwrap();
        call.connected().await.unwrap();
        let mut events = app.events();
        let ids = children(&path);
        assert_eq!(ids.len(), 1);
        assert!(Command::new("kill").args(["-KILL", &ids[0].to_string()]).status().unwrap().success());
        assert_eq!(call.ended().await, Cause::ProviderGone);
        let back = |event: &AppEvent| match event {
            AppEvent::Line { record } if record.present => Some(record.line),
            _ => None,
        };
        assert_eq!(events.find(back).await, Some(line.id()));
    }
    phone.shutdown().await;
    assert_eq!(children(&path), Vec::<u32>::new());
}

#[tokio::test]
async fn real_media_providers_come_back_too() {
    let text = r#"
echo '{"provider":"msp","manifest":{"name":"toy-media","vendor":"","release":"1","spi":{"min":1,"max":1},"schemas":[]}}'
echo '{"event":"ready","caps":{"ops":[],"media":["audio"],"terminals":[]}}'
while read -r line; do
    case "$line" in '{"ping":'*) number=${line#*:}; echo "{\"pong\":${number%\}}}";; esac
done"#;
    let (process, path) = script("media", text);
    let server = Offhook::builder().media_child(process).start().await.unwrap();
    let app = server.app("test").await.unwrap();
    let mut events = app.events();
    let first = children(&path);
    assert_eq!(first.len(), 1);
    assert!(Command::new("kill").args(["-KILL", &first[0].to_string()]).status().unwrap().success());
    let gone = |event: &AppEvent| match event {
        AppEvent::ProviderGone { provider, .. } => Some(provider.clone()),
        _ => None,
    };
    assert_eq!(events.find(gone).await.as_deref(), Some("toy-media"));
    // Nobody is told of a media provider that comes; it is there when it is there.
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    while children(&path).iter().all(|id| first.contains(id)) {
        tick.tick().await;
    }
    server.shutdown().await;
    std::fs::remove_file(path).unwrap();
}

/// A program that is a shell script.
fn script(name: &str, text: &str) -> (Process, PathBuf) {
    use std::os::unix::fs::PermissionsExt as _;

    let path = std::env::temp_dir().join(format!("offhook-child-{}-{name}", std::process::id()));
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    // Long enough for a shell on a busy machine, short enough to wait for three of them.
    (Process::new(&path).ping_every(Duration::from_millis(400)), path)
}

const INTRODUCTION: &str =
    r#"echo '{"provider":"tsp","manifest":{"name":"odd","vendor":"","release":"","spi":{"min":1,"max":1}}}'"#;

#[tokio::test]
async fn real_programs_that_are_no_providers_are_refused_with_a_reason() {
    for (name, text, expected) in [
        ("ends", "echo cannot find my modem >&2; exit 3", "ended before it introduced itself"),
        ("chats", "echo hello", "does not introduce itself"),
        ("msp", &INTRODUCTION.replace("tsp", "msp"), "is no TSP but says it is a MSP"),
    ] {
        let (process, path) = script(name, text);
        let error = process.tsp().await.unwrap_err().to_string();
        std::fs::remove_file(path).unwrap();
        assert!(error.contains(expected), "{error}");
    }
    let error = Process::new("/no/such/program").tsp().await.unwrap_err().to_string();
    assert!(error.contains("'/no/such/program' cannot be started"), "{error}");
}

#[tokio::test]
async fn real_programs_that_misbehave_end_alone_with_a_reason() {
    // They behave until their line is opened.
    let good = r#"echo '{"event":"line_up","line":1,"stable_id":"odd","caps":{"ops":["drop"],"addresses":[]}}'
echo '{"event":"ready"}'
while read line; do case "$line" in
    *ping*) echo "{\"pong\":$(echo "$line" | tr -dc 0-9)}" ;;
    *open*) break ;;
esac; done"#;
    for (name, text, expected) in [
        ("dies", "echo out of paper >&2; exit 7".to_owned(), "exit code 7; it said last: out of paper"),
        ("silent", "while read line; do :; done".to_owned(), "has not answered 3 pings"),
        ("deaf", "exec sleep 60".to_owned(), "has not answered 3 pings"),
        ("babbles", "echo nonsense; cat >/dev/null".to_owned(), "expected a JSON object per line"),
        ("endless", "yes | tr -d '\\n'".to_owned(), "expected a line of at most 1048576 bytes"),
    ] {
        let (process, path) = script(name, &format!("{INTRODUCTION}\n{good}\n{text}"));
        let child = process.tsp().await.unwrap();
        let phone = beside_the_simulator(child).await;
        let app = phone.app("test").await.unwrap();
        let mut events = app.events();
        let call = app.line("alice").await.unwrap().call("sim:echo").await.unwrap();
        app.line("odd").await.unwrap().open(Interest::MONITOR).await.unwrap_err();
        let gone = |event: &AppEvent| match event {
            AppEvent::ProviderGone { detail, .. } => Some(detail.clone()),
            _ => None,
        };
        let detail = events.find(gone).await.unwrap();
        assert!(detail.contains(expected), "{name}: {detail}");
        call.connected().await.unwrap();
        phone.shutdown().await;
        std::fs::remove_file(path).unwrap();
    }
}

#[tokio::test]
async fn a_rust_provider_answers_what_it_does_not_know() {
    let (host, provider) = tokio::io::duplex(1 << 16);
    let (input, output) = tokio::io::split(provider);
    let (exchange, _) = SimTsp::new(ExchangeConfig::default());
    let served = tokio::spawn(serve_tsp(exchange, input, output));
    let (reader, mut writer) = tokio::io::split(host);
    let mut lines = BufReader::new(reader).lines();
    assert!(lines.next_line().await.unwrap().unwrap().starts_with("{\"provider\":\"tsp\""));
    let hello = TspCommand::Hello { version: offhook_spi::Version::CURRENT };
    writer.write_all(&offhook_spi::frame::line(&hello)).await.unwrap();
    writer.write_all(b"{\"command\":\"teleport\",\"request\":5}\n{\"ping\":9}\n").await.unwrap();
    let (mut refused, mut answered) = (false, false);
    while !(refused && answered) {
        let line = lines.next_line().await.unwrap().unwrap();
        answered |= line == "{\"pong\":9}";
        if let Ok(TspEvent::Reply { request, result }) = serde_json::from_str(&line) {
            assert_eq!(request.0, 5);
            assert_eq!(result.into_result().unwrap_err().kind, RefusalKind::Unsupported);
            refused = true;
        }
    }
    drop((lines, writer));
    served.await.unwrap().unwrap();
}
