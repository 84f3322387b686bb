//! The vendor class of a Mac (option 60): `AAPLBSDPC/i386/MacBookPro8,1`.

use thiserror::Error;

/// Option 60 of a Mac: `AAPLBSDPC`, architecture and model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorClass {
    /// Its architecture: `i386` for every Intel Mac, `ppc` before them. Empty in a server's form.
    pub architecture: String,
    /// Its model identifier. Empty in a server's form.
    pub model: String,
}

/// Why a vendor class is no Mac's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VendorClassError {
    /// It does not begin with `AAPLBSDPC`.
    #[error("the vendor class is not AAPLBSDPC")]
    NotBsdp,
    /// The architecture or the model is missing.
    #[error("the vendor class names no architecture and model")]
    Incomplete,
    /// Bytes that no Mac sends.
    #[error("the vendor class is not printable ASCII")]
    NotPrintable,
}

impl VendorClass {
    /// Option 60 of a server: Startup Disk drops an answer with anything else.
    pub const OF_SERVERS: &'static [u8] = b"AAPLBSDPC";

    /// Reads option 60. All after the second slash is the model.
    pub fn parse(value: &[u8]) -> Result<Self, VendorClassError> {
        let rest = value.strip_prefix(Self::OF_SERVERS).ok_or(VendorClassError::NotBsdp)?;
        if !rest.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(VendorClassError::NotPrintable);
        }
        let text = String::from_utf8_lossy(rest); // ASCII, as just seen
        if text.is_empty() {
            return Ok(VendorClass { architecture: String::new(), model: String::new() });
        }
        let parts = text.strip_prefix('/').and_then(|text| text.split_once('/'));
        let (architecture, model) = parts.ok_or(VendorClassError::Incomplete)?;
        Ok(VendorClass { architecture: architecture.to_owned(), model: model.to_owned() })
    }

    /// The bytes that a client with this architecture and model sends.
    pub fn emit(&self) -> Vec<u8> {
        format!("AAPLBSDPC/{}/{}", self.architecture, self.model).into_bytes()
    }
}

/// Whether a Mac of this model cannot boot from a network at all: it has a T2 chip or Apple
/// silicon.
///
/// By Apple's model identifiers: Intel Macs with T2 run from iMacPro1,1 (2017) to iMac20,2 (2020),
/// and those with Apple silicon follow, the later ones as plain `Mac13,1`.
pub fn cannot_netboot(model: &str) -> bool {
    let family = model.trim_end_matches(|c: char| c.is_ascii_digit() || c == ',');
    let generation = model[family.len()..].split(',').next().and_then(|number| number.parse::<u32>().ok());
    let Some(generation) = generation else { return false };
    let first_with_t2 = match family {
        "iMacPro" => 1,
        "Macmini" | "MacBookAir" => 8,
        "MacBookPro" => 15,
        "MacPro" => 7,
        "iMac" => 20,
        "Mac" | "VirtualMac" => 1,
        _ => return false,
    };
    generation >= first_with_t2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_names_its_architecture_and_model() {
        let class = VendorClass::parse(b"AAPLBSDPC/i386/MacBookPro8,1").unwrap();
        assert_eq!((class.architecture.as_str(), class.model.as_str()), ("i386", "MacBookPro8,1"));
        assert_eq!(class.emit(), b"AAPLBSDPC/i386/MacBookPro8,1");
        let class = VendorClass::parse(b"AAPLBSDPC").unwrap();
        assert_eq!((class.architecture.as_str(), class.model.as_str()), ("", ""));
    }

    #[test]
    fn anything_else_says_why() {
        let table: [(&[u8], VendorClassError); 4] = [
            (b"PXEClient", VendorClassError::NotBsdp),
            (b"AAPLBSDPC/i386", VendorClassError::Incomplete),
            (b"AAPLBSDPCX", VendorClassError::Incomplete),
            (b"AAPLBSDPC/i386/\xff", VendorClassError::NotPrintable),
        ];
        for (value, error) in table {
            assert_eq!(VendorClass::parse(value), Err(error));
        }
    }

    #[test]
    fn macs_with_t2_or_apple_silicon_cannot_netboot() {
        for model in [
            "iMacPro1,1",
            "MacBookPro15,1",
            "MacBookPro18,3",
            "Macmini8,1",
            "MacPro7,1",
            "iMac20,2",
            "Mac14,2",
        ] {
            assert!(cannot_netboot(model), "{model}");
        }
        for model in [
            "MacBookPro14,3",
            "iMac19,1",
            "Macmini7,1",
            "MacPro6,1",
            "MacBook10,1",
            "PowerMac3,1",
            "",
            "Xserve3,1",
        ] {
            assert!(!cannot_netboot(model), "{model}");
        }
    }
}
