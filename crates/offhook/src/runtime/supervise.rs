// SPDX-License-Identifier: MIT OR Apache-2.0
//! Providers in child processes that are started again when they end.
//!
//! A provider that comes back is a new one to the switch, under the same name: its lines come back with their ids,
//! its calls have ended with cause *provider gone*.

use std::time::Duration;

use offhook_core::{Input, ProviderId};
use offhook_spi::{DynMsp, DynTsp, ProviderError};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::Server;
use super::host::{FromProvider, Hosted};
use crate::carrier::{ChildMsp, ChildTsp, Process};

/// One that is to be kept running.
#[derive(Debug)]
pub(crate) struct Supervised {
    process: Process,
    role: Role,
    since: Instant,
    /// How often it has ended soon after it began, in a row.
    failures: u32,
}

/// What a child provides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    Msp,
    Tsp,
}

/// One that was started again.
#[derive(Debug)]
enum Child {
    Msp(ChildMsp),
    Tsp(ChildTsp),
}

/// It was started again, or could not be.
#[derive(Debug)]
pub(crate) struct StartedAgain {
    supervised: Supervised,
    outcome: Result<Child, ProviderError>,
}

/// What it takes to keep providers running.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(crate) to_server: mpsc::Sender<FromProvider>,
    /// The id of the next provider.
    pub(crate) next: u32,
}

impl Supervised {
    pub(crate) fn new(process: Process, role: Role) -> Self {
        Self { process, role, since: Instant::now(), failures: 0 }
    }

    /// How long to wait before the next start: at once for one that ran well, longer and longer for one that keeps
    /// failing.
    fn pause(&mut self, ran: Duration) -> Duration {
        if ran >= RAN_WELL {
            self.failures = 0;
        }
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

impl Server {
    /// Starts a provider again after a pause, unless the server is being shut down.
    pub(super) fn start_again(&self, mut supervised: Supervised) {
        let Some(supervisor) = &self.supervisor else { return };
        let to_server = supervisor.to_server.clone();
        let pause = supervised.pause(supervised.since.elapsed());
        tokio::spawn(async move {
            sleep(pause).await;
            let outcome = match supervised.role {
                Role::Msp => supervised.process.msp().await.map(Child::Msp),
                Role::Tsp => supervised.process.tsp().await.map(Child::Tsp),
            };
            supervised.since = Instant::now();
            // A server that is gone wants no provider; dropping it ends the process.
            to_server.send(FromProvider::Again(Box::new(StartedAgain { supervised, outcome }))).await.ok();
        });
    }

    pub(super) fn started_again(&mut self, again: StartedAgain) {
        let StartedAgain { supervised, outcome } = again;
        let child = match outcome {
            Ok(child) => child,
            Err(error) => {
                warn!(%error, failures = supervised.failures, "a provider could not be started again");
                return self.start_again(supervised);
            }
        };
        let Some(supervisor) = &mut self.supervisor else { return };
        let provider = ProviderId(supervisor.next);
        supervisor.next = supervisor.next.saturating_add(1);
        let to_server = supervisor.to_server.clone();
        let started = match child {
            Child::Msp(child) => {
                let child: Box<dyn DynMsp> = Box::new(child);
                let manifest = child.manifest();
                let hosted = Hosted::start(provider, &manifest, to_server, move |link| child.run(link));
                hosted
                    .map(|hosted| drop(self.msps.insert(provider, hosted)))
                    .map(|()| Input::MspUp { provider, manifest })
            }
            Child::Tsp(child) => {
                let child: Box<dyn DynTsp> = Box::new(child);
                let manifest = child.manifest();
                let hosted = Hosted::start(provider, &manifest, to_server, move |link| child.run(link));
                hosted
                    .map(|hosted| drop(self.tsps.insert(provider, hosted)))
                    .map(|()| Input::TspUp { provider, manifest })
            }
        };
        match started {
            Ok(input) => {
                info!(%provider, "a provider was started again");
                self.supervised.insert(provider, supervised);
                self.inputs.push_back(input);
                self.work();
            }
            Err(error) => {
                warn!(%error, %provider, "a provider has changed its version");
                self.start_again(supervised);
            }
        }
    }
}

/// How long after its end a provider is started again at the earliest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// One that has run so long has not failed at once.
const RAN_WELL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_keeps_failing_waits_longer_and_longer_until_it_runs_well() {
        let mut supervised = Supervised::new(Process::new("provider"), Role::Tsp);
        let mut pauses = (0..12).map(|_| supervised.pause(Duration::ZERO).as_millis());
        let first: Vec<u128> = pauses.by_ref().take(5).collect();
        assert_eq!(first, [100, 200, 400, 800, 1_600]);
        assert_eq!(pauses.last(), Some(30_000));
        assert_eq!(supervised.pause(RAN_WELL), FIRST_PAUSE);
        assert_eq!(supervised.pause(Duration::ZERO), 2 * FIRST_PAUSE);
    }
}
