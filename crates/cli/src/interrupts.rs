// SPDX-License-Identifier: MIT OR Apache-2.0
//! Being asked to end, of which nothing is missed from the moment when this program listens.

use crate::failure::Failure;

/// What a program that runs until interrupted listens to; made before it says that it runs.
///
/// A listener made anew for each wait would miss what comes between two waits.
pub(crate) struct Interrupts {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    keyboard: tokio::signal::unix::Signal,
    #[cfg(windows)]
    keyboard: tokio::signal::windows::CtrlC,
}

impl Interrupts {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Self::new().map_err(|error| anyhow::anyhow!("cannot listen for interrupts: {error}").into())
    }

    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, keyboard: signal(SignalKind::interrupt())? })
    }

    #[cfg(windows)]
    fn new() -> std::io::Result<Self> {
        Ok(Self { keyboard: tokio::signal::windows::ctrl_c()? })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.keyboard.recv() => {}
        }
        #[cfg(windows)]
        self.keyboard.recv().await;
    }
}
