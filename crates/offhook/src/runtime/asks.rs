// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests of handles: passed to the switch, answered once, and what the server asks on its own to
//! give calls back that nobody holds any more.

use offhook_core::{
    Answer, AppId, Ask, AskId, CallAsk, CallId, Input, Interest, LineId, Privilege, Sequence,
};
use offhook_spi::{GenerationEnd, Outcome, Refusal, RefusalKind, TerminalClass};
use tokio::sync::{oneshot, watch};
use tracing::warn;

use super::Server;
use super::apps::{AppState, Parting, merge};
use super::command::{AppGuard, AskReply, Attached, Command, Gathered, Joined, Release, Reply};

/// A request that the switch has not answered.
#[derive(Debug)]
pub(super) enum Pending {
    /// A handle waits.
    Asked { reply: AskReply, follow: Follow },
    /// An application that speaks for itself waits, under its own number.
    Direct { number: AskId },
    /// The server gives a call back.
    Parting { call: CallId },
}

/// What the answer will need beside itself.
#[derive(Debug)]
pub(super) enum Follow {
    Nothing,
    /// The call whose terminal, consultation or conference is asked for.
    Call(CallId),
    Gathering(CallId, oneshot::Receiver<Gathered>),
    Generation(CallId, oneshot::Receiver<GenerationEnd>),
    /// The privilege that the application wants on a call.
    Privilege(CallId, Privilege),
    /// The line from which a call is made or fetched.
    Line(LineId),
    /// The call on which a file is played or recorded, which will end.
    File(CallId),
    /// What the line was used for before.
    Opening(LineId, Option<Interest>),
}

impl Server {
    pub(super) fn handle_command(&mut self, command: Command) {
        match command {
            Command::AppUp { profile, reply } => {
                let app = AppId(self.next_app);
                self.next_app = self.next_app.saturating_add(1);
                let (newest, receiver) = watch::channel(Sequence(0));
                self.apps.insert(app, AppState::new(app, self.releases.clone(), newest));
                self.inputs.push_back(Input::AppUp { app, profile });
                self.work();
                let guard = AppGuard::new(app, self.releases.clone());
                reply.send(Joined { app, guard, newest: receiver }).ok();
            }
            Command::DirectUp { profile, reply } => self.direct_up(profile, reply),
            Command::DirectBack { app, key, reply } => self.direct_back(app, key, reply),
            Command::DirectDown { app } => self.direct_down(app),
            Command::DirectAsk { app, id, ask } => self.direct_ask(app, id, ask),
            Command::Ask { app, ask, reply } => self.ask(app, ask, reply),
            Command::NextCall { app, line, privilege, reply } => {
                if let Some(state) = self.apps.get_mut(&app) {
                    state.next_call(line, privilege, reply);
                }
            }
            Command::OpenLine { app, line, interest, reply } => self.open_line(app, line, interest, reply),
            // Taken out of the queue before.
            Command::ShutDown => {}
        }
        self.work();
    }

    pub(super) fn handle_release(&mut self, release: Release) {
        match release {
            Release::App(app) => {
                if self.apps.remove(&app).is_some() {
                    self.inputs.push_back(Input::AppDown { app });
                }
            }
            Release::Direct { app, connection } => self.direct_lost(app, connection),
            Release::Call { app, call, taken } => {
                let Some(state) = self.apps.get_mut(&app) else { return };
                if state.in_hand(call) || state.is_offered(call) {
                    return;
                }
                let Some(held) = state.calls.get(&call) else { return };
                if !taken && held.given && held.is_live() {
                    state.offer_again(call);
                } else {
                    self.part(app, call);
                }
            }
        }
    }

    /// Passes a request on.
    fn ask(&mut self, app: AppId, ask: Ask, reply: AskReply) {
        let Some(state) = self.apps.get_mut(&app) else { return };
        let id = AskId(self.next_ask);
        self.next_ask = self.next_ask.saturating_add(1);
        let follow = state.follow_up(id, &ask);
        self.pending.insert((app, id), Pending::Asked { reply, follow });
        self.inputs.push_back(Input::Ask { app, id, ask });
    }

    /// Opens a line for what it is not open for already.
    fn open_line(&mut self, app: AppId, line: LineId, interest: Interest, reply: AskReply) {
        let Some(state) = self.apps.get_mut(&app) else { return };
        let before = state.lines.get(&line).copied();
        let merged = before.map_or(interest, |before| merge(before, interest));
        if before == Some(merged) {
            let answer = Answer::Done { outcome: Outcome::Done };
            reply.send(Ok(Reply { answer, attached: Attached::Nothing })).ok();
            return;
        }
        state.lines.insert(line, merged);
        let id = AskId(self.next_ask);
        self.next_ask = self.next_ask.saturating_add(1);
        self.pending.insert((app, id), Pending::Asked { reply, follow: Follow::Opening(line, before) });
        self.inputs.push_back(Input::Ask { app, id, ask: Ask::OpenLine { line, interest: merged } });
    }

    /// Hands an answer to whoever asked.
    pub(super) fn answer(&mut self, app: AppId, id: AskId, result: Result<Answer, Refusal>) {
        match self.pending.remove(&(app, id)) {
            None => {}
            Some(Pending::Direct { number }) => self.direct_answered(app, number, result),
            Some(Pending::Parting { call }) => self.parted(app, call, result),
            Some(Pending::Asked { reply, follow }) => {
                let Some(state) = self.apps.get_mut(&app) else { return };
                let result = match result {
                    Ok(answer) => {
                        let attached = state.attach(&answer, follow);
                        Ok(Reply { answer, attached })
                    }
                    Err(refusal) => {
                        state.unfollow(id, &follow);
                        Err(refusal)
                    }
                };
                // Whoever stopped waiting gives back what was attached by dropping it.
                reply.send(result).ok();
            }
        }
    }

    /// Gives a call back that nobody holds.
    pub(super) fn part(&mut self, app: AppId, call: CallId) {
        if let Some(held) = self.apps.get_mut(&app).and_then(|state| state.calls.get_mut(&call)) {
            held.parting = Parting::Deallocating;
            self.ask_parting(app, call, Ask::Deallocate { call, keep: false });
        }
    }

    /// Goes on giving a call back once it is idle.
    pub(super) fn part_if_over(&mut self, app: AppId, call: CallId) {
        let Some(state) = self.apps.get_mut(&app) else { return };
        let (in_hand, offered) = (state.in_hand(call), state.is_offered(call));
        let Some(held) = state.calls.get_mut(&call) else { return };
        match held.parting {
            _ if !held.is_idle() => {}
            // It stays readable for whoever has it in hand.
            Parting::Dropping if in_hand => held.parting = Parting::No,
            Parting::Dropping => self.part(app, call),
            Parting::No if offered => self.part(app, call),
            Parting::Deallocating | Parting::No => {}
        }
    }

    /// Takes the next step of giving a call back.
    fn parted(&mut self, app: AppId, call: CallId, result: Result<Answer, Refusal>) {
        let Some(state) = self.apps.get_mut(&app) else { return };
        let in_hand = state.in_hand(call);
        let Some(held) = state.calls.get_mut(&call) else { return };
        match (held.parting, result) {
            (Parting::Deallocating, Err(refusal)) if refusal.kind == RefusalKind::SoleOwner => {
                held.parting = Parting::Dropping;
                let ask = Ask::Call { call, op: CallAsk::Drop { cause: None } };
                self.ask_parting(app, call, ask);
            }
            // The call comes to its end, and then it is given back.
            (Parting::Dropping, Ok(_)) => self.part_if_over(app, call),
            (Parting::Dropping, Err(_)) if !held.is_live() => self.part_if_over(app, call),
            (Parting::Dropping, Err(refusal)) => {
                warn!(%call, %refusal, "a call that nobody holds could not be hung up; it lives on");
                held.parting = Parting::Deallocating;
                self.ask_parting(app, call, Ask::Deallocate { call, keep: true });
            }
            // Somebody asked for the call again while it was being given back.
            (Parting::Deallocating | Parting::No, _) if in_hand => held.parting = Parting::No,
            (Parting::Deallocating | Parting::No, _) => state.forget(call),
        }
    }

    fn ask_parting(&mut self, app: AppId, call: CallId, ask: Ask) {
        let id = AskId(self.next_ask);
        self.next_ask = self.next_ask.saturating_add(1);
        self.pending.insert((app, id), Pending::Parting { call });
        self.inputs.push_back(Input::Ask { app, id, ask });
    }

    /// Ends every call that an application owns.
    pub(super) fn drop_all(&mut self) {
        let owned = self.apps.iter().flat_map(|(app, state)| {
            let live = state.calls.iter().filter(|(_, held)| {
                held.privilege == Privilege::Owner && held.is_live() && held.parting == Parting::No
            });
            live.map(|(call, _)| (*app, *call))
        });
        for (app, call) in owned.collect::<Vec<_>>() {
            if let Some(held) = self.apps.get_mut(&app).and_then(|state| state.calls.get_mut(&call)) {
                held.parting = Parting::Dropping;
            }
            self.ask_parting(app, call, Ask::Call { call, op: CallAsk::Drop { cause: None } });
        }
    }

    /// Whether a call lives that an application owns.
    pub(super) fn any_live(&self) -> bool {
        let mut calls = self.apps.values().flat_map(|state| state.calls.values());
        calls.any(|held| held.privilege == Privilege::Owner && !held.is_idle())
    }
}

impl AppState {
    /// Prepares for what follows the answer to a request.
    fn follow_up(&mut self, id: AskId, ask: &Ask) -> Follow {
        match ask {
            Ask::Line { line, .. } | Ask::MakeCall { line, .. } => Follow::Line(*line),
            Ask::SetPrivilege { call, privilege } => Follow::Privilege(*call, *privilege),
            Ask::Call { call, op } => match (op, self.calls.get_mut(call)) {
                (CallAsk::GatherDigits { gather: Some(_) }, Some(held)) => {
                    Follow::Gathering(*call, held.expect_gathering(id))
                }
                (CallAsk::GenerateDigits { digits, .. }, Some(held)) if !digits.is_empty() => {
                    Follow::Generation(*call, held.expect_generation(id))
                }
                (CallAsk::GenerateTone { tone: Some(_) }, Some(held)) => {
                    Follow::Generation(*call, held.expect_generation(id))
                }
                (CallAsk::SelectTerminal { what, .. }, _) if ends(what.class()) => Follow::File(*call),
                _ => Follow::Call(*call),
            },
            _ => Follow::Nothing,
        }
    }

    /// The request was refused: nothing follows.
    fn unfollow(&mut self, id: AskId, follow: &Follow) {
        match follow {
            Follow::Gathering(call, _) | Follow::Generation(call, _) => {
                if let Some(held) = self.calls.get_mut(call) {
                    held.expect_nothing(id);
                }
            }
            Follow::Opening(line, Some(before)) => {
                self.lines.insert(*line, *before);
            }
            Follow::Opening(line, None) => {
                self.lines.remove(line);
            }
            Follow::Call(_) | Follow::File(_) | Follow::Line(_) | Follow::Nothing | Follow::Privilege(..) => {
            }
        }
    }

    /// Makes what the handle needs beside the answer.
    fn attach(&mut self, answer: &Answer, follow: Follow) -> Attached {
        match (answer, follow) {
            (_, Follow::Gathering(_, receiver)) => Attached::Gathering(receiver),
            (_, Follow::Generation(_, receiver)) => Attached::Generation(receiver),
            (Answer::Call { call }, Follow::Line(line)) => self.attach_calls(&[*call], line),
            (Answer::Call { call: new }, Follow::Call(call)) => match self.calls.get(&call) {
                Some(held) => self.attach_calls(&[*new], held.line()),
                None => Attached::Nothing,
            },
            (Answer::Conference { conference, consultation }, Follow::Line(line)) => {
                self.attach_calls(&[*conference, *consultation], line)
            }
            (Answer::Done { .. }, Follow::Privilege(call, privilege)) => {
                if let Some(held) = self.calls.get_mut(&call) {
                    held.privilege = privilege;
                }
                Attached::Nothing
            }
            (Answer::Conference { conference, consultation }, Follow::Call(call)) => {
                match self.calls.get(&call) {
                    Some(held) => self.attach_calls(&[*conference, *consultation], held.line()),
                    None => Attached::Nothing,
                }
            }
            (Answer::Calls { calls }, _) => {
                Attached::Calls(calls.iter().filter_map(|record| self.deliver_record(record)).collect())
            }
            (Answer::Terminal { terminal }, Follow::File(call)) => match self.calls.get_mut(&call) {
                Some(held) => Attached::Terminal(held.follow(*terminal)),
                None => Attached::Nothing,
            },
            _ => Attached::Nothing,
        }
    }

    fn attach_calls(&mut self, calls: &[CallId], line: LineId) -> Attached {
        let mut delivered = Vec::with_capacity(calls.len());
        for call in calls {
            self.hold(*call, line, Privilege::Owner);
            delivered.extend(self.deliver(*call));
        }
        Attached::Calls(delivered)
    }
}

/// Whether terminals of the class come to an end of which the application is told.
const fn ends(class: TerminalClass) -> bool {
    matches!(class, TerminalClass::FilePlayback | TerminalClass::FileRecording)
}
