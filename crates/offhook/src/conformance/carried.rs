// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rigs for providers outside this program.

use offhook_sim::conformance::{Behaviour, Rig};
use offhook_spi::{Address, DynMsp, DynTsp, ProviderError};

use crate::carrier::{Library, Process};

/// A provider that is started as a child process for each test.
#[derive(Clone, Debug)]
pub struct ProcessRig {
    tsp: Process,
    msp: Option<Process>,
    far_end: fn(Behaviour) -> Option<Address>,
}

impl ProcessRig {
    /// A TSP. Its far ends are its own (schema [`RIG`](super::RIG)).
    #[must_use]
    pub fn new(tsp: Process) -> Self {
        Self { tsp, msp: None, far_end: |_| None }
    }

    /// With its MSP.
    #[must_use]
    pub fn with_msp(mut self, msp: Process) -> Self {
        self.msp = Some(msp);
        self
    }

    /// With far ends at these addresses.
    #[must_use]
    pub fn with_far_ends(mut self, far_end: fn(Behaviour) -> Option<Address>) -> Self {
        self.far_end = far_end;
        self
    }
}

impl Rig for ProcessRig {
    async fn tsp(&mut self) -> Result<Box<dyn DynTsp>, ProviderError> {
        Ok(Box::new(self.tsp.tsp().await?))
    }

    async fn msp(&mut self) -> Result<Option<Box<dyn DynMsp>>, ProviderError> {
        Ok(match &self.msp {
            Some(process) => Some(Box::new(process.msp().await?)),
            None => None,
        })
    }

    fn address(&self, behaviour: Behaviour) -> Option<Address> {
        (self.far_end)(behaviour)
    }
}

/// A TSP in a shared library, opened for each test. Its far ends are its own (schema [`RIG`](super::RIG)).
#[derive(Clone, Debug)]
pub struct LibraryRig {
    library: Library,
}

impl LibraryRig {
    /// One TSP of a library.
    #[must_use]
    pub const fn new(library: Library) -> Self {
        Self { library }
    }
}

impl Rig for LibraryRig {
    async fn tsp(&mut self) -> Result<Box<dyn DynTsp>, ProviderError> {
        Ok(Box::new(self.library.tsp().await?))
    }
}
