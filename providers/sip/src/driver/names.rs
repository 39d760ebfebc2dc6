// SPDX-License-Identifier: MIT OR Apache-2.0
//! Questions to the name system, each in a task of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::sync::mpsc;

use crate::location::{Answer, Naptr, Question, Srv};
use crate::machine::LookupId;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// An answer, and whom it is for.
pub(super) type NameAnswer = (LookupId, Answer);

/// The resolver, made when the first question comes.
pub(super) struct Names {
    servers: Vec<SocketAddr>,
    resolver: Option<Arc<TokioResolver>>,
}

impl Names {
    pub(super) fn new(servers: &[SocketAddr]) -> Self {
        Self { servers: servers.to_vec(), resolver: None }
    }

    /// Asks; the answer comes through the queue, empty when there is none.
    pub(super) fn ask(&mut self, lookup: LookupId, question: Question, answers: mpsc::Sender<NameAnswer>) {
        let resolver = self.resolver();
        tokio::spawn(async move {
            let nothing = nothing(&question);
            let answer = match resolver {
                Some(resolver) => {
                    tokio::time::timeout(PATIENCE, find(&resolver, question)).await.ok().flatten()
                }
                None => None,
            };
            // The provider may have ended meanwhile.
            answers.send((lookup, answer.unwrap_or(nothing))).await.ok();
        });
    }

    fn resolver(&mut self) -> Option<Arc<TokioResolver>> {
        if self.resolver.is_none() {
            self.resolver = build(&self.servers).map(Arc::new);
        }
        self.resolver.clone()
    }
}

fn build(servers: &[SocketAddr]) -> Option<TokioResolver> {
    if servers.is_empty() {
        return TokioResolver::builder_tokio().ok()?.build().ok();
    }
    let name_server = |address: &SocketAddr| {
        let mut server = NameServerConfig::udp_and_tcp(address.ip());
        server.connections.iter_mut().for_each(|connection| connection.port = address.port());
        server
    };
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(name_server).collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().ok()
}

fn nothing(question: &Question) -> Answer {
    match question {
        Question::Addresses(_) => Answer::Addresses(Vec::new()),
        Question::Naptr(_) => Answer::Naptr(Vec::new()),
        Question::Srv(_) => Answer::Srv(Vec::new()),
    }
}

async fn find(resolver: &TokioResolver, question: Question) -> Option<Answer> {
    Some(match question {
        Question::Addresses(host) => Answer::Addresses(resolver.lookup_ip(host).await.ok()?.iter().collect()),
        Question::Naptr(domain) => {
            let found = resolver.lookup(domain, RecordType::NAPTR).await.ok()?;
            Answer::Naptr(found.answers().iter().filter_map(|record| naptr(&record.data)).collect())
        }
        Question::Srv(name) => {
            let found = resolver.lookup(name, RecordType::SRV).await.ok()?;
            Answer::Srv(found.answers().iter().filter_map(|record| srv(&record.data)).collect())
        }
    })
}

fn naptr(data: &RData) -> Option<Naptr> {
    let RData::NAPTR(row) = data else { return None };
    Some(Naptr {
        order: row.order,
        preference: row.preference,
        service: String::from_utf8_lossy(&row.services).into_owned(),
        replacement: row.replacement.to_string(),
    })
}

fn srv(data: &RData) -> Option<Srv> {
    let RData::SRV(row) = data else { return None };
    Some(Srv { priority: row.priority, weight: row.weight, port: row.port, host: row.target.to_string() })
}
