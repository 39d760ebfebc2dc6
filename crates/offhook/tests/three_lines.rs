// SPDX-License-Identifier: MIT OR Apache-2.0
//! Supplementary services from the application down to the simulated exchange and back: three lines that call each
//! other, in virtual time.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use offhook::spi::{Address, CompletionMode, ForwardRule, ForwardWhen, PickupTarget, StateKind};
use offhook::{App, Call, CallState, Interest, Line, Offhook};
use offhook_sim::{ExchangeConfig, SimMsp, SimTsp};

struct Office {
    phone: Offhook,
    app: App,
    alice: Line,
    bob: Line,
    carol: Line,
}

impl Office {
    async fn new() -> Self {
        let lines = ["alice", "bob", "carol"].map(str::to_owned).to_vec();
        let (exchange, _) = SimTsp::new(ExchangeConfig { lines, ..ExchangeConfig::default() });
        let phone = Offhook::builder().tsp(exchange).msp(SimMsp).start().await.unwrap();
        let app = phone.app("office").await.unwrap();
        let line = |name: &'static str| {
            let app = app.clone();
            async move {
                let line = app.line(name).await.unwrap();
                line.open(Interest::OWN_AUDIO).await.unwrap();
                line
            }
        };
        let (alice, bob, carol) = (line("alice").await, line("bob").await, line("carol").await);
        Self { phone, app, alice, bob, carol }
    }

    /// Alice talks to Bob: her call and his.
    async fn talk(&self) -> (Call, Call) {
        let ours = self.alice.call("sim:bob").await.unwrap();
        let theirs = self.bob.incoming().await.unwrap();
        theirs.answer().await.unwrap();
        ours.connected().await.unwrap();
        theirs.connected().await.unwrap();
        (ours, theirs)
    }

    /// Every call has ended, and nobody broke the contract.
    async fn is_quiet(&self, calls: &[&Call]) {
        for call in calls {
            becomes(call, StateKind::Idle).await;
        }
        assert_eq!(self.phone.violations(), 0);
        let alive = self.app.calls().await.unwrap();
        assert!(alive.iter().all(|call| call.state() == CallState::Idle), "{alive:?}");
    }
}

async fn becomes(call: &Call, kind: StateKind) {
    call.reaches(|state| state.kind() == kind).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_is_transferred_after_consultation() {
    let office = Office::new().await;
    let (ours, bob) = office.talk().await;
    let consultation = ours.consult_with("sim:carol").await.unwrap();
    becomes(&ours, StateKind::OnHoldPendingTransfer).await;
    let carol = office.carol.incoming().await.unwrap();
    carol.answer().await.unwrap();
    consultation.connected().await.unwrap();
    ours.complete_transfer(&consultation).await.unwrap();
    becomes(&ours, StateKind::Idle).await;
    becomes(&consultation, StateKind::Idle).await;
    assert_eq!(bob.state().kind(), StateKind::Connected);
    bob.hang_up().await.unwrap();
    office.is_quiet(&[&bob, &carol]).await;
}

#[tokio::test(start_paused = true)]
async fn a_consultation_leads_back_to_the_first_call() {
    let office = Office::new().await;
    let (ours, bob) = office.talk().await;
    let consultation = ours.consult_with("sim:carol").await.unwrap();
    let carol = office.carol.incoming().await.unwrap();
    ours.unhold().await.unwrap();
    becomes(&ours, StateKind::Connected).await;
    becomes(&consultation, StateKind::Idle).await;
    becomes(&carol, StateKind::Idle).await;
    ours.hang_up().await.unwrap();
    office.is_quiet(&[&ours, &bob]).await;
}

#[tokio::test(start_paused = true)]
async fn three_parties_confer_and_two_stay() {
    let office = Office::new().await;
    let (ours, bob) = office.talk().await;
    let (conference, consultation) = ours.conference().await.unwrap();
    becomes(&ours, StateKind::Conferenced).await;
    consultation.dial("carol").await.unwrap();
    let carol = office.carol.incoming().await.unwrap();
    carol.answer().await.unwrap();
    consultation.connected().await.unwrap();
    conference.add(&consultation).await.unwrap();
    becomes(&conference, StateKind::Connected).await;
    becomes(&consultation, StateKind::Conferenced).await;
    carol.hang_up().await.unwrap();
    becomes(&consultation, StateKind::Idle).await;
    becomes(&ours, StateKind::Connected).await;
    ours.hang_up().await.unwrap();
    office.is_quiet(&[&ours, &bob, &carol, &conference]).await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_call_is_fetched_at_another_line() {
    let office = Office::new().await;
    let (ours, bob) = office.talk().await;
    let at = ours.park().await.unwrap();
    becomes(&ours, StateKind::Idle).await;
    let fetched = office.carol.unpark(at.as_str()).await.unwrap();
    fetched.connected().await.unwrap();
    fetched.hang_up().await.unwrap();
    office.is_quiet(&[&bob, &fetched]).await;
}

#[tokio::test(start_paused = true)]
async fn a_ringing_call_is_picked_up_and_rules_send_calls_on() {
    let office = Office::new().await;
    let ours = office.alice.call("sim:bob").await.unwrap();
    let bob = office.bob.incoming().await.unwrap();
    let address = Address::new("sim:bob");
    let picked = office.carol.pick_up(PickupTarget::Address { address }).await.unwrap();
    picked.connected().await.unwrap();
    ours.connected().await.unwrap();
    picked.hang_up().await.unwrap();
    office.is_quiet(&[&ours, &bob, &picked]).await;

    let to = Some(Address::new("sim:carol"));
    office
        .bob
        .forward(vec![ForwardRule { when: ForwardWhen::Always, caller: None, to, after: None }])
        .await
        .unwrap();
    let ours = office.alice.call("sim:bob").await.unwrap();
    let carol = office.carol.incoming().await.unwrap();
    carol.answer().await.unwrap();
    ours.connected().await.unwrap();
    ours.hang_up().await.unwrap();
    office.is_quiet(&[&ours, &carol]).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_called_back_when_the_line_is_free() {
    let office = Office::new().await;
    let ours = office.alice.call("sim:bob").await.unwrap();
    let bob = office.bob.incoming().await.unwrap();
    ours.complete(CompletionMode::CallBack).await.unwrap();
    ours.hang_up().await.unwrap();
    becomes(&bob, StateKind::Idle).await;
    let back = office.alice.incoming().await.unwrap();
    back.answer().await.unwrap();
    let again = office.bob.incoming().await.unwrap();
    again.answer().await.unwrap();
    back.connected().await.unwrap();
    back.hang_up().await.unwrap();
    office.is_quiet(&[&ours, &bob, &back, &again]).await;
}
