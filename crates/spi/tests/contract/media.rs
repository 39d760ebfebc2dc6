// SPDX-License-Identifier: MIT OR Apache-2.0
//! Terminals, tones, changes of streams, and what was measured.

use std::collections::BTreeMap;
use std::time::Duration;

use offhook_spi::{
    Gather, RecordingEnd, SessionStatistics, StreamChange, StreamKey, StreamState, StreamStatistics,
    Terminal, TerminalControl, Tone,
};

use crate::calls::digits;
use crate::pin::{Form, pin};

pub(crate) fn tone() -> Tone {
    Tone { frequencies: vec![440.0, 480.5], duration: Duration::from_millis(2_500), level: -10.0 }
}

pub(crate) fn terminals() -> Vec<Terminal> {
    vec![
        Terminal::Application { port: 3 },
        Terminal::Echo,
        Terminal::FilePlayback { path: "prompt.wav".to_owned(), repeat: true },
        Terminal::FileRecording { path: "recording.wav".to_owned() },
        Terminal::Null,
        Terminal::Tone { tone: tone() },
        Terminal::ToneDetector { tones: vec![tone()] },
    ]
}

pub(crate) fn stream_changes() -> Vec<StreamChange> {
    vec![
        StreamChange::Gain(-6.5),
        StreamChange::Mute,
        StreamChange::Pause,
        StreamChange::Start,
        StreamChange::Unmute,
    ]
}

pub(crate) fn terminal_controls() -> Vec<TerminalControl> {
    vec![
        TerminalControl::Pause,
        TerminalControl::Resume,
        TerminalControl::Seek(Duration::from_millis(1_500)),
        TerminalControl::Stop,
    ]
}

pub(crate) fn stream_states() -> Vec<StreamState> {
    vec![
        StreamState::Active { codec: "PCMU/8000".to_owned() },
        StreamState::Failed { detail: "the sound device is gone".to_owned() },
        StreamState::Inactive,
        StreamState::Silent,
    ]
}

pub(crate) fn recording_ends() -> Vec<RecordingEnd> {
    let detail = "the disk is full".to_owned();
    vec![RecordingEnd::Failed { detail }, RecordingEnd::Stored { duration: Duration::from_millis(3_200) }]
}

pub(crate) fn statistics() -> SessionStatistics {
    let incoming = StreamStatistics {
        codec: Some("PCMU/8000".to_owned()),
        local: Some("192.0.2.1:16384".to_owned()),
        remote: Some("192.0.2.2:16384".to_owned()),
        packets: 500,
        bytes: 80_000,
        lost: Some(5),
        loss: Some(0.01),
        late: Some(1),
        concealed: Some(6),
        jitter: Some(Duration::from_micros(1_250)),
        buffer: Some(Duration::from_millis(60)),
        level: Some(-20.5),
        mos: Some(4.25),
    };
    let streams = BTreeMap::from([
        (StreamKey::AudioIn, incoming),
        (
            StreamKey::AudioOut,
            StreamStatistics { packets: 501, bytes: 80_160, ..StreamStatistics::default() },
        ),
    ]);
    SessionStatistics { streams, round_trip: Some(Duration::from_millis(40)) }
}

#[test]
fn tones() {
    pin("tones", Form::Plain, &[tone()]);
    let short: Tone =
        serde_json::from_str(r#"{"frequencies":[440.0],"duration":{"secs":1,"nanos":0}}"#).unwrap();
    assert_eq!(short.level.to_bits(), Tone::usual_level().to_bits(), "the level may be left out");
}

#[test]
fn gatherings_of_digits() {
    let bare = Gather { max: 1, terminators: Vec::new(), first_timeout: None, inter_timeout: None };
    let timeout = Some(Duration::from_secs(3));
    let full = Gather { max: 16, terminators: digits("#*"), first_timeout: timeout, inter_timeout: timeout };
    pin("gathers", Form::Plain, &[bare.clone(), full]);
    assert_eq!(serde_json::from_str::<Gather>(r#"{"max":1}"#).unwrap(), bare);
}

#[test]
fn what_can_be_put_on_streams_and_done_there() {
    pin("terminals", Form::Tagged("class"), &terminals());
    pin("terminal_controls", Form::Words, &terminal_controls());
    pin("stream_changes", Form::Words, &stream_changes());
}

#[test]
fn what_becomes_of_streams_and_recordings() {
    pin("stream_states", Form::Tagged("stream_state"), &stream_states());
    pin("recording_ends", Form::Tagged("end"), &recording_ends());
}

#[test]
fn figures_that_were_not_measured_are_absent() {
    pin("statistics", Form::Plain, &[SessionStatistics::default(), statistics()]);
    let bare = serde_json::to_string(&StreamStatistics::default()).unwrap();
    assert_eq!(bare, r#"{"packets":0,"bytes":0}"#);
}
