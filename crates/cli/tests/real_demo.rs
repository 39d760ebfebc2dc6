// SPDX-License-Identifier: MIT OR Apache-2.0
//! The built program makes real calls over loopback sockets and says in its exit code how they ended.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use offhook_media::SampleRate;
use offhook_media::file;
use serde_json::Value;

/// A folder of its own for each test, so that no `offhook.toml` of the developer is found in it.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("offhook-cli-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn offhook(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
    command.current_dir(folder).args(args);
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    offhook(folder, args).output().unwrap()
}

fn code(output: &Output, expected: i32) {
    let said = [&output.stdout[..], b"\n", &output.stderr].concat();
    assert_eq!(output.status.code(), Some(expected), "{}", String::from_utf8_lossy(&said));
}

fn objects(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect()
}

fn event<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects
        .iter()
        .find(|object| object["event"] == kind)
        .unwrap_or_else(|| panic!("no {kind} in {objects:#?}"))
}

#[test]
fn the_demo_succeeds_and_leaves_a_recording_and_a_trace() {
    let folder = folder("demo");
    let output = run(&folder, &["demo", "--json", "--keep", "kept"]);
    code(&output, 0);
    let objects = objects(&output);
    let heard = event(&objects, "recorded");
    assert!((heard["frequency_hz"].as_f64().unwrap() - 1_004.0).abs() < 1.0, "{heard}");
    assert_eq!(event(&objects, "replayed")["identical"], true);
    assert_eq!(objects.iter().filter(|object| object["event"] == "quality").count(), 2);
    let arrows: Vec<&str> = objects.iter().filter_map(|object| object["label"].as_str()).collect();
    assert!(arrows.contains(&"make call") && arrows.contains(&"connected"), "{arrows:?}");
    assert!(event(&objects, "done")["seconds"].as_f64().unwrap() < 10.0);
    let mut sound = file::open(&folder.join("kept/echo.wav")).unwrap();
    assert!(file::load(&mut *sound, SampleRate::HZ_8000, 800_000).unwrap().len() > 4 * 8_000);
    code(&run(&folder, &["trace", "replay", "kept/demo.trace"]), 0);
    let ladder = run(&folder, &["trace", "ladder", "kept/demo.trace"]);
    code(&ladder, 0);
    assert!(String::from_utf8_lossy(&ladder.stdout).contains("─ make call ─"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn one_process_answers_and_another_calls() {
    let folder = folder("answer");
    let mut answer = offhook(&folder, &["answer", "--echo", "--record", "in", "--calls", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(answer.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let address = first.strip_prefix("waiting for calls on offhook at ").unwrap();
    let address = address.split(',').next().unwrap();
    assert!(address.starts_with("sip:offhook@127.0.0.1:"), "{first}");
    let call = ["call", address, "--digits", "1", "--duration", "1s", "--record", "out.wav", "--json"];
    let output = run(&folder, &call);
    code(&output, 0);
    let objects = objects(&output);
    assert_eq!(event(&objects, "done")["cause"], "normal_clearing");
    assert!(event(&objects, "recorded")["seconds"].as_f64().unwrap() > 0.5);
    assert!(answer.wait().unwrap().success());
    let rest: Vec<String> = lines.map(|line| line.unwrap()).collect();
    assert!(rest.iter().any(|line| line.contains("recorded to in/call-0001.wav")), "{rest:?}");
    assert!(folder.join("in/call-0001.wav").exists());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn watching_tells_of_calls_until_it_is_interrupted() {
    let folder = folder("watch");
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!("[sip]\nlisten = ['udp:127.0.0.1:{port}']\n[[sip.line]]\nname = 'desk'\n");
    std::fs::write(folder.join("watched.toml"), config).unwrap();
    let mut watch = offhook(&folder, &["--config", "watched.toml", "watch", "--line", "desk", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let (told, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| told.send(line)));
    let next = || {
        let line = heard.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    assert_eq!(next()["event"], "watching");
    let target = format!("sip:desk@127.0.0.1:{port}");
    assert_ne!(run(&folder, &["call", &target, "--ring", "1s"]).status.code(), Some(0));
    while !next()["what"].to_string().contains("offering") {}
    let id = watch.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert!(watch.wait().unwrap().success());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_line_that_cannot_register_does_not_call() {
    let folder = folder("unregistered");
    let config = "[[sip.line]]\nname = 'desk'\nkind = 'account'\ndomain = '127.0.0.1:1'\npassword = 'x'\n";
    std::fs::write(folder.join("offhook.toml"), config).unwrap();
    let output = run(&folder, &["call", "sip:bob@127.0.0.1:1"]);
    code(&output, 3);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("line desk is not in service"), "{said}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_call_to_the_exchange_ends_as_its_far_end_is_called() {
    let folder = folder("sim");
    for (target, more, expected) in [
        ("sim:friendly", vec!["--duration", "300ms"], 0),
        ("sim:hangs-up", vec![], 0),
        ("sim:busy", vec![], 10),
        ("sim:no-answer", vec!["--ring", "300ms"], 11),
        ("sim:rejects", vec![], 12),
        ("sim:wrong-number", vec![], 13),
        ("sim:redirects", vec![], 19),
    ] {
        let output = run(&folder, &[vec!["call", target], more].concat());
        code(&output, expected);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.contains(&format!("call to {target}")), expected != 0, "{said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_host_that_takes_no_calls_is_not_reachable() {
    let folder = folder("nobody");
    code(&run(&folder, &["call", "sip:bob@127.0.0.1:1;transport=tcp", "--ring", "5s"]), 15);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn lines_are_listed_one_object_each() {
    let folder = folder("lines");
    let output = run(&folder, &["line", "list", "--json"]);
    code(&output, 0);
    let mut names: Vec<String> =
        objects(&output).iter().map(|line| line["stable_id"].as_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["offhook", "sim"]);
    let shown = run(&folder, &["line", "show", "sim"]);
    code(&shown, 0);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("make_call"), "{shown:?}");
    code(&run(&folder, &["line", "show", "nobody"]), 2);
    code(&run(&folder, &["register", "--check"]), 0);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_wrong_configuration_is_named_with_what_is_known() {
    let folder = folder("config");
    std::fs::write(folder.join("offhook.toml"), "[sip]\nlien = 1\n").unwrap();
    let output = run(&folder, &["line", "list"]);
    code(&output, 2);
    let said = String::from_utf8_lossy(&output.stderr);
    for part in ["offhook.toml", "`lien`", "`line`"] {
        assert!(said.contains(part), "{said}");
    }
    let output = run(&folder, &["line", "list", "--json"]);
    assert_eq!(event(&objects(&output), "error")["exit"], 2);
    std::fs::remove_dir_all(folder).unwrap();
}
