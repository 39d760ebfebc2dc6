// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may call lines that ask for their password.

use std::collections::HashMap;

use offhook_sipcore::digest::{Password, Policy, Server, Verdict};
use offhook_sipcore::message::{Headers, Request, Status, Tokens, name};
use offhook_spi::Moment;

use crate::config::{DigestAlgorithm, LineConfig};
use crate::line::Line;

/// What passwords of callers are for.
const REALM: &str = "offhook";

/// One server for each choice of algorithms, shared by all lines that make it.
#[derive(Debug)]
pub(super) struct Gates(HashMap<Vec<DigestAlgorithm>, Server>);

impl Gates {
    pub(super) fn new(lines: &[LineConfig], tokens: &mut Tokens) -> Self {
        let mut gates = HashMap::new();
        for line in lines.iter().filter(|line| line.challenge) {
            let choice = line.challenge_with.clone();
            gates.entry(choice).or_insert_with_key(|choice| Server::new(policy(choice), tokens.bytes()));
        }
        Self(gates)
    }

    /// Lets a request through, or says how it is to be refused.
    pub(super) fn admit(
        &mut self,
        now: Moment,
        request: &Request,
        line: &Line,
    ) -> Result<(), (Status, Headers)> {
        if !line.config.challenge {
            return Ok(());
        }
        let Some(gate) = self.0.get_mut(&line.config.challenge_with) else {
            return Err((Status::FORBIDDEN, Headers::new()));
        };
        let user = line.config.auth_user.as_ref().unwrap_or(&line.user);
        let password = |name: &str| (name == user).then(|| Password::new(line.config.password.reveal()));
        let verdict = gate.verify(request, now, password);
        if matches!(verdict, Verdict::Accepted { .. }) {
            return Ok(());
        }
        let response = gate.challenge(request, &verdict, now);
        let mut headers = Headers::new();
        for challenge in response.headers.all(name::WWW_AUTHENTICATE) {
            headers.push(name::WWW_AUTHENTICATE, challenge);
        }
        Err((response.status, headers))
    }
}

fn policy(choice: &[DigestAlgorithm]) -> Policy {
    let mut policy = Policy::new(REALM);
    if !choice.is_empty() {
        policy.algorithms = choice.iter().map(|choice| choice.algorithm()).collect();
    }
    policy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::line::Lines;
    use offhook_sipcore::message::Method;

    fn challenges(choice: &[DigestAlgorithm]) -> Vec<String> {
        let mut tokens = Tokens::from_seed(1);
        let config = LineConfig {
            challenge: true,
            challenge_with: choice.to_vec(),
            password: Secret::new("secret"),
            ..LineConfig::direct("ours")
        };
        let mut gates = Gates::new(std::slice::from_ref(&config), &mut tokens);
        let lines = Lines::new(&[config], None, &mut tokens).unwrap();
        let line = lines.iter().next().unwrap().1;
        let request = Request::new(Method::INVITE, "sip:ours@192.0.2.1".parse().unwrap());
        let (status, headers) = gates.admit(Moment::ZERO, &request, line).unwrap_err();
        assert_eq!(status, Status::UNAUTHORIZED);
        headers.all(name::WWW_AUTHENTICATE).map(str::to_owned).collect()
    }

    #[test]
    fn a_line_offers_the_algorithms_of_its_own_choice() {
        use DigestAlgorithm::{Md5, Sha256, Sha512_256};
        for (choice, offered) in [
            (&[][..], &["SHA-256", "MD5"][..]),
            (&[Md5], &["MD5"]),
            (&[Sha512_256, Sha256], &["SHA-512-256", "SHA-256"]),
        ] {
            let found = challenges(choice);
            assert_eq!(found.len(), offered.len(), "{found:?}");
            for (row, name) in found.iter().zip(offered) {
                assert!(row.contains(&format!("algorithm={name},")) || row.ends_with(name), "{row}");
            }
        }
    }
}
