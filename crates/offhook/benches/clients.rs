// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the server's one task bears: eight clients that make, hold, take back and drop calls as fast as they are
//! answered, beside calls that live all the time, against a bare task that passes as many messages on.
//!
//! `cargo bench -p offhook --bench clients`

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use offhook::spi::{
    AddressCaps, CallOp, CallState, Cause, LineCaps, LineKey, LineStatus, Manifest, MediaSet, Op, OpSet,
    ProviderError, Reply, Tsp, TspCommand, TspEvent, TspLink, VersionRange,
};
use offhook::{Interest, Offhook};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Clients that work at the same time.
const CLIENTS: usize = 8;
/// Calls of each.
const CALLS: usize = 5_000;
/// Calls that live beside them.
const LIVE: usize = 20_000;
/// The fastest of so many passes counts.
const PASSES: usize = 5;
/// Operations of one call: make, hold, unhold, drop.
const OPERATIONS: u64 = 4;

fn main() {
    // cargo test runs benches too, without this argument; then there is nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (server, inputs) = runtime.block_on(server());
    let bare = runtime.block_on(bare(inputs));
    let calls = (CLIENTS * CALLS) as f64;
    say(&format!(
        "{CLIENTS} clients, {CALLS} calls each, beside {LIVE} live calls; {inputs} inputs per call"
    ));
    say("             inputs/s   us/call");
    for (name, time) in [("bare task", bare), ("server", server)] {
        let seconds = time.as_secs_f64();
        let (rate, each) = (calls * inputs as f64 / seconds, seconds * 1e6 / calls);
        say(&format!("{name:<10}  {rate:9.0}  {each:8.2}"));
    }
    say(&format!("ratio {:.1}", server.as_secs_f64() / bare.as_secs_f64()));
}

/// The fastest pass through the server, and the inputs of one call.
async fn server() -> (Duration, u64) {
    let events = Arc::new(AtomicU64::new(0));
    let phone = Offhook::builder().tsp(AtOnce(Arc::clone(&events))).start().await.unwrap();
    let keeper = phone.app("keeper").await.unwrap().line("bench").await.unwrap();
    keeper.open(Interest::DIAL).await.unwrap();
    let mut kept = Vec::with_capacity(LIVE);
    for _ in 0..LIVE {
        kept.push(keeper.call("live").await.unwrap());
    }
    let mut best = Duration::MAX;
    let mut inputs = 0;
    for _ in 0..PASSES {
        let before = events.load(Ordering::Relaxed);
        let mut lines = Vec::new();
        for client in 0..CLIENTS {
            let line = phone.app(&format!("client {client}")).await.unwrap().line("bench").await.unwrap();
            line.open(Interest::DIAL).await.unwrap();
            lines.push(line);
        }
        let begin = Instant::now();
        let mut clients = JoinSet::new();
        for line in lines {
            clients.spawn(async move {
                for _ in 0..CALLS {
                    let call = line.call("anybody").await.unwrap();
                    call.connected().await.unwrap();
                    call.hold().await.unwrap();
                    call.unhold().await.unwrap();
                    call.hang_up().await.unwrap();
                    call.ended().await;
                }
            });
        }
        clients.join_all().await;
        best = best.min(begin.elapsed());
        let calls = (CLIENTS * CALLS) as u64;
        inputs = (events.load(Ordering::Relaxed) - before) / calls + OPERATIONS;
    }
    assert_eq!((kept.len(), phone.violations()), (LIVE, 0));
    phone.shutdown().await;
    (best, inputs)
}

/// A provider that does everything at once.
struct AtOnce(Arc<AtomicU64>);

impl Tsp for AtOnce {
    fn manifest(&self) -> Manifest {
        Manifest {
            name: "bench".to_owned(),
            vendor: String::new(),
            release: String::new(),
            spi: VersionRange::CURRENT,
            schemas: Vec::new(),
        }
    }

    async fn run(self, mut link: TspLink) -> Result<(), ProviderError> {
        let caps = LineCaps {
            ops: OpSet::from([Op::Drop, Op::Hold, Op::MakeCall, Op::Unhold]),
            media: MediaSet::AUDIO,
            addresses: vec![AddressCaps::default()],
            ..LineCaps::default()
        };
        let (line, stable_id, status) = (LineKey(1), "bench".to_owned(), LineStatus::default());
        link.emit(TspEvent::LineUp { line, stable_id, caps: Box::new(caps), status }).await.ok();
        link.emit(TspEvent::Ready).await.ok();
        while let Some(command) = link.next().await {
            for event in performed(command) {
                self.0.fetch_add(1, Ordering::Relaxed);
                link.emit(event).await.ok();
            }
        }
        Ok(())
    }
}

fn performed(command: TspCommand) -> Vec<TspEvent> {
    let done = |request| TspEvent::Reply { request, result: Reply::DONE };
    let TspCommand::Call { request, call, op, .. } = command else {
        return match command {
            TspCommand::Open { request, .. } => vec![done(request)],
            _ => Vec::new(),
        };
    };
    let state = |state| TspEvent::CallState { call, state, allowed: None };
    let cause = Cause::NormalClearing;
    match op {
        CallOp::MakeCall { .. } => {
            vec![done(request), state(CallState::Dialing), state(CallState::CONNECTED)]
        }
        CallOp::Hold => vec![done(request), state(CallState::OnHold)],
        CallOp::Unhold => vec![done(request), state(CallState::CONNECTED)],
        _ => vec![done(request), state(CallState::Disconnected { cause }), state(CallState::Idle)],
    }
}

/// A message on its way through the bare task.
enum Bare {
    Ask(oneshot::Sender<()>),
    Event(Option<oneshot::Sender<()>>),
}

/// The fastest pass of as many messages through a task that does nothing: asks of clients go to a provider, whose
/// first event is the answer.
async fn bare(inputs: u64) -> Duration {
    let mut best = Duration::MAX;
    let events = inputs / OPERATIONS - 1;
    for _ in 0..PASSES {
        let (to_server, mut server) = mpsc::channel::<Bare>(1_024);
        let (to_provider, mut provider) = mpsc::channel::<oneshot::Sender<()>>(4_096);
        let from_provider = to_server.clone();
        tokio::spawn(async move {
            while let Some(answer) = provider.recv().await {
                let mut answer = Some(answer);
                for _ in 0..events {
                    from_provider.send(Bare::Event(answer.take())).await.ok();
                }
            }
        });
        tokio::spawn(async move {
            while let Some(message) = server.recv().await {
                match message {
                    Bare::Ask(answer) => drop(to_provider.send(answer).await),
                    Bare::Event(Some(answer)) => drop(answer.send(())),
                    Bare::Event(None) => {}
                }
            }
        });
        let begin = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let to_server = to_server.clone();
            clients.spawn(async move {
                for _ in 0..CALLS as u64 * OPERATIONS {
                    let (answer, answered) = oneshot::channel();
                    to_server.send(Bare::Ask(answer)).await.ok();
                    answered.await.unwrap();
                }
            });
        }
        clients.join_all().await;
        best = best.min(begin.elapsed());
    }
    best
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
}
