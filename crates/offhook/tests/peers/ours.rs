// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our end of a call with a peer, and how its sound is judged.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use offhook::{Call, CallState, Interest, Line, LineConfig, Offhook, RtpConfig, SampleRate, SipConfig};

use offhook_media::file::{self, Encoding, SoundSpec, WavWriter};
use offhook_media::level::Level;
use offhook_media::signal;
use offhook_media::tone::Frequency;
use offhook_media::tone::analysis::{ToneLimits, ToneReport, analyse};
use tokio::time::timeout;

use super::{PATIENCE, folder};

/// A server of ours with one line that is open for calls.
pub struct Phone {
    pub server: Offhook,
    pub line: Line,
}

impl Phone {
    /// A line called `ours` that needs no registrar.
    pub async fn direct() -> Self {
        Self::start(SipConfig::direct("ours")).await
    }

    /// The first line of a configuration.
    pub async fn start(sip: SipConfig) -> Self {
        Self::start_with(sip, rtp()).await
    }

    /// The same with its own ports and codecs.
    pub async fn start_with(sip: SipConfig, rtp: RtpConfig) -> Self {
        let name = sip.lines[0].name.clone();
        let server = Offhook::builder().sip(sip).rtp(rtp).start().await.unwrap();
        let line = server.app("test").await.unwrap().line(&name).await.unwrap();
        line.open(Interest::OWN_AUDIO).await.unwrap();
        Self { server, line }
    }

    /// A line called `ours` that prefers one transport, on a free port of it.
    pub async fn over(transport: &str, certificate: &Path) -> Self {
        let mut sip = SipConfig::default();
        let mut line = LineConfig::direct("ours");
        line.transport = Some(transport.to_owned());
        sip.tls.certificate = Some(certificate.to_owned());
        sip.tls.key = Some(certificate.to_owned());
        sip.tls.trust_anybody = true;
        let listen = format!("{transport}:127.0.0.1:0");
        Self::start(sip.listening(&[&listen]).unwrap().with_line(line)).await
    }

    pub fn address(&self) -> String {
        self.server.sip_uri("ours").unwrap()
    }

    /// Waits for a call.
    pub async fn incoming(&self) -> Call {
        timeout(PATIENCE, self.line.incoming()).await.expect("a call comes in").unwrap()
    }

    /// Calls, and waits until the far end has answered.
    pub async fn connect(&self, to: impl Into<String>) -> Call {
        let call = self.line.call(to).await.unwrap();
        timeout(PATIENCE, call.connected()).await.expect("they answer").unwrap();
        call
    }

    /// Waits for a call, answers it and waits until it stands.
    pub async fn answer(&self) -> Call {
        let call = self.incoming().await;
        call.answer().await.unwrap();
        timeout(PATIENCE, call.connected()).await.expect("they confirm").unwrap();
        call
    }

    pub async fn end(self) {
        self.server.shutdown().await;
        assert_eq!(self.server.violations(), 0);
    }
}

/// RTP on ports that no other server of this program uses, below those that the system gives away.
pub fn rtp() -> RtpConfig {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed) % 20;
    let low = 10_000 + (std::process::id() % 20) as u16 * 400 + nth * 20;
    RtpConfig { ports: (low, low + 19), workers: 1, ..RtpConfig::default() }
}

/// Waits until a call is in a state.
pub async fn reaches(call: &Call, wanted: CallState) {
    let reached = timeout(PATIENCE, call.reaches(|state| *state == wanted)).await;
    reached.unwrap_or_else(|_| panic!("{wanted:?} expected, it is {:?}", call.state())).unwrap();
}

/// A WAV file of 8 kHz mono with a tone.
pub fn tone_file(hertz: f32, dbov: f32, duration: Duration) -> PathBuf {
    let rate = SampleRate::HZ_8000;
    let samples = signal::tone(rate, Frequency::from_hertz(hertz), Level::from_dbov(dbov), duration);
    let path = folder("tone").join("tone.wav");
    let output = std::fs::File::create(&path).unwrap();
    let mut wav = WavWriter::new(output, SoundSpec::mono(Encoding::PcmS16, rate)).unwrap();
    wav.write(&samples).unwrap();
    wav.finish().unwrap();
    path
}

/// Asserts that one recording carries the tone of another: 1 Hz, 1 dB, no gap over 40 ms.
pub fn assert_same_tone(what: &str, sent: &Path, heard: &Path, least: Duration) {
    let (sent, heard) = (measured(sent), measured(heard));
    println!(
        "{what}: {:.2} Hz heard as {:.2}, {:.2} dBov as {:.2}, {:.0} ms of it, longest gap {:.1} ms",
        sent.frequency_hz,
        heard.frequency_hz,
        sent.level.dbov(),
        heard.level.dbov(),
        heard.present_ms,
        heard.longest_gap_ms,
    );
    assert!(
        heard.matches(sent.frequency_hz, sent.level, &ToneLimits::default()),
        "{what}: {sent:?} {heard:?}"
    );
    assert!(heard.present_ms >= least.as_secs_f64() * 1_000.0, "{what}: {heard:?}");
}

fn measured(path: &Path) -> ToneReport {
    let mut sound = file::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let samples = file::load(sound.as_mut(), SampleRate::HZ_8000, 8_000 * 60).unwrap();
    let report = analyse(&samples, SampleRate::HZ_8000);
    report.unwrap_or_else(|| panic!("no tone in the {} samples of {}", samples.len(), path.display()))
}

/// A fresh certificate for the loopback address with its key, in one PEM file.
pub fn certificate() -> PathBuf {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let path = folder("certificate").join("both.pem");
    std::fs::write(&path, format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem())).unwrap();
    path
}
