// SPDX-License-Identifier: MIT OR Apache-2.0
//! MSP for RTP: sessions that speak SDP, the pair of the SIP TSP.
