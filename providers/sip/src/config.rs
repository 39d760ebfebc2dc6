// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the SIP provider is set up: sockets, lines, limits. Read from one file by the program, or built here.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use offhook_sipcore::agent::Transport;
use offhook_sipcore::digest::Algorithm;
use serde::{Deserialize, Deserializer};

/// How the provider is set up. The default listens on a free loopback port over UDP and TCP and has no lines.
///
/// ```
/// use offhook_sip::SipConfig;
///
/// let config = SipConfig::direct("alice");
/// assert_eq!(config.lines[0].name, "alice");
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SipConfig {
    /// Sockets: `udp:127.0.0.1:5060`, `tcp:…`, `tls:…`, `ws:…` and `wss:…` for browsers; port 0 takes a free one.
    pub listen: Vec<Listen>,
    /// Our address as others see it, where a socket listens on every interface.
    pub advertise: Option<IpAddr>,
    /// What the names of our telephones are made of that registrars know them by (RFC 5626 section 4.1): any text
    /// that no other installation has. The machine's own unless set.
    pub instance: Option<String>,
    /// What servers call the place of SIP in a WebSocket address: `/`, `/ws`.
    pub web_socket_path: String,
    /// Certificates, needed by `tls` and `wss` sockets and to trust others.
    pub tls: TlsConfig,
    /// What `User-Agent` and `Server` say; empty says nothing.
    pub product: String,
    /// Name servers for RFC 3263; empty takes those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// How much may be going on at once.
    pub limits: LimitsConfig,
    /// Answers go to the port that a request came from even without `rport`.
    pub symmetric: bool,
    /// Whether our provisional responses are acknowledged; those of others always are where they ask for it.
    pub prack: Prack,
    /// How calls end whose far end has vanished.
    pub session_timer: SessionTimer,
    /// The lines.
    #[serde(rename = "line")]
    pub lines: Vec<LineConfig>,
}

impl Default for SipConfig {
    fn default() -> Self {
        Self {
            listen: vec![
                Listen { transport: Transport::Udp, address: SocketAddr::from(([127, 0, 0, 1], 0)) },
                Listen { transport: Transport::Tcp, address: SocketAddr::from(([127, 0, 0, 1], 0)) },
            ],
            advertise: None,
            instance: None,
            web_socket_path: "/".to_owned(),
            tls: TlsConfig::default(),
            product: concat!("offhook/", env!("CARGO_PKG_VERSION")).to_owned(),
            name_servers: Vec::new(),
            limits: LimitsConfig::default(),
            symmetric: false,
            prack: Prack::default(),
            session_timer: SessionTimer::default(),
            lines: Vec::new(),
        }
    }
}

impl SipConfig {
    /// The default with one line that needs no registrar.
    #[must_use]
    pub fn direct(name: &str) -> Self {
        Self { lines: vec![LineConfig::direct(name)], ..Self::default() }
    }

    /// Replaces the sockets.
    ///
    /// # Errors
    /// The first text that names no socket.
    pub fn listening(mut self, sockets: &[&str]) -> Result<Self, ConfigError> {
        self.listen = sockets.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Adds a line.
    #[must_use]
    pub fn with_line(mut self, line: LineConfig) -> Self {
        self.lines.push(line);
        self
    }
}

/// Whether our provisional responses are sent again until they are acknowledged (RFC 3262).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Prack {
    /// We do not know what that is; callers that insist are refused.
    Off,
    /// Callers that do not know what that is are refused.
    Required,
    /// For callers that know it.
    Supported,
    /// Only for callers that insist.
    #[default]
    WhenRequired,
}

/// Calls are refreshed now and then, so that one whose far end has vanished ends (RFC 4028).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct SessionTimer {
    /// Whether they are.
    pub enabled: bool,
    /// The interval to ask for, in seconds; whoever refreshes does so at half of it.
    pub interval: u32,
    /// Shorter ones are refused; 90 seconds at least.
    pub min: u32,
}

impl Default for SessionTimer {
    /// What RFC 4028 section 4 recommends.
    fn default() -> Self {
        Self { enabled: true, interval: 1_800, min: 90 }
    }
}

/// One socket to listen on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listen {
    /// What carries messages.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// A part of the configuration cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError(pub(crate) String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ConfigError {}

impl FromStr for Listen {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let wrong = || ConfigError(format!("'{text}' is no socket; expected for example udp:127.0.0.1:5060"));
        let (word, address) = text.split_once(':').ok_or_else(wrong)?;
        let transport = transport(word).ok_or_else(wrong)?;
        Ok(Self { transport, address: address.parse().map_err(|_| wrong())? })
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The transport of that name, in any case.
pub(crate) fn transport(word: &str) -> Option<Transport> {
    match word.to_ascii_lowercase().as_str() {
        "udp" => Some(Transport::Udp),
        "tcp" => Some(Transport::Tcp),
        "tls" => Some(Transport::Tls),
        "ws" => Some(Transport::Ws),
        "wss" => Some(Transport::Wss),
        _ => None,
    }
}

/// Certificates.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file with our certificate chain.
    pub certificate: Option<PathBuf>,
    /// PEM file with our private key; may be the same file.
    pub key: Option<PathBuf>,
    /// PEM file with the certificates that we trust in others.
    pub authorities: Option<PathBuf>,
    /// Connects to others without looking at their certificates. Only for tests: anybody can listen in.
    pub trust_anybody: bool,
}

/// How much may be going on at once; above, requests are answered 503 with `Retry-After`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Calls, in and out.
    pub calls: usize,
    /// Incoming calls from one address.
    pub calls_per_source: usize,
    /// Requests that are being answered.
    pub transactions: usize,
    /// The same, from one address.
    pub transactions_per_source: usize,
    /// Connections.
    pub connections: usize,
    /// What `Retry-After` says, in seconds.
    pub retry_after: u32,
    /// How many accounts may begin to register in one second; the others wait for their turn. 0 sets no limit.
    pub registrations_per_second: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            calls: 100_000,
            calls_per_source: 50_000,
            transactions: 100_000,
            transactions_per_source: 100_000,
            connections: 10_000,
            retry_after: 5,
            registrations_per_second: 100,
        }
    }
}

/// What kind of line it is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LineKind {
    /// Registers with a registrar.
    Account,
    /// Calls and is called directly, by its user name on our sockets.
    #[default]
    Direct,
    /// Exchanges calls with a peer; calls from the peer's addresses belong to it, and no others.
    Trunk,
}

/// Who carries the media of a line.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LineMedia {
    /// Nobody: call control only.
    None,
    /// The RTP provider.
    #[default]
    Rtp,
}

/// What to do when the far end of a call wants us to call somebody else in its place (RFC 3515).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Transferred {
    /// Call there, and go on with whoever answers: for telephones, and for peers that are known. Anybody who can
    /// call the line can have it call any number.
    Follow,
    /// Decline (603): strangers do not make us call at our expense.
    #[default]
    Refuse,
}

/// One line, or with `count` many that differ by a number.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LineConfig {
    /// Its name; also its user name unless `user` says otherwise.
    pub name: String,
    /// What kind it is.
    pub kind: LineKind,
    /// User part of its address.
    pub user: Option<String>,
    /// Domain of its address: `example.org`. Numbers that are dialled without a domain go there.
    pub domain: Option<String>,
    /// What others see beside the address.
    pub display_name: Option<String>,
    /// Name for authentication, where it is not the user.
    pub auth_user: Option<String>,
    /// Password.
    pub password: Secret,
    /// Where to register, as a SIP URI or host; the domain unless set.
    pub registrar: Option<String>,
    /// Where all requests go first, as a SIP URI or host.
    pub proxy: Option<String>,
    /// How long a registration shall last, in seconds; 0 takes 300.
    pub expires: u32,
    /// Seconds between keep-alives to the registrar over UDP, at most; 0 sends none. 29 unless set (RFC 5626
    /// section 4.4.2): address translators may forget us after 30.
    pub keep_alive: Option<u32>,
    /// Addresses that calls of a trunk come from; those of the domain or proxy, where it is an IP address,
    /// belong to it anyway.
    pub peers: Vec<IpAddr>,
    /// Called numbers that belong to a trunk, where its peers have several: `*` stands for any characters, `?`
    /// for one. Empty takes all that the other trunks of the peer do not name.
    pub numbers: Vec<String>,
    /// The transport to prefer: `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: Option<String>,
    /// Calls come by the connection that the account has opened (RFC 5626). Unless set, that is asked for where there
    /// are connections.
    pub outbound: Option<bool>,
    /// A WAV file that those hear whom we hold; silence unless set.
    pub hold_music: Option<PathBuf>,
    /// Whether a second call may come in while there is one; without, its caller hears busy, or is sent where the
    /// rule for busy says. It may unless set.
    pub call_waiting: Option<bool>,
    /// Who carries its media.
    pub media: LineMedia,
    /// Lets 180 be sent as soon as a call is offered; an application that calls `accept` itself sets it off.
    pub ring: Option<bool>,
    /// Callers must know the line's password.
    pub challenge: bool,
    /// The algorithms that such callers may choose from, the preferred first: `SHA-512-256`, `SHA-256`, `MD5`.
    /// Empty offers SHA-256 and MD5 (RFC 8760 section 2.4). Some old telephones give up when they see
    /// anything beside MD5; their lines want `["MD5"]`.
    pub challenge_with: Vec<DigestAlgorithm>,
    /// The peer may say who calls (`P-Asserted-Identity`).
    pub trusted: bool,
    /// What to do when the far end of a call refers us to somebody else: `refuse` or `follow`.
    pub transferred: Transferred,
    /// Asks the registrar whether messages wait (RFC 3842). One that tells without being asked is heard anyway.
    pub mwi: bool,
    /// Addresses whose calls are watched, as busy lamps do (RFC 4235): SIP URIs, or users of the domain.
    pub watch: Vec<String>,
    /// Addresses whose presence is watched (RFC 3856).
    pub watch_presence: Vec<String>,
    /// Makes so many lines: names and users get the numbers from 1 up appended.
    pub count: Option<u32>,
}

impl LineConfig {
    /// A line that needs no registrar.
    #[must_use]
    pub fn direct(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// A line that registers.
    #[must_use]
    pub fn account(name: &str, domain: &str, password: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: LineKind::Account,
            domain: Some(domain.to_owned()),
            password: Secret::new(password),
            ..Self::default()
        }
    }

    /// The lines that it stands for.
    pub(crate) fn expanded(&self) -> Vec<Self> {
        let Some(count) = self.count else { return vec![self.clone()] };
        let numbered = |n: u32| Self {
            name: format!("{}{n}", self.name),
            user: self.user.as_ref().map(|user| format!("{user}{n}")),
            count: None,
            ..self.clone()
        };
        (1..=count).map(numbered).collect()
    }
}

/// A hash that proves a password without showing it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// For old telephones; weak.
    #[serde(rename = "MD5")]
    Md5,
    /// What every current telephone knows.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// SHA-512 cut to 256 bits.
    #[serde(rename = "SHA-512-256")]
    Sha512_256,
}

impl DigestAlgorithm {
    pub(crate) const fn algorithm(self) -> Algorithm {
        match self {
            Self::Md5 => Algorithm::Md5,
            Self::Sha256 => Algorithm::Sha256,
            Self::Sha512_256 => Algorithm::Sha512_256,
        }
    }
}

/// A password; never shown.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps a password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_read_and_wrong_ones_are_named() {
        let listen: Listen = "tls:[::1]:5061".parse().unwrap();
        assert_eq!(listen.transport, Transport::Tls);
        for wrong in ["5060", "udp:localhost", "sctp:127.0.0.1:5060", ""] {
            assert!(wrong.parse::<Listen>().unwrap_err().to_string().contains("is no socket"), "{wrong}");
        }
    }

    #[test]
    fn a_count_makes_numbered_lines() {
        let line = LineConfig { count: Some(3), ..LineConfig::direct("desk") };
        let names: Vec<String> = line.expanded().into_iter().map(|line| line.name).collect();
        assert_eq!(names, ["desk1", "desk2", "desk3"]);
    }

    #[test]
    fn a_password_is_never_shown() {
        let config = SipConfig::default().with_line(LineConfig::account("a", "example.org", "hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
