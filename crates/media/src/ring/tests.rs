// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the ring: order, losses, flushing, and two threads at once.

use proptest::prelude::*;

use super::*;
use crate::format::{Channels, SampleRate};

const SHORT: Duration = Duration::from_millis(40);

fn pull(reader: &mut RingReader, count: usize) -> (Vec<i16>, FrameInfo, Flow) {
    let (mut out, mut info) = (vec![-1; count], FrameInfo::default());
    let flow = reader.pull(&mut out, &mut info);
    (out, info, flow)
}

fn counted(from: i16, count: i16) -> Vec<i16> {
    (from..from + count).collect()
}

#[test]
fn a_full_ring_takes_no_more() {
    let (mut writer, mut reader) = channel(Format::TELEPHONE, SHORT);
    assert_eq!(writer.write(&[1; 400]), 320);
    assert_eq!((writer.room(), writer.write(&[1])), (0, 0));
    let _ = pull(&mut reader, 160);
    assert_eq!(writer.room(), 160);
}

#[test]
fn what_is_missing_is_silence_and_counted() {
    let (mut writer, mut reader) = channel(Format::TELEPHONE, SHORT);
    assert_eq!(writer.write(&counted(0, 100)), 100);
    let (out, info, flow) = pull(&mut reader, 160);
    assert_eq!((out[99], out[100], info.concealed, flow), (99, 0, 60, Flow::Continue));
    let (_, info, _) = pull(&mut reader, 160);
    assert_eq!((info.position, info.concealed), (100, 160));
    assert_eq!(writer.control().progress().missing, 220);
}

#[test]
fn an_overrun_is_told_where_it_was() {
    let (mut writer, mut reader) = channel(Format::TELEPHONE, SHORT);
    for start in [0, 160, 320] {
        assert_eq!(writer.push(&counted(start, 160), &FrameInfo::default()), Flow::Continue);
    }
    let (out, info, _) = pull(&mut reader, 320);
    assert_eq!((out, info), (counted(0, 320), FrameInfo::at(0)));
    assert_eq!(writer.push(&counted(480, 160), &FrameInfo::default()), Flow::Continue);
    let (out, info, _) = pull(&mut reader, 160);
    assert_eq!((out, info), (counted(480, 160), FrameInfo { overrun: 160, ..FrameInfo::at(320) }));
}

#[test]
fn reading_stops_before_a_gap() {
    let (mut writer, mut reader) = channel(Format::TELEPHONE, SHORT);
    let _ = writer.push(&counted(0, 50), &FrameInfo::default());
    let _ = writer.push(&counted(90, 50), &FrameInfo { gap: 40, ..FrameInfo::default() });
    let (mut out, mut info) = (vec![0; 300], FrameInfo::default());
    assert_eq!(reader.read(&mut out, &mut info), 50);
    assert_eq!(info, FrameInfo::at(0));
    assert_eq!(reader.read(&mut out, &mut info), 50);
    assert_eq!(info, FrameInfo { gap: 40, ..FrameInfo::at(50) });
    assert_eq!(out[..50], counted(90, 50));
    assert_eq!(reader.read(&mut out, &mut info), 0);
}

#[test]
fn flushing_throws_away_what_was_written_before_only() {
    let (mut writer, mut reader) = channel(Format::TELEPHONE, SHORT);
    assert_eq!(writer.write(&counted(0, 100)), 100);
    let (before, control) = (writer.mark(), writer.control());
    control.flush();
    assert_eq!(writer.write(&counted(500, 60)), 60);
    assert!(!control.has_passed(before));
    let (out, info, _) = pull(&mut reader, 60);
    assert_eq!((out, info.position), (counted(500, 60), 100));
    let progress = control.progress();
    assert_eq!((progress.heard(), progress.discarded, progress.waiting()), (60, 100, 0));
    assert!(control.has_passed(before) && control.has_passed(writer.mark()));
}

#[test]
fn a_pause_keeps_what_is_in_the_ring() {
    let (mut writer, mut reader) = channel(Format::TELEPHONE, SHORT);
    assert_eq!(writer.write(&counted(1, 160)), 160);
    writer.control().pause();
    let (out, info, _) = pull(&mut reader, 160);
    assert_eq!((out, info), (vec![0; 160], FrameInfo::at(0)));
    writer.control().resume();
    assert_eq!(pull(&mut reader, 160).0, counted(1, 160));
}

#[test]
fn the_end_comes_after_the_last_sample() {
    let (mut writer, mut reader) = channel(Format::TELEPHONE, SHORT);
    assert_eq!(writer.write(&counted(0, 200)), 200);
    drop(writer);
    assert_eq!(pull(&mut reader, 160).2, Flow::Continue);
    assert!(!reader.is_over());
    let (out, info, flow) = pull(&mut reader, 160);
    assert_eq!((out[39], out[40], info.concealed, flow), (199, 0, 0, Flow::End));
    assert!(reader.is_over());
}

#[test]
fn an_abandoned_ring_needs_no_more() {
    let (mut writer, reader) = channel(Format::TELEPHONE, SHORT);
    assert!(!writer.is_abandoned());
    drop(reader);
    assert!(writer.is_abandoned());
    assert_eq!(writer.push(&[0; 160], &FrameInfo::default()), Flow::End);
}

#[test]
fn stereo_is_never_split() {
    let format = Format { rate: SampleRate::HZ_8000, channels: Channels::STEREO, samples: 2 };
    let (mut writer, mut reader) = channel(format, Duration::ZERO);
    assert_eq!(writer.write(&[1, 2, 3]), 2);
    assert_eq!(writer.write(&[3, 4, 5, 6]), 2);
    assert_eq!(writer.mark(), Mark(2));
    assert_eq!(pull(&mut reader, 3).0, [1, 2, 0]);
    assert_eq!(reader.control().progress().position, 1);
}

#[test]
fn two_threads_pass_every_sample_in_order() {
    const TOTAL: u32 = 200_000;
    let (mut writer, mut reader) = channel(Format::TELEPHONE, SHORT);
    let writing = std::thread::spawn(move || {
        let sound: Vec<i16> = (0..TOTAL).map(|i| (i % 30_011) as i16).collect();
        let mut rest = &sound[..];
        while !rest.is_empty() {
            rest = &rest[writer.write(&rest[..rest.len().min(77)])..];
            std::thread::yield_now();
        }
    });
    let (mut heard, mut frame, mut info) = (0u32, [0; 160], FrameInfo::default());
    while !reader.is_over() {
        let count = reader.read(&mut frame, &mut info);
        for &sample in &frame[..count] {
            assert_eq!(sample, (heard % 30_011) as i16);
            heard += 1;
        }
        std::thread::yield_now();
    }
    assert_eq!(heard, TOTAL);
    writing.join().unwrap();
}

proptest! {
    /// However pushes, pulls and flushes follow each other, each sample is heard, thrown away, waiting or overrun.
    #[test]
    fn nothing_is_lost_without_being_told(steps in proptest::collection::vec((0u8..4, 0usize..400), 1..60)) {
        let (mut writer, mut reader) = channel(Format::TELEPHONE, SHORT);
        let (mut pushed, mut overrun) = (0u64, 0u64);
        for (kind, count) in steps {
            match kind {
                0 | 1 => {
                    let _ = writer.push(&vec![1; count], &FrameInfo::default());
                    pushed += count as u64;
                }
                2 => {
                    let (out, info, _) = pull(&mut reader, count);
                    overrun += u64::from(info.overrun);
                    let silent = out.iter().filter(|&&sample| sample == 0).count();
                    prop_assert_eq!(silent as u32, info.concealed);
                }
                _ => writer.control().flush(),
            }
        }
        let progress = reader.control().progress();
        prop_assert_eq!(progress.position, progress.heard() + progress.discarded);
        prop_assert!(progress.position + progress.waiting() + overrun <= pushed);
        prop_assert_eq!(progress.written, progress.position + progress.waiting());
    }
}
