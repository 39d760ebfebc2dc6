// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the provider's logic asks of the media engine and hears from it: the words between the pure part
//! and the driver. A **leg** is the engine's side of a session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use offhook_media::srtp::MasterKey;
use offhook_spi::{
    BridgeSide, Digit, DigitMode, Flowing, MspEvent, RecordingEnd, Refusal, SessionKey, StreamChange,
    StreamKey, Terminal, TerminalControl, TerminalKey, Tone,
};

use crate::codec::Wish;
use crate::sdp::{Crypto, EventTypes, Mapping, Rtcp};

/// Something that happens to the provider.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// A terminal is on its stream, or could not be put there.
    Attached { session: SessionKey, terminal: TerminalKey, result: Result<(), Refusal> },
    /// A leg is closed; nothing more comes from it but ends of recordings.
    Closed { session: SessionKey, figures: Box<Figures> },
    /// The host commands.
    Command(offhook_spi::MspCommand),
    /// Something happened on a leg.
    Heard { session: SessionKey, news: News },
    /// The figures that were asked for.
    Measured { session: SessionKey, figures: Box<Figures> },
    /// A leg is open, or could not be opened; comes before any other input.
    Opened { session: SessionKey, result: Result<Opening, String> },
    /// A recording is on disk, or lost.
    Recorded { session: SessionKey, terminal: TerminalKey, end: RecordingEnd },
}

/// Where a new leg listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Opening {
    /// Port for RTP.
    pub(crate) port: u16,
    /// Port for RTCP.
    pub(crate) rtcp: Option<u16>,
    /// A number for the session in its descriptions.
    pub(crate) id: u64,
    /// Keys of the session's own, one for each suite; none when nothing is to be encrypted.
    pub(crate) keys: Vec<MasterKey>,
}

/// Something that happened on a leg.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum News {
    /// A digit was heard.
    Digit { digit: Digit, mode: DigitMode },
    /// A terminal has no more to play.
    Ended { terminal: TerminalKey },
    /// A generation was sent to its end.
    Generated { generation: u64 },
    /// Packets come, for the first time or again.
    Receiving,
    /// No packet has come for a while.
    Silent,
    /// A tone of a detector began or ended.
    Tone { terminal: TerminalKey, tone: u16, on: bool },
}

/// Something that the driver shall do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    /// Put a terminal on a stream; [`Input::Attached`] follows.
    Attach { session: SessionKey, stream: StreamKey, terminal: TerminalKey, what: Terminal },
    /// Let a leg talk with the other legs of a bridge, or with none any more.
    Bridge { session: SessionKey, at: Option<(Bridge, BridgeSide)> },
    /// Stop the running generation.
    CancelGeneration { session: SessionKey },
    /// Close a leg: recordings are stored and told by [`Input::Recorded`], [`Input::Closed`] follows.
    Close { session: SessionKey },
    /// Pause, resume or move a file.
    Control { session: SessionKey, terminal: TerminalKey, control: TerminalControl },
    /// Take a terminal off; for a recording [`Input::Recorded`] follows.
    Detach { session: SessionKey, terminal: TerminalKey },
    /// Tell the host.
    Emit(MspEvent),
    /// Send digits or a tone; [`News::Generated`] follows unless it is cancelled.
    Generate { session: SessionKey, generation: u64, what: Generation },
    /// Listen for digits as tones, or no more.
    Listen { session: SessionKey, ear: Ear },
    /// Read the figures of a leg; [`Input::Measured`] follows.
    Measure { session: SessionKey },
    /// Let the far end hear a file instead of the terminals, or the terminals again.
    Music { session: SessionKey, path: Option<String> },
    /// Open a leg; [`Input::Opened`] follows before any other input.
    Open { session: SessionKey },
    /// Change what a leg receives and sends.
    Plan { session: SessionKey, plan: Plan },
    /// Change gain, mute or pause of a stream.
    Stream { session: SessionKey, stream: StreamKey, change: StreamChange },
}

/// Where legs hear each other: a bridge of a line.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Bridge {
    /// Stable id of the line.
    pub(crate) line: Arc<str>,
    /// The TSP's number.
    pub(crate) number: u64,
}

/// Whether digits are sought in the sound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ear {
    /// They are not.
    Closed,
    /// They are.
    Open,
}

/// What is generated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Generation {
    /// Digits, each so long.
    Digits { digits: Vec<Digit>, mode: DigitMode, duration: Duration },
    /// A tone.
    Tone(Tone),
}

/// What a leg receives and sends from now on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Which way sound flows.
    pub(crate) flow: Flow,
    /// Payload types that may come.
    pub(crate) receive: Vec<Mapping>,
    /// Payload type of telephone-events that may come.
    pub(crate) receive_events: Option<u8>,
    /// The far end, once known.
    pub(crate) far: Option<Far>,
    /// How packets are protected.
    pub(crate) shield: Shield,
}

/// How packets are protected.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Shield {
    /// Not at all.
    #[default]
    Clear,
    /// Nothing passes before keys are agreed on, or agreed to be absent.
    Closed,
    /// By SRTP.
    Keys(Box<Crypto>),
}

/// Which way sound flows now; nothing does before anything was said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Flow(pub(crate) Flowing);

impl Default for Flow {
    fn default() -> Self {
        Self(Flowing::Neither)
    }
}

/// How to send to the far end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Far {
    /// Where sound goes; `None` for nowhere.
    pub(crate) remote: Option<SocketAddr>,
    /// Where reports go.
    pub(crate) rtcp: Rtcp,
    /// The codec that is sent.
    pub(crate) send: Mapping,
    /// How the far end wishes to get it.
    pub(crate) wish: Wish,
    /// Telephone-events, if agreed.
    pub(crate) events: Option<EventTypes>,
    /// Milliseconds of sound in a packet.
    pub(crate) ptime: u16,
}

/// Figures of a leg; what was not measured is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// From the far end.
    pub(crate) incoming: Way,
    /// To the far end.
    pub(crate) outgoing: Way,
    /// Where packets really come from.
    pub(crate) seen: Option<SocketAddr>,
    /// By RTCP.
    pub(crate) round_trip: Option<Duration>,
}

/// Figures of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Way {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) lost: Option<u64>,
    pub(crate) loss: Option<f64>,
    pub(crate) late: Option<u64>,
    pub(crate) concealed: Option<u64>,
    pub(crate) jitter: Option<Duration>,
    pub(crate) buffer: Option<Duration>,
    pub(crate) level: Option<f32>,
    pub(crate) mos: Option<f32>,
}
