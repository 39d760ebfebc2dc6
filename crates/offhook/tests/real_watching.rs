// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIPp as the registrar of a line that watches: its own messages, and calls of somebody else.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]
#![expect(clippy::print_stdout, reason = "measured values are worth reading")]

mod peers;

use offhook::spi::{LineStatus, WatchedState};
use offhook::{AppEvent, LineConfig, Sequence, SipConfig};
use peers::PATIENCE;
use peers::ours::Phone;
use peers::sipp::serve;
use tokio::time::timeout;

/// Registers a line with the scenario, waits until its status was each of `expected` in turn, and leaves. Both
/// dialogs of SIPp, the registration and the subscription, have to go through to their ends.
async fn sees<T: PartialEq + std::fmt::Debug>(
    scenario: &str,
    change: impl FnOnce(&mut LineConfig),
    told: impl Fn(&LineStatus) -> T,
    expected: &[T],
) {
    let Some((registrar, port)) = serve(scenario, 2) else { return };
    let mut line = LineConfig::account("ours", "127.0.0.1", "");
    line.registrar = Some(format!("sip:127.0.0.1:{port}"));
    change(&mut line);
    let phone = Phone::start(SipConfig::default().with_line(line)).await;
    // From the beginning: much has been told before anybody can ask.
    let mut events = phone.line.app().events_from(Sequence(1));
    let mut seen = Vec::new();
    for state in expected {
        while seen.last() != Some(state) {
            let status = |event: &AppEvent| match event {
                AppEvent::Line { record } => Some(told(&record.status)),
                _ => None,
            };
            let next = timeout(PATIENCE, events.find(status)).await;
            seen.push(next.unwrap_or_else(|_| panic!("{state:?} after {seen:?}")).unwrap());
        }
    }
    phone.end().await;
    let (succeeded, printed) = registrar.finish();
    assert!(succeeded, "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sipp_tells_whether_messages_wait() {
    let told = |status: &LineStatus| status.message_waiting;
    sees("voice_mail.xml", |line| line.mwi = true, told, &[Some(true), Some(false)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sipp_moves_a_busy_lamp_with_dialog_info() {
    let told = |status: &LineStatus| status.watched.first().map(|watched| watched.state);
    let states = [WatchedState::Idle, WatchedState::Alerting, WatchedState::Busy, WatchedState::Idle];
    let watch = |line: &mut LineConfig| line.watch = vec![String::from("101")];
    sees("busy_lamp.xml", watch, told, &states.map(Some)).await;
}
