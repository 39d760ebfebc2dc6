// SPDX-License-Identifier: MIT OR Apache-2.0
//! The orderly end: calls are hung up, applications leave, providers unregister and end.

use std::time::Duration;

use offhook_core::{AppId, Input};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use super::{Inbox, Server, until};

impl Server {
    /// Ends everything; takes at most the sum of the time limits below.
    pub(super) async fn close(mut self, mut inbox: Inbox) {
        info!("shutting down");
        self.supervisor = None;
        // Whoever asks from now on, or has asked and was not heard, is told by the closed queue.
        inbox.commands.close();
        while inbox.commands.try_recv().is_ok() {}
        self.pending.retain(|_, pending| matches!(pending, super::asks::Pending::Parting { .. }));
        let limit = Instant::now() + HANG_UP;
        self.drop_all();
        self.settle(&mut inbox, limit, Self::any_live).await;
        let apps: Vec<AppId> = self.apps.keys().chain(self.directs.keys()).copied().collect();
        self.inputs.extend(apps.into_iter().map(|app| Input::AppDown { app }));
        // What sessions say at their end still belongs into the trace.
        self.settle(&mut inbox, limit, |server| server.switch.counts().sessions > 0).await;
        self.apps.clear();
        self.directs.clear();
        // Telephony first: what it still says to the far ends may need media to end.
        let tsps: Vec<_> =
            self.tsps.drain().map(|(_, hosted)| (hosted.name.clone(), hosted.close())).collect();
        end(tsps, &mut inbox).await;
        let msps: Vec<_> =
            self.msps.drain().map(|(_, hosted)| (hosted.name.clone(), hosted.close())).collect();
        end(msps, &mut inbox).await;
        if let Some(trace) = self.trace.take() {
            trace.finish().await;
        }
        info!("shut down");
    }

    /// Works for as long as there is something left of calls, but not beyond the limit.
    async fn settle(&mut self, inbox: &mut Inbox, limit: Instant, is_left: impl Fn(&Self) -> bool) {
        self.work();
        while is_left(self) {
            let wake = self.next_wake().map_or(limit, |wake| wake.min(limit));
            tokio::select! {
                Some(from) = inbox.providers.recv() => self.handle_provider(from),
                () = until(Some(wake)) => self.handle_wake(),
            }
            self.work();
            if Instant::now() >= limit {
                warn!("some calls did not end in time");
                break;
            }
        }
    }
}

/// Waits until providers have ended, and stops those that do not.
async fn end(providers: Vec<(String, JoinHandle<()>)>, inbox: &mut Inbox) {
    let limit = Instant::now() + PROVIDER_END;
    for (name, mut pump) in providers {
        loop {
            tokio::select! {
                _ = &mut pump => break,
                // What they still say is nobody's business any more, but must not make them wait.
                Some(_) = inbox.providers.recv() => {}
                () = tokio::time::sleep_until(limit) => {
                    warn!(provider = name, "a provider did not end in time and was stopped");
                    pump.abort();
                    break;
                }
            }
        }
    }
}

/// How long calls may take to end.
const HANG_UP: Duration = Duration::from_secs(4);
/// How long providers may take to end.
const PROVIDER_END: Duration = Duration::from_secs(5);
