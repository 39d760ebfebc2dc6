// SPDX-License-Identifier: MIT OR Apache-2.0
//! Legs: what a plan, a stream or a generation means for the engine, and what the engine tells.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use offhook_media::engine::{
    Direction, Guard, JitterLimits, Latching, LegConfig, LegControl, LegEvent, LegId, LegMedia,
    LegStatistics, MediaFormat, Protection, ReceiveFormats, Remote, RtcpMode, Speaker,
};
use offhook_media::rtp::{Cname, PayloadType};
use offhook_media::srtp::{Protector, Unprotector};
use offhook_media::tone::dtmf::{self, DtmfDigit, DtmfTiming};
use offhook_media::tone::{Component, Repeat, Step, ToneGenerator, ToneScript};
use offhook_spi::{DigitMode, Flowing, SessionKey, StreamChange, StreamKey, TerminalKey};

use super::Driver;
use super::fixture::Fixture;
use crate::codec::AudioCodec;
use crate::config::{RtpConfig, Symmetric};
use crate::leg::{Bridge, Ear, Figures, Generation, Input, News, Plan, Shield, Way};
use crate::node::Ears;
use crate::sdp::{Mapping, Rtcp};

/// The driver's side of a session.
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) plan: Plan,
    pub(super) incoming: Knobs,
    pub(super) outgoing: Knobs,
    pub(super) fixtures: HashMap<TerminalKey, Fixture>,
    /// Whether anything was to be received yet: recordings begin then.
    pub(super) has_begun: bool,
    /// Where it talks with other legs, and for whom.
    pub(super) bridge: Option<(Bridge, Speaker)>,
    /// The far end hears music instead of the terminals.
    pub(super) is_on_music: bool,
    ear: Ear,
    burst: Option<Burst>,
}

/// What an application has set on a stream.
pub(super) struct Knobs {
    gain: f32,
    muted: bool,
    pub(super) paused: bool,
}

/// Digits or a tone being sent.
struct Burst {
    generation: u64,
    way: DigitMode,
    /// Before this it cannot have ended: what tells so speaks of one before.
    not_before: Instant,
}

impl Leg {
    pub(super) fn new(id: LegId) -> Self {
        let knobs = || Knobs { gain: 0.0, muted: false, paused: false };
        Self {
            id,
            plan: Plan::default(),
            incoming: knobs(),
            outgoing: knobs(),
            fixtures: HashMap::new(),
            has_begun: false,
            bridge: None,
            is_on_music: false,
            ear: Ear::Closed,
            burst: None,
        }
    }

    /// Whether listeners on the tick may have notes.
    fn is_listened_to(&self) -> bool {
        self.ear == Ear::Open || self.fixtures.values().any(|f| matches!(f, Fixture::Listener))
    }

    /// Whether sound goes out: what plays stands still until it does, so that nothing of it is lost.
    pub(super) fn sends(&self) -> bool {
        let somewhere = self.plan.far.is_some_and(|far| far.remote.is_some());
        (self.plan.flow.0.sends() && somewhere || self.is_own_place()) && !self.outgoing.paused
    }

    /// Whether it stands for the terminals of this side: it has no far end, and sound flows all the same.
    pub(super) fn is_own_place(&self) -> bool {
        matches!(self.bridge, Some((_, Speaker::Terminals)))
    }

    /// Which way sound flows with the streams as the application has set them.
    pub(super) fn flow(&self) -> Flowing {
        let flow = if self.is_own_place() { Flowing::Both } else { self.plan.flow.0 };
        Flowing::of(flow.sends() && !self.outgoing.paused, flow.receives() && !self.incoming.paused)
    }
}

impl Knobs {
    fn factor(&self) -> f32 {
        if self.muted { 0.0 } else { 10_f32.powf(self.gain / 20.0) }
    }
}

impl Driver {
    pub(super) fn close(&mut self, session: SessionKey) {
        self.bridge(session, None);
        let id = self.legs.get(&session).map(|leg| leg.id);
        if id.is_none_or(|id| self.engine.close(id).is_err()) {
            self.closed(session, &LegStatistics::default());
        }
    }

    pub(super) fn plan(&mut self, session: SessionKey, plan: Plan) {
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let media = media_format(&plan, leg.plan.far.is_none());
        let protection = (leg.plan.shield != plan.shield).then(|| protection(&leg.plan.shield, &plan.shield));
        leg.plan = plan;
        leg.has_begun |= leg.plan.flow.0.receives();
        let id = leg.id;
        let remote = leg.plan.far.and_then(|far| {
            let rtp = far.remote?;
            Some(match far.rtcp {
                Rtcp::To(rtcp) => Remote { rtp, rtcp },
                Rtcp::Muxed | Rtcp::Off => Remote::at(rtp),
            })
        });
        let flow = leg.flow();
        if let Some(protection) = protection {
            self.tell(id, LegControl::Protect(Box::new(protection)));
        }
        if let Some(media) = media {
            self.tell(id, LegControl::SetMedia(LegMedia::new(media, self.format.rate)));
        }
        // A far end on hold at no address is still where it was, for reports.
        if remote.is_some() {
            self.tell(id, LegControl::SetRemote(remote));
        }
        self.tell(id, LegControl::SetFlowing(flow));
        self.follow_gates(session);
    }

    pub(super) fn change_stream(&mut self, session: SessionKey, stream: StreamKey, change: StreamChange) {
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let (direction, knobs) = match stream {
            StreamKey::AudioIn => (Direction::In, &mut leg.incoming),
            _ => (Direction::Out, &mut leg.outgoing),
        };
        match change {
            StreamChange::Gain(gain) => knobs.gain = gain,
            StreamChange::Mute => knobs.muted = true,
            StreamChange::Pause => knobs.paused = true,
            StreamChange::Start => knobs.paused = false,
            StreamChange::Unmute => knobs.muted = false,
            _ => return,
        }
        let (id, factor, flow) = (leg.id, knobs.factor(), leg.flow());
        self.tell(id, LegControl::Gain(direction, factor));
        self.tell(id, LegControl::SetFlowing(flow));
        self.follow_gates(session);
    }

    pub(super) fn generate(&mut self, session: SessionKey, generation: u64, what: Generation) {
        let format = self.format;
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let id = leg.id;
        let mut not_before = Instant::now();
        match what {
            Generation::Digits { digits, mode: DigitMode::Event, duration } => {
                let whole = duration.saturating_mul(u32::try_from(digits.len()).unwrap_or(u32::MAX));
                not_before += whole.mul_f32(CERTAIN);
                leg.burst = Some(Burst { generation, way: DigitMode::Event, not_before });
                for digit in digits {
                    self.tell(id, LegControl::Press(digit, duration));
                }
            }
            Generation::Digits { digits, duration, .. } => {
                let digits: Vec<DtmfDigit> =
                    digits.into_iter().filter_map(|digit| DtmfDigit::from_event(digit.event())).collect();
                let script = dtmf::script(&digits, &DtmfTiming { on: duration, ..DtmfTiming::default() });
                leg.burst = Some(Burst { generation, way: DigitMode::Tone, not_before });
                let source = Box::new(ToneGenerator::new(format, &script));
                self.tell(id, LegControl::AddSource(generator_key(generation), source));
            }
            Generation::Tone(tone) => {
                let components = components(&tone);
                let step = Step::tone(&components, tone.duration.min(LONGEST_TONE));
                let script = ToneScript::new([step], Repeat::Times(1));
                leg.burst = Some(Burst { generation, way: DigitMode::Tone, not_before });
                let source = Box::new(ToneGenerator::new(format, &script));
                self.tell(id, LegControl::AddSource(generator_key(generation), source));
            }
        }
    }

    pub(super) fn cancel(&mut self, session: SessionKey) {
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let id = leg.id;
        match leg.burst.take() {
            Some(Burst { way: DigitMode::Event, .. }) => self.tell(id, LegControl::Release),
            Some(burst) => self.tell(id, LegControl::Remove(generator_key(burst.generation))),
            None => {}
        }
    }

    pub(super) fn listen(&mut self, session: SessionKey, ear: Ear) {
        let ears = Ears::new(self.format, session, self.notes.clone());
        let Some(leg) = self.legs.get_mut(&session) else { return };
        leg.ear = ear;
        let id = leg.id;
        match ear {
            Ear::Closed => self.tell(id, LegControl::Remove(EARS)),
            Ear::Open => self.tell(id, LegControl::AddSink(EARS, Box::new(ears))),
        }
        self.follow_listeners(session);
    }

    pub(super) fn measure(&mut self, session: SessionKey) {
        let id = self.legs.get(&session).map(|leg| leg.id);
        if id.is_none_or(|id| self.engine.ask_statistics(id).is_err()) {
            self.inputs.push_back(Input::Measured { session, figures: Box::default() });
        }
    }

    pub(super) fn leg_event(&mut self, session: SessionKey, id: LegId, event: LegEvent) {
        let Some(leg) = self.legs.get_mut(&session).filter(|leg| leg.id == id) else { return };
        let news = match event {
            LegEvent::Closed(statistics) => return self.closed(session, &statistics),
            LegEvent::Statistics(statistics) => {
                let figures = Box::new(figures(&statistics));
                return self.inputs.push_back(Input::Measured { session, figures });
            }
            LegEvent::Digit(digit) => News::Digit { digit, mode: DigitMode::Event },
            LegEvent::DigitsSent => {
                let ended =
                    |burst: &mut Burst| burst.way == DigitMode::Event && Instant::now() >= burst.not_before;
                let Some(burst) = leg.burst.take_if(ended) else { return };
                News::Generated { generation: burst.generation }
            }
            LegEvent::FirstPacket(_) | LegEvent::Resumed => News::Receiving,
            LegEvent::Silent => News::Silent,
            LegEvent::SourceEnded(terminal) => match generation_of(terminal) {
                Some(generation) => {
                    leg.burst.take_if(|burst| burst.generation == generation);
                    News::Generated { generation }
                }
                None => News::Ended { terminal },
            },
            // There was room for it, so this is not to be expected; a file ends, the rest is silent.
            LegEvent::Refused(terminal) => News::Ended { terminal },
            _ => return,
        };
        self.inputs.push_back(Input::Heard { session, news });
    }

    /// Commands a leg. There is room: [`Driver::settle`] rests before a worker can have too many.
    pub(super) fn tell(&mut self, leg: LegId, control: LegControl) {
        self.told += 1;
        // A leg that has gone has its own way to say so.
        self.engine.control(leg, control).ok();
    }

    /// Remembers whether notes of the session's listeners are to be looked for.
    pub(super) fn follow_listeners(&mut self, session: SessionKey) {
        if self.legs.get(&session).is_some_and(Leg::is_listened_to) {
            self.listening.insert(session);
        } else {
            self.listening.remove(&session);
        }
    }

    fn closed(&mut self, session: SessionKey, statistics: &LegStatistics) {
        if let Some(leg) = self.legs.remove(&session) {
            self.by_id.remove(&leg.id);
        }
        self.follow_listeners(session);
        let figures = Box::new(figures(statistics));
        self.inputs.push_back(Input::Closed { session, figures });
    }
}

/// What every leg begins with: nothing flows, nobody is known.
pub(super) fn leg_config(config: &RtpConfig, seed: u64) -> LegConfig {
    let codec = config.codecs.first().copied().unwrap_or(AudioCodec::Pcmu);
    let media = MediaFormat::symmetric(PayloadType::PCMU, codec.engine(), None);
    let millis = |ms: u16| Duration::from_millis(u64::from(ms));
    let (min, max) = (millis(config.jitter_min), millis(config.jitter_max));
    let block = config.codecs.iter().map(|codec| codec.engine().bytes_of_10_ms()).max().unwrap_or(0);
    LegConfig {
        rate: config.rate(),
        block,
        flowing: Flowing::Neither,
        latching: match config.symmetric {
            Symmetric::Address => Latching::Address,
            Symmetric::Anywhere => Latching::Anywhere,
            Symmetric::Off => Latching::Exact,
        },
        rtcp: if config.rtcp { RtcpMode::Separate } else { RtcpMode::Off },
        jitter: JitterLimits { initial: JitterLimits::default().initial.clamp(min, max), min, max },
        cname: Cname::new(&format!("{seed:016x}")),
        silence: config.silence(),
        ..LegConfig::new(media, None, seed)
    }
}

/// What the engine is told of a plan; nothing when the plan names no codec.
fn media_format(plan: &Plan, is_new: bool) -> Option<MediaFormat> {
    let expected = plan.receive.first();
    // Until the far end is known nothing is sent, but what may come is.
    let send = plan.far.map(|far| far.send).or_else(|| expected.copied().filter(|_| is_new))?;
    let payload_type = |number: u8| PayloadType::new(number);
    let events = plan.far.and_then(|far| far.events);
    let receive = plan
        .receive
        .iter()
        .filter_map(|Mapping { payload_type: number, codec }| Some((payload_type(*number)?, codec.engine())));
    Some(MediaFormat {
        send_type: payload_type(send.payload_type)?,
        send_codec: send.codec.engine_as(plan.far.map(|far| far.wish).unwrap_or_default()),
        packet: Duration::from_millis(u64::from(plan.far.map_or(20, |far| far.ptime))),
        receive: ReceiveFormats::new(receive),
        send_events: events.and_then(|events| payload_type(events.send)),
        receive_events: plan.receive_events.and_then(payload_type),
    })
}

/// What the engine is told when protection changes. A direction whose key stays goes on: its counters count on.
fn protection(before: &Shield, now: &Shield) -> Protection {
    match (before, now) {
        (_, Shield::Clear) => Protection { send: Some(Guard::Clear), receive: Some(Guard::Clear) },
        (_, Shield::Closed) => Protection { send: Some(Guard::Closed), receive: Some(Guard::Closed) },
        (before, Shield::Keys(now)) => {
            let before = if let Shield::Keys(before) = before { Some(before) } else { None };
            let keeps_ours = before.is_some_and(|before| before.ours == now.ours);
            let keeps_theirs = before.is_some_and(|before| before.theirs == now.theirs);
            Protection {
                send: (!keeps_ours).then(|| Guard::Srtp(Box::new(Protector::new(&now.ours)))),
                receive: (!keeps_theirs).then(|| Guard::Srtp(Box::new(Unprotector::new(&now.theirs)))),
            }
        }
    }
}

fn figures(leg: &LegStatistics) -> Figures {
    let LegStatistics { received, sent, round_trip, .. } = leg;
    let heard = received.packets > 0;
    Figures {
        incoming: Way {
            packets: received.packets,
            bytes: received.bytes,
            lost: received.lost,
            loss: received.loss,
            late: heard.then_some(received.late),
            concealed: heard.then_some(received.concealed),
            jitter: received.jitter,
            buffer: received.buffer,
            level: received.level,
            mos: received.mos,
        },
        outgoing: Way {
            packets: sent.packets,
            bytes: sent.bytes,
            lost: sent.lost,
            loss: sent.loss,
            late: None,
            concealed: None,
            jitter: sent.jitter,
            buffer: None,
            level: sent.level,
            mos: sent.mos,
        },
        seen: received.from,
        round_trip: *round_trip,
    }
}

/// The sines of a tone.
pub(super) fn components(tone: &offhook_spi::Tone) -> Vec<Component> {
    tone.frequencies.iter().map(|hertz| Component::new(*hertz, tone.level)).collect()
}

/// The key under which a generation is patched; the host counts its own from the other end.
const fn generator_key(generation: u64) -> TerminalKey {
    TerminalKey(GENERATORS | generation)
}

const fn generation_of(terminal: TerminalKey) -> Option<u64> {
    if terminal.0 & GENERATORS != 0 && terminal.0 != EARS.0 { Some(terminal.0 & !GENERATORS) } else { None }
}

/// Keys with this bit are the driver's own.
const GENERATORS: u64 = 1 << 63;
/// The key of what listens for digits.
const EARS: TerminalKey = TerminalKey(u64::MAX);
/// No tone sounds longer.
const LONGEST_TONE: Duration = Duration::from_secs(3_600);
/// The part of its time before which digits have certainly not been sent.
const CERTAIN: f32 = 0.9;
