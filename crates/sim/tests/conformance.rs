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
async fn a_provider_that_declares_nothing_has_only_to_be_there() {
    let report = conformance::run(&mut NullRig).await;
    assert!(report.is_clean(), "{report}");
    let passed = report.tests.iter().filter(|(_, verdict)| *verdict == Verdict::Passed);
    let names: Vec<&str> = passed.map(|(name, _)| name.as_str()).collect();
    let expected = [
        "a thousand requests in a row are answered once each",
        "a host that reads late loses no reply",
        "a provider that is started again brings the same line",
    ];
    assert_eq!(names, expected, "{report}");
    assert!(report.tests.iter().any(|(_, verdict)| *verdict == Verdict::RefusedAsDeclared), "{report}");
}
