// SPDX-License-Identifier: MIT OR Apache-2.0
//! The provider's logic: commands of the host and news of the legs in, events and work for the driver out.
//! No sockets, no files, no clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use offhook_spi::{
    Machine, MediaKind, MediaSet, Moment, MspCaps, MspCommand, MspEvent, Op, OpSet, Refusal, RefusalKind,
    RequestId, SDP_SCHEMA, SchemaId, SdpMessage, SessionKey, TerminalClass,
};

use crate::config::RtpConfig;
use crate::leg::{Input, Opening, Output};
use crate::sdp::{Events, Local, Mux, Security};
use crate::session::{Outbox, Session};

/// All sessions.
#[derive(Debug)]
pub(crate) struct Provider {
    config: RtpConfig,
    sessions: BTreeMap<SessionKey, Entry>,
    out: Outbox,
}

/// A place in the table of sessions.
#[derive(Debug)]
enum Entry {
    /// Its leg is being opened; the request is answered then.
    Opening { request: RequestId, line: Arc<str> },
    /// It is there.
    Open(Box<Session>),
}

/// What this provider can do.
pub(crate) fn caps() -> MspCaps {
    MspCaps {
        ops: [Op::GenerateDigits, Op::GenerateTone, Op::MonitorDigits].into_iter().collect::<OpSet>(),
        media: MediaSet::AUDIO,
        terminals: vec![
            TerminalClass::Application,
            TerminalClass::Echo,
            TerminalClass::FilePlayback,
            TerminalClass::FileRecording,
            TerminalClass::Null,
            TerminalClass::Tone,
            TerminalClass::ToneDetector,
        ],
    }
}

impl Provider {
    /// A provider without sessions; it says first what it can do.
    pub(crate) fn new(config: RtpConfig) -> Self {
        let mut out = Outbox::default();
        out.emit(MspEvent::Ready { caps: caps() });
        Self { config, sessions: BTreeMap::new(), out }
    }

    /// Ends every session, because the host has gone.
    pub(crate) fn close_all(&mut self) {
        for entry in self.sessions.values_mut() {
            if let Entry::Open(session) = entry {
                session.close(&mut self.out);
            }
        }
    }

    /// Whether no session is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    fn command(&mut self, command: MspCommand) {
        match command {
            MspCommand::CreateSession { request, session, line, media, schema, .. } => {
                match self.check_creation(session, media, &schema) {
                    Err(refusal) => self.out.reply(request, Err(refusal)),
                    Ok(()) => {
                        let line = Arc::from(line);
                        self.sessions.insert(session, Entry::Opening { request, line });
                        self.out.push(Output::Open { session });
                    }
                }
            }
            MspCommand::EndSession { session } => match self.sessions.get_mut(&session) {
                Some(Entry::Open(open)) => open.close(&mut self.out),
                // Its creation was refused, or it has ended: then that was told already.
                Some(Entry::Opening { .. }) | None => {}
            },
            MspCommand::Relay { session, data } => {
                if let Some(Entry::Open(open)) = self.sessions.get_mut(&session)
                    && open.is_live()
                    && let Some(message) = SdpMessage::from_opaque(&data)
                {
                    open.relay(message, &mut self.out);
                }
            }
            // Nothing takes long enough here to be worth cancelling: the reply comes as it would have.
            MspCommand::Abandon { .. } | MspCommand::Hello { .. } => {}
            command => self.request(command),
        }
    }

    /// Commands about one session that are answered.
    fn request(&mut self, command: MspCommand) {
        let Some((request, key)) = addressed(&command) else { return };
        let Some(Entry::Open(session)) = self.sessions.get_mut(&key) else {
            let refusal = Refusal::new(RefusalKind::StaleHandle, format!("there is no {key}"));
            self.out.reply(request, Err(refusal));
            return;
        };
        if !session.is_live() {
            let refusal = Refusal::new(RefusalKind::InvalidState, format!("{key} is ending"));
            self.out.reply(request, Err(refusal));
            return;
        }
        let out = &mut self.out;
        let result = match command {
            MspCommand::GenerateDigits { digits, mode, duration, .. } => {
                session.generate_digits(digits, mode, duration, out)
            }
            MspCommand::GenerateTone { tone, .. } => session.generate_tone(tone, out),
            MspCommand::MonitorDigits { modes, .. } => session.monitor_digits(modes, out),
            MspCommand::SetStream { stream, change, .. } => session.set_stream(stream, change, out),
            MspCommand::TerminalControl { terminal, control, .. } => session.control(terminal, control, out),
            MspCommand::SelectTerminal { stream, terminal, what, .. } => {
                return session.select(request, stream, terminal, what, out);
            }
            MspCommand::UnselectTerminal { terminal, .. } => return session.unselect(request, terminal, out),
            MspCommand::Statistics { .. } => return session.measure(request, out),
            _ => return,
        };
        out.reply(request, result);
    }

    fn check_creation(&self, key: SessionKey, media: MediaSet, schema: &SchemaId) -> Result<(), Refusal> {
        let no = |kind, detail| Err(Refusal::new(kind, detail));
        if self.sessions.contains_key(&key) {
            return no(RefusalKind::InvalidParameter, format!("{key} is taken"));
        }
        if schema.0 != SDP_SCHEMA {
            return no(RefusalKind::Unsupported, format!("schema is {schema}, expected {SDP_SCHEMA}"));
        }
        if !media.contains(MediaKind::Audio) {
            return no(RefusalKind::InvalidParameter, format!("media are {media:?}, expected audio"));
        }
        let most = self.config.max_sessions;
        if self.sessions.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            return no(RefusalKind::Busy, format!("{most} sessions exist, max_sessions allows no more"));
        }
        Ok(())
    }

    fn opened(&mut self, key: SessionKey, result: Result<Opening, String>) {
        let Some(Entry::Opening { request, line }) = self.sessions.get(&key) else { return };
        let (request, line) = (*request, Arc::clone(line));
        let result = result.map(|opening| {
            let session = Session::new(key, line, self.local(opening));
            self.sessions.insert(key, Entry::Open(Box::new(session)));
        });
        if result.is_err() {
            self.sessions.remove(&key);
        }
        let refused = |detail| Refusal::new(RefusalKind::OperationFailed, detail);
        self.out.reply(request, result.map_err(refused));
    }

    fn local(&self, opening: Opening) -> Local {
        Local {
            address: self.config.advertised_address(),
            port: opening.port,
            rtcp: opening.rtcp,
            // The engine decides this when a leg opens, which is before the far end has spoken.
            mux: Mux::Unknown,
            codecs: self.config.codecs.clone(),
            events: if self.config.telephone_event { Events::Spoken } else { Events::Unknown },
            ptime: self.config.ptime,
            id: opening.id,
            security: Security::new(self.config.srtp, opening.keys),
        }
    }

    /// Lets a session that has nothing left to store end.
    fn bury(&mut self, key: SessionKey) {
        let Some(Entry::Open(session)) = self.sessions.get_mut(&key) else { return };
        if let Some(event) = session.ended() {
            self.sessions.remove(&key);
            self.out.emit(event);
        }
    }

    fn with(&mut self, key: SessionKey, act: impl FnOnce(&mut Session, &mut Outbox)) {
        if let Some(Entry::Open(session)) = self.sessions.get_mut(&key) {
            act(session, &mut self.out);
        }
    }
}

impl Machine for Provider {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Moment, input: Input) {
        match input {
            Input::Attached { session, terminal, result } => {
                self.with(session, |open, out| open.attached(terminal, result, out));
            }
            Input::Closed { session, figures } => {
                self.with(session, |open, _| open.closed(&figures));
                self.bury(session);
            }
            Input::Command(command) => self.command(command),
            Input::Heard { session, news } => self.with(session, |open, out| {
                if open.is_live() {
                    open.news(now, news, out);
                }
            }),
            Input::Measured { session, figures } => {
                self.with(session, |open, out| open.measured(&figures, out));
            }
            Input::Opened { session, result } => self.opened(session, result),
            Input::Recorded { session, terminal, end } => {
                self.with(session, |open, out| open.recorded(terminal, end, out));
                self.bury(session);
            }
        }
    }

    /// Nothing here waits for a time.
    fn handle_timeout(&mut self, _now: Moment) {}

    fn poll(&mut self) -> Option<Output> {
        self.out.pop()
    }

    fn deadline(&self) -> Option<Moment> {
        None
    }
}

/// The request and the session of a command that is answered.
const fn addressed(command: &MspCommand) -> Option<(RequestId, SessionKey)> {
    match command {
        MspCommand::GenerateDigits { request, session, .. }
        | MspCommand::GenerateTone { request, session, .. }
        | MspCommand::MonitorDigits { request, session, .. }
        | MspCommand::SelectTerminal { request, session, .. }
        | MspCommand::SetStream { request, session, .. }
        | MspCommand::Statistics { request, session }
        | MspCommand::TerminalControl { request, session, .. }
        | MspCommand::UnselectTerminal { request, session, .. } => Some((*request, *session)),
        _ => None,
    }
}
