//! The trouble of this server itself: a full disk, an upstream that does not answer. It is evidence
//! in the findings of boots that went on meanwhile.

use std::collections::VecDeque;
use std::fmt;
use std::time::SystemTime;

use pxe_policy::{Reason, with_causes};

use crate::cause::Cause;
use crate::step::SharedError;

/// A part of the server that other parts need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerPart {
    /// The disk of the state folder.
    StateDisk,
    /// The disk of the image store.
    StoreDisk,
    /// The object storage that several servers share.
    ObjectStorage,
}

/// The trouble of a part.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerTrouble {
    /// No more than `kept` bytes of a disk are free, and nothing more is written to it.
    DiskFull {
        /// The folder that is written to.
        folder: String,
        /// The free bytes of the disk.
        free: u64,
        /// Bytes that stay free.
        kept: u64,
    },
    /// The part cannot be reached, with the error of the last attempt.
    Away(SharedError),
}

/// One time of trouble.
#[derive(Debug, Clone, PartialEq)]
pub struct Outage {
    /// The part of the server.
    pub part: ServerPart,
    /// The trouble as it was last seen.
    pub trouble: ServerTrouble,
    /// When it was first seen.
    pub since: SystemTime,
    /// When the part worked again; None while it does not.
    pub until: Option<SystemTime>,
}

/// The last [`MAX_OUTAGES`] times of trouble, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Outages(VecDeque<Outage>);

impl Outages {
    pub(crate) fn fails(&mut self, at: SystemTime, part: ServerPart, trouble: ServerTrouble) {
        if let Some(outage) = self.open(part) {
            outage.trouble = trouble;
            return;
        }
        if self.0.len() >= MAX_OUTAGES {
            self.0.pop_front();
        }
        self.0.push_back(Outage { part, trouble, since: at, until: None });
    }

    pub(crate) fn works(&mut self, at: SystemTime, part: ServerPart) {
        if let Some(outage) = self.open(part) {
            outage.until = Some(at);
        }
    }

    /// Those since the start of a boot that may have to do with what failed in it.
    pub(crate) fn behind(&self, cause: Cause, started: SystemTime) -> impl Iterator<Item = &Outage> {
        self.0.iter().filter(move |outage| {
            outage.until.is_none_or(|until| until >= started) && outage.part.is_needed_for(cause)
        })
    }

    fn open(&mut self, part: ServerPart) -> Option<&mut Outage> {
        self.0.iter_mut().rev().find(|outage| outage.part == part && outage.until.is_none())
    }
}

impl ServerPart {
    fn is_needed_for(self, cause: Cause) -> bool {
        match self {
            ServerPart::StateDisk => {
                matches!(cause, Cause::Decision(Reason::LeaseNotSaved | Reason::LedgerNotSaved))
            }
            ServerPart::StoreDisk => {
                let of_images =
                    [Cause::ImageRefused, Cause::ImageComing, Cause::EmptyFile, Cause::FileNotFound];
                of_images.contains(&cause) || is_of_image(cause)
            }
            ServerPart::ObjectStorage => {
                let of_files =
                    [Cause::FileNotFound, Cause::ImageComing, Cause::ReadFailed, Cause::TransferBroke];
                of_files.contains(&cause) || is_of_image(cause)
            }
        }
    }
}

fn is_of_image(cause: Cause) -> bool {
    matches!(cause, Cause::Decision(Reason::NoBootFile | Reason::BootImageMissing))
}

impl fmt::Display for ServerPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServerPart::StateDisk => "the disk of the state folder",
            ServerPart::StoreDisk => "the disk of the image store",
            ServerPart::ObjectStorage => "the object storage",
        })
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outage { part, trouble, .. } = self;
        match trouble {
            ServerTrouble::DiskFull { folder, free, kept } => {
                write!(f, "{part} ({folder}) is full: {free} bytes are free, and {kept} of them stay free")
            }
            ServerTrouble::Away(error) => write!(f, "{part} cannot be reached: {}", with_causes(error)),
        }
    }
}

/// A day's troubles; each part has one at a time.
const MAX_OUTAGES: usize = 16;

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn away() -> ServerTrouble {
        ServerTrouble::Away(SharedError::new(io::Error::other("connection refused")))
    }

    #[test]
    fn trouble_counts_for_the_boots_that_it_overlaps_and_that_need_the_part() {
        let mut outages = Outages::default();
        outages.fails(at(100), ServerPart::ObjectStorage, away());
        outages.fails(at(110), ServerPart::ObjectStorage, away());
        outages.works(at(120), ServerPart::ObjectStorage);
        let full = ServerTrouble::DiskFull { folder: "/srv/images".into(), free: 4096, kept: 8192 };
        outages.fails(at(130), ServerPart::StoreDisk, full);
        let behind = |cause, started| {
            let found = outages.behind(cause, at(started));
            found.map(ToString::to_string).collect::<Vec<_>>()
        };
        let storage = "the object storage cannot be reached: connection refused";
        let disk = "the disk of the image store (/srv/images) is full: 4096 bytes are free, and 8192 of them stay free";
        assert_eq!(behind(Cause::FileNotFound, 90), [storage, disk]);
        assert_eq!(behind(Cause::FileNotFound, 121), [disk]);
        assert_eq!(behind(Cause::ReadFailed, 120), [storage]);
        assert_eq!(behind(Cause::SignerNotTrusted, 90), [""; 0]);
        assert_eq!(behind(Cause::Decision(Reason::LeaseNotSaved), 90), [""; 0]);
    }

    #[test]
    fn troubles_without_end_take_no_memory() {
        let mut outages = Outages::default();
        for n in 0..1000 {
            outages.fails(at(n), ServerPart::StateDisk, away());
            outages.works(at(n), ServerPart::StateDisk);
        }
        assert_eq!(outages.0.len(), MAX_OUTAGES);
    }
}
