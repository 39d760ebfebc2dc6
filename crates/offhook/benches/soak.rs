// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether memory stays flat: fifty real calls a second that send a tone for two seconds and hear it.
//!
//! `cargo bench -p offhook --bench soak -- --seconds 600`; a minute where nothing is asked for.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to say")]

mod stand;

use std::time::{Duration, Instant};

use stand::{Answerer, Callers, Media, cpu, load, resident, say, within};

const PER_SECOND: u64 = 50;
const HOLD: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_secs(30);
/// What comes before is the filling of buffers and of transactions that last half a minute.
const SETTLED: Duration = Duration::from_secs(60);
/// Memory is sampled so often for the slope.
const SAMPLE: Duration = Duration::from_secs(2);

fn main() {
    if stand::answering() || !stand::asked() || !stand::sipp_is_there() {
        return;
    }
    let seconds = stand::number("--seconds").unwrap_or(60);
    let mut answerer = Answerer::start(Media::Echo);
    let callers = Callers {
        hold: HOLD,
        sending: true,
        ..Callers::new(&answerer.target, seconds * PER_SECOND, PER_SECOND)
    };
    let begin = Instant::now();
    let calling = callers.start();
    let samples = watch(&mut answerer, begin, Duration::from_secs(seconds));
    let counted = calling.finish();
    let empty = within(Duration::from_secs(5), || answerer.live() == 0);
    say(&format!(
        "{} calls, {} failed, {} retransmitted, {}; {:.2} ms of CPU for each",
        counted.successful(),
        counted.failed(),
        counted.retransmitted(),
        if empty { "none left" } else { "SOME LEFT" },
        cpu(answerer.id()).as_secs_f64() * 1e3 / counted.successful().max(1) as f64,
    ));
    match slope(&samples) {
        Some(slope) => say(&format!("slope after the first minute: {slope:+.1} KiB a minute")),
        None => say("too short for a slope"),
    }
}

/// Prints memory now and then; gives what it was after the first minute.
fn watch(answerer: &mut Answerer, begin: Instant, time: Duration) -> Vec<(f64, f64)> {
    say("second  KiB resident  calls live  load");
    let (mut samples, mut next) = (Vec::new(), EVERY);
    while begin.elapsed() < time {
        std::thread::sleep(SAMPLE);
        let (at, memory) = (begin.elapsed(), resident(answerer.id()));
        if at >= SETTLED && at <= time {
            samples.push((at.as_secs_f64() / 60.0, memory as f64));
        }
        if at >= next {
            say(&format!("{:6}  {memory:12}  {:10}  {}", at.as_secs(), answerer.live(), load()));
            next += EVERY;
        }
    }
    samples
}

/// The slope of the line that fits best.
fn slope(samples: &[(f64, f64)]) -> Option<f64> {
    let count = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let together: f64 = samples.iter().map(|sample| (sample.0 - x) * (sample.1 - y)).sum();
    let alone: f64 = samples.iter().map(|sample| (sample.0 - x).powi(2)).sum();
    (samples.len() > 2 && alone > 0.0).then(|| together / alone)
}
