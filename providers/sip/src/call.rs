// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the provider remembers of one call.

use std::collections::VecDeque;

use offhook_sipcore::agent::{Flow, InviteId, RequestId as SipRequestId};
use offhook_sipcore::message::{Headers, Uri};
use offhook_spi::{
    Address, CallDirection, CallInfo, CallKey, CallParams, Flowing, LineKey, Moment, Party, RequestId,
    SessionKey, StateKind,
};

use crate::location::Target;
use crate::machine::{Seating, Sending};

mod silence;

pub(crate) use silence::Silence;

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) key: CallKey,
    pub(crate) line: LineKey,
    pub(crate) id: InviteId,
    pub(crate) media: Media,
    /// The state last reported.
    pub(crate) told: StateKind,
    pub(crate) phase: Phase,
    /// We hold the far end.
    pub(crate) holding: bool,
    /// The far end holds us.
    pub(crate) held: bool,
    /// How our last offer that stands wants media to flow: the MSP answers by it.
    pub(crate) wish: Flowing,
    /// The description that goes on at the moment, beside the first one.
    pub(crate) exchange: Exchange,
    /// Its descriptions, where no MSP writes them.
    pub(crate) silence: Silence,
    /// So many of the MSP's next words belong to exchanges that came to nothing.
    pub(crate) stale: u32,
    /// The way of the last message of the call.
    pub(crate) flow: Option<Flow>,
    /// What the last challenge to a request that goes on was answered with.
    pub(crate) credentials: Headers,
    /// The alarm at which it counts as not answered.
    pub(crate) patience: Option<(Moment, u64)>,
    /// What is known about it, as the core was told.
    pub(crate) info: Box<CallInfo>,
    /// The call that was made about this one, which is held for it.
    pub(crate) consulted_by: Option<u64>,
    /// The call that this one was made about.
    pub(crate) consults: Option<u64>,
    /// Digits that are being sent in signalling.
    pub(crate) sending: Option<Box<Sending>>,
    /// The conference that it takes part in.
    pub(crate) member_of: Option<CallKey>,
    /// Held because a transfer is prepared.
    pub(crate) is_pending: bool,
    /// What follows once the change that goes on is done.
    pub(crate) then: Option<Box<Then>>,
    /// The transfer that we asked for.
    pub(crate) transfer: Option<Box<Transfer>>,
    /// The call that this one will take the place of.
    pub(crate) stands_for: Option<u64>,
    /// It came into the place of a call that the core takes for connected: only its answer is reported.
    pub(crate) is_quiet: bool,
    /// The far end has referred us and wants to hear how it goes; with the number of its REFER, where reports
    /// have to say it.
    pub(crate) referral: Option<Option<u32>>,
    /// How often it has.
    pub(crate) referrals: u32,
}

/// What follows a hold.
#[derive(Debug)]
pub(crate) enum Then {
    /// A call about the held one.
    Consult(RequestId, Consult),
    /// It takes part in a conference.
    Seat(Seating),
    /// Nothing; the call is retrieved as one of a pair that swaps places.
    Keep,
    /// The other call is retrieved.
    Swap(RequestId, u64),
}

/// A consultation call that is wanted.
#[derive(Debug)]
pub(crate) struct Consult {
    pub(crate) key: CallKey,
    pub(crate) session: Option<SessionKey>,
    /// Whom to consult, if that is known.
    pub(crate) to: Option<Address>,
    pub(crate) params: CallParams,
}

/// A REFER of ours and what hangs on it.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) request: RequestId,
    /// The other call that ends with this one.
    pub(crate) consultation: Option<u64>,
    /// The REFER that counts.
    pub(crate) refer: SipRequestId,
    /// What it said, for another try with credentials.
    pub(crate) headers: Headers,
    pub(crate) stage: TransferStage,
    pub(crate) alarm: Option<(Moment, u64)>,
}

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TransferStage {
    /// REFER is on its way.
    Asked,
    /// The far end says how far it is.
    Reported,
    /// The far end does it and has not said how far it is.
    TakenOver,
}

/// What is remembered of a call that is over for the core and whose last message may still be challenged.
#[derive(Debug)]
pub(crate) struct Closing {
    pub(crate) line: LineKey,
    pub(crate) credentials: Headers,
}

/// Who writes the descriptions of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Media {
    /// An MSP, under this session; the core has not said so yet for an incoming call without one.
    Session(Option<SessionKey>),
    /// Nobody: a description without media.
    Nobody,
}

/// How far a call has come.
#[derive(Debug)]
pub(crate) enum Phase {
    /// It waits to be told whom it is for.
    DialTone(Box<CallParams>),
    /// It goes out: the INVITE is being prepared, sent, or answered.
    Outgoing(Box<Outgoing>),
    /// It has come in and is not answered.
    Incoming(Incoming),
    /// Our answer waits for its ACK; `offered` if that brings the answer to our offer.
    Answering { offered: bool },
    /// Both sides talk.
    Up,
}

/// An INVITE of ours.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) to: Uri,
    /// What the application wrote.
    pub(crate) dialled: Address,
    pub(crate) params: CallParams,
    /// Places to try, best first, once found.
    pub(crate) targets: Option<VecDeque<Target>>,
    /// Description, once written.
    pub(crate) offer: Option<String>,
    pub(crate) sent: bool,
    /// The last early answer, in case that the final one says nothing new.
    pub(crate) early: Option<String>,
}

/// An INVITE of theirs.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    /// It brought an offer; otherwise ours goes out with the answer.
    pub(crate) offered: bool,
    /// Our offer was asked for.
    pub(crate) asked: bool,
    /// What our side writes, once written: the answer, or the offer.
    pub(crate) description: Option<String>,
    /// The application's request to answer, until that can be done.
    pub(crate) answer: Option<RequestId>,
    /// It is answered without anybody's request.
    pub(crate) at_once: bool,
}

/// A description that goes on in an established call.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) enum Exchange {
    #[default]
    None,
    /// We hold or retrieve: the MSP writes the offer, then the far end answers. The request is there until it
    /// has been answered.
    Ours { request: Option<RequestId>, hold: bool, flow: Flowing, sent: bool },
    /// The far end offers; the MSP writes the answer. `flow` is what the far end wants, seen from it.
    Theirs { flow: Flowing },
    /// Another call is being set up that takes the place of this one; `wrote` once the MSP has described it.
    Standing { by: u64, wrote: bool },
    /// The far end asks for our offer; the MSP writes it, the ACK brings the answer.
    Asked { flow: Flowing, sent: bool },
}

impl Outgoing {
    /// A call to somebody, before the way and the description are known.
    pub(crate) const fn new(to: Uri, dialled: Address, params: CallParams) -> Self {
        Self { to, dialled, params, targets: None, offer: None, sent: false, early: None }
    }

    /// What is known about the call before anybody answers, as the core knows it.
    pub(crate) fn info(&self) -> CallInfo {
        CallInfo {
            direction: CallDirection::Outgoing,
            address: self.params.address,
            caller: self.params.caller.clone().unwrap_or_default(),
            called: Party { address: Some(self.dialled.clone()), ..Party::default() },
            media: self.params.media,
            ..CallInfo::default()
        }
    }
}

impl Exchange {
    /// Whether the MSP owes us a word.
    pub(crate) const fn waits_for_msp(&self) -> bool {
        match self {
            Self::None => false,
            Self::Ours { sent, .. } | Self::Asked { sent, .. } => !*sent,
            Self::Standing { wrote, .. } => !*wrote,
            Self::Theirs { .. } => true,
        }
    }
}

impl Call {
    /// A call that begins, under the name that the agent knows it by.
    pub(crate) fn new(id: InviteId, key: CallKey, line: LineKey, media: Media, phase: Phase) -> Self {
        let (InviteId::Incoming(number) | InviteId::Outgoing(number)) = id;
        let told = if matches!(phase, Phase::Incoming(_)) { StateKind::Offering } else { StateKind::Unknown };
        Self {
            key,
            line,
            id,
            media,
            told,
            phase,
            holding: false,
            held: false,
            wish: Flowing::Both,
            exchange: Exchange::None,
            silence: Silence::new(number),
            stale: 0,
            flow: None,
            credentials: Headers::new(),
            patience: None,
            info: Box::default(),
            consulted_by: None,
            consults: None,
            sending: None,
            member_of: None,
            is_pending: false,
            then: None,
            transfer: None,
            stands_for: None,
            is_quiet: false,
            referral: None,
            referrals: 0,
        }
    }

    /// How our media shall flow: each direction is held by itself (RFC 3264 section 8.4).
    pub(crate) const fn flow(&self, holding: bool) -> Flowing {
        Flowing::of(!self.held, !holding)
    }

    /// Takes what the far end answered to an offer in which media flow so. Whom we did not let hear us has not
    /// said whether it wants to, and who answers a hold with `inactive` seldom means to hold us.
    pub(crate) fn was_answered(&mut self, flow: Flowing, answer: &str) {
        self.wish = flow;
        match (flow, flow_of(answer)) {
            (Flowing::Both, Flowing::Out) => self.held = true,
            (Flowing::Both, Flowing::Both) => self.held = false,
            _ => {}
        }
    }

    /// Passes over a word of the MSP that comes too late to count; says whether it did.
    pub(crate) const fn skips_word(&mut self) -> bool {
        let late = self.stale > 0;
        self.stale = self.stale.saturating_sub(1);
        late
    }

    pub(crate) fn session(&self) -> Option<SessionKey> {
        match self.media {
            Media::Session(session) => session,
            Media::Nobody => None,
        }
    }

    pub(crate) const fn has_media(&self) -> bool {
        matches!(self.media, Media::Session(_))
    }
}

/// Which way media shall flow, read from the first audio description: enough to know who holds whom.
pub(crate) fn flow_of(sdp: &str) -> Flowing {
    let mut session = Flowing::Both;
    let mut media = None;
    let mut in_media = false;
    let mut silent_address = false;
    for line in sdp.lines() {
        if line.starts_with("m=") {
            if in_media {
                break;
            }
            in_media = true;
        }
        // The way of RFC 2543 to hold.
        silent_address |= line.trim_end() == "c=IN IP4 0.0.0.0";
        let flow = match line.trim_end() {
            "a=sendrecv" => Flowing::Both,
            "a=sendonly" => Flowing::Out,
            "a=recvonly" => Flowing::In,
            "a=inactive" => Flowing::Neither,
            _ => continue,
        };
        if in_media {
            media = Some(flow);
        } else {
            session = flow;
        }
    }
    match media.unwrap_or(session) {
        Flowing::Both if silent_address => Flowing::Out,
        flow => flow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flow_is_read_at_media_level_first() {
        for (sdp, flow) in [
            ("v=0\r\nm=audio 1 RTP/AVP 0\r\n", Flowing::Both),
            ("v=0\r\na=sendonly\r\nm=audio 1 RTP/AVP 0\r\n", Flowing::Out),
            ("v=0\r\na=sendonly\r\nm=audio 1 RTP/AVP 0\r\na=sendrecv\r\n", Flowing::Both),
            (
                "v=0\r\nm=audio 1 RTP/AVP 0\r\na=inactive\r\nm=video 2 RTP/AVP 31\r\na=sendrecv\r\n",
                Flowing::Neither,
            ),
            ("v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 1 RTP/AVP 0\r\n", Flowing::Out),
        ] {
            assert_eq!(flow_of(sdp), flow, "{sdp}");
        }
    }
}
