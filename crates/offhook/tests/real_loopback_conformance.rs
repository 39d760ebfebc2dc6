// SPDX-License-Identifier: MIT OR Apache-2.0
//! The conformance suite asks the SIP provider, with and without its media provider, over loopback sockets. As child
//! processes it asks them in the tests of the program, which serves them.

use offhook::conformance::{self, SipRig, Verdict};

async fn assert_all_passed(mut rig: SipRig) {
    let report = conformance::run(&mut rig).await;
    rig.close().await;
    assert!(report.is_clean(), "{report}");
    let left_out = report.tests.iter().filter(|(_, verdict)| *verdict == Verdict::NotTried);
    let names: Vec<&str> = left_out.map(|(name, _)| name.as_str()).collect();
    // The lines of SIP are its configuration: nobody can pull one out.
    assert_eq!(names, ["a line that is pulled out comes back as the same"], "this rig has every far end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sip_and_rtp_pair_conforms() {
    assert_all_passed(SipRig::new().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sip_provider_conforms_without_media() {
    assert_all_passed(SipRig::without_media().await.unwrap()).await;
}
