// SPDX-License-Identifier: MIT OR Apache-2.0
//! The SIP provider: a TSP for accounts, trunks and direct lines over UDP, TCP and TLS.
//!
//! `machine` is the provider as a pure machine around the SIP core's agent, `driver` its sockets,
//! `account` a registration, `location` RFC 3263, `cause` the tables between SIP and causes.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use offhook_sip::{SipConfig, SipTsp};
//!
//! let (provider, bound) = SipTsp::bind(SipConfig::direct("alice")).await?;
//! println!("alice can be called at sip:alice@{:?}", bound.udp());
//! # drop(provider);
//! # Ok(())
//! # }
//! ```

mod account;
mod call;
mod cause;
mod config;
mod driver;
mod lamp;
mod line;
mod location;
mod machine;

pub use config::{
    ConfigError, DigestAlgorithm, LimitsConfig, LineConfig, LineKind, LineMedia, Listen, Prack, Secret,
    SessionTimer, SipConfig, TlsConfig, Transferred,
};
pub use driver::{BindError, Bound, BoundAddresses, SipTsp};
pub use offhook_sipcore::agent::Transport;
