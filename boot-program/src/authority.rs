//! The certificate authorities that firmware trusts, by the names in `db`.

use std::fmt;

/// An authority of Secure Boot, by the common name of its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Authority {
    /// `Microsoft Windows Production PCA 2011`: the Windows boot manager, expires October 2026.
    WindowsProduction2011,
    /// `Windows UEFI CA 2023`: the Windows boot manager since 2023.
    WindowsUefi2023,
    /// `Microsoft Corporation UEFI CA 2011`: shim, iPXE and option ROMs, expires June 2026.
    MicrosoftUefi2011,
    /// `Microsoft UEFI CA 2023`: shim and iPXE since 2023.
    MicrosoftUefi2023,
    /// `Microsoft Option ROM UEFI CA 2023`.
    OptionRom2023,
    /// Any other authority: a distribution's, a vendor's or the site's own.
    Other(String),
}

/// The two generations of Microsoft's authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Generation {
    /// Authorities of 2011, which expire in 2026.
    Of2011,
    /// Authorities of 2023, which replace them.
    Of2023,
}

impl Authority {
    /// The authority with this common name.
    pub fn named(common_name: &str) -> Self {
        NAMES
            .iter()
            .find(|(_, name)| *name == common_name)
            .map_or_else(|| Authority::Other(common_name.to_owned()), |(authority, _)| authority.clone())
    }

    /// The common name of its certificate.
    pub fn name(&self) -> &str {
        match self {
            Authority::Other(name) => name,
            known => NAMES.iter().find(|(authority, _)| authority == known).map_or("", |(_, name)| name),
        }
    }

    /// The generation of an authority of Microsoft; None for every other.
    pub fn generation(&self) -> Option<Generation> {
        match self {
            Authority::WindowsProduction2011 | Authority::MicrosoftUefi2011 => Some(Generation::Of2011),
            Authority::WindowsUefi2023 | Authority::MicrosoftUefi2023 | Authority::OptionRom2023 => {
                Some(Generation::Of2023)
            }
            Authority::Other(_) => None,
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Generation::Of2011 => "2011",
            Generation::Of2023 => "2023",
        })
    }
}

const NAMES: [(Authority, &str); 5] = [
    (Authority::WindowsProduction2011, "Microsoft Windows Production PCA 2011"),
    (Authority::WindowsUefi2023, "Windows UEFI CA 2023"),
    (Authority::MicrosoftUefi2011, "Microsoft Corporation UEFI CA 2011"),
    (Authority::MicrosoftUefi2023, "Microsoft UEFI CA 2023"),
    (Authority::OptionRom2023, "Microsoft Option ROM UEFI CA 2023"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_of_one_authority_and_unknown_names_are_kept() {
        for (authority, name) in &NAMES {
            assert_eq!(&Authority::named(name), authority);
            assert_eq!(authority.to_string(), *name);
            assert!(authority.generation().is_some());
        }
        let own = Authority::named("Debian Secure Boot CA");
        assert_eq!((own.name(), own.generation()), ("Debian Secure Boot CA", None));
    }
}
