// SPDX-License-Identifier: MIT OR Apache-2.0
//! Applications that speak for themselves: they ask in the core's words and keep track of their calls, which
//! the server must not give back on their behalf.

use std::collections::HashSet;

use offhook_core::{Answer, AppId, AppProfile, Ask, AskId, Input, Sequence};
use offhook_spi::Refusal;
use tokio::sync::{mpsc, oneshot, watch};

use super::Server;
use super::asks::Pending;
use super::command::AppGuard;

/// What the server remembers of one.
#[derive(Debug)]
pub(super) struct Direct {
    /// Sequence of the newest event for the application.
    newest: watch::Sender<Sequence>,
    answers: mpsc::UnboundedSender<DirectAnswer>,
    /// Numbers of its requests that have no answer yet.
    open: HashSet<AskId>,
}

/// What a new one gets.
#[derive(Debug)]
pub(crate) struct DirectJoined {
    pub(crate) app: AppId,
    pub(crate) guard: AppGuard,
    pub(crate) newest: watch::Receiver<Sequence>,
    /// One for each request; as many as the application has asked, so it is for the asker to keep count.
    pub(crate) answers: mpsc::UnboundedReceiver<DirectAnswer>,
}

/// The answer to a request, under the asker's own number.
#[derive(Debug)]
pub(crate) struct DirectAnswer {
    pub(crate) id: AskId,
    pub(crate) result: Result<Answer, Refusal>,
}

impl Server {
    pub(super) fn direct_up(&mut self, profile: AppProfile, reply: oneshot::Sender<DirectJoined>) {
        let app = AppId(self.next_app);
        self.next_app = self.next_app.saturating_add(1);
        let (newest, receiver) = watch::channel(Sequence(0));
        let (answers, answered) = mpsc::unbounded_channel();
        self.directs.insert(app, Direct { newest, answers, open: HashSet::new() });
        self.inputs.push_back(Input::AppUp { app, profile });
        let guard = AppGuard::new(app, self.releases.clone());
        reply.send(DirectJoined { app, guard, newest: receiver, answers: answered }).ok();
    }

    pub(super) fn direct_ask(&mut self, app: AppId, number: AskId, ask: Ask) {
        let Some(direct) = self.directs.get_mut(&app) else { return };
        if !direct.open.insert(number) {
            let detail = format!("request {} is not answered yet; expected another number", number.0);
            let refusal = Refusal::new(offhook_spi::RefusalKind::InvalidParameter, detail);
            direct.answers.send(DirectAnswer { id: number, result: Err(refusal) }).ok();
            return;
        }
        let id = AskId(self.next_ask);
        self.next_ask = self.next_ask.saturating_add(1);
        self.pending.insert((app, id), Pending::Direct { number });
        self.inputs.push_back(Input::Ask { app, id, ask });
    }

    pub(super) fn direct_answered(&mut self, app: AppId, number: AskId, result: Result<Answer, Refusal>) {
        if let Some(direct) = self.directs.get_mut(&app) {
            direct.open.remove(&number);
            direct.answers.send(DirectAnswer { id: number, result }).ok();
        }
    }

    pub(super) fn direct_told(&self, app: AppId, sequence: Sequence) {
        if let Some(direct) = self.directs.get(&app) {
            direct.newest.send_replace(sequence);
        }
    }
}
