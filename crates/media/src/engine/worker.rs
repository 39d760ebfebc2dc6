// SPDX-License-Identifier: MIT OR Apache-2.0
//! A worker owns legs and runs them step by step; it does not know what time it is until it is told.

use std::fmt;

use offhook_spi::Moment;
use rtrb::{Consumer, Producer, RingBuffer};

use super::leg::Leg;
use super::{Bridging, LegControl, LegEvent, LegId, LegMedia, PacketIo, SLOTS};
use crate::node::{Sink, Source};
use crate::rtp::NtpTime;

/// Commands that may wait for a worker.
const CONTROLS: usize = 1_024;
/// Events that may wait for their taker.
const EVENTS: usize = 4_096;
/// Commands obeyed in one step, so that a flood of them does not hold the sound.
const CONTROLS_A_STEP: usize = 256;
/// Largest datagram read.
const DATAGRAM: usize = 2_048;
/// Samples of the longest packet: 120 ms at 48 kHz, twice.
const SAMPLES: usize = 11_520;
/// Samples of a frame: 20 ms at 48 kHz.
const FRAME: usize = 960;

/// Runs legs. Every call of [`Worker::step`] runs those whose place it is, a quarter of them.
#[derive(Debug)]
pub struct Worker<I: PacketIo> {
    io: I,
    /// By index; never grows beyond its first capacity.
    legs: Vec<Option<Box<Leg<I::Port>>>>,
    slots: [Vec<u16>; SLOTS],
    next: usize,
    controls: Consumer<Control<I::Port>>,
    closed: Producer<Box<Leg<I::Port>>>,
    out: Outbox,
    scratch: Scratch,
    /// The wall clock at [`Moment::ZERO`].
    epoch: NtpTime,
}

/// The other ends of a worker's rings.
#[derive(Debug)]
pub struct WorkerEnds<P> {
    /// Commands to it.
    pub controls: Producer<Control<P>>,
    /// What it tells, and what it wants freed.
    pub events: Consumer<Outgoing>,
    /// Legs that ended, after all their events; their places are free.
    pub closed: Consumer<Box<Leg<P>>>,
}

/// A command to a worker.
#[derive(Debug)]
#[non_exhaustive]
pub enum Control<P> {
    /// Ends a leg; it comes back through [`WorkerEnds::closed`].
    Close(LegId),
    /// Commands a leg.
    Leg(LegId, LegControl),
    /// Begins a leg.
    Open(Box<Leg<P>>),
}

/// What comes out of a worker.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outgoing {
    /// A leg tells something.
    Event(LegId, LegEvent),
    /// To be dropped where that does no harm.
    Trash(Trash),
}

/// What a worker has no more use for, but must not free on the tick.
#[non_exhaustive]
pub enum Trash {
    /// Ways to other legs.
    Bridging(Box<Bridging>),
    /// A command for a leg that was gone.
    Control(LegControl),
    /// Codecs of before.
    Media(Box<LegMedia>),
    /// A sink taken off.
    Sink(Box<dyn Sink>),
    /// A source taken off.
    Source(Box<dyn Source>),
}

impl fmt::Debug for Trash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bridging(_) => "Bridging",
            Self::Control(_) => "Control",
            Self::Media(_) => "Media",
            Self::Sink(_) => "Sink",
            Self::Source(_) => "Source",
        })
    }
}

/// Where events go.
#[derive(Debug)]
pub(super) struct Outbox {
    ring: Producer<Outgoing>,
    /// Something was put since the last step.
    has_news: bool,
    lost: u64,
}

/// Memory that every leg uses in its turn.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) datagram: Box<[u8]>,
    pub(super) packet: Box<[u8]>,
    pub(super) payload: Box<[u8]>,
    pub(super) pcm: Box<[i16]>,
    /// A frame at the rate of a codec.
    pub(super) line: Box<[i16]>,
    /// What is heard, what is said, and one to spare.
    pub(super) frames: [Box<[i16]>; 3],
}

/// What a leg needs of its worker during a tick.
pub(super) struct Context<'a, I> {
    pub(super) now: Moment,
    pub(super) io: &'a mut I,
    pub(super) scratch: &'a mut Scratch,
    pub(super) out: &'a mut Outbox,
    pub(super) epoch: NtpTime,
}

impl<I> Context<'_, I> {
    /// The wall clock at `moment`.
    pub(super) fn wall_at(&self, moment: Moment) -> NtpTime {
        self.epoch.plus(moment - Moment::ZERO)
    }
}

impl<I: PacketIo> Worker<I> {
    /// A worker for at most `legs` legs, and the ends of its rings; `epoch` is the wall clock at
    /// [`Moment::ZERO`].
    #[must_use]
    pub fn new(io: I, legs: u16, epoch: NtpTime) -> (Self, WorkerEnds<I::Port>) {
        let (controls_in, controls) = RingBuffer::new(CONTROLS);
        let (ring, events) = RingBuffer::new(EVENTS);
        let (closed_in, closed) = RingBuffer::new(usize::from(legs).max(1));
        let places = usize::from(legs);
        let worker = Self {
            io,
            legs: std::iter::repeat_with(|| None).take(places).collect(),
            slots: std::array::from_fn(|_| Vec::with_capacity(places)),
            next: 0,
            controls,
            closed: closed_in,
            out: Outbox { ring, has_news: false, lost: 0 },
            scratch: Scratch::new(),
            epoch,
        };
        (worker, WorkerEnds { controls: controls_in, events, closed })
    }

    /// Obeys what was commanded and runs the legs of the next slot, at `now`.
    ///
    /// `now` should be the moment the step was planned for: then a late start of ours does not look like
    /// jitter of the network. True when there is something to be taken from the rings.
    pub fn step(&mut self, now: Moment) -> bool {
        self.obey(now);
        self.io.begin(now);
        let slot = self.next;
        self.next = (slot + 1) % SLOTS;
        let Self { io, legs, slots, out, scratch, epoch, .. } = self;
        let mut context = Context { now, io, scratch, out, epoch: *epoch };
        for index in &slots[slot] {
            if let Some(Some(leg)) = legs.get_mut(usize::from(*index)) {
                leg.tick(&mut context);
            }
        }
        std::mem::take(&mut self.out.has_news)
    }

    /// Passes over a step that is too late to be made up.
    pub const fn skip(&mut self) {
        self.next = (self.next + 1) % SLOTS;
    }

    /// Whether nothing is to be done until the next command.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.slots.iter().all(Vec::is_empty) && self.controls.is_empty()
    }

    /// Events that found no room.
    #[must_use]
    pub const fn lost_events(&self) -> u64 {
        self.out.lost
    }

    /// The network.
    pub const fn io_mut(&mut self) -> &mut I {
        &mut self.io
    }

    fn obey(&mut self, now: Moment) {
        for _ in 0..CONTROLS_A_STEP {
            let Ok(control) = self.controls.pop() else { return };
            match control {
                Control::Open(leg) => self.open(leg),
                Control::Close(id) => self.close(now, id),
                Control::Leg(id, control) => match find(&mut self.legs, id) {
                    Some(leg) => leg.control(now, control, &mut self.out),
                    None => self.out.discard(Trash::Control(control)),
                },
            }
        }
    }

    /// Puts a leg where there are fewest.
    fn open(&mut self, leg: Box<Leg<I::Port>>) {
        let index = leg.id().index;
        let place = self.legs.get_mut(usize::from(index)).filter(|place| place.is_none());
        let slot = self.slots.iter_mut().min_by_key(|slot| slot.len());
        match (place, slot) {
            (Some(place), Some(slot)) => {
                *place = Some(leg);
                slot.push(index);
            }
            // A place taken twice would be our own error; give the leg back as if it had ended.
            (Some(_) | None, _) => self.bury(leg),
        }
    }

    fn close(&mut self, now: Moment, id: LegId) {
        let Self { io, legs, out, scratch, epoch, .. } = self;
        let place = legs.get_mut(usize::from(id.index));
        let Some(mut leg) = place.and_then(|place| place.take_if(|leg| leg.id() == id)) else { return };
        leg.close(&mut Context { now, io, scratch, out, epoch: *epoch });
        for slot in &mut self.slots {
            if let Some(place) = slot.iter().position(|index| *index == id.index) {
                slot.swap_remove(place);
            }
        }
        self.bury(leg);
    }

    fn bury(&mut self, leg: Box<Leg<I::Port>>) {
        self.out.has_news = true;
        // There is room for every leg; were there none, the leg is freed here.
        self.closed.push(leg).ok();
    }
}

impl Outbox {
    pub(super) fn event(&mut self, leg: LegId, event: LegEvent) {
        self.put(Outgoing::Event(leg, event));
    }

    pub(super) fn discard(&mut self, trash: Trash) {
        self.put(Outgoing::Trash(trash));
    }

    fn put(&mut self, outgoing: Outgoing) {
        self.has_news = true;
        if self.ring.push(outgoing).is_err() {
            self.lost += 1;
        }
    }
}

impl Scratch {
    fn new() -> Self {
        let frame = || vec![0; FRAME].into();
        Self {
            datagram: vec![0; DATAGRAM].into(),
            packet: vec![0; DATAGRAM * 4].into(),
            payload: vec![0; DATAGRAM * 4].into(),
            pcm: vec![0; SAMPLES].into(),
            line: frame(),
            frames: [frame(), frame(), frame()],
        }
    }
}

fn find<P: Send>(legs: &mut [Option<Box<Leg<P>>>], id: LegId) -> Option<&mut Leg<P>> {
    legs.get_mut(usize::from(id.index))?.as_deref_mut().filter(|leg| leg.id() == id)
}
