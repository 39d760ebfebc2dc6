// SPDX-License-Identifier: MIT OR Apache-2.0
//! How often the verdict on who answered is right, and how soon it comes: a labelled set made by the project itself,
//! with floors. `cargo test -p offhook-media --test answers -- --nocapture` prints the table.

#[path = "answers/set.rs"]
mod set;

use std::fmt::Write as _;
use std::io::Write as _;

use offhook_media::answer::{AnswerDetector, AnswerEvent, AnswerLimits, Verdict};
use offhook_media::tone::Detector as _;
use set::{Call, RATE};

/// The seed of the set that is published; the limits and thresholds were chosen on the set of seed 1.
const SEED: u64 = 2;
const LABELS: [Verdict; 6] =
    [Verdict::Human, Verdict::Machine, Verdict::Fax, Verdict::Tone, Verdict::Silence, Verdict::Undecided];

/// What was heard of one call. Times in seconds.
struct Heard {
    verdict: Verdict,
    at: f32,
    beeps: Vec<f32>,
}

fn hear(call: &Call) -> Heard {
    let limits = AnswerLimits::default();
    let mut detector = AnswerDetector::new(limits, call.country, RATE).expect("a simple rate");
    let mut heard = Heard { verdict: Verdict::Undecided, at: f32::INFINITY, beeps: Vec::new() };
    for (index, frame) in call.sound.chunks(160).enumerate() {
        let now = (index + 1) as f32 * 0.02;
        detector.hear(frame, &mut |event| match event {
            AnswerEvent::Decided { verdict, .. } => (heard.verdict, heard.at) = (verdict, now),
            AnswerEvent::BeepHeard { .. } => heard.beeps.push(now),
            _ => {}
        });
    }
    heard
}

/// One line of the table.
#[derive(Debug, Default)]
struct Row {
    calls: usize,
    told: usize,
    right: usize,
    latencies: Vec<f32>,
}

impl Row {
    fn precision(&self) -> f32 {
        self.right as f32 / self.told.max(1) as f32
    }

    fn recall(&self) -> f32 {
        self.right as f32 / self.calls.max(1) as f32
    }

    fn latency(&mut self, part: f32) -> f32 {
        self.latencies.sort_by(f32::total_cmp);
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((part * last as f32).round() as usize).copied().unwrap_or(0.0)
    }
}

/// The verdicts and the beeps of a whole set, and what went wrong.
fn measure(calls: &[Call]) -> (Vec<(String, Row)>, String) {
    let mut rows: Vec<_> = LABELS.iter().map(|label| (format!("{label:?}"), Row::default())).collect();
    let (mut beeps, mut wrong) = (Row::default(), String::new());
    for call in calls {
        let heard = hear(call);
        let place = |verdict| LABELS.iter().position(|label| *label == verdict).expect("a label");
        rows[place(call.label)].1.calls += 1;
        rows[place(heard.verdict)].1.told += 1;
        if heard.verdict == call.label {
            let row = &mut rows[place(call.label)].1;
            row.right += 1;
            row.latencies.push(heard.at - if call.label == Verdict::Silence { 0.0 } else { call.onset });
        } else {
            writeln!(wrong, "{:?} taken for {:?}: {}", call.label, heard.verdict, call.about)
                .expect("memory");
        }
        beeps.told += heard.beeps.len();
        if let Some(end) = call.beep {
            beeps.calls += 1;
            match heard.beeps.iter().find(|at| (end - 0.05..end + 0.3).contains(*at)) {
                Some(at) => {
                    beeps.right += 1;
                    beeps.latencies.push(at - end);
                }
                None => writeln!(wrong, "beep at {end:.2} not heard ({:?}): {}", heard.beeps, call.about)
                    .expect("memory"),
            }
        } else if !heard.beeps.is_empty() {
            writeln!(wrong, "no beep there: {:?} {}", call.label, call.about).expect("memory");
        }
    }
    rows.push(("Beep".to_owned(), beeps));
    (rows, wrong)
}

#[test]
fn verdicts_are_as_right_and_as_soon_as_they_were() {
    let seed = std::env::var("ANSWER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let calls = set::calls(seed);
    let (mut rows, wrong) = measure(&calls);
    let mut table = String::from(
        "\n| heard | calls | precision | recall | median | 95 % within |\n|---|---|---|---|---|---|\n",
    );
    for (name, row) in rows.iter_mut().filter(|(_, row)| row.calls > 0) {
        let (median, late) = (row.latency(0.5), row.latency(0.95));
        let (precision, recall) = (row.precision(), row.recall());
        writeln!(
            table,
            "| {name} | {} | {precision:.3} | {recall:.3} | {median:.2} s | {late:.2} s |",
            row.calls
        )
        .expect("memory");
    }
    write!(std::io::stderr().lock(), "{table}\n{wrong}").expect("a place to print");
    if seed != SEED {
        return;
    }
    for (floor, (name, row)) in FLOORS.iter().zip(&mut rows) {
        let got = (row.precision(), row.recall(), row.latency(0.95));
        assert!(
            got.0 >= floor.0 && got.1 >= floor.1 && got.2 <= floor.2,
            "{name}: {got:?} against {floor:?}"
        );
    }
}

/// For each row: precision and recall at least, seconds at most within which 95 % come.
const FLOORS: [(f32, f32, f32); 7] = [
    (0.86, 0.93, 2.9),
    (0.93, 0.86, 2.7),
    (1.0, 0.97, 0.8),
    (1.0, 0.99, 2.5),
    (0.95, 0.96, 4.6),
    // Nothing is undecided that has a label, so there is nothing to be right about.
    (0.0, 0.0, 0.0),
    (0.97, 0.97, 0.2),
];
