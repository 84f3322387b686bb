//! Events for tests of timelines, findings and the history.
#![allow(missing_docs, clippy::unwrap_used)] // fixtures of tests

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use netbootd_diagnosis::report::Report;
use pxe_policy::{ArchType, Class, MacAddr, Reason};

use super::{
    Answered, ClientMessage, Decided, Event, FileRefused, Negotiated, Proto, Recorded, Refusal, Reported,
    TransferFinished, TransferId, TransferOutcome, TransferStarted,
};

pub const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 77, 0, 50)), 2070);

/// Something that happened so many seconds after the beginning.
pub fn step(second: u64, event: Event) -> Arc<Recorded> {
    Arc::new(Recorded { at: SystemTime::UNIX_EPOCH + Duration::from_secs(second), event })
}

pub fn decided(mac: MacAddr, proto: Proto, decision: Answered, reason: Reason) -> Decided {
    Decided {
        xid: Some(1),
        mac: Some(mac),
        arch: Some(ArchType::X64_UEFI),
        class: Some(Class::Pxe),
        decision,
        ..Decided::ignored(proto, "lan0", PEER, reason)
    }
}

pub fn offer(mac: MacAddr) -> Event {
    Event::Decided(decided(mac, Proto::Proxy, Answered::Offer, Reason::Rule))
}

pub fn started(id: u64, mac: MacAddr, path: &str) -> Event {
    Event::TransferStarted(TransferStarted {
        id: TransferId(id),
        proto: Proto::Tftp,
        peer: PEER,
        mac: Some(mac),
        path: path.into(),
        size: Some(1000),
        negotiated: Negotiated::Options(vec![("blksize", 1468), ("windowsize", 4)]),
        block_size: Some(1468),
        program: None,
        partial: false,
        substitute: None,
        proved: true,
        configuration: None,
    })
}

pub fn finished(id: u64, mac: MacAddr, path: &str) -> TransferFinished {
    TransferFinished {
        id: TransferId(id),
        proto: Proto::Tftp,
        peer: PEER,
        mac: Some(mac),
        path: path.into(),
        partial: false,
        outcome: TransferOutcome::Completed,
        bytes: 1000,
        blocks: 1,
        resends: 0,
        proved: true,
        elapsed: Duration::from_secs(1),
        detail: None,
        program: None,
    }
}

pub fn completed(id: u64, mac: MacAddr, path: &str) -> Event {
    Event::TransferFinished(finished(id, mac, path))
}

pub fn refused(mac: MacAddr, path: &str) -> Event {
    Event::FileRefused(FileRefused {
        proto: Proto::Tftp,
        peer: PEER,
        mac: Some(mac),
        path: path.into(),
        refusal: Refusal::NotFound,
        detail: None,
    })
}

/// A report of the machine itself.
pub fn reported(mac: MacAddr, form: &str) -> Event {
    Event::Reported(Reported {
        peer: PEER,
        mac: Some(mac),
        message: ClientMessage::Report(Box::new(Report::parse(form))),
    })
}
