// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sound to and from this process.

/// Where rings for application audio are left for the media provider.
#[derive(Debug, Default)]
pub(crate) struct Rings {}

/// Sound of a call, in this process.
#[derive(Debug)]
pub struct AppAudio {}
