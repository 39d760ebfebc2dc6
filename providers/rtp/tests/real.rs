// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two sessions of one provider talk to each other over loopback sockets.
#![expect(clippy::unwrap_used, reason = "the functions around the tests are tests too")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use offhook_media::Format;
use offhook_media::SampleRate;
use offhook_media::file;
use offhook_media::level::Level;
use offhook_media::tone::analysis::{ToneLimits, ToneReport, analyse};
use offhook_media::tone::{Component, Repeat, Step, ToneGenerator, ToneScript};
use offhook_rtp::{Ports, RtpConfig, RtpMsp};
use offhook_spi::{
    CallKey, Digit, DigitMode, Flowing, GenerationEnd, HostLink, Link, MediaSet, Msp, MspCommand, MspEvent,
    RecordingEnd, Reply, RequestId, SDP_SCHEMA, SchemaId, SdpMessage, SessionKey, SessionStatistics,
    StreamChange, StreamKey, StreamState, Terminal, TerminalControl, TerminalKey, Tone,
};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const ONE: SessionKey = SessionKey(1);
const OTHER: SessionKey = SessionKey(2);
const PATIENCE: Duration = Duration::from_secs(8);

/// The host of a provider that runs.
struct Host {
    link: HostLink<MspCommand, MspEvent>,
    run: JoinHandle<()>,
    requests: u64,
    /// Events that nobody has waited for yet.
    seen: Vec<MspEvent>,
}

impl Host {
    async fn start(config: RtpConfig) -> (Self, Ports) {
        let msp = RtpMsp::new(config);
        let ports = msp.ports().clone();
        let (link, provider) = Link::pair(256);
        let run = tokio::spawn(async move { msp.run(provider).await.unwrap() });
        let mut host = Self { link, run, requests: 0, seen: Vec::new() };
        host.wait(|event| matches!(event, MspEvent::Ready { .. }).then_some(())).await;
        (host, ports)
    }

    /// With two sessions that have agreed to talk to each other.
    async fn talking(config: RtpConfig) -> (Self, Ports) {
        let (mut host, ports) = Self::start(config).await;
        host.create(ONE).await;
        host.create(OTHER).await;
        host.negotiate(Flowing::Both).await;
        (host, ports)
    }

    async fn wait<T>(&mut self, mut wanted: impl FnMut(&MspEvent) -> Option<T>) -> T {
        if let Some(place) = self.seen.iter().position(|event| wanted(event).is_some()) {
            let event = self.seen.remove(place);
            return wanted(&event).unwrap();
        }
        let found = timeout(PATIENCE, async {
            loop {
                let event = self.link.events.recv().await.expect("the provider runs");
                match wanted(&event) {
                    Some(found) => return found,
                    None => self.seen.push(event),
                }
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => panic!("it never came; these came: {:#?}", self.seen),
        }
    }

    async fn command(&self, command: MspCommand) {
        self.link.commands.send(command).await.unwrap();
    }

    async fn request(&mut self, command: impl FnOnce(RequestId) -> MspCommand) {
        self.requests += 1;
        let ours = RequestId(self.requests);
        self.command(command(ours)).await;
        let reply = self.wait(|event| match event {
            MspEvent::Reply { request, result } if *request == ours => Some(result.clone()),
            _ => None,
        });
        assert_eq!(reply.await, Reply::DONE);
    }

    async fn create(&mut self, session: SessionKey) {
        self.request(|request| MspCommand::CreateSession {
            request,
            session,
            call: CallKey::core(session.0),
            line: "line".to_owned(),
            media: MediaSet::AUDIO,
            schema: SchemaId::new(SDP_SCHEMA),
        })
        .await;
    }

    async fn relay(&self, session: SessionKey, message: SdpMessage) {
        self.command(MspCommand::Relay { session, data: message.into_opaque() }).await;
    }

    async fn said(&mut self, by: SessionKey) -> SdpMessage {
        self.wait(|event| match event {
            MspEvent::Relay { session, data } if *session == by => SdpMessage::from_opaque(data),
            _ => None,
        })
        .await
    }

    /// Session one offers, the other answers, as two TSPs would relay it.
    async fn negotiate(&mut self, flow: Flowing) {
        self.relay(ONE, SdpMessage::OfferWanted { flow }).await;
        let SdpMessage::Offer { sdp } = self.said(ONE).await else { panic!("expected an offer") };
        self.relay(OTHER, SdpMessage::Offer { sdp }).await;
        let SdpMessage::Answer { sdp } = self.said(OTHER).await else { panic!("expected an answer") };
        self.relay(OTHER, SdpMessage::Commit).await;
        self.relay(ONE, SdpMessage::Answer { sdp }).await;
    }

    async fn select(&mut self, session: SessionKey, stream: StreamKey, terminal: u64, what: Terminal) {
        let terminal = TerminalKey(terminal);
        self.request(|request| MspCommand::SelectTerminal { request, session, stream, terminal, what }).await;
    }

    async fn unselect(&mut self, session: SessionKey, terminal: u64) {
        let terminal = TerminalKey(terminal);
        self.request(|request| MspCommand::UnselectTerminal { request, session, terminal }).await;
    }

    async fn stream(&mut self, of: SessionKey, which: StreamKey, wanted: StreamState) {
        self.wait(|event| match event {
            MspEvent::Stream { session, stream, state } => {
                (*session == of && *stream == which && *state == wanted).then_some(())
            }
            _ => None,
        })
        .await;
    }

    async fn record(&mut self, session: SessionKey, terminal: u64, path: &Path) {
        let path = path.to_str().unwrap().to_owned();
        self.select(session, StreamKey::AudioIn, terminal, Terminal::FileRecording { path }).await;
    }

    async fn statistics(&mut self, of: SessionKey) -> SessionStatistics {
        self.request(|request| MspCommand::Statistics { request, session: of }).await;
        self.wait(|event| match event {
            MspEvent::Statistics { session, statistics } if *session == of => Some((**statistics).clone()),
            _ => None,
        })
        .await
    }

    async fn end(mut self) -> Vec<SessionStatistics> {
        let mut last = Vec::new();
        for ending in [ONE, OTHER] {
            self.command(MspCommand::EndSession { session: ending }).await;
            let ended = self.wait(|event| match event {
                MspEvent::SessionEnded { session, statistics } if *session == ending => {
                    Some(statistics.as_deref().cloned())
                }
                _ => None,
            });
            last.extend(ended.await);
        }
        drop(self.link);
        timeout(PATIENCE, self.run).await.unwrap().unwrap();
        last
    }
}

fn config(first: u16) -> RtpConfig {
    RtpConfig { ports: (first, first + 99), workers: 1, ..RtpConfig::default() }
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("offhook-rtp-{}-{name}.wav", std::process::id()))
}

fn tone(hertz: f32) -> Tone {
    Tone { frequencies: vec![hertz], duration: Duration::from_millis(200), level: -12.0 }
}

/// What was recorded, without its first 200 ms; the file is removed.
fn heard(path: &Path) -> Vec<i16> {
    let mut sound = file::open(path).unwrap();
    let samples = file::load(&mut *sound, SampleRate::HZ_8000, 1 << 20).unwrap();
    std::fs::remove_file(path).ok();
    samples.into_iter().skip(1_600).collect()
}

fn report(path: &Path) -> ToneReport {
    analyse(&heard(path), SampleRate::HZ_8000).expect("a tone was recorded")
}

/// Frequency within 1 Hz, level within 1 dB, no gap over 40 ms.
fn limits() -> ToneLimits {
    ToneLimits { frequency_hz: 1.0, level_db: 1.0, gap_ms: 40.0 }
}

async fn second() {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
}

fn recorded(event: &MspEvent) -> Option<RecordingEnd> {
    match event {
        MspEvent::Recorded { end, .. } => Some(end.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn real_tones_cross_both_ways() {
    let (mut host, _) = Host::talking(config(41_000)).await;
    let (one, other) = (scratch("cross-one"), scratch("cross-other"));
    host.select(ONE, StreamKey::AudioOut, 1, Terminal::Tone { tone: tone(440.0) }).await;
    host.select(OTHER, StreamKey::AudioOut, 2, Terminal::Tone { tone: tone(1_000.0) }).await;
    let active = || StreamState::Active { codec: "PCMU/8000".to_owned() };
    host.stream(ONE, StreamKey::AudioIn, active()).await;
    host.stream(OTHER, StreamKey::AudioIn, active()).await;
    host.record(ONE, 3, &one).await;
    host.record(OTHER, 4, &other).await;
    second().await;
    host.unselect(ONE, 3).await;
    let RecordingEnd::Stored { duration } = host.wait(recorded).await else { panic!("not stored") };
    assert!(duration > Duration::from_millis(1_300), "{duration:?}");
    let last = host.end().await;
    let level = Level::from_dbm0(-12.0);
    let (one, other) = (report(&one), report(&other));
    assert!(one.matches(1_000.0, level, &limits()), "{one:?}");
    assert!(other.matches(440.0, level, &limits()), "{other:?}");
    assert_eq!(last.len(), 2);
    for statistics in last {
        let incoming = &statistics.streams[&StreamKey::AudioIn];
        assert!(incoming.packets > 50, "{incoming:?}");
        assert_eq!(incoming.lost, Some(0), "{incoming:?}");
        assert!(incoming.mos.is_some_and(|mos| mos > 4.0), "{incoming:?}");
        assert!(statistics.streams[&StreamKey::AudioOut].packets > 50);
    }
}

#[tokio::test]
async fn real_digits_travel_both_ways_and_both_modes() {
    let (mut host, _) = Host::talking(config(41_100)).await;
    for (first, from, to, mode) in [
        (1, ONE, OTHER, DigitMode::Event),
        (2, OTHER, ONE, DigitMode::Event),
        (3, ONE, OTHER, DigitMode::Tone),
    ] {
        let modes = vec![mode];
        host.request(|request| MspCommand::MonitorDigits { request, session: to, modes }).await;
        let sent: Vec<Digit> = format!("{first}5#").chars().filter_map(Digit::new).collect();
        let digits = sent.clone();
        host.request(|request| MspCommand::GenerateDigits {
            request,
            session: from,
            digits,
            mode: Some(mode),
            duration: Some(Duration::from_millis(80)),
        })
        .await;
        for wanted in sent {
            let heard = host.wait(|event| match event {
                MspEvent::Digit { session, digit, mode } if *session == to => Some((*digit, *mode)),
                _ => None,
            });
            assert_eq!(heard.await, (wanted, mode));
        }
        let end = host.wait(|event| match event {
            MspEvent::Generated { session, end } if *session == from => Some(*end),
            _ => None,
        });
        assert_eq!(end.await, GenerationEnd::Done);
    }
    host.end().await;
}

#[tokio::test]
async fn real_files_are_played_and_recorded() {
    let (prompt, copy) = (scratch("prompt"), scratch("copy"));
    let script = ToneScript::new(
        [Step::tone(&[Component::new(620.0, -15.0)], Duration::from_millis(1_500))],
        Repeat::Times(1),
    );
    write(&prompt, &ToneGenerator::new(Format::TELEPHONE, &script).render(Duration::from_secs(2)));
    let (mut host, _) = Host::start(config(41_200)).await;
    host.create(ONE).await;
    host.create(OTHER).await;
    let path = prompt.to_str().unwrap().to_owned();
    // Selected before anything flows: nothing of it is lost.
    host.select(ONE, StreamKey::AudioOut, 1, Terminal::FilePlayback { path, repeat: false }).await;
    host.record(OTHER, 2, &copy).await;
    second().await;
    host.negotiate(Flowing::Both).await;
    host.wait(|event| matches!(event, MspEvent::EndOfFile { session: ONE, .. }).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    host.unselect(OTHER, 2).await;
    assert!(matches!(host.wait(recorded).await, RecordingEnd::Stored { .. }));
    host.end().await;
    std::fs::remove_file(&prompt).ok();
    let mut sound = file::open(&copy).unwrap();
    let samples = file::load(&mut *sound, SampleRate::HZ_8000, 1 << 20).unwrap();
    std::fs::remove_file(&copy).ok();
    let report = analyse(&samples, SampleRate::HZ_8000).unwrap();
    assert!(report.matches(620.0, Level::from_dbm0(-15.0), &limits()), "{report:?}");
    assert!(report.present_ms > 1_450.0, "{report:?}");
}

#[tokio::test]
async fn real_echo_comes_back_through_a_program() {
    let (mut host, ports) = Host::talking(config(41_300)).await;
    host.select(OTHER, StreamKey::AudioOut, 1, Terminal::Echo).await;
    let (port, mut audio) = ports.open(SampleRate::HZ_16000);
    host.select(ONE, StreamKey::AudioOut, 2, Terminal::Application { port }).await;
    host.select(ONE, StreamKey::AudioIn, 3, Terminal::Application { port }).await;
    let wide = Format::mono(SampleRate::HZ_16000, Duration::from_millis(20));
    let script = ToneScript::steady(&[Component::new(700.0, -12.0)]);
    let sound = ToneGenerator::new(wide, &script).render(Duration::from_millis(2_500));
    let speaking = tokio::spawn(async move {
        assert!(audio.to_call.write_whole(&sound).await);
        audio.to_call
    });
    let mut echo = vec![0; 2 * 16_000];
    let count = timeout(PATIENCE, audio.from_call.read_whole(&mut echo)).await.unwrap();
    assert_eq!(count, echo.len());
    let to_call = speaking.await.unwrap();
    assert!(to_call.heard_up_to() > 16_000);
    let report = analyse(&echo[8_000..], SampleRate::HZ_16000).unwrap();
    assert!(report.matches(700.0, Level::from_dbm0(-12.0), &limits()), "{report:?}");
    host.end().await;
    assert!(audio.from_call.is_over() || audio.from_call.read(&mut echo) > 0);
}

#[tokio::test]
async fn real_hold_stops_the_sound_and_resume_brings_it_back() {
    let (mut host, _) = Host::talking(config(41_400)).await;
    let tones = vec![tone(500.0)];
    host.select(OTHER, StreamKey::AudioIn, 1, Terminal::ToneDetector { tones }).await;
    host.select(ONE, StreamKey::AudioOut, 2, Terminal::Tone { tone: tone(500.0) }).await;
    let turned = |wanted: bool| {
        move |event: &MspEvent| match event {
            MspEvent::ToneHeard { session: OTHER, tone: 0, on, .. } if *on == wanted => Some(()),
            _ => None,
        }
    };
    host.wait(turned(true)).await;
    host.negotiate(Flowing::Neither).await;
    for held in [ONE, OTHER] {
        host.stream(held, StreamKey::AudioIn, StreamState::Inactive).await;
        host.stream(held, StreamKey::AudioOut, StreamState::Inactive).await;
    }
    host.wait(turned(false)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = host.statistics(ONE).await.streams[&StreamKey::AudioOut].packets;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after = host.statistics(ONE).await.streams[&StreamKey::AudioOut].packets;
    assert_eq!(before, after, "nothing is sent on hold");
    host.negotiate(Flowing::Both).await;
    host.wait(turned(true)).await;
    let mute = |change| {
        move |request| MspCommand::SetStream { request, session: ONE, stream: StreamKey::AudioOut, change }
    };
    host.request(mute(StreamChange::Mute)).await;
    host.wait(turned(false)).await;
    host.request(mute(StreamChange::Unmute)).await;
    host.wait(turned(true)).await;
    host.request(mute(StreamChange::Pause)).await;
    host.wait(turned(false)).await;
    host.request(mute(StreamChange::Start)).await;
    host.wait(turned(true)).await;
    host.end().await;
}

#[tokio::test]
async fn real_files_pause_seek_and_stop() {
    let prompt = scratch("controlled");
    write(&prompt, &vec![0; 8_000 * 60]);
    let (mut host, _) = Host::talking(config(41_500)).await;
    let path = prompt.to_str().unwrap().to_owned();
    host.select(ONE, StreamKey::AudioOut, 1, Terminal::FilePlayback { path: path.clone(), repeat: false })
        .await;
    let mut steer = async |control| {
        let terminal = TerminalKey(1);
        host.request(|request| MspCommand::TerminalControl { request, session: ONE, terminal, control })
            .await;
    };
    steer(TerminalControl::Pause).await;
    steer(TerminalControl::Resume).await;
    steer(TerminalControl::Seek(Duration::from_millis(59_500))).await;
    let ended = |event: &MspEvent| matches!(event, MspEvent::EndOfFile { .. }).then_some(());
    host.wait(ended).await;
    host.unselect(ONE, 1).await;
    host.select(ONE, StreamKey::AudioOut, 1, Terminal::FilePlayback { path, repeat: true }).await;
    let terminal = TerminalKey(1);
    let control = TerminalControl::Stop;
    host.request(|request| MspCommand::TerminalControl { request, session: ONE, terminal, control }).await;
    host.wait(ended).await;
    std::fs::remove_file(&prompt).ok();
    host.end().await;
}

#[tokio::test]
async fn real_files_that_cannot_be_opened_are_refused() {
    let (mut host, _) = Host::talking(config(41_600)).await;
    let missing = scratch("no-such-folder").join("x.wav");
    let path = missing.to_str().unwrap().to_owned();
    for (key, stream, what) in [
        (1, StreamKey::AudioOut, Terminal::FilePlayback { path: path.clone(), repeat: false }),
        (2, StreamKey::AudioIn, Terminal::FileRecording { path }),
        (3, StreamKey::AudioIn, Terminal::Application { port: 99 }),
    ] {
        let ours = RequestId(1_000 + key);
        host.command(MspCommand::SelectTerminal {
            request: ours,
            session: ONE,
            stream,
            terminal: TerminalKey(key),
            what,
        })
        .await;
        let reply = host.wait(|event| match event {
            MspEvent::Reply { request, result } if *request == ours => Some(result.clone()),
            _ => None,
        });
        assert!(matches!(reply.await, Reply::Refused(_)));
    }
    host.end().await;
}

#[tokio::test]
async fn real_ports_are_free_again_after_the_end() {
    let config = RtpConfig { ports: (41_700, 41_703), workers: 1, ..RtpConfig::default() };
    for _ in 0..3 {
        let (host, _) = Host::talking(config.clone()).await;
        host.end().await;
    }
    let (mut host, _) = Host::talking(config).await;
    let ours = RequestId(1_000);
    host.command(MspCommand::CreateSession {
        request: ours,
        session: SessionKey(3),
        call: CallKey::core(3),
        line: "line".to_owned(),
        media: MediaSet::AUDIO,
        schema: SchemaId::new(SDP_SCHEMA),
    })
    .await;
    let reply = host.wait(|event| match event {
        MspEvent::Reply { request, result } if *request == ours => Some(result.clone()),
        _ => None,
    });
    let Reply::Refused(refusal) = reply.await else { panic!("there are two pairs of ports only") };
    assert!(refusal.detail.contains("no ports for RTP"), "{refusal}");
    host.end().await;
}

#[tokio::test]
async fn a_configuration_that_cannot_run_is_told() {
    let msp = RtpMsp::new(RtpConfig { codecs: Vec::new(), ..RtpConfig::default() });
    let (_host, provider) = Link::pair(8);
    let error = msp.run(provider).await.unwrap_err();
    assert!(error.detail.contains("codecs is empty"), "{error}");
}

/// Writes 16-bit mono at 8 kHz.
fn write(path: &Path, samples: &[i16]) {
    let spec = file::SoundSpec::mono(file::Encoding::PcmS16, SampleRate::HZ_8000);
    let mut wav = file::WavWriter::new(std::fs::File::create(path).unwrap(), spec).unwrap();
    wav.write(samples).unwrap();
    wav.finish().unwrap();
}
