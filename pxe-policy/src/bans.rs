//! Machines that are left out, and GUIDs that tell nothing.
//!
//! As Configuration Manager's operators know them: a banned GUID refuses nobody, it is only left
//! out of the lookup, so that the hardware address alone decides; a MAC on the ignore list is never
//! served, no matter what.

use std::collections::{BTreeMap, BTreeSet};

use crate::{BootRequest, InvalidUuid, MacAddr, SystemUuid};

/// The GUIDs that are left out of lookups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bans {
    /// GUIDs that many machines share (`BannedGuids`), each with the entry that means it and how
    /// that is read.
    pub guids: BTreeMap<SystemUuid, String>,
    /// Machines that are never served (`MACIgnoreListFile`).
    pub macs: BTreeSet<MacAddr>,
}

/// A request as the lookup may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screened {
    /// Without its GUID when that is banned.
    pub request: BootRequest,
    /// The GUID that was left out, and the entry that says so.
    pub banned_guid: Option<(SystemUuid, String)>,
    /// Whether the machine is on the ignore list.
    pub ignored: bool,
}

impl Bans {
    /// Takes out of a request what is banned.
    pub fn screen(&self, request: &BootRequest) -> Screened {
        let banned_guid = request.uuid.and_then(|uuid| Some((uuid, self.guids.get(&uuid)?.clone())));
        let ignored = self.macs.contains(&request.mac);
        let mut request = request.clone();
        if banned_guid.is_some() {
            request.uuid = None;
        }
        Screened { request, banned_guid, ignored }
    }

    /// Bans the GUIDs that an entry means; gives them.
    pub fn ban(&mut self, text: &str) -> Result<Vec<SystemUuid>, InvalidUuid> {
        let meant = Self::guids_meant(text)?;
        let readings = match meant.as_slice() {
            [_, _] => ["read as printed", "read as bytes of the wire"],
            _ => ["as printed", ""],
        };
        for (guid, reading) in meant.iter().zip(readings) {
            self.guids.entry(*guid).or_insert_with(|| format!("{text}, {reading}"));
        }
        Ok(meant)
    }

    /// The GUIDs that a text means. With hyphens it is the form that tools print; without,
    /// Microsoft's tools mean the bytes of the wire and others the printed form, so both are meant.
    pub fn guids_meant(text: &str) -> Result<Vec<SystemUuid>, InvalidUuid> {
        let printed: SystemUuid = text.parse()?;
        if text.contains('-') {
            return Ok(vec![printed]);
        }
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        let raw = u128::from_str_radix(&digits, 16).map(|value| SystemUuid::from_wire(value.to_be_bytes()));
        Ok(std::iter::once(printed).chain(raw.ok().filter(|raw| *raw != printed)).collect())
    }
}

/// Whether firmware of many machines is known to have this GUID in common.
pub fn is_shared(guid: SystemUuid) -> bool {
    let is_suggested = |text: &str| text.parse() == Ok(guid);
    guid.is_placeholder() || SUGGESTED_BANS.iter().any(|(text, _)| is_suggested(text))
}

/// GUIDs that firmware of many machines has in common, with where they come from. Suggested to
/// operators, and never banned unasked.
pub const SUGGESTED_BANS: [(&str, &str); 6] = [
    ("00000000-0000-0000-0000-000000000000", "firmware that cannot read its own SMBIOS"),
    ("ffffffff-ffff-ffff-ffff-ffffffffffff", "boards that were never given one"),
    ("03000200-0400-0500-0006-000700080009", "boards with AMI firmware that nobody filled in"),
    ("00020003-0004-0005-0006-000700080009", "the same in the other byte order"),
    ("12345678-1234-5678-90ab-cddeefaabbcc", "boards with a pattern of the factory"),
    ("00000011-4918-8015-bf5a-888888888788", "a series of one vendor"),
];

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{ArchType, Class};

    const GUID: &str = "03000200-0400-0500-0006-000700080009";

    fn request() -> BootRequest {
        BootRequest {
            mac: MacAddr([2, 0, 0, 0, 0, 7]),
            uuid: Some(GUID.parse().unwrap()),
            archs: vec![ArchType(7)],
            class: Class::Pxe,
            relay: None,
            segment: Ipv4Addr::new(10, 0, 0, 1).into(),
            address: None,
            boot_program: false,
            iface: "lan0".into(),
            secs: 0,
            item: None,
            tags: Vec::new(),
        }
    }

    #[test]
    fn a_banned_guid_is_left_out_and_refuses_nobody() {
        let mut bans = Bans::default();
        bans.ban(GUID).unwrap();
        let screened = bans.screen(&request());
        assert_eq!(screened.request, BootRequest { uuid: None, ..request() });
        assert_eq!(screened.banned_guid.map(|(guid, _)| guid), request().uuid);
        assert!(!screened.ignored);
        assert_eq!(Bans::default().screen(&request()).request, request());
    }

    #[test]
    fn a_mac_on_the_ignore_list_is_told_of() {
        let bans = Bans { macs: [request().mac].into(), ..Bans::default() };
        assert!(bans.screen(&request()).ignored);
    }

    #[test]
    fn without_hyphens_both_readings_are_meant() {
        let meant = Bans::guids_meant("00112233445566778899aabbccddeeff").unwrap();
        let texts: Vec<String> = meant.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["00112233-4455-6677-8899-aabbccddeeff", "33221100-5544-7766-8899-aabbccddeeff"]);
        assert_eq!(Bans::guids_meant("11111111111111111111111111111111").unwrap().len(), 1);
        let mut bans = Bans::default();
        bans.ban("00020003000400050006000700080009").unwrap();
        let by = bans.screen(&request()).banned_guid.unwrap().1;
        assert_eq!(by, "00020003000400050006000700080009, read as bytes of the wire");
        assert!(Bans::guids_meant("no").is_err());
    }
}
