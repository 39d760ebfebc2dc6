// SPDX-License-Identifier: MIT OR Apache-2.0
//! How calls come into being: made by an application, spun off by an operation, or offered by a line.

use offhook_spi::{
    Address, CallDirection, CallInfo, CallKey, CallOp, CallParams, CallState, LineKey, MediaSet, Op, Party,
    Refusal, RefusalKind, RequestId, SessionKey, StateKind, TspCommand,
};

use crate::app::{AppEvent, Privilege};
use crate::asks::Handled;
use crate::bounds;
use crate::call::{Call, Fate, Life, Report, Step};
use crate::id::{AppId, CallId, LineId, ProviderId};
use crate::line::{Gate, LineLink, Waiting};
use crate::line_ops::has_address;
use crate::policy::Incoming;
use crate::request::{Asker, Creation, What};
use crate::switch::Switch;

impl Switch {
    /// An application wants to make a call; the line is opened first if need be.
    pub(crate) fn make_call(
        &mut self,
        asker: Asker,
        id: LineId,
        to: Address,
        params: Box<CallParams>,
    ) -> Result<Handled, Refusal> {
        let (line, link) = self.present_line(id)?;
        let op = if to.as_str().ends_with(';') { Op::MakeCallPartial } else { Op::MakeCall };
        if !line.caps.ops.contains(op) {
            return Err(Refusal::unsupported(format_args!("{id} ({})", line.name), op));
        }
        if !has_address(line, params.address) {
            let expected = line.caps.addresses.len();
            let detail = format!("{id} has {expected} addresses, there is no number {}", params.address.0);
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        self.has_room(id)?;
        if self.lines.get(id).is_some_and(|line| line.gate == Gate::Open) {
            self.use_line(asker.app, id, None);
            self.dial(asker, id, link, to, params);
            Ok(Handled::Later)
        } else {
            self.await_gate(id, link, Waiting::MakeCall { asker, to, params })?;
            self.use_line(asker.app, id, None);
            Ok(Handled::Later)
        }
    }

    /// Starts a call whose line is open: the session and the call at the same time.
    fn dial(&mut self, asker: Asker, line: LineId, link: LineLink, to: Address, params: Box<CallParams>) {
        let info = CallInfo {
            direction: CallDirection::Outgoing,
            address: params.address,
            caller: params.caller.clone().unwrap_or_default(),
            called: Party { address: Some(to.clone()), number: params.number.clone(), ..Party::default() },
            media: params.media,
            ..CallInfo::default()
        };
        let (id, request) = self.conceive(asker.app, line, link, info);
        let session = self.start_session(id);
        let key = self.calls.get(id).map_or(CallKey::core(0), |call| call.key);
        let op = CallOp::MakeCall { to, params };
        let command = TspCommand::Call { request, line: link.key, call: key, session, op };
        self.tsp(link.provider, command);
        let creation = Creation::of(id);
        self.expect_reply(link.provider, request, Some(asker), What::Create(creation));
    }

    /// Makes the record of a call that the core names; nobody sees it before its birth.
    pub(crate) fn conceive(
        &mut self,
        app: AppId,
        line: LineId,
        link: LineLink,
        info: CallInfo,
    ) -> (CallId, RequestId) {
        let request = self.next_request(link.provider);
        let serial = self.tsps.get_mut(&link.provider).map_or(0, |tsp| {
            tsp.named += 1;
            tsp.named
        });
        let life = Life::Pending { request, held: None };
        let id = self.insert_call(line, link.provider, link.key, CallKey::core(serial), life, info);
        self.give_handle(id, app, Privilege::Owner);
        (id, request)
    }

    /// A line offers a call (`LINE_NEWCALL`).
    pub(crate) fn new_call(
        &mut self,
        provider: ProviderId,
        line_key: LineKey,
        key: CallKey,
        mut info: Box<CallInfo>,
        state: CallState,
    ) {
        let Some(line) = self.acceptable(provider, line_key, key, &state) else { return };
        bounds::clip_info(&mut info);
        let life = Life::new(self.now, state);
        self.completion_fulfilled(line, info.completion);
        let id = self.insert_call(line, provider, line_key, key, life, *info);
        self.take_seat(id);
        let (is_open, rejects) = match self.lines.get(line) {
            Some(line) => (line.gate == Gate::Open, line.policy.incoming == Incoming::Reject),
            None => return,
        };
        // It came while the line was being closed, or there is no room for it.
        if !is_open || self.calls.len() > self.config.max_calls {
            return self.drop_call(id, None);
        }
        // Monitors still hear of a call that nobody wants; it needs no session.
        if rejects && self.heir(id, None).is_none() {
            self.deliver(id);
            return self.drop_call(id, None);
        }
        if let Some(session) = self.start_session(id) {
            self.tsp(provider, TspCommand::Session { call: key, session });
        }
        self.deliver(id);
    }

    /// Checks the first event of a call; what cannot be is a violation.
    fn acceptable(
        &mut self,
        provider: ProviderId,
        line_key: LineKey,
        key: CallKey,
        state: &CallState,
    ) -> Option<LineId> {
        let tsp = self.tsps.get_mut(&provider)?;
        let line = tsp.lines.get(&line_key).copied();
        let is_fresh = key == CallKey::provider(key.serial) && key.serial > tsp.heard;
        if is_fresh {
            tsp.heard = key.serial;
        }
        let was_open = line.and_then(|line| self.lines.get(line)).is_some_and(|line| line.was_open);
        let detail = if line.is_none() {
            format!("expected a new call on a line that is up, received one on {line_key}")
        } else if !is_fresh {
            format!("expected a new call under a key never used before, received {key}")
        } else if matches!(state.kind(), StateKind::Idle) {
            "expected a new call that lives, received one that is idle".to_owned()
        } else if !was_open {
            format!("expected no call before the line is opened, received one on {line_key}")
        } else {
            return line;
        };
        self.violation(provider, Some(key), detail);
        None
    }

    /// Gives a new incoming call to the applications that want it: one owner, all monitors.
    fn deliver(&mut self, id: CallId) {
        let owner = self.heir(id, None);
        if let Some(owner) = owner {
            self.give_handle(id, owner, Privilege::Owner);
        }
        let monitors = self.monitors_of(id, owner);
        for app in &monitors {
            self.give_handle(id, *app, Privilege::Monitor);
        }
        if let Some(owner) = owner {
            self.tell_new_call(id, vec![owner], Privilege::Owner);
        }
        self.tell_new_call(id, monitors, Privilege::Monitor);
    }

    /// The application that would own an incoming call: the highest priority that takes its media, who
    /// registered first among equals.
    pub(crate) fn heir(&self, id: CallId, except: Option<AppId>) -> Option<AppId> {
        let call = self.calls.get(id)?;
        let except = except.and_then(|app| self.apps.get(&app)).map(|known| known.registered);
        let line = self.lines.get(call.line)?;
        let media = if call.info.media.is_empty() { line.caps.media } else { call.info.media };
        let wants = |own: MediaSet| media.is_empty() || own.intersects(media);
        self.best_owner(call.line, |known, own| Some(known.registered) != except && wants(own))
    }

    /// Tells the monitors of the line about a call that an application made (inventory rule 44).
    pub(crate) fn announce(&mut self, id: CallId, maker: AppId) {
        let monitors = self.monitors_of(id, Some(maker));
        for app in &monitors {
            self.give_handle(id, *app, Privilege::Monitor);
        }
        self.tell_new_call(id, monitors, Privilege::Monitor);
    }

    /// The request that starts a call was carried out: the call exists. Gives back what its provider
    /// reported too early.
    pub(crate) fn bear(&mut self, id: CallId) -> Option<Box<Report>> {
        let now = self.now;
        let call = self.calls.get_mut(id)?;
        let held = match &mut call.life {
            Life::Pending { held, .. } => held.take(),
            Life::Live { .. } | Life::Over { .. } => None,
        };
        // Only a pending call is ever borne, so the step is legal.
        call.step(now, Step::Birth).ok()?;
        held
    }

    /// A call that was never born ceases to be; nobody has seen it.
    pub(crate) fn discard(&mut self, id: CallId) {
        self.break_up(id);
        let Some(call) = self.calls.remove(id) else { return };
        self.hubs.leave(call.hub, id);
        for app in call.holders.all() {
            if let Some(app) = self.apps.get_mut(&app) {
                app.calls.remove(&id);
            }
        }
        if let Some(timer) = call.ending {
            self.deadlines.disarm(timer);
        }
        if let Some(session) = call.session {
            self.end_session(session);
        }
        self.forget_key(call.provider, call.key, call.line);
    }

    /// Nobody waits for a pending call any more: it is dropped as soon as it is born, and nobody hears.
    pub(crate) fn doom(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.fate = call.fate.max(Fate::Doomed);
        for app in std::mem::take(&mut call.holders).all() {
            if let Some(app) = self.apps.get_mut(&app) {
                app.calls.remove(&id);
            }
        }
    }

    /// Refuses the request that starts a call before its provider has replied.
    pub(crate) fn refuse_creation(&mut self, id: CallId, refusal: Refusal) {
        let Some(call) = self.calls.get(id) else { return };
        let Life::Pending { request, .. } = call.life else { return };
        let provider = call.provider;
        let asker = self.take_asker(provider, request);
        if call_is_doomed(self, id) {
            return;
        }
        self.refuse(asker, refusal);
        let siblings: Vec<CallId> = self
            .requests
            .get(&(provider, request))
            .map(|pending| match &pending.what {
                What::Create(creation) => creation.calls().collect(),
                _ => Vec::new(),
            })
            .unwrap_or_default();
        siblings.into_iter().for_each(|call| self.doom(call));
        self.abandon(provider, request);
    }

    /// The session of a call that is being started, for the command that starts it.
    pub(crate) fn session_of(&self, id: CallId) -> Option<SessionKey> {
        self.calls.get(id)?.session
    }

    fn insert_call(
        &mut self,
        line: LineId,
        provider: ProviderId,
        line_key: LineKey,
        key: CallKey,
        life: Life,
        info: CallInfo,
    ) -> CallId {
        let hubs = &mut self.hubs;
        let id = self.calls.insert_with_key(|id| Call {
            line,
            provider,
            line_key,
            key,
            life,
            info: Box::new(info),
            holders: crate::rights::Holders::default(),
            session: None,
            spent: offhook_spi::OpSet::EMPTY,
            fate: Fate::Open,
            ending: None,
            refused_drops: 0,
            is_drop_due: false,
            digits: None,
            sounds: None,
            bond: None,
            seat: crate::conference::Seat::Outside,
            hub: hubs.enter(id),
            generations: std::collections::VecDeque::new(),
        });
        if let Some(info) = self.calls.get(id).map(|call| call.info.clone()) {
            self.place_in_hub(id, &info);
        }
        if let Some(tsp) = self.tsps.get_mut(&provider) {
            tsp.keys.insert(key, id);
        }
        if let Some(line) = self.lines.get_mut(line) {
            line.calls += 1;
        }
        id
    }

    fn monitors_of(&self, id: CallId, except: Option<AppId>) -> Vec<AppId> {
        let line = self.calls.get(id).and_then(|call| self.lines.get(call.line));
        line.map_or_else(Vec::new, |line| {
            let monitors = line.openers.iter().filter(|(_, interest)| interest.monitor);
            monitors.map(|(app, _)| *app).filter(|app| Some(*app) != except).collect()
        })
    }

    pub(crate) fn tell_new_call(&mut self, id: CallId, to: Vec<AppId>, privilege: Privilege) {
        if !to.is_empty()
            && let Some(record) = self.call_record(id, privilege)
        {
            self.tell(to, AppEvent::NewCall { record: Box::new(record) });
        }
    }

    pub(crate) fn has_room(&self, id: LineId) -> Result<(), Refusal> {
        let Some(line) = self.lines.get(id) else { return Ok(()) };
        if !line.has_room() {
            let detail = format!("{id} ({}) carries {} calls, its limit", line.name, line.calls);
            return Err(Refusal::new(RefusalKind::Busy, detail));
        }
        if self.calls.len() >= self.config.max_calls {
            let detail = format!("the server carries {} calls, its limit", self.calls.len());
            return Err(Refusal::new(RefusalKind::Busy, detail));
        }
        Ok(())
    }
}

fn call_is_doomed(switch: &Switch, id: CallId) -> bool {
    switch.calls.get(id).is_some_and(|call| call.fate >= Fate::Doomed)
}
