//! The AdminService's JSON: only what is used. Names are lower case here, as the service writes
//! them now in one way and now in another.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// A row of `SMS_R_System` or `SMS_R_UnknownSystem`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct System {
    pub(super) resourceid: u64,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) obsolete: Option<Value>,
    #[serde(default)]
    pub(super) decommissioned: Option<Value>,
    #[serde(default)]
    pub(super) smsassignedsites: Option<Vec<String>>,
    #[serde(default)]
    pub(super) creationdate: Option<String>,
    #[serde(default)]
    pub(super) cputype: Option<String>,
    #[serde(default)]
    pub(super) smbiosguid: Option<String>,
    #[serde(default)]
    pub(super) macaddresses: Option<Vec<String>>,
}

impl System {
    pub(super) const CLASS: &'static str = "SMS_R_System";
    pub(super) const UNKNOWN: &'static str = "SMS_R_UnknownSystem";
    pub(super) const FIELDS: &'static [&'static str] = &[
        "ResourceId",
        "Name",
        "SMBIOSGUID",
        "MACAddresses",
        "Obsolete",
        "Decommissioned",
        "SMSAssignedSites",
        "CreationDate",
    ];

    pub(super) fn key(&self) -> String {
        self.resourceid.to_string()
    }

    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    pub(super) fn is_retired(&self) -> bool {
        [&self.obsolete, &self.decommissioned].into_iter().flatten().any(is_true)
    }
}

/// A row of `SMS_G_System_NETWORK_ADAPTER`.
#[derive(Debug, Deserialize)]
pub(super) struct NetworkAdapter {
    pub(super) resourceid: u64,
}

impl NetworkAdapter {
    pub(super) const CLASS: &'static str = "SMS_G_System_NETWORK_ADAPTER";
}

/// A row of `SMS_FullCollectionMembership`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Membership {
    pub(super) collectionid: String,
    /// 0 where it was not asked for.
    #[serde(default)]
    pub(super) resourceid: u64,
}

impl Membership {
    pub(super) const CLASS: &'static str = "SMS_FullCollectionMembership";
}

/// A row of `SMS_LastPXEAdvertisement`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LastPxe {
    /// 0 where it was not asked for.
    #[serde(default)]
    pub(super) resourceid: u64,
    #[serde(default)]
    pub(super) advertisementid: String,
    #[serde(default)]
    pub(super) lastpxeadvertisementtime: String,
    #[serde(default)]
    pub(super) smbiosguid: Option<String>,
}

impl LastPxe {
    pub(super) const CLASS: &'static str = "SMS_LastPXEAdvertisement";
    pub(super) const FIELDS: &'static [&'static str] =
        &["ResourceId", "AdvertisementID", "LastPXEAdvertisementTime", "SMBIOSGUID"];
}

/// `SMS_AdvertisementInfo` of task sequences.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Advertisement {
    pub(super) advertisementid: String,
    pub(super) collectionid: String,
    #[serde(default)]
    pub(super) collectionname: Option<String>,
    pub(super) offertype: i64,
    pub(super) advertflags: u64,
    pub(super) packageid: String,
    #[serde(default)]
    pub(super) packagename: Option<String>,
}

impl Advertisement {
    pub(super) const CLASS: &'static str = "SMS_AdvertisementInfo";
    pub(super) const FIELDS: &'static [&'static str] = &[
        "AdvertisementID",
        "CollectionID",
        "CollectionName",
        "OfferType",
        "AdvertFlags",
        "PackageID",
        "PackageName",
    ];
    /// Made available to boot media and PXE.
    pub(super) const FOR_PXE: u64 = 0x0004_0000;
    /// Hidden, unless its id is named.
    pub(super) const HIDDEN: u64 = 0x2000_0000;
}

/// A row of `SMS_TaskSequencePackage`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TaskSequence {
    pub(super) packageid: String,
    #[serde(default)]
    pub(super) bootimageid: Option<String>,
}

impl TaskSequence {
    pub(super) const CLASS: &'static str = "SMS_TaskSequencePackage";
    pub(super) const FIELDS: &'static [&'static str] = &["PackageID", "Name", "BootImageID"];
}

/// `SMS_BootImagePackage`. The architecture is a word or WIM's number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BootImagePackage {
    pub(super) packageid: String,
    #[serde(default)]
    pub(super) architecture: Option<Value>,
}

impl BootImagePackage {
    pub(super) const CLASS: &'static str = "SMS_BootImagePackage";
    pub(super) const FIELDS: &'static [&'static str] = &["PackageID", "Name", "Architecture"];
}

/// A package of a class whose packages have content.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) packageid: String,
    #[serde(default)]
    pub(super) packagetype: Option<u32>,
}

impl Package {
    /// The classes that are asked for, with their type: boot images, operating systems, and their
    /// installers.
    pub(super) const CLASSES: [(&'static str, u32); 3] = [
        ("SMS_BootImagePackage", Package::BOOT_IMAGE),
        ("SMS_ImagePackage", 257),
        ("SMS_OperatingSystemInstallPackage", 259),
    ];
    pub(super) const FIELDS: &'static [&'static str] = &["PackageID", "PackageType"];
    pub(super) const BOOT_IMAGE: u32 = 258;
}

/// `SMS_DistributionPointInfo`, without the password that the class holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DistributionPoint {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) servername: Option<String>,
    #[serde(default)]
    pub(super) supportunknownmachines: Option<Value>,
}

impl DistributionPoint {
    pub(super) const CLASS: &'static str = "SMS_DistributionPointInfo";
    pub(super) const FIELDS: &'static [&'static str] =
        &["Name", "ServerName", "SiteCode", "IsPXE", "IsActive", "SupportUnknownMachines", "ResponseDelay"];
}

/// A row of `SMS_Collection`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Collection {
    pub(super) collectionid: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) membercount: Option<u64>,
    /// When its members changed last, as the site writes it. Compared for equality only.
    #[serde(default)]
    pub(super) lastmemberchangetime: Option<String>,
}

impl Collection {
    pub(super) const CLASS: &'static str = "SMS_Collection";
    pub(super) const FIELDS: &'static [&'static str] =
        &["CollectionID", "Name", "MemberCount", "LastMemberChangeTime"];
}

/// A page of a list.
#[derive(Debug)]
pub struct Page {
    /// The rows of one page.
    pub value: Vec<Value>,
    /// Where the next page is.
    pub next: Option<String>,
}

/// Why an answer is no page of a list.
#[derive(Debug, Error)]
pub enum PageError {
    /// It is not JSON.
    #[error(transparent)]
    Json(serde_json::Error),
    /// It is JSON, and no object.
    #[error("no object")]
    NoObject,
    /// It is an object without its list.
    #[error("no list under \"value\"")]
    NoList,
    /// A row is not of the class.
    #[error(transparent)]
    Row(serde_json::Error),
}

impl Page {
    /// From the body of an answer; a list of other things than objects is refused later, one by
    /// one.
    pub fn parse(body: &[u8]) -> Result<Self, PageError> {
        let json: Value = serde_json::from_slice(body).map_err(PageError::Json)?;
        let Value::Object(mut top) = lower(json) else { return Err(PageError::NoObject) };
        let next = match top.remove("@odata.nextlink") {
            Some(Value::String(next)) => Some(next),
            _ => None,
        };
        match top.remove("value") {
            Some(Value::Array(value)) => Ok(Page { value, next }),
            _ => Err(PageError::NoList),
        }
    }

    /// The rows as values of a class, or what is wrong with the first that is none.
    pub(super) fn rows<T: DeserializeOwned>(self) -> Result<Vec<T>, PageError> {
        let rows = self.value.into_iter().map(serde_json::from_value);
        rows.collect::<Result<_, _>>().map_err(PageError::Row)
    }
}

/// The resource id in what a method returns.
pub(super) fn resource_id(body: &[u8]) -> Option<u64> {
    let Value::Object(returned) = lower(serde_json::from_slice(body).ok()?) else { return None };
    match returned.get("resourceid")? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// 1, true and "1" alike.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_i64().is_some_and(|number| number != 0),
        Value::String(text) => matches!(text.as_str(), "1" | "true" | "True"),
        _ => false,
    }
}

/// With every member's name in lower case.
fn lower(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(lower).collect()),
        Value::Object(members) => Value::Object(
            members.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), lower(value))).collect(),
        ),
        other => other,
    }
}
