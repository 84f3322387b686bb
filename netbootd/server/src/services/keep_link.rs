//! iPXE that leaves the link up, for a machine whose switch port blocked after iPXE had reset it.

use std::time::SystemTime;

use netbootd_diagnosis::FileKind;
use pxe_policy::{ArchType, Boot, BootRequest, Class, Decision, Evidence, Verdict};

use super::{Services, Snapshot};

impl Services {
    /// Names the build of iPXE in the same folder that uses the firmware's network driver, for one
    /// boot: until the machine fetched it.
    pub(super) fn keep_link(&self, snapshot: &Snapshot, request: &BootRequest, verdict: &mut Verdict) {
        let Decision::Boot(boot) = &mut verdict.decision else { return };
        if !snapshot.config.keep_link || request.class != Class::Pxe {
            return;
        }
        let Some(other) = keeps_link(boot, request.arch()).filter(|other| snapshot.files.has(other)) else {
            return;
        };
        if self.timelines.port_blocks(request.mac, snapshot.config.diagnosis, SystemTime::now()) {
            let instead_of = std::mem::replace(&mut boot.file, other.clone());
            verdict.evidence.push(Evidence::LinkKept { file: other, instead_of });
        }
    }
}

/// The program beside a build of iPXE that drives the card by itself.
fn keeps_link(boot: &Boot, arch: Option<ArchType>) -> Option<String> {
    let is_here = !boot.is_url() && boot.next_server.is_none();
    let at = boot.file.rfind('/').map_or(0, |slash| slash + 1);
    let (folder, name) = boot.file.split_at(at);
    let name = name.to_ascii_lowercase();
    let resets = FileKind::from_path(&name) == FileKind::Ipxe && name.starts_with("ipxe");
    let other = match arch.is_some_and(|arch| arch.same_family(ArchType::X86_BIOS)) {
        true => "undionly.kpxe",
        false => "snponly.efi",
    };
    (is_here && resets).then(|| format!("{folder}{other}"))
}

#[cfg(test)]
mod tests {
    use pxe_policy::Via;

    use super::*;

    #[test]
    fn builds_that_reset_the_link_have_one_beside_them_that_does_not() {
        let boot = |file: &str| Boot {
            file: file.into(),
            via: Via::Tftp,
            next_server: None,
            image: None,
            prompt: None,
            config: None,
        };
        let table = [
            ("ipxe.efi", ArchType::X64_UEFI, Some("snponly.efi")),
            ("arm64/ipxe.efi", ArchType::ARM64_UEFI, Some("arm64/snponly.efi")),
            ("boot/ipxe.pxe", ArchType::X86_BIOS, Some("boot/undionly.kpxe")),
            ("snponly.efi", ArchType::X64_UEFI, None),
            ("undionly.kpxe", ArchType::X86_BIOS, None),
            ("shimx64.efi", ArchType::X64_UEFI, None),
            ("http://10.0.0.1/ipxe.efi", ArchType::X64_UEFI, None),
        ];
        for (file, arch, expected) in table {
            assert_eq!(keeps_link(&boot(file), Some(arch)).as_deref(), expected, "{file}");
        }
    }
}
