// SPDX-License-Identifier: MIT OR Apache-2.0
//! The offhook provider contract: the words and messages that applications, the core and providers
//! share. Words and shapes only; the one behaviour is agreeing on a version.
//!
//! A **telephony service provider** ([`Tsp`]) supplies call control, a **media service provider**
//! ([`Msp`]) the media of calls. Each is a loop over messages on a [`Link`]. The smallest TSP has no
//! lines and refuses everything:
//!
//! ```
//! use offhook_spi::{
//!     Manifest, ProviderError, Refusal, RefusalKind, Reply, Tsp, TspCommand, TspEvent, TspLink, VersionRange,
//! };
//!
//! struct Nothing;
//!
//! impl Tsp for Nothing {
//!     fn manifest(&self) -> Manifest {
//!         Manifest {
//!             name: "nothing".to_owned(),
//!             vendor: "example".to_owned(),
//!             release: "1".to_owned(),
//!             spi: VersionRange::CURRENT,
//!             schemas: Vec::new(),
//!         }
//!     }
//!
//!     async fn run(self, mut link: TspLink) -> Result<(), ProviderError> {
//!         link.emit(TspEvent::Ready).await.ok();
//!         while let Some(command) = link.next().await {
//!             if let TspCommand::Open { request, line } = command {
//!                 let refusal = Refusal::new(RefusalKind::Gone, format!("there is no {line}"));
//!                 link.emit(TspEvent::Reply { request, result: Reply::Refused(refusal) }).await.ok();
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//! ```

mod call;
mod caps;
mod cause;
pub mod frame;
mod key;
mod line;
mod link;
mod machine;
mod media;
mod msp;
mod op;
mod opaque;
mod party;
mod phone;
mod refusal;
mod sdp;
mod state;
mod time;
mod tolerant;
mod tsp;
mod version;

pub use call::{CallOp, CallParams, Completion, CompletionMode, MediaAction, MediaRule, Outcome, Treatment};
pub use caps::{AddressCaps, LineCaps, SessionWish};
pub use cause::Cause;
pub use key::{AddressIndex, CallKey, LineKey, NamedBy, PhoneKey, RequestId, SessionKey, TerminalKey};
pub use line::{ForwardRule, ForwardWhen, LineOp, LineStatus, PickupTarget, Service, Watched, WatchedState};
pub use link::{Closed, Emitter, HostLink, Link};
pub use machine::Machine;
pub use media::{
    Digit, DigitMode, Flowing, Gather, GatherEnd, GenerationEnd, MediaKind, MediaSet, StreamKey, Tone,
};
pub use msp::{
    DynMsp, Msp, MspCaps, MspCommand, MspEvent, MspLink, RecordingEnd, SessionStatistics, StreamChange,
    StreamState, StreamStatistics, Terminal, TerminalClass, TerminalControl,
};
pub use op::{Op, OpSet};
pub use opaque::{Opaque, SchemaId};
pub use party::{
    Address, AddressKind, CallDatum, CallDirection, CallInfo, CallReason, NumberForms, Party, Presentation,
};
pub use phone::{HookMode, HookSwitch, LampMode, PhoneCaps, PhoneChange, PhoneOp};
pub use refusal::{Refusal, RefusalKind, Retry};
pub use sdp::{BridgeSide, SDP_SCHEMA, SdpMessage};
pub use state::{CallState, ConnectedMode, StateKind};
pub use time::Moment;
pub use tsp::{DynTsp, ProviderError, ProviderRun, Reply, Tsp, TspCommand, TspEvent, TspLink};
pub use version::{Incompatible, Manifest, Version, VersionRange};
