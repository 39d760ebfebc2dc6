// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's side: a provider in a shared library behind a link.

use std::path::PathBuf;
use std::time::Duration;

use offhook_spi::frame::{Introduction, MspWords, ProviderKind, TspWords, Words};
use offhook_spi::{Link, Manifest, Msp, MspLink, ProviderError, Tsp, TspLink};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::abi::{self, Running};
use super::talk::{CLOSED, Ear, FAREWELL, Mouth, PING, carry, failed, introduced};

/// A shared library that is a provider (`include/offhook_provider.h`). It is loaded into this process and never
/// unloaded, so it has to be trusted; [`Process`](super::Process) is for all others.
#[derive(Clone, Debug)]
pub struct Library {
    path: PathBuf,
    ping: Duration,
}

impl Library {
    /// A library by its path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ping: PING }
    }

    /// How often to ask whether it lives; it is given up after three pings without an answer. Five seconds unless
    /// set.
    #[must_use]
    pub const fn ping_every(mut self, period: Duration) -> Self {
        self.ping = period;
        self
    }

    /// Opens a TSP in it.
    ///
    /// # Errors
    /// A sentence when it cannot be loaded, refuses to open, does not introduce itself, or is no TSP.
    pub async fn tsp(&self) -> Result<LibraryTsp, ProviderError> {
        self.start(ProviderKind::Tsp).await.map(|loaded| LibraryTsp { loaded })
    }

    /// Opens an MSP in it.
    ///
    /// # Errors
    /// As [`Library::tsp`].
    pub async fn msp(&self) -> Result<LibraryMsp, ProviderError> {
        self.start(ProviderKind::Msp).await.map(|loaded| LibraryMsp { loaded })
    }

    async fn start(&self, wanted: ProviderKind) -> Result<Loaded, ProviderError> {
        let name = self.path.to_string_lossy().into_owned();
        // A bare name would be searched for in the system's folders.
        let path = std::path::absolute(&self.path).map_err(|error| failed(&name, &error.to_string()))?;
        let mut running = abi::start(&path).map_err(|error| failed(&name, &error.to_string()))?;
        let detail = match introduced(wanted, &mut running.said).await {
            Ok(Introduction { manifest, .. }) => match timeout(PING, &mut running.opened).await {
                Ok(Ok(())) => return Ok(Loaded { manifest, running, ping: self.ping }),
                _ => format!("has not opened within {PING:?}"),
            },
            Err(detail) => detail,
        };
        drop(running.told);
        // Its own reason says more than its silence.
        match timeout(FAREWELL, running.ended).await {
            Ok(Ok(Err(reason))) => Err(failed(&name, &reason)),
            _ => Err(failed(&name, &detail)),
        }
    }
}

/// A TSP in a shared library; it is closed with its link.
#[derive(Debug)]
pub struct LibraryTsp {
    loaded: Loaded,
}

/// An MSP in a shared library; it is closed with its link.
#[derive(Debug)]
pub struct LibraryMsp {
    loaded: Loaded,
}

impl Tsp for LibraryTsp {
    fn manifest(&self) -> Manifest {
        self.loaded.manifest.clone()
    }

    async fn run(self, link: TspLink) -> Result<(), ProviderError> {
        self.loaded.run::<TspWords>(link).await
    }
}

impl Msp for LibraryMsp {
    fn manifest(&self) -> Manifest {
        self.loaded.manifest.clone()
    }

    async fn run(self, link: MspLink) -> Result<(), ProviderError> {
        self.loaded.run::<MspWords>(link).await
    }
}

/// A provider that has introduced itself.
#[derive(Debug)]
struct Loaded {
    manifest: Manifest,
    running: Running,
    ping: Duration,
}

impl Loaded {
    async fn run<W: Words>(self, link: Link<W::Command, W::Event>) -> Result<(), ProviderError> {
        let Running { mut said, told, ended, .. } = self.running;
        let outcome = carry::<W>(link, &mut said, told, self.ping).await;
        // Whoever still waits to say something is told that nobody listens.
        drop(said);
        match (timeout(FAREWELL, ended).await, outcome) {
            (Ok(Ok(Err(reason))), _) => Err(ProviderError::new(format!("it {reason}"))),
            (Ok(_), Err(detail)) if detail == CLOSED => Ok(()),
            (_, Err(detail)) => Err(ProviderError::new(detail)),
            // One that does not return cannot be stopped; its thread stays behind.
            (Err(_), Ok(())) => Err(ProviderError::new(format!("it has not closed within {FAREWELL:?}"))),
            (Ok(_), Ok(())) => Ok(()),
        }
    }
}

impl Ear for mpsc::Receiver<Vec<u8>> {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        Ok(self.recv().await)
    }
}

impl Mouth for mpsc::Sender<Vec<u8>> {
    async fn say(&mut self, mut frame: Vec<u8>) -> Option<()> {
        // Frames have ends of their own here.
        frame.truncate(frame.trim_ascii_end().len());
        self.send(frame).await.ok()
    }
}
