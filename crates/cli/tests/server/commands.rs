// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each command is a process of its own that visits the server: what it starts lives on when it has gone.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::program::Program;

/// A server with three lines and a telephone set, and somebody who watches its lines.
struct Desk {
    server: Program,
    watch: Program,
    folder: PathBuf,
}

impl Desk {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("offhook-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let config = folder.join("offhook.toml");
        let text = "[sip]\nlisten = ['udp:127.0.0.1:0']\n[[sip.line]]\nname = 'unused'\n\
            [sim]\nlines = ['alice', 'bob', 'carol']\nphones = ['desk']\n\
            [policy.usual]\nopening = 'always'\n";
        std::fs::write(&config, text).unwrap();
        let socket = folder.join("socket");
        let socket = socket.to_str().unwrap();
        let mut server = Program::start(&["--config", config.to_str().unwrap(), "serve", "--socket", socket]);
        server.prints(|object| object["event"] == "serving");
        let mut watch = Program::start(&["watch", "--server", socket]);
        watch.prints(|object| object["event"] == "watching" && object["line"] == "carol");
        Self { server, watch, folder }
    }

    /// Runs a command; its exit code, and the objects that it printed.
    fn run(&self, args: &[&str]) -> (i32, Vec<Value>) {
        let output = Command::new(env!("CARGO_BIN_EXE_offhook"))
            .current_dir(&self.folder)
            .arg("--json")
            .args(args)
            .arg("--server")
            .arg(self.folder.join("socket"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let objects = said.lines().map(|line| serde_json::from_str(line).unwrap());
        (output.status.code().unwrap(), objects.collect())
    }

    fn done(&self, args: &[&str]) -> Vec<Value> {
        let (code, said) = self.run(args);
        assert_eq!(code, 0, "{args:?}: {said:?}");
        said
    }

    /// A command that comes to nothing: its exit code and what it says.
    fn fails(&self, args: &[&str]) -> (i32, String) {
        let (code, said) = self.run(args);
        let last = said.last().unwrap();
        assert_eq!(last["event"], "error", "{args:?}: {said:?}");
        (code, last["error"].as_str().unwrap().to_owned())
    }

    /// The call that a command names in its field.
    fn call_of(&self, args: &[&str], field: &str) -> String {
        let said = self.done(args);
        let named = said.iter().find_map(|object| object[field].as_str());
        named.unwrap_or_else(|| panic!("{args:?}: {said:?}")).to_owned()
    }

    fn dial(&self, from: &str, to: &str) -> String {
        self.call_of(&["dial", "--detach", "--from", from, to], "id")
    }

    fn dial_up(&mut self, to: &str) -> String {
        let call = self.dial("alice", to);
        self.waits_for(&call, "connected");
        call
    }

    fn waits_for(&mut self, call: &str, state: &str) {
        self.watch.prints(|object| same(&object["what"]["call"], call) && object["what"]["state"] == state);
    }

    fn state(&self, call: &str) -> String {
        let said = self.done(&["calls"]);
        let known = said.iter().find(|object| object["id"] == call);
        known.map_or("none", |object| object["state"].as_str().unwrap()).to_owned()
    }

    fn end(self) {
        self.watch.interrupt();
        self.server.interrupt();
        std::fs::remove_dir_all(self.folder).unwrap();
    }
}

/// Whether an id in an event is that of a call as people write it.
fn same(id: &Value, call: &str) -> bool {
    call == format!("call:{}.{}", id["idx"], id["version"])
}

#[test]
fn a_call_is_held_retrieved_and_dropped_by_commands_that_come_and_go() {
    let mut desk = Desk::new("hold");
    let call = desk.dial_up("sim:echo");
    let listed = desk.done(&["calls"]);
    assert_eq!((&listed[0]["id"], &listed[0]["line_name"]), (&call.clone().into(), &"alice".into()));
    desk.done(&["calls", "hold", &call]);
    assert_eq!(desk.state(&call), "on_hold");
    let (code, why) = desk.fails(&["calls", "hold", &call]);
    assert_eq!(code, 1);
    for word in [call.as_str(), "hold", "on hold", "connected"] {
        assert!(why.contains(word), "'{word}' in {why}");
    }
    desk.done(&["calls", "unhold", &call]);
    desk.done(&["calls", "send-digits", &call, "12#"]);
    desk.done(&["calls", "tone", &call, "440", "--for", "100ms"]);
    desk.done(&["calls", "ask", &call, r#"{"op":"secure"}"#]);
    let shown = desk.done(&["calls", "show", &call]);
    assert_eq!(shown[0]["state"], "connected");
    desk.done(&["calls", "drop", &call, "--cause", "normal_clearing"]);
    assert_eq!(desk.state(&call), "none");
    let (code, why) = desk.fails(&["calls", "hold", &call]);
    assert_eq!((code, why.contains("calls that live: none")), (2, true), "{why}");
    desk.end();
}

#[test]
fn two_parties_are_consulted_joined_and_conferenced() {
    let mut desk = Desk::new("three");
    let first = desk.dial_up("sim:echo");
    let second = desk.call_of(&["calls", "consult", &first, "sim:friendly"], "id");
    desk.waits_for(&second, "connected");
    assert_eq!(desk.state(&first), "on_hold_pending_transfer");
    desk.done(&["calls", "swap", &second, &first]);
    desk.done(&["calls", "swap", &first, &second]);
    let conference = desk.call_of(&["calls", "complete", &first, &second, "--conference"], "id");
    let third = desk.call_of(&["calls", "prepare-add", &conference, "sim:echo"], "id");
    desk.waits_for(&third, "connected");
    desk.done(&["calls", "add", &conference, &third]);
    desk.done(&["calls", "remove", &first]);
    assert_eq!(desk.state(&conference), "connected");
    desk.done(&["calls", "drop", &conference]);
    assert!(desk.done(&["calls"]).is_empty(), "its members have gone too");
    // Joined without us.
    let first = desk.dial_up("sim:echo");
    let second = desk.call_of(&["calls", "consult", &first, "sim:friendly"], "id");
    desk.waits_for(&second, "connected");
    desk.done(&["calls", "complete", &first, &second]);
    let third = desk.dial_up("sim:echo");
    desk.done(&["calls", "transfer", &third, "sim:friendly"]);
    assert!(desk.done(&["calls"]).is_empty());
    desk.end();
}

#[test]
fn lines_answer_park_pick_up_and_forward() {
    let mut desk = Desk::new("lines");
    let call = desk.dial("alice", "sim:bob");
    let at_bob = loop {
        let calls = desk.done(&["calls"]);
        if let Some(found) = calls.iter().find(|call| call["line_name"] == "bob") {
            break found["id"].as_str().unwrap().to_owned();
        }
    };
    desk.done(&["calls", "answer", &at_bob]);
    let slot = desk.call_of(&["calls", "park", &at_bob], "at");
    let fetched = desk.call_of(&["line", "unpark", "carol", &slot], "id");
    assert_eq!(desk.state(&fetched), "connected");
    desk.done(&["calls", "drop", &call]);
    desk.done(&[
        "line",
        "forward",
        "bob",
        "--always",
        "sim:echo",
        "--no-answer",
        "sim:carol",
        "--after",
        "5s",
    ]);
    let bob = desk.done(&["line", "show", "bob"]);
    assert_eq!(bob[0]["status"]["forwarding"].as_array().map(Vec::len), Some(2), "{bob:?}");
    let call = desk.dial_up("sim:bob");
    desk.done(&["calls", "drop", &call]);
    desk.done(&["line", "do-not-disturb", "bob"]);
    let (code, _) = desk.fails(&["dial", "--from", "alice", "sim:bob"]);
    assert_eq!(code, 10, "busy");
    desk.done(&["line", "forward", "bob"]);
    desk.done(&["line", "status", "bob", "--messages", "on"]);
    let bob = desk.done(&["line", "show", "bob"]);
    assert_eq!(bob[0]["status"]["message_waiting"], true);
    // A call that rings at bob is taken by carol.
    let call = desk.dial("alice", "sim:bob");
    let taken = desk.call_of(&["line", "pickup", "carol", "--at", "sim:bob"], "id");
    assert_eq!((desk.state(&taken), desk.state(&call)), ("connected".to_owned(), "connected".to_owned()));
    let echoed = desk.done(&["line", "extension", "bob", "offhook.sim.echo", "hello"]);
    assert_eq!((&echoed[0]["event"], &echoed[0]["data"]["data"]), (&"data".into(), &"hello".into()));
    let (code, why) = desk.fails(&["line", "unpark", "nobody", &slot]);
    assert_eq!((code, why.contains("alice, bob, carol")), (2, true), "{why}");
    desk.end();
}

#[test]
fn a_telephone_set_is_written_to_and_watched() {
    let desk = Desk::new("phone");
    let socket = desk.folder.join("socket");
    let mut watch = Program::start(&["phone", "watch", "desk", "--server", socket.to_str().unwrap()]);
    watch.prints(|object| object["event"] == "watching");
    assert_eq!(desk.done(&["phone", "list"])[0]["stable_id"], "desk");
    desk.done(&["phone", "display", "desk", "good morning"]);
    let shown = watch.prints(|object| object["event"] == "change");
    assert!(shown["change"].to_string().contains("good morning"), "{shown}");
    desk.done(&["phone", "lamp", "desk", "1", "wink"]);
    desk.done(&["phone", "ring", "desk", "20000", "--mode", "1"]);
    desk.done(&["phone", "hook", "desk", "speakerphone", "both"]);
    desk.done(&["phone", "volume", "desk", "handset", "1000"]);
    desk.done(&["phone", "gain", "desk", "handset", "1000"]);
    desk.done(&["phone", "button", "desk", "2", "door"]);
    assert!(desk.done(&["phone", "show", "desk"])[0].to_string().contains("door"));
    let memory = ["phone", "extension", "desk", "offhook.sim.memory"];
    let remembered = desk.done(&[&memory[..], &["speed dial"]].concat());
    assert_eq!(
        (&remembered[0]["event"], &remembered[0]["data"]["data"]),
        (&"data".into(), &"speed dial".into())
    );
    let told = watch.prints(|object| object["change"]["what"] == "extension");
    assert_eq!(told["change"]["data"]["data"], "speed dial");
    let (code, why) = desk.fails(&["phone", "extension", "desk", "acme.lamp", "on"]);
    assert_eq!((code, why.contains("does not offer the extension acme.lamp")), (1, true), "{why}");
    let (code, why) = desk.fails(&["phone", "lamp", "desk", "9", "wink"]);
    assert_eq!((code, why.contains("button 9")), (2, true), "{why}");
    let (code, why) = desk.fails(&["phone", "show", "door"]);
    assert_eq!((code, why.contains("the server has: desk")), (2, true), "{why}");
    watch.interrupt();
    desk.end();
}

#[test]
fn digits_are_gathered_and_heard() {
    let mut desk = Desk::new("digits");
    let call = desk.dial("alice", "sim:friendly");
    desk.waits_for(&call, "connected");
    // The far end presses 1 2 3 after its tone.
    let gathered = desk.done(&["calls", "gather", &call, "--most", "3", "--first", "20s"]);
    assert_eq!(gathered.last().unwrap()["digits"], "123");
    let (code, why) = desk.fails(&["calls", "gather", &call, "--first", "100ms"]);
    assert_eq!((code, why.contains("ended early")), (1, true), "{why}");
    let (code, why) = desk.fails(&["calls", "send-digits", &call, "1x"]);
    assert_eq!((code, why.contains("'x' is no digit")), (2, true), "{why}");
    desk.end();
}
