// SPDX-License-Identifier: MIT OR Apache-2.0
//! What it costs to answer a call: processor time for each, against SIPp's own answerer in the same run,
//! and memory for each call that is held.
//!
//! `cargo bench -p offhook --bench setup`; `-- --calls N` makes another number of calls.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to say")]

mod stand;

use std::time::Duration;

use stand::{Answerer, Callers, Floor, Media, cpu, load, resident, say, within};

/// Calls of a run, where nothing else is asked for.
const CALLS: u64 = 20_000;
/// Calls that are held for the memory.
const HELD: u64 = 2_000;
/// Long enough for all to stand and for the transactions that made them to be forgotten (64 × T1).
const HOLD: Duration = Duration::from_secs(50);

fn main() {
    if stand::answering() || !stand::asked() || !stand::sipp_is_there() {
        return;
    }
    let calls = stand::number("--calls").unwrap_or(CALLS);
    say("answerer         calls/s  calls   failed  retransmitted  CPU ms/call  ratio  load");
    for per_second in [500, 2_000] {
        let calls = calls.min(per_second * 10);
        let floor = Floor::start();
        let least = row("sipp -sn uas", floor.id(), &floor.target, calls, per_second, None);
        drop(floor);
        for media in [Media::None, Media::Open] {
            let ours = Answerer::start(media);
            row(
                &format!("offhook {}", media.word()),
                ours.id(),
                &ours.target,
                calls,
                per_second,
                Some(least),
            );
        }
    }
    say("\nanswerer         held  KiB/call  KiB/call once transactions are over");
    for media in [Media::None, Media::Open] {
        held(media);
    }
}

/// Runs so many calls; gives the milliseconds for each.
fn row(name: &str, id: u32, target: &str, calls: u64, per_second: u64, least: Option<f64>) -> f64 {
    Callers::new(target, 20, 20).start().finish();
    let before = cpu(id);
    let counted = Callers::new(target, calls, per_second).start().finish();
    let used = (cpu(id) - before).as_secs_f64() * 1e3 / counted.successful().max(1) as f64;
    let ratio = used / least.unwrap_or(used);
    say(&format!(
        "{name:15}  {per_second:7}  {calls:6}  {:6}  {:7} {:4.1}%  {used:11.3}  {ratio:5.2}  {}",
        counted.failed(),
        counted.retransmitted(),
        counted.retransmitted() as f64 * 100.0 / calls as f64,
        load(),
    ));
    used
}

fn held(media: Media) {
    let mut ours = Answerer::start(media);
    Callers::new(&ours.target, 100, 100).start().finish();
    let before = resident(ours.id());
    let callers = Callers { hold: HOLD, ..Callers::new(&ours.target, HELD, 400) };
    let calling = callers.start();
    let all = within(HOLD / 2, || ours.live() == HELD);
    assert!(all, "only {} of {HELD} calls stand", ours.live());
    let each = |now: u64| now.saturating_sub(before) as f64 / HELD as f64;
    std::thread::sleep(Duration::from_secs(1));
    let early = each(resident(ours.id()));
    std::thread::sleep(Duration::from_secs(34));
    let late = each(resident(ours.id()));
    say(&format!("offhook {:7}  {HELD:4}  {early:8.1}  {late:8.1}", media.word()));
    assert_eq!(ours.live(), HELD, "calls ended while they were held");
    calling.finish();
}
