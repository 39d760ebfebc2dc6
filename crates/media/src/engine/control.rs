// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a leg is told during a call, and what it tells.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use offhook_spi::{Digit, Flowing, TerminalKey};

use super::{Bridging, LegMedia, LegStatistics, Protection, Remote};
use crate::node::{Sink, Source};
use crate::rtp::Ssrc;

/// A leg's name within its engine; never used again after the leg is closed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LegId {
    pub(super) worker: u16,
    pub(super) index: u16,
    pub(super) generation: u32,
}

impl LegId {
    /// Names the leg at place `index` of `worker`; `generation` tells it from earlier ones there.
    ///
    /// [`Engine::open`](super::Engine::open) gives names by itself.
    #[must_use]
    pub const fn new(worker: u16, index: u16, generation: u32) -> Self {
        Self { worker, index, generation }
    }
}

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leg {}.{}.{}", self.worker, self.index, self.generation)
    }
}

/// A direction of sound, seen from us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "sound goes in or out")]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

/// Whether the peer hears itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "it does or it does not")]
pub enum Echo {
    /// No.
    #[default]
    Off,
    /// What comes in goes out, decoded and encoded again.
    On,
}

/// A command to a leg; takes effect at its next tick.
#[non_exhaustive]
pub enum LegControl {
    /// Patches a sink: from now on it is pushed every frame that comes in, silence included.
    /// Its format must be the leg's. Events: [`LegEvent::SinkEnded`], or [`LegEvent::Refused`].
    AddSink(TerminalKey, Box<dyn Sink>),
    /// Patches a source: its sound is added to what goes out.
    /// Its format must be the leg's. Events: [`LegEvent::SourceEnded`], or [`LegEvent::Refused`].
    AddSource(TerminalKey, Box<dyn Source>),
    /// Connects the leg with others, or with none any more; what it had before is freed elsewhere. The formats must
    /// be the leg's, or it is connected with none.
    Bridge(Option<Box<Bridging>>),
    /// Turns the echo on or off.
    Echo(Echo),
    /// Sets the gain of a direction; 1 leaves it, 0 mutes it.
    Gain(Direction, f32),
    /// Asks for an event when the source has given the sample at this position. Event: [`LegEvent::Marked`].
    Mark(TerminalKey, u64),
    /// Presses a key for so long. Event: [`LegEvent::DigitsSent`] when no more wait.
    Press(Digit, Duration),
    /// Changes how packets are protected; what it was before is freed elsewhere.
    Protect(Box<Protection>),
    /// Ends the key that is down and forgets those that wait.
    Release,
    /// Takes a source or sink off; it is freed elsewhere.
    Remove(TerminalKey),
    /// Changes directions: hold, resume.
    SetFlowing(Flowing),
    /// Changes payload types, codecs or packet length; what goes on unchanged is not interrupted.
    SetMedia(Box<LegMedia>),
    /// Changes where the peer is; it is latched anew.
    SetRemote(Option<Remote>),
    /// Asks for a snapshot. Event: [`LegEvent::Statistics`] with this box, filled.
    Statistics(Box<LegStatistics>),
}

impl fmt::Debug for LegControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddSink(terminal, _) => write!(f, "AddSink({terminal})"),
            Self::AddSource(terminal, _) => write!(f, "AddSource({terminal})"),
            Self::Bridge(bridging) => write!(f, "Bridge({bridging:?})"),
            Self::Echo(echo) => write!(f, "Echo({echo:?})"),
            Self::Gain(direction, gain) => write!(f, "Gain({direction:?}, {gain})"),
            Self::Mark(terminal, position) => write!(f, "Mark({terminal}, {position})"),
            Self::Press(digit, duration) => write!(f, "Press({digit}, {duration:?})"),
            Self::Protect(protection) => write!(f, "Protect({protection:?})"),
            Self::Release => f.write_str("Release"),
            Self::Remove(terminal) => write!(f, "Remove({terminal})"),
            Self::SetFlowing(flowing) => write!(f, "SetFlowing({flowing:?})"),
            Self::SetMedia(media) => write!(f, "SetMedia({media:?})"),
            Self::SetRemote(remote) => write!(f, "SetRemote({remote:?})"),
            Self::Statistics(_) => f.write_str("Statistics"),
        }
    }
}

/// What a leg tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum LegEvent {
    /// The peer said farewell in RTCP.
    Bye,
    /// The leg is gone; these were its totals.
    Closed(Box<LegStatistics>),
    /// A key went down at the peer, told by a telephone event.
    Digit(Digit),
    /// It came up again.
    DigitEnded(Digit, Duration),
    /// All keys to be pressed were pressed, or released.
    DigitsSent,
    /// The first credible packet came, from there.
    FirstPacket(SocketAddr),
    /// Our packets now go where the peer's come from.
    Latched(SocketAddr),
    /// A source has given the sample asked for.
    Marked(TerminalKey, u64),
    /// A source or sink was not taken: wrong format, or no room. It is freed elsewhere.
    Refused(TerminalKey),
    /// The peer sends again.
    Resumed,
    /// Nothing came from the peer for the time the leg was told.
    Silent,
    /// A sink needs no more sound; it was taken off.
    SinkEnded(TerminalKey),
    /// The peer's stream goes on under another name.
    SourceChanged(Ssrc),
    /// A source has no more sound; it was taken off.
    SourceEnded(TerminalKey),
    /// The snapshot asked for.
    Statistics(Box<LegStatistics>),
}
