// SPDX-License-Identifier: MIT OR Apache-2.0
//! baresip, steered over its control socket (netstrings of JSON).

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

use serde_json::{Value, json};

use super::{PATIENCE, Running, folder, free_port, have};

/// What a baresip does with calls that come in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answering {
    Auto,
    Manual,
}

/// How a baresip is set up.
pub struct Setup<'a> {
    pub answering: Answering,
    /// `sip:` address and parameters of its account; the default has no registrar.
    pub account: &'a str,
    /// WAV (8 kHz mono) to send instead of a 440 Hz tone.
    pub source: Option<&'a Path>,
    /// Certificate and key in one PEM file, for TLS.
    pub certificate: Option<&'a Path>,
    /// Codecs in order of preference.
    pub codecs: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            answering: Answering::Auto,
            account: "<sip:peer@127.0.0.1>;regint=0",
            source: None,
            certificate: None,
            codecs: "PCMU/8000/1,PCMA/8000/1",
        }
    }
}

pub struct Baresip {
    running: Running,
    control: TcpStream,
    messages: mpsc::Receiver<Value>,
    pub folder: PathBuf,
    /// Port for UDP and TCP; TLS is one above.
    pub port: u16,
}

impl Baresip {
    /// Starts it and waits until it is ready; `None` when it is not installed.
    pub fn start(setup: &Setup<'_>) -> Option<Self> {
        if !have("baresip") {
            return None;
        }
        let folder = folder("baresip");
        let port = free_port(3);
        let control_port = port + 2;
        std::fs::write(folder.join("config"), config(setup, &folder, port, control_port)).unwrap();
        let mode = if setup.answering == Answering::Auto { "auto" } else { "manual" };
        let account = format!("{};answermode={mode};audio_codecs={}\n", setup.account, setup.codecs);
        std::fs::write(folder.join("accounts"), account).unwrap();
        std::fs::write(folder.join("contacts"), "").unwrap();
        let running = Running::start(
            "baresip",
            Command::new("baresip").arg("-f").arg(&folder).args(["-n", "127.0.0.1"]),
        );
        running.wait_for("baresip is ready");
        let control = TcpStream::connect((Ipv4Addr::LOCALHOST, control_port)).unwrap();
        let (sender, messages) = mpsc::channel();
        let reader = control.try_clone().unwrap();
        std::thread::spawn(move || read_netstrings(reader, &sender));
        Some(Self { running, control, messages, folder, port })
    }

    /// Its address over a transport: `udp`, `tcp` or `tls`.
    pub fn address(&self, transport: &str) -> String {
        let port = if transport == "tls" { self.port + 1 } else { self.port };
        format!("sip:peer@127.0.0.1:{port};transport={transport}")
    }

    /// Waits until it prints a line with this text.
    pub fn wait_for(&self, text: &str) {
        self.running.wait_for(text);
    }

    /// Gives a command; the response is waited for with the events.
    pub fn command(&mut self, command: &str, parameters: &str) {
        let text = json!({"command": command, "params": parameters, "token": "t"}).to_string();
        write!(self.control, "{}:{text},", text.len()).unwrap();
    }

    /// Waits for an event of this type; gives its parameter.
    pub fn event(&self, kind: &str) -> String {
        let mut seen = String::new();
        while let Ok(message) = self.messages.recv_timeout(PATIENCE) {
            let found = message["type"].as_str() == Some(kind);
            if found {
                return message["param"].as_str().unwrap_or_default().to_owned();
            }
            let _ = writeln!(seen, "{message}");
        }
        panic!("baresip never reported {kind}; it reported:\n{seen}");
    }

    /// What it heard and wrote to disk in its only call so far; call after that has ended.
    pub fn heard(&self) -> PathBuf {
        self.recording("-dec.wav")
    }

    /// What it sent in its only call so far.
    pub fn sent(&self) -> PathBuf {
        self.recording("-enc.wav")
    }

    fn recording(&self, ending: &str) -> PathBuf {
        let files = std::fs::read_dir(&self.folder).unwrap().flatten().map(|entry| entry.path());
        let mut found: Vec<PathBuf> = files.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
        found.sort();
        found.pop().unwrap_or_else(|| panic!("baresip wrote no *{ending}"))
    }

    /// Ends it properly, so that its files are complete.
    pub fn quit(mut self) -> PathBuf {
        self.command("quit", "");
        let folder = self.folder.clone();
        let Self { running, .. } = self;
        running.finish();
        folder
    }
}

fn config(setup: &Setup<'_>, folder: &Path, port: u16, control_port: u16) -> String {
    let folder = folder.display();
    // The tone source only makes 48 kHz stereo.
    let (source, rate, channels) = match setup.source {
        Some(path) => (format!("aufile,{}", path.display()), 8000, 1),
        None => ("ausine,440".to_owned(), 48_000, 2),
    };
    let certificate =
        setup.certificate.map(|path| format!("sip_certificate {}\n", path.display())).unwrap_or_default();
    format!(
        "poll_method epoll
sip_listen 127.0.0.1:{port}
{certificate}call_local_timeout 120
call_max_calls 0
audio_player aubridge,sink
audio_source {source}
audio_alert aubridge,alert
ausrc_srate {rate}
auplay_srate 8000
ausrc_channels {channels}
auplay_channels 1
audio_txmode poll
audio_level no
rtp_ports 35000-39999
rtcp_mux no
jitter_buffer_delay 1-3
rtp_stats yes
dns_server 127.0.0.1:53
snd_path {folder}
module_path /usr/lib/baresip/modules
module g711.so
module g722.so
module g726.so
module l16.so
module opus.so
module srtp.so
module ausine.so
module aufile.so
module aubridge.so
module sndfile.so
module uuid.so
module_app account.so
module_app contact.so
module_app debug_cmd.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control_port}
"
    )
}

fn read_netstrings(mut from: TcpStream, to: &mpsc::Sender<Value>) {
    let mut buffer = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        buffer.extend_from_slice(&chunk[..count]);
        while let Some((message, rest)) = netstring(&buffer) {
            if to.send(message).is_err() {
                return;
            }
            buffer = rest;
        }
    }
}

fn netstring(buffer: &[u8]) -> Option<(Value, Vec<u8>)> {
    let colon = buffer.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&buffer[..colon]).ok()?.parse().ok()?;
    let text = buffer.get(colon + 1..colon + 1 + length)?;
    let rest = buffer.get(colon + 2 + length..)?.to_vec();
    let message = serde_json::from_str(&String::from_utf8_lossy(text)).unwrap_or(Value::Null);
    Some((message, rest))
}
