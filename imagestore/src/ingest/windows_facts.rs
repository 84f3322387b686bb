//! The facts about a Windows image: its role, build, languages, generations of boot managers, and
//! its drivers for network cards.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};

use crate::platform::FileExt;
use crate::recognise::WimHeader;
use crate::wim::{Archive, ArchiveEntry, Wim, WimError, WimImage};
use crate::{About, BootMethod, WindowsFacts, WindowsRole};

/// The facts of the Windows PE in `image`; adds to `findings` what its drivers lack.
pub(super) fn about(wim: &Wim, image: &WimImage, findings: &mut Vec<String>) -> Result<About, WimError> {
    let entries: Vec<&ArchiveEntry> =
        wim.entries().iter().filter(|entry| entry.image == image.index && !entry.link).collect();
    let drivers = network_drivers(wim, &entries)?;
    if drivers.read > 0 {
        let lacking = VENDORS.iter().filter(|(id, _)| !drivers.vendors.contains(*id));
        findings.extend(
            lacking.map(|(id, name)| format!("no driver for {name} network cards (PCI vendor {id})")),
        );
    }
    let mut about = base(wim, image);
    about.ways = vec![BootMethod::Wimboot];
    about.windows = Some(WindowsFacts {
        role: role(&entries),
        network_drivers: drivers.names.len(),
        network_driver_names: drivers.names.into_iter().take(WindowsFacts::MAX_NAMES).collect(),
        ..facts(wim, &entries)
    });
    about.product = about.windows.as_ref().map(|facts| facts.role.to_string()).unwrap_or_default();
    Ok(about)
}

/// The facts of a Windows to install; its drivers are not read.
pub(super) fn of_full(wim: &Wim, image: &WimImage) -> About {
    let entries: Vec<&ArchiveEntry> =
        wim.entries().iter().filter(|entry| entry.image == image.index && !entry.link).collect();
    let mut about = base(wim, image);
    about.product = if image.name.is_empty() { "Windows".to_owned() } else { image.name.clone() };
    about.windows = Some(facts(wim, &entries));
    about
}

/// Build and architecture, by the WIM's XML.
fn base(wim: &Wim, image: &WimImage) -> About {
    let arch = match image.architecture.as_deref() {
        Some("x86_64") => "x64",
        Some("ARM64") => "arm64",
        Some(other) => other,
        None => "",
    };
    let version = header(wim).map(|header| header.version).unwrap_or_default();
    About { version, arch: arch.to_owned(), ..About::default() }
}

fn facts(wim: &Wim, entries: &[&ArchiveEntry]) -> WindowsFacts {
    let has = |path: &str| entries.iter().any(|entry| entry.path.eq_ignore_ascii_case(path));
    let generations = [("2011", BOOT_MANAGERS[0]), ("2023", BOOT_MANAGERS[1])];
    WindowsFacts {
        role: WindowsRole::Windows,
        languages: header(wim).map(|header| header.languages).unwrap_or_default(),
        generations: generations
            .iter()
            .filter(|(_, path)| has(path))
            .map(|(name, _)| (*name).to_owned())
            .collect(),
        network_drivers: 0,
        network_driver_names: Vec::new(),
    }
}

fn header(wim: &Wim) -> Option<WimHeader> {
    let file = File::open(wim.path()).ok()?;
    let size = file.metadata().ok()?.len();
    WimHeader::read(size, |at, length| {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, at).map(|()| bytes)
    })
}

/// ConfigMgr puts its programs below `\sms`; Setup is started by `setup.exe` beside its sources.
fn role(entries: &[&ArchiveEntry]) -> WindowsRole {
    let begins = |folder: &str| {
        entries.iter().any(|entry| {
            entry.path.get(..folder.len()).is_some_and(|start| start.eq_ignore_ascii_case(folder))
        })
    };
    if begins("/sms/bin/") || begins("/sms/boot/") {
        WindowsRole::ConfigmgrBootImage
    } else if begins("/sources/setup.exe") {
        WindowsRole::Setup
    } else {
        WindowsRole::WindowsPe
    }
}

/// The drivers for network cards in the driver store.
#[derive(Debug, Default)]
struct Drivers {
    /// INF files that were read.
    read: usize,
    /// The drivers, each as `Provider (file.inf)`.
    names: BTreeSet<String>,
    /// PCI vendors of their hardware ids, in four hexadecimal digits.
    vendors: BTreeSet<String>,
}

fn network_drivers(wim: &Wim, entries: &[&ArchiveEntry]) -> Result<Drivers, WimError> {
    let is_inf = |entry: &&&ArchiveEntry| {
        let path = entry.path.to_ascii_lowercase();
        path.starts_with(DRIVER_STORE) && path.ends_with(".inf") && entry.size <= MAX_INF && !entry.encrypted
    };
    let mut files: Vec<&ArchiveEntry> = entries.iter().filter(is_inf).take(MAX_INFS).copied().collect();
    files.sort_by_key(|entry| entry.offset);
    let mut drivers = Drivers::default();
    if files.is_empty() {
        return Ok(drivers);
    }
    wim.read(&files, &mut |entry: &ArchiveEntry, stream: &mut dyn Read| -> io::Result<()> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        drivers.read += 1;
        let text = decoded(&bytes);
        if let Some(provider) = network_provider(&text) {
            let file = entry.path.rsplit('/').next().unwrap_or_default();
            drivers.names.insert(format!("{provider} ({file})"));
            drivers.vendors.extend(vendors(&text));
        }
        Ok(())
    })?;
    Ok(drivers)
}

/// INF files are UTF-16 with a byte order mark, or text of one byte a character.
fn decoded(bytes: &[u8]) -> String {
    match bytes {
        [0xff, 0xfe, rest @ ..] => {
            let units: Vec<u16> =
                rest.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// The provider of a driver whose class is Net; None for a driver of another class.
fn network_provider(inf: &str) -> Option<String> {
    let value = |key: &str| {
        inf.lines().find_map(|line| {
            let (name, value) = line.split(';').next()?.split_once('=')?;
            name.trim().eq_ignore_ascii_case(key).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let by_name = value("Class").is_some_and(|class| class.eq_ignore_ascii_case("net"));
    let by_guid = value("ClassGuid").is_some_and(|guid| guid.eq_ignore_ascii_case(NET_CLASS));
    if !by_name && !by_guid {
        return None;
    }
    let provider = value("Provider").unwrap_or_default();
    let provider = match provider.strip_prefix('%').and_then(|name| name.strip_suffix('%')) {
        Some(name) => value(name).unwrap_or_else(|| name.to_owned()),
        None => provider,
    };
    Some(provider.chars().filter(|c| !c.is_control()).take(MAX_PROVIDER).collect())
}

/// The PCI vendors in an INF file: `10EC` of `PCI\VEN_10EC&DEV_8168`.
fn vendors(inf: &str) -> BTreeSet<String> {
    let upper = inf.to_ascii_uppercase();
    let ids = upper.split("PCI\\VEN_").skip(1).filter_map(|rest| rest.get(..4));
    ids.filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit())).map(str::to_owned).collect()
}

/// Boot managers of 2011 and of 2023.
const BOOT_MANAGERS: [&str; 2] = ["/Windows/Boot/EFI/bootmgfw.efi", "/Windows/Boot/EFI_EX/bootmgfw_EX.efi"];
const DRIVER_STORE: &str = "/windows/system32/driverstore/filerepository/";
/// The device setup class of network adapters.
const NET_CLASS: &str = "{4d36e972-e325-11ce-bfc1-08002be10318}";
/// Makers of the network cards on the boards of most PCs, with their PCI vendor ids.
const VENDORS: [(&str, &str); 2] = [("8086", "Intel"), ("10EC", "Realtek")];
/// Windows PE has about 300, with the vendors' drivers up to 1,000.
const MAX_INFS: usize = 4000;
/// The largest known ones have about 1 MB, in bytes.
const MAX_INF: u64 = 4 << 20;
/// Characters of a provider's name.
const MAX_PROVIDER: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    const REALTEK: &str = "[Version]\nClass = Net ; comment\nClassGUID={4d36e972-e325-11ce-bfc1-08002be10318}\n\
        Provider=%Vendor%\n[Realtek]\n%x% = y, PCI\\VEN_10EC&DEV_8168&REV_15\n[Strings]\nVendor = \"Realtek\"\n";

    #[test]
    fn an_inf_of_class_net_names_its_provider_and_its_pci_vendors() {
        let wide: Vec<u8> =
            [0xfeff].into_iter().chain(REALTEK.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for bytes in [REALTEK.as_bytes().to_vec(), wide] {
            let text = decoded(&bytes);
            assert_eq!(network_provider(&text).as_deref(), Some("Realtek"));
            assert_eq!(vendors(&text).into_iter().collect::<Vec<_>>(), ["10EC"]);
        }
        assert_eq!(network_provider("[Version]\nClass=DiskDrive\nProvider=Someone\n"), None);
        let odd = network_provider("[Version]\nclass=NET\nprovider=%gone%\n");
        assert_eq!(odd.as_deref(), Some("gone"), "a string that is not there is named");
        assert!(vendors("pci\\ven_zz pci\\ven_").is_empty());
    }
}
