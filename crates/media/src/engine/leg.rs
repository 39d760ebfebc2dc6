// SPDX-License-Identifier: MIT OR Apache-2.0
//! One call's audio, from its sockets to its terminals and back, once every 20 ms.

use offhook_spi::{Flowing, Moment};

use super::config::Origin;
use super::control::{Direction, Echo, LegControl, LegEvent, LegId};
use super::io::{Channel, PacketIo, Peer, Received, Sent};
use super::latch::Latch;
use super::patch::{Patch, add};
use super::protect::{Carried, Guards};
use super::receive::{Receiver, Taken, decibels, mean_square};
use super::report::{Reporter, Saying, Told};
use super::transmit::Transmitter;
use super::worker::{Context, Outbox, Scratch, Trash};
use super::{Idle, LegConfig, LegMedia, LegStatistics, RtcpMode, Speaker};
use crate::format::Format;
use crate::node::FrameInfo;
use crate::rtp::{EventHeard, Random, Ssrc, is_rtcp};

/// Every so many ticks a second datagram is looked for, so that a burst drains.
const SECOND_LOOK: u32 = 8;
/// Most datagrams read in a tick, whatever they are.
const LOOKS: u32 = 8;
/// Most reports read in a tick.
const REPORTS: usize = 2;

/// One call's audio. Made outside the worker, with all its memory, then moved in.
#[derive(Debug)]
pub struct Leg<P> {
    id: LegId,
    port: P,
    format: Format,
    flowing: Flowing,
    rtcp: RtcpMode,
    idle: Idle,
    latch: Latch,
    media: Box<LegMedia>,
    receiver: Receiver,
    transmitter: Transmitter,
    reporter: Reporter,
    guards: Guards,
    patch: Patch,
    echo: Echo,
    gains: [Gain; 2],
    levels: Levels,
    silence: Silence,
    random: Random,
    /// Another party had our name once; when it has our new one too, it reflects what we send.
    was_renamed: bool,
    ticks: u32,
    strangers: u64,
    refused: u64,
    failed: u64,
}

/// A factor in 4096ths.
#[derive(Clone, Copy, Debug)]
struct Gain(i32);

/// Mean power of both directions, second by second.
#[derive(Clone, Copy, Debug, Default)]
struct Levels {
    ticks: u16,
    input: f32,
    output: f32,
    /// In dB of full scale, of the last whole second.
    last: Option<(f32, f32)>,
}

/// Watches whether the peer sends.
#[derive(Clone, Copy, Debug)]
struct Silence {
    after: std::time::Duration,
    last: Moment,
    is_silent: bool,
    has_begun: bool,
}

impl<P: Send> Leg<P> {
    /// Makes a leg at `port`; takes all memory it will ever have.
    #[must_use]
    pub fn new(id: LegId, config: &LegConfig, port: P, now: Moment) -> Self {
        let mut random = Random::new(config.seed);
        let origin = Origin {
            ssrc: Ssrc(random.word()),
            // Not near the wrap, so that SRTP has its first packets right (RFC 3711 section 3.3.1).
            sequence: (random.word() >> 17) as u16,
            timestamp: random.word(),
        };
        Self {
            id,
            port,
            format: config.format(),
            flowing: config.flowing,
            rtcp: config.rtcp,
            idle: config.idle,
            latch: Latch::new(config.latching, config.remote),
            media: LegMedia::new(config.media, config.rate),
            receiver: Receiver::new(config),
            transmitter: Transmitter::new(&config.media, origin),
            reporter: Reporter::new(now, config.cname, Random::new(random.bits()))
                .agree(config.xr, config.reduced_size),
            guards: Guards::default(),
            patch: Patch::default(),
            echo: Echo::Off,
            gains: [Gain::UNITY; 2],
            levels: Levels::default(),
            silence: Silence { after: config.silence, last: now, is_silent: false, has_begun: false },
            random,
            was_renamed: false,
            ticks: 0,
            strangers: 0,
            refused: 0,
            failed: 0,
        }
    }

    /// The name it was made with.
    #[must_use]
    pub const fn id(&self) -> LegId {
        self.id
    }

    /// A snapshot of everything measured.
    pub fn statistics(&self, now: Moment, to: &mut LegStatistics) {
        *to = LegStatistics { round_trip: self.reporter.round_trip(), ..LegStatistics::default() };
        self.receiver.statistics(now, self.reporter.one_way(), &mut to.received);
        to.received.strangers = self.strangers;
        self.guards.statistics(&mut to.received);
        self.transmitter.statistics(&mut to.sent);
        self.reporter.statistics(self.media.format.send_codec, &mut to.sent);
        (to.sent.refused, to.sent.failed) = (self.refused, self.failed);
        if let Some((input, output)) = self.levels.last {
            to.received.level = Some(input).filter(|_| to.received.packets > 0);
            to.sent.level = Some(output).filter(|_| to.sent.packets > 0);
        }
        let peer = self.latch.peer(Channel::Rtp, self.rtcp);
        to.sent.to = peer.map(Peer::address);
        to.received.from = match peer {
            Some(Peer::Latched(address)) => Some(address),
            Some(Peer::Announced(_)) | None => None,
        };
    }

    /// Obeys a command.
    pub(super) fn control(&mut self, now: Moment, control: LegControl, out: &mut Outbox) {
        let (id, format) = (self.id, self.format);
        match control {
            LegControl::AddSink(terminal, sink) => self.patch.add_sink(format, terminal, sink, id, out),
            LegControl::AddSource(terminal, source) => {
                self.patch.add_source(format, terminal, source, id, out)
            }
            LegControl::Bridge(bridging) => self.patch.bridge(format, bridging, out),
            LegControl::Echo(echo) => self.echo = echo,
            LegControl::Gain(direction, gain) => self.gains[direction as usize] = Gain::of(gain),
            LegControl::Mark(terminal, position) => self.patch.mark(terminal, position),
            LegControl::Press(digit, duration) => {
                // A full queue takes no more; those before it are still sent and told.
                self.transmitter.press(digit, duration).ok();
            }
            LegControl::Protect(mut protection) => {
                self.guards.install(&mut protection);
                out.discard(Trash::Control(LegControl::Protect(protection)));
            }
            LegControl::Release => self.transmitter.release(),
            LegControl::Remove(terminal) => self.patch.remove(terminal, out),
            LegControl::SetFlowing(flowing) => {
                self.flowing = flowing;
                self.silence.rest(now);
            }
            LegControl::SetMedia(mut media) => {
                media.inherit(&mut self.media);
                let before = std::mem::replace(&mut self.media, media);
                self.transmitter.follow(&self.media);
                self.receiver.follow(&self.media);
                out.discard(Trash::Media(before));
            }
            LegControl::SetRemote(remote) => self.latch.announce(remote),
            LegControl::Statistics(mut to) => {
                self.statistics(now, &mut to);
                out.event(id, LegEvent::Statistics(to));
            }
        }
    }

    /// Moves 20 ms of sound each way.
    pub(super) fn tick<I: PacketIo<Port = P>>(&mut self, context: &mut Context<'_, I>) {
        self.ticks = self.ticks.wrapping_add(1);
        self.receive(context);
        self.receive_reports(context);
        // The frames leave the scratch for this tick, so that the rest of it can be lent.
        let [mut heard, mut said, mut other] = std::mem::take(&mut context.scratch.frames);
        let samples = self.format.frame_len().min(heard.len());
        self.hear(context, &mut heard[..samples], &mut other[..samples]);
        self.say(context, &heard[..samples], &mut said[..samples], &mut other[..samples]);
        context.scratch.frames = [heard, said, other];
        self.report(context);
    }

    /// Says farewell; the leg is to be dropped then.
    pub(super) fn close<I: PacketIo<Port = P>>(&mut self, context: &mut Context<'_, I>) {
        if self.rtcp == RtcpMode::Off || self.transmitter.packets() == 0 {
            return;
        }
        let Some(peer) = self.latch.peer(Channel::Rtcp, self.rtcp) else { return };
        let saying = self.saying();
        let written = self.reporter.write_bye(
            context.now,
            context.wall_at(context.now),
            saying,
            &mut context.scratch.packet,
        );
        let packet = &mut context.scratch.packet;
        if let Some(len) = written.ok().and_then(|len| self.guards.cover_report(packet, len)) {
            let channel = self.report_channel();
            context.io.send(&mut self.port, channel, peer, &context.scratch.packet[..len]);
        }
    }

    /// Reads datagrams: one packet a tick, a second one at every eighth tick, and more while the buffer is low:
    /// of short packets several come in a tick.
    fn receive<I: PacketIo<Port = P>>(&mut self, context: &mut Context<'_, I>) {
        let mut wanted = if self.ticks.is_multiple_of(SECOND_LOOK) { 2 } else { 1 };
        // Bounded: a flood of what is not for us must not hold the tick.
        for _ in 0..LOOKS {
            match context.io.receive(&mut self.port, Channel::Rtp, &mut context.scratch.datagram) {
                Received::Datagram(found) => {
                    wanted -= u32::from(self.take(context, found.len, found.from, found.at));
                    if wanted == 0 {
                        if !self.receiver.wants_more() {
                            return;
                        }
                        wanted = 1;
                    }
                }
                Received::Nothing => return,
                Received::Refused => self.refused += 1,
            }
        }
    }

    /// Takes one datagram of the media port. True when it was a packet of the peer.
    fn take<I: PacketIo>(
        &mut self,
        context: &mut Context<'_, I>,
        len: usize,
        from: std::net::SocketAddr,
        at: Moment,
    ) -> bool {
        let wall = context.wall_at(at);
        let datagram = context.scratch.datagram.get_mut(..len).unwrap_or_default();
        if is_rtcp(datagram) {
            if self.latch.accepts_report(from) {
                self.take_report(wall, at, datagram, context.out);
            }
            return false;
        }
        if !self.latch.accepts(from) {
            self.strangers += 1;
            return false;
        }
        // On hold too, so that the rollover counter does not fall behind.
        let Some(len) = self.guards.admit(Carried::Sound, datagram) else { return false };
        let datagram = datagram.get(..len).unwrap_or_default();
        if !self.flowing.receives() {
            return false;
        }
        let (id, clock) = (self.id, self.receiver.clock());
        let ours = self.transmitter.ssrc();
        let taken = self.receiver.take(at, datagram, &self.media, ours, |heard| {
            context.out.event(id, key_event(heard, clock));
        });
        match taken {
            Taken::Nothing => return false,
            Taken::Ours => self.resolve_collision(),
            Taken::Packet { changed: Some(ssrc) } => context.out.event(id, LegEvent::SourceChanged(ssrc)),
            Taken::Packet { changed: None } => {}
        }
        if self.latch.latch(from) {
            context.out.event(id, LegEvent::Latched(from));
        }
        self.silence.heard(at, from, id, context.out);
        true
    }

    fn receive_reports<I: PacketIo<Port = P>>(&mut self, context: &mut Context<'_, I>) {
        if self.rtcp != RtcpMode::Separate {
            return;
        }
        for _ in 0..REPORTS {
            match context.io.receive(&mut self.port, Channel::Rtcp, &mut context.scratch.datagram) {
                Received::Datagram(found) if self.latch.accepts_report(found.from) => {
                    let wall = context.wall_at(found.at);
                    let compound = context.scratch.datagram.get_mut(..found.len).unwrap_or_default();
                    self.take_report(wall, found.at, compound, context.out);
                }
                Received::Datagram(_) => self.strangers += 1,
                Received::Nothing => return,
                Received::Refused => self.refused += 1,
            }
        }
    }

    fn take_report(&mut self, wall: crate::rtp::NtpTime, at: Moment, compound: &mut [u8], out: &mut Outbox) {
        let Some(len) = self.guards.admit(Carried::Reports, compound) else { return };
        let compound = compound.get(..len).unwrap_or_default();
        let (ours, theirs) = (self.transmitter.ssrc(), self.receiver.ssrc());
        if self.reporter.receive(at, wall, compound, ours, theirs) == Told::Bye {
            out.event(self.id, LegEvent::Bye);
        }
    }

    /// The peer has our name (RFC 3550 section 8.2): take another. When it has that too, it reflects us, as
    /// test programs do; then its packets are as good as any.
    fn resolve_collision(&mut self) {
        if !self.was_renamed {
            self.was_renamed = true;
            self.transmitter.rename(Ssrc(self.random.word()));
        }
    }

    /// Plays what came to everything that listens.
    fn hear<I: PacketIo>(&mut self, context: &mut Context<'_, I>, frame: &mut [i16], spare: &mut [i16]) {
        let now = context.now;
        let speaker = self.patch.speaker();
        let info = if speaker == Some(Speaker::Terminals) {
            frame.fill(0);
            self.patch.hear_others(frame, spare);
            FrameInfo::default()
        } else if self.flowing.receives() {
            self.receiver.play(now, frame, &mut self.media, context.scratch)
        } else {
            frame.fill(0);
            FrameInfo { concealed: frame.len() as u32, ..FrameInfo::default() }
        };
        if let Some(heard) = self.receiver.poll_event(now) {
            context.out.event(self.id, key_event(heard, self.receiver.clock()));
        }
        self.gains[Direction::In as usize].apply(frame);
        self.patch.push(frame, &info, self.id, context.out);
        if speaker == Some(Speaker::Peer) {
            self.patch.tell_others(frame, &info);
        }
        if self.flowing.receives() && speaker != Some(Speaker::Terminals) {
            self.silence.watch(now, self.id, context.out);
        }
    }

    /// Sends what the sources, and the echo, give.
    fn say<I: PacketIo<Port = P>>(
        &mut self,
        context: &mut Context<'_, I>,
        heard: &[i16],
        frame: &mut [i16],
        spare: &mut [i16],
    ) {
        frame.fill(0);
        let mut has_sound = self.patch.pull(frame, spare, self.id, context.out);
        if self.echo == Echo::On {
            add(frame, heard);
            has_sound = true;
        }
        if self.patch.speaker() == Some(Speaker::Peer) {
            self.patch.hear_others(frame, spare);
            has_sound = true;
        }
        self.gains[Direction::Out as usize].apply(frame);
        if self.patch.speaker() == Some(Speaker::Terminals) {
            self.patch.tell_others(frame, &FrameInfo::default());
        }
        self.levels.note(self.receiver.power(), mean_square(frame));
        let peer = self.latch.peer(Channel::Rtp, self.rtcp);
        let is_wanted = has_sound || self.idle == Idle::Silence || self.transmitter.has_keys();
        let Some(peer) = peer.filter(|_| self.flowing.sends() && is_wanted && self.guards.send.is_open())
        else {
            self.transmitter.skip(&mut self.media);
            return;
        };
        let (io, port, guard) = (&mut *context.io, &mut self.port, &mut self.guards.send);
        let (mut refused, mut failed) = (0, 0);
        let Scratch { packet, payload: room, .. } = &mut *context.scratch;
        self.transmitter.send(frame, &mut self.media, packet, &mut |packet| {
            let sent = guard.cover(packet, room).map(|packet| io.send(port, Channel::Rtp, peer, packet));
            match sent {
                Some(Sent::Done) => {}
                Some(Sent::Failed) | None => failed += 1,
                Some(Sent::Refused) => refused += 1,
            }
        });
        self.refused += refused;
        self.failed += failed;
        if self.transmitter.take_end() {
            context.out.event(self.id, LegEvent::DigitsSent);
        }
    }

    fn report<I: PacketIo<Port = P>>(&mut self, context: &mut Context<'_, I>) {
        if self.rtcp == RtcpMode::Off || !self.reporter.is_due(context.now) {
            return;
        }
        let Some(peer) = self.latch.peer(Channel::Rtcp, self.rtcp) else { return };
        let (saying, packets) = (self.saying(), self.transmitter.packets());
        let written = self.reporter.write(
            context.now,
            context.wall_at(context.now),
            saying,
            packets,
            &mut context.scratch.packet,
        );
        let packet = &mut context.scratch.packet;
        if let Some(len) = written.ok().and_then(|len| self.guards.cover_report(packet, len)) {
            let channel = self.report_channel();
            context.io.send(&mut self.port, channel, peer, &context.scratch.packet[..len]);
        }
    }

    fn saying(&mut self) -> Saying {
        let round_trip = self.reporter.round_trip();
        Saying {
            metrics: self
                .reporter
                .has_xr()
                .then(|| self.receiver.metrics(self.media.format.packet, round_trip))
                .flatten(),
            from: self.transmitter.ssrc(),
            sender: self.transmitter.info(),
            block: self.receiver.report().filter(|_| self.receiver.packets() > 0),
        }
    }

    fn report_channel(&self) -> Channel {
        if self.rtcp == RtcpMode::Multiplexed { Channel::Rtp } else { Channel::Rtcp }
    }
}

impl Gain {
    const UNITY: Self = Self(4_096);

    /// From 0, mute, to 8, 18 dB.
    fn of(factor: f32) -> Self {
        Self((factor.clamp(0.0, 8.0) * 4_096.0) as i32)
    }

    fn apply(self, frame: &mut [i16]) {
        if self.0 == Self::UNITY.0 {
            return;
        }
        for sample in frame {
            let louder = (i32::from(*sample) * self.0) >> 12;
            *sample = louder.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
    }
}

impl Levels {
    /// Ticks of a second.
    const WINDOW: u16 = 50;

    fn note(&mut self, input: f32, output: f32) {
        self.ticks += 1;
        self.input += input;
        self.output += output;
        if self.ticks >= Self::WINDOW {
            let mean = |sum: f32| decibels(sum / f32::from(Self::WINDOW));
            *self = Self { last: Some((mean(self.input), mean(self.output))), ..Self::default() };
        }
    }
}

impl Silence {
    fn heard(&mut self, at: Moment, from: std::net::SocketAddr, leg: LegId, out: &mut Outbox) {
        self.last = at;
        if !self.has_begun {
            self.has_begun = true;
            out.event(leg, LegEvent::FirstPacket(from));
        }
        if self.is_silent {
            self.is_silent = false;
            out.event(leg, LegEvent::Resumed);
        }
    }

    fn watch(&mut self, now: Moment, leg: LegId, out: &mut Outbox) {
        if !self.is_silent && now.since(self.last) > self.after {
            self.is_silent = true;
            out.event(leg, LegEvent::Silent);
        }
    }

    /// Begins to wait anew.
    const fn rest(&mut self, now: Moment) {
        self.last = now;
    }
}

fn key_event(heard: EventHeard, rate: crate::format::SampleRate) -> LegEvent {
    match heard {
        EventHeard::Started(digit) => LegEvent::Digit(digit),
        EventHeard::Ended(digit, ticks) => LegEvent::DigitEnded(digit, rate.duration_of(u64::from(ticks))),
    }
}
