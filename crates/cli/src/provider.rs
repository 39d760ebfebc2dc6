// SPDX-License-Identifier: MIT OR Apache-2.0
//! `offhook provider`: asks a provider the questions of the conformance suite, or serves one as a child process.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use offhook::carrier::{Library, Process, serve_msp, serve_tsp};
use offhook::conformance::{self, LibraryRig, NullRig, NullTsp, ProcessRig, Report, SimRig, SipRig, Verdict};
use offhook::{ExchangeConfig, RtpMsp, SimTsp, SipTsp};
use offhook_spi::ProviderError;
use serde_json::json;

use crate::args::{self, BuiltIn};
use crate::config::Config;
use crate::exit;
use crate::failure::Failure;
use crate::show::Show;

/// Asks everything and prints the report.
pub(crate) async fn test(show: Show, args: &args::ProviderTest) -> Result<(), Failure> {
    let name = &args.provider;
    let report = match (Subject::of(name)?, args.process) {
        (Subject::BuiltIn(built_in), false) => here(built_in).await?,
        (Subject::BuiltIn(built_in), true) => there(built_in).await?,
        (Subject::Library(path), _) => {
            let library = Library::new(path);
            // One that does not even start is said so once, and not by every test.
            library.tsp().await.map_err(not_started)?;
            conformance::run(&mut LibraryRig::new(library)).await
        }
        (Subject::Program(path), _) => {
            let process = Process::new(path);
            process.tsp().await.map_err(not_started)?;
            conformance::run(&mut ProcessRig::new(process)).await
        }
    };
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

/// Serves a built-in provider, as it is configured, on standard input and output.
pub(crate) async fn serve(config: Config, built_in: BuiltIn) -> Result<(), Failure> {
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    let served = match built_in {
        BuiltIn::Null => serve_tsp(NullTsp, input, output).await,
        BuiltIn::Rtp => serve_msp(RtpMsp::new(config.rtp), input, output).await,
        BuiltIn::Sim => serve_tsp(SimTsp::new(ExchangeConfig::default()).0, input, output).await,
        BuiltIn::Sip => {
            let bound = SipTsp::bind(config.sip).await;
            let (provider, _) = bound.map_err(|error| Failure::new(exit::FAILED, error.to_string()))?;
            serve_tsp(provider, input, output).await
        }
    };
    served.map_err(not_started)
}

/// What is tested.
enum Subject {
    BuiltIn(BuiltIn),
    Library(PathBuf),
    Program(PathBuf),
}

impl Subject {
    fn of(name: &str) -> Result<Self, Failure> {
        let path = Path::new(name);
        match name {
            "null" => Ok(Self::BuiltIn(BuiltIn::Null)),
            "sim" => Ok(Self::BuiltIn(BuiltIn::Sim)),
            "sip" => Ok(Self::BuiltIn(BuiltIn::Sip)),
            _ if path.is_file() => {
                let path = path.canonicalize().map_err(anyhow::Error::from)?;
                let kind = path.extension().and_then(OsStr::to_str);
                Ok(if kind.is_some_and(|kind| LIBRARIES.contains(&kind)) {
                    Self::Library(path)
                } else {
                    Self::Program(path)
                })
            }
            _ => Err(Failure::usage(format!(
                "'{name}' is no provider; expected sim, sip, null, or the path of a program or a shared library that \
                 is one"
            ))),
        }
    }
}

/// Asks a built-in provider in this process.
async fn here(built_in: BuiltIn) -> Result<Report, Failure> {
    Ok(match built_in {
        BuiltIn::Null => conformance::run(&mut NullRig).await,
        BuiltIn::Sim => conformance::run(&mut SimRig::default()).await,
        BuiltIn::Sip | BuiltIn::Rtp => asked(SipRig::new().await?).await,
    })
}

/// Asks a built-in provider that this program serves as a child process.
async fn there(built_in: BuiltIn) -> Result<Report, Failure> {
    let program = std::env::current_exe().map_err(anyhow::Error::from)?;
    // As if there were no configuration: the provider is tested, and not its settings.
    let process =
        |name| Process::new(&program).arg("--config").arg(NO_FILE).arg("provider").arg("serve").arg(name);
    Ok(match built_in {
        BuiltIn::Null => conformance::run(&mut ProcessRig::new(process("null"))).await,
        BuiltIn::Sim => {
            let far_ends = |behaviour| Some(SimRig::far_end(behaviour));
            conformance::run(&mut ProcessRig::new(process("sim")).with_far_ends(far_ends)).await
        }
        BuiltIn::Sip | BuiltIn::Rtp => {
            let pair = ProcessRig::new(process("sip")).with_msp(process("rtp"));
            asked(SipRig::in_processes(pair).await?).await
        }
    })
}

async fn asked(mut rig: SipRig) -> Report {
    let report = conformance::run(&mut rig).await;
    rig.close().await;
    report
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_started(error: ProviderError) -> Failure {
    Failure::new(exit::FAILED, error.to_string())
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

/// How the names of shared libraries end.
const LIBRARIES: [&str; 3] = ["dll", "dylib", "so"];
/// A configuration that says nothing.
const NO_FILE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };
