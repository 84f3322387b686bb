//! The facts behind a decision.

use std::fmt;

use crate::{
    Generation, Identifier, MacAddr, NotTaken, Signers, SystemUuid, Timestamp, Trouble, TrustSource,
};

/// One thing that was looked at before the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The rule fits and was taken.
    Taken {
        /// The rule's name in the configuration.
        rule: String,
    },
    /// The rule fits, but none of its files is in the boot tree.
    FilesMissing {
        /// The rule's name in the configuration.
        rule: String,
        /// The files that were looked for.
        files: Vec<String>,
    },
    /// The machine's GUID is banned and was left out of the lookup.
    GuidBanned {
        /// The machine's GUID, which is banned.
        guid: SystemUuid,
        /// The entry that means it, and how it is read.
        by: String,
    },
    /// The machine's GUID is a placeholder of firmware, which many machines have.
    PlaceholderGuid,
    /// The rule fits, but hands iPXE to a client that runs iPXE already.
    IpxeAgain {
        /// The rule's name in the configuration.
        rule: String,
    },
    /// The rule fits, but names images for Macs alone, and this is none.
    ForMacs {
        /// The rule's name in the configuration.
        rule: String,
    },
    /// The rule fits, but the distribution point's own responder serves no Macs.
    RelayForMac {
        /// The rule's name in the configuration.
        rule: String,
    },
    /// A directory is not asked about Macs.
    NotAsked {
        /// The directory's name in the configuration.
        directory: String,
    },
    /// A directory could not be asked.
    NoAnswer {
        /// The directory's name in the configuration.
        directory: String,
        /// The trouble that keeps it from answering.
        trouble: Trouble,
    },
    /// An older answer is used because the directory is out of reach.
    Stale {
        /// The directory's name in the configuration.
        directory: String,
        /// The answer's age in seconds.
        age: u64,
    },
    /// How many records the two lookups found.
    LookedUp {
        /// The directory's name in the configuration.
        directory: String,
        /// By the hardware address.
        mac_count: usize,
        /// Records that the GUID finds.
        guid_count: usize,
        /// The answer's age in seconds.
        age: u64,
    },
    /// The site's own list of duplicates left an identifier out of the lookup.
    LeftOut {
        /// The directory's name in the configuration.
        directory: String,
        /// The identifier that was left out.
        identifier: Identifier,
    },
    /// The record that counts.
    Matched {
        /// The directory's name in the configuration.
        directory: String,
        /// The machine's name in it.
        name: String,
        /// The key of the machine's record.
        key: String,
        /// The identifier that found it: `GUID` or `hardware address`.
        by: &'static str,
    },
    /// GUID and hardware address find different records.
    Conflict {
        /// The record that the GUID finds; it counts.
        by_guid: String,
        /// The record that the hardware address finds.
        by_mac: String,
    },
    /// The GUID finds a record that lists other hardware addresses than the machine's.
    OtherAddress {
        /// The record's name in the directory.
        name: String,
        /// The hardware addresses that it lists.
        macs: Vec<MacAddr>,
    },
    /// More than one record has the same identifier.
    Several {
        /// The names of the records.
        names: Vec<String>,
    },
    /// The machine is treated as the site's unknown computer object.
    UnknownObject {
        /// The directory's name in the configuration.
        directory: String,
        /// The name of the unknown computer object.
        name: String,
    },
    /// A record with the name that failed deployments to unknown computers leave behind.
    LeftoverUnknown {
        /// The key of the leftover record.
        key: String,
    },
    /// A deployment was looked at and not taken.
    NotTaken {
        /// Its id and name.
        deployment: String,
        /// Why the deployment was not taken.
        why: NotTaken,
    },
    /// A deployment was taken.
    Deployed {
        /// Its id and name.
        deployment: String,
        /// The deployment's purpose: `Required` or `Available`.
        purpose: &'static str,
        /// The collection it is deployed to.
        collection: String,
    },
    /// A deployment was given before, and the site that remembered it does so no longer.
    ClearedAtSite {
        /// Its id and name.
        deployment: String,
        /// When it was given.
        given: Timestamp,
    },
    /// The decision cannot be expressed in DHCPv6.
    NotOverIpv6 {
        /// Why it cannot be told there.
        why: &'static str,
    },
    /// The switch port blocked after iPXE reset the link: a build of iPXE that keeps it up is
    /// handed out.
    LinkKept {
        /// The file that is handed out.
        file: String,
        /// The file that the rule names.
        instead_of: String,
    },
    /// An operator wants the machine to boot this next.
    BootNext {
        /// The image, file or disk, in words.
        target: String,
        /// Whether for one boot only.
        once: bool,
    },
    /// The machine has booted once what an operator wanted it to boot once.
    BootNextUsed {
        /// The image, file or disk, in words.
        target: String,
        /// When the machine booted it.
        at: Timestamp,
    },
    /// The machine did not ask in time for what an operator wanted it to boot.
    BootNextExpired {
        /// The image, file or disk, in words.
        target: String,
    },
    /// An operator assigned this to the machine.
    Assigned {
        /// The device, in words.
        device: String,
        /// The image, file or disk, in words.
        target: String,
    },
    /// Somebody at the machine chose an image in the firmware's menu.
    ChosenInMenu {
        /// The name of the image.
        image: String,
    },
    /// The machine cannot boot the operator's assignment.
    TargetMissing {
        /// The image, file or disk, in words.
        target: String,
        /// The files that were looked for.
        files: Vec<String>,
    },
    /// The decision without the operator's assignment.
    Hides {
        /// In a few words.
        what: String,
    },
    /// So many Required deployments were given lately that the next one waits.
    Braked {
        /// Required deployments that were given.
        given: usize,
        /// In this many seconds.
        within: u64,
    },
    /// Of the two generations of a Windows boot program the machine gets this one.
    Generation {
        /// The generation that was chosen.
        generation: Generation,
        /// The boot program that the machine gets.
        file: String,
        /// The authorities behind its signatures.
        signers: Signers,
        /// Why it is this one.
        why: GenerationReason,
    },
    /// The machine trusts no signer of any boot program that there is for it.
    NoSignerTrusted {
        /// The boot program that it gets all the same.
        file: String,
        /// The authorities behind the program's signatures.
        signers: Signers,
        /// How it is known that the machine does not trust them.
        source: TrustSource,
    },
}

/// Why a machine gets the Windows boot program of one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GenerationReason {
    /// The rule names it.
    Rule,
    /// The settings name it for the image.
    Image,
    /// The machine trusts its authority.
    Trusted(TrustSource),
    /// The machine does not trust the other generation.
    OtherRefused(TrustSource),
    /// Nothing is known of the machine; if it refuses this one, it gets the other.
    Untried,
}

impl fmt::Display for GenerationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GenerationReason::Rule => f.write_str("the rule names it"),
            GenerationReason::Image => f.write_str("policy.image-signed-by names it"),
            GenerationReason::Trusted(source) => write!(f, "the machine trusts it: {source}"),
            GenerationReason::OtherRefused(source) => {
                write!(f, "the machine does not trust the other generation: {source}")
            }
            GenerationReason::Untried => {
                f.write_str("nothing is known of the machine; it gets the other generation if it asks again")
            }
        }
    }
}

impl Evidence {
    /// Whether an operator should hear of it although the machine boots.
    pub fn is_odd(&self) -> bool {
        matches!(
            self,
            Evidence::NoAnswer { .. }
                | Evidence::Stale { .. }
                | Evidence::LeftOut { .. }
                | Evidence::Conflict { .. }
                | Evidence::OtherAddress { .. }
                | Evidence::Several { .. }
                | Evidence::LeftoverUnknown { .. }
                | Evidence::ClearedAtSite { .. }
                | Evidence::TargetMissing { .. }
                | Evidence::Hides { .. }
                | Evidence::NoSignerTrusted { .. }
        )
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::Taken { rule } => write!(f, "rule {rule} fits"),
            Evidence::FilesMissing { rule, files } => {
                write!(f, "rule {rule} fits, but none of its files is there: {}", files.join(", "))
            }
            Evidence::GuidBanned { guid, by } => write!(
                f,
                "GUID {guid} is banned ({by}): the hardware address alone decides (GuidCount=0); the lookup inside Windows PE does not know this ban"
            ),
            Evidence::PlaceholderGuid => {
                f.write_str("many machines have this GUID: consider policy.banned-guids")
            }
            Evidence::IpxeAgain { rule } => {
                write!(f, "rule {rule} fits, but would hand iPXE to a client that runs iPXE")
            }
            Evidence::ForMacs { rule } => write!(f, "rule {rule} fits, but names images for Macs alone"),
            Evidence::RelayForMac { rule } => {
                write!(f, "rule {rule} fits, but the distribution point's responder serves no Macs")
            }
            Evidence::NotAsked { directory } => {
                write!(f, "{directory} is not asked about Macs ({directory}.macs)")
            }
            Evidence::NoAnswer { directory, trouble } => write!(f, "{directory} has no answer: {trouble}"),
            Evidence::Stale { directory, age } => {
                write!(
                    f,
                    "{directory} is out of reach; its answer of {age} s ago is used, but starts nothing Required"
                )
            }
            Evidence::LookedUp { directory, mac_count, guid_count, age } => {
                write!(f, "{directory}: MacCount={mac_count} GuidCount={guid_count}, asked {age} s ago")
            }
            Evidence::LeftOut { directory, identifier } => {
                write!(f, "{directory} lists {identifier} as a duplicate: it takes no part in the lookup")
            }
            Evidence::Matched { directory, name, key, by } => {
                write!(f, "{directory} knows it by its {by} as {name} ({key})")
            }
            Evidence::Conflict { by_guid, by_mac } => write!(
                f,
                "its GUID belongs to {by_guid} and its hardware address to {by_mac}: a shared adapter, a replaced board or a stale record; the GUID counts"
            ),
            Evidence::OtherAddress { name, macs } => {
                let macs: Vec<String> = macs.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "its GUID is that of {name}, whose record lists {} and not this hardware address",
                    macs.join(", ")
                )
            }
            Evidence::Several { names } => {
                write!(f, "several records have the same identifier: {}; the newest counts", names.join(", "))
            }
            Evidence::UnknownObject { directory, name } => {
                write!(f, "{directory} does not know it and treats it as {name}")
            }
            Evidence::LeftoverUnknown { key } => write!(
                f,
                "the record {key} is called \"Unknown\": a failed deployment left it behind, and the machine no longer counts as unknown; delete it"
            ),
            Evidence::NotTaken { deployment, why } => write!(f, "{deployment} not taken: {why}"),
            Evidence::Deployed { deployment, purpose, collection } => {
                write!(f, "{deployment} is {purpose} for collection {collection}")
            }
            Evidence::ClearedAtSite { deployment, given } => write!(
                f,
                "{deployment} was given at {given}; the site no longer remembers that, so it is given again"
            ),
            Evidence::NotOverIpv6 { why } => f.write_str(why),
            Evidence::LinkKept { file, instead_of } => write!(
                f,
                "the switch port blocked after iPXE reset the link: {file}, which keeps it up, instead of {instead_of}"
            ),
            Evidence::BootNext { target, once: true } => {
                write!(f, "an operator wants it to boot {target} next, once")
            }
            Evidence::BootNext { target, once: false } => {
                write!(f, "an operator wants it to boot {target} for now")
            }
            Evidence::BootNextUsed { target, at } => {
                write!(f, "it booted {target} at {at}, as an operator wanted it to once")
            }
            Evidence::BootNextExpired { target } => {
                write!(f, "an operator wanted it to boot {target}; the time for that is over")
            }
            Evidence::Assigned { device, target } => write!(f, "{target} is assigned to {device}"),
            Evidence::ChosenInMenu { image } => {
                write!(f, "somebody at the machine chose image {image} in the firmware's menu")
            }
            Evidence::TargetMissing { target, files } => write!(
                f,
                "{target} is assigned, but nothing of it is here that this machine can boot: {}",
                files.join(", ")
            ),
            Evidence::Hides { what } => write!(f, "without that it would get {what}"),
            Evidence::Generation { generation, file, signers, why } => {
                write!(f, "{file} is of generation {generation}, signed by {signers}; {why}")
            }
            Evidence::NoSignerTrusted { file, signers, source } => write!(
                f,
                "no boot program here is signed by an authority that the machine trusts: {file} is signed by {signers}, and {source}"
            ),
            Evidence::Braked { given, within } => {
                write!(
                    f,
                    "{given} Required deployments were given within {within} s; `netbootd ledger release` goes on"
                )
            }
        }
    }
}
