// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration file: which providers there are, which lines they have, how these are treated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use offhook::carrier::{Library, Process};
use offhook::{
    Builder, ExchangeConfig, Incoming, LinePolicy, Offhook, Opening, RtpConfig, SipConfig, Unowned,
};
use offhook_numbers::{Card, Country, Location};
use offhook_spi::ProviderError;
use serde::Deserialize;

use crate::exit;
use crate::failure::Failure;
use crate::number;

/// What the file says; a section that is not there is as without a file.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The SIP provider and its lines.
    pub(crate) sip: SipConfig,
    /// The RTP provider.
    pub(crate) rtp: RtpConfig,
    /// The simulated exchange.
    sim: Sim,
    /// Providers of others, in the order in which they are started.
    #[serde(rename = "provider")]
    providers: Vec<Outside>,
    /// How lines treat calls that no application decides about.
    policy: Policies,
    /// Where the lines are, and how they dial.
    dialling: Dialling,
}

/// Places and cards, and which line is where.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Dialling {
    /// Name of the location of every line that is not named below.
    location: Option<String>,
    /// Name of the location, by name of the line.
    line: BTreeMap<String, String>,
    #[serde(rename = "at")]
    locations: Vec<Location>,
    #[serde(rename = "card")]
    pub(crate) cards: Vec<Card>,
}

/// A provider that is no part of this program.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Outside {
    kind: Kind,
    /// A program, which is started again when it ends.
    program: Option<PathBuf>,
    args: Vec<String>,
    /// A shared library, which shares the memory of this program.
    library: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Msp,
    #[default]
    Tsp,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sim {
    enabled: bool,
    lines: Vec<String>,
    /// Telephone sets.
    phones: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Policies {
    usual: Policy,
    /// Seconds in which an application that lost its connection may come back.
    grace: Option<u32>,
    /// By provider, then by name of the line.
    line: BTreeMap<String, BTreeMap<String, Policy>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Policy {
    incoming: Incoming,
    opening: Opening,
    unowned: Unowned,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sip: SipConfig::direct("offhook"),
            rtp: RtpConfig::default(),
            sim: Sim::default(),
            providers: Vec::new(),
            policy: Policies::default(),
            dialling: Dialling::default(),
        }
    }
}

impl Dialling {
    /// Where a line is; `None` when nobody said: it dials what it is given.
    pub(crate) fn of_line(&self, line: &str) -> Option<&Location> {
        let name = self.line.get(line).or(self.location.as_ref())?;
        self.locations.iter().find(|location| location.name == *name)
    }

    /// The location with a name.
    pub(crate) fn named(&self, name: &str) -> Result<&Location, Failure> {
        self.locations.iter().find(|location| location.name == name).ok_or_else(|| {
            Failure::usage(format!("there is no location '{name}'; the configuration has: {}", self.names()))
        })
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.locations.iter().map(|location| location.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    fn check(&self) -> Result<(), String> {
        for location in &self.locations {
            let name = &location.name;
            Country::find(&location.country).map_err(|error| format!("location '{name}': {error}"))?;
            if let Some(card) = &location.card
                && !self.cards.iter().any(|known| known.name == *card)
            {
                return Err(format!("location '{name}': there is no [[dialling.card]] named '{card}'"));
            }
        }
        for name in self.location.iter().chain(self.line.values()) {
            if !self.locations.iter().any(|location| location.name == *name) {
                let known = self.names();
                return Err(format!(
                    "[dialling]: there is no [[dialling.at]] named '{name}'; there are: {known}"
                ));
            }
        }
        Ok(())
    }
}

impl Default for Sim {
    fn default() -> Self {
        Self { enabled: true, lines: vec!["sim".to_owned()], phones: vec!["desk".to_owned()] }
    }
}

impl Config {
    /// Reads the file that was named, else `offhook.toml` of this folder, else takes what works anywhere.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, Failure> {
        let path = match named {
            Some(path) => path,
            None if Path::new(USUAL).exists() => Path::new(USUAL),
            None => return Ok(Self::default()),
        };
        let text = std::fs::read_to_string(path).map_err(|error| {
            let advice = "name a file that can be read with --config, or leave it out";
            Failure::usage(format!("cannot read the configuration {}: {error}; {advice}", path.display()))
        })?;
        Self::parse(&text).map_err(|detail| {
            let advice = "docs/offhook.toml shows every key";
            Failure::usage(format!("the configuration {}: {detail}; {advice}", path.display()))
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        config.rtp.check().map_err(|detail| format!("[rtp]: {detail}"))?;
        config.dialling.check()?;
        for (number, outside) in (1..).zip(&config.providers) {
            outside.check().map_err(|detail| format!("[[provider]] {number}: {detail}"))?;
        }
        // Providers of others say their names themselves, later.
        if let Some(provider) = config
            .policy
            .line
            .keys()
            .filter(|_| config.providers.is_empty())
            .find(|name| !PROVIDERS.contains(&name.as_str()))
        {
            let known = PROVIDERS.join(", ");
            return Err(format!(
                "[policy.line.{provider}]: no provider has that name, expected one of {known}"
            ));
        }
        Ok(config)
    }

    /// Where the lines are.
    pub(crate) const fn dialling(&self) -> &Dialling {
        &self.dialling
    }

    /// Sets a server up with all of it.
    pub(crate) async fn builder(self, trace: Option<&Path>) -> Result<Builder, Failure> {
        let mut builder =
            Offhook::builder().sip(self.sip).rtp(self.rtp).policy(self.policy.into_switch_config());
        if !self.dialling.locations.is_empty() {
            builder = builder.numbers(number::plan(self.dialling));
        }
        if self.sim.enabled {
            builder = builder.sim(ExchangeConfig {
                lines: self.sim.lines,
                phones: self.sim.phones,
                ..ExchangeConfig::default()
            });
        }
        for outside in self.providers {
            let added = outside.add_to(builder).await;
            builder =
                added.map_err(|error| Failure::new(exit::FAILED, format!("a [[provider]]: {error}")))?;
        }
        Ok(match trace {
            Some(path) => builder.trace(path),
            None => builder,
        })
    }
}

impl Outside {
    fn check(&self) -> Result<(), &'static str> {
        match (&self.program, &self.library) {
            (Some(_), Some(_)) | (None, None) => Err("expected either a program or a library"),
            (None, Some(_)) if !self.args.is_empty() => Err("a library has no args"),
            _ => Ok(()),
        }
    }

    /// A TSP that is a program is kept running by the server, everything else is started here.
    async fn add_to(self, builder: Builder) -> Result<Builder, ProviderError> {
        let process = |program| self.args.iter().fold(Process::new(program), |process, arg| process.arg(arg));
        Ok(match (self.kind, self.program, self.library) {
            (Kind::Tsp, Some(program), _) => builder.child(process(program)),
            (Kind::Msp, Some(program), _) => builder.media_child(process(program)),
            (Kind::Tsp, None, Some(library)) => builder.tsp(Library::new(library).tsp().await?),
            (Kind::Msp, None, Some(library)) => builder.msp(Library::new(library).msp().await?),
            (_, None, None) => builder,
        })
    }
}

impl Policies {
    fn into_switch_config(self) -> offhook::Config {
        let mut config = offhook::Config { usual: self.usual.into(), ..offhook::Config::default() };
        if let Some(seconds) = self.grace {
            config.grace = Duration::from_secs(seconds.into());
        }
        for (provider, lines) in self.line {
            for (line, policy) in lines {
                config = config.with_line(&provider, &line, policy.into());
            }
        }
        config
    }
}

impl From<Policy> for LinePolicy {
    fn from(policy: Policy) -> Self {
        let Policy { incoming, opening, unowned } = policy;
        Self { incoming, opening, unowned }
    }
}

/// The file that is read when none is named.
const USUAL: &str = "offhook.toml";
/// Providers that lines may belong to.
const PROVIDERS: [&str; 2] = ["sim", "sip"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_there_is_a_sip_line_and_an_exchange() {
        let config = Config::parse("").unwrap();
        assert_eq!(config.sip.lines.len(), 1);
        assert_eq!(config.sip.lines[0].name, "offhook");
        assert!(config.sip.listen.iter().all(|socket| socket.address.ip().is_loopback()));
        assert!(config.rtp.bind.is_loopback());
        assert!(config.sim.enabled);
        assert_eq!(config.sim.lines, ["sim"]);
    }

    #[test]
    fn the_example_can_be_read() {
        let config = Config::parse(include_str!("../../../docs/offhook.toml")).unwrap();
        let names: Vec<&str> = config.sip.lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["desk", "office", "trunk"]);
        let policies = config.policy.into_switch_config();
        assert_eq!(policies.policy("sip", "office").incoming, Incoming::Reject);
        assert_eq!(policies.policy("sip", "desk").incoming, Incoming::Ring);
        assert_eq!(config.dialling.of_line("desk").unwrap().name, "berlin");
        assert_eq!(config.dialling.of_line("trunk").unwrap().name, "seattle");
    }

    /// Also the keys that are only shown: one that is renamed must be renamed there.
    #[test]
    fn every_key_of_the_example_is_known() {
        let is_key = |line: &str| {
            let key = line.split_once(" = ").map_or("", |(key, _)| key);
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-'))
        };
        let shown = |line: &str| match line.strip_prefix("# ") {
            Some(rest) if is_key(rest) || rest.starts_with('[') => rest.to_owned(),
            _ => line.to_owned(),
        };
        let text: Vec<String> = include_str!("../../../docs/offhook.toml").lines().map(shown).collect();
        assert!(text.iter().filter(|line| is_key(line)).count() > 40, "{text:#?}");
        Config::parse(&text.join("\n")).unwrap();
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_known() {
        for (text, expected) in [
            ("[sipp]", vec!["unknown field `sipp`", "`sip`", "`policy`"]),
            ("[sip]\nlien = 1", vec!["line 2", "unknown field `lien`", "`listen`", "`line`"]),
            ("[[sip.line]]\nnam = 'a'", vec!["unknown field `nam`", "`name`", "`password`"]),
            ("[sip]\nlisten = ['5060']", vec!["'5060' is no socket", "udp:127.0.0.1:5060"]),
            ("[rtp]\ncodecs = []", vec!["[rtp]", "codecs"]),
            ("[sim]\noff = true", vec!["unknown field `off`", "`enabled`"]),
            ("[policy.usual]\nincoming = 'maybe'", vec!["unknown variant `maybe`", "`reject`", "`ring`"]),
            ("[policy.line.sap.a]", vec!["policy.line.sap", "sim, sip"]),
            ("[dialling]\nlocation = 'home'", vec!["no [[dialling.at]] named 'home'", "there are: none"]),
            ("[[dialling.at]]\nname = 'a'\ncountry = 'XX'", vec!["location 'a'", "'XX' is no country"]),
            ("[[dialling.card]]\nname = 'a'\nnumber = '1'\nlocal = '{x}'", vec!["{x}", "{area}"]),
            ("[[provider]]\nprogram = 'a'\n[[provider]]", vec!["[[provider]] 2", "a program or a library"]),
            ("[[provider]]\nlibrary = 'a'\nargs = ['b']", vec!["[[provider]] 1", "no args"]),
            ("sip", vec!["line 1"]),
        ] {
            let error = Config::parse(text).unwrap_err();
            for part in expected {
                assert!(error.contains(part), "{text}: {error}");
            }
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_wrong_usage() {
        let failure = Config::load(Some(Path::new("no/such/offhook.toml"))).err().unwrap();
        assert_eq!(failure.code, exit::USAGE);
        assert!(failure.text.contains("no/such/offhook.toml") && failure.text.contains("--config"));
    }
}
