//! The maker of a network adapter, by its hardware address (IEEE's lists, crate `oui-data`).

use pxe_policy::MacAddr;

/// The maker; `private address` for one that nobody assigned.
pub(crate) fn vendor(mac: MacAddr) -> Option<String> {
    let octets = mac.octets();
    // The prefix of QEMU's and KVM's adapters, which belongs to nobody.
    if octets.starts_with(&[0x52, 0x54, 0x00]) {
        return Some("QEMU/KVM".to_owned());
    }
    // IEEE 802: the second bit of the first octet says that the address is assigned locally.
    if octets[0] & 2 != 0 {
        return Some("private address".to_owned());
    }
    oui_data::lookup(&mac.to_string()).map(|record| short(record.organization()))
}

/// A company's name without what lawyers add.
fn short(name: &str) -> String {
    const ADDED: [&str; 20] = [
        "inc",
        "corporate",
        "incorporated",
        "corp",
        "corporation",
        "co",
        "company",
        "ltd",
        "limited",
        "llc",
        "gmbh",
        "ag",
        "sa",
        "bv",
        "ab",
        "plc",
        "pte",
        "technologies",
        "technology",
        "international",
    ];
    let name = name.split('(').next().unwrap_or(name);
    let mut words: Vec<&str> = name.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let is_added = |word: &str| {
        let word: String = word.chars().filter(|letter| letter.is_alphanumeric()).collect();
        word.is_empty() || ADDED.contains(&word.to_lowercase().as_str())
    };
    while words.len() > 1 && words.last().is_some_and(|word| is_added(word)) {
        words.pop();
    }
    let short = words.join(" ");
    if short.is_empty() { name.to_owned() } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makers_have_short_names_and_private_addresses_have_none() {
        let vendor = |mac: &str| vendor(mac.parse().unwrap());
        assert_eq!(vendor("d4:ae:52:0c:01:03").as_deref(), Some("Dell"));
        assert_eq!(vendor("52:54:00:4c:01:01").as_deref(), Some("QEMU/KVM"));
        assert_eq!(vendor("02:00:00:00:00:01").as_deref(), Some("private address"));
        assert_eq!(short("Hewlett Packard"), "Hewlett Packard");
        assert_eq!(short("LCFC(Hefei) Electronics Technology co., ltd"), "LCFC");
        assert_eq!(short("Micro-Star INT'L CO., LTD."), "Micro-Star INT'L");
    }
}
