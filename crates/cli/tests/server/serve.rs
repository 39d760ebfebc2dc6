// SPDX-License-Identifier: MIT OR Apache-2.0
//! One server, applications in several processes: the program serves, the program watches, and this test owns.

use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

use serde_json::{Value, json};

use crate::program::Program;

/// An application written in this test: lines of JSON and nothing else.
struct Application {
    writer: UnixStream,
    lines: Lines<BufReader<UnixStream>>,
}

impl Application {
    fn connect(socket: &str, name: &str) -> Self {
        let writer = UnixStream::connect(socket).unwrap();
        let lines = BufReader::new(writer.try_clone().unwrap()).lines();
        let mut it = Self { writer, lines };
        it.say(&json!({"hello": {"name": name}}));
        it.hears("welcome");
        it
    }

    fn say(&mut self, what: &Value) {
        writeln!(self.writer, "{what}").unwrap();
    }

    fn hears(&mut self, kind: &str) -> Value {
        let mut lines =
            self.lines.by_ref().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        lines
            .find_map(|mut line| line.get_mut(kind).map(Value::take))
            .expect("the server closed the connection")
    }

    fn asks(&mut self, what: &Value) -> Value {
        self.say(what);
        self.hears("answer")
    }
}

#[test]
fn applications_in_two_processes_share_a_line() {
    let socket = std::env::temp_dir().join(format!("offhook-serve-{}", std::process::id()));
    let socket = socket.to_str().unwrap();
    let mut server = Program::start(&["serve", "--socket", socket]);
    assert_eq!(server.prints(|object| object["event"] == "serving")["socket"], socket);

    let mut watch = Program::start(&["watch", "--server", socket, "--line", "sim"]);
    watch.prints(|object| object["event"] == "watching");
    let mut owner = Application::connect(socket, "owner");
    let lines = owner.asks(&json!({"id": 1, "ask": "lines"}))["done"]["lines"].take();
    let line =
        lines.as_array().unwrap().iter().find(|line| line["stable_id"] == "sim").unwrap()["line"].clone();
    let made = owner.asks(&json!({"id": 2, "ask": "make_call", "line": line, "to": "sim:echo"}));
    let call = made["done"]["call"].clone();
    let is = |state: &'static str| {
        let call = call.clone();
        move |object: &Value| object["what"]["call"] == call && object["what"]["state"] == state
    };
    watch.prints(is("connected"));

    // Another application may watch the line too, but not touch the call.
    let mut other = Application::connect(socket, "other");
    other.asks(&json!({"id": 1, "ask": "open_line", "line": line, "interest": {"monitor": true, "own": []}}));
    let refused = other.asks(&json!({"id": 2, "ask": "call", "call": call, "op": "drop"}));
    assert_eq!(refused["refused"]["kind"], "stale_handle", "it came later: {refused}");

    // The owner goes: its call ends, and the watching process hears it.
    owner.say(&json!({"bye": {}}));
    watch.prints(is("idle"));
    watch.interrupt();
    server.interrupt();
    assert!(!std::path::Path::new(socket).exists());
}

#[test]
fn no_server_is_said_with_what_to_do() {
    let output = Command::new(env!("CARGO_BIN_EXE_offhook"))
        .args(["watch", "--server", "no/such/offhook.sock"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no/such/offhook.sock") && said.contains("`offhook serve`"), "{said}");
}

#[test]
fn the_running_server_dials() {
    let socket = std::env::temp_dir().join(format!("offhook-dial-{}", std::process::id()));
    let socket = socket.to_str().unwrap();
    let mut server = Program::start(&["serve", "--socket", socket]);
    server.prints(|object| object["event"] == "serving");
    for (target, code, expected) in [("sim:hangs-up", 0, ""), ("sim:busy", 10, "call to sim:busy: busy")] {
        let output = Command::new(env!("CARGO_BIN_EXE_offhook"))
            .args(["dial", "--server", socket, "--from", "sim", target])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    let mut watch = Program::start(&["watch", "--server", socket, "--line", "sim"]);
    watch.prints(|object| object["event"] == "watching");
    let detached = Command::new(env!("CARGO_BIN_EXE_offhook"))
        .args(["dial", "--server", socket, "--detach", "sim:echo"])
        .status()
        .unwrap();
    assert!(detached.success());
    // Nobody owns it, and it is answered all the same.
    watch.prints(|object| object["what"]["state"] == "connected");
    watch.interrupt();
    server.interrupt();
}

#[test]
fn who_calls_is_said_as_people_at_the_line_s_place_write_it() {
    let folder = std::env::temp_dir().join(format!("offhook-forms-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (called, caller) = (folder.join("called.toml"), folder.join("caller.toml"));
    let listen = "[sip]\nlisten = ['udp:127.0.0.1:0']\n[[sip.line]]\n";
    let place = "[dialling]\nlocation = 'home'\nat = [{ name = 'home', country = 'DE', area = '30' }]\n";
    std::fs::write(&called, format!("{listen}name = 'desk'\n{place}")).unwrap();
    std::fs::write(&caller, format!("{listen}name = 'far'\nuser = '+493012345678'\n")).unwrap();
    let mut answer = Program::start(&["--config", called.to_str().unwrap(), "answer", "--line", "desk"]);
    let address = answer.prints(|object| object["event"] == "waiting")["addresses"][0].take();
    let call = ["--config", caller.to_str().unwrap(), "call", "--from", "far", address.as_str().unwrap()];
    let call = Program::start(&call);
    let said = answer.prints(|object| object["event"] == "call");
    let forms = json!({"canonical": "+49 (30) 12345678", "key": "+493012345678", "display": "030 12345678"});
    assert_eq!(said["number"], forms, "{said}");
    assert!(said["from"].as_str().unwrap().starts_with("sip:+493012345678@"), "{said}");
    drop(call);
    drop(answer);
    std::fs::remove_dir_all(folder).unwrap();
}

/// Runs `offhook provider test` and gives the report's object.
fn tested(args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_offhook"))
        .args(["--json", "provider", "test"])
        .args(args)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["clean"]), (&json!("report"), &json!(true)), "{said}");
    last
}

#[test]
fn a_provider_that_can_do_nothing_keeps_the_contract_here_and_as_a_process() {
    let here = tested(&["null"]);
    assert_eq!(tested(&["null", "--process"])["tests"], here["tests"]);
}

#[test]
fn real_sip_and_rtp_keep_the_contract_here_and_as_processes() {
    let here = tested(&["sip"]);
    assert_eq!(tested(&["sip", "--process"])["tests"], here["tests"]);
}

#[test]
fn what_is_no_provider_is_wrong_usage_or_fails_with_its_reason() {
    for (provider, code, expected) in [
        ("no-such-thing", 2, "expected sim, sip, null, or the path of a program"),
        ("/bin/true", 1, "ended before it introduced itself"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_offhook"))
            .args(["provider", "test", provider])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
