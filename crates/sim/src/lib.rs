// SPDX-License-Identifier: MIT OR Apache-2.0
//! A simulated exchange and far ends in virtual time, watchers, ladders and the conformance suite.
