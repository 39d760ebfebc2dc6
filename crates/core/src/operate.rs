// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operations on calls: each passes the same gates (handle, privilege, what the line offers, state)
//! and goes to the provider in the provider's words.

use offhook_spi::{
    CallDirection, CallInfo, CallKey, CallOp, Completion, CompletionMode, MediaSet, Op, Opaque, Outcome,
    Party, Refusal, RefusalKind,
};

use crate::app::{AppEvent, CallAsk};
use crate::asks::{Handled, stale};
use crate::bounds;
use crate::consultation::Event;
use crate::id::{AppId, CallId};
use crate::line::LineLink;
use crate::request::{Asker, Creation, What};
use crate::switch::Switch;
use crate::table;

impl Switch {
    /// An application asks for an operation on a call.
    pub(crate) fn operate(&mut self, asker: Asker, id: CallId, ask: CallAsk) -> Result<Handled, Refusal> {
        let name = name_of(&ask);
        self.must_own(asker.app, id, name)?;
        use CallAsk as A;
        match ask {
            A::GatherDigits { gather } => self.gather_digits(asker, id, gather),
            A::GenerateDigits { digits, mode, duration } => {
                self.generate_digits(asker, id, digits, mode, duration)
            }
            A::GenerateTone { tone } => self.generate_tone(asker, id, tone),
            A::MonitorDigits { modes } => self.monitor_digits(asker, id, &modes),
            A::CompleteCall { mode } => self.complete_call(asker, id, mode),
            A::MonitorMedia { media } => {
                self.may(id, Op::MonitorMedia)?;
                self.monitor_media(asker, id, media)
            }
            A::MonitorTones { tones } => {
                self.may(id, Op::MonitorTones)?;
                self.monitor_tones(asker, id, tones)
            }
            A::SelectTerminal { stream, what } => self.select_terminal(asker, id, stream, what),
            A::UnselectTerminal { terminal } => self.unselect_terminal(asker, id, terminal),
            A::TerminalControl { terminal, control } => self.control_terminal(asker, id, terminal, control),
            A::SetStream { stream, change } => self.set_stream(asker, id, stream, change),
            ask => self.control(asker, id, ask),
        }
    }

    /// Call control: the TSP does it.
    fn control(&mut self, asker: Asker, id: CallId, ask: CallAsk) -> Result<Handled, Refusal> {
        let Some(op) = required(&ask) else {
            let detail = format!("{} is not known here", name_of(&ask));
            return Err(Refusal::new(RefusalKind::Unsupported, detail));
        };
        self.may(id, op)?;
        self.must_be_free(id, op)?;
        use CallAsk as A;
        let ask = match ask {
            A::Drop { cause } => return Ok(self.ask_drop(asker, id, cause)),
            A::SetupTransfer { to, params } => {
                let called = Party { address: to.clone(), number: params.number.clone(), ..Party::default() };
                return self.consult(asker, id, (op, None), called, |key| CallOp::SetupTransfer {
                    consultation: key,
                    to,
                    params,
                });
            }
            A::PrepareAddToConference { to, number } => {
                self.must_be_conference(id, op)?;
                let called = Party { address: to.clone(), number, ..Party::default() };
                return self.consult(asker, id, (op, None), called, |key| CallOp::PrepareAddToConference {
                    consultation: key,
                    to,
                });
            }
            A::SetupConference => return self.setup_conference(asker, id, op),
            A::CompleteTransfer { consultation: other, as_conference } => {
                let consultation = self.partner(asker.app, id, other, op)?;
                if as_conference {
                    let command = |conference| CallOp::CompleteTransfer {
                        consultation,
                        completion: Completion::Conference { conference },
                    };
                    return self.consult(asker, id, (op, Some(other)), Party::default(), command);
                }
                let ask = CallOp::CompleteTransfer { consultation, completion: Completion::Transfer };
                return Ok(self.join(asker, id, other, op, ask));
            }
            A::AddToConference { member: other } => {
                self.must_be_conference(id, op)?;
                self.must_be_outside(other, op)?;
                let member = self.partner(asker.app, id, other, op)?;
                return Ok(self.join(asker, id, other, op, CallOp::AddToConference { member }));
            }
            A::SwapHold { with } => CallOp::SwapHold { with: self.partner(asker.app, id, with, op)? },
            A::SetMediaMode { media } => {
                self.spend(id, op);
                let what = What::Media { call: id, media };
                self.call_op(Some(asker), id, None, what, CallOp::SetMediaMode { media });
                return Ok(Handled::Later);
            }
            ask => self.plain(id, ask)?,
        };
        self.spend(id, op);
        if op == Op::Unhold {
            self.consult_step(id, None, Event::UnholdAsked);
        }
        self.call_op(Some(asker), id, None, What::Op { call: id, op }, ask);
        Ok(Handled::Later)
    }

    /// Joins two calls that are there.
    fn join(&mut self, asker: Asker, id: CallId, other: CallId, op: Op, ask: CallOp) -> Handled {
        self.spend(id, op);
        self.consult_step(id, Some(other), Event::JoinAsked(op));
        self.call_op(Some(asker), id, None, What::Join { call: id, other, op }, ask);
        Handled::Later
    }

    /// Asks for a call completion; its id belongs to the application that asked.
    fn complete_call(&mut self, asker: Asker, id: CallId, mode: CompletionMode) -> Result<Handled, Refusal> {
        self.may(id, Op::CompleteCall)?;
        self.spend(id, Op::CompleteCall);
        let what = What::Complete { call: id, app: asker.app };
        self.call_op(Some(asker), id, None, what, CallOp::CompleteCall { mode });
        Ok(Handled::Later)
    }

    /// The media of a call were recorded, or not; everybody else is told (inventory rule 63: only owners
    /// change them).
    pub(crate) fn media_set(
        &mut self,
        asker: Option<Asker>,
        id: CallId,
        media: MediaSet,
        result: Result<Outcome, Refusal>,
    ) {
        let is_done = result.is_ok();
        self.unspend(id, Op::SetMediaMode, is_done);
        self.pass_on(asker, result);
        if is_done {
            self.change_info(id, |info| std::mem::replace(&mut info.media, media) != media);
        }
    }

    /// Received user data was released: the next may come in.
    pub(crate) fn release_user_data(&mut self, id: CallId) {
        self.change_info(id, |info| info.user_data.take().is_some());
    }

    fn change_info(&mut self, id: CallId, change: impl FnOnce(&mut CallInfo) -> bool) {
        let Some(call) = self.calls.get_mut(id).filter(|call| !call.life.is_over()) else { return };
        if change(&mut call.info) {
            let info = call.info.clone();
            self.tell_holders(id, AppEvent::CallInfo { call: id, info });
        }
    }

    /// Checks that the line of a call declares an operation, its state allows it, and its provider has not
    /// ruled it out.
    fn may(&self, id: CallId, op: Op) -> Result<(), Refusal> {
        self.must_be_offered(id, op)?;
        self.must_be_legal(id, op)?;
        self.must_not_be_narrowed(id, op)
    }

    /// Translates an operation that names no other call.
    fn plain(&self, id: CallId, ask: CallAsk) -> Result<CallOp, Refusal> {
        use CallAsk as A;
        Ok(match ask {
            A::Accept => CallOp::Accept,
            A::Answer => CallOp::Answer,
            A::BlindTransfer { to } => CallOp::BlindTransfer { to },
            A::Dial { digits } => CallOp::Dial { digits },
            A::Extension { data } => CallOp::Extension { data: self.extension_data(id, data)? },
            A::Hold => CallOp::Hold,
            A::Park { at } => CallOp::Park { at },
            A::Redirect { to } => CallOp::Redirect { to },
            A::ReleaseUserData => CallOp::ReleaseUserData,
            A::RemoveFromConference => CallOp::RemoveFromConference,
            A::Secure => CallOp::Secure,
            A::SendUserData { data } => CallOp::SendUserData { data: small(data)? },
            A::SetCallData { data } => CallOp::SetCallData { data: few(id, data)? },
            A::SetCallParams { params } => CallOp::SetCallParams { params },
            A::SetMediaControl { rules } => CallOp::SetMediaControl { rules: few(id, rules)? },
            A::SetQuality { bits_per_second } => CallOp::SetQuality { bits_per_second },
            A::SetTerminal { terminal, enabled } => CallOp::SetTerminal { terminal, enabled },
            A::SetTreatment { treatment } => CallOp::SetTreatment { treatment },
            A::Unhold => CallOp::Unhold,
            other => {
                let detail = format!("{} is not an operation of call control", name_of(&other));
                return Err(Refusal::new(RefusalKind::Unsupported, detail));
            }
        })
    }

    /// An operation that spins off one new call, with a session of its own where the line wants one.
    fn consult(
        &mut self,
        asker: Asker,
        id: CallId,
        (op, partner): (Op, Option<CallId>),
        called: Party,
        command: impl FnOnce(CallKey) -> CallOp,
    ) -> Result<Handled, Refusal> {
        let (first, request) = self.spin_off(asker, id, called)?;
        let session = self.start_session(first);
        let key = self.calls.get(first).map_or(CallKey::core(0), |call| call.key);
        let creation = Creation { parent: Some((id, op)), partner, ..Creation::of(first) };
        if partner.is_some() {
            self.consult_step(id, partner, Event::JoinAsked(op));
        }
        self.send_creation(asker, id, request, session, creation, command(key));
        Ok(Handled::Later)
    }

    /// A conference comes with its first consultation call; the session is the latter's.
    fn setup_conference(&mut self, asker: Asker, id: CallId, op: Op) -> Result<Handled, Refusal> {
        let (first, _) = self.spin_off(asker, id, Party::default())?;
        let (second, request) = match self.spin_off(asker, id, Party::default()) {
            Ok(both) => both,
            Err(refusal) => {
                self.discard(first);
                return Err(refusal);
            }
        };
        let session = self.start_session(second);
        let key = |id| self.calls.get(id).map_or(CallKey::core(0), |call| call.key);
        let ask = CallOp::SetupConference { conference: key(first), consultation: key(second) };
        self.share_request(first, request);
        let creation = Creation { parent: Some((id, op)), second: Some(second), ..Creation::of(first) };
        self.send_creation(asker, id, request, session, creation, ask);
        Ok(Handled::Later)
    }

    /// Makes the record of a call that comes out of another.
    fn spin_off(
        &mut self,
        asker: Asker,
        id: CallId,
        called: Party,
    ) -> Result<(CallId, offhook_spi::RequestId), Refusal> {
        let parent = self.calls.get(id).ok_or_else(|| stale(asker.app, id))?;
        let (line, link) = (parent.line, LineLink { provider: parent.provider, key: parent.line_key });
        let info = CallInfo {
            direction: CallDirection::Outgoing,
            address: parent.info.address,
            called,
            media: parent.info.media,
            related_call_id: parent.info.call_id.clone(),
            ..CallInfo::default()
        };
        self.has_room(line)?;
        let (new, request) = self.conceive(asker.app, line, link, info);
        self.join_hubs(id, new);
        Ok((new, request))
    }

    fn send_creation(
        &mut self,
        asker: Asker,
        id: CallId,
        request: offhook_spi::RequestId,
        session: Option<offhook_spi::SessionKey>,
        creation: Creation,
        op: CallOp,
    ) {
        let Some(call) = self.calls.get(id) else { return };
        let (provider, line, key) = (call.provider, call.line_key, call.key);
        if let Some((_, op)) = creation.parent {
            self.spend(id, op);
        }
        let command = offhook_spi::TspCommand::Call { request, line, call: key, session, op };
        self.tsp(provider, command);
        self.expect_reply(provider, request, Some(asker), What::Create(creation));
    }

    /// The key of the other call that an operation names: owned too, on the same line, in a fit state
    /// (inventory rule 66).
    fn partner(&self, app: AppId, id: CallId, other: CallId, op: Op) -> Result<CallKey, Refusal> {
        self.must_own(app, other, op.name())?;
        let pair = self.calls.get(id).zip(self.calls.get(other));
        let Some((call, partner)) = pair.filter(|_| id != other) else {
            let detail = format!("{op} needs another call than {id}");
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        };
        if (call.line, call.provider) != (partner.line, partner.provider) {
            let detail = format!("{op} needs two calls of one line; {other} is on {}", partner.line);
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        let states = table::states_for_other(op);
        if !states.contains(&partner.kind()) {
            return Err(Refusal::invalid_state(other, op, partner.kind(), states));
        }
        self.must_fit(id, other, op)?;
        Ok(partner.key)
    }

    /// Checks that the line of a call declares an operation.
    fn must_be_offered(&self, id: CallId, op: Op) -> Result<(), Refusal> {
        let line = self.calls.get(id).and_then(|call| Some((call.line, self.lines.get(call.line)?)));
        let Some((line_id, line)) = line else { return Ok(()) };
        let ops = line.caps.ops;
        if ops.contains(op) || (op == Op::Hold && ops.contains(Op::HoldWithMusic)) {
            return Ok(());
        }
        Err(Refusal::unsupported(format_args!("{line_id} ({})", line.name), op))
    }

    /// Checks that the provider has not ruled an operation out for now.
    pub(crate) fn must_not_be_narrowed(&self, id: CallId, op: Op) -> Result<(), Refusal> {
        let Some(call) = self.calls.get(id) else { return Ok(()) };
        match call.life.narrowed() {
            Some(ops) if !ops.contains(op) => {
                let state = call.kind();
                let allowed: Vec<&str> = self.allowed(id).iter().map(Op::name).collect();
                let allowed = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
                let detail =
                    format!("{id} is {state} and its provider does not allow {op} now; it allows {allowed}");
                Err(Refusal::new(RefusalKind::InvalidState, detail))
            }
            _ => Ok(()),
        }
    }

    fn extension_data(&self, id: CallId, data: Opaque) -> Result<Opaque, Refusal> {
        let line = self.calls.get(id).and_then(|call| self.lines.get(call.line));
        if line.is_some_and(|line| !line.caps.extensions.contains(&data.schema)) {
            let detail = format!("the line of {id} does not offer the extension {}", data.schema);
            return Err(Refusal::new(RefusalKind::Unsupported, detail));
        }
        small(data)
    }

    fn spend(&mut self, id: CallId, op: Op) {
        if let Some(call) = self.calls.get_mut(id) {
            call.spent = call.spent.with(op);
        }
    }
}

/// Entries of a list that an application gives along.
const MOST_ENTRIES: usize = 256;

fn few<T>(id: CallId, list: Vec<T>) -> Result<Vec<T>, Refusal> {
    if list.len() <= MOST_ENTRIES {
        return Ok(list);
    }
    let detail = format!("a list of {} entries for {id}; at most {MOST_ENTRIES} are carried", list.len());
    Err(Refusal::new(RefusalKind::InvalidParameter, detail))
}

fn small(data: Opaque) -> Result<Opaque, Refusal> {
    if bounds::fits(&data) {
        return Ok(data);
    }
    let detail = format!("data of {} bytes; at most {} are carried", data.data.len(), Opaque::MAX_BYTES);
    Err(Refusal::new(RefusalKind::InvalidParameter, detail))
}

/// The operation that an application's request needs of the line; `None` for what sessions do.
fn required(ask: &CallAsk) -> Option<Op> {
    use CallAsk as A;
    Some(match ask {
        A::Accept => Op::Accept,
        A::AddToConference { .. } => Op::AddToConference,
        A::Answer => Op::Answer,
        A::BlindTransfer { .. } => Op::BlindTransfer,
        A::CompleteCall { .. } => Op::CompleteCall,
        A::CompleteTransfer { as_conference: false, .. } => Op::CompleteTransfer,
        A::CompleteTransfer { as_conference: true, .. } => Op::CompleteTransferAsConference,
        A::Dial { .. } => Op::Dial,
        A::Drop { .. } => Op::Drop,
        A::Extension { .. } => Op::Extension,
        A::GatherDigits { .. } => Op::GatherDigits,
        A::GenerateDigits { .. } => Op::GenerateDigits,
        A::GenerateTone { .. } => Op::GenerateTone,
        A::Hold => Op::Hold,
        A::MonitorDigits { .. } => Op::MonitorDigits,
        A::MonitorMedia { .. } => Op::MonitorMedia,
        A::MonitorTones { .. } => Op::MonitorTones,
        A::Park { at: None } => Op::Park,
        A::Park { at: Some(_) } => Op::ParkDirected,
        A::PrepareAddToConference { .. } => Op::PrepareAddToConference,
        A::Redirect { .. } => Op::Redirect,
        A::ReleaseUserData => Op::ReleaseUserData,
        A::RemoveFromConference => Op::RemoveFromConference,
        A::Secure => Op::SecureCall,
        A::SendUserData { .. } => Op::SendUserData,
        A::SetCallData { .. } => Op::SetCallData,
        A::SetCallParams { .. } => Op::SetCallParams,
        A::SetMediaControl { .. } => Op::SetMediaControl,
        A::SetMediaMode { .. } => Op::SetMediaMode,
        A::SetQuality { .. } => Op::SetQuality,
        A::SetTerminal { .. } => Op::SetTerminal,
        A::SetTreatment { .. } => Op::SetTreatment,
        A::SetupConference => Op::SetupConference,
        A::SetupTransfer { to: None, .. } => Op::SetupTransfer,
        A::SetupTransfer { to: Some(_), .. } => Op::SetupTransferOneStep,
        A::SwapHold { .. } => Op::SwapHold,
        A::Unhold => Op::Unhold,
        A::SelectTerminal { .. }
        | A::UnselectTerminal { .. }
        | A::TerminalControl { .. }
        | A::SetStream { .. } => return None,
    })
}

/// What a request is called in refusals.
fn name_of(ask: &CallAsk) -> &'static str {
    match ask {
        CallAsk::SelectTerminal { .. } => "select_terminal",
        CallAsk::UnselectTerminal { .. } => "unselect_terminal",
        CallAsk::TerminalControl { .. } => "terminal_control",
        CallAsk::SetStream { .. } => "set_stream",
        ask => required(ask).map_or("the operation", Op::name),
    }
}
