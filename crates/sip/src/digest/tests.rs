// SPDX-License-Identifier: MIT OR Apache-2.0
//! Worked examples of the RFCs, and a client and a server that talk to each other.

use std::time::Duration;

use bytes::Bytes;
use offhook_spi::Moment;

use super::algorithm::Ingredients;
use super::*;
use crate::message::{Limits, Message, Method, Request, Response, Tokens, Uri};

fn register() -> Request {
    let mut request = Request::new(Method::REGISTER, Uri::sip(None, "example.com", None));
    for (name, value) in [
        (name::VIA, "SIP/2.0/UDP a;branch=z9hG4bK1"),
        (name::FROM, "<sip:bob@example.com>;tag=1"),
        (name::TO, "<sip:bob@example.com>"),
        (name::CALL_ID, "c"),
        (name::CSEQ, "1 REGISTER"),
    ] {
        request.headers.push(name, value);
    }
    request
}

fn account(realm: Option<&str>) -> Account {
    Account { realm: realm.map(str::to_owned), username: "bob".into(), password: Password::new("zanzibar") }
}

fn refused(role: Role, challenges: &[&str]) -> Response {
    let mut response = register().response(role.status());
    for challenge in challenges {
        response.headers.push(role.challenge(), *challenge);
    }
    response
}

/// What a client answers to some challenges.
fn answer(challenges: &[&str]) -> Result<Credentials, AuthError> {
    let mut client = Client::new(vec![account(None)]);
    let mut request = register();
    client.handle_challenge(&request, &refused(Role::Server, challenges))?;
    client.authorize(&mut request, &mut Tokens::from_seed(1));
    let row = request.headers.get(name::AUTHORIZATION).expect("credentials").to_owned();
    Ok(Credentials::parse(&row).expect("credentials"))
}

#[test]
fn the_worked_examples_of_rfc_2617_and_7616_come_out() {
    let mufasa = |algorithm, realm, nonce, quality, password: &str| {
        Ingredients {
            algorithm,
            username: "Mufasa",
            realm,
            nonce,
            quality,
            session_cnonce: "",
            method: "GET",
            uri: "/dir/index.html",
            body: b"",
        }
        .response(&Password::new(password))
    };
    let (realm, nonce) = ("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093");
    let quality = Some((Qop::Auth, "0a4f113b", "00000001"));
    let response = mufasa(Algorithm::Md5, realm, nonce, quality, "Circle Of Life");
    assert_eq!(response, "6629fae49393a05397450978507c4ef1");
    let response = mufasa(Algorithm::Md5, realm, nonce, None, "CircleOfLife");
    assert_eq!(response, "1949323746fe6a43ef61f9606e7febea");
    let (realm, nonce) = ("http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v");
    let quality = Some((Qop::Auth, "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "00000001"));
    let response = |algorithm| mufasa(algorithm, realm, nonce, quality, "Circle of Life");
    assert_eq!(response(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
    let sha = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
    assert_eq!(response(Algorithm::Sha256), sha);
}

/// Figures of an independent implementation; the second is that of RFC 3261's own cast (bob at biloxi.com).
#[test]
fn every_algorithm_and_quality_comes_out_for_sip() {
    use Algorithm as A;
    let (none, auth, int) = (None, Some(Qop::Auth), Some(Qop::AuthInt));
    let rows = [
        (A::Md5, none, "bf57e4e0d0bffc0fbaedce64d59add5e"),
        (A::Md5, auth, "89eb0059246c02b2f6ee02c7961d5ea3"),
        (A::Md5, int, "77226bb823dc077c1ad3537415667bae"),
        (A::Md5Sess, none, "fff17611bcbbf00c9116a2c922dea8e1"),
        (A::Md5Sess, auth, "e4e4ea61d186d07a92c9e1f6919902e9"),
        (A::Md5Sess, int, "8527c9ab1b4eed3fd75491f811944e26"),
        (A::Sha256, none, "38aad98c50c33abe72c5f88dd17246ffcfa6b1f68852c855719ff0659386c0ca"),
        (A::Sha256, auth, "b3b5a6c69453abafaab9ae4dccdac90a076b6c80615d5f3498e7433b6e93bf4f"),
        (A::Sha256, int, "554a9ffe79ce71c3cb6c9630deddd2787d8033f895e5cdef6a73c8e84ed4c979"),
        (A::Sha256Sess, auth, "5da59c9ca40954be9d5063a15a174066c8251be2c10cf47c144c366dc7daf792"),
        (A::Sha256Sess, int, "0b4a1efc19e1b701ec5775b6b16dde0fc416102e34a6c5bd6f957b20b5d79170"),
        (A::Sha512_256, none, "9e960b3a01beb63f1ea5d45d43bd8a2178879d3c9ddbbdb0624187ca823c6eca"),
        (A::Sha512_256, auth, "7f1a09de0f19af0a1eac2b28d33e3f2fb89cca1ad8fb01bba5e1883b288bac14"),
        (A::Sha512_256, int, "e9a7fbc1c80a10421c59a0c982f28d40e0ddc7b62ef3dc4faf68f179c6e05922"),
        (A::Sha512_256Sess, auth, "077d9677be83f41f162d1a4453dc163389919f81e5927391d972f477da767633"),
        (A::Sha512_256Sess, int, "0220683d8c9faccc1d05bd2ef0e7ccdff87eacd5f06fb6bfd9cd7d3acf66a00b"),
    ];
    for (algorithm, qop, response) in rows {
        let ingredients = Ingredients {
            algorithm,
            username: "bob",
            realm: "biloxi.com",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            quality: qop.map(|qop| (qop, "0a4f113b", "00000001")),
            session_cnonce: "0a4f113b",
            method: "INVITE",
            uri: "sip:bob@biloxi.com",
            body: b"v=0\r\n",
        };
        assert_eq!(ingredients.response(&Password::new("zanzibar")), response, "{algorithm:?} {qop:?}");
    }
}

#[test]
fn a_list_of_qualities_is_answered_with_auth() {
    for list in ["auth,auth-int", "auth-int, auth", "token,auth", "AUTH"] {
        let credentials = answer(&[&format!("Digest realm=\"r\", nonce=\"n\", qop=\"{list}\"")]).expect(list);
        assert!(matches!(credentials.quality, Some((Qop::Auth, ..))), "{list}");
    }
    let only = answer(&["Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\""]).expect("auth-int");
    assert!(matches!(only.quality, Some((Qop::AuthInt, ..))));
    let legacy = answer(&["Digest realm=\"r\", nonce=\"n\""]).expect("legacy");
    assert_eq!((legacy.quality, legacy.cnonce), (None, None));
}

#[test]
fn the_strongest_supported_algorithm_is_taken() {
    let row = |algorithm: &str| {
        format!("Digest realm=\"r\", nonce=\"{algorithm}\", qop=\"auth\", algorithm={algorithm}")
    };
    let [md5, sha, long, unknown] = ["MD5", "SHA-256", "SHA-512-256", "SHA-1024"].map(row);
    let taken = |rows: &[&str]| answer(rows).map(|credentials| credentials.nonce);
    assert_eq!(taken(&[&md5, &sha]).as_deref(), Ok("SHA-256"));
    assert_eq!(taken(&[&long, &unknown, &md5]).as_deref(), Ok("SHA-512-256"));
    assert_eq!(taken(&["Basic realm=\"r\"", &md5]).as_deref(), Ok("MD5"));
    assert_eq!(taken(&[&format!("{sha}, {md5}")]).as_deref(), Ok("SHA-256"));
    assert_eq!(taken(&[&unknown]), Err(AuthError::Unsupported));
    assert_eq!(taken(&["Digest realm=\"r\", nonce=\"n\", qop=\"token\""]), Err(AuthError::Unsupported));
    assert_eq!(taken(&[]), Err(AuthError::Unsupported));
}

#[test]
fn quality_count_and_algorithm_stand_without_quotes() {
    let credentials =
        answer(&["Digest realm=\"r\", nonce=\"n\", qop=\"auth\", opaque=\"\", algorithm=SHA-256"]);
    let text = credentials.expect("credentials").to_string();
    for part in ["qop=auth,", "nc=00000001", "algorithm=SHA-256,", "opaque=\"\"", "uri=\"sip:example.com\""] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_stands_between_quotes_goes_back_unchanged() {
    let credentials =
        answer(&[r#"DIGEST Realm = "a \"b\", c" ,nonce="n=,\\",qop=auth"#]).expect("credentials");
    assert_eq!((credentials.realm.as_str(), credentials.nonce.as_str()), (r#"a \"b\", c"#, r"n=,\\"));
    assert!(credentials.to_string().contains(r#"realm="a \"b\", c", nonce="n=,\\""#));
}

#[test]
fn what_cannot_stand_between_quotes_is_not_read() {
    for realm in ["\"a\"b", "\"a\"b\"", "a\"b", "\"", "\"a\\\"", "a\\"] {
        assert_eq!(Challenge::parse_all(&format!("Digest nonce=\"n\", realm={realm}")), [], "{realm}");
    }
    assert_eq!(Challenge::parse_all("Digest nonce=\"n\", realm=\"a \\\"b\\\\\"").len(), 1);
}

#[test]
fn several_realms_and_both_roles_are_answered_together() {
    let mut client = Client::new(vec![account(Some("one")), account(None)]);
    let mut response =
        refused(Role::Proxy, &["Digest realm=\"one\", nonce=\"1\"", "Digest realm=\"two\", nonce=\"2\""]);
    response.headers.push(name::WWW_AUTHENTICATE, "Digest realm=\"three\", nonce=\"3\"");
    let mut request = register();
    client.handle_challenge(&request, &response).expect("answerable");
    let mut tokens = Tokens::from_seed(1);
    client.authorize(&mut request, &mut tokens);
    client.authorize(&mut request, &mut tokens);
    assert_eq!(request.headers.all(name::PROXY_AUTHORIZATION).count(), 2);
    assert_eq!(request.headers.all(name::AUTHORIZATION).count(), 1);
}

#[test]
fn an_account_for_a_realm_with_quotes_is_found() {
    let mut client = Client::new(vec![account(Some("a \"b\""))]);
    let challenge = refused(Role::Server, &[r#"Digest realm="a \"b\"", nonce="1""#]);
    assert_eq!(client.handle_challenge(&register(), &challenge), Ok(()));
}

#[test]
fn a_realm_without_account_is_named() {
    let mut client = Client::new(vec![account(Some("one"))]);
    let error =
        client.handle_challenge(&register(), &refused(Role::Server, &["Digest realm=\"two\", nonce=\"2\""]));
    assert_eq!(error, Err(AuthError::NoAccount { realm: "two".into() }));
    assert!(!client.has_sessions());
}

#[test]
fn the_count_rises_with_every_request_of_a_nonce_and_begins_anew_with_a_new_one() {
    let mut client = Client::new(vec![account(None)]);
    let mut tokens = Tokens::from_seed(1);
    let mut request = register();
    let challenge = |nonce: &str| {
        refused(Role::Server, &[&format!("Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\"")])
    };
    client.handle_challenge(&request, &challenge("1")).expect("first");
    let mut seen = Vec::new();
    for _ in 0..3 {
        client.authorize(&mut request, &mut tokens);
        let row = request.headers.get(name::AUTHORIZATION).and_then(Credentials::parse).expect("credentials");
        seen.push(row.quality.expect("quality"));
    }
    let counts: Vec<&str> = seen.iter().map(|(_, _, count)| count.as_str()).collect();
    assert_eq!(counts, ["00000001", "00000002", "00000003"]);
    assert!(seen[0].1 != seen[1].1, "a client nonce is made for every request");
    // The nonce has served, so a new one without a word about staleness means that it expired.
    client.handle_challenge(&request, &challenge("2")).expect("expired");
    client.authorize(&mut request, &mut tokens);
    assert!(request.headers.get(name::AUTHORIZATION).is_some_and(|row| row.contains("nc=00000001")));
}

#[test]
fn a_wrong_password_is_not_tried_twice_but_a_stale_nonce_is() {
    let mut client = Client::new(vec![account(None)]);
    let mut tokens = Tokens::from_seed(1);
    let mut request = register();
    let challenge = |nonce: u8, rest: &str| {
        refused(Role::Server, &[&format!("Digest realm=\"r\", nonce=\"{nonce}\"{rest}")])
    };
    let refusal = Err(AuthError::Refused { realm: "r".into() });
    client.handle_challenge(&request, &challenge(1, "")).expect("first");
    client.authorize(&mut request, &mut tokens);
    assert_eq!(client.clone().handle_challenge(&request, &challenge(2, "")), refusal);
    assert_eq!(client.clone().handle_challenge(&request, &challenge(1, ", stale=true")), refusal);
    for nonce in [2, 3] {
        assert_eq!(client.handle_challenge(&request, &challenge(nonce, ", stale=TRUE")), Ok(()));
        client.authorize(&mut request, &mut tokens);
    }
    assert_eq!(client.handle_challenge(&request, &challenge(4, ", stale=true")), refusal);
}

/// Sends a request to a server until it is accepted or refused for good; gives the verdicts.
fn talk(client: &mut Client, server: &mut Server, request: &mut Request, now: Moment) -> Vec<Verdict> {
    let mut tokens = Tokens::from_seed(5);
    let mut verdicts = Vec::new();
    for _ in 0..3 {
        client.authorize(request, &mut tokens);
        let Ok(Message::Request(received)) = Message::parse(&request.to_bytes(), &Limits::default()) else {
            panic!("{request:?}")
        };
        let verdict =
            server.verify(&received, now, |user| (user == "bob").then(|| Password::new("zanzibar")));
        verdicts.push(verdict.clone());
        if matches!(verdict, Verdict::Accepted { .. }) {
            break;
        }
        let response = server.challenge(&received, &verdict, now);
        if client.handle_challenge(request, &response).is_err() {
            break;
        }
    }
    verdicts
}

fn accepted() -> Verdict {
    Verdict::Accepted { username: "bob".into() }
}

#[test]
fn client_and_server_agree_on_every_algorithm_quality_and_role() {
    for algorithm in Algorithm::ALL {
        for qop in [vec![], vec![Qop::Auth], vec![Qop::AuthInt], vec![Qop::Auth, Qop::AuthInt]] {
            for role in [Role::Proxy, Role::Server] {
                let policy = Policy {
                    algorithms: vec![algorithm],
                    qop: qop.clone(),
                    role,
                    ..Policy::new("a \"realm\", quoted")
                };
                let (mut client, mut server) =
                    (Client::new(vec![account(None)]), Server::new(policy, [7; 32]));
                let mut request = register();
                request.body = Bytes::from_static(b"v=0\r\n");
                let verdicts = talk(&mut client, &mut server, &mut request, Moment::ZERO);
                assert_eq!(verdicts, [Verdict::Missing, accepted()], "{algorithm:?} {qop:?} {role:?}");
            }
        }
    }
}

#[test]
fn an_expired_nonce_is_stale_and_the_client_recovers() {
    let (mut client, mut server) = (Client::new(vec![account(None)]), Server::new(Policy::new("r"), [7; 32]));
    let mut request = register();
    talk(&mut client, &mut server, &mut request, Moment::ZERO);
    let later = Moment::ZERO + Duration::from_secs(299);
    assert_eq!(talk(&mut client, &mut server, &mut request, later), [accepted()]);
    let later = later + Duration::from_secs(2);
    assert_eq!(talk(&mut client, &mut server, &mut request, later), [Verdict::Stale, accepted()]);
    assert_eq!(server.remembered(), 1);
}

#[test]
fn a_nonce_of_another_key_is_stale_for_who_knows_the_password() {
    let mut client = Client::new(vec![account(None)]);
    let mut request = register();
    talk(&mut client, &mut Server::new(Policy::new("r"), [7; 32]), &mut request, Moment::ZERO);
    let mut restarted = Server::new(Policy::new("r"), [8; 32]);
    assert_eq!(talk(&mut client, &mut restarted, &mut request, Moment::ZERO), [Verdict::Stale, accepted()]);
}

#[test]
fn a_repeated_request_is_stale_and_one_that_was_overtaken_is_not() {
    let (mut client, mut server) = (Client::new(vec![account(None)]), Server::new(Policy::new("r"), [7; 32]));
    let mut request = register();
    talk(&mut client, &mut server, &mut request, Moment::ZERO);
    let mut tokens = Tokens::from_seed(9);
    let requests: Vec<Request> = (0..70)
        .map(|_| {
            client.authorize(&mut request, &mut tokens);
            request.clone()
        })
        .collect();
    let mut verify =
        |at: usize| server.verify(&requests[at], Moment::ZERO, |_| Some(Password::new("zanzibar")));
    for (at, verdict) in [
        (0, accepted()),
        (0, Verdict::Stale),
        (3, accepted()),
        (2, accepted()),
        (2, Verdict::Stale),
        (69, accepted()),
        (1, Verdict::Stale),
        (68, accepted()),
    ] {
        assert_eq!(verify(at), verdict, "{at}");
    }
}

#[test]
fn a_nonce_without_count_serves_once() {
    let policy = Policy { qop: Vec::new(), ..Policy::new("r") };
    let (mut client, mut server) = (Client::new(vec![account(None)]), Server::new(policy, [7; 32]));
    let mut request = register();
    assert_eq!(talk(&mut client, &mut server, &mut request, Moment::ZERO), [Verdict::Missing, accepted()]);
    let again = server.verify(&request, Moment::ZERO, |_| Some(Password::new("zanzibar")));
    assert_eq!(again, Verdict::Stale);
}

#[test]
fn a_wrong_password_user_method_or_body_is_wrong() {
    let policy = Policy { qop: vec![Qop::AuthInt], ..Policy::new("r") };
    let (mut client, mut server) = (Client::new(vec![account(None)]), Server::new(policy, [7; 32]));
    let mut request = register();
    let challenge = server.challenge(&request, &Verdict::Missing, Moment::ZERO);
    client.handle_challenge(&request, &challenge).expect("challenge");
    client.authorize(&mut request, &mut Tokens::from_seed(1));
    let wrong = Verdict::Wrong { username: "bob".into() };
    let right = |_: &str| Some(Password::new("zanzibar"));
    assert_eq!(server.verify(&request, Moment::ZERO, |_| Some(Password::new("Zanzibar"))), wrong);
    assert_eq!(server.verify(&request, Moment::ZERO, |_| None), wrong);
    let changed = Request { method: Method::INVITE, ..request.clone() };
    assert_eq!(server.verify(&changed, Moment::ZERO, right), wrong);
    let changed = Request { body: Bytes::from_static(b"x"), ..request.clone() };
    assert_eq!(server.verify(&changed, Moment::ZERO, right), wrong);
    assert_eq!(server.remembered(), 0, "who does not know a password leaves nothing behind");
    assert_eq!(server.verify(&request, Moment::ZERO, right), accepted());
}

#[test]
fn an_algorithm_that_was_not_offered_is_wrong() {
    let (mut client, mut server) = (
        Client::new(vec![account(None)]),
        Server::new(Policy { algorithms: vec![Algorithm::Sha256], ..Policy::new("r") }, [7; 32]),
    );
    let mut request = register();
    let mut weak = Server::new(Policy { algorithms: vec![Algorithm::Md5], ..Policy::new("r") }, [7; 32]);
    let challenge = weak.challenge(&request, &Verdict::Missing, Moment::ZERO);
    client.handle_challenge(&request, &challenge).expect("challenge");
    client.authorize(&mut request, &mut Tokens::from_seed(1));
    let verdict = server.verify(&request, Moment::ZERO, |_| Some(Password::new("zanzibar")));
    assert_eq!(verdict, Verdict::Wrong { username: "bob".into() });
}

#[test]
fn memory_for_nonces_is_bounded() {
    let policy = Policy { remembered: 3, ..Policy::new("r") };
    let mut server = Server::new(policy, [7; 32]);
    let mut requests = Vec::new();
    for seed in 0..5 {
        let mut client = Client::new(vec![account(None)]);
        let mut request = register();
        let challenge = server.challenge(&request, &Verdict::Missing, Moment::ZERO);
        client.handle_challenge(&request, &challenge).expect("challenge");
        client.authorize(&mut request, &mut Tokens::from_seed(seed));
        assert_eq!(server.verify(&request, Moment::ZERO, |_| Some(Password::new("zanzibar"))), accepted());
        assert!(server.remembered() <= 3);
        requests.push(request);
    }
    // Forgotten, and yet not to be used again.
    for request in &requests {
        let verdict = server.verify(request, Moment::ZERO, |_| Some(Password::new("zanzibar")));
        assert_eq!(verdict, Verdict::Stale);
    }
}

#[test]
fn credentials_that_lack_something_are_none() {
    for row in [
        "",
        "Basic Zm9vOmJhcg==",
        "NoOneKnowsThisScheme opaque-data=here",
        "Digest",
        "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"u\"",
        "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"x\", qop=auth, cnonce=\"c\"",
        "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"x\", qop=auth, cnonce=\"c\", nc=1",
        "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"x\", qop=other, cnonce=\"c\", nc=00000001",
    ] {
        assert_eq!(Credentials::parse(row), None, "{row}");
    }
}

#[test]
fn no_output_shows_a_secret() {
    let (client, server) = (Client::new(vec![account(None)]), Server::new(Policy::new("r"), [0xab; 32]));
    let credentials = answer(&["Digest realm=\"r\", nonce=\"n\""]).expect("credentials");
    let shown = format!("{client:?} {server:?} {credentials:?} {:?}", account(None));
    for secret in ["zanzibar", "171", "abab", credentials.response.as_str()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
