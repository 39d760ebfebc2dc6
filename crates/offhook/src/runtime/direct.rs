// SPDX-License-Identifier: MIT OR Apache-2.0
//! Applications that speak for themselves: they ask in the core's words and keep track of their calls, which
//! the server must not give back on their behalf. One that loses its connection may come back in time.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use offhook_core::{Answer, AppId, AppProfile, Ask, AskId, Input, Sequence};
use offhook_spi::{Refusal, RefusalKind};
use tokio::sync::{mpsc, oneshot, watch};

use super::Server;
use super::asks::Pending;
use super::command::{DirectGuard, Release};

/// What the server remembers of one.
#[derive(Debug)]
pub(super) struct Direct {
    /// What it must know to come back.
    key: u64,
    /// Which of its connections this is.
    connection: u64,
    /// Sequence of the newest event for the application.
    newest: watch::Sender<Sequence>,
    answers: mpsc::UnboundedSender<DirectAnswer>,
    /// Numbers of its requests that have no answer yet.
    open: HashSet<AskId>,
    /// Answers that came while it was away; as many as it had open.
    kept: Vec<DirectAnswer>,
}

/// What one gets that is there, or back.
#[derive(Debug)]
pub(crate) struct DirectJoined {
    pub(crate) app: AppId,
    pub(crate) key: u64,
    /// Says when the connection is gone.
    pub(crate) guard: DirectGuard,
    pub(crate) newest: watch::Receiver<Sequence>,
    /// One for each request; as many as the application has asked, so it is for the asker to keep count. Closed
    /// when another connection takes the application over.
    pub(crate) answers: mpsc::UnboundedReceiver<DirectAnswer>,
    /// Numbers of requests of an earlier connection that have no answer yet.
    pub(crate) open: HashSet<AskId>,
}

/// The answer to a request, under the asker's own number.
#[derive(Debug)]
pub(crate) struct DirectAnswer {
    pub(crate) id: AskId,
    pub(crate) result: Result<Answer, Refusal>,
}

impl Server {
    pub(super) fn direct_up(&mut self, profile: AppProfile, reply: oneshot::Sender<DirectJoined>) {
        self.forget_lost();
        let app = AppId(self.next_app);
        self.next_app = self.next_app.saturating_add(1);
        // Nobody guesses it by accident; who may open the socket is settled by its rights.
        let key = RandomState::new().build_hasher().finish();
        let (answers, _) = mpsc::unbounded_channel();
        let newest = watch::Sender::new(Sequence(0));
        let (open, kept) = (HashSet::new(), Vec::new());
        self.directs.insert(app, Direct { key, connection: 0, newest, answers, open, kept });
        self.inputs.push_back(Input::AppUp { app, profile });
        self.direct_joined(app, reply);
    }

    /// An application comes back; nothing is sent when there is none to come back to.
    pub(super) fn direct_back(&mut self, app: AppId, key: u64, reply: oneshot::Sender<DirectJoined>) {
        self.forget_lost();
        if self.directs.get(&app).is_some_and(|direct| direct.key == key) {
            self.inputs.push_back(Input::AppBack { app });
            self.direct_joined(app, reply);
        }
    }

    fn direct_joined(&mut self, app: AppId, reply: oneshot::Sender<DirectJoined>) {
        let Some(direct) = self.directs.get_mut(&app) else { return };
        let (answers, receiver) = mpsc::unbounded_channel();
        for answer in direct.kept.drain(..) {
            answers.send(answer).ok();
        }
        direct.answers = answers;
        direct.connection += 1;
        let guard = DirectGuard::new(app, direct.connection, self.releases.clone());
        let (key, open) = (direct.key, direct.open.clone());
        let newest = direct.newest.subscribe();
        reply.send(DirectJoined { app, key, guard, newest, answers: receiver, open }).ok();
    }

    /// A connection is gone; unless another has taken over, the application may come back for a while.
    pub(super) fn direct_lost(&mut self, app: AppId, connection: u64) {
        if self.directs.get(&app).is_some_and(|direct| direct.connection == connection) {
            self.inputs.push_back(Input::AppLost { app });
            self.work();
            self.forget_lost();
        }
    }

    /// An application says goodbye.
    pub(super) fn direct_down(&mut self, app: AppId) {
        if self.directs.remove(&app).is_some() {
            self.inputs.push_back(Input::AppDown { app });
        }
    }

    /// Forgets those whose time to come back is over.
    fn forget_lost(&mut self) {
        // One that has only just come up is not in the switch before its input is.
        self.work();
        let switch = &self.switch;
        self.directs.retain(|app, _| switch.knows_app(*app));
    }

    pub(super) fn direct_ask(&mut self, app: AppId, number: AskId, ask: Ask) {
        let Some(direct) = self.directs.get_mut(&app) else { return };
        if !direct.open.insert(number) {
            let detail = format!("request {} is not answered yet; expected another number", number.0);
            let refusal = Refusal::new(RefusalKind::InvalidParameter, detail);
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
            if let Err(unheard) = direct.answers.send(DirectAnswer { id: number, result }) {
                direct.kept.push(unheard.0);
            }
        }
    }

    pub(super) fn direct_told(&self, app: AppId, sequence: Sequence) {
        if let Some(direct) = self.directs.get(&app) {
            direct.newest.send_replace(sequence);
        }
    }
}

impl Drop for DirectGuard {
    fn drop(&mut self) {
        // A server that is gone has let go of the application already.
        self.releases.send(Release::Direct { app: self.app, connection: self.connection }).ok();
    }
}
