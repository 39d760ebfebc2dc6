// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's side: a child process behind a link.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use offhook_spi::frame::{Introduction, LONGEST_FRAME, MspWords, ProviderKind, TspWords, Words};
use offhook_spi::{Link, Manifest, Msp, MspLink, ProviderError, Tsp, TspLink};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::warn;

use super::talk::{CLOSED, Ear, FAREWELL, Mouth, PING, carry, failed, introduced};
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
        match introduced(wanted, &mut lines).await {
            Ok(Introduction { manifest, .. }) => {
                Ok(Carried { manifest, child, stdin, lines, last_words, ping: self.ping })
            }
            Err(detail) => {
                child.kill().await.ok();
                Err(failed(&name, &format!("{detail}{}", last_words.said().await)))
            }
        }
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
    async fn run<W: Words>(self, link: Link<W::Command, W::Event>) -> Result<(), ProviderError> {
        let Self { mut child, stdin, mut lines, last_words, ping, .. } = self;
        let outcome = carry::<W>(link, &mut lines, stdin, ping).await;
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

impl Ear for Lines<ChildStdout> {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        self.next().await
    }
}

impl Mouth for ChildStdin {
    async fn say(&mut self, frame: Vec<u8>) -> Option<()> {
        self.write_all(&frame).await.ok()
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

/// What a child keeps of the environment.
const KEPT: [&str; 4] = ["HOME", "LANG", "PATH", "TMPDIR"];
/// Lines of the error output that are kept.
const LAST_WORDS: usize = 3;
/// Bytes of one such line.
const LONGEST_WORDS: usize = 4_096;
