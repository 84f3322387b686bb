//! A client's transfers in a replay.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use imagestore::PeHeader;
use netbootd_diagnosis::step::{
    FileRefused, Negotiated, Program, Proto, Refusal, Step, TransferDetail, TransferFinished, TransferId,
    TransferOutcome, TransferStarted,
};
use netbootd_diagnosis::{Configuration, FileKind};
use pxe_policy::{ArchType, MacAddr};

use super::super::script::How;
use super::{RATE, Replay};

/// A transfer that goes on, or that the client leaves alone.
pub(super) struct Open {
    pub(super) host: String,
    pub(super) id: TransferId,
    pub(super) how: How,
    pub(super) since: SystemTime,
    pub(super) is_tftp: bool,
}

impl Replay {
    pub(super) fn fetch(&mut self, host: &str, proto: Proto, how: How, path: &str) {
        let address = self.host(host);
        let (mac, peer) = (Some(MacAddr(address.mac)), SocketAddr::new(IpAddr::V4(address.address), 2070));
        // Nobody knows the address of a host that asked for none here.
        if self.machines[host].1.boot().is_none() {
            return self.fleet.note_unknown(self.now, peer.ip(), path);
        }
        if how == How::Miss {
            let refusal = if path.contains("://") { Refusal::AccessDenied } else { Refusal::NotFound };
            let refused = FileRefused { proto, peer, mac, path: path.into(), refusal, detail: None };
            return self.step(host, Step::FileRefused(&refused));
        }
        self.transfers += 1;
        let id = TransferId(self.transfers);
        let content = self.files.get(path.trim_start_matches('/'));
        let size = content.map_or(100, |content| content.len() as u64);
        let block: u16 = if how == How::StallLarge { 8192 } else { 1468 };
        let path: Arc<str> = path.into();
        let started = TransferStarted {
            id,
            proto,
            peer,
            mac,
            path: Arc::clone(&path),
            size: Some(size),
            negotiated: Negotiated::Options(vec![("blksize", block.into())]),
            block_size: (proto == Proto::Tftp).then_some(block),
            program: content.and_then(|content| program(content)),
            partial: false,
            substitute: None,
            proved: how != How::Mute,
            configuration: content
                .filter(|_| FileKind::from_path(&path) == FileKind::Configuration)
                .map(|content| Arc::new(Configuration::parse(content))),
        };
        self.step(host, Step::TransferStarted(&started));
        let (outcome, bytes) = match how {
            How::Probe => (TransferOutcome::Probed, 0),
            How::Abort | How::Peek => (TransferOutcome::Aborted, 1468),
            How::Stall | How::StallLarge | How::Vanish | How::Mute | How::Slow | How::Wrap => {
                let is_tftp = proto == Proto::Tftp;
                self.open.push(Open { host: host.into(), id, how, since: self.now, is_tftp });
                return;
            }
            _ => (TransferOutcome::Completed, size),
        };
        let elapsed = Duration::from_secs_f64(size as f64 / RATE);
        let finished = TransferFinished {
            id,
            proto,
            peer,
            mac,
            path,
            partial: false,
            outcome,
            bytes,
            blocks: size / 1468,
            resends: if how == How::Lossy { size / 14_680 } else { 0 },
            proved: true,
            elapsed,
            program: None,
            detail: match how {
                How::Abort => Some("NBP is too big to fit in free base memory"),
                How::Peek => Some("closed"),
                _ => None,
            }
            .map(|message| TransferDetail::ClientMessage(message.to_owned())),
        };
        self.step(host, Step::TransferFinished(&finished));
    }
}

/// The header of a program, as netbootd reads it.
fn program(content: &[u8]) -> Option<Program> {
    let header = PeHeader::of_headers(content.get(..content.len().min(PeHeader::LENGTH))?)?;
    let arch = match header.machine {
        0x8664 => Some(ArchType::X64_UEFI),
        0x014c => Some(ArchType::IA32_UEFI),
        0xaa64 => Some(ArchType::ARM64_UEFI),
        _ => None,
    };
    Some(Program { arch, signed: header.signed, is_pe: true, signers: None })
}
