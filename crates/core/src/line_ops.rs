// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operations on lines: forwarding, fetching calls from elsewhere, status, completions, vendors' own.

use offhook_spi::{
    AddressIndex, CallDirection, CallInfo, CallOp, CallReason, LineKey, LineOp, Op, Outcome, PickupTarget,
    Refusal, RefusalKind, TspCommand,
};

use crate::app::{AppEvent, LineAsk};
use crate::asks::Handled;
use crate::bounds;
use crate::call::Life;
use crate::id::{AppId, CallId, LineId, ProviderId};
use crate::line::{Gate, Line, LineLink, Waiting};
use crate::request::{Asker, Creation, What};
use crate::switch::Switch;

/// Call completions that one line may have outstanding.
const MOST_COMPLETIONS: usize = 1024;
/// Forwarding rules of one request.
const MOST_RULES: usize = 64;

impl Switch {
    /// An application asks for an operation on a line; whoever may make calls may ask (inventory rule 50).
    pub(crate) fn operate_line(
        &mut self,
        asker: Asker,
        id: LineId,
        ask: LineAsk,
    ) -> Result<Handled, Refusal> {
        let (line, link) = self.present_line(id)?;
        let op = required(&ask);
        if !line.caps.ops.contains(op) {
            return Err(Refusal::unsupported(format_args!("{id} ({})", line.name), op));
        }
        check(asker.app, id, line, &ask)?;
        if line.gate != Gate::Open {
            self.await_gate(id, link, Waiting::Line { asker, ask: Box::new(ask) })?;
            self.use_line(asker.app, id, None);
            return Ok(Handled::Later);
        }
        self.use_line(asker.app, id, None);
        match ask {
            LineAsk::Extension { data } => Ok(self.line_op(asker, id, link, LineOp::Extension { data })),
            LineAsk::Forward { address, rules } => {
                Ok(self.line_op(asker, id, link, LineOp::Forward { address, rules }))
            }
            LineAsk::SetStatus { message_waiting, in_service, locked } => {
                let op = LineOp::SetStatus { message_waiting, in_service, locked };
                Ok(self.line_op(asker, id, link, op))
            }
            LineAsk::UncompleteCall { id: completion } => {
                Ok(self.uncomplete(Some(asker), id, link, completion))
            }
            LineAsk::SetupConference => self.conference_from_nothing(asker, id, link),
            LineAsk::Pickup { what } => {
                self.fetch(asker, id, link, CallReason::Pickup, |call| LineOp::Pickup { call, what })
            }
            LineAsk::Unpark { at } => {
                self.fetch(asker, id, link, CallReason::Unpark, |call| LineOp::Unpark { call, at })
            }
        }
    }

    fn line_op(&mut self, asker: Asker, id: LineId, link: LineLink, op: LineOp) -> Handled {
        let request = self.next_request(link.provider);
        self.tsp(link.provider, TspCommand::Line { request, line: link.key, op });
        self.expect_reply(link.provider, request, Some(asker), What::Line { line: id });
        Handled::Later
    }

    /// Fetches a call from elsewhere: a new call, even if there is an older handle on it
    /// (inventory rule 43). The application sees the answer first, then states.
    fn fetch(
        &mut self,
        asker: Asker,
        id: LineId,
        link: LineLink,
        reason: CallReason,
        op: impl FnOnce(offhook_spi::CallKey) -> LineOp,
    ) -> Result<Handled, Refusal> {
        self.has_room(id)?;
        let info = CallInfo { direction: CallDirection::Incoming, reason, ..CallInfo::default() };
        let (call, request) = self.conceive(asker.app, id, link, info);
        let session = self.start_session(call);
        let Some(key) = self.calls.get(call).map(|call| call.key) else { return Ok(Handled::Later) };
        self.tsp(link.provider, TspCommand::Line { request, line: link.key, op: op(key) });
        if let Some(session) = session {
            self.tsp(link.provider, TspCommand::Session { call: key, session });
        }
        let creation = Creation::of(call);
        self.expect_reply(link.provider, request, Some(asker), What::Create(creation));
        Ok(Handled::Later)
    }

    /// Starts a conference that has no member yet, with its first consultation call.
    fn conference_from_nothing(
        &mut self,
        asker: Asker,
        id: LineId,
        link: LineLink,
    ) -> Result<Handled, Refusal> {
        self.has_room(id)?;
        let info = CallInfo::default();
        let (conference, _) = self.conceive(asker.app, id, link, info.clone());
        if let Err(refusal) = self.has_room(id) {
            self.discard(conference);
            return Err(refusal);
        }
        let (consultation, request) = self.conceive(asker.app, id, link, info);
        self.share_request(conference, request);
        let session = self.start_session(consultation);
        let key = |id| self.calls.get(id).map(|call| call.key);
        let (Some(conference_key), Some(key)) = (key(conference), key(consultation)) else {
            return Ok(Handled::Later);
        };
        let op = CallOp::SetupConference { conference: conference_key, consultation: key };
        self.tsp(link.provider, TspCommand::Call { request, line: link.key, call: key, session, op });
        let creation = Creation { second: Some(consultation), ..Creation::of(conference) };
        self.expect_reply(link.provider, request, Some(asker), What::Create(creation));
        Ok(Handled::Later)
    }

    /// Two calls that one request starts wait for the same reply.
    pub(crate) fn share_request(&mut self, id: CallId, request: offhook_spi::RequestId) {
        if let Some(call) = self.calls.get_mut(id)
            && let Life::Pending { request: shared, .. } = &mut call.life
        {
            *shared = request;
        }
    }
}

/// Call completions: asked for on a call, owed by its line, used up once (inventory rule 71).
impl Switch {
    /// The network accepted a call completion, or not.
    pub(crate) fn completion_asked(
        &mut self,
        asker: Option<Asker>,
        call: CallId,
        app: AppId,
        result: Result<Outcome, Refusal>,
    ) {
        self.unspend(call, Op::CompleteCall, result.is_ok());
        let line = self.calls.get(call).map(|call| call.line);
        if let (Ok(Outcome::Completion { id }), Some(line_id)) = (&result, line)
            && let Some(line) = self.lines.get_mut(line_id)
            && line.completions.len() < MOST_COMPLETIONS
        {
            line.completions.insert(*id, app);
            // Nobody waits for it any more.
            if !line.openers.contains_key(&app) {
                self.forget_completions(app, line_id);
            }
        }
        self.pass_on(asker, result);
    }

    fn uncomplete(&mut self, asker: Option<Asker>, line: LineId, link: LineLink, id: u64) -> Handled {
        let request = self.next_request(link.provider);
        self.tsp(
            link.provider,
            TspCommand::Line { request, line: link.key, op: LineOp::UncompleteCall { id } },
        );
        self.expect_reply(link.provider, request, asker, What::Uncomplete { line, id });
        Handled::Later
    }

    pub(crate) fn uncompleted(
        &mut self,
        asker: Option<Asker>,
        line: LineId,
        id: u64,
        result: Result<Outcome, Refusal>,
    ) {
        let is_used_up = match &result {
            Ok(_) => true,
            Err(refusal) => refusal.kind == RefusalKind::Gone,
        };
        if let Some(line) = self.lines.get_mut(line).filter(|_| is_used_up) {
            line.completions.remove(&id);
        }
        self.pass_on(asker, result);
    }

    /// A completion was cancelled from elsewhere: who asked for it is told.
    pub(crate) fn completion_gone(&mut self, provider: ProviderId, key: LineKey, id: u64) {
        let Some(line_id) = self.line_at(provider, key) else { return self.unknown_line(provider, key) };
        let app = self.lines.get_mut(line_id).and_then(|line| line.completions.remove(&id));
        match app {
            Some(app) => self.tell(vec![app], AppEvent::CompletionGone { line: line_id, completion: id }),
            None => {
                let detail = format!("expected the end of a completion that is owed, received that of {id}");
                self.violation(provider, None, detail);
            }
        }
    }

    /// A call fulfils a completion, which is used up.
    pub(crate) fn completion_fulfilled(&mut self, line: LineId, id: Option<u64>) {
        if let (Some(line), Some(id)) = (self.lines.get_mut(line), id) {
            line.completions.remove(&id);
        }
    }

    /// A line is gone and owes nothing any more.
    pub(crate) fn lose_completions(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(id) else { return };
        for (completion, app) in std::mem::take(&mut line.completions) {
            if self.apps.contains_key(&app) {
                self.tell(vec![app], AppEvent::CompletionGone { line: id, completion });
            }
        }
    }

    /// An application has left a line: what it asked to be called back for is cancelled.
    pub(crate) fn forget_completions(&mut self, app: AppId, id: LineId) {
        let Some(line) = self.lines.get_mut(id) else { return };
        let link = line.link;
        let mine: Vec<u64> = line.completions.iter().filter(|(_, a)| **a == app).map(|(id, _)| *id).collect();
        line.completions.retain(|_, owner| *owner != app);
        let can_cancel = line.caps.ops.contains(Op::UncompleteCall);
        for completion in mine {
            if let Some(link) = link.filter(|_| can_cancel) {
                self.uncomplete(None, id, link, completion);
            }
        }
    }
}

/// Checks what can be known to be wrong without asking anybody.
fn check(app: AppId, id: LineId, line: &Line, ask: &LineAsk) -> Result<(), Refusal> {
    let wrong = |kind, detail| Err(Refusal::new(kind, detail));
    match ask {
        LineAsk::Extension { data } if !line.caps.extensions.contains(&data.schema) => {
            let detail = format!("{id} ({}) does not offer the extension {}", line.name, data.schema);
            wrong(RefusalKind::Unsupported, detail)
        }
        LineAsk::Extension { data } if !bounds::fits(data) => {
            let detail = format!("data of {} bytes for {id} is too big to be carried", data.data.len());
            wrong(RefusalKind::InvalidParameter, detail)
        }
        LineAsk::Forward { address, .. } if !has_address(line, *address) => {
            let detail =
                format!("{id} has {} addresses, there is no number {}", line.caps.addresses.len(), address.0);
            wrong(RefusalKind::InvalidParameter, detail)
        }
        LineAsk::Forward { rules, .. } if rules.len() > MOST_RULES => {
            let detail = format!("{} forwarding rules for {id}; at most {MOST_RULES} fit", rules.len());
            wrong(RefusalKind::InvalidParameter, detail)
        }
        LineAsk::UncompleteCall { id: completion } => match line.completions.get(completion) {
            Some(owner) if *owner == app => Ok(()),
            Some(owner) => {
                let detail = format!("completion {completion} of {id} was asked for by {owner}");
                wrong(RefusalKind::NotOwner, detail)
            }
            None => {
                let detail =
                    format!("completion {completion} of {id} is not owed: it was used, or cancelled");
                wrong(RefusalKind::Gone, detail)
            }
        },
        _ => Ok(()),
    }
}

/// Whether a line has an address; one that names none has one.
pub(crate) fn has_address(line: &Line, address: AddressIndex) -> bool {
    usize::from(address.0) < line.caps.addresses.len().max(1)
}

/// The operation that a line must have declared.
fn required(ask: &LineAsk) -> Op {
    match ask {
        LineAsk::Extension { .. } => Op::Extension,
        LineAsk::Forward { rules, .. } if rules.iter().any(|rule| rule.to.is_none()) => {
            Op::ForwardDoNotDisturb
        }
        LineAsk::Forward { .. } => Op::Forward,
        LineAsk::Pickup { what: PickupTarget::Group { .. } } => Op::PickupGroup,
        LineAsk::Pickup { what: PickupTarget::Held { .. } } => Op::PickupHeld,
        LineAsk::Pickup { .. } => Op::Pickup,
        LineAsk::SetStatus { .. } => Op::SetLineStatus,
        LineAsk::SetupConference => Op::SetupConferenceEmpty,
        LineAsk::UncompleteCall { .. } => Op::UncompleteCall,
        LineAsk::Unpark { .. } => Op::Unpark,
    }
}
