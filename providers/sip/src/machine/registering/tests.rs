// SPDX-License-Identifier: MIT OR Apache-2.0
//! Accounts in virtual time: registrars that are away, and ten thousand lines at once.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use offhook_sipcore::agent::Transport;
use offhook_sipcore::message::{Limits, Message, Method};
use offhook_spi::{Machine, RequestId, TspCommand, TspEvent};

use super::*;
use crate::config::{LineConfig, SipConfig};
use crate::location::{Answer, Question};
use crate::machine::{Input, Socket, ToDo};

/// What a registrar or a name server does.
type Registrar = Box<dyn FnMut(&Request, SocketAddr) -> Option<Response>>;
type NameServer = Box<dyn FnMut(&Question) -> Answer>;

/// A machine, its registrars and its clock.
struct World {
    machine: SipMachine,
    now: Moment,
    registrar: Registrar,
    names: NameServer,
    /// Every REGISTER with its time and place.
    registers: Vec<(Moment, SocketAddr, Request)>,
    events: Vec<TspEvent>,
    keep_alives: Vec<(Moment, SocketAddr)>,
    /// Whom certificates have to name.
    expected: Vec<(FlowId, String)>,
}

fn local() -> SocketAddr {
    "192.0.2.1:5060".parse().unwrap()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl World {
    fn new(line: LineConfig, registrar: Registrar, names: NameServer) -> Self {
        let config = SipConfig::default().with_line(line);
        let socket = Socket { id: FlowId(0), transport: Transport::Udp, local: local() };
        let machine = SipMachine::new(config, vec![socket], [7; 32]).unwrap();
        let (registers, events, keep_alives) = (Vec::new(), Vec::new(), Vec::new());
        let expected = Vec::new();
        Self { machine, now: Moment::ZERO, registrar, names, registers, events, keep_alives, expected }
    }

    /// Opens the first lines.
    fn open(&mut self, count: u64) {
        for line in 1..=count {
            let open = TspCommand::Open { request: RequestId(line), line: LineKey(line) };
            self.machine.handle(self.now, Input::Command(open));
        }
        self.carry_out();
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.machine.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.machine.handle_timeout(self.now);
            self.carry_out();
        }
        self.now = end;
    }

    fn carry_out(&mut self) {
        while let Some(todo) = self.machine.poll() {
            match todo {
                ToDo::Expect { flow, name } => self.expected.push((flow, (*name).to_owned())),
                ToDo::Tell(event) => self.events.push(event),
                ToDo::Ask { lookup, question } => {
                    let answer = (self.names)(&question);
                    self.machine.handle(self.now, Input::Answered { lookup, answer });
                }
                ToDo::Transmit { flow, bytes } => self.transmit(flow, &bytes),
            }
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: &offhook_sipcore::bytes::Bytes) {
        if &bytes[..] == b"\r\n\r\n" {
            return self.keep_alives.push((self.now, flow.remote));
        }
        let Ok(Message::Request(request)) = Message::parse(bytes, &Limits::default()) else { return };
        let response = (self.registrar)(&request, flow.remote);
        self.registers.push((self.now, flow.remote, request));
        if let Some(response) = response {
            let message = Message::Response(response);
            self.machine.handle(self.now, Input::Receive { flow, message });
        }
    }

    fn service(&self) -> &Service {
        &self.machine.lines.get(LineKey(1)).unwrap().service
    }
}

/// Registers whoever comes for 300 seconds.
fn welcome(request: &Request) -> Response {
    let mut response = request.response(Status::OK);
    for contact in request.headers.all(name::CONTACT) {
        response.headers.push(name::CONTACT, contact);
    }
    response
}

fn no_names() -> NameServer {
    Box::new(|question| panic!("nobody asks for {question:?}"))
}

fn account() -> LineConfig {
    LineConfig {
        registrar: Some("registrar.example:5070".to_owned()),
        ..LineConfig::account("me", "a.example", "x")
    }
}

fn two_places() -> NameServer {
    Box::new(|_| Answer::Addresses(vec![IpAddr::from([192, 0, 2, 50]), IpAddr::from([192, 0, 2, 51])]))
}

fn second() -> SocketAddr {
    "192.0.2.51:5070".parse().unwrap()
}

#[test]
fn the_next_registrar_takes_over_from_one_that_does_not_answer() {
    let registrar = |request: &Request, to| (to == second()).then(|| welcome(request));
    let mut world = World::new(account(), Box::new(registrar), two_places());
    world.open(1);
    assert_eq!(world.service(), &Service::Connecting);
    // Timer F (RFC 3261 section 17.1.2.2).
    world.run(seconds(33));
    assert_eq!(world.service(), &Service::In);
    let before = world.registers.len();
    world.run(seconds(300));
    let refreshes = &world.registers[before..];
    assert!(!refreshes.is_empty() && refreshes.iter().all(|(_, to, _)| *to == second()), "{refreshes:?}");
}

#[test]
fn the_next_registrar_takes_over_from_one_that_serves_nobody() {
    let registrar = |request: &Request, to| {
        Some(if to == second() { welcome(request) } else { request.response(Status::SERVICE_UNAVAILABLE) })
    };
    let mut world = World::new(account(), Box::new(registrar), two_places());
    world.open(1);
    assert_eq!((world.service(), world.registers.len()), (&Service::In, 2));
}

#[test]
fn a_line_whose_registrars_are_all_away_is_out_of_service_until_one_is_back() {
    let mut asked = 0;
    let registrar = move |request: &Request, _| {
        asked += 1;
        Some(if asked > 4 { welcome(request) } else { request.response(Status::SERVICE_UNAVAILABLE) })
    };
    let mut world = World::new(account(), Box::new(registrar), two_places());
    world.open(1);
    let Service::Out { reason } = world.service() else { panic!("{:?}", world.service()) };
    assert!(reason.starts_with("the registrar says 503"), "{reason}");
    world.run(seconds(20));
    assert_eq!((world.service(), world.registers.len()), (&Service::In, 5));
}

#[test]
fn a_registrar_without_an_address_is_looked_for_again() {
    let mut asked = 0;
    let names = move |_: &Question| {
        asked += 1;
        let found = (asked > 2).then(|| IpAddr::from([192, 0, 2, 50]));
        Answer::Addresses(found.into_iter().collect())
    };
    let mut world = World::new(account(), Box::new(|request, _| Some(welcome(request))), Box::new(names));
    world.open(1);
    assert!(matches!(world.service(), Service::Out { .. }), "{:?}", world.service());
    world.run(seconds(20));
    assert_eq!((world.service(), world.registers.len()), (&Service::In, 1));
}

#[test]
fn a_line_that_closes_unregisters_where_it_is_registered() {
    let mut world = World::new(account(), Box::new(|request, _| Some(welcome(request))), two_places());
    world.open(1);
    world.machine.handle(world.now, Input::Command(TspCommand::Close { line: LineKey(1) }));
    assert!(world.machine.is_leaving());
    world.carry_out();
    assert!(!world.machine.is_leaving());
    assert_eq!(world.registers.last().unwrap().2.headers.expires().unwrap(), Some(0));
    world.run(seconds(3_600));
    assert_eq!(world.registers.len(), 2);
}

#[test]
fn the_way_to_a_registrar_is_kept_open_for_all_its_lines_until_the_last_closes() {
    let line = LineConfig { count: Some(3), registrar: Some("192.0.2.50".to_owned()), ..account() };
    let mut world = World::new(line, Box::new(|request, _| Some(welcome(request))), no_names());
    world.open(3);
    world.run(seconds(290));
    let times: Vec<Moment> = world.keep_alives.iter().map(|(at, _)| *at).collect();
    assert!((10..=12).contains(&times.len()), "{times:?}");
    for pair in times.windows(2) {
        let pause = pair[1].since(pair[0]);
        assert!(pause >= Duration::from_millis(23_200) && pause <= seconds(29), "{pause:?}");
    }
    for line in 1..=3 {
        world.machine.handle(world.now, Input::Command(TspCommand::Close { line: LineKey(line) }));
    }
    world.carry_out();
    world.run(seconds(3_600));
    assert_eq!(world.keep_alives.len(), times.len());
}

#[test]
fn keep_alives_can_be_turned_off_and_made_slower() {
    for (every, expected) in [(Some(0), 0..=0), (Some(100), 5..=7)] {
        let registrar = Some("192.0.2.50".to_owned());
        let line = LineConfig { keep_alive: every, registrar, ..account() };
        let mut world = World::new(line, Box::new(|request, _| Some(welcome(request))), no_names());
        world.open(1);
        world.run(seconds(600));
        assert!(expected.contains(&world.keep_alives.len()), "{every:?}: {:?}", world.keep_alives);
    }
}

/// RFC 5626 section 4.4: at least as often as `Flow-Timer` says, over UDP and by connections, and after these
/// were lost by their successors.
#[test]
fn a_registrar_says_how_often_it_wants_to_hear_from_us() {
    for (transport, timer, expected) in [
        ("udp", Some("10"), 60..=75),
        ("udp", Some("600"), 20..=26),
        ("tcp", Some("10"), 60..=75),
        ("tcp", None, 0..=0),
        ("tcp", Some("soon"), 0..=0),
        ("udp", Some("0"), 120..=150),
    ] {
        let registrar = Some(format!("192.0.2.50;transport={transport}"));
        let answer = move |request: &Request, _| {
            let mut response = welcome(request);
            if let Some(timer) = timer {
                response.headers.push(name::FLOW_TIMER, timer);
            }
            Some(response)
        };
        let mut world = World::new(LineConfig { registrar, ..account() }, Box::new(answer), no_names());
        world.open(1);
        world.run(seconds(600));
        let count = world.keep_alives.len();
        assert!(expected.contains(&count), "{transport}, {timer:?}: {count}");
        if transport == "tcp" && count > 0 {
            let flow = world.machine.registrar_flow(LineKey(1)).unwrap().id;
            world.machine.handle(world.now, Input::FlowClosed { flow });
            world.run(seconds(1));
            assert_eq!(world.keep_alives.len(), count, "a lost connection is not opened by a keep-alive");
            world.run(seconds(600));
            let more = world.keep_alives.len() - count;
            assert!((58..=75).contains(&more), "{more}");
        }
    }
}

fn per_second(registers: &[(Moment, SocketAddr, Request)]) -> HashMap<u64, usize> {
    let mut counts = HashMap::new();
    for (at, _, _) in registers {
        *counts.entry(at.since(Moment::ZERO).as_secs()).or_default() += 1;
    }
    counts
}

#[test]
fn ten_thousand_lines_register_one_after_the_other_are_found_and_refresh() {
    const LINES: u64 = 10_000;
    let registrar = Some("192.0.2.50".to_owned());
    let line = LineConfig { count: Some(10_000), registrar, name: "desk".to_owned(), ..account() };
    let mut world = World::new(line, Box::new(|request, _| Some(welcome(request))), no_names());
    world.open(LINES);
    // The first one does not wait, and no second is busier than the limit.
    assert_eq!(world.registers.len(), 1);
    world.run(seconds(101));
    assert_eq!(world.registers.len(), 10_000);
    let counts = per_second(&world.registers);
    assert!(counts.values().all(|count| *count <= 101), "{counts:?}");
    let served = world.machine.lines.iter().filter(|(_, line)| line.service == Service::In).count();
    assert_eq!(served, 10_000);

    for number in [1, 4_711, 10_000] {
        let text = format!(
            "INVITE sip:desk{number}@192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.50;branch=z9hG4bK{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:x@a.example>;tag=1\r\nTo: <sip:desk{number}@a.example>\r\n\
             Call-ID: {number}\r\nCSeq: 1 INVITE\r\nContact: <sip:x@192.0.2.50>\r\nContent-Length: 0\r\n\r\n"
        );
        let message = Message::parse(&text.into(), &Limits::default()).unwrap();
        let remote = "192.0.2.50:5060".parse().unwrap();
        let flow = Flow { id: FlowId(0), transport: Transport::Udp, local: local(), remote };
        world.machine.handle(world.now, Input::Receive { flow, message });
        world.carry_out();
        let found = world.events.iter().rev().find_map(|event| match event {
            TspEvent::NewCall { line, .. } => Some(*line),
            _ => None,
        });
        assert_eq!(found, Some(LineKey(number)));
    }

    world.registers.clear();
    world.run(seconds(600));
    let mut refreshed: HashMap<String, usize> = HashMap::new();
    for (_, _, request) in world.registers.iter().filter(|(_, _, request)| request.method == Method::REGISTER)
    {
        *refreshed.entry(request.headers.call_id().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(refreshed.len(), 10_000);
    assert!(refreshed.values().all(|count| (2..=3).contains(count)));
    let counts = per_second(&world.registers);
    assert!(counts.values().all(|count| *count <= 150), "{counts:?}");
}

#[test]
fn the_certificate_of_a_registrar_must_name_its_domain_also_after_a_loss() {
    let line = LineConfig { registrar: Some("registrar.example:5061;transport=tls".to_owned()), ..account() };
    let mut world = World::new(line, Box::new(|request, _| Some(welcome(request))), two_places());
    world.open(1);
    assert_eq!(world.service(), &Service::In);
    let [(first, name)] = &world.expected[..] else { panic!("{:?}", world.expected) };
    assert_eq!(name, "registrar.example");
    let flow = *first;
    world.machine.handle(world.now, Input::FlowClosed { flow });
    world.run(seconds(10));
    assert_eq!(world.service(), &Service::In);
    let [_, (second, name)] = &world.expected[..] else { panic!("{:?}", world.expected) };
    assert!(*second != flow && name == "registrar.example");
}
