//! Rows in the published shapes of a site's classes, with a machine for each case.

use serde_json::{Value, json};

use super::AdminService;

/// A machine's record in `SMS_R_System`.
pub fn system(id: u64, name: &str, guid: Option<&str>, macs: &[&str], created: &str) -> Value {
    json!({
        "@odata.etag": id.to_string(), "__LAZYPROPERTIES": ["__QUALIFIER_SECURITYVERBS"],
        "ResourceId": id, "ResourceType": 5, "Name": name, "NetbiosName": name, "SMBIOSGUID": guid, "MACAddresses": macs,
        "Client": 1, "Obsolete": 0, "Decommissioned": 0, "Unknown": null, "SMSAssignedSites": ["PS1"], "CreationDate": created,
    })
}

/// A machine's membership of a collection.
pub fn member(id: u64, collection: &str) -> Value {
    json!({ "CollectionID": collection, "ResourceID": id, "IsDirect": true })
}

/// A task sequence's deployment.
pub fn advertisement(id: &str, collection: &str, offer: u64, flags: u64, package: &str) -> Value {
    json!({
        "AdvertisementID": id, "CollectionID": collection, "CollectionName": "OSD", "OfferType": offer, "AdvertFlags": flags,
        "PackageID": package, "PackageName": "Windows 11 Enterprise", "PackageType": 4,
    })
}

/// The site of the published examples, with a machine for each case.
pub fn fill(admin: &AdminService) {
    admin.set("SMS_Site", vec![json!({ "SiteCode": "PS1", "Version": "5.00.9132.1000" })]);
    let guid = |n: u32| format!("4C4C4544-0057-5810-804A-C3C04F4637{n:02}");
    let mac = |n: u32| format!("00:15:5D:00:19:{n:02}");
    let mut systems = Vec::new();
    let mut members = Vec::new();
    for (n, collection) in [(1, "PS100014"), (2, "PS100015"), (3, "PS100014"), (4, "PS100016")] {
        let id = 16_777_200 + u64::from(n);
        systems.push(system(id, &format!("PC{n:04}"), Some(&guid(n)), &[&mac(n)], "2024-03-05T09:12:44Z"));
        members.extend([member(id, "SMS00001"), member(id, collection)]);
    }
    systems.push(system(16_777_301, "PC0002-OLD", None, &[&mac(2)], "2019-03-05T09:12:44Z"));
    systems.push(system(16_777_302, "PC0099", None, &[&mac(99)], "2019-03-05T09:12:44Z"));
    members.push(member(2_046_820_353, "SMS000US"));
    admin.set("SMS_R_System", systems);
    admin.set("SMS_FullCollectionMembership", members);
    admin.set(
        "SMS_AdvertisementInfo",
        vec![
            advertisement("PS120083", "PS100014", 0, 0x4_0020, "PS100141"),
            advertisement("PS120084", "PS100015", 2, 0x4_0000, "PS100141"),
            advertisement("PS120085", "PS100016", 0, 0x4_0000, "PS100142"),
            advertisement("PS120086", "SMS000US", 2, 0x4_0000, "PS100141"),
        ],
    );
    let sequence = |id: &str, image: &str| json!({ "PackageID": id, "Name": id, "BootImageID": image });
    admin.set(
        "SMS_TaskSequencePackage",
        vec![sequence("PS100141", "PS100005"), sequence("PS100142", "PS100009")],
    );
    let image = |id: &str| json!({ "PackageID": id, "Name": id, "Architecture": "x64" });
    admin.set("SMS_BootImagePackage", vec![image("PS100005"), image("PS100009")]);
    let unknown = |id: u64, cpu: &str| json!({ "ResourceId": id, "Name": format!("{cpu} Unknown Computer"), "CPUType": cpu });
    admin.set("SMS_R_UnknownSystem", vec![unknown(2_046_820_352, "x86"), unknown(2_046_820_353, "x64")]);
    let point = json!({ "Name": "dp01.nb.test", "ServerName": "dp01.nb.test", "IsPXE": true, "SupportUnknownMachines": true });
    admin.set("SMS_DistributionPointInfo", vec![point]);
    let last = json!({ "ResourceId": 16_777_203, "AdvertisementID": "PS120083", "LastPXEAdvertisementTime": "2025-02-03T10:41:07Z" });
    admin.set("SMS_LastPXEAdvertisement", vec![last]);
    admin.set("SMS_CommonSmbiosGuids", vec![json!({ "SMBIOSGUID": "03000200-0400-0500-0006-000700080009" })]);
}
