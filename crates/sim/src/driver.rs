// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lets the simulated exchange and the counting MSP run in real time, as providers of a server.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use offhook_spi::{
    LineKey, Link, Machine, Manifest, Moment, Msp, MspCommand, MspLink, Party, PhoneKey, ProviderError,
    Terminal, Tsp, TspLink,
};

use crate::exchange::{Exchange, ExchangeConfig, ExchangeInput, Touch};
use crate::msp::CountingMsp;
use crate::script::Script;

/// How many incoming calls may wait for the exchange to take them up.
const WAITING_CALLS: usize = 64;

/// The simulated exchange as a TSP.
///
/// ```
/// use offhook_sim::{ExchangeConfig, SimTsp};
///
/// let (exchange, caller) = SimTsp::new(ExchangeConfig::default());
/// # let _ = (exchange, caller);
/// ```
#[derive(Debug)]
pub struct SimTsp {
    exchange: Exchange,
    inputs: mpsc::Receiver<ExchangeInput>,
}

/// Calls lines of a running [`SimTsp`] and pulls them out; cheap to clone.
#[derive(Clone, Debug)]
pub struct SimCaller {
    inputs: mpsc::Sender<ExchangeInput>,
}

impl SimTsp {
    /// Makes the provider and the handle that makes things happen in its network.
    #[must_use]
    pub fn new(config: ExchangeConfig) -> (Self, SimCaller) {
        let (sender, inputs) = mpsc::channel(WAITING_CALLS);
        (Self { exchange: Exchange::new(config), inputs }, SimCaller { inputs: sender })
    }
}

impl SimCaller {
    /// Lets somebody call a line, numbered from 1 in the order of the configuration. A line that no
    /// application has opened does not hear of it.
    pub async fn ring(&self, line: u64, caller: Party, script: Script) {
        // A closed queue means that the exchange has ended: nobody is left to be called.
        self.inputs.send(ExchangeInput::Ring { line: LineKey(line), caller, script }).await.ok();
    }

    /// Does something at a phone, numbered from 1 in the order of the configuration.
    pub async fn touch(&self, phone: u64, touch: Touch) {
        self.inputs.send(ExchangeInput::Phone { phone: PhoneKey(phone), touch }).await.ok();
    }

    /// Pulls a line out, or puts it back.
    pub async fn plug(&self, line: u64, present: bool) {
        self.inputs.send(ExchangeInput::Plug { line: LineKey(line), present }).await.ok();
    }
}

impl Tsp for SimTsp {
    fn manifest(&self) -> Manifest {
        Exchange::manifest()
    }

    async fn run(self, link: TspLink) -> Result<(), ProviderError> {
        drive(self.exchange, link, self.inputs, ExchangeInput::Command).await;
        Ok(())
    }
}

/// The counting MSP as a provider.
#[derive(Debug, Default)]
pub struct SimMsp;

impl Msp for SimMsp {
    fn manifest(&self) -> Manifest {
        CountingMsp::manifest()
    }

    async fn run(self, mut link: MspLink) -> Result<(), ProviderError> {
        let start = Instant::now();
        let mut machine = CountingMsp::new(BTreeMap::new());
        while let Some(command) = step(&machine, &mut link, start).await {
            let now = moment(start);
            match command {
                Some(command) => {
                    look_up_file(&mut machine, &command);
                    machine.handle(now, command);
                }
                None => machine.handle_timeout(now),
            }
            while let Some(event) = machine.poll() {
                if link.emit(event).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Runs a machine on a link and a queue of further inputs until the host closes the link.
async fn drive<M, C, E>(
    mut machine: M,
    mut link: Link<C, E>,
    mut inputs: mpsc::Receiver<M::Input>,
    wrap: impl Fn(C) -> M::Input,
) where
    M: Machine<Output = E>,
    C: Send,
    E: Send,
{
    let start = Instant::now();
    loop {
        let input = tokio::select! {
            command = step(&machine, &mut link, start) => match command {
                None => return,
                Some(command) => command.map(&wrap),
            },
            Some(input) = inputs.recv() => Some(input),
        };
        let now = moment(start);
        match input {
            Some(input) => machine.handle(now, input),
            None => machine.handle_timeout(now),
        }
        while let Some(event) = machine.poll() {
            if link.emit(event).await.is_err() {
                return;
            }
        }
    }
}

/// Waits for the next command, or for the machine's deadline (`Some(None)`); `None` when the link closes.
async fn step<M, C, E>(machine: &M, link: &mut Link<C, E>, start: Instant) -> Option<Option<C>>
where
    M: Machine<Output = E>,
    C: Send,
    E: Send,
{
    let Some(deadline) = machine.deadline() else { return link.next().await.map(Some) };
    tokio::select! {
        command = link.next() => command.map(Some),
        () = tokio::time::sleep_until(start + deadline.since(Moment::ZERO)) => Some(None),
    }
}

fn moment(start: Instant) -> Moment {
    Moment::ZERO + start.elapsed()
}

/// The counting MSP does not read files, it only needs to know how long they are.
fn look_up_file(machine: &mut CountingMsp, command: &MspCommand) {
    let MspCommand::SelectTerminal { what: Terminal::FilePlayback { path, .. }, .. } = command else {
        return;
    };
    if let Some(length) = wav_length(path) {
        machine.add_file(path.clone(), length);
    }
}

/// Length of a WAV file by its header: bytes of sound over bytes per second.
fn wav_length(path: &str) -> Option<Duration> {
    let mut file = File::open(path).ok()?;
    let mut head = [0; 44];
    file.read_exact(&mut head).ok()?;
    if &head[..4] != b"RIFF" || &head[8..12] != b"WAVE" {
        return None;
    }
    let per_second = u32::from_le_bytes(head[28..32].try_into().ok()?);
    let bytes = file.metadata().ok()?.len().saturating_sub(44);
    let millis = bytes.saturating_mul(1000).checked_div(u64::from(per_second))?;
    Some(Duration::from_millis(millis))
}
