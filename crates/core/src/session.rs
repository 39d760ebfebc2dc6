// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions, the MSP side of calls: how they begin with a call and end after it.

use offhook_spi::{
    CallKey, CallState, Cause, MediaSet, MspCaps, MspCommand, Outcome, Refusal, RefusalKind, SchemaId,
    SessionKey, SessionStatistics, StateKind, StreamKey, StreamState, TerminalKey, TspCommand,
};

use crate::app::AppEvent;
use crate::call::{Fate, Report};
use crate::deadline::{Reason, Timer};
use crate::id::{CallId, ProviderId};
use crate::request::What;
use crate::switch::Switch;

/// A media service provider as the core knows it.
#[derive(Debug)]
pub(crate) struct Msp {
    pub(crate) name: String,
    pub(crate) schemas: Vec<SchemaId>,
    pub(crate) caps: MspCaps,
    pub(crate) requests: u64,
}

/// The MSP side of one call.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) call: CallId,
    pub(crate) call_key: CallKey,
    pub(crate) tsp: ProviderId,
    pub(crate) msp: ProviderId,
    pub(crate) stage: Stage,
    pub(crate) media: MediaSet,
    pub(crate) terminals: Vec<TerminalKey>,
    /// Figures that came and whose reply has not.
    pub(crate) statistics: Option<Box<SessionStatistics>>,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// The MSP has not replied to its creation.
    Creating,
    Open,
    /// It was told to end.
    Ending(Timer),
}

impl Switch {
    /// Starts the session of a call whose line wants one and whose MSP is there.
    pub(crate) fn start_session(&mut self, id: CallId) -> Option<SessionKey> {
        let call = self.calls.get(id)?;
        let line = self.lines.get(call.line)?;
        let wish = line.caps.session.as_ref()?;
        let msp = self.msp_for(line)?;
        let media = if call.info.media.is_empty() { line.caps.media } else { call.info.media };
        let (call_key, tsp) = (call.key, call.provider);
        let (stable_id, schema) = (line.name.stable_id.clone(), wish.schema.clone());
        self.last_session += 1;
        let key = SessionKey(self.last_session);
        let terminals = Vec::new();
        let stage = Stage::Creating;
        let session = Session { call: id, call_key, tsp, msp, stage, media, terminals, statistics: None };
        self.sessions.insert(key, session);
        self.calls.get_mut(id)?.session = Some(key);
        let request = self.next_request(msp);
        self.msp(
            msp,
            MspCommand::CreateSession {
                request,
                session: key,
                call: call_key,
                line: stable_id,
                media,
                schema,
            },
        );
        self.expect_reply(msp, request, None, What::Session(key));
        Some(key)
    }

    /// Makes the session of a call that its provider knows already, and tells it.
    pub(crate) fn give_session(&mut self, id: CallId) {
        let Some(session) = self.start_session(id) else { return };
        if let Some(call) = self.calls.get(id) {
            let (provider, key) = (call.provider, call.key);
            self.tsp(provider, TspCommand::Session { call: key, session });
        }
    }

    /// The MSP has replied to the creation of a session. A refusal takes its call along.
    pub(crate) fn session_created(&mut self, key: SessionKey, result: Result<Outcome, Refusal>) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        match (result, session.stage) {
            (Ok(_), Stage::Creating) => session.stage = Stage::Open,
            (Ok(_), _) => {}
            (Err(refusal), stage) => {
                let (call, media) = (session.call, session.media);
                self.sessions.remove(&key);
                if let Stage::Ending(timer) = stage {
                    self.deadlines.disarm(timer);
                    return;
                }
                if let Some(call) = self.calls.get_mut(call) {
                    call.session = None;
                }
                self.fail_without_session(call, media, refusal);
            }
        }
    }

    /// A creation that was not answered in time may still succeed: the session is told to end.
    pub(crate) fn session_late(&mut self, key: SessionKey, refusal: Refusal) {
        let Some(session) = self.sessions.get(&key) else { return };
        let (call, media) = (session.call, session.media);
        if let Some(call) = self.calls.get_mut(call) {
            call.session = None;
        }
        self.end_session(key);
        self.fail_without_session(call, media, refusal);
    }

    /// Tells a session to end; its last figures follow.
    pub(crate) fn end_session(&mut self, key: SessionKey) {
        let at = self.now + self.config.ending_timeout;
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if matches!(session.stage, Stage::Ending(_)) {
            return;
        }
        session.stage = Stage::Ending(self.deadlines.arm(at, Reason::SessionEnding { session: key }));
        let msp = session.msp;
        self.msp(msp, MspCommand::EndSession { session: key });
    }

    /// A session is over: because it was told so, or because its MSP could not go on with it.
    pub(crate) fn session_ended(&mut self, key: SessionKey, statistics: Option<Box<SessionStatistics>>) {
        let Some(session) = self.sessions.remove(&key) else { return };
        if let Stage::Ending(timer) = session.stage {
            self.deadlines.disarm(timer);
        }
        let id = session.call;
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.session == Some(key) {
            call.session = None;
        }
        let to = call.hearers();
        self.tell(to, AppEvent::SessionEnded { call: id, statistics });
    }

    /// A session did not end in time.
    pub(crate) fn session_overdue(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get(&key) else { return };
        let (msp, call_key) = (session.msp, session.call_key);
        self.violation(msp, Some(call_key), format!("expected the end of {key} in time, received nothing"));
        self.session_ended(key, None);
    }

    /// The MSP of a session is gone: the call goes on without media.
    pub(crate) fn session_lost(&mut self, key: SessionKey, detail: &str) {
        let Some(session) = self.sessions.get(&key) else { return };
        let (id, media) = (session.call, session.media);
        self.media_failed(id, media, detail);
        self.stop_generations(id);
        self.session_ended(key, None);
    }

    /// Says why a call has no media, to all who hold it.
    fn media_failed(&mut self, id: CallId, media: MediaSet, detail: &str) {
        let Some(call) = self.calls.get(id).filter(|call| !call.life.is_over()) else { return };
        let to = call.hearers();
        for stream in streams(media) {
            let state = StreamState::Failed { detail: detail.to_owned() };
            self.tell(to.clone(), AppEvent::Stream { call: id, stream, state });
        }
    }

    /// A call cannot live because its MSP would not make a session: the request that starts it fails with
    /// the MSP's refusal; if that was answered, the call ends for want of a resource.
    fn fail_without_session(&mut self, id: CallId, media: MediaSet, refusal: Refusal) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.life.is_pending() {
            self.refuse_creation(id, refusal);
        } else if call.kind().is_live() {
            call.fate = call.fate.max(Fate::Overruled);
            self.media_failed(id, media, &refusal.detail);
            let cause = refusal.cause.unwrap_or(Cause::ResourceUnavailable);
            self.apply(id, Report { state: CallState::Disconnected { cause }, narrowed: None });
            self.drop_call(id, Some(cause));
        } else if call.kind() == StateKind::Disconnected {
            self.drop_call(id, None);
        }
    }

    /// The MSP that serves the calls of a line, if it is there and speaks the schema.
    pub(crate) fn msp_for(&self, line: &crate::line::Line) -> Option<ProviderId> {
        let wish = line.caps.session.as_ref()?;
        let speaks = |msp: &Msp| msp.schemas.is_empty() || msp.schemas.contains(&wish.schema);
        self.msps.iter().find(|(_, msp)| msp.name == wish.msp && speaks(msp)).map(|(id, _)| *id)
    }

    /// The refusal for a media operation on a call without a session.
    pub(crate) fn no_media(&self, id: CallId) -> Refusal {
        let line = self.calls.get(id).and_then(|call| self.lines.get(call.line));
        let detail = match line.map(|line| (&line.name, line.caps.session.as_ref())) {
            Some((name, Some(wish))) => {
                format!("{id} has no session; expected the media provider '{}' for {name}", wish.msp)
            }
            Some((name, None)) => format!("{id} has no session: {name} names no media provider"),
            None => format!("{id} has no session"),
        };
        Refusal::new(RefusalKind::NoMedia, detail)
    }
}

/// The streams that a session with these media has.
fn streams(media: MediaSet) -> Vec<StreamKey> {
    use offhook_spi::MediaKind as K;
    let mut streams = Vec::new();
    for kind in media.iter() {
        match kind {
            K::Text => streams.extend([StreamKey::TextIn, StreamKey::TextOut]),
            K::Video => streams.extend([StreamKey::VideoIn, StreamKey::VideoOut]),
            _ => streams.extend([StreamKey::AudioIn, StreamKey::AudioOut]),
        }
    }
    if streams.is_empty() {
        streams.extend([StreamKey::AudioIn, StreamKey::AudioOut]);
    }
    streams
}
