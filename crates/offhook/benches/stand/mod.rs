// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the benches share: answerers as processes of their own, SIPp as the crowd of callers, and what
//! the system says a process used. Everything stays on the loopback interface.
#![allow(dead_code, reason = "each bench uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use offhook::{Error, Interest, LineConfig, LineMedia, Offhook, RtpConfig, SipConfig};

/// The argument that makes a bench an answerer.
const ANSWER: &str = "answer";
/// The user whom SIPp calls.
const USER: &str = "bench";

/// What an answerer does with the media of its calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Media {
    /// Call control only.
    None,
    /// The RTP provider opens a session and sends silence.
    Open,
    /// Every call hears itself.
    Echo,
}

impl Media {
    const ALL: [(Self, &str); 3] = [(Self::None, "none"), (Self::Open, "open"), (Self::Echo, "echo")];

    pub(crate) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(media, _)| *media == self).map_or("", |(_, word)| word)
    }
}

/// Whether there is something to measure: `cargo test` runs benches too, without this argument.
pub(crate) fn asked() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// The number after an argument of that name.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::args().skip_while(|argument| argument != name).nth(1)?.parse().ok()
}

/// Becomes the answerer, where this process was started as one.
pub(crate) fn answering() -> bool {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(ANSWER) {
        return false;
    }
    let word = arguments.next().unwrap_or_default();
    let media = Media::ALL.iter().find(|(_, known)| *known == word).expect("a known word").0;
    // As a program that wants little of the machine would: one thread for call control.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(serve(media)).expect("an answerer");
    true
}

async fn serve(media: Media) -> Result<(), Error> {
    let line = LineConfig {
        media: if media == Media::None { LineMedia::None } else { LineMedia::Rtp },
        ..LineConfig::direct(USER)
    };
    let sip = SipConfig::default().with_line(line).listening(&["udp:127.0.0.1:0"]).expect("a socket");
    let mut builder = Offhook::builder().sip(sip);
    if media != Media::None {
        builder = builder.rtp(RtpConfig { ports: (40_000, 51_999), ..RtpConfig::default() });
    }
    let phone = builder.start().await?;
    let line = phone.app(USER).await?.line(USER).await?;
    line.open(Interest::OWN_AUDIO).await?;
    say(&phone.sip_uri(USER)?);

    let live = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&live);
    std::thread::spawn(move || report(&counted));
    loop {
        let call = line.incoming().await?;
        let live = Arc::clone(&live);
        tokio::spawn(async move {
            live.fetch_add(1, Ordering::Relaxed);
            // A caller that gave up in the meantime is no fault.
            if call.answer().await.is_ok() && media == Media::Echo {
                call.echo().await.ok();
            }
            call.ended().await;
            live.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Tells how many calls live whenever a line comes in, and ends with whoever started us.
fn report(live: &AtomicU64) {
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line).is_ok_and(|read| read > 0) {
        say(&live.load(Ordering::Relaxed).to_string());
        line.clear();
    }
    std::process::exit(0);
}

/// An answerer of ours in a process of its own.
pub(crate) struct Answerer {
    child: Child,
    input: ChildStdin,
    lines: BufReader<ChildStdout>,
    pub(crate) target: String,
}

impl Answerer {
    pub(crate) fn start(media: Media) -> Self {
        Self::start_with(&[ANSWER, media.word()])
    }

    /// This program again, with other arguments; its first line says where it is called.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let program = std::env::current_exe().expect("this program has a file");
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs");
        let input = child.stdin.take().expect("it was piped");
        let mut lines = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut uri = String::new();
        lines.read_line(&mut uri).expect("the answerer says where it is");
        let target = uri.trim().rsplit('@').next().unwrap_or_default().to_owned();
        assert!(target.starts_with("127."), "not on loopback: {uri}");
        Self { child, input, lines, target }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many calls live in it.
    pub(crate) fn live(&mut self) -> u64 {
        self.input.write_all(b"\n").expect("the answerer reads");
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("the answerer answers");
        line.trim().parse().unwrap_or_default()
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A crowd of callers.
pub(crate) struct Callers {
    pub(crate) target: String,
    pub(crate) calls: u64,
    pub(crate) per_second: u64,
    /// Calls that may live at once.
    pub(crate) limit: u64,
    pub(crate) hold: Duration,
    /// Every caller sends a tone while the call stands.
    pub(crate) sending: bool,
}

impl Callers {
    pub(crate) fn new(target: &str, calls: u64, per_second: u64) -> Self {
        let target = target.to_owned();
        Self { target, calls, per_second, limit: 4_000, hold: Duration::ZERO, sending: false }
    }

    /// Starts to call.
    pub(crate) fn start(&self) -> Calling {
        let folder = folder("callers");
        let statistics = folder.join("statistics.csv");
        let mut command = sipp(&folder);
        command.arg(&self.target).args(["-mi", "127.0.0.1", "-s", USER]);
        command.args(["-m", &self.calls.to_string(), "-r", &self.per_second.to_string()]);
        command.args(["-l", &self.limit.to_string(), "-d", &self.hold.as_millis().to_string()]);
        command.args(["-trace_stat", "-fd", "1", "-buff_size", "4194304", "-stf"]).arg(&statistics);
        // A call that lost its last message would wait for ever.
        let longest = self.calls / self.per_second + self.hold.as_secs() + 40;
        command.args(["-timeout", &longest.to_string()]);
        if self.sending {
            fs::write(folder.join("tone.ul"), tone()).expect("room for a file");
            let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/stand/sending_caller.xml");
            command.args(["-sf", scenario]);
        } else {
            command.args(["-sn", "uac"]);
        }
        Calling { child: command.spawn().expect("SIPp is installed"), statistics, folder }
    }
}

/// Callers at work.
pub(crate) struct Calling {
    child: Child,
    statistics: PathBuf,
    folder: PathBuf,
}

impl Calling {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the last call is over.
    pub(crate) fn finish(mut self) -> Counted {
        self.child.wait().expect("SIPp ends");
        let text = fs::read_to_string(&self.statistics).expect("SIPp writes statistics");
        let mut lines = text.lines();
        let names = lines.next().unwrap_or_default().split(';').map(str::to_owned);
        let values = lines.last().unwrap_or_default().split(';').map(str::to_owned);
        Counted(names.zip(values).collect())
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// What SIPp counted.
pub(crate) struct Counted(BTreeMap<String, String>);

impl Counted {
    pub(crate) fn successful(&self) -> u64 {
        self.column("SuccessfulCall(C)")
    }

    pub(crate) fn failed(&self) -> u64 {
        self.column("FailedCall(C)")
    }

    pub(crate) fn retransmitted(&self) -> u64 {
        self.column("Retransmissions(C)")
    }

    fn column(&self, name: &str) -> u64 {
        self.0.get(name).and_then(|text| text.parse().ok()).expect("SIPp counts it")
    }
}

/// SIPp's own answerer.
pub(crate) struct Floor {
    child: Child,
    folder: PathBuf,
    pub(crate) target: String,
}

impl Floor {
    pub(crate) fn start() -> Self {
        let folder = folder("floor");
        let port = free_port();
        let mut command = Command::new("sipp");
        let arguments = ["-i", "127.0.0.1", "-nostdin", "-buff_size", "4194304", "-sn", "uas"];
        let child = quiet(command.current_dir(&folder).args(arguments))
            .args(["-p", &port.to_string()])
            .spawn()
            .expect("SIPp is installed");
        std::thread::sleep(Duration::from_millis(500));
        Self { child, folder, target: format!("127.0.0.1:{port}") }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn sipp(folder: &Path) -> Command {
    let mut command = Command::new("sipp");
    command.current_dir(folder).args(["-i", "127.0.0.1", "-p", &free_port().to_string(), "-nostdin"]);
    quiet(&mut command);
    command
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// Whether there are callers at all; says so when not.
pub(crate) fn sipp_is_there() -> bool {
    let found = Command::new("sipp").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        say("NOT MEASURED: sipp is not installed");
    }
    found
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.local_addr().expect("it is bound").port()
}

fn folder(name: &str) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{count}", std::process::id()));
    fs::create_dir_all(&folder).expect("room for a folder");
    folder
}

/// A second of 440 Hz in G.711 µ-law, without a header.
fn tone() -> Vec<u8> {
    let sample = |n: u32| (f64::from(n) * 440.0 * std::f64::consts::TAU / 8_000.0).sin() * 6_000.0;
    (0..8_000).map(|n| u_law(sample(n) as i32)).collect()
}

/// ITU-T G.711, one sample.
fn u_law(sample: i32) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let size = sample.abs().min(32_635) + 132;
    let exponent = (31 - size.leading_zeros() as i32 - 7).clamp(0, 7);
    let mantissa = (size >> (exponent + 3)) & 15;
    !((sign | (exponent << 4) | mantissa) as u8)
}

/// Time that a process spent on processors, user and system, all threads.
pub(crate) fn cpu(id: u32) -> Duration {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        nanos += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
    }
    Duration::from_nanos(nanos)
}

/// Resident memory of a process in KiB.
pub(crate) fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// How busy the machine is, as it says.
pub(crate) fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or_default().to_owned()
}

/// Waits until something is so; false when it is not within the time.
pub(crate) fn within(time: Duration, mut so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    false
}

pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").ok();
    out.flush().ok();
}
