//! A site as large as they get, by numbers: machine `n` has the address, GUID and record id of `n`.

use pxe_policy::MacAddr;
use serde_json::{Value, json};

use super::AdminService;
use super::rows::{advertisement, member, system};

/// How much of each the site has.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// The number of machines' records.
    pub devices: u32,
    /// Collections, each with its share of the machines.
    pub collections: u32,
    /// Task sequence deployments, to as many of the collections; every tenth is Required.
    pub deployments: u32,
    /// Range boundaries, each in a group of its own.
    pub boundaries: u32,
}

/// A site of the largest that is known.
pub const LARGEST: Size = Size { devices: 175_000, collections: 2000, deployments: 500, boundaries: 300 };

/// Puts a site of this size in.
pub fn fill(admin: &AdminService, size: Size) {
    let created = "2024-03-05T09:12:44Z";
    let device = |n: u32| {
        system(id(n), &format!("PC{n:06}"), Some(&guid(n)), &[&mac(n).to_string().to_uppercase()], created)
    };
    admin.set("SMS_Site", vec![json!({ "SiteCode": "PS1", "Version": "5.00.9132.1000" })]);
    admin.set("SMS_R_System", (0..size.devices).map(device).collect());
    let members = (0..size.devices).map(|n| member(id(n), &collection(n % size.collections)));
    admin.set("SMS_FullCollectionMembership", members.collect());
    let count = |n: u32| size.devices / size.collections + u32::from(n < size.devices % size.collections);
    let row = |id: &str, count: u32| {
        let stamp = "2025-01-01T00:00:00Z";
        json!({ "CollectionID": id, "Name": id, "MemberCount": count, "LastMemberChangeTime": stamp })
    };
    let collections = (0..size.collections).map(|n| row(&collection(n), count(n)));
    admin.set("SMS_Collection", collections.chain([row("SMS00001", size.devices)]).collect());
    let deployment = |n: u32| {
        let offer = if is_required(size, n) { 0 } else { 2 };
        advertisement(&format!("PS12{n:04}"), &collection(n), offer, 0x4_0000, "PS100141")
    };
    admin.set("SMS_AdvertisementInfo", (0..size.deployments).map(deployment).collect());
    let sequence = json!({ "PackageID": "PS100141", "Name": "Windows", "BootImageID": "PS100005" });
    admin.set("SMS_TaskSequencePackage", vec![sequence]);
    let image = json!({ "PackageID": "PS100005", "Name": "Boot image (x64)", "Architecture": "x64", "SourceVersion": 9 });
    admin.set("SMS_BootImagePackage", vec![image]);
    boundaries(admin, size.boundaries);
}

/// Whether what is deployed to machine `n`, or deployment `n` itself, is Required.
pub fn is_required(size: Size, n: u32) -> bool {
    n % size.collections % 10 == 9
}

/// Whether anything is deployed to machine `n`.
pub fn is_deployed(size: Size, n: u32) -> bool {
    n % size.collections < size.deployments
}

/// The address of machine `n`.
pub fn mac(n: u32) -> MacAddr {
    let [a, b, c, d] = n.to_be_bytes();
    MacAddr([0, 0x15, a, b, c, d])
}

/// The GUID of machine `n`.
pub fn guid(n: u32) -> String {
    format!("4C4C4544-0057-5810-804A-C3C0{n:08X}")
}

fn id(n: u32) -> u64 {
    16_777_216 + u64::from(n)
}

fn collection(n: u32) -> String {
    format!("PS1{n:05}")
}

/// The ranges 10.x.y.1 to 10.x.y.254, each with the distribution point, and nine of ten with a
/// management point.
fn boundaries(admin: &AdminService, count: u32) {
    let boundary = |n: u32| {
        let (a, b) = (n / 256, n % 256);
        json!({
            "BoundaryID": 16_777_217 + n, "BoundaryType": 3, "DisplayName": format!("Segment {n}"),
            "Value": format!("10.{a}.{b}.1-10.{a}.{b}.254"), "GroupCount": 1,
        })
    };
    let group = |n: u32| json!({ "GroupID": 16_777_217 + n, "Name": format!("Group {n}") });
    let in_group = |n: u32| json!({ "BoundaryID": 16_777_217 + n, "GroupID": 16_777_217 + n });
    let server = |n: u32, name: &str| json!({ "GroupID": 16_777_217 + n, "ServerNALPath": nal(name) });
    let servers = |n: u32| {
        let management = (n % 10 != 9).then(|| server(n, "cm01.nb.test"));
        std::iter::once(server(n, "dp01.nb.test")).chain(management)
    };
    let each = |row: &dyn Fn(u32) -> Value| (0..count).map(row).collect::<Vec<_>>();
    admin.set("SMS_Boundary", each(&boundary));
    admin.set("SMS_BoundaryGroup", each(&group));
    admin.set("SMS_BoundaryGroupMembers", each(&in_group));
    admin.set("SMS_BoundaryGroupSiteSystems", (0..count).flat_map(servers).collect());
    let role = json!({ "RoleName": "SMS Management Point", "NALPath": nal("cm01.nb.test"), "ServerName": "cm01.nb.test" });
    admin.set("SMS_SystemResourceList", vec![role]);
}

/// A server as the site writes it.
pub fn nal(server: &str) -> String {
    format!("[\"Display=\\\\{server}\\\"]MSWNET:[\"SMS_SITE=PS1\"]\\\\{server}\\")
}
