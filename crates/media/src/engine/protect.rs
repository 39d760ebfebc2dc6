// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands between a leg and the network: nothing, SRTP, or a closed door.

use std::mem::swap;

use super::ReceiveStatistics;
use crate::srtp::{Counters, Protector, SrtpError, Unprotector};

/// How one direction of a leg is protected.
#[derive(Debug, Default)]
#[expect(clippy::exhaustive_enums, reason = "packets pass, pass covered, or do not pass")]
pub enum Guard<C> {
    /// Packets pass as they are.
    #[default]
    Clear,
    /// Nothing passes: protection is required and there are no keys yet.
    Closed,
    /// Packets pass through SRTP and SRTCP.
    Srtp(Box<C>),
}

/// New protection of a leg; a direction that is `None` stays as it is.
#[derive(Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a leg has two directions")]
pub struct Protection {
    /// Of what is sent.
    pub send: Option<Guard<Protector>>,
    /// Of what comes.
    pub receive: Option<Guard<Unprotector>>,
}

/// The protection of a leg in force, and what it kept out.
#[derive(Debug, Default)]
pub(super) struct Guards {
    pub(super) send: Guard<Protector>,
    receive: Guard<Unprotector>,
    /// Numbers used under keys before: those that come back after a while in clear must not repeat them.
    counters: Counters,
    unauthentic: u64,
    replayed: u64,
}

/// What an incoming datagram carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Carried {
    Reports,
    Sound,
}

impl Guards {
    /// Puts new protection in force; what it replaces is left in `protection`, to be freed elsewhere.
    pub(super) fn install(&mut self, protection: &mut Protection) {
        if let Some(new) = &mut protection.send {
            if let Guard::Srtp(old) = &self.send {
                self.counters = old.counters();
            }
            if let Guard::Srtp(new) = &mut *new {
                new.follow(self.counters);
            }
            swap(new, &mut self.send);
        }
        if let Some(new) = &mut protection.receive {
            if let (Guard::Srtp(new), Guard::Srtp(old)) = (&mut *new, &self.receive) {
                new.follow(old);
            }
            swap(new, &mut self.receive);
        }
    }

    /// Checks and uncovers a datagram in place; gives the length that may be believed.
    pub(super) fn admit(&mut self, carried: Carried, datagram: &mut [u8]) -> Option<usize> {
        let context = match &mut self.receive {
            Guard::Clear => return Some(datagram.len()),
            Guard::Closed => {
                self.unauthentic += 1;
                return None;
            }
            Guard::Srtp(context) => context,
        };
        let found = match carried {
            Carried::Reports => context.unprotect_rtcp(datagram),
            Carried::Sound => context.unprotect_rtp(datagram),
        };
        match found {
            Ok(len) => return Some(len),
            Err(SrtpError::Replayed) => self.replayed += 1,
            Err(_) => self.unauthentic += 1,
        }
        None
    }

    /// Covers a compound packet in place; gives the length to be sent.
    pub(super) fn cover_report(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        match &mut self.send {
            Guard::Clear => Some(len),
            Guard::Closed => None,
            Guard::Srtp(context) => context.protect_rtcp(buffer, len).ok(),
        }
    }

    pub(super) const fn statistics(&self, to: &mut ReceiveStatistics) {
        to.unauthentic = self.unauthentic;
        to.replayed = self.replayed;
    }
}

impl Guard<Protector> {
    /// Whether anything may be sent.
    pub(super) const fn is_open(&self) -> bool {
        !matches!(self, Self::Closed)
    }

    /// What is to be sent for a packet: itself, or its covered copy in `room`.
    pub(super) fn cover<'a>(&mut self, packet: &'a [u8], room: &'a mut [u8]) -> Option<&'a [u8]> {
        match self {
            Self::Clear => Some(packet),
            Self::Closed => None,
            Self::Srtp(context) => {
                room.get_mut(..packet.len())?.copy_from_slice(packet);
                let len = context.protect_rtp(room, packet.len()).ok()?;
                room.get(..len)
            }
        }
    }
}
