// SPDX-License-Identifier: MIT OR Apache-2.0
//! A simulated exchange and far ends in virtual time, watchers, ladders and the conformance suite.

mod alarm;
pub mod conformance;
mod driver;
mod exchange;
mod msp;
mod random;
mod script;
mod sound;
mod watch;
mod world;

pub use driver::{SimCaller, SimMsp, SimTsp};
pub use exchange::{Exchange, ExchangeConfig, ExchangeInput, Faults, Touch};
pub use msp::{CountingMsp, Counts};
pub use random::Random;
pub use script::{Script, Step, digits};
pub use sound::{SIM_SCHEMA, Sound};
pub use watch::{MspWatch, TspWatch};
pub use world::World;
