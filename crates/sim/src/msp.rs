// SPDX-License-Identifier: MIT OR Apache-2.0
//! The counting MSP: sessions whose sound is words, and a count of everything that happened.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use offhook_spi::{
    Digit, DigitMode, Flowing, GenerationEnd, Machine, Manifest, MediaAction, MediaSet, Moment, MspCaps,
    MspCommand, MspEvent, Op, OpSet, Refusal, RefusalKind, Reply, RequestId, SchemaId, SessionKey, StreamKey,
    StreamState, Terminal, TerminalClass, TerminalControl, TerminalKey, Tone, VersionRange,
};

use crate::alarm::Alarms;
use crate::sound::{SIM_SCHEMA, Sound};

/// How long a key sounds unless told otherwise.
const KEY_LENGTH: Duration = Duration::from_millis(100);

/// What has happened in a counting MSP.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Sessions ever made.
    pub sessions: u64,
    /// Sessions that live now.
    pub live: u64,
    /// Digits sent by applications.
    pub digits_sent: u64,
    /// Digits heard from far ends.
    pub digits_heard: u64,
    /// Tones heard from far ends.
    pub tones_heard: u64,
    /// Files played to their end.
    pub files_played: u64,
}

#[derive(Debug, Default)]
struct Session {
    flow: Option<Flowing>,
    monitors: bool,
    terminals: BTreeMap<TerminalKey, Terminal>,
    /// Files that play to their end.
    playing: BTreeMap<TerminalKey, Playing>,
    generation: u64,
    generating: bool,
    /// What is generated is a tone.
    is_toning: bool,
}

/// A file on its way to its end.
#[derive(Clone, Copy, Debug)]
struct Playing {
    going: Going,
    /// Alarms of earlier turns are void.
    turn: u64,
}

#[derive(Clone, Copy, Debug)]
enum Going {
    /// It stands still, with so much left.
    Paused(Duration),
    /// It ends then.
    Until(Moment),
}

#[derive(Debug)]
enum Alarm {
    EndOfFile { session: SessionKey, terminal: TerminalKey, turn: u64 },
    Generated { session: SessionKey, generation: u64 },
    Press { session: SessionKey, generation: u64, digit: Digit },
}

/// The counting MSP.
#[derive(Debug, Default)]
pub struct CountingMsp {
    sessions: BTreeMap<SessionKey, Session>,
    /// Lengths of the files that exist in the simulated world.
    files: BTreeMap<String, Duration>,
    counts: Counts,
    alarms: Alarms<Alarm>,
    out: VecDeque<MspEvent>,
}

impl CountingMsp {
    /// Makes an MSP in whose world these files exist, with their lengths.
    #[must_use]
    pub fn new(files: BTreeMap<String, Duration>) -> Self {
        Self { files, ..Self::default() }
    }

    /// What the MSP says about itself.
    #[must_use]
    pub fn manifest() -> Manifest {
        Manifest {
            name: "sim-media".to_owned(),
            vendor: "offhook".to_owned(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            spi: VersionRange::CURRENT,
            schemas: vec![SchemaId::new(SIM_SCHEMA)],
        }
    }

    /// What has happened so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Lets a file exist; used by the driver, which can look at the real one.
    pub fn add_file(&mut self, path: String, length: Duration) {
        self.files.insert(path, length);
    }

    fn reply(&mut self, request: RequestId, result: Result<(), Refusal>) {
        let result = match result {
            Ok(()) => Reply::DONE,
            Err(refusal) => Reply::Refused(refusal),
        };
        self.out.push_back(MspEvent::Reply { request, result });
    }

    /// Answers a request about a session, after doing it where the session lives.
    fn with(
        &mut self,
        request: RequestId,
        session: SessionKey,
        act: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) {
        let result = if self.sessions.contains_key(&session) {
            act(self)
        } else {
            Err(Refusal::new(RefusalKind::StaleHandle, format!("{session} has ended")))
        };
        self.reply(request, result);
    }

    fn command(&mut self, now: Moment, command: MspCommand) {
        match command {
            MspCommand::Hello { .. } => self.out.push_back(MspEvent::Ready { caps: Self::caps() }),
            MspCommand::CreateSession { request, session, .. } => {
                self.sessions.insert(session, Session::default());
                self.counts.sessions += 1;
                self.counts.live += 1;
                self.reply(request, Ok(()));
            }
            MspCommand::EndSession { session } => self.end(session),
            MspCommand::Relay { session, data } => {
                if let Some(sound) = Sound::from_opaque(&data) {
                    self.heard(now, session, &sound);
                }
            }
            MspCommand::MonitorDigits { request, session, modes } => self.with(request, session, |msp| {
                msp.sessions.entry(session).and_modify(|s| s.monitors = !modes.is_empty());
                Ok(())
            }),
            MspCommand::GenerateDigits { request, session, digits, duration, .. } => {
                self.with(request, session, |msp| {
                    msp.generate(now, session, &digits, duration.unwrap_or(KEY_LENGTH));
                    Ok(())
                });
            }
            MspCommand::GenerateTone { request, session, tone } => self.with(request, session, |msp| {
                msp.generate_tone(now, session, tone);
                Ok(())
            }),
            MspCommand::SelectTerminal { request, session, terminal, what, .. } => {
                self.with(request, session, |msp| msp.select(now, session, terminal, what));
            }
            MspCommand::UnselectTerminal { request, session, terminal } => {
                self.with(request, session, |msp| msp.unselect(session, terminal));
            }
            MspCommand::TerminalControl { request, session, terminal, control } => {
                self.with(request, session, |msp| {
                    msp.control(now, session, terminal, control);
                    Ok(())
                });
            }
            MspCommand::SetStream { request, session, .. } => self.with(request, session, |_| Ok(())),
            MspCommand::Statistics { request, session } => self.with(request, session, |msp| {
                // Nothing was measured, so nothing is said.
                msp.out.push_back(MspEvent::Statistics { session, statistics: Box::default() });
                Ok(())
            }),
            _ => {}
        }
    }

    fn caps() -> MspCaps {
        MspCaps {
            ops: OpSet::from([Op::GenerateDigits, Op::GenerateTone, Op::MonitorDigits]),
            media: MediaSet::AUDIO,
            terminals: vec![
                TerminalClass::Echo,
                TerminalClass::FilePlayback,
                TerminalClass::Null,
                TerminalClass::Tone,
                TerminalClass::ToneDetector,
            ],
        }
    }

    fn end(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.remove(&key) {
            self.counts.live -= 1;
            if session.generating {
                self.out.push_back(MspEvent::Generated { session: key, end: GenerationEnd::Cancelled });
            }
            self.out.push_back(MspEvent::SessionEnded { session: key, statistics: None });
        }
    }

    fn say(&mut self, session: SessionKey, sound: Sound) {
        self.out.push_back(MspEvent::Relay { session, data: sound.into_opaque() });
    }

    fn heard(&mut self, now: Moment, key: SessionKey, sound: &Sound) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        match sound {
            Sound::Flow { flow } => {
                session.flow = Some(*flow);
                let state = if flow.receives() {
                    StreamState::Active { codec: "words".to_owned() }
                } else {
                    StreamState::Inactive
                };
                self.out.push_back(MspEvent::Stream { session: key, stream: StreamKey::AudioIn, state });
            }
            Sound::Control { action } => self.steer(now, key, *action),
            Sound::Digit { digit } => {
                self.counts.digits_heard += 1;
                if session.monitors {
                    let (digit, mode) = (*digit, DigitMode::Event);
                    self.out.push_back(MspEvent::Digit { session: key, digit, mode });
                }
            }
            Sound::Tone { frequency } => {
                self.counts.tones_heard += u64::from(frequency.is_some());
                self.detect(key, *frequency);
            }
        }
    }

    fn detect(&mut self, key: SessionKey, heard: Option<f32>) {
        let Some(session) = self.sessions.get(&key) else { return };
        for (terminal, what) in &session.terminals {
            let Terminal::ToneDetector { tones } = what else { continue };
            for (place, tone) in (0u16..).zip(tones) {
                let matches = |f: f32| tone.frequencies.iter().any(|wanted| (wanted - f).abs() <= 1.0);
                let on = heard.is_some_and(matches);
                if on || heard.is_none() {
                    self.out.push_back(MspEvent::ToneHeard {
                        session: key,
                        terminal: *terminal,
                        tone: place,
                        on,
                    });
                }
            }
        }
    }

    /// One generation runs per session: a new one ends the old as cancelled.
    fn replace_generation(&mut self, key: SessionKey, running: bool) -> u64 {
        let Some(session) = self.sessions.get_mut(&key) else { return 0 };
        let was = std::mem::replace(&mut session.generating, running);
        session.generation += 1;
        let generation = session.generation;
        if std::mem::take(&mut session.is_toning) {
            self.say(key, Sound::Tone { frequency: None });
        }
        if was {
            self.out.push_back(MspEvent::Generated { session: key, end: GenerationEnd::Cancelled });
        }
        generation
    }

    fn generate(&mut self, now: Moment, session: SessionKey, digits: &[Digit], length: Duration) {
        let generation = self.replace_generation(session, !digits.is_empty());
        let mut at = now;
        for digit in digits {
            self.alarms.set(at, Alarm::Press { session, generation, digit: *digit });
            at += length * 2;
        }
        if !digits.is_empty() {
            self.alarms.set(at, Alarm::Generated { session, generation });
        }
    }

    fn generate_tone(&mut self, now: Moment, session: SessionKey, tone: Option<Tone>) {
        let generation = self.replace_generation(session, tone.is_some());
        if let Some(tone) = tone {
            self.sessions.entry(session).and_modify(|session| session.is_toning = true);
            self.say(session, Sound::Tone { frequency: tone.frequencies.first().copied() });
            self.alarms.set(now + tone.duration, Alarm::Generated { session, generation });
        }
    }

    fn select(
        &mut self,
        now: Moment,
        session: SessionKey,
        terminal: TerminalKey,
        what: Terminal,
    ) -> Result<(), Refusal> {
        match &what {
            Terminal::FilePlayback { path, repeat } => {
                let Some(length) = self.files.get(path) else {
                    let detail = format!("there is no file '{path}' in the simulated world");
                    return Err(Refusal::new(RefusalKind::OperationFailed, detail));
                };
                if !repeat {
                    let ends = now + *length;
                    let playing = Playing { going: Going::Until(ends), turn: 0 };
                    if let Some(at) = self.sessions.get_mut(&session) {
                        at.playing.insert(terminal, playing);
                    }
                    self.alarms.set(ends, Alarm::EndOfFile { session, terminal, turn: 0 });
                }
            }
            Terminal::Tone { tone } => {
                let frequency = tone.frequencies.first().copied();
                self.say(session, Sound::Tone { frequency });
            }
            _ => {}
        }
        if let Some(session) = self.sessions.get_mut(&session) {
            session.terminals.insert(terminal, what);
        }
        Ok(())
    }

    /// Pauses, resumes or stops a file.
    fn control(&mut self, now: Moment, session: SessionKey, terminal: TerminalKey, control: TerminalControl) {
        let Some(at) = self.sessions.get_mut(&session) else { return };
        let (ends, turn) = match (at.playing.get_mut(&terminal), control) {
            (playing, TerminalControl::Stop) => (now, playing.map_or(0, |playing| playing.turn)),
            (Some(playing), TerminalControl::Pause) => {
                if let Going::Until(ends) = playing.going {
                    playing.going = Going::Paused(ends.since(now));
                    playing.turn += 1;
                }
                return;
            }
            (Some(playing), TerminalControl::Resume) => {
                let Going::Paused(left) = playing.going else { return };
                playing.going = Going::Until(now + left);
                (now + left, playing.turn)
            }
            _ => return,
        };
        self.alarms.set(ends, Alarm::EndOfFile { session, terminal, turn });
    }

    /// The TSP steers what plays: every file of the session.
    fn steer(&mut self, now: Moment, session: SessionKey, action: MediaAction) {
        let control = match action {
            MediaAction::Pause => TerminalControl::Pause,
            MediaAction::Resume => TerminalControl::Resume,
            MediaAction::Stop => TerminalControl::Stop,
            // Words have no loudness.
            _ => return,
        };
        let Some(at) = self.sessions.get(&session) else { return };
        let plays = |(_, what): &(&TerminalKey, &Terminal)| matches!(what, Terminal::FilePlayback { .. });
        let files: Vec<TerminalKey> = at.terminals.iter().filter(plays).map(|(key, _)| *key).collect();
        files.into_iter().for_each(|terminal| self.control(now, session, terminal, control));
    }

    fn unselect(&mut self, session: SessionKey, terminal: TerminalKey) -> Result<(), Refusal> {
        let removed = self.sessions.get_mut(&session).and_then(|s| s.terminals.remove(&terminal));
        match removed {
            Some(Terminal::Tone { .. }) => {
                self.say(session, Sound::Tone { frequency: None });
                Ok(())
            }
            Some(_) => Ok(()),
            None => Err(Refusal::new(RefusalKind::StaleHandle, format!("{session} has no {terminal}"))),
        }
    }

    fn wake(&mut self, alarm: &Alarm) {
        match *alarm {
            Alarm::EndOfFile { session, terminal, turn } => {
                let Some(at) = self.sessions.get_mut(&session) else { return };
                if at.playing.get(&terminal).is_some_and(|playing| playing.turn != turn) {
                    return;
                }
                at.playing.remove(&terminal);
                if at.terminals.remove(&terminal).is_some() {
                    self.counts.files_played += 1;
                    self.out.push_back(MspEvent::EndOfFile { session, terminal });
                }
            }
            Alarm::Press { session, generation, digit } => {
                if self.sessions.get(&session).is_some_and(|s| s.generation == generation) {
                    self.counts.digits_sent += 1;
                    self.say(session, Sound::Digit { digit });
                }
            }
            Alarm::Generated { session, generation } => {
                let Some(current) = self.sessions.get_mut(&session) else { return };
                if current.generation == generation && std::mem::take(&mut current.generating) {
                    if std::mem::take(&mut current.is_toning) {
                        self.say(session, Sound::Tone { frequency: None });
                    }
                    self.out.push_back(MspEvent::Generated { session, end: GenerationEnd::Done });
                }
            }
        }
    }
}

impl Machine for CountingMsp {
    type Input = MspCommand;
    type Output = MspEvent;

    fn handle(&mut self, now: Moment, command: MspCommand) {
        self.command(now, command);
    }

    fn handle_timeout(&mut self, now: Moment) {
        while let Some(alarm) = self.alarms.due(now) {
            self.wake(&alarm);
        }
    }

    fn poll(&mut self) -> Option<MspEvent> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Moment> {
        self.alarms.next()
    }
}
