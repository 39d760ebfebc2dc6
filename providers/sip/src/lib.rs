// SPDX-License-Identifier: MIT OR Apache-2.0
//! TSP for SIP: accounts, trunks and direct lines over UDP, TCP and TLS.
