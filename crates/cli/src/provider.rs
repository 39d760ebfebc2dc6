// SPDX-License-Identifier: MIT OR Apache-2.0
//! `offhook provider`: asks a provider the questions of the conformance suite, or serves one as a child process.

use std::path::Path;

use offhook::ExchangeConfig;
use offhook::carrier::{Process, serve_tsp};
use offhook_sim::SimTsp;
use offhook_sim::conformance::{self, Behaviour, FarAct, NullRig, NullTsp, Rig, SimRig, Verdict};
use offhook_spi::{Address, DynMsp, DynTsp, Manifest, ProviderError, Tsp, TspLink};
use serde_json::json;

use crate::args;
use crate::exit;
use crate::failure::Failure;
use crate::show::Show;

/// Asks everything and prints the report.
pub(crate) async fn test(show: Show, args: &args::ProviderTest) -> Result<(), Failure> {
    let name = &args.provider;
    let mut subject = Subject::of(name, args.process)?;
    if let Subject::Process { process, .. } = &subject {
        // One that does not even start is said so once, and not by every test.
        process.tsp().await.map_err(|error| Failure::new(exit::FAILED, error.to_string()))?;
    }
    let report = conformance::run(&mut subject).await;
    for (test, verdict) in &report.tests {
        let object = json!({"provider": name, "test": test, "verdict": word(verdict), "why": why(verdict)});
        show.event("test", "", object);
    }
    let object = json!({"provider": name, "clean": report.is_clean(), "tests": report.tests.len()});
    show.event("report", &report.to_string(), object);
    if report.is_clean() {
        return Ok(());
    }
    let text = format!("{name} does not keep the contract; each test that failed says what was expected");
    Err(Failure::new(exit::FAILED, text))
}

/// Serves a built-in provider on standard input and output.
pub(crate) async fn serve(name: &str) -> Result<(), Failure> {
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    let served = match name {
        NULL => serve_tsp(NullTsp, input, output).await,
        SIM => serve_tsp(SimTsp::new(ExchangeConfig::default()).0, input, output).await,
        _ => return Err(unknown(name)),
    };
    served.map_err(|error| Failure::new(exit::FAILED, error.to_string()))
}

/// What is tested.
enum Subject {
    Null,
    Sim(SimRig),
    /// A child process; whether it is the simulator, whose far ends are known.
    Process {
        process: Process,
        is_sim: bool,
    },
}

impl Subject {
    fn of(name: &str, as_process: bool) -> Result<Self, Failure> {
        let is_sim = name == SIM;
        match name {
            NULL if !as_process => Ok(Self::Null),
            SIM if !as_process => Ok(Self::Sim(SimRig::default())),
            NULL | SIM => {
                let program = std::env::current_exe().map_err(anyhow::Error::from)?;
                let process = Process::new(program).arg("provider").arg("serve").arg(name);
                Ok(Self::Process { process, is_sim })
            }
            path if Path::new(path).is_file() => {
                let program = Path::new(path).canonicalize().map_err(anyhow::Error::from)?;
                Ok(Self::Process { process: Process::new(program), is_sim })
            }
            _ => Err(unknown(name)),
        }
    }
}

impl Rig for Subject {
    async fn tsp(&mut self) -> Box<dyn DynTsp> {
        match self {
            Self::Null => NullRig.tsp().await,
            Self::Sim(rig) => rig.tsp().await,
            Self::Process { process, .. } => match process.tsp().await {
                Ok(child) => Box::new(child),
                // Every test fails with the reason.
                Err(error) => Box::new(Absent(error)),
            },
        }
    }

    fn msp(&mut self) -> Option<Box<dyn DynMsp>> {
        None
    }

    fn address(&self, behaviour: Behaviour) -> Option<Address> {
        match self {
            Self::Sim(_) | Self::Process { is_sim: true, .. } => Some(SimRig::far_end(behaviour)),
            Self::Null | Self::Process { .. } => None,
        }
    }

    async fn act(&mut self, act: FarAct) -> bool {
        match self {
            Self::Sim(rig) => rig.act(act).await,
            Self::Null | Self::Process { .. } => false,
        }
    }
}

/// A provider that could not be started.
struct Absent(ProviderError);

impl Tsp for Absent {
    fn manifest(&self) -> Manifest {
        Tsp::manifest(&NullTsp)
    }

    async fn run(self, _link: TspLink) -> Result<(), ProviderError> {
        Err(self.0)
    }
}

const fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::RefusedAsDeclared => "refused as declared",
        Verdict::NotTried => "not tried",
        _ => "failed",
    }
}

fn why(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Failed(why) => Some(why),
        _ => None,
    }
}

fn unknown(name: &str) -> Failure {
    Failure::usage(format!(
        "'{name}' is no provider; expected sim, null, or the path of a program that is one"
    ))
}

const NULL: &str = "null";
const SIM: &str = "sim";
