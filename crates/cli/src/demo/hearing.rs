// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was heard: compares the tone in a recording with the tone in the prompt that was played.

use std::fmt;
use std::path::Path;

use offhook_media::SampleRate;
use offhook_media::file;
use offhook_media::signal::REFERENCE;
use offhook_media::tone::analysis::{ToneLimits, ToneReport, analyse, analyse_near};

/// The rate of the prompt and of what is compared.
pub(super) const RATE: SampleRate = SampleRate::HZ_8000;
/// The longest recording that is looked at, in samples: a minute.
const MOST: usize = 8_000 * 60;

/// The reference tone as it came back, beside what was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) tone: ToneReport,
    pub(super) sent: ToneReport,
}

/// Reads a recording and judges what is in it.
pub(super) fn judge_file(prompt: &[i16], recording: &Path) -> Result<Heard, String> {
    let read = |path| file::load(&mut *file::open(path)?, RATE, MOST);
    let echo = read(recording).map_err(|error| format!("the recording cannot be read: {error}"))?;
    judge(prompt, &echo)
}

/// Whether the tone came back: within 1 Hz, within 1 dB of what was sent, never gone for more than 40 ms.
pub(super) fn judge(prompt: &[i16], echo: &[i16]) -> Result<Heard, String> {
    let hertz = f64::from(REFERENCE.hertz());
    let sent = analyse_near(prompt, RATE, hertz).ok_or("the prompt holds no reference tone")?;
    let seconds = RATE.duration_of(echo.len() as u64).as_secs_f64();
    let Some(tone) = analyse(echo, RATE) else {
        return Err(format!("no tone was heard in {seconds:.2} s of echo, expected {hertz} Hz"));
    };
    let heard = Heard { tone, sent };
    let whole = tone.present_ms >= sent.present_ms - MISSING_MS;
    if tone.matches(hertz, sent.level, &ToneLimits::default()) && whole {
        Ok(heard)
    } else {
        let (level, length) = (sent.level.dbov(), sent.present_ms);
        Err(format!(
            "heard {heard}; expected {hertz} Hz within 1 Hz, {level:.1} dBov within 1 dB, no gap over 40 ms, \
             {length:.0} ms in all"
        ))
    }
}

/// So much of the tone may be missing in all.
const MISSING_MS: f64 = 200.0;

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ToneReport { frequency_hz, level, present_ms, longest_gap_ms, .. } = self.tone;
        let level = level.dbov();
        write!(f, "{frequency_hz:.2} Hz at {level:.1} dBov for {present_ms:.0} ms, ")?;
        write!(f, "longest gap {longest_gap_ms:.0} ms")
    }
}

#[cfg(test)]
mod tests {
    use offhook_media::signal;

    use super::*;

    #[test]
    fn the_prompt_itself_is_a_perfect_echo() {
        let prompt = signal::prompt(RATE);
        let heard = judge(&prompt, &prompt).unwrap();
        assert!((heard.tone.frequency_hz - 1_004.0).abs() < 0.1, "{heard}");
    }

    #[test]
    fn an_echo_that_is_not_what_was_sent_is_described() {
        let prompt = signal::prompt(RATE);
        let tone_at = prompt.len() - 8_000;
        let mut broken = prompt.clone();
        broken[tone_at..tone_at + 800].fill(0);
        let quiet: Vec<i16> = prompt.iter().map(|sample| sample / 2).collect();
        let short = prompt[..tone_at].to_vec();
        for (echo, expected) in [
            (vec![0; 8_000], "no tone was heard in 1.00 s"),
            (broken, "longest gap 100 ms"),
            (quiet, "heard 1004"),
            (short, "expected 1004 Hz"),
        ] {
            let error = judge(&prompt, &echo).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
