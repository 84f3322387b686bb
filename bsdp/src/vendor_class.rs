//! The vendor class of a Mac (option 60): `AAPLBSDPC/i386/MacBookPro8,1`.

use thiserror::Error;

/// What a Mac says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VendorClass<'a> {
    /// Its architecture: `i386` for every Intel Mac, `ppc` before them.
    pub architecture: &'a str,
    /// Its model identifier.
    pub model: &'a str,
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

impl<'a> VendorClass<'a> {
    /// Reads option 60.
    pub fn parse(value: &'a [u8]) -> Result<Self, VendorClassError> {
        let rest = value.strip_prefix(b"AAPLBSDPC").ok_or(VendorClassError::NotBsdp)?;
        if !rest.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(VendorClassError::NotPrintable);
        }
        let text = std::str::from_utf8(rest).map_err(|_| VendorClassError::NotPrintable)?;
        let parts = text.strip_prefix('/').and_then(|text| text.split_once('/'));
        match parts {
            Some((architecture, model)) if !architecture.is_empty() && !model.is_empty() => {
                Ok(VendorClass { architecture, model })
            }
            _ => Err(VendorClassError::Incomplete),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_names_its_architecture_and_model() {
        let class = VendorClass::parse(b"AAPLBSDPC/i386/MacBookPro8,1").unwrap();
        assert_eq!((class.architecture, class.model), ("i386", "MacBookPro8,1"));
    }

    #[test]
    fn anything_else_says_why() {
        let table: [(&[u8], VendorClassError); 5] = [
            (b"PXEClient", VendorClassError::NotBsdp),
            (b"AAPLBSDPC", VendorClassError::Incomplete),
            (b"AAPLBSDPC/i386", VendorClassError::Incomplete),
            (b"AAPLBSDPC//x", VendorClassError::Incomplete),
            (b"AAPLBSDPC/i386/\xff", VendorClassError::NotPrintable),
        ];
        for (value, error) in table {
            assert_eq!(VendorClass::parse(value), Err(error));
        }
    }
}
