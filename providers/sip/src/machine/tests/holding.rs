// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who holds whom (RFC 3264 section 8.4).
