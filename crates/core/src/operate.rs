// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operations on calls: each passes the same gates (handle, privilege, what the line offers, state)
//! and goes to the provider in the provider's words.

use offhook_spi::{
    Address, CallDirection, CallInfo, CallKey, CallOp, CallParams, Completion, Op, Opaque, Party, Refusal,
    RefusalKind,
};

use crate::app::CallAsk;
use crate::asks::{Handled, stale};
use crate::bounds;
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
        self.must_be_offered(id, op)?;
        self.must_be_legal(id, op)?;
        self.must_not_be_narrowed(id, op)?;
        use CallAsk as A;
        let ask = match ask {
            A::Drop { cause } => return Ok(self.ask_drop(asker, id, cause)),
            A::SetupTransfer { to } => {
                let params = Box::<CallParams>::default();
                return self.consult(asker, id, op, to.clone(), |key| CallOp::SetupTransfer {
                    consultation: key,
                    to,
                    params,
                });
            }
            A::PrepareAddToConference { to } => {
                return self.consult(asker, id, op, to.clone(), |key| CallOp::PrepareAddToConference {
                    consultation: key,
                    to,
                });
            }
            A::SetupConference => return self.setup_conference(asker, id, op),
            A::CompleteTransfer { consultation, as_conference } => {
                let consultation = self.partner(asker.app, id, consultation, op)?;
                if as_conference {
                    return self.consult(asker, id, op, None, |conference| CallOp::CompleteTransfer {
                        consultation,
                        completion: Completion::Conference { conference },
                    });
                }
                CallOp::CompleteTransfer { consultation, completion: Completion::Transfer }
            }
            A::AddToConference { member } => {
                CallOp::AddToConference { member: self.partner(asker.app, id, member, op)? }
            }
            A::SwapHold { with } => CallOp::SwapHold { with: self.partner(asker.app, id, with, op)? },
            ask => self.plain(id, ask)?,
        };
        self.spend(id, op);
        self.call_op(Some(asker), id, None, What::Op { call: id, op }, ask);
        Ok(Handled::Later)
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
            A::RemoveFromConference => CallOp::RemoveFromConference,
            A::Secure => CallOp::Secure,
            A::SendUserData { data } => CallOp::SendUserData { data: small(data)? },
            A::SetCallData { data } => CallOp::SetCallData { data },
            A::SetCallParams { params } => CallOp::SetCallParams { params },
            A::SetMediaMode { media } => CallOp::SetMediaMode { media },
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
        op: Op,
        to: Option<Address>,
        command: impl FnOnce(CallKey) -> CallOp,
    ) -> Result<Handled, Refusal> {
        let (first, request) = self.spin_off(asker, id, to)?;
        let session = self.start_session(first);
        let key = self.calls.get(first).map_or(CallKey::core(0), |call| call.key);
        let creation = Creation { parent: Some((id, op)), first, second: None };
        self.send_creation(asker, id, request, session, creation, command(key));
        Ok(Handled::Later)
    }

    /// A conference comes with its first consultation call; the session is the latter's.
    fn setup_conference(&mut self, asker: Asker, id: CallId, op: Op) -> Result<Handled, Refusal> {
        let (first, _) = self.spin_off(asker, id, None)?;
        let (second, request) = match self.spin_off(asker, id, None) {
            Ok(both) => both,
            Err(refusal) => {
                self.discard(first);
                return Err(refusal);
            }
        };
        let session = self.start_session(second);
        let key = |id| self.calls.get(id).map_or(CallKey::core(0), |call| call.key);
        let ask = CallOp::SetupConference { conference: key(first), consultation: key(second) };
        if let Some(call) = self.calls.get_mut(first)
            && let crate::call::Life::Pending { request: shared, .. } = &mut call.life
        {
            *shared = request;
        }
        let creation = Creation { parent: Some((id, op)), first, second: Some(second) };
        self.send_creation(asker, id, request, session, creation, ask);
        Ok(Handled::Later)
    }

    /// Makes the record of a call that comes out of another.
    fn spin_off(
        &mut self,
        asker: Asker,
        id: CallId,
        to: Option<Address>,
    ) -> Result<(CallId, offhook_spi::RequestId), Refusal> {
        let parent = self.calls.get(id).ok_or_else(|| stale(asker.app, id))?;
        let (line, link) = (parent.line, LineLink { provider: parent.provider, key: parent.line_key });
        let info = CallInfo {
            direction: CallDirection::Outgoing,
            address: parent.info.address,
            called: Party { address: to, ..Party::default() },
            media: parent.info.media,
            related_call_id: parent.info.call_id.clone(),
            ..CallInfo::default()
        };
        self.has_room(line)?;
        Ok(self.conceive(asker.app, line, link, info))
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
                let detail = format!("{id} is {state} and its provider does not allow {op} now");
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
        A::Park { at: None } => Op::Park,
        A::Park { at: Some(_) } => Op::ParkDirected,
        A::PrepareAddToConference { .. } => Op::PrepareAddToConference,
        A::Redirect { .. } => Op::Redirect,
        A::RemoveFromConference => Op::RemoveFromConference,
        A::Secure => Op::SecureCall,
        A::SendUserData { .. } => Op::SendUserData,
        A::SetCallData { .. } => Op::SetCallData,
        A::SetCallParams { .. } => Op::SetCallParams,
        A::SetMediaMode { .. } => Op::SetMediaMode,
        A::SetTreatment { .. } => Op::SetTreatment,
        A::SetupConference => Op::SetupConference,
        A::SetupTransfer { to: None } => Op::SetupTransfer,
        A::SetupTransfer { to: Some(_) } => Op::SetupTransferOneStep,
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
