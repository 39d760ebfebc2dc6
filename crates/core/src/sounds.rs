// SPDX-License-Identifier: MIT OR Apache-2.0
//! Media and tones that providers listen for: each application has its own wish, the provider is asked
//! for all of them together, and what it hears goes to whoever wished for it.

use std::collections::BTreeMap;

use offhook_spi::{CallOp, MediaSet, Op, Outcome, Refusal, RefusalKind, Tone};

use crate::app::AppEvent;
use crate::asks::Handled;
use crate::id::{AppId, CallId};
use crate::request::{Asker, What};
use crate::switch::Switch;

/// Tones that may be listened for in one call, over all applications.
const MOST_TONES: usize = 64;

/// Who listens for what in one call.
#[derive(Debug, Default)]
pub(crate) struct SoundWatch {
    media: Wishes<MediaSet>,
    tones: Wishes<Vec<Tone>>,
}

/// What is listened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sound {
    Media,
    Tones,
}

/// What applications wish to hear, and what of it is in force.
#[derive(Debug)]
struct Wishes<T> {
    now: BTreeMap<AppId, T>,
    in_force: BTreeMap<AppId, T>,
    change: Option<Change<T>>,
}

/// Wishes that the provider was told and has not replied to.
#[derive(Debug)]
struct Change<T> {
    told: BTreeMap<AppId, T>,
    /// Whose wish changed, and the old one: it stands again if the change is refused.
    undo: Option<(AppId, Option<T>)>,
}

impl<T> Default for Wishes<T> {
    fn default() -> Self {
        Self { now: BTreeMap::new(), in_force: BTreeMap::new(), change: None }
    }
}

impl<T: Clone> Wishes<T> {
    fn set(&mut self, app: AppId, wish: Option<T>) -> Option<T> {
        match wish {
            Some(wish) => self.now.insert(app, wish),
            None => self.now.remove(&app),
        }
    }

    /// What the provider has to be asked for now: nothing while it still changes, nor when it does all
    /// that already.
    fn update(
        &mut self,
        undo: Option<(AppId, Option<T>)>,
        op: impl Fn(&BTreeMap<AppId, T>) -> CallOp,
    ) -> Option<CallOp> {
        if self.change.is_some() {
            return None;
        }
        let wanted = op(&self.now);
        if wanted == op(&self.in_force) {
            self.in_force.clone_from(&self.now);
            return None;
        }
        self.change = Some(Change { told: self.now.clone(), undo });
        Some(wanted)
    }

    /// The provider has replied.
    fn settle(&mut self, is_done: bool) {
        match self.change.take() {
            Some(change) if is_done => self.in_force = change.told,
            Some(Change { undo: Some((app, old)), .. }) => drop(self.set(app, old)),
            _ => {}
        }
    }
}

fn media_of(wishes: &BTreeMap<AppId, MediaSet>) -> CallOp {
    let media = wishes.values().flat_map(|media| media.iter()).collect();
    CallOp::MonitorMedia { media }
}

fn tones_of(wishes: &BTreeMap<AppId, Vec<Tone>>) -> CallOp {
    CallOp::MonitorTones { tones: wishes.values().flatten().cloned().collect() }
}

impl SoundWatch {
    fn update(&mut self, sound: Sound) -> Option<CallOp> {
        match sound {
            Sound::Media => self.media.update(None, media_of),
            Sound::Tones => self.tones.update(None, tones_of),
        }
    }

    /// Whose tone stands at a place of the list in force, and where in the application's own list.
    fn whose(&self, place: u16) -> Option<(AppId, u16)> {
        let mut place = usize::from(place);
        for (app, tones) in &self.tones.in_force {
            if place < tones.len() {
                return Some((*app, u16::try_from(place).ok()?));
            }
            place -= tones.len();
        }
        None
    }
}

impl Switch {
    /// An application wants to hear of media, or no longer.
    pub(crate) fn monitor_media(
        &mut self,
        asker: Asker,
        id: CallId,
        media: MediaSet,
    ) -> Result<Handled, Refusal> {
        let Some(watch) = self.sounds_of(id) else { return Ok(Handled::DONE) };
        if watch.media.change.is_some() {
            return Err(changing(id, Op::MonitorMedia));
        }
        let old = watch.media.set(asker.app, Some(media).filter(|media| !media.is_empty()));
        let op = watch.media.update(Some((asker.app, old)), media_of);
        Ok(self.listen(asker, id, Sound::Media, op))
    }

    /// An application wants to hear of tones, or no longer.
    pub(crate) fn monitor_tones(
        &mut self,
        asker: Asker,
        id: CallId,
        tones: Vec<Tone>,
    ) -> Result<Handled, Refusal> {
        if let Some(tone) = tones.iter().find(|tone| !can_be_heard(tone)) {
            let detail = format!(
                "{:?} Hz in {id} cannot be heard; expected 1 to 8 tones of 1 to 24000 Hz",
                tone.frequencies
            );
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        let Some(watch) = self.sounds_of(id) else { return Ok(Handled::DONE) };
        if watch.tones.change.is_some() {
            return Err(changing(id, Op::MonitorTones));
        }
        let others = watch.tones.now.iter().filter(|(app, _)| **app != asker.app);
        let taken: usize = others.map(|(_, tones)| tones.len()).sum();
        if tones.len().saturating_add(taken) > MOST_TONES {
            let detail =
                format!("{} tones for {id}; {taken} of {MOST_TONES} are taken by others", tones.len());
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        let old = watch.tones.set(asker.app, Some(tones).filter(|tones| !tones.is_empty()));
        let op = watch.tones.update(Some((asker.app, old)), tones_of);
        Ok(self.listen(asker, id, Sound::Tones, op))
    }

    fn listen(&mut self, asker: Asker, id: CallId, sound: Sound, op: Option<CallOp>) -> Handled {
        let Some(op) = op else { return Handled::DONE };
        self.call_op(Some(asker), id, None, What::Listen { call: id, sound }, op);
        Handled::Later
    }

    /// The provider has replied to a change of what it listens for; wishes may have gone meanwhile.
    pub(crate) fn listening_changed(
        &mut self,
        asker: Option<Asker>,
        id: CallId,
        sound: Sound,
        result: Result<Outcome, Refusal>,
    ) {
        let is_done = result.is_ok();
        if let Some(watch) = self.calls.get_mut(id).and_then(|call| call.sounds.as_mut()) {
            match sound {
                Sound::Media => watch.media.settle(is_done),
                Sound::Tones => watch.tones.settle(is_done),
            }
        }
        self.pass_on(asker, result);
        if is_done {
            self.listen_again(id, sound);
        }
    }

    fn listen_again(&mut self, id: CallId, sound: Sound) {
        let Some(call) = self.calls.get_mut(id).filter(|call| call.kind().is_live()) else { return };
        if let Some(op) = call.sounds.as_mut().and_then(|watch| watch.update(sound)) {
            self.call_op(None, id, None, What::Listen { call: id, sound }, op);
        }
    }

    /// An application has left a call: what it wished to hear is given up.
    pub(crate) fn forget_sounds(&mut self, id: CallId, app: AppId) {
        let Some(watch) = self.calls.get_mut(id).and_then(|call| call.sounds.as_mut()) else { return };
        watch.media.now.remove(&app);
        watch.tones.now.remove(&app);
        self.listen_again(id, Sound::Media);
        self.listen_again(id, Sound::Tones);
    }

    /// Monitoring ends with the conversation (inventory rule 58).
    pub(crate) fn stop_sounds(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(id) {
            call.sounds = None;
        }
    }

    /// A medium was heard; it does not change the media of the call (inventory rule 63).
    pub(crate) fn media_heard(&mut self, id: CallId, media: MediaSet) {
        let Some(watch) = self.calls.get(id).and_then(|call| call.sounds.as_ref()) else { return };
        let to: Vec<AppId> =
            watch.media.now.iter().filter(|(_, wish)| wish.intersects(media)).map(|(app, _)| *app).collect();
        self.tell(to, AppEvent::MediaHeard { call: id, media });
    }

    /// A tone was heard: the application whose list it stands in is told its place there.
    pub(crate) fn tone_heard(&mut self, id: CallId, place: u16) {
        let watch = self.calls.get(id).and_then(|call| call.sounds.as_ref());
        if let Some((app, tone)) = watch.and_then(|watch| watch.whose(place)) {
            self.tell_one(id, app, AppEvent::ToneHeard { call: id, terminal: None, tone, on: true });
        }
    }

    fn sounds_of(&mut self, id: CallId) -> Option<&mut SoundWatch> {
        Some(self.calls.get_mut(id)?.sounds.get_or_insert_default())
    }
}

fn changing(id: CallId, op: Op) -> Refusal {
    Refusal::new(RefusalKind::Busy, format!("{op} of {id} changes already; ask again once that is answered"))
}

/// Whether a tone is one at all; what is not a number is not equal to itself and would never be in force.
fn can_be_heard(tone: &Tone) -> bool {
    let frequencies = &tone.frequencies;
    (1..=8).contains(&frequencies.len())
        && tone.level.is_finite()
        && frequencies.iter().all(|hertz| (1.0..=24_000.0).contains(hertz))
}
