// SPDX-License-Identifier: MIT OR Apache-2.0
//! A short visit to the running server: get a hold of what is there, ask for one thing, leave everything as it is.

use std::path::PathBuf;

use offhook::local::{Remote, RemoteEvent};
use offhook::{
    Answer, AppEvent, Ask, CallAsk, CallId, CallRecord, CallState, Interest, LineRecord, PhoneRecord,
    Privilege,
};
use offhook_spi::{MediaKind, MediaSet};

use crate::exit;
use crate::failure::Failure;
use crate::serve::usual_socket;

/// A connection to the running server.
pub(crate) struct Visit {
    remote: Remote,
    /// Calls that we own and give back at the end.
    owned: Vec<CallId>,
}

/// Nobody calls us by a medium that no line has: a visit takes no calls, it only acts on those that live.
const VISITOR: Interest = Interest { monitor: true, own: MediaSet::EMPTY.with(MediaKind::Data) };

impl Visit {
    pub(crate) async fn begin(socket: Option<PathBuf>) -> Result<Self, Failure> {
        let socket = socket.unwrap_or_else(usual_socket);
        let remote = Remote::connect(&socket, "offhook", None).await?;
        Ok(Self { remote, owned: Vec::new() })
    }

    pub(crate) async fn ask(&mut self, ask: Ask) -> Result<Answer, Failure> {
        Ok(self.remote.ask(ask).await?)
    }

    /// Waits for what happens next; cancel safe.
    pub(crate) async fn event(&mut self) -> Result<AppEvent, Failure> {
        loop {
            if let RemoteEvent::Event { what, .. } = self.remote.event().await? {
                return Ok(*what);
            }
        }
    }

    pub(crate) async fn lines(&mut self) -> Result<Vec<LineRecord>, Failure> {
        match self.ask(Ask::Lines).await? {
            Answer::Lines { lines } => Ok(lines),
            other => Err(strange(&other)),
        }
    }

    /// The line with a name.
    pub(crate) async fn line(&mut self, name: &str) -> Result<LineRecord, Failure> {
        let lines = self.lines().await?;
        let known: Vec<&str> = lines.iter().map(|line| line.stable_id.as_str()).collect();
        let none = || {
            let known = known.join(", ");
            Failure::usage(format!("there is no line '{name}'; the server has: {known}"))
        };
        lines.iter().find(|line| line.stable_id == name).cloned().ok_or_else(none)
    }

    /// All calls that live, with the names of their lines.
    pub(crate) async fn calls(&mut self) -> Result<Vec<(String, CallRecord)>, Failure> {
        let mut all = Vec::new();
        for line in self.lines().await?.into_iter().filter(|line| line.calls > 0) {
            self.ask(Ask::OpenLine { line: line.line, interest: VISITOR }).await?;
            match self.ask(Ask::LineCalls { line: line.line }).await? {
                Answer::Calls { calls } => {
                    all.extend(calls.into_iter().map(|call| (line.stable_id.clone(), call)));
                }
                other => return Err(strange(&other)),
            }
        }
        Ok(all)
    }

    /// One call that lives.
    pub(crate) async fn call(&mut self, id: CallId) -> Result<(String, CallRecord), Failure> {
        let calls = self.calls().await?;
        let known: Vec<String> = calls.iter().map(|(_, call)| call.call.to_string()).collect();
        let found = calls.into_iter().find(|(_, call)| call.call == id);
        found.ok_or_else(|| {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Failure::usage(format!("there is no {id}; calls that live: {known}"))
        })
    }

    /// Becomes an owner of calls, beside those that they have.
    pub(crate) async fn own(&mut self, calls: &[CallId]) -> Result<(), Failure> {
        for id in calls {
            let (_, call) = self.call(*id).await?;
            if call.privilege != Privilege::Owner {
                self.ask(Ask::SetPrivilege { call: *id, privilege: Privilege::Owner }).await?;
            }
            self.owned.push(*id);
        }
        Ok(())
    }

    /// Asks for an operation on a call that we own; calls that come of it are ours too.
    pub(crate) async fn operate(&mut self, call: CallId, op: CallAsk) -> Result<Answer, Failure> {
        let answer = self.ask(Ask::Call { call, op }).await?;
        self.note(&answer);
        Ok(answer)
    }

    /// Remembers the calls that an answer gives us.
    pub(crate) fn note(&mut self, answer: &Answer) {
        match answer {
            Answer::Call { call } => self.owned.push(*call),
            Answer::Conference { conference, consultation } => {
                self.owned.extend([*conference, *consultation]);
            }
            _ => {}
        }
    }

    /// Waits until a call is in a state of which this is true, or is over.
    pub(crate) async fn reaches(
        &mut self,
        wanted: CallId,
        is_there: impl Fn(&CallState) -> bool,
    ) -> Result<CallState, Failure> {
        let known = self.ask(Ask::CallRecord { call: wanted }).await;
        if let Ok(Answer::Record { record }) = known
            && is_there(&record.state)
        {
            return Ok(record.state);
        }
        loop {
            let AppEvent::CallState { call, state, .. } = self.event().await? else { continue };
            if call == wanted && (is_there(&state) || state == CallState::Idle) {
                return Ok(state);
            }
        }
    }

    /// Waits until what was generated in a call has sounded, or the call is over.
    pub(crate) async fn generated(&mut self, wanted: CallId) -> Result<(), Failure> {
        loop {
            match self.event().await? {
                AppEvent::Generated { call, .. } if call == wanted => return Ok(()),
                AppEvent::CallState { call, state: CallState::Idle, .. } if call == wanted => return Ok(()),
                _ => {}
            }
        }
    }

    pub(crate) async fn phones(&mut self) -> Result<Vec<PhoneRecord>, Failure> {
        match self.ask(Ask::Phones).await? {
            Answer::Phones { phones } => Ok(phones),
            other => Err(strange(&other)),
        }
    }

    /// The phone with a name.
    pub(crate) async fn phone(&mut self, name: &str) -> Result<PhoneRecord, Failure> {
        let phones = self.phones().await?;
        let known: Vec<&str> = phones.iter().map(|phone| phone.stable_id.as_str()).collect();
        let none = || {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Failure::usage(format!("there is no phone '{name}'; the server has: {known}"))
        };
        phones.iter().find(|phone| phone.stable_id == name).cloned().ok_or_else(none)
    }

    /// Leaves: calls live on as they are, without us.
    pub(crate) async fn leave(mut self) -> Result<(), Failure> {
        for call in std::mem::take(&mut self.owned) {
            // One that has ended meanwhile needs nobody.
            self.remote.ask(Ask::Deallocate { call, keep: true }).await.ok();
        }
        Ok(())
    }
}

pub(crate) fn strange(answer: &Answer) -> Failure {
    Failure::new(exit::FAILED, format!("the server answers with something else: {answer:?}"))
}
