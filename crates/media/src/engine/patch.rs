// SPDX-License-Identifier: MIT OR Apache-2.0
//! The terminals of a leg: sources that are added up, sinks that all hear the same.

use std::fmt;

use offhook_spi::TerminalKey;

use super::worker::{Outbox, Trash};
use super::{Bridging, LegEvent, LegId, Speaker};
use crate::format::Format;
use crate::node::{Flow, FrameInfo, Sink, Source};

/// Sources, and sinks, that one leg may have.
const MOST: usize = 6;

/// What is patched to a leg.
#[derive(Default)]
pub(super) struct Patch {
    /// Most legs have few terminals or none: then the places are not even looked at.
    has_sources: bool,
    has_sinks: bool,
    sources: Box<[Option<PatchedSource>; MOST]>,
    sinks: Box<[Option<PatchedSink>; MOST]>,
    bridging: Option<Box<Bridging>>,
}

struct PatchedSource {
    terminal: TerminalKey,
    source: Box<dyn Source>,
    mark: Option<u64>,
}

struct PatchedSink {
    terminal: TerminalKey,
    sink: Box<dyn Sink>,
}

impl Patch {
    pub(super) fn add_source(
        &mut self,
        format: Format,
        terminal: TerminalKey,
        source: Box<dyn Source>,
        leg: LegId,
        out: &mut Outbox,
    ) {
        let place = self.sources.iter_mut().find(|place| place.is_none());
        match place.filter(|_| fits(format, source.format())) {
            Some(place) => {
                *place = Some(PatchedSource { terminal, source, mark: None });
                self.has_sources = true;
            }
            None => {
                out.discard(Trash::Source(source));
                out.event(leg, LegEvent::Refused(terminal));
            }
        }
    }

    pub(super) fn add_sink(
        &mut self,
        format: Format,
        terminal: TerminalKey,
        sink: Box<dyn Sink>,
        leg: LegId,
        out: &mut Outbox,
    ) {
        let place = self.sinks.iter_mut().find(|place| place.is_none());
        match place.filter(|_| fits(format, sink.format())) {
            Some(place) => {
                *place = Some(PatchedSink { terminal, sink });
                self.has_sinks = true;
            }
            None => {
                out.discard(Trash::Sink(sink));
                out.event(leg, LegEvent::Refused(terminal));
            }
        }
    }

    pub(super) fn remove(&mut self, terminal: TerminalKey, out: &mut Outbox) {
        for place in self.sources.iter_mut() {
            if let Some(patched) = place.take_if(|patched| patched.terminal == terminal) {
                out.discard(Trash::Source(patched.source));
            }
        }
        for place in self.sinks.iter_mut() {
            if let Some(patched) = place.take_if(|patched| patched.terminal == terminal) {
                out.discard(Trash::Sink(patched.sink));
            }
        }
    }

    /// Connects with other legs, or with none.
    pub(super) fn bridge(&mut self, format: Format, bridging: Option<Box<Bridging>>, out: &mut Outbox) {
        let fitting = |it: &Bridging| fits(format, it.others.format()) && fits(format, it.to_others.format());
        let (new, unfit) = match bridging {
            Some(bridging) if fitting(&bridging) => (Some(bridging), None),
            other => (None, other),
        };
        let old = std::mem::replace(&mut self.bridging, new);
        for bridging in old.into_iter().chain(unfit) {
            out.discard(Trash::Bridging(bridging));
        }
    }

    /// Whose voice the other legs hear, where there are any.
    pub(super) fn speaker(&self) -> Option<Speaker> {
        self.bridging.as_ref().map(|bridging| bridging.speaker)
    }

    /// Lets the other legs hear `frame`.
    pub(super) fn tell_others(&mut self, frame: &[i16], info: &FrameInfo) {
        if let Some(bridging) = &mut self.bridging {
            let _ = bridging.to_others.push(frame, info);
        }
    }

    /// Adds what the other legs say to `frame`.
    pub(super) fn hear_others(&mut self, frame: &mut [i16], spare: &mut [i16]) {
        if let Some(bridging) = &mut self.bridging {
            let mut info = FrameInfo::default();
            let _ = bridging.others.pull(spare, &mut info);
            add(frame, spare);
        }
    }

    pub(super) fn mark(&mut self, terminal: TerminalKey, position: u64) {
        let wanted = self.sources.iter_mut().flatten().find(|patched| patched.terminal == terminal);
        if let Some(patched) = wanted {
            patched.mark = Some(position);
        }
    }

    /// Adds the sound of all sources to `frame`. False when there are none.
    pub(super) fn pull(
        &mut self,
        frame: &mut [i16],
        spare: &mut [i16],
        leg: LegId,
        out: &mut Outbox,
    ) -> bool {
        if !self.has_sources {
            return false;
        }
        let mut any = false;
        for place in self.sources.iter_mut() {
            let Some(patched) = place else { continue };
            let mut info = FrameInfo::default();
            let flow = patched.source.pull(spare, &mut info);
            any = true;
            add(frame, spare);
            if let Some(mark) = patched.mark.take_if(|mark| info.position + spare.len() as u64 > *mark) {
                out.event(leg, LegEvent::Marked(patched.terminal, mark));
            }
            if flow == Flow::End
                && let Some(patched) = place.take()
            {
                out.event(leg, LegEvent::SourceEnded(patched.terminal));
                out.discard(Trash::Source(patched.source));
            }
        }
        self.has_sources = any;
        any
    }

    /// Lets all sinks hear `frame`.
    pub(super) fn push(&mut self, frame: &[i16], info: &FrameInfo, leg: LegId, out: &mut Outbox) {
        if !self.has_sinks {
            return;
        }
        self.has_sinks = false;
        for place in self.sinks.iter_mut() {
            let Some(patched) = place else { continue };
            self.has_sinks = true;
            if patched.sink.push(frame, info) == Flow::End
                && let Some(patched) = place.take()
            {
                out.event(leg, LegEvent::SinkEnded(patched.terminal));
                out.discard(Trash::Sink(patched.sink));
            }
        }
    }
}

impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terminals = self.sources.iter().flatten().map(|patched| patched.terminal);
        f.debug_list()
            .entries(terminals.chain(self.sinks.iter().flatten().map(|patched| patched.terminal)))
            .finish()
    }
}

/// Whether frames pass unchanged; a terminal copes with any frame length.
fn fits(leg: Format, terminal: Format) -> bool {
    leg.rate == terminal.rate && leg.channels == terminal.channels
}

/// Adds up two sounds; what is too loud is cut.
pub(super) fn add(frame: &mut [i16], other: &[i16]) {
    for (sample, other) in frame.iter_mut().zip(other) {
        *sample = sample.saturating_add(*other);
    }
}
