// SPDX-License-Identifier: MIT OR Apache-2.0
//! One session: what was negotiated, what its streams are like, what is put on them.

mod digits;
mod statistics;
mod terminals;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use offhook_spi::{
    BridgeSide, GenerationEnd, Moment, MspEvent, RecordingEnd, Refusal, RefusalKind, Reply, RequestId,
    SdpMessage, SessionKey, SessionStatistics, StreamChange, StreamKey, StreamState, TerminalKey,
};

use crate::leg::{Bridge, Ear, Figures, News, Output, Plan};
use crate::sdp::{Local, Negotiation};

use digits::Monitor;
use terminals::Fitted;

/// A session with an open leg.
#[derive(Debug)]
pub(crate) struct Session {
    key: SessionKey,
    /// Stable id of its line.
    line: Arc<str>,
    /// It is this side's own place in a bridge.
    is_own_place: bool,
    /// Where we listen, for people.
    local: SocketAddr,
    negotiation: Negotiation,
    /// What the leg was told last.
    plan: Plan,
    terminals: BTreeMap<TerminalKey, Fitted>,
    /// The running generation.
    generation: Option<u64>,
    generations: u64,
    monitor: Monitor,
    ear: Ear,
    /// Whether packets came when it was last told.
    arrival: Arrival,
    incoming: Life,
    outgoing: Life,
    /// Requests for figures that are on their way.
    measuring: VecDeque<RequestId>,
    end: End,
}

/// Whether packets come from the far end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Arrival {
    Nothing,
    Packets,
}

/// What was told about a stream last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Life {
    /// Packets flow.
    Active,
    /// Agreed not to flow.
    Inactive,
    /// It should flow and nothing has come for a while.
    Silent,
    /// Nothing yet, or it should flow and has not begun.
    Waiting,
}

/// How far the end of a session is.
#[derive(Clone, Debug, PartialEq)]
enum End {
    /// The leg is closed, and these were its figures; recordings may be on their way.
    Closed(Option<Box<SessionStatistics>>),
    /// The leg is closing.
    Closing,
    /// The end is not near.
    Far,
}

/// What a session wants done, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox(VecDeque<Output>);

impl Outbox {
    /// Adds something to do.
    pub(crate) fn push(&mut self, output: Output) {
        self.0.push_back(output);
    }

    /// Tells the host.
    pub(crate) fn emit(&mut self, event: MspEvent) {
        self.push(Output::Emit(event));
    }

    /// Answers a request.
    pub(crate) fn reply(&mut self, request: RequestId, result: Result<(), Refusal>) {
        let result = result.map_or_else(Reply::Refused, |()| Reply::DONE);
        self.emit(MspEvent::Reply { request, result });
    }

    /// Takes what is to be done next.
    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.0.pop_front()
    }
}

impl Session {
    /// A session that listens there.
    pub(crate) fn new(key: SessionKey, line: Arc<str>, local: Local) -> Self {
        Self {
            key,
            line,
            is_own_place: false,
            local: SocketAddr::new(local.address, local.port),
            negotiation: Negotiation::new(local),
            plan: Plan::default(),
            terminals: BTreeMap::new(),
            generation: None,
            generations: 0,
            monitor: Monitor::default(),
            ear: Ear::Closed,
            arrival: Arrival::Nothing,
            incoming: Life::Waiting,
            outgoing: Life::Waiting,
            measuring: VecDeque::new(),
            end: End::Far,
        }
    }

    /// What the TSP says, by the table of [`SdpMessage`].
    pub(crate) fn relay(&mut self, message: SdpMessage, out: &mut Outbox) {
        let answer = match message {
            SdpMessage::OfferWanted { flow } => Some(SdpMessage::Offer { sdp: self.negotiation.offer(flow) }),
            SdpMessage::Offer { sdp } => Some(match self.negotiation.answer(&sdp) {
                Ok((answer, _)) => SdpMessage::Answer { sdp: answer },
                Err(reason) => SdpMessage::Unacceptable { detail: reason.to_string() },
            }),
            SdpMessage::EarlyAnswer { sdp } => {
                self.negotiation.accept_early(&sdp).err().map(|reason| reason.to_string()).map(unacceptable)
            }
            // A repeated answer finds no open offer and changes nothing.
            SdpMessage::Answer { .. } if !self.negotiation.has_offered() => None,
            SdpMessage::Answer { sdp } => {
                self.negotiation.accept(&sdp).err().map(|reason| reason.to_string()).map(unacceptable)
            }
            SdpMessage::Join { bridge, side } => {
                self.takes_part(Some((bridge, side)), out);
                None
            }
            SdpMessage::Leave => {
                self.takes_part(None, out);
                None
            }
            SdpMessage::Music { path } => {
                out.push(Output::Music { session: self.key, path });
                None
            }
            SdpMessage::Commit => {
                self.negotiation.commit();
                None
            }
            SdpMessage::Rollback => {
                self.negotiation.rollback();
                None
            }
            _ => None,
        };
        // First the leg, then the word: who gets our answer may send at once.
        self.follow_plan(out);
        if let Some(answer) = answer {
            out.emit(MspEvent::Relay { session: self.key, data: answer.into_opaque() });
        }
    }

    /// The session joins a bridge of its line, or leaves the one that it is in.
    fn takes_part(&mut self, bridge: Option<(u64, BridgeSide)>, out: &mut Outbox) {
        let at = bridge.map(|(number, side)| (Bridge { line: Arc::clone(&self.line), number }, side));
        out.push(Output::Bridge { session: self.key, at });
        let was_own = self.is_own_place;
        self.is_own_place = bridge.is_some_and(|(_, side)| side == BridgeSide::Own);
        if was_own || self.is_own_place {
            let life = if self.is_own_place { Life::Active } else { Life::Inactive };
            self.live(StreamKey::AudioIn, life, out);
            self.live(StreamKey::AudioOut, life, out);
        }
    }

    /// Something happened on the leg.
    pub(crate) fn news(&mut self, now: Moment, news: News, out: &mut Outbox) {
        match news {
            News::Digit { digit, mode } => self.digit_heard(now, digit, mode, out),
            News::Ended { terminal } => self.terminal_ended(terminal, out),
            News::Generated { generation } if self.generation == Some(generation) => {
                self.generation = None;
                out.emit(MspEvent::Generated { session: self.key, end: GenerationEnd::Done });
            }
            News::Generated { .. } => {}
            News::Receiving => self.arrives(Arrival::Packets, out),
            News::Silent => self.arrives(Arrival::Nothing, out),
            News::Tone { terminal, tone, on } => self.tone_heard(terminal, tone, on, out),
        }
    }

    /// Changes a stream.
    pub(crate) fn set_stream(
        &self,
        stream: StreamKey,
        change: StreamChange,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        if !matches!(stream, StreamKey::AudioIn | StreamKey::AudioOut) {
            return Err(self.invalid(format!("has no stream {stream:?}, expected AudioIn or AudioOut")));
        }
        if let StreamChange::Gain(gain) = change
            && !(GAINS.0..=GAINS.1).contains(&gain)
        {
            let (low, high) = GAINS;
            return Err(self.invalid(format!("gain is {gain} dB, expected {low} to {high}")));
        }
        out.push(Output::Stream { session: self.key, stream, change });
        Ok(())
    }

    /// Begins the end: everything that waits is answered, the leg closes.
    pub(crate) fn close(&mut self, out: &mut Outbox) {
        if self.end != End::Far {
            return;
        }
        self.end = End::Closing;
        self.cancel_generation(out);
        self.answer_all(out);
        out.push(Output::Close { session: self.key });
    }

    /// The leg is closed.
    pub(crate) fn closed(&mut self, figures: &Figures) {
        let measured = figures.incoming.packets > 0 || figures.outgoing.packets > 0;
        self.end = End::Closed(measured.then(|| Box::new(self.statistics(figures))));
    }

    /// A recording is on disk, or lost.
    pub(crate) fn recorded(&mut self, terminal: TerminalKey, end: RecordingEnd, out: &mut Outbox) {
        let Some((path, request)) = self.recording_over(terminal) else { return };
        out.emit(MspEvent::Recorded { session: self.key, terminal, path, end });
        if let Some(request) = request {
            out.reply(request, Ok(()));
        }
    }

    /// The event that ends the session, once everything is stored.
    pub(crate) fn ended(&mut self) -> Option<MspEvent> {
        if self.terminals.values().any(Fitted::is_recording) {
            return None;
        }
        match &mut self.end {
            End::Closed(statistics) => {
                Some(MspEvent::SessionEnded { session: self.key, statistics: statistics.take() })
            }
            End::Closing | End::Far => None,
        }
    }

    /// Whether commands are still taken.
    pub(crate) fn is_live(&self) -> bool {
        self.end == End::Far
    }

    /// Gives the leg what was negotiated, and tells what it means for the streams.
    fn follow_plan(&mut self, out: &mut Outbox) {
        let plan = self.negotiation.plan();
        if plan == self.plan {
            return;
        }
        let sent_before = self.plan.flow.0.sends();
        self.plan = plan.clone();
        out.push(Output::Plan { session: self.key, plan });
        self.follow_ear(out);
        if sent_before && !self.plan.flow.0.sends() {
            self.cancel_generation(out);
        }
        // Before anything is agreed nothing is agreed not to flow.
        if self.plan.far.is_some() {
            let incoming = match self.plan.flow.0.receives() {
                true if self.arrival == Arrival::Packets => Life::Active,
                true => Life::Waiting,
                false => Life::Inactive,
            };
            self.live(StreamKey::AudioIn, incoming, out);
            // Silence is sent when there is nothing to say, so packets go from now on.
            let outgoing = if self.plan.flow.0.sends() { Life::Active } else { Life::Inactive };
            self.live(StreamKey::AudioOut, outgoing, out);
        }
    }

    fn arrives(&mut self, arrival: Arrival, out: &mut Outbox) {
        self.arrival = arrival;
        if self.plan.flow.0.receives() {
            let life = if arrival == Arrival::Packets { Life::Active } else { Life::Silent };
            self.live(StreamKey::AudioIn, life, out);
        }
    }

    /// Tells what a stream is like, when it is news.
    fn live(&mut self, stream: StreamKey, life: Life, out: &mut Outbox) {
        let known = if stream == StreamKey::AudioIn { &mut self.incoming } else { &mut self.outgoing };
        // What is silent needs news to become active.
        if *known == life || (life == Life::Waiting && *known == Life::Silent) {
            return;
        }
        *known = life;
        let state = match life {
            Life::Active => StreamState::Active { codec: self.codec_name() },
            Life::Inactive => StreamState::Inactive,
            Life::Silent => StreamState::Silent,
            Life::Waiting => return,
        };
        out.emit(MspEvent::Stream { session: self.key, stream, state });
    }

    fn codec_name(&self) -> String {
        if self.is_own_place {
            // Sound goes from leg to leg as it is.
            return "L16".to_owned();
        }
        let agreed = self.plan.far.map(|far| far.send.codec);
        let expected = self.plan.receive.first().map(|mapping| mapping.codec);
        agreed.or(expected).map(|codec| codec.to_string()).unwrap_or_default()
    }

    fn invalid(&self, detail: impl std::fmt::Display) -> Refusal {
        Refusal::new(RefusalKind::InvalidParameter, format!("{}: {detail}", self.key))
    }

    fn too_early(&self, detail: impl std::fmt::Display) -> Refusal {
        Refusal::new(RefusalKind::InvalidState, format!("{} {detail}", self.key))
    }
}

const fn unacceptable(detail: String) -> SdpMessage {
    SdpMessage::Unacceptable { detail }
}

/// Decibels by which a stream can be made quieter or louder.
const GAINS: (f32, f32) = (-60.0, 18.0);
