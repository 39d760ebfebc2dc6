// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's side in a conformance test: links, relays between the pair, watchers, and patience.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;

use offhook_spi::{
    Address, CallInfo, CallKey, CallOp, CallState, HostLink, LineCaps, LineKey, LineOp, Link, MspCommand,
    MspEvent, Op, OpSet, Opaque, Outcome, ProviderError, Refusal, RefusalKind, RequestId, SchemaId,
    SessionKey, StateKind, TspCommand, TspEvent, Version,
};

use super::{Behaviour, FarAct, RIG, Rig};
use crate::watch::{MspWatch, TspWatch};

/// How long a provider may take for anything that is not said to take longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Room in the queues of the links.
const QUEUE: usize = 256;

/// Why a test failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure(String);

impl Failure {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A running provider, or pair, with the host's ends of its links.
#[derive(Debug)]
pub struct Bench {
    tsp: HostLink<TspCommand, TspEvent>,
    msp: Option<HostLink<MspCommand, MspEvent>>,
    tasks: Vec<JoinHandle<()>>,
    watch: TspWatch,
    msp_watch: MspWatch,
    seen: VecDeque<TspEvent>,
    line: LineKey,
    caps: LineCaps,
    stable_id: String,
    requests: u64,
    serial: u64,
    sessions: Vec<(SessionKey, CallKey)>,
}

impl Bench {
    /// Starts the provider, waits for its first burst and opens its first line.
    ///
    /// # Errors
    /// What the provider did not do.
    pub async fn start(rig: &mut impl Rig) -> Result<Self, Failure> {
        let (tsp, link) = Link::pair(QUEUE);
        let absent = |error: ProviderError| Failure::new(format!("the provider did not start: {error}"));
        let provider = rig.tsp().await.map_err(absent)?;
        let mut tasks = vec![tokio::spawn(async move {
            provider.run(link).await.ok();
        })];
        let msp = rig.msp().await.map_err(absent)?.map(|provider| {
            let (msp, link) = Link::pair(QUEUE);
            tasks.push(tokio::spawn(async move {
                provider.run(link).await.ok();
            }));
            msp
        });
        let mut bench = Self {
            tsp,
            msp,
            tasks,
            watch: TspWatch::default(),
            msp_watch: MspWatch::default(),
            seen: VecDeque::new(),
            line: LineKey(0),
            caps: LineCaps::default(),
            stable_id: String::new(),
            requests: 0,
            serial: 0,
            sessions: Vec::new(),
        };
        bench.greet().await?;
        Ok(bench)
    }

    async fn greet(&mut self) -> Result<(), Failure> {
        let version = Version::CURRENT;
        self.command(TspCommand::Hello { version }).await?;
        if self.msp.is_some() {
            self.msp_command(MspCommand::Hello { version }).await?;
        }
        let mut first = None;
        loop {
            match self.next("its lines, then ready").await? {
                TspEvent::LineUp { line, caps, stable_id, .. } if first.is_none() => {
                    first = Some((line, caps, stable_id));
                }
                TspEvent::Ready => break,
                _ => {}
            }
        }
        let (line, caps, stable_id) =
            first.ok_or_else(|| Failure::new("the first burst brought no line to test"))?;
        (self.line, self.caps, self.stable_id) = (line, *caps, stable_id);
        self.open_line().await
    }

    /// By what the line is known again, and what it can do.
    #[must_use]
    pub fn identity(&self) -> (String, OpSet) {
        (self.stable_id.clone(), self.caps.ops)
    }

    /// Whether the line under test declares an operation.
    #[must_use]
    pub fn declares(&self, op: Op) -> bool {
        self.caps.ops.contains(op)
    }

    /// The address of a far end that behaves so: the rig's, or one of the provider's own (schema [`RIG`]).
    #[must_use]
    pub fn address(&self, rig: &impl Rig, behaviour: Behaviour) -> Option<Address> {
        let own = || self.has_rig().then(|| Address::new(format!("rig:{}", behaviour.word())));
        rig.address(behaviour).or_else(own)
    }

    /// Lets a far end act: the rig's, or one of the provider's own. False when there is none that can.
    ///
    /// # Errors
    /// The provider has far ends of its own, knows the act and refuses.
    pub async fn act(&mut self, rig: &mut impl Rig, act: FarAct) -> Result<bool, Failure> {
        let line = self.caps.addresses.first().map_or("", |known| known.address.as_str());
        if rig.act(act, &Address::new(line)).await {
            return Ok(true);
        }
        if !self.has_rig() {
            return Ok(false);
        }
        let (request, line) = (self.request(), self.line);
        let data = Opaque { schema: SchemaId::new(RIG), data: act.word().to_owned() };
        self.command(TspCommand::Line { request, line, op: LineOp::Extension { data } }).await?;
        match self.reply(request).await? {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.kind == RefusalKind::Unsupported => Ok(false),
            Err(refusal) => Err(Failure::new(format!("{RIG} '{}' was refused: {refusal}", act.word()))),
        }
    }

    fn has_rig(&self) -> bool {
        self.caps.extensions.iter().any(|schema| schema.0 == RIG)
    }

    /// The line under test.
    #[must_use]
    pub const fn line(&self) -> LineKey {
        self.line
    }

    /// Asks for an operation on a call; the request's id is for [`Bench::reply`].
    ///
    /// # Errors
    /// The provider has ended.
    pub async fn operate(&mut self, call: CallKey, op: CallOp) -> Result<RequestId, Failure> {
        let request = self.request();
        let session = match op {
            CallOp::MakeCall { .. } => self.session(call).await?,
            _ => None,
        };
        let line = self.line;
        self.command(TspCommand::Call { request, line, call, session, op }).await?;
        Ok(request)
    }

    /// Asks for an operation and waits for its reply.
    ///
    /// # Errors
    /// The provider has ended, did not answer, or refused.
    pub async fn done(&mut self, call: CallKey, op: CallOp) -> Result<Outcome, Failure> {
        let name = op.required();
        let request = self.operate(call, op).await?;
        self.reply(request).await?.map_err(|no| Failure::new(format!("{name} was refused: {no}")))
    }

    /// A fresh key for a call that the core starts.
    pub const fn new_key(&mut self) -> CallKey {
        self.serial += 1;
        CallKey::core(self.serial)
    }

    /// As [`Bench::operate`], unless the link is full: then nothing was asked.
    ///
    /// # Errors
    /// The provider has ended.
    pub fn try_operate(&mut self, call: CallKey, op: CallOp) -> Result<Option<RequestId>, Failure> {
        let (request, line) = (self.request(), self.line);
        let command = TspCommand::Call { request, line, call, session: None, op };
        match self.tsp.commands.try_send(command.clone()) {
            Ok(()) => {
                self.watch.command(&command);
                Ok(Some(request))
            }
            Err(TrySendError::Full(_)) => Ok(None),
            Err(TrySendError::Closed(_)) => Err(Failure::new("the provider has ended")),
        }
    }

    /// Reads one event and keeps it.
    ///
    /// # Errors
    /// None came.
    pub async fn read(&mut self) -> Result<(), Failure> {
        let event = self.next("anything").await?;
        self.seen.push_back(event);
        Ok(())
    }

    /// Begins the use of the line.
    ///
    /// # Errors
    /// It was refused.
    pub async fn open_line(&mut self) -> Result<(), Failure> {
        let (request, line) = (self.request(), self.line);
        self.command(TspCommand::Open { request, line }).await?;
        self.reply(request).await?.map_err(|no| Failure::new(format!("open was refused: {no}")))?;
        Ok(())
    }

    /// Waits until the line has gone and is back, and begins to use it again.
    ///
    /// # Errors
    /// It did not go, or did not come back under its stable id.
    pub async fn line_returns(&mut self) -> Result<(), Failure> {
        let line = self.line;
        let down = |event: &TspEvent| matches!(event, TspEvent::LineDown { line: at } if *at == line);
        self.find("the line to go", |event| down(event).then_some(())).await?;
        let known = self.stable_id.clone();
        let what = format!("the line '{known}' to come back");
        let (line, caps) = self
            .find(&what, |event| match event {
                TspEvent::LineUp { line, stable_id, caps, .. } if *stable_id == known => {
                    Some((*line, (**caps).clone()))
                }
                _ => None,
            })
            .await?;
        (self.line, self.caps) = (line, caps);
        self.open_line().await
    }

    /// Ends the use of the line.
    ///
    /// # Errors
    /// The provider has ended.
    pub async fn close_line(&mut self) -> Result<(), Failure> {
        let line = self.line;
        self.command(TspCommand::Close { line }).await
    }

    /// Cancels a request.
    ///
    /// # Errors
    /// The provider has ended.
    pub async fn abandon(&mut self, request: RequestId) -> Result<(), Failure> {
        self.command(TspCommand::Abandon { request }).await
    }

    /// Waits for the reply to a request; events on the way are kept.
    ///
    /// # Errors
    /// No reply came.
    pub async fn reply(&mut self, wanted: RequestId) -> Result<Result<Outcome, Refusal>, Failure> {
        let what = format!("the reply to {wanted}");
        self.find(&what, |event| match event {
            TspEvent::Reply { request, result } if *request == wanted => Some(result.clone().into_result()),
            _ => None,
        })
        .await
    }

    /// Waits until a call is in a state of this kind; gives the state.
    ///
    /// # Errors
    /// It never was, or it ended first.
    pub async fn state(&mut self, key: CallKey, wanted: StateKind) -> Result<CallState, Failure> {
        let what = format!("{key} to become {wanted}");
        let found = self
            .find(&what, |event| match event {
                TspEvent::CallState { call, state, .. } if *call == key => {
                    let over = state.kind() == StateKind::Idle;
                    (state.kind() == wanted || over).then(|| state.clone())
                }
                _ => None,
            })
            .await?;
        if found.kind() == wanted {
            Ok(found)
        } else {
            Err(Failure::new(format!("waited for {what}, it became {found}")))
        }
    }

    /// Waits for an incoming call; gives its key and what is known about it.
    ///
    /// # Errors
    /// None came.
    pub async fn incoming(&mut self) -> Result<(CallKey, CallInfo), Failure> {
        let (key, info) = self
            .find("an incoming call", |event| match event {
                TspEvent::NewCall { call, info, .. } => Some((*call, (**info).clone())),
                _ => None,
            })
            .await?;
        if let Some(session) = self.session(key).await? {
            self.command(TspCommand::Session { call: key, session }).await?;
        }
        Ok((key, info))
    }

    /// Ends the provider and looks whether anything was left or broken.
    ///
    /// # Errors
    /// What the watchers saw.
    pub async fn finish(mut self) -> Result<(), Failure> {
        self.end_sessions().await?;
        self.close_links().await?;
        let Self { watch, msp_watch, .. } = self;
        let broken = watch.breaches().iter().chain(msp_watch.breaches()).cloned();
        let left = watch.leftovers().into_iter().chain(msp_watch.leftovers());
        match broken.chain(left).next() {
            Some(first) => Err(Failure::new(first)),
            None => Ok(()),
        }
    }

    /// Goes, whatever lives: the provider has to end. What it left is nobody's business any more.
    ///
    /// # Errors
    /// It did not end, or broke a rule before.
    pub async fn stop(&mut self) -> Result<(), Failure> {
        self.close_links().await?;
        self.sessions.clear();
        let broken = self.watch.breaches().iter().chain(self.msp_watch.breaches()).next().cloned();
        (self.watch, self.msp_watch) = (TspWatch::default(), MspWatch::default());
        broken.map_or(Ok(()), |first| Err(Failure::new(first)))
    }

    async fn close_links(&mut self) -> Result<(), Failure> {
        (self.tsp, _) = Link::pair(1);
        self.msp = None;
        for task in self.tasks.drain(..) {
            let ended = tokio::time::timeout(PATIENCE, task).await;
            ended.map_err(|_| Failure::new("the provider did not end when its link closed"))?.ok();
        }
        Ok(())
    }

    const fn request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    async fn command(&mut self, command: TspCommand) -> Result<(), Failure> {
        self.watch.command(&command);
        self.tsp.commands.send(command).await.map_err(|_| Failure::new("the provider has ended"))
    }

    async fn msp_command(&mut self, command: MspCommand) -> Result<(), Failure> {
        self.msp_watch.command(&command);
        let Some(msp) = &self.msp else { return Ok(()) };
        msp.commands.send(command).await.map_err(|_| Failure::new("the media provider has ended"))
    }

    async fn session(&mut self, call: CallKey) -> Result<Option<SessionKey>, Failure> {
        let Some(wish) = self.caps.session.clone().filter(|_| self.msp.is_some()) else { return Ok(None) };
        let request = self.request();
        let session = SessionKey(request.0);
        self.sessions.push((session, call));
        let (line, media, schema) = (self.stable_id.clone(), self.caps.media, wish.schema);
        self.msp_command(MspCommand::CreateSession { request, session, call, line, media, schema }).await?;
        Ok(Some(session))
    }

    async fn end_sessions(&mut self) -> Result<(), Failure> {
        for (session, _) in self.sessions.clone() {
            self.msp_command(MspCommand::EndSession { session }).await?;
        }
        while self.msp.is_some() && self.msp_watch.ended() < self.sessions.len() as u64 {
            self.turn("its sessions to end").await?;
        }
        Ok(())
    }

    /// Finds an event among those kept, or waits for it.
    async fn find<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&TspEvent) -> Option<T>,
    ) -> Result<T, Failure> {
        for place in 0..self.seen.len() {
            if let Some(found) = wanted(&self.seen[place]) {
                self.seen.remove(place);
                return Ok(found);
            }
        }
        loop {
            let event = self.next(what).await?;
            match wanted(&event) {
                Some(found) => return Ok(found),
                None => self.seen.push_back(event),
            }
        }
    }

    /// The next event of the TSP, with what the pair says to each other carried on the way.
    async fn next(&mut self, what: &str) -> Result<TspEvent, Failure> {
        loop {
            if let Some(event) = self.turn(what).await? {
                return Ok(event);
            }
        }
    }

    async fn turn(&mut self, what: &str) -> Result<Option<TspEvent>, Failure> {
        let late = || Failure::new(format!("waited in vain for {what}"));
        let gone = || Failure::new(format!("the provider ended while waiting for {what}"));
        let msp = self.msp.as_mut();
        let either = async {
            match msp {
                Some(msp) => tokio::select! {
                    event = self.tsp.events.recv() => Ok(event),
                    event = msp.events.recv() => Err(event),
                },
                None => Ok(self.tsp.events.recv().await),
            }
        };
        match tokio::time::timeout(PATIENCE, either).await.map_err(|_| late())? {
            Ok(event) => self.take_tsp(event.ok_or_else(gone)?).await,
            Err(event) => self.take_msp(event.ok_or_else(gone)?).await.map(|()| None),
        }
    }

    async fn take_tsp(&mut self, event: TspEvent) -> Result<Option<TspEvent>, Failure> {
        self.watch.event(&event);
        let TspEvent::Relay { call, data, .. } = event else { return Ok(Some(event)) };
        let session = self.sessions.iter().rev().find(|(_, of)| *of == call).map(|(session, _)| *session);
        if let Some(session) = session {
            self.msp_command(MspCommand::Relay { session, data }).await?;
        } else if self.msp.is_some() {
            // The first relay of an incoming call comes right behind the call: make its session now.
            if let Some(session) = self.session(call).await? {
                self.msp_command(MspCommand::Relay { session, data }).await?;
            }
        }
        Ok(None)
    }

    async fn take_msp(&mut self, event: MspEvent) -> Result<(), Failure> {
        self.msp_watch.event(&event);
        let MspEvent::Relay { session, data } = event else { return Ok(()) };
        let call = self.sessions.iter().find(|(key, _)| *key == session).map(|(_, call)| *call);
        match call {
            Some(call) => self.command(TspCommand::Relay { call, from: session, data }).await,
            None => Ok(()),
        }
    }
}
