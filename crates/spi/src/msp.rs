// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contract of a media service provider (MSP): the media of calls.
//!
//! Control travels as messages, like a TSP's; sound never goes through the link. A **session** is the
//! MSP side of a call: it has **streams**, onto which an application selects **terminals**.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::key::{CallKey, RequestId, SessionKey, TerminalKey};
use crate::link::Link;
use crate::media::{Digit, DigitMode, GenerationEnd, MediaSet, StreamKey, Tone};
use crate::op::OpSet;
use crate::opaque::{Opaque, SchemaId};
use crate::tolerant::known_only;
use crate::tsp::{ProviderError, ProviderRun, Reply};
use crate::version::{Manifest, Version};

/// The provider's end of an MSP link.
pub type MspLink = Link<MspCommand, MspEvent>;

/// What an MSP can do.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct MspCaps {
    /// Digit, tone and gathering operations that it carries out on sessions.
    pub ops: OpSet,
    /// Media of its sessions.
    pub media: MediaSet,
    /// Terminal classes that it can make.
    #[serde(deserialize_with = "known_only")]
    pub terminals: Vec<TerminalClass>,
}

/// A class of terminals that a session can make.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TerminalClass {
    /// Frames to and from the application.
    Application,
    /// What comes in goes out again.
    Echo,
    /// Plays a file.
    FilePlayback,
    /// Records to a file.
    FileRecording,
    /// Makes silence, swallows everything.
    Null,
    /// Makes a tone.
    Tone,
    /// Listens for tones and measures level.
    ToneDetector,
}

/// A terminal that an application wants on a stream.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "class", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Terminal {
    /// Frames to or from the application through a ring that the host hands over by `port`.
    Application {
        /// Number under which the host has left the ring.
        port: u64,
    },
    /// What comes in goes out again; selected on an outgoing stream.
    Echo,
    /// Plays a file to the far end; `EndOfFile` follows.
    FilePlayback {
        /// Path, seen from the provider's process.
        path: String,
        /// Starts again at the end.
        #[serde(default)]
        repeat: bool,
    },
    /// Records the far end to a file; `Recorded` follows when it is safely stored or has failed.
    FileRecording {
        /// Path, seen from the provider's process; an existing file is replaced.
        path: String,
    },
    /// Silence out, nothing kept.
    Null,
    /// A steady tone to the far end.
    Tone {
        /// Which; its duration is ignored.
        tone: Tone,
    },
    /// Listens for tones; `ToneHeard` follows.
    ToneDetector {
        /// What to listen for.
        tones: Vec<Tone>,
    },
}

impl Terminal {
    /// The class of the terminal.
    #[must_use]
    pub const fn class(&self) -> TerminalClass {
        match self {
            Self::Application { .. } => TerminalClass::Application,
            Self::Echo => TerminalClass::Echo,
            Self::FilePlayback { .. } => TerminalClass::FilePlayback,
            Self::FileRecording { .. } => TerminalClass::FileRecording,
            Self::Null => TerminalClass::Null,
            Self::Tone { .. } => TerminalClass::Tone,
            Self::ToneDetector { .. } => TerminalClass::ToneDetector,
        }
    }
}

/// What the core asks an MSP to do.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "command", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MspCommand {
    /// Cancels a request that has not been answered; its one reply still comes.
    Abandon {
        /// Which.
        request: RequestId,
    },
    /// Makes a session for a call (`CreateMSPCall`).
    ///
    /// - *Reply*: done once it exists; busy or operation failed (no port) otherwise, and then the key
    ///   is dead.
    /// - *Events*: relays as the schema says.
    CreateSession {
        /// To be answered exactly once.
        request: RequestId,
        /// The new session's key.
        session: SessionKey,
        /// The call it serves, for traces.
        call: CallKey,
        /// Stable id of the line, by which the MSP may be configured.
        line: String,
        /// What may flow over the life of the call.
        media: MediaSet,
        /// What the relayed data means.
        schema: SchemaId,
    },
    /// Ends a session: its streams stop, recordings are stored, ports are freed (`ShutdownMSPCall`).
    /// Not answered; [`MspEvent::SessionEnded`] follows exactly once.
    EndSession {
        /// Which; the key is dead once `SessionEnded` was emitted.
        session: SessionKey,
    },
    /// Sends digits to the far end; one generation per session.
    ///
    /// - *Requires*: `generate_digits` in [`MspCaps::ops`].
    /// - *Reply*: done once sending has begun.
    /// - *Events*: [`MspEvent::Generated`].
    GenerateDigits {
        /// To be answered exactly once.
        request: RequestId,
        /// Where.
        session: SessionKey,
        /// The digits; empty cancels.
        digits: Vec<Digit>,
        /// How they travel; `None` means events where agreed, tones otherwise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<DigitMode>,
        /// How long each sounds; `None` means 100 ms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration: Option<Duration>,
    },
    /// Sends a tone to the far end; shares the one generation with digits.
    ///
    /// - *Requires*: `generate_tone`.
    /// - *Reply*: done once sending has begun.
    /// - *Events*: [`MspEvent::Generated`].
    GenerateTone {
        /// To be answered exactly once.
        request: RequestId,
        /// Where.
        session: SessionKey,
        /// The tone; `None` cancels.
        tone: Option<Tone>,
    },
    /// The first message on a link: which version both sides speak from now on. Not answered.
    Hello {
        /// The version agreed.
        version: Version,
    },
    /// Reports each digit heard; an empty list ends it.
    ///
    /// - *Requires*: `monitor_digits`.
    /// - *Reply*: done once monitoring runs.
    /// - *Events*: [`MspEvent::Digit`].
    MonitorDigits {
        /// To be answered exactly once.
        request: RequestId,
        /// Where.
        session: SessionKey,
        /// Which ways of travelling to listen for.
        modes: Vec<DigitMode>,
    },
    /// Data from the call's TSP, in order with everything else (`ReceiveTSPData`). Not answered.
    Relay {
        /// Which session.
        session: SessionKey,
        /// The data, unread by the core.
        data: Opaque,
    },
    /// Puts a terminal on a stream (`SelectTerminal`); streams may carry several.
    ///
    /// - *Requires*: the class in [`MspCaps::terminals`].
    /// - *Reply*: done once it is there, whether or not anything flows yet; invalid parameter when it
    ///   does not fit the stream, operation failed when a file cannot be opened.
    /// - *Events*: as the terminal says.
    SelectTerminal {
        /// To be answered exactly once.
        request: RequestId,
        /// Where.
        session: SessionKey,
        /// Which stream.
        stream: StreamKey,
        /// Key for the new terminal.
        terminal: TerminalKey,
        /// What it is.
        what: Terminal,
    },
    /// Changes gain, mutes, pauses or starts a stream.
    ///
    /// - *Reply*: done once in force.
    SetStream {
        /// To be answered exactly once.
        request: RequestId,
        /// Where.
        session: SessionKey,
        /// Which stream.
        stream: StreamKey,
        /// What to change.
        change: StreamChange,
    },
    /// Asks for the figures of a session now.
    ///
    /// - *Reply*: done.
    /// - *Events*: [`MspEvent::Statistics`] before the reply.
    Statistics {
        /// To be answered exactly once.
        request: RequestId,
        /// Which.
        session: SessionKey,
    },
    /// Pauses, resumes, moves or stops a file terminal.
    ///
    /// - *Reply*: done once in force.
    TerminalControl {
        /// To be answered exactly once.
        request: RequestId,
        /// Where.
        session: SessionKey,
        /// Which.
        terminal: TerminalKey,
        /// What to do.
        control: TerminalControl,
    },
    /// Takes a terminal off its stream and ends it; a recording is stored first.
    ///
    /// - *Reply*: done once it is off.
    UnselectTerminal {
        /// To be answered exactly once.
        request: RequestId,
        /// Where.
        session: SessionKey,
        /// Which; the key is dead.
        terminal: TerminalKey,
    },
}

/// A change of a stream.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamChange {
    /// Gain in decibel; 0 changes nothing.
    Gain(f32),
    /// Silence instead of sound, whatever the gain.
    Mute,
    /// Nothing flows until started again.
    Pause,
    /// Flows (again).
    Start,
    /// Ends a mute.
    Unmute,
}

/// A control of a file terminal.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TerminalControl {
    /// Stands still.
    Pause,
    /// Goes on.
    Resume,
    /// Goes to a position from the start of the file.
    Seek(Duration),
    /// Ends now, as if the file ended.
    Stop,
}

/// What an MSP tells the core.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MspEvent {
    /// A digit was heard while digits are monitored.
    Digit {
        /// Where.
        session: SessionKey,
        /// The digit.
        digit: Digit,
        /// How it travelled.
        mode: DigitMode,
    },
    /// A file terminal has played to the end (or was stopped).
    EndOfFile {
        /// Where.
        session: SessionKey,
        /// Which.
        terminal: TerminalKey,
    },
    /// A generation of digits or tones ended.
    Generated {
        /// Where.
        session: SessionKey,
        /// How.
        end: GenerationEnd,
    },
    /// The provider is ready, and this is what it can do. Emitted first.
    Ready {
        /// What it can do.
        caps: MspCaps,
    },
    /// A recording ended.
    Recorded {
        /// Where.
        session: SessionKey,
        /// Which.
        terminal: TerminalKey,
        /// Path of the file.
        path: String,
        /// How long it is, if it was safely stored; the reason otherwise.
        #[serde(flatten)]
        end: RecordingEnd,
    },
    /// Data for the call's TSP, in order with everything else (`ME_TSP_DATA`).
    Relay {
        /// Which session.
        session: SessionKey,
        /// The data, unread by the core.
        data: Opaque,
    },
    /// Answers a request, exactly once.
    Reply {
        /// Which.
        request: RequestId,
        /// How it went.
        #[serde(flatten)]
        result: Reply,
    },
    /// A session is over; its key is dead.
    SessionEnded {
        /// Which.
        session: SessionKey,
        /// The last figures, where anything was measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        statistics: Option<Box<SessionStatistics>>,
    },
    /// Figures of a session, as asked for.
    Statistics {
        /// Which.
        session: SessionKey,
        /// The figures.
        statistics: Box<SessionStatistics>,
    },
    /// Something changed on a stream.
    Stream {
        /// Where.
        session: SessionKey,
        /// Which.
        stream: StreamKey,
        /// What it is like now.
        #[serde(flatten)]
        state: StreamState,
    },
    /// A tone that a detector listens for began or ended.
    ToneHeard {
        /// Where.
        session: SessionKey,
        /// The detector.
        terminal: TerminalKey,
        /// Its place in the detector's list.
        tone: u16,
        /// Whether it sounds now.
        on: bool,
    },
}

/// How a recording ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "end", rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a recording is stored or it is not")]
pub enum RecordingEnd {
    /// It could not be stored.
    Failed {
        /// One sentence for people.
        detail: String,
    },
    /// It is safely stored.
    Stored {
        /// How long it is.
        duration: Duration,
    },
}

/// What a stream is like.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "stream_state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamState {
    /// Media flow: the first packet was sent or came.
    Active {
        /// Name of the codec: `PCMU/8000`.
        codec: String,
    },
    /// It cannot flow.
    Failed {
        /// One sentence for people.
        detail: String,
    },
    /// Agreed not to flow, for example on hold.
    Inactive,
    /// It should flow and nothing has come for a while.
    Silent,
}

/// Figures of a session; what was not measured is absent, never a made-up value.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct SessionStatistics {
    /// Per stream.
    pub streams: BTreeMap<StreamKey, StreamStatistics>,
    /// Round trip to the far end by RTCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip: Option<Duration>,
}

/// Figures of a stream.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct StreamStatistics {
    /// Name of the codec: `PCMU/8000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Address of this side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Address of the far end: agreed or seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Packets that came or went.
    pub packets: u64,
    /// Bytes of payload that came or went.
    pub bytes: u64,
    /// Packets lost on the way: seen here for an incoming stream, reported by the far end for an
    /// outgoing one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Share of packets lost, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Packets that came too late to be played.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<u64>,
    /// Frames that had to be invented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concealed: Option<u64>,
    /// Interarrival jitter (RFC 3550), seen here or reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Duration>,
    /// Delay that the jitter buffer adds now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer: Option<Duration>,
    /// Level of the sound in dBov over the last second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<f32>,
    /// Quality as mean opinion score by the E-model (ITU-T G.107), 1 to 4.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos: Option<f32>,
}

/// What the author of an MSP writes.
pub trait Msp: Send + Sized + 'static {
    /// Says who the provider is; pure, called before the link opens.
    fn manifest(&self) -> Manifest;

    /// Serves the link until it closes or the provider cannot go on.
    ///
    /// # Errors
    /// A sentence for people about why the provider had to end.
    fn run(self, link: MspLink) -> impl Future<Output = Result<(), ProviderError>> + Send;
}

/// What the host stores: the object-safe twin of [`Msp`].
pub trait DynMsp: Send {
    /// See [`Msp::manifest`].
    fn manifest(&self) -> Manifest;

    /// See [`Msp::run`].
    fn run(self: Box<Self>, link: MspLink) -> ProviderRun;
}

impl<T: Msp> DynMsp for T {
    fn manifest(&self) -> Manifest {
        Msp::manifest(self)
    }

    fn run(self: Box<Self>, link: MspLink) -> ProviderRun {
        Box::pin(Msp::run(*self, link))
    }
}
