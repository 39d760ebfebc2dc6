// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nothing on the tick allocates or frees: an allocator that refuses to work watches every step.

use std::net::SocketAddr;
use std::time::Duration;

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use offhook_media::engine::{
    AudioCodec, Channel, Control, Datagram, Echo, Guard, Leg, LegConfig, LegControl, LegId, LegMedia,
    MediaFormat, PacketIo, Peer, PortPool, PortRange, Protection, Received, Remote, RtcpMode, STEP, Sent,
    UdpIo, Worker, WorkerEnds,
};
use offhook_media::ring;
use offhook_media::rtp::{NtpTime, PayloadType, Random};
use offhook_media::srtp::{MasterKey, Protector, Suite, Unprotector};
use offhook_media::{Channels, Discard, Format, SampleRate, Silence};
use offhook_spi::{Digit, Flowing, Moment, TerminalKey};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

const LEGS: u16 = 8;
/// Datagrams that may wait at a port.
const WAITING: usize = 8;

/// A lossy network between neighbouring legs that owns all its memory.
struct Wire {
    queues: Vec<[([u8; 1_500], usize); WAITING]>,
    filled: Vec<usize>,
    random: Random,
    now: Moment,
}

fn address(port: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 2_000 + port as u16))
}

impl Wire {
    fn new() -> Self {
        let ports = usize::from(LEGS) * 2;
        let queues = vec![[([0; 1_500], 0); WAITING]; ports];
        Self { queues, filled: vec![0; ports], random: Random::new(3), now: Moment::ZERO }
    }
}

impl PacketIo for Wire {
    type Port = usize;

    fn begin(&mut self, now: Moment) {
        self.now = now;
    }

    fn receive(&mut self, port: &mut usize, channel: Channel, buffer: &mut [u8]) -> Received {
        let at = *port + usize::from(channel == Channel::Rtcp);
        if self.filled[at] == 0 {
            return Received::Nothing;
        }
        let (bytes, len) = self.queues[at][0];
        buffer[..len].copy_from_slice(&bytes[..len]);
        self.queues[at].rotate_left(1);
        self.filled[at] -= 1;
        Received::Datagram(Datagram { len, from: address(at ^ 2), at: self.now })
    }

    fn send(&mut self, _port: &mut usize, _channel: Channel, to: Peer, datagram: &[u8]) -> Sent {
        let at = usize::from(to.address().port()) - 2_000;
        if self.random.chance(0.05) || self.filled[at] == WAITING {
            return Sent::Done;
        }
        let place = &mut self.queues[at][self.filled[at]];
        place.0[..datagram.len()].copy_from_slice(datagram);
        place.1 = datagram.len();
        self.filled[at] += 1;
        Sent::Done
    }
}

fn media(codec: AudioCodec, number: u8) -> MediaFormat {
    let kind = PayloadType::new(number).expect("a small number");
    MediaFormat::symmetric(kind, codec, PayloadType::new(101))
}

fn set(media: MediaFormat) -> LegControl {
    LegControl::SetMedia(LegMedia::new(media, SampleRate::HZ_8000))
}

fn leg(index: u16) -> LegId {
    LegId::new(0, index, 1)
}

/// Everything a leg can be told, but for what only frees.
fn controls(n: u64) -> LegControl {
    let terminal = TerminalKey(n / 20);
    let digit = Digit::new(char::from(b'0' + (n % 10) as u8)).expect("a digit");
    let (writer, reader) = ring::channel(Format::TELEPHONE, Duration::from_millis(200));
    match n % 18 {
        0 | 1 => LegControl::AddSource(terminal, Box::new(reader)),
        2 | 3 => LegControl::AddSink(terminal, Box::new(writer)),
        4 => LegControl::AddSource(terminal, Box::new(Silence::new(Format::TELEPHONE))),
        5 => LegControl::AddSink(terminal, Box::new(Discard::new(Format::TELEPHONE))),
        6 => LegControl::Echo(Echo::On),
        7 => LegControl::Press(digit, Duration::from_millis(60)),
        8 => LegControl::Statistics(Box::default()),
        9 => set(media(AudioCodec::Pcma, 8)),
        10 => set(MediaFormat { packet: Duration::from_millis(30), ..media(AudioCodec::Pcmu, 0) }),
        12 => set(media(AudioCodec::L16(SampleRate::HZ_16000, Channels::STEREO), 96)),
        11 => LegControl::SetFlowing(if n.is_multiple_of(3) { Flowing::In } else { Flowing::Both }),
        16 => set(media(AudioCodec::G722, 9)),
        17 => set(media(AudioCodec::G729, 18)),
        13 => LegControl::Mark(terminal, n),
        14 => LegControl::Release,
        15 => LegControl::Protect(protection(n / 16)),
        _ => LegControl::Remove(terminal),
    }
}

/// Every suite in turn, and none.
fn protection(n: u64) -> Box<Protection> {
    let suite = Suite::ALL.get((n % 7) as usize);
    let key =
        suite.map(|suite| MasterKey::new(*suite, &[7; 46][..suite.material_len()]).expect("its length"));
    Box::new(match key {
        Some(key) => Protection {
            send: Some(Guard::Srtp(Box::new(Protector::new(&key)))),
            receive: Some(Guard::Srtp(Box::new(Unprotector::new(&key)))),
        },
        None => Protection { send: Some(Guard::Clear), receive: Some(Guard::Clear) },
    })
}

fn run<I: PacketIo>(
    worker: &mut Worker<I>,
    ends: &mut WorkerEnds<I::Port>,
    mut control: impl FnMut(u64) -> Option<Control<I::Port>>,
) {
    let mut now = Moment::ZERO;
    for step in 0..20_000 {
        if let Some(control) = control(step) {
            ends.controls.push(control).expect("the worker keeps up");
        }
        now += STEP;
        assert_no_alloc(|| worker.step(now));
        while ends.events.pop().is_ok() {}
        while ends.closed.pop().is_ok() {}
    }
}

#[test]
fn no_step_allocates() {
    let (mut worker, mut ends) = Worker::new(Wire::new(), LEGS, NtpTime::default());
    let open = |index: u16| {
        let port = usize::from(index) * 2;
        let remote = Remote { rtp: address(port ^ 2), rtcp: address(port ^ 2 | 1) };
        let mut config = LegConfig::new(media(AudioCodec::Pcmu, 0), Some(remote), u64::from(index));
        config.rtcp = if index % 4 < 2 { RtcpMode::Separate } else { RtcpMode::Multiplexed };
        Control::Open(Box::new(Leg::new(leg(index), &config, port, Moment::ZERO)))
    };
    run(&mut worker, &mut ends, |step| {
        let index = (step % u64::from(LEGS)) as u16;
        Some(match step {
            0..8 => open(index),
            _ if step % 1_000 == 999 => Control::Close(leg(index)),
            _ if step % 1_000 < 8 => open(index),
            _ => Control::Leg(leg(index), controls(step / u64::from(LEGS))),
        })
    });
}

#[test]
fn real_sockets_do_not_allocate_either() {
    let io = UdpIo::new(2).expect("descriptors");
    let pool = PortPool::new(PortRange { first: 42_400, last: 42_499 });
    let here = SocketAddr::from(([127, 0, 0, 1], 0)).ip();
    let sockets = [pool.bind(here).expect("ports"), pool.bind(here).expect("ports")];
    let addresses = [1, 0].map(|n: usize| sockets[n].local().expect("bound"));
    let mut legs: Vec<_> = sockets
        .into_iter()
        .zip(addresses)
        .zip(0..)
        .map(|((sockets, remote), index)| {
            let port = io.port(sockets, index).expect("watched");
            let config =
                LegConfig::new(media(AudioCodec::Pcmu, 0), Some(Remote::at(remote)), u64::from(index));
            Control::Open(Box::new(Leg::new(leg(index), &config, port, Moment::ZERO)))
        })
        .collect();
    let (mut worker, mut ends) = Worker::new(io, 2, NtpTime::default());
    run(&mut worker, &mut ends, |step| match legs.pop() {
        Some(open) => Some(open),
        None => (step % 50 == 0).then(|| Control::Leg(leg((step / 50 % 2) as u16), controls(step / 50))),
    });
}
