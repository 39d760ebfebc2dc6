// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIPp as a crowd of callers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use offhook::SampleRate;
use offhook_media::level::Level;
use offhook_media::signal;
use offhook_media::tone::Frequency;

use super::{PATIENCE, Running, folder, free_port, have};

/// What a run of SIPp counted at its end.
#[derive(Debug)]
pub struct Counted(BTreeMap<String, String>);

impl Counted {
    pub fn successful(&self) -> u64 {
        self.number("SuccessfulCall(C)")
    }

    pub fn failed(&self) -> u64 {
        self.number("FailedCall(C)")
    }

    pub fn retransmissions(&self) -> u64 {
        self.number("Retransmissions(C)")
    }

    fn number(&self, column: &str) -> u64 {
        self.0
            .get(column)
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("no {column} in {self:?}"))
    }
}

/// A run of SIPp against one target.
pub struct Run {
    pub target: String,
    pub user: &'static str,
    pub calls: u32,
    pub per_second: u32,
    /// Calls that may live at once.
    pub limit: u32,
    /// How long each call stands, in milliseconds.
    pub hold: u32,
    /// A scenario file, or the built-in caller without media.
    pub scenario: Option<PathBuf>,
    pub arguments: Vec<&'static str>,
}

impl Run {
    /// Runs to its end; `None` when SIPp is not installed.
    pub fn run(&self) -> Option<Counted> {
        if !have("sipp") {
            return None;
        }
        let folder = folder("sipp");
        // A second of 440 Hz for scenarios with sound.
        std::fs::write(folder.join("tone.ul"), tone()).unwrap();
        let statistics = folder.join("statistics.csv");
        let mut command = Command::new("sipp");
        command.current_dir(&folder).arg(&self.target).args(["-i", "127.0.0.1", "-mi", "127.0.0.1"]);
        command.args(["-s", self.user, "-m", &self.calls.to_string(), "-r", &self.per_second.to_string()]);
        command.args(["-l", &self.limit.to_string(), "-d", &self.hold.to_string()]);
        command.args(["-timeout", "240", "-nostdin", "-trace_stat", "-fd", "1", "-trace_err", "-stf"]);
        command.arg(&statistics).args(["-p", &free_port(1).to_string()]).args(&self.arguments);
        match &self.scenario {
            Some(path) => command.arg("-sf").arg(path),
            None => command.args(["-sn", "uac"]),
        };
        Running::start("sipp", &mut command).finish();
        Some(counted(&statistics))
    }
}

/// SIPp as a server of one scenario, until so many dialogs are through. Gives its port too; `None` when SIPp is
/// not installed.
pub fn serve(scenario: &str, dialogs: u32) -> Option<(Running, u16)> {
    if !have("sipp") {
        return None;
    }
    let port = free_port(1);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(scenario);
    let mut command = Command::new("sipp");
    command.current_dir(folder("sipp")).args(["-i", "127.0.0.1", "-p", &port.to_string(), "-sf"]).arg(file);
    command.args(["-m", &dialogs.to_string(), "-timeout", "60", "-nostdin", "-trace_err", "-fd", "1"]);
    let running = Running::start("sipp", &mut command);
    let begin = Instant::now();
    while !is_listening(port) {
        assert!(begin.elapsed() < PATIENCE, "SIPp never listened");
        std::thread::yield_now();
    }
    Some((running, port))
}

/// Whether somebody has opened a UDP port, as the system lists them. Trying to open it would take it away.
fn is_listening(port: u16) -> bool {
    let list = std::fs::read_to_string("/proc/net/udp").unwrap();
    let own = format!(":{port:04X} ");
    list.lines().any(|line| line.contains(&own))
}

/// A second of 440 Hz in G.711 mu-law.
fn tone() -> Vec<u8> {
    let (rate, hertz) = (SampleRate::HZ_8000, Frequency::from_hertz(440.0));
    let samples = signal::tone(rate, hertz, Level::from_dbov(-12.0), Duration::from_secs(1));
    samples.iter().map(|&sample| mulaw(sample)).collect()
}

/// One sample in G.711 mu-law.
fn mulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs().min(32_635) + 132;
    let exponent = 15 - magnitude.leading_zeros() as u16 - 7;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

fn counted(path: &Path) -> Counted {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("SIPp wrote no statistics: {error}"));
    let mut lines = text.lines();
    let names = lines.next().unwrap_or_default().split(';');
    let values = lines.last().unwrap_or_default().split(';');
    Counted(names.map(str::to_owned).zip(values.map(str::to_owned)).collect())
}

/// One call in which SIPp plays a scenario of this folder; it ends with an error when what it hears is not as the
/// scenario says.
pub struct Part {
    running: Running,
    errors: PathBuf,
    /// Where it can be called.
    pub address: String,
}

impl Part {
    /// It waits for a call.
    pub fn called(scenario: &str) -> Option<Self> {
        let part = Self::start(scenario, &[])?;
        let (_, port) = part.address.rsplit_once(':').unwrap();
        let socket = format!(":{:04X} ", port.parse::<u16>().unwrap());
        let deadline = Instant::now() + PATIENCE;
        // It does not say when it listens; the system does.
        while !std::fs::read_to_string("/proc/net/udp").unwrap().contains(&socket) {
            assert!(Instant::now() < deadline, "SIPp does not listen at {}", part.address);
            std::thread::yield_now();
        }
        Some(part)
    }

    /// It calls the line `ours` at this address.
    pub fn calls(scenario: &str, target: &str) -> Option<Self> {
        Self::start(scenario, &["-s", "ours", target])
    }

    fn start(scenario: &str, arguments: &[&str]) -> Option<Self> {
        if !have("sipp") {
            return None;
        }
        let folder = folder(scenario);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(scenario);
        let (port, errors) = (free_port(1), folder.join("errors"));
        let mut command = Command::new("sipp");
        command.current_dir(&folder).args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-m", "1", "-nostdin"]);
        command.args(["-timeout", "100", "-timeout_error", "-trace_err", "-error_file"]).arg(&errors);
        command.args(["-p", &port.to_string(), "-mp", &free_port(4).to_string()]);
        command.arg("-sf").arg(file.with_extension("xml")).args(arguments);
        let running = Running::start("sipp", &mut command);
        Some(Self { running, errors, address: format!("sip:peer@127.0.0.1:{port}") })
    }

    /// Waits until the scenario is over and has gone as written.
    pub async fn finish(self) {
        let Self { running, errors, .. } = self;
        let (success, printed) = tokio::task::spawn_blocking(move || running.finish()).await.unwrap();
        let why = std::fs::read_to_string(errors).unwrap_or_default();
        assert!(success, "SIPp was told otherwise: {why}\n{printed}");
    }
}
