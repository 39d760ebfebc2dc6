// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a G.711 echo leg costs, against a bare loop that receives and sends on as many sockets.
//!
//! Both are driven in the same run by the same paced generator over loopback. Ratios are what counts; the
//! absolute figures belong to the machine and to what else runs on it. Then, what a virtual hour costs.
//!
//! `cargo bench -p offhook-media --bench echo`, with other numbers of calls as arguments after `--`.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use offhook_media::engine::{
    AudioCodec, Control, Echo, Engine, EngineConfig, Leg, LegConfig, LegControl, LegEvent, LegId,
    LegStatistics, MediaFormat, PortPool, PortRange, Remote, STEP, VirtualNetwork, Weather, Worker,
};
use offhook_media::rtp::{Header, Marker, NtpTime, PayloadType, SequenceNumber, Ssrc, Timestamp};
use offhook_spi::Moment;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const TICK: Duration = Duration::from_millis(20);
const WARM_UP: Duration = Duration::from_millis(1_500);
const WINDOW: Duration = Duration::from_secs(1);
/// The cheapest of so many windows counts: what else runs on the machine only ever adds.
const WINDOWS: usize = 3;
/// The generator spreads its senders over this many moments of a tick.
const PHASES: usize = 20;

fn main() {
    // cargo test runs benches too, without this argument; then there is nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    // As the engine's workers ask for it, so that all threads of the measurement are alike.
    rustix::process::setpriority_process(None, -15).ok();
    say("calls   bare us/pair  engine us/pair  ratio  engine cpu %  concealed  lost  skipped  RSS KiB/leg");
    let asked: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    for calls in if asked.is_empty() { vec![100, 1_000] } else { asked } {
        row(calls);
    }
    virtual_row();
}

fn row(calls: usize) {
    let (bare, bare_pairs) = measure(calls, &Bare::start(calls));
    let engine = Echoes::start(calls);
    let (ours, pairs) = measure(calls, &engine);
    let (concealed, lost) = engine.concealed_and_lost();
    let wanted = calls as f64 * WINDOW.as_secs_f64() * WINDOWS as f64 / TICK.as_secs_f64();
    say(&format!(
        "{calls:5}   {bare:12.2}  {ours:14.2}  {:5.2}  {:12.1}  {concealed:9}  {lost:4}  {:7}  {:11.1}   \
         ({bare_pairs} and {pairs} of {wanted} came back)",
        ours / bare,
        ours * calls as f64 / TICK.as_micros() as f64 * 100.0,
        engine.engine.skipped_steps(),
        engine.memory as f64 / calls as f64,
    ));
}

/// Least cost of a pair of packets in microseconds of the answerer's thread, and the pairs of all windows.
fn measure(calls: usize, answerer: &dyn Answerer) -> (f64, u64) {
    let generator = Generator::start(&answerer.addresses(), calls);
    thread::sleep(WARM_UP);
    let (mut least, mut pairs) = (f64::INFINITY, 0);
    for _ in 0..WINDOWS {
        let (cpu, came) = (answerer.cpu(), generator.came.load(Ordering::Relaxed));
        thread::sleep(WINDOW);
        let came = generator.came.load(Ordering::Relaxed) - came;
        // By what really came back: on a loaded machine the generator falls behind.
        least = least.min((answerer.cpu() - cpu).as_secs_f64() * 1e6 / came.max(1) as f64);
        pairs += came;
    }
    answerer.settle();
    generator.stop();
    (least, pairs)
}

trait Answerer {
    fn addresses(&self) -> Vec<SocketAddr>;
    fn cpu(&self) -> Duration;
    fn settle(&self);
}

/// One receive and one send for each socket and tick, a second receive every eighth; nothing else.
struct Bare {
    addresses: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    task: u64,
}

impl Bare {
    fn start(calls: usize) -> Self {
        let sockets: Vec<UdpSocket> = (0..calls).map(|_| socket()).collect();
        let addresses = sockets.iter().map(|socket| socket.local_addr().expect("bound")).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let (told, task) = channel();
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            told.send(own_task()).ok();
            bare_loop(&sockets, &stopped);
        });
        Self { addresses, stop, task: task.recv().expect("the thread tells its number") }
    }
}

fn bare_loop(sockets: &[UdpSocket], stop: &AtomicBool) {
    let mut connected = vec![false; sockets.len()];
    let mut buffer = [0; 2_048];
    let (started, mut step) = (Instant::now(), 0_u32);
    while !stop.load(Ordering::Relaxed) {
        step += 1;
        thread::sleep((STEP * step).saturating_sub(started.elapsed()));
        let round = step / 4;
        for n in ((step % 4) as usize..sockets.len()).step_by(4) {
            let looks = if round.is_multiple_of(8) { 2 } else { 1 };
            for _ in 0..looks {
                if !connected[n] {
                    if let Ok((len, from)) = sockets[n].recv_from(&mut buffer) {
                        connected[n] = sockets[n].connect(from).is_ok();
                        sockets[n].send(&buffer[..len]).ok();
                    }
                } else if let Ok(len) = sockets[n].recv(&mut buffer) {
                    sockets[n].send(&buffer[..len]).ok();
                }
            }
        }
    }
}

impl Answerer for Bare {
    fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    fn cpu(&self) -> Duration {
        cpu_of(self.task)
    }

    fn settle(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Our engine with every leg on echo.
struct Echoes {
    engine: Engine,
    legs: Vec<LegId>,
    addresses: Vec<SocketAddr>,
    events: Receiver<(LegId, LegEvent)>,
    task: u64,
    /// KiB that the legs made the process grow by.
    memory: u64,
}

impl Echoes {
    fn start(calls: usize) -> Self {
        let (told, events) = channel();
        let config = EngineConfig { workers: 1, legs: 2_048 };
        let engine = Engine::start(config, move |leg, event| {
            told.send((leg, event)).ok();
        });
        let engine = engine.expect("threads and descriptors");
        thread::sleep(Duration::from_millis(50));
        let before = resident();
        let pool = PortPool::new(PortRange { first: 20_000, last: 30_000 });
        let media = MediaFormat::symmetric(PayloadType::PCMU, AudioCodec::Pcmu, PayloadType::new(101));
        let (mut legs, mut addresses) = (Vec::new(), Vec::new());
        for n in 0..calls {
            let sockets = pool.bind(HERE).expect("ports");
            addresses.push(sockets.local().expect("bound"));
            let anyone = SocketAddr::new(HERE, 9);
            let config = LegConfig::new(media, Some(Remote::at(anyone)), n as u64);
            legs.push(open(&engine, &config, sockets));
            thread::sleep(Duration::from_micros(50));
            while engine.control(legs[n], LegControl::Echo(Echo::On)).is_err() {
                thread::yield_now();
            }
        }
        thread::sleep(Duration::from_millis(500));
        let memory = resident() - before;
        let task = task_named("offhook-media").expect("the worker runs");
        Self { engine, legs, addresses, events, task, memory }
    }

    fn concealed_and_lost(&self) -> (u64, u64) {
        let snapshots = self.events.try_iter().filter_map(|(_, event)| match event {
            LegEvent::Statistics(found) => Some(*found),
            _ => None,
        });
        snapshots.fold((0, 0), |(concealed, lost), found: LegStatistics| {
            (concealed + found.received.concealed, lost + found.received.lost.unwrap_or(0))
        })
    }
}

fn open(engine: &Engine, config: &LegConfig, sockets: offhook_media::engine::Sockets) -> LegId {
    engine.open(config, sockets).expect("room for a leg")
}

impl Answerer for Echoes {
    fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    fn cpu(&self) -> Duration {
        cpu_of(self.task)
    }

    /// Takes the numbers while packets still come.
    fn settle(&self) {
        for leg in &self.legs {
            while self.engine.ask_statistics(*leg).is_err() {
                thread::yield_now();
            }
        }
        thread::sleep(Duration::from_millis(300));
    }
}

/// Sends on every socket once a tick, spread over it, and reads what comes back.
struct Generator {
    stop: Arc<AtomicBool>,
    came: Arc<AtomicU64>,
    thread: thread::JoinHandle<()>,
}

impl Generator {
    fn start(targets: &[SocketAddr], calls: usize) -> Self {
        let sockets: Vec<UdpSocket> = (0..calls).map(|_| socket()).collect();
        for (socket, target) in sockets.iter().zip(targets) {
            socket.connect(target).expect("loopback");
        }
        let (stop, came) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&came));
        let thread = thread::spawn(move || generate(&sockets, &stopped, &counted));
        Self { stop, came, thread }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok();
    }
}

fn generate(sockets: &[UdpSocket], stop: &AtomicBool, came: &AtomicU64) {
    let mut buffer = [0; 2_048];
    let payload: Vec<u8> = (0..160).map(|n| if n % 2 == 0 { 0x90 } else { 0x10 }).collect();
    let (started, mut step) = (Instant::now(), 0_u32);
    while !stop.load(Ordering::Relaxed) {
        step += 1;
        thread::sleep((TICK / PHASES as u32 * step).saturating_sub(started.elapsed()));
        let round = step / PHASES as u32;
        for n in (step as usize % PHASES..sockets.len()).step_by(PHASES) {
            let header = Header {
                marker: Marker::Clear,
                payload_type: PayloadType::PCMU,
                sequence: SequenceNumber(round as u16),
                timestamp: Timestamp(round * 160),
                ssrc: Ssrc(n as u32 + 1),
            };
            sockets[n].send(&[&header.to_bytes()[..], &payload].concat()).ok();
            while sockets[n].recv(&mut buffer).is_ok() {
                came.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Ten minutes of a hundred calls over the virtual network.
fn virtual_row() {
    const CALLS: u16 = 100;
    const VIRTUAL: Duration = Duration::from_secs(600);
    let weather = Weather { delay: TICK, jitter: TICK / 2, loss: 0.001, ..Weather::default() };
    let address = |index: u16| SocketAddr::from(([10, 0, 0, 1], 10_000 + index * 2));
    let (mut worker, mut ends) = Worker::new(VirtualNetwork::new(1, weather), CALLS * 2, NtpTime::default());
    let media = MediaFormat::symmetric(PayloadType::PCMU, AudioCodec::Pcmu, PayloadType::new(101));
    for index in 0..CALLS * 2 {
        let port = worker.io_mut().open(address(index));
        let config = LegConfig::new(media, Some(Remote::at(address(index ^ 1))), u64::from(index));
        let leg = Box::new(Leg::new(LegId::new(0, index, 1), &config, port, Moment::ZERO));
        ends.controls.push(Control::Open(leg)).expect("room");
    }
    let started = cpu_of(own_task());
    let mut now = Moment::ZERO;
    while now - Moment::ZERO < VIRTUAL {
        now += STEP;
        worker.step(now);
        while ends.events.pop().is_ok() {}
    }
    let took = (cpu_of(own_task()) - started).as_secs_f64();
    let ticks = f64::from(CALLS * 2) * VIRTUAL.as_secs_f64() / TICK.as_secs_f64();
    say(&format!(
        "virtual: {VIRTUAL:?} of {CALLS} calls in {took:.2} s of CPU, {:.0} ns a leg and tick",
        took * 1e9 / ticks
    ));
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((HERE, 0)).expect("descriptors: try ulimit -n 8192");
    socket.set_nonblocking(true).expect("a socket");
    socket
}

/// Time on a processor, user and system, of one thread of this process.
fn cpu_of(task: u64) -> Duration {
    let text = fs::read_to_string(format!("/proc/self/task/{task}/schedstat")).unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0);
    Duration::from_nanos(nanos)
}

fn own_task() -> u64 {
    let link = fs::read_link("/proc/thread-self").unwrap_or_default();
    link.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()).unwrap_or(0)
}

fn task_named(name: &str) -> Option<u64> {
    let tasks = fs::read_dir("/proc/self/task").ok()?.flatten();
    let named = tasks
        .filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name));
    named.filter_map(|task| task.file_name().to_str()?.parse().ok()).max()
}

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}
