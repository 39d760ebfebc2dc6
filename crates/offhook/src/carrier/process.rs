// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's side: a child process behind a link.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use offhook_spi::frame::{
    FromProvider, Introduction, LONGEST_FRAME, MspWords, ProviderKind, TspWords, Words, line, ping,
};
use offhook_spi::{Emitter, Link, Manifest, Msp, MspLink, ProviderError, Tsp, TspLink};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};
use tracing::{debug, warn};

use crate::lines::Lines;

/// How to start a provider as a child process. It gets this process's `PATH`, `HOME`, `LANG` and `TMPDIR` and
/// nothing else of its environment.
#[derive(Clone, Debug)]
pub struct Process {
    program: OsString,
    args: Vec<OsString>,
    ping: Duration,
}

impl Process {
    /// A program by its path, or by its name on the `PATH`.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), args: Vec::new(), ping: PING }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// How often to ask whether it lives; it is given up after three pings without an answer. Five seconds
    /// unless set.
    #[must_use]
    pub const fn ping_every(mut self, period: Duration) -> Self {
        self.ping = period;
        self
    }

    /// Starts it as a TSP.
    ///
    /// # Errors
    /// A sentence when it cannot be started, does not introduce itself, or is no TSP.
    pub async fn tsp(&self) -> Result<ChildTsp, ProviderError> {
        self.start(ProviderKind::Tsp).await.map(|carried| ChildTsp { carried })
    }

    /// Starts it as an MSP.
    ///
    /// # Errors
    /// As [`Process::tsp`].
    pub async fn msp(&self) -> Result<ChildMsp, ProviderError> {
        self.start(ProviderKind::Msp).await.map(|carried| ChildMsp { carried })
    }

    async fn start(&self, wanted: ProviderKind) -> Result<Carried, ProviderError> {
        let name = self.program.to_string_lossy().into_owned();
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(KEPT.iter().filter_map(|key| Some((key, std::env::var_os(key)?))));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| {
            ProviderError::new(format!(
                "'{name}' cannot be started: {error}; expected a program that may be run"
            ))
        })?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(ProviderError::new(format!("'{name}' has no pipes")));
        };
        let last_words = LastWords::of(name.clone(), stderr);
        let mut lines = Lines::new(stdout, LONGEST_FRAME);
        let introduction = introduced(&mut lines).await;
        let introduction = match introduction {
            Ok(introduction) => introduction,
            Err(detail) => {
                child.kill().await.ok();
                return Err(ProviderError::new(format!("'{name}' {detail}{}", last_words.said().await)));
            }
        };
        let Introduction { provider, manifest } = introduction;
        if provider != wanted {
            let detail = format!("'{name}' is no {} but says it is a {}", words(wanted), words(provider));
            return Err(ProviderError::new(detail));
        }
        Ok(Carried { manifest, child, stdin, lines, last_words, ping: self.ping })
    }
}

async fn introduced(lines: &mut Lines<ChildStdout>) -> Result<Introduction, String> {
    match timeout(INTRODUCTION, lines.next()).await {
        Ok(Ok(Some(line))) => {
            Introduction::read(&line).map_err(|error| format!("does not introduce itself: {error}"))
        }
        Ok(Ok(None)) => Err("ended before it introduced itself".to_owned()),
        Ok(Err(detail)) => Err(format!("does not introduce itself: {detail}")),
        Err(_) => Err(format!("has not introduced itself within {INTRODUCTION:?}")),
    }
}

/// A TSP in a child process; it ends with its link.
#[derive(Debug)]
pub struct ChildTsp {
    carried: Carried,
}

/// An MSP in a child process; it ends with its link.
#[derive(Debug)]
pub struct ChildMsp {
    carried: Carried,
}

impl ChildTsp {
    /// The process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.carried.child.id()
    }
}

impl Tsp for ChildTsp {
    fn manifest(&self) -> Manifest {
        self.carried.manifest.clone()
    }

    async fn run(self, link: TspLink) -> Result<(), ProviderError> {
        self.carried.run::<TspWords>(link).await
    }
}

impl Msp for ChildMsp {
    fn manifest(&self) -> Manifest {
        self.carried.manifest.clone()
    }

    async fn run(self, link: MspLink) -> Result<(), ProviderError> {
        self.carried.run::<MspWords>(link).await
    }
}

/// A child that has introduced itself.
#[derive(Debug)]
struct Carried {
    manifest: Manifest,
    child: Child,
    stdin: ChildStdin,
    lines: Lines<ChildStdout>,
    last_words: LastWords,
    ping: Duration,
}

impl Carried {
    /// Carries messages both ways until the link closes or the child ends.
    async fn run<W: Words>(self, mut link: Link<W::Command, W::Event>) -> Result<(), ProviderError> {
        let Self { mut child, stdin, mut lines, last_words, ping, .. } = self;
        let (pongs, answered) = watch::channel(0);
        let emitter = link.emitter();
        let outcome = {
            let hear = hear::<W>(&mut lines, emitter, pongs);
            let tell = tell::<W>(&mut link, stdin, answered, ping);
            tokio::pin!(hear, tell);
            tokio::select! {
                ended = &mut hear => ended,
                // It reads the end of its input; what it still says while it ends is heard.
                ended = &mut tell => match ended {
                    Ok(()) => {
                        timeout(FAREWELL, hear).await.ok();
                        Ok(())
                    }
                    Err(detail) => Err(detail),
                },
            }
        };
        // One that misbehaves gets no time; one that ends by itself has a status.
        let patience = match &outcome {
            Err(detail) if detail != CLOSED => Duration::ZERO,
            _ => FAREWELL,
        };
        let status = match timeout(patience, child.wait()).await {
            Ok(Ok(status)) => format!("; it {}", in_words(status)),
            _ => String::new(),
        };
        child.kill().await.ok();
        let said = last_words.said().await;
        outcome.map_err(|detail| ProviderError::new(format!("{detail}{status}{said}")))
    }
}

/// Passes on what the child says. It ends when nobody listens, or with the reason why nothing more comes.
async fn hear<W: Words>(
    lines: &mut Lines<ChildStdout>,
    emitter: Emitter<W::Event>,
    pongs: watch::Sender<u64>,
) -> Result<(), String> {
    let mut unknown = 0_u64;
    loop {
        let line = lines.next().await.map_err(|detail| format!("it says what is no frame: {detail}"))?;
        let Some(line) = line else { return Err(CLOSED.to_owned()) };
        match FromProvider::<W::Event>::read(&line).map_err(|error| error.to_string())? {
            FromProvider::Event(event) => {
                if emitter.emit(event).await.is_err() {
                    return Ok(());
                }
            }
            FromProvider::Pong(number) => {
                pongs.send_replace(number);
            }
            FromProvider::Unknown { detail } => {
                unknown += 1;
                debug!(unknown, detail, "an event that this version does not know was passed over");
            }
        }
    }
}

/// Passes on what the host says, and asks now and then whether anybody is there.
async fn tell<W: Words>(
    link: &mut Link<W::Command, W::Event>,
    mut stdin: ChildStdin,
    answered: watch::Receiver<u64>,
    period: Duration,
) -> Result<(), String> {
    let mut pulse = interval(period);
    let mut sent = 0_u64;
    loop {
        let bytes = tokio::select! {
            command = link.next() => match command {
                Some(command) => line(&command),
                None => return Ok(()),
            },
            _ = pulse.tick() => {
                if sent.saturating_sub(*answered.borrow()) >= SILENCE {
                    return Err(format!("it has not answered {SILENCE} pings, one every {period:?}"));
                }
                sent += 1;
                ping(sent)
            }
        };
        match timeout(period.saturating_mul(3), stdin.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err("it has closed its input".to_owned()),
            Err(_) => return Err("it does not read its commands".to_owned()),
        }
    }
}

/// The last lines that the child wrote to its error output.
#[derive(Debug)]
struct LastWords {
    task: JoinHandle<VecDeque<String>>,
}

impl LastWords {
    fn of(name: String, stderr: ChildStderr) -> Self {
        let task = tokio::spawn(async move {
            let mut kept = VecDeque::new();
            let mut said = Lines::new(stderr, LONGEST_WORDS);
            while let Ok(Some(line)) = said.next().await {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                warn!(provider = name, "{line}");
                if kept.len() == LAST_WORDS {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
            kept
        });
        Self { task }
    }

    /// What they were, once the child has ended.
    async fn said(self) -> String {
        // Children of the child may keep the pipe open.
        match timeout(FAREWELL, self.task).await {
            Ok(Ok(kept)) if !kept.is_empty() => {
                format!("; it said last: {}", Vec::from(kept).join(" / "))
            }
            _ => String::new(),
        }
    }
}

fn in_words(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was killed by signal {signal}");
    }
    match status.code() {
        Some(code) => format!("ended with exit code {code}"),
        None => "ended".to_owned(),
    }
}

const fn words(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Tsp => "TSP",
        ProviderKind::Msp => "MSP",
    }
}

/// The child has ended, or says nothing more.
const CLOSED: &str = "it has closed its output";
/// What a child keeps of the environment.
const KEPT: [&str; 4] = ["HOME", "LANG", "PATH", "TMPDIR"];
/// How long a child may take for its first line.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// How often a child is asked whether it lives.
const PING: Duration = Duration::from_secs(5);
/// So many pings without an answer mean that it does not.
const SILENCE: u64 = 3;
/// How long a child may take to end.
const FAREWELL: Duration = Duration::from_secs(2);
/// Lines of the error output that are kept.
const LAST_WORDS: usize = 3;
/// Bytes of one such line.
const LONGEST_WORDS: usize = 4_096;
