// SPDX-License-Identifier: MIT OR Apache-2.0
//! A call between two legs on the virtual network; each plays a tone and listens to the other's.

use std::f32::consts::TAU;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use offhook_media::engine::{
    AudioCodec, Control, Leg, LegConfig, LegControl, LegEvent, LegId, LegStatistics, MediaFormat, Outgoing,
    ReceiveStatistics, Remote, STEP, VirtualNetwork, VirtualPort, Weather, Worker, WorkerEnds,
};
use offhook_media::rtp::{NtpTime, PayloadType};
use offhook_media::{Flow, Format, FrameInfo, Sink, Source};
use offhook_spi::{Moment, TerminalKey};

/// The tone both say.
pub(crate) const TONE: f32 = 400.0;

pub(crate) struct Call {
    worker: Worker<VirtualNetwork>,
    ends: WorkerEnds<VirtualPort>,
    pub(crate) now: Moment,
    pub(crate) told: Vec<(usize, LegEvent)>,
    ears: [Ear; 2],
}

/// What was heard in 20 ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Root mean square.
    pub(crate) power: f32,
    /// The tone and nothing else.
    pub(crate) is_tone: bool,
}

impl Call {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, |_, _| {})
    }

    /// A call whose legs are changed before they are made.
    pub(crate) fn with(seed: u64, change: impl Fn(usize, &mut LegConfig)) -> Self {
        let network = VirtualNetwork::new(seed, Weather::default());
        let epoch = NtpTime::from_unix(Duration::from_secs(1_700_000_000));
        let (worker, ends) = Worker::new(network, 2, epoch);
        let now = Moment::from_millis(1_000);
        let ears = [Ear::default(), Ear::default()];
        let mut call = Self { worker, ends, now, told: Vec::new(), ears };
        for index in 0..2 {
            let port = call.worker.io_mut().open(address(index));
            let media = MediaFormat::symmetric(PayloadType::PCMU, AudioCodec::Pcmu, None);
            let remote = Remote::at(address(1 - index));
            let mut config = LegConfig::new(media, Some(remote), seed ^ (index as u64 + 1));
            change(index, &mut config);
            let leg = Leg::new(leg_id(index), &config, port, now);
            call.ends.controls.push(Control::Open(Box::new(leg))).unwrap();
            call.tell(index, LegControl::AddSource(TerminalKey(1), Box::new(Sine { at: 0 })));
            let ear = call.ears[index].clone();
            call.tell(index, LegControl::AddSink(TerminalKey(2), Box::new(ear)));
        }
        call
    }

    pub(crate) fn tell(&mut self, index: usize, control: LegControl) {
        self.ends.controls.push(Control::Leg(leg_id(index), control)).unwrap();
    }

    /// The weather on the way to each leg.
    pub(crate) fn set_weather(&mut self, weather: [Weather; 2]) {
        for (index, weather) in weather.into_iter().enumerate() {
            self.worker.io_mut().set_weather_to(address(index), weather);
        }
    }

    pub(crate) fn network(&mut self) -> &mut VirtualNetwork {
        self.worker.io_mut()
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now += STEP;
            self.worker.step(self.now);
            while let Ok(outgoing) = self.ends.events.pop() {
                if let Outgoing::Event(leg, event) = outgoing {
                    self.told.push((usize::from(leg == leg_id(1)), event));
                }
            }
        }
    }

    /// What both legs measured of what they receive.
    pub(crate) fn statistics(&mut self) -> [ReceiveStatistics; 2] {
        self.ask();
        [0, 1].map(|index| self.answer(index).received)
    }

    /// What a leg measured both ways.
    pub(crate) fn both(&mut self, index: usize) -> LegStatistics {
        self.ask();
        self.answer(index)
    }

    fn ask(&mut self) {
        self.told.retain(|(_, event)| !matches!(event, LegEvent::Statistics(_)));
        for index in 0..2 {
            self.tell(index, LegControl::Statistics(Box::default()));
        }
        self.run(STEP);
    }

    fn answer(&self, index: usize) -> LegStatistics {
        let found = self.told.iter().find_map(|(leg, event)| match event {
            LegEvent::Statistics(found) if *leg == index => Some((**found).clone()),
            _ => None,
        });
        found.unwrap()
    }

    pub(crate) fn heard_frames(&self) -> [usize; 2] {
        [0, 1].map(|leg| self.ears[leg].0.lock().unwrap().len() / 160)
    }

    /// What a leg heard, 20 ms by 20 ms.
    pub(crate) fn heard(&self, leg: usize) -> Vec<Frame> {
        let frame = |frame: &[i16]| {
            let (mut cosine, mut sine, mut power) = (0.0, 0.0, 1.0);
            for (n, sample) in frame.iter().enumerate() {
                let (phase, sample) = (n as f32 * TONE / 8_000.0 * TAU, f32::from(*sample));
                cosine += sample * phase.cos();
                sine += sample * phase.sin();
                power += sample * sample;
            }
            let share = 2.0 * (cosine * cosine + sine * sine) / (frame.len() as f32 * power);
            let power = (power / frame.len() as f32).sqrt();
            Frame { power, is_tone: power > 4_000.0 && share > 0.95 }
        };
        self.ears[leg].0.lock().unwrap().chunks_exact(160).map(frame).collect()
    }
}

pub(crate) fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 10_000 + index as u16 * 2))
}

pub(crate) const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn leg_id(index: usize) -> LegId {
    LegId::new(0, index as u16, 1)
}

struct Sine {
    at: u32,
}

impl Source for Sine {
    fn format(&self) -> Format {
        Format::TELEPHONE
    }

    fn pull(&mut self, out: &mut [i16], info: &mut FrameInfo) -> Flow {
        *info = FrameInfo::at(u64::from(self.at));
        for sample in out {
            *sample = (((self.at % 8_000) as f32 * TONE / 8_000.0 * TAU).sin() * 8_000.0) as i16;
            self.at += 1;
        }
        Flow::Continue
    }
}

#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<i16>>>);

impl Sink for Ear {
    fn format(&self) -> Format {
        Format::TELEPHONE
    }

    fn push(&mut self, samples: &[i16], _info: &FrameInfo) -> Flow {
        self.0.lock().unwrap().extend_from_slice(samples);
        Flow::Continue
    }
}
