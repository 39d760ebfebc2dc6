// SPDX-License-Identifier: MIT OR Apache-2.0
//! The telephone layer for programs: lines, calls and streams over any provider.
