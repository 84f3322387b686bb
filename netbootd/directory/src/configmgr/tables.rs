//! The site's tables, read as a whole and joined here.

use std::collections::{BTreeMap, HashMap, HashSet};

use pxe_policy::{
    ArchType, BootImage, Deployment, Identifier, Identity, ImageArch, MacAddr, Purpose, Record, SystemUuid,
    Trouble,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Screened;
use super::client::Client;
use super::wire::{
    Advertisement, BootImagePackage, Collection, DistributionPoint, Page, PageError, System, TaskSequence,
    is_true,
};

/// The tables of the site that are kept in memory.
#[derive(Debug, Default)]
pub struct Tables {
    by_collection: HashMap<String, Vec<Deployment>>,
    unknown: Vec<System>,
    points: Vec<DistributionPoint>,
    duplicate_guids: HashSet<SystemUuid>,
    duplicate_macs: HashSet<MacAddr>,
    /// The deployments to Macs that are not enrolled.
    pub(super) unknown_macs: Option<Record>,
}

/// A site's answers as they came, JSON.
#[derive(Debug, Clone, Copy)]
pub struct Bodies<'a> {
    /// The rows of `SMS_AdvertisementInfo`.
    pub advertisements: &'a [u8],
    /// The rows of `SMS_TaskSequencePackage`.
    pub sequences: &'a [u8],
    /// The rows of `SMS_BootImagePackage`.
    pub images: &'a [u8],
    /// The rows of `SMS_R_UnknownSystem`.
    pub unknown: &'a [u8],
    /// The rows of `SMS_DistributionPointInfo`.
    pub points: &'a [u8],
    /// The rows of `SMS_CommonSmbiosGuids` or `SMS_CommonMacAddresses`.
    pub duplicates: &'a [u8],
    /// The rows of `SMS_Collection`.
    pub collections: &'a [u8],
}

/// The rows that the tables are joined of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct TableRows {
    pub(super) advertisements: Vec<Advertisement>,
    pub(super) sequences: Vec<TaskSequence>,
    pub(super) images: Vec<BootImagePackage>,
    unknown: Vec<System>,
    points: Vec<DistributionPoint>,
    guids: Vec<Value>,
    macs: Vec<Value>,
    unknown_macs: Vec<Collection>,
}

impl TableRows {
    /// Reads the rows from the site.
    pub(super) async fn read(client: &Client) -> Result<Self, Trouble> {
        let unknown_macs = format!("Name eq '{UNKNOWN_MACS}'");
        Ok(TableRows {
            advertisements: client
                .list(Advertisement::CLASS, "PackageType eq 4", Advertisement::FIELDS)
                .await?,
            sequences: client.list(TaskSequence::CLASS, "", TaskSequence::FIELDS).await?,
            images: client.list(BootImagePackage::CLASS, "", BootImagePackage::FIELDS).await?,
            unknown: client.list(System::UNKNOWN, "", &[]).await?,
            points: client.list(DistributionPoint::CLASS, "IsPXE eq true", DistributionPoint::FIELDS).await?,
            guids: client.list("SMS_CommonSmbiosGuids", "", &[]).await?,
            macs: client.list("SMS_CommonMacAddresses", "", &[]).await?,
            unknown_macs: client.list(Collection::CLASS, &unknown_macs, Collection::FIELDS).await?,
        })
    }
}

impl Tables {
    /// Reads the tables from the site.
    pub(super) async fn read(client: &Client) -> Result<Self, Trouble> {
        Ok(Tables::of_rows(&TableRows::read(client).await?))
    }

    /// Of the rows of a site.
    pub(super) fn of_rows(rows: &TableRows) -> Self {
        let by_collection = join(rows.advertisements.clone(), &rows.sequences, &rows.images);
        Tables {
            unknown: rows.unknown.clone(),
            points: rows.points.clone(),
            ..Tables::joined(by_collection, &rows.guids, &rows.macs, &rows.unknown_macs)
        }
    }

    /// Of the bodies of answers, each the only page of its list.
    pub fn of_bodies(bodies: &Bodies<'_>) -> Result<Self, PageError> {
        let by_collection = join(
            Page::parse(bodies.advertisements)?.rows()?,
            &Page::parse(bodies.sequences)?.rows::<TaskSequence>()?,
            &Page::parse(bodies.images)?.rows::<BootImagePackage>()?,
        );
        let duplicates = Page::parse(bodies.duplicates)?.value;
        let collections = Page::parse(bodies.collections)?.rows::<Collection>()?;
        Ok(Tables {
            unknown: Page::parse(bodies.unknown)?.rows()?,
            points: Page::parse(bodies.points)?.rows()?,
            ..Tables::joined(by_collection, &duplicates, &duplicates, &collections)
        })
    }

    fn joined(
        by_collection: HashMap<String, Vec<Deployment>>,
        guids: &[Value],
        macs: &[Value],
        collections: &[Collection],
    ) -> Self {
        Tables {
            unknown_macs: collections.first().map(|collection| unknown_macs(collection, &by_collection)),
            by_collection,
            unknown: Vec::new(),
            points: Vec::new(),
            duplicate_guids: strings(guids).filter_map(|text| text.parse().ok()).collect(),
            duplicate_macs: strings(macs).filter_map(|text| text.parse().ok()).collect(),
        }
    }

    /// Of unknown computer objects and distribution points alone.
    #[cfg(test)]
    pub(super) fn of_unknown(unknown: Vec<System>, points: Vec<DistributionPoint>) -> Self {
        Tables { unknown, points, ..Tables::default() }
    }

    /// How many deployments there are.
    pub fn deployments(&self) -> usize {
        self.by_collection.values().map(Vec::len).sum()
    }

    /// The collections that task sequences are deployed to.
    pub(super) fn collections(&self) -> impl Iterator<Item = &str> {
        self.by_collection.keys().map(String::as_str)
    }

    /// The deployments to these collections, each deployment once.
    pub(super) fn deployments_of<'a>(&self, collections: impl Iterator<Item = &'a str>) -> Vec<Deployment> {
        let found = collections.filter_map(|id| self.by_collection.get(id)).flatten();
        let by_id: BTreeMap<&str, &Deployment> =
            found.map(|deployment| (deployment.id.as_str(), deployment)).collect();
        by_id.into_values().cloned().collect()
    }

    /// Without the identifiers that the site lists as duplicates.
    pub fn screen(&self, who: &Identity) -> Screened {
        let guid = who.uuid.filter(|uuid| self.duplicate_guids.contains(uuid));
        let mac = Some(who.mac).filter(|mac| self.duplicate_macs.contains(mac));
        let left_out = guid.map(Identifier::Guid).into_iter().chain(mac.map(Identifier::Mac)).collect();
        (who.uuid.filter(|_| guid.is_none()), Some(who.mac).filter(|_| mac.is_none()), left_out)
    }

    /// Whether the site's list of duplicates has an address.
    pub(super) fn lists_mac(&self, mac: MacAddr) -> bool {
        self.duplicate_macs.contains(&mac)
    }

    /// Whether the site's list of duplicates has a GUID.
    pub(super) fn lists_guid(&self, guid: SystemUuid) -> bool {
        self.duplicate_guids.contains(&guid)
    }

    /// How many deployments there are of each boot image.
    pub(super) fn by_image(&self) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for image in self.by_collection.values().flatten().filter_map(|one| one.boot_image.as_ref()) {
            *count.entry(image.id.clone()).or_default() += 1;
        }
        count
    }

    /// Which object stands for an unknown machine. BIOS PCs say that they are x86; hardly any is.
    pub(super) fn unknown_object(&self, arch: Option<ArchType>) -> Option<&System> {
        let word = match arch {
            Some(arch) if arch.same_family(ArchType::IA32_UEFI) => "x86",
            Some(arch) if arch.same_family(ArchType::ARM64_UEFI) => "arm64",
            _ => "x64",
        };
        let is = |system: &&System, word: &str| match &system.cputype {
            Some(cpu) => cpu.eq_ignore_ascii_case(word),
            None => system.name().to_ascii_lowercase().starts_with(word),
        };
        let live = || self.unknown.iter().filter(|system| !system.is_retired());
        live().find(|system| is(system, word)).or_else(|| live().find(|system| is(system, "x64")))
    }

    /// Whether a distribution point, or any when none is named, serves unknown machines.
    pub fn serves_unknown(&self, point: Option<&str>) -> bool {
        let named = |one: &&DistributionPoint| match point {
            Some(point) => [&one.name, &one.servername]
                .into_iter()
                .flatten()
                .any(|name| name.eq_ignore_ascii_case(point)),
            None => true,
        };
        let mut points = self.points.iter().filter(named);
        points.any(|point| point.supportunknownmachines.as_ref().is_some_and(is_true))
    }
}

/// The collection is a hook for deployments, and has no members.
fn unknown_macs(collection: &Collection, deployments: &HashMap<String, Vec<Deployment>>) -> Record {
    if collection.membercount.unwrap_or(0) != 0 {
        tracing::warn!("the collection {UNKNOWN_MACS:?} has members; it must stay empty");
    }
    Record {
        key: collection.collectionid.clone(),
        name: UNKNOWN_MACS.to_owned(),
        deployments: deployments.get(&collection.collectionid).cloned().unwrap_or_default(),
        ..Record::default()
    }
}

pub(super) fn join(
    advertisements: Vec<Advertisement>,
    sequences: &[TaskSequence],
    images: &[BootImagePackage],
) -> HashMap<String, Vec<Deployment>> {
    let images: HashMap<&str, Option<ImageArch>> =
        images.iter().map(|image| (image.packageid.as_str(), arch(image.architecture.as_ref()))).collect();
    let boot_image_of: HashMap<&str, &str> = sequences
        .iter()
        .filter_map(|sequence| Some((sequence.packageid.as_str(), sequence.bootimageid.as_deref()?)))
        .filter(|(_, image)| !image.is_empty())
        .collect();
    let mut by_collection: HashMap<String, Vec<Deployment>> = HashMap::new();
    for one in advertisements {
        let boot_image = boot_image_of
            .get(one.packageid.as_str())
            .map(|id| BootImage { id: (*id).to_owned(), arch: images.get(id).copied().flatten() });
        let deployment = Deployment {
            name: one.packagename.unwrap_or_else(|| one.packageid.clone()),
            collection: match one.collectionname {
                Some(name) => format!("{name} ({})", one.collectionid),
                None => one.collectionid.clone(),
            },
            purpose: if one.offertype == 0 { Purpose::Required } else { Purpose::Available },
            for_pxe: one.advertflags & Advertisement::FOR_PXE != 0,
            hidden: one.advertflags & Advertisement::HIDDEN != 0,
            boot_image,
            id: one.advertisementid,
            ..Deployment::default()
        };
        by_collection.entry(one.collectionid).or_default().push(deployment);
    }
    by_collection
}

/// A word, or WIM's number.
fn arch(value: Option<&Value>) -> Option<ImageArch> {
    let text = match value? {
        Value::String(text) => text.trim().to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    match text.as_str() {
        "x86" | "i386" | "0" => Some(ImageArch::X86),
        "x64" | "amd64" | "9" => Some(ImageArch::X64),
        "arm64" | "12" => Some(ImageArch::Arm64),
        _ => None,
    }
}

/// The collection that stands for Macs which are not enrolled, by the name that Parallels Mac
/// Management gives it.
const UNKNOWN_MACS: &str = "Unknown Mac OS X Systems";

/// Every string in a list of objects: the names of these classes' members were not seen.
fn strings(rows: &[Value]) -> impl Iterator<Item = &str> {
    rows.iter().filter_map(Value::as_object).flat_map(|row| row.values()).filter_map(Value::as_str)
}
