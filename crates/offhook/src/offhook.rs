// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server in this process, as a handle.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use offhook_core::AppProfile;

use crate::app::{App, Server};
use crate::builder::Builder;
use crate::error::Error;
#[cfg(feature = "sip")]
use crate::error::ErrorKind;
use crate::runtime::Command;

/// A telephone server in this process.
///
/// The handle is cheap to clone. The server ends with [`Offhook::shutdown`], or on its own some time
/// after the last handle of it and of all its applications, lines and calls was dropped; both ways it
/// hangs up, unregisters and closes its files.
#[derive(Clone)]
pub struct Offhook {
    server: Arc<Server>,
    #[cfg(feature = "sip")]
    sip: Arc<[offhook_sip::BoundAddresses]>,
    #[cfg(feature = "sim")]
    sim: Option<offhook_sim::SimCaller>,
}

impl Offhook {
    pub(crate) fn new(
        server: Arc<Server>,
        #[cfg(feature = "sip")] sip: Vec<offhook_sip::BoundAddresses>,
        #[cfg(feature = "sim")] sim: Option<offhook_sim::SimCaller>,
    ) -> Self {
        Self {
            server,
            #[cfg(feature = "sip")]
            sip: sip.into(),
            #[cfg(feature = "sim")]
            sim,
        }
    }

    /// Begins to set a server up.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Introduces an application. Every use of this makes another one, also under the same name.
    ///
    /// # Errors
    /// [`ErrorKind::ShutDown`](crate::ErrorKind::ShutDown).
    pub async fn app(&self, name: impl Into<String>) -> Result<App, Error> {
        self.app_with(AppProfile { name: name.into(), priority: 0 }).await
    }

    /// As [`Offhook::app`], with a priority: higher gets incoming calls first.
    ///
    /// # Errors
    /// As [`Offhook::app`].
    pub async fn app_with(&self, profile: AppProfile) -> Result<App, Error> {
        App::join(Arc::clone(&self.server), profile).await
    }

    /// Lets applications in other processes of this machine connect, as long as what it gives is kept. Only the
    /// user who runs the server can open the socket.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when no socket can be made there, or another server listens.
    #[cfg(unix)]
    pub async fn listen(&self, path: &std::path::Path) -> Result<crate::local::Listening, Error> {
        crate::local::Listening::open(Arc::clone(&self.server), path).await
    }

    /// The addresses that the sockets of the SIP providers are bound to, in the order in which the
    /// providers were added.
    #[cfg(feature = "sip")]
    #[must_use]
    pub fn sip_addresses(&self) -> &[offhook_sip::BoundAddresses] {
        &self.sip
    }

    /// The address at which a user of the first SIP provider can be called from this machine:
    /// `sip:alice@127.0.0.1:5060`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when no SIP provider listens.
    #[cfg(feature = "sip")]
    pub fn sip_uri(&self, user: &str) -> Result<String, Error> {
        let bound = self.sip.iter().flat_map(|bound| &bound.sockets).next();
        let bound = bound.ok_or_else(|| {
            let detail = "no SIP provider listens; add one with `.sip(...)`";
            Error::new(ErrorKind::NotFound, format!("name the address of '{user}'"), detail)
        })?;
        let parameter = match bound.transport {
            offhook_sip::Transport::Tcp => ";transport=tcp",
            offhook_sip::Transport::Tls => ";transport=tls",
            offhook_sip::Transport::Ws => ";transport=ws",
            offhook_sip::Transport::Wss => ";transport=wss",
            _ => "",
        };
        Ok(format!("sip:{user}@{}{parameter}", bound.address))
    }

    /// Makes things happen in the simulated exchange that was added last: calls that come in, lines
    /// that are pulled out.
    #[cfg(feature = "sim")]
    #[must_use]
    pub fn sim(&self) -> Option<&offhook_sim::SimCaller> {
        self.sim.as_ref()
    }

    /// How often a provider has broken the contract since the server began.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.server.violations.load(Ordering::Relaxed)
    }

    /// Ends everything in an orderly way: hangs up, unregisters, closes files. From now on every
    /// request fails with [`ErrorKind::ShutDown`](crate::ErrorKind::ShutDown). Shutting down twice does
    /// no harm.
    pub async fn shutdown(&self) {
        // Where the queue is closed, somebody else is at it already.
        self.server.commands.send(Command::ShutDown).await.ok();
        let mut alive = self.server.alive.clone();
        while alive.changed().await.is_ok() {}
    }
}

impl fmt::Debug for Offhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offhook").field("running", &!self.server.commands.is_closed()).finish()
    }
}
