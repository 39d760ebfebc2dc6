// SPDX-License-Identifier: MIT OR Apache-2.0
//! The engine on real sockets of this machine.

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
    use std::time::{Duration, Instant};

    use offhook_media::engine::{
        AudioCodec, Echo, Engine, EngineConfig, EngineError, LegConfig, LegControl, LegEvent, LegId,
        MediaFormat, PortPool, PortRange, Remote, RtcpMode, Sockets,
    };
    use offhook_media::rtp::PayloadType;
    use offhook_spi::Digit;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    type Events = Receiver<(LegId, LegEvent)>;

    fn start() -> (Engine, Events) {
        let (told, events) = channel();
        let config = EngineConfig { workers: 1, legs: 64 };
        let engine = Engine::start(config, move |leg, event| {
            told.send((leg, event)).ok();
        });
        (engine.unwrap(), events)
    }

    fn config(to: &Sockets, seed: u64) -> LegConfig {
        let events = PayloadType::new(101);
        let media = MediaFormat::symmetric(PayloadType::PCMA, AudioCodec::Pcma, events);
        LegConfig::new(media, Some(Remote::at(to.local().unwrap())), seed)
    }

    fn wait(events: &Events, mut wanted: impl FnMut(LegId, &LegEvent) -> bool) -> (LegId, LegEvent) {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((leg, event)) if wanted(leg, &event) => return (leg, event),
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => panic!("event never came"),
            }
        }
    }

    #[test]
    fn real_legs_hear_each_other_and_close() {
        let (engine, events) = start();
        let pool = PortPool::new(PortRange { first: 42_200, last: 42_299 });
        for rtcp in [RtcpMode::Separate, RtcpMode::Multiplexed] {
            let (a, b) = (pool.bind(HERE).unwrap(), pool.bind(HERE).unwrap());
            let (config_a, config_b) = (config(&b, 1), config(&a, 2));
            let a = engine.open(&LegConfig { rtcp, ..config_a }, a).unwrap();
            let b = engine.open(&LegConfig { rtcp, ..config_b }, b).unwrap();
            engine.control(b, LegControl::Echo(Echo::On)).unwrap();
            wait(&events, |leg, event| leg == a && matches!(event, LegEvent::FirstPacket(_)));
            engine
                .control(a, LegControl::Press(Digit::new('7').unwrap(), Duration::from_millis(80)))
                .unwrap();
            let (_, digit) = wait(&events, |leg, event| leg == b && matches!(event, LegEvent::Digit(_)));
            assert!(matches!(digit, LegEvent::Digit(digit) if digit.as_char() == '7'));
            engine.ask_statistics(a).unwrap();
            let (_, snapshot) = wait(&events, |_, event| matches!(event, LegEvent::Statistics(_)));
            let LegEvent::Statistics(snapshot) = snapshot else { panic!("{snapshot:?}") };
            assert!(snapshot.received.packets > 0 && snapshot.sent.packets > 0);
            engine.close(a).unwrap();
            let (mut said, mut closed) = (false, false);
            wait(&events, |leg, event| {
                said |= leg == b && matches!(event, LegEvent::Bye);
                closed |= leg == a && matches!(event, LegEvent::Closed(_));
                said && closed
            });
            assert!(matches!(engine.control(a, LegControl::Release), Err(EngineError::UnknownLeg(_))));
            engine.close(b).unwrap();
            wait(&events, |leg, event| leg == b && matches!(event, LegEvent::Closed(_)));
        }
        assert_eq!(engine.legs(), 0);
    }

    #[test]
    fn real_peers_that_are_gone_are_counted_and_harmless() {
        let (engine, events) = start();
        let pool = PortPool::new(PortRange { first: 42_300, last: 42_399 });
        let (ours, theirs) = (pool.bind(HERE).unwrap(), pool.bind(HERE).unwrap());
        let to = ours.local().unwrap();
        let leg = engine.open(&config(&theirs, 1), ours).unwrap();
        // One packet of theirs makes us connect; then their port closes.
        let silence = [&[0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9][..], &[0xd5; 160]].concat();
        theirs.rtp.send_to(&silence, to).unwrap();
        wait(&events, |_, event| matches!(event, LegEvent::FirstPacket(_)));
        drop(theirs);
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            engine.ask_statistics(leg).unwrap();
            let (_, event) = wait(&events, |_, event| matches!(event, LegEvent::Statistics(_)));
            let LegEvent::Statistics(snapshot) = event else { panic!("{event:?}") };
            if snapshot.sent.refused > 3 {
                break;
            }
            assert!(Instant::now() < deadline, "{snapshot:?}");
        }
        drop(engine);
        assert!(
            events.iter().all(|(from, _)| from == leg),
            "after the engine has stopped nothing more comes"
        );
    }
}
