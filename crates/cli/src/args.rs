// SPDX-License-Identifier: MIT OR Apache-2.0
//! The words of the command line.

mod calls;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use calls::{CallVerb, Calls, LineVerb, Phone, PhoneVerb, Server, Switch};

/// The telephone layer for programs.
#[derive(Debug, Parser)]
#[command(name = "offhook", version, propagate_version = true, after_help = crate::exit::HELP)]
pub(crate) struct Cli {
    /// Configuration file [default: ./offhook.toml if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object per line instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Record everything the core sees to a file, for `offhook trace`
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a call between two lines over real loopback sockets and check that it works
    Demo(Demo),
    /// Call somebody
    Call(Call),
    /// Wait for calls and answer them
    Answer(Answer),
    /// Just dial this: the running server makes the call
    Dial(Dial),
    /// What happens on calls of the running server, and every operation on them
    Calls(Calls),
    /// List the lines, show all about one, or ask one of the running server for something
    Line(Line),
    /// Say what a line dials for a number, and why
    Number(Number),
    /// Telephone sets of the running server
    Phone(Phone),
    /// Ask a provider whether it keeps the contract
    #[command(subcommand)]
    Provider(Provider),
    /// Register the lines that want it
    Register(Register),
    /// Run the lines for applications in other processes until interrupted
    Serve(Serve),
    /// Print what happens on the lines until interrupted
    Watch(Watch),
    /// Draw or replay a recorded trace
    #[command(subcommand)]
    Trace(Trace),
}

#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Folder for the prompt, the recording and the trace [default: a new temporary folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Call {
    /// Whom: `sip:bob@host`, a number, `sim:friendly`
    pub(crate) target: String,
    /// Line to call from, by name [default: the only line, or the first that dials such targets]
    #[arg(long, value_name = "LINE")]
    pub(crate) from: Option<String>,
    /// WAV file to play once the call is answered
    #[arg(long, value_name = "FILE")]
    pub(crate) play: Option<PathBuf>,
    /// WAV file to record the far end to
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Digits to send once the call is answered
    #[arg(long, value_name = "DIGITS")]
    pub(crate) digits: Option<String>,
    /// Hang up after so long, for example `10s` or `2m` [default: when the file has been played, or never]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Give up when nobody has answered for so long
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub(crate) ring: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct Dial {
    /// Whom: `+49 (30) 1234567`, `sip:bob@host`, `sim:friendly`
    pub(crate) target: String,
    /// Line to call from, by name [default: the first that dials such targets]
    #[arg(long, value_name = "LINE")]
    pub(crate) from: Option<String>,
    /// Where `offhook serve` listens [default: offhook.sock in $XDG_RUNTIME_DIR or here]
    #[arg(long, value_name = "PATH")]
    pub(crate) server: Option<PathBuf>,
    /// Leave the call to the server as soon as it is made, instead of following it to its end
    #[arg(long)]
    pub(crate) detach: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Answer {
    /// Line to answer on, by name [default: every line]
    #[arg(long, value_name = "LINE")]
    pub(crate) line: Option<String>,
    /// WAV file to play to each caller
    #[arg(long, value_name = "FILE")]
    pub(crate) play: Option<PathBuf>,
    /// Folder to record callers to, one WAV file each
    #[arg(long, value_name = "FOLDER")]
    pub(crate) record: Option<PathBuf>,
    /// Send back what the caller says
    #[arg(long)]
    pub(crate) echo: bool,
    /// Hang up each call after so long
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// End after so many calls [default: when interrupted]
    #[arg(long, value_name = "COUNT")]
    pub(crate) calls: Option<u64>,
}

#[derive(Args, Debug)]
pub(crate) struct Line {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(subcommand)]
    pub(crate) what: LineWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LineWhat {
    /// List the lines
    List,
    /// Show all about one line
    Show {
        /// Its name
        line: String,
    },
    #[command(flatten)]
    Verb(LineVerb),
}

#[derive(Args, Debug)]
pub(crate) struct Number {
    /// The number as people write it: `+49 (30) 1234567`
    pub(crate) text: String,
    /// As dialled from this line [default: a line that is not named in the configuration]
    #[arg(long, value_name = "LINE", conflicts_with = "at")]
    pub(crate) line: Option<String>,
    /// As dialled from this location, by name
    #[arg(long, value_name = "LOCATION")]
    pub(crate) at: Option<String>,
    /// As dialled from this country, by its two letters, when no location is configured
    #[arg(long, value_name = "COUNTRY", conflicts_with_all = ["at", "line"])]
    pub(crate) country: Option<String>,
    /// Use this calling card once; an empty name uses none
    #[arg(long, value_name = "CARD")]
    pub(crate) card: Option<String>,
    /// Keep waiting calls from knocking
    #[arg(long)]
    pub(crate) no_call_waiting: bool,
    /// Dial it as local or as long-distance, whatever the location says
    #[arg(long, value_enum, value_name = "REACH")]
    pub(crate) reach: Option<Reach>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Reach {
    Local,
    LongDistance,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Provider {
    /// Ask all questions of the conformance suite; exit code 0 only when none failed
    Test(ProviderTest),
    /// Serve a built-in provider on standard input and output, in lines of JSON
    Serve {
        /// Which
        provider: BuiltIn,
    },
}

/// Providers of this program.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum BuiltIn {
    /// One that can do nothing
    Null,
    /// Media over RTP
    Rtp,
    /// The simulated exchange
    Sim,
    /// Call control over SIP
    Sip,
}

#[derive(Args, Debug)]
pub(crate) struct ProviderTest {
    /// `sim`, `sip` (with its media), `null`, or the path of a program or a shared library that is a provider
    pub(crate) provider: String,
    /// Run a built-in provider as a child process
    #[arg(long)]
    pub(crate) process: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Register {
    /// Say whether it works, unregister and end
    #[arg(long)]
    pub(crate) check: bool,
    /// Only this line [default: every line that registers]
    #[arg(long, value_name = "LINE")]
    pub(crate) line: Option<String>,
    /// Give up after so long
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub(crate) within: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Socket for applications; only this user can open it [default: offhook.sock in $XDG_RUNTIME_DIR or here]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// Only this line [default: every line]
    #[arg(long, value_name = "LINE")]
    pub(crate) line: Option<String>,
    /// The lines of the server that `offhook serve` runs there, instead of own ones
    #[arg(long, value_name = "PATH")]
    pub(crate) server: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Trace {
    /// Draw who said what to whom
    Ladder {
        /// A file written by `--trace`
        file: PathBuf,
    },
    /// Run a new core over the trace and compare what it says, bit for bit
    Replay {
        /// A file written by `--trace`
        file: PathBuf,
    },
}

/// A time with its unit: `300ms`, `10s`, `2m`; a bare number means seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit.trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("'{unit}' is no unit of time; expected ms, s, m or h")),
    };
    let number: f64 = number.parse().map_err(|_| format!("'{text}' is no time; expected for example 10s"))?;
    Duration::try_from_secs_f64(number * scale).map_err(|_| format!("'{text}' is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn times_are_read_with_and_without_units() {
        for (text, millis) in [("10", 10_000), ("300ms", 300), ("2m", 120_000), ("0.5s", 500)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for wrong in ["", "ten", "5 fortnights", "-3s", "1e400h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_help_of_every_command_is_as_written_down() {
        Cli::command().debug_assert();
        let mut help = String::new();
        let mut command = Cli::command().version("0");
        command.build();
        let mut all = vec![command];
        while let Some(mut command) = all.pop() {
            help.push_str(&format!("{}\n----\n", command.render_help()));
            all.extend(command.get_subcommands().filter(|sub| sub.get_name() != "help").cloned());
        }
        insta::assert_snapshot!(help);
    }
}
