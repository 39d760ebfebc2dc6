// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests to providers: each gets exactly one reply, or the core gives it one.

use offhook_spi::{
    MediaSet, MspCommand, Op, Outcome, Refusal, RefusalKind, RequestId, SessionKey, TerminalKey, TspCommand,
};

use crate::app::{Answer, Purpose};
use crate::bounds;
use crate::consultation::Event;
use crate::deadline::{Reason, Timer};
use crate::gather::Modes;
use crate::id::{AppId, AskId, CallId, LineId, PhoneId, ProviderId};
use crate::line::LineLink;
use crate::sounds::Sound;
use crate::switch::Switch;

/// A request of an application that waits for its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Asker {
    pub(crate) app: AppId,
    pub(crate) id: AskId,
}

/// A request to a provider that waits for its reply.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Whom to answer; `None` when the core asked for itself, or the answer was given already.
    pub(crate) asker: Option<Asker>,
    pub(crate) what: What,
    timer: Timer,
    /// The provider has had its time and was told to abandon.
    late: bool,
}

/// What a request was about: what to do with its reply.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// Asks for a call completion.
    Complete {
        call: CallId,
        app: AppId,
    },
    /// Starts one or two calls.
    Create(Creation),
    Drop(CallId),
    /// The provider itself gathers digits.
    Gather {
        call: CallId,
        app: AppId,
    },
    Generate {
        call: CallId,
        app: AppId,
    },
    /// The reply changes nothing any more.
    Ignore,
    /// Joins two calls that are there.
    Join {
        call: CallId,
        other: CallId,
        op: Op,
    },
    /// An operation on a line that brings nothing but success.
    Line {
        line: LineId,
    },
    /// Changes which media or tones are listened for.
    Listen {
        call: CallId,
        sound: Sound,
    },
    /// Records the media of a call.
    Media {
        call: CallId,
        media: MediaSet,
    },
    /// Any other operation on a call.
    Op {
        call: CallId,
        op: Op,
    },
    Open {
        line: LineId,
        link: LineLink,
    },
    /// A line that was given up may have been opened after all.
    OpenLate(LineLink),
    /// Changes a phone.
    Phone {
        phone: PhoneId,
        request: RequestId,
    },
    Select {
        session: SessionKey,
        terminal: TerminalKey,
    },
    /// A terminal that was given up may have been made after all.
    SelectLate {
        session: SessionKey,
        terminal: TerminalKey,
    },
    Session(SessionKey),
    Statistics(SessionKey),
    /// An operation on a session that brings nothing but success.
    Stream,
    /// Cancels a call completion.
    Uncomplete {
        line: LineId,
        id: u64,
    },
    Unselect {
        session: SessionKey,
        terminal: TerminalKey,
    },
    /// Changes which digits are reported; on refusal the old wish stands.
    Watch {
        call: CallId,
        before: Modes,
        undo: Option<(AppId, Modes)>,
    },
}

/// Calls that a request starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Creation {
    /// The call that the operation was asked of, unless it starts from nothing.
    pub(crate) parent: Option<(CallId, Op)>,
    /// The other call that the operation joins into the new one.
    pub(crate) partner: Option<CallId>,
    pub(crate) first: CallId,
    pub(crate) second: Option<CallId>,
}

impl Creation {
    /// One call, out of nothing.
    pub(crate) const fn of(first: CallId) -> Self {
        Self { parent: None, partner: None, first, second: None }
    }

    pub(crate) fn calls(&self) -> impl Iterator<Item = CallId> + use<> {
        [Some(self.first), self.second].into_iter().flatten()
    }

    /// What the application is told; a conference comes first.
    const fn answer(&self) -> Answer {
        match self.second {
            Some(consultation) => Answer::Conference { conference: self.first, consultation },
            None => Answer::Call { call: self.first },
        }
    }
}

impl What {
    /// The call that a request is about.
    const fn call(&self) -> Option<CallId> {
        match self {
            Self::Create(creation) => Some(creation.first),
            Self::Complete { call, .. }
            | Self::Drop(call)
            | Self::Gather { call, .. }
            | Self::Generate { call, .. }
            | Self::Join { call, .. }
            | Self::Listen { call, .. }
            | Self::Media { call, .. }
            | Self::Op { call, .. }
            | Self::Watch { call, .. } => Some(*call),
            _ => None,
        }
    }
}

impl Switch {
    /// Counts up to the next request on a link.
    pub(crate) fn next_request(&mut self, provider: ProviderId) -> RequestId {
        let tsp = self.tsps.get_mut(&provider).map(|tsp| &mut tsp.requests);
        let Some(last) = tsp.or_else(|| self.msps.get_mut(&provider).map(|msp| &mut msp.requests)) else {
            return RequestId(0);
        };
        *last += 1;
        RequestId(*last)
    }

    /// Waits for the reply to a request that has been sent.
    pub(crate) fn expect_reply(
        &mut self,
        provider: ProviderId,
        request: RequestId,
        asker: Option<Asker>,
        what: What,
    ) {
        if self.provider_name(provider).is_none() {
            let refusal = Refusal::new(RefusalKind::ProviderGone, format!("{provider} is not there"));
            return self.settle(provider, asker, what, Err(refusal));
        }
        let timer = self.reply_timer(provider, request);
        self.requests.insert((provider, request), Pending { asker, what, timer, late: false });
    }

    /// A provider has replied.
    pub(crate) fn reply(
        &mut self,
        provider: ProviderId,
        request: RequestId,
        result: Result<Outcome, Refusal>,
    ) {
        let Some(pending) = self.requests.remove(&(provider, request)) else {
            let detail = format!("expected a reply to an outstanding request, received one to {request}");
            return self.violation(provider, None, detail);
        };
        self.deadlines.disarm(pending.timer);
        let result = result.and_then(|outcome| self.carried(provider, outcome));
        self.settle(provider, pending.asker, pending.what, result);
    }

    /// What a provider gives back, if it is small enough.
    fn carried(&mut self, provider: ProviderId, outcome: Outcome) -> Result<Outcome, Refusal> {
        let Outcome::Data { data } = &outcome else { return Ok(outcome) };
        if bounds::fits(data) {
            return Ok(outcome);
        }
        self.too_big(provider, None, data);
        let name = self.provider_name(provider).unwrap_or("the provider");
        let detail = format!("'{name}' gave back {} bytes, too many to be carried", data.data.len());
        Err(Refusal::new(RefusalKind::OperationFailed, detail))
    }

    /// A command did not fit in the provider's queue, so its reply cannot come.
    pub(crate) fn overflow(&mut self, provider: ProviderId, request: RequestId) {
        let Some(pending) = self.requests.remove(&(provider, request)) else { return };
        self.deadlines.disarm(pending.timer);
        let name = self.provider_name(provider).unwrap_or("the provider");
        let refusal = Refusal::new(RefusalKind::Busy, format!("the queue of '{name}' is full"));
        self.settle(provider, pending.asker, pending.what, Err(refusal));
    }

    /// A provider has not replied in time: the asker is refused, the request abandoned. Its one reply may
    /// still come; what it brought about is undone then.
    pub(crate) fn reply_overdue(&mut self, provider: ProviderId, request: RequestId) {
        let Some(pending) = self.requests.remove(&(provider, request)) else { return };
        let name = self.provider_name(provider).unwrap_or("the provider");
        let patience = self.config.request_timeout;
        let detail = format!("'{name}' did not reply within {} s", patience.as_secs_f32());
        let refusal = Refusal::new(RefusalKind::TimedOut, detail);
        if pending.late {
            let detail = format!("expected a reply to the abandoned {request}, received nothing");
            self.violation(provider, None, detail);
            return self.settle(provider, pending.asker, pending.what, Err(refusal));
        }
        self.abandon(provider, request);
        let what = match pending.what {
            What::Create(creation) => {
                self.refuse(pending.asker, refusal);
                creation.calls().for_each(|call| self.doom(call));
                What::Create(creation)
            }
            What::Open { line, link } => {
                self.settle(provider, pending.asker, What::Open { line, link }, Err(refusal));
                What::OpenLate(link)
            }
            What::Select { session, terminal } => {
                self.settle(provider, pending.asker, What::Select { session, terminal }, Err(refusal));
                What::SelectLate { session, terminal }
            }
            What::Session(session) => {
                self.session_late(session, refusal);
                What::Session(session)
            }
            what => {
                self.settle(provider, pending.asker, what, Err(refusal));
                What::Ignore
            }
        };
        let timer = self.reply_timer(provider, request);
        self.requests.insert((provider, request), Pending { asker: None, what, timer, late: true });
    }

    /// Refuses everything outstanding at a provider that has gone.
    pub(crate) fn refuse_outstanding(&mut self, provider: ProviderId, refusal: &Refusal) {
        let range = (provider, RequestId(0))..=(provider, RequestId(u64::MAX));
        let requests: Vec<RequestId> = self.requests.range(range).map(|((_, request), _)| *request).collect();
        for request in requests {
            if let Some(pending) = self.requests.remove(&(provider, request)) {
                self.deadlines.disarm(pending.timer);
                self.settle(provider, pending.asker, pending.what, Err(refusal.clone()));
            }
        }
    }

    /// Refuses what is outstanding about a line that has gone; its provider still replies.
    pub(crate) fn refuse_about_line(&mut self, line: LineId, provider: ProviderId, refusal: &Refusal) {
        self.refuse_about(provider, refusal, |switch, what| match what {
            What::Line { line: about }
            | What::Open { line: about, .. }
            | What::Uncomplete { line: about, .. } => *about == line,
            what => what.call().and_then(|call| switch.calls.get(call)).is_some_and(|call| call.line == line),
        });
    }

    /// Refuses some of what is outstanding at a provider; its replies change nothing any more.
    pub(crate) fn refuse_about(
        &mut self,
        provider: ProviderId,
        refusal: &Refusal,
        is_about: impl Fn(&Self, &What) -> bool,
    ) {
        let range = (provider, RequestId(0))..=(provider, RequestId(u64::MAX));
        let requests: Vec<RequestId> = self
            .requests
            .range(range)
            .filter(|(_, pending)| is_about(self, &pending.what))
            .map(|((_, request), _)| *request)
            .collect();
        for request in requests {
            if let Some(pending) = self.requests.get_mut(&(provider, request)) {
                let what = std::mem::replace(&mut pending.what, What::Ignore);
                let asker = pending.asker.take();
                self.settle(provider, asker, what, Err(refusal.clone()));
            }
        }
    }

    /// Takes the asker of the request that starts a call, to answer before the provider does.
    pub(crate) fn take_asker(&mut self, provider: ProviderId, request: RequestId) -> Option<Asker> {
        self.requests.get_mut(&(provider, request))?.asker.take()
    }

    /// Tells a provider to give up a request.
    pub(crate) fn abandon(&mut self, provider: ProviderId, request: RequestId) {
        self.tsp(provider, TspCommand::Abandon { request });
        self.msp(provider, MspCommand::Abandon { request });
    }

    pub(crate) fn refuse(&mut self, asker: Option<Asker>, refusal: Refusal) {
        if let Some(asker) = asker {
            self.answer(asker, Err(refusal));
        }
    }

    /// Answers with whatever the provider said.
    pub(crate) fn pass_on(&mut self, asker: Option<Asker>, result: Result<Outcome, Refusal>) {
        if let Some(asker) = asker {
            self.answer(asker, result.map(|outcome| Answer::Done { outcome }));
        }
    }

    pub(crate) fn provider_name(&self, provider: ProviderId) -> Option<&str> {
        let tsp = self.tsps.get(&provider).map(|tsp| tsp.name.as_str());
        tsp.or_else(|| self.msps.get(&provider).map(|msp| msp.name.as_str()))
    }

    fn reply_timer(&mut self, provider: ProviderId, request: RequestId) -> Timer {
        let at = self.now + self.config.request_timeout;
        self.deadlines.arm(at, Reason::Reply { provider, request })
    }

    /// Does what the reply to a request brings, whoever gave it.
    fn settle(
        &mut self,
        provider: ProviderId,
        asker: Option<Asker>,
        what: What,
        result: Result<Outcome, Refusal>,
    ) {
        match what {
            What::Create(creation) => self.created(asker, &creation, result),
            What::Complete { call, app } => self.completion_asked(asker, call, app, result),
            What::Drop(call) => self.dropped(provider, asker, call, result),
            What::Gather { call, app } => self.gather_started(asker, call, app, result),
            What::Generate { call, app } => self.generation_started(asker, call, app, result),
            What::Ignore | What::Line { .. } | What::Stream => self.pass_on(asker, result),
            What::Join { call, other, op } => {
                self.unspend(call, op, result.is_ok());
                self.joined(call, other, op, result.is_ok());
                self.pass_on(asker, result);
            }
            What::Listen { call, sound } => self.listening_changed(asker, call, sound, result),
            What::Media { call, media } => self.media_set(asker, call, media, result),
            What::Op { call, op } => self.operated(asker, call, op, result),
            What::Phone { phone, request } => self.phone_set(asker, phone, request, result),
            What::Uncomplete { line, id } => self.uncompleted(asker, line, id, result),
            What::Open { line, link } => self.line_opened(line, link, result.map(|_| ())),
            What::OpenLate(link) => self.line_opened_late(link, result.is_ok()),
            What::Select { session, terminal } => self.terminal_selected(asker, session, terminal, result),
            What::SelectLate { session, terminal } => {
                self.terminal_selected_late(session, terminal, result.is_ok());
            }
            What::Session(session) => self.session_created(session, result),
            What::Statistics(session) => self.statistics_given(asker, session, result),
            What::Unselect { session, terminal } => {
                self.terminal_gone(session, terminal);
                self.pass_on(asker, result);
            }
            What::Watch { call, before, undo } => self.watch_changed(asker, call, before, undo, result),
        }
    }

    /// The request that starts one or two calls has its reply: the application sees the answer first,
    /// then monitors are told, then states follow (inventory rules 23, 26, 44).
    fn created(&mut self, asker: Option<Asker>, creation: &Creation, result: Result<Outcome, Refusal>) {
        if let Some((parent, op)) = creation.parent {
            self.unspend(parent, op, result.is_ok());
        }
        if let Err(refusal) = result {
            if let (Some((parent, op)), Some(partner)) = (creation.parent, creation.partner) {
                self.joined(parent, partner, op, false);
            }
            self.refuse(asker, refusal);
            return creation.calls().for_each(|call| self.discard(call));
        }
        let held: Vec<_> = creation.calls().map(|call| (call, self.bear(call))).collect();
        if let Some(asker) = asker {
            self.answer(asker, Ok(creation.answer()));
            creation.calls().for_each(|call| self.announce(call, asker.app));
            self.tie(creation);
        } else if let (Some((parent, op)), Some(partner)) = (creation.parent, creation.partner) {
            // Nobody waits for the conference any more; it will be dropped.
            self.joined(parent, partner, op, false);
        }
        for (call, report) in held {
            if let Some(report) = report {
                self.apply(call, *report);
            }
            self.drop_if_unwanted(call);
        }
    }

    /// Ties new calls to those that they came out of.
    fn tie(&mut self, creation: &Creation) {
        let Creation { parent, partner, first, second } = *creation;
        if let Some(consultation) = second {
            self.becomes_conference(first);
            self.bind(first, consultation, Purpose::Conference);
            self.give_session(first);
        }
        match (parent, partner) {
            (Some((original, op)), Some(other)) => {
                self.becomes_conference(first);
                self.joined(original, other, op, true);
            }
            (Some((original, Op::PrepareAddToConference)), None) => {
                self.bind(original, first, Purpose::Conference);
            }
            (Some((original, Op::SetupTransfer | Op::SetupTransferOneStep)), None) => {
                self.bind(original, first, Purpose::Transfer);
            }
            _ => {}
        }
    }

    /// The reply to an operation that needs no more than its answer, but for what it frees.
    fn operated(&mut self, asker: Option<Asker>, call: CallId, op: Op, result: Result<Outcome, Refusal>) {
        let is_done = result.is_ok();
        self.unspend(call, op, is_done);
        self.pass_on(asker, result);
        match op {
            Op::ReleaseUserData if is_done => self.release_user_data(call),
            Op::Unhold => {
                let event = if is_done { Event::Retrieved } else { Event::UnholdRefused };
                self.consult_step(call, None, event);
            }
            _ => {}
        }
    }
}
