// SPDX-License-Identifier: MIT OR Apache-2.0
//! The simulated exchange passes the suite that it comes with.

use offhook_sim::conformance::{self, NullRig, SimRig, Verdict};

#[tokio::test(start_paused = true)]
async fn the_exchange_conforms_without_media() {
    let report = conformance::run(&mut SimRig::default()).await;
    println!("{report}");
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn the_exchange_and_its_media_provider_conform() {
    let report = conformance::run(&mut SimRig::with_media()).await;
    println!("{report}");
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_declares_nothing_refuses_everything() {
    let report = conformance::run(&mut NullRig).await;
    assert!(report.is_clean(), "{report}");
    assert!(report.tests.iter().all(|(_, verdict)| *verdict != Verdict::Passed), "{report}");
    assert!(report.tests.iter().any(|(_, verdict)| *verdict == Verdict::RefusedAsDeclared), "{report}");
}
