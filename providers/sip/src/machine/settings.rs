// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the SIP core's agent is told of the configuration.

use offhook_sipcore::agent::{Config, Limits, Reliability, ResponsePort, SessionPolicy};
use offhook_sipcore::message::Method;

use crate::config::{Prack, SipConfig};

/// What the agent is to know and to say.
pub(super) fn agent(config: &SipConfig) -> Config {
    let mut agent = Config {
        limits: Limits {
            calls: config.limits.calls,
            transactions: config.limits.transactions,
            transactions_per_source: config.limits.transactions_per_source,
            unacknowledged: config.limits.calls,
            retry_after_seconds: config.limits.retry_after,
        },
        response_port: if config.symmetric { ResponsePort::Source } else { ResponsePort::SentBy },
        product: Some(config.product.clone()).filter(|product| !product.is_empty()),
        supported: vec!["replaces".to_owned()],
        session: config.session_timer.enabled.then_some(SessionPolicy {
            interval: config.session_timer.interval,
            min: config.session_timer.min,
        }),
        ..Config::default()
    };
    agent.allow.extend([Method::NOTIFY, Method::REFER]);
    let reliability = match config.prack {
        Prack::Off => return agent,
        Prack::Required => Reliability::Required,
        Prack::Supported => Reliability::Supported,
        Prack::WhenRequired => Reliability::WhenRequired,
    };
    agent.supported.push("100rel".to_owned());
    Config { reliability, ..agent }
}
