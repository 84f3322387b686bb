//! The kind of program in a file, for the diagnosis of the machine that fetches it.

use std::sync::Arc;

use imagestore::PeHeader;
use netbootd_diagnosis::{Configuration, FileKind};
use netbootd_telemetry::event::Program;
use pxe_policy::ArchType;

use super::Content;
use crate::secure_boot;

impl Content {
    /// The header, when the name and the first bytes are those of a program that firmware starts.
    pub fn program(&self, path: &str) -> Option<Program> {
        let kind = FileKind::from_path(path);
        if !kind.is_program() && !matches!(kind, FileKind::Other | FileKind::Kernel) {
            return None;
        }
        // A file that still comes from another server would hold up the thread that it comes by.
        let is_named_so = kind.is_program() && path.to_ascii_lowercase().ends_with(".efi");
        if self.len() < SMALLEST_PROGRAM && !is_named_so || self.len() < 2 || !self.is_whole() {
            return None;
        }
        let mut magic = [0; 2];
        self.read_exact_at(0, &mut magic).ok()?;
        if magic != *b"MZ" {
            return is_named_so.then_some(Program { arch: None, signed: false, is_pe: false, signers: None });
        }
        let length = usize::try_from(self.len()).unwrap_or(usize::MAX).min(PeHeader::LENGTH);
        let mut head = vec![0; length];
        self.read_exact_at(0, &mut head).ok()?;
        let header = PeHeader::of_headers(&head)?;
        let arch = match header.machine {
            0x8664 => Some(ArchType::X64_UEFI),
            0x014c => Some(ArchType::IA32_UEFI),
            0xaa64 => Some(ArchType::ARM64_UEFI),
            _ => None,
        };
        let signers = secure_boot::signers(header, |at, buf| self.read_exact_at(at, buf)).map(Arc::new);
        Some(Program { arch, signed: header.signed, is_pe: true, signers })
    }
}

impl Content {
    /// The files that it names, when it is a configuration of a boot program.
    pub fn configuration(&self, path: &str) -> Option<Arc<Configuration>> {
        let is_text = FileKind::from_path(path) == FileKind::Configuration && self.len() <= LARGEST_TEXT;
        if !is_text || self.may_wait() {
            return None;
        }
        let mut text = vec![0; usize::try_from(self.len()).unwrap_or_default()];
        self.read_exact_at(0, &mut text).ok()?;
        Some(Arc::new(Configuration::parse(&text)))
    }
}

/// A configuration that people write is not larger, in bytes.
const LARGEST_TEXT: u64 = 64 << 10;
/// A smaller file is no program that boots; most of those that clients fetch by the thousand are.
const SMALLEST_PROGRAM: u64 = 4096;
