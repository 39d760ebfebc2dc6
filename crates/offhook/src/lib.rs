// SPDX-License-Identifier: MIT OR Apache-2.0
//! The telephone layer for programs: lines, calls and streams over any provider.
//!
//! A program opens a **line**, makes or takes **calls** on it, and plays, records and listens on their
//! **streams**. Which network the line belongs to is the business of a **provider**: SIP with RTP is
//! built in, others are a trait away ([`spi`]).
//!
//! This places a call, plays a file, waits for a digit, records the answer and hangs up:
//!
//! ```no_run
//! # #[cfg(all(feature = "sip", feature = "rtp"))]
//! # async fn example(sip: offhook::SipConfig) -> Result<(), offhook::Error> {
//! use std::time::Duration;
//!
//! use offhook::{Offhook, RtpConfig};
//!
//! let phone = Offhook::builder().sip(sip).rtp(RtpConfig::default()).start().await?;
//! let app = phone.app("hello").await?;
//! let line = app.line("alice").await?;
//!
//! let call = line.call("sip:bob@127.0.0.1:5070").await?;
//! call.connected().await?;
//! call.play("hello.wav").await?.finished().await?;
//! let digit = call.digit(Duration::from_secs(10)).await?;
//! println!("they pressed {digit}");
//!
//! let recording = call.record("answer.wav").await?;
//! tokio::time::sleep(Duration::from_secs(5)).await;
//! println!("stored {:?}", recording.stop().await?.duration);
//!
//! call.hang_up().await?;
//! phone.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! And this answers every call and echoes it:
//!
//! ```no_run
//! # async fn example(line: offhook::Line) -> Result<(), offhook::Error> {
//! loop {
//!     let call = line.incoming().await?;
//!     tokio::spawn(async move {
//!         call.answer().await?;
//!         call.echo().await?;
//!         println!("{} ended: {}", call.id(), call.ended().await);
//!         Ok::<(), offhook::Error>(())
//!     });
//! }
//! # }
//! ```
//!
//! # Handles
//!
//! [`Offhook`], [`App`], [`Line`], [`Call`] and what hangs on a call are handles: cheap to clone,
//! `Send + Sync`, without lifetimes, and safe to drop anywhere, also on a thread without a runtime and
//! after the server has ended. Dropping the last handle of a call gives the call back, which hangs up
//! a live call that nobody else owns; see [`Call`].
//!
//! Waiting is cancel safe: a future that is dropped loses no call, no digit and no event. A future that
//! *asks* for something and is dropped has asked all the same.
//!
//! # Applications
//!
//! Two [`App`] handles are two applications, also in one process. A call has **owners**, who may change
//! it, and **monitors**, who may watch it; whoever tries to do what it may not is refused by name. An
//! incoming call goes to the application with the highest priority that has opened the line for it.
//!
//! # Events
//!
//! Most programs only need the futures of a call. Those that want everything read [`App::events`] or
//! [`Call::events`]: each event has a sequence number and is in a journal first, so that a reader that
//! falls behind is told so, reads on, and never slows the server.
//!
//! # Errors
//!
//! There is one [`Error`]. It says what was tried, whose [`Fault`] it is, whether trying again can help,
//! the network's [`Cause`] where there is one, and what to do next.
//!
//! # Time
//!
//! All deadlines follow tokio's clock. A test that pauses it, with providers that need no sockets, runs
//! an hour of telephony in a moment.
//!
//! # Features
//!
//! `sip` and `rtp` (both on unless switched off) add the built-in providers, `sim` the simulated
//! exchange. Without them a program brings its own with [`Builder::tsp`] and [`Builder::msp`].

mod app;
mod audio;
mod builder;
mod call;
pub mod carrier;
mod clock;
#[cfg(feature = "sim")]
pub mod conformance;
mod error;
mod journal;
mod line;
mod lines;
#[cfg(unix)]
pub mod local;
mod offhook;
mod phone;
mod runtime;
mod terminal;
pub mod trace;

pub use app::App;
pub use builder::Builder;
pub use call::{Call, GatheredDigits};
pub use error::{Error, ErrorKind, Fault};
pub use journal::{Events, JournalEntry, Told};
pub use line::{Line, Monitor};
pub use offhook::Offhook;
pub use phone::Phone;
pub use terminal::{Placed, Playback, Recorded, Recording, ToneDetector, ToneHeard};

pub use offhook_core::{
    Answer, AppEvent, AppId, AppProfile, AppRecord, Ask, ButtonState, CallAsk, CallId, CallRecord, Config,
    HandOff, HookState, HubId, Incoming, Interest, LineAsk, LineId, LinePolicy, LineRecord, Opening, PhoneId,
    PhoneRecord, PhoneState, Privilege, Purpose, Sequence, Tie, Unowned,
};
#[cfg(feature = "rtp")]
pub use offhook_rtp::SampleRate;
#[cfg(feature = "rtp")]
pub use offhook_rtp::{AppAudio, AudioCodec, FromCall, RtpConfig, RtpMsp, Srtp, ToCall};
#[cfg(feature = "sim")]
pub use offhook_sim::{ExchangeConfig, Script, SimCaller, SimMsp, SimTsp, Step};
#[cfg(feature = "sip")]
pub use offhook_sip::{
    BoundAddresses, LineConfig, LineKind, LineMedia, Prack, SessionTimer, SipConfig, SipTsp, TlsConfig,
    Transferred,
};
/// The contract of providers, and the words that it shares with applications.
pub use offhook_spi as spi;
pub use offhook_spi::{
    CallParams, CallState, Cause, Digit, Gather, GatherEnd, Moment, Retry, SessionStatistics, StreamChange,
    StreamKey, Terminal, Tone,
};

/// The program in the README compiles.
#[cfg(all(doctest, feature = "sip", feature = "rtp"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
