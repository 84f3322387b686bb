//! Boundaries and their groups: which servers of the site a machine at an address is given. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use pxe_policy::Trouble;
use serde::{Deserialize, Serialize};

use crate::configmgr::client::Client;

/// The rows that tell where a machine is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct PlaceRows {
    sites: Vec<SiteRow>,
    boundaries: Vec<BoundaryRow>,
    groups: Vec<GroupRow>,
    members: Vec<MemberRow>,
    servers: Vec<ServerRow>,
    roles: Vec<RoleRow>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SiteRow {
    #[serde(default)]
    version: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct BoundaryRow {
    boundaryid: u64,
    boundarytype: i64,
    #[serde(default)]
    displayname: Option<String>,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct GroupRow {
    groupid: u64,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct MemberRow {
    boundaryid: u64,
    groupid: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ServerRow {
    groupid: u64,
    #[serde(default)]
    servernalpath: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RoleRow {
    #[serde(default)]
    rolename: Option<String>,
    #[serde(default)]
    nalpath: Option<String>,
}

impl PlaceRows {
    /// Reads the rows from the site.
    pub(super) async fn read(client: &Client) -> Result<Self, Trouble> {
        Ok(PlaceRows {
            sites: client.list("SMS_Site", "", &["SiteCode", "Version"]).await?,
            boundaries: client
                .list("SMS_Boundary", "", &["BoundaryID", "BoundaryType", "DisplayName", "Value"])
                .await?,
            groups: client.list("SMS_BoundaryGroup", "", &["GroupID", "Name"]).await?,
            members: client.list("SMS_BoundaryGroupMembers", "", &["BoundaryID", "GroupID"]).await?,
            servers: client.list("SMS_BoundaryGroupSiteSystems", "", &["GroupID", "ServerNALPath"]).await?,
            roles: client.list("SMS_SystemResourceList", "", &["RoleName", "NALPath"]).await?,
        })
    }
}

/// Where machines are, as the site sees it.
#[derive(Debug, Default)]
pub(super) struct Places {
    boundaries: Vec<Boundary>,
    groups: BTreeMap<u64, Group>,
    /// Whether Windows PE looks for a management point in its boundary group alone (2509).
    needs_management_point: bool,
}

#[derive(Debug)]
struct Boundary {
    name: String,
    area: Area,
    groups: Vec<u64>,
}

/// The addresses of a boundary.
#[derive(Debug, PartialEq, Eq)]
enum Area {
    /// A subnet's id; the site keeps no mask.
    Subnet(Ipv4Addr),
    Range(IpAddr, IpAddr),
    /// An IPv6 prefix and its length.
    Prefix(u128, u32),
    /// An Active Directory site, a VPN, or text that is none of these: addresses do not tell.
    Other,
}

/// A boundary group with the servers that it names, by their full names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name at the site.
    pub name: String,
    /// Its management points by their full names.
    pub management_points: Vec<String>,
    /// Its other servers: distribution points among them.
    pub servers: Vec<String>,
}

/// The site's view of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The boundaries that the address is in.
    pub boundaries: Vec<String>,
    /// Boundaries by subnet id that it may be in: the mask is not known.
    pub maybe: Vec<String>,
    /// The groups of these boundaries.
    pub groups: Vec<Group>,
    /// Whether Windows PE will find no management point (version 2509 and later).
    pub no_management_point: bool,
}

impl Places {
    pub(super) fn of_rows(rows: &PlaceRows) -> Self {
        let management: BTreeSet<String> = rows
            .roles
            .iter()
            .filter(|role| role.rolename.as_deref() == Some(MANAGEMENT_POINT))
            .filter_map(|role| server_of(role.nalpath.as_deref()?))
            .collect();
        let mut groups: BTreeMap<u64, Group> = BTreeMap::new();
        for row in &rows.groups {
            groups.entry(row.groupid).or_default().name = shown(row.name.as_deref(), row.groupid);
        }
        for row in &rows.servers {
            let Some(server) = row.servernalpath.as_deref().and_then(server_of) else { continue };
            let group = groups.entry(row.groupid).or_default();
            let list =
                if management.contains(&server) { &mut group.management_points } else { &mut group.servers };
            if !list.contains(&server) {
                list.push(server);
            }
        }
        let mut of_boundary: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        rows.members.iter().for_each(|row| of_boundary.entry(row.boundaryid).or_default().push(row.groupid));
        let boundary = |row: &BoundaryRow| Boundary {
            name: shown(
                row.displayname.as_deref().filter(|name| !name.is_empty()).or(row.value.as_deref()),
                row.boundaryid,
            ),
            area: Area::of_row(row),
            groups: of_boundary.get(&row.boundaryid).cloned().unwrap_or_default(),
        };
        let versions = rows.sites.iter().filter_map(|site| build_of(site.version.as_deref()?));
        Places {
            boundaries: rows.boundaries.iter().map(boundary).collect(),
            groups,
            needs_management_point: versions.max().is_some_and(|build| build > LAST_BUILD_BEFORE_2509),
        }
    }

    /// Where an address is; `subnet` is the id of its subnet where the mask is known. None when the
    /// site has no boundaries, or hides them.
    pub(super) fn of(&self, address: IpAddr, subnet: Option<Ipv4Addr>) -> Option<Place> {
        if self.boundaries.is_empty() {
            return None;
        }
        let mut place = Place::default();
        let mut groups = BTreeSet::new();
        for boundary in &self.boundaries {
            match boundary.area.holds(address, subnet) {
                Some(true) => {
                    place.boundaries.push(boundary.name.clone());
                    groups.extend(boundary.groups.iter().copied());
                }
                Some(false) => {}
                None => place.maybe.push(boundary.name.clone()),
            }
        }
        place.groups = groups.iter().filter_map(|id| self.groups.get(id)).cloned().collect();
        place.no_management_point = self.needs_management_point
            && !place.groups.is_empty()
            && place.groups.iter().all(|group| group.management_points.is_empty());
        Some(place)
    }

    /// How many boundaries there are.
    pub(super) fn len(&self) -> usize {
        self.boundaries.len()
    }
}

impl Area {
    fn of_row(row: &BoundaryRow) -> Self {
        let value = row.value.as_deref().unwrap_or_default().trim();
        let area = match row.boundarytype {
            0 => value.parse().ok().map(Area::Subnet),
            2 => prefix(value),
            3 => range(value),
            _ => None,
        };
        area.unwrap_or(Area::Other)
    }

    /// Whether an address is inside; None where the mask is missing that would tell.
    fn holds(&self, address: IpAddr, subnet: Option<Ipv4Addr>) -> Option<bool> {
        match (self, address) {
            (Area::Range(first, last), address) => {
                Some(first.is_ipv4() == address.is_ipv4() && (*first..=*last).contains(&address))
            }
            (Area::Prefix(net, length), IpAddr::V6(address)) => {
                let bits = 128 - length;
                Some(bits == 128 || address.to_bits() >> bits == net >> bits)
            }
            (Area::Subnet(id), IpAddr::V4(address)) => match subnet {
                Some(subnet) => Some(subnet == *id),
                // With the widest mask that the id allows.
                None => {
                    let other = address.to_bits() ^ id.to_bits();
                    let may = id.to_bits() != 0 && other < 1 << id.to_bits().trailing_zeros();
                    if may { None } else { Some(false) }
                }
            },
            _ => Some(false),
        }
    }
}

/// The host in a NAL path: the last one, behind the site's own brackets.
pub(super) fn server_of(path: &str) -> Option<String> {
    let path = path.get(path.rfind(']').map_or(0, |at| at + 1)..)?;
    let host = path.trim_start_matches('\\').split('\\').next()?.trim();
    (!host.is_empty() && host.len() <= MAX_HOST).then(|| host.to_ascii_lowercase())
}

fn range(value: &str) -> Option<Area> {
    let (first, last) = value.split_once('-')?;
    let (first, last) = (first.trim().parse::<IpAddr>().ok()?, last.trim().parse::<IpAddr>().ok()?);
    (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Area::Range(first, last))
}

/// `2001:db8::/64`, or without a length the usual 64.
fn prefix(value: &str) -> Option<Area> {
    let (net, length) = value.split_once('/').unwrap_or((value, "64"));
    let net: std::net::Ipv6Addr = net.trim().parse().ok()?;
    let length = length.trim().parse().ok().filter(|length| *length <= 128)?;
    Some(Area::Prefix(net.to_bits(), length))
}

fn shown(name: Option<&str>, id: u64) -> String {
    let text = name.map_or_else(|| id.to_string(), str::to_owned);
    text.chars().filter(|letter| !letter.is_control()).take(MAX_NAME).collect()
}

/// The third number of `5.00.9132.1000`.
fn build_of(version: &str) -> Option<u32> {
    version.split('.').nth(2)?.parse().ok()
}

const MANAGEMENT_POINT: &str = "SMS Management Point";
/// The build number of version 2503.
const LAST_BUILD_BEFORE_2509: u32 = 9135;
/// A DNS name (RFC 1035 §2.3.4).
const MAX_HOST: usize = 255;
const MAX_NAME: usize = 128;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DP: &str = "[\"Display=\\\\dp01.corp.example\\\"]MSWNET:[\"SMS_SITE=PS1\"]\\\\DP01.corp.example\\";
    const MP: &str = "[\"Display=\\\\cm01\\\"]MSWNET:[\"SMS_SITE=PS1\"]\\\\cm01.corp.example\\";

    fn places(build: u32) -> Places {
        let boundary = |id: u64, kind: i64, value: &str| json!({ "boundaryid": id, "boundarytype": kind, "displayname": format!("B{id}"), "value": value });
        let rows = json!({
            "sites": [{ "version": format!("5.00.{build}.1000") }],
            "boundaries": [
                boundary(1, 3, "10.7.0.10-10.7.3.250"),
                boundary(2, 0, "10.8.4.0"),
                boundary(3, 1, "Default-First-Site-Name"),
                boundary(4, 2, "2001:db8:7::/64"),
                boundary(5, 3, "10.9.9.9-10.1.1.1"),
                boundary(6, 3, "x".repeat(5_000_000).as_str()),
            ],
            "groups": [{ "groupid": 1, "name": "Building 7" }, { "groupid": 2, "name": "Building 8" }],
            "members": [
                { "boundaryid": 1, "groupid": 1 }, { "boundaryid": 2, "groupid": 2 }, { "boundaryid": 4, "groupid": 1 },
            ],
            "servers": [
                { "groupid": 1, "servernalpath": DP }, { "groupid": 1, "servernalpath": MP },
                { "groupid": 2, "servernalpath": DP }, { "groupid": 2, "servernalpath": "\\".repeat(5_000_000) },
            ],
            "roles": [{ "rolename": "SMS Management Point", "nalpath": MP }, { "rolename": "SMS Distribution Point", "nalpath": DP }],
        });
        Places::of_rows(&serde_json::from_value(rows).unwrap())
    }

    fn at(places: &Places, address: &str, subnet: Option<&str>) -> Place {
        places.of(address.parse().unwrap(), subnet.map(|subnet| subnet.parse().unwrap())).unwrap()
    }

    #[test]
    fn an_address_is_in_ranges_and_prefixes_and_in_the_groups_of_these() {
        let places = places(9135);
        let place = at(&places, "10.7.1.2", None);
        assert_eq!(
            (&place.boundaries[..], place.groups[0].name.as_str()),
            (&["B1".to_owned()][..], "Building 7")
        );
        assert_eq!(place.groups[0].management_points, ["cm01.corp.example"]);
        assert_eq!(place.groups[0].servers, ["dp01.corp.example"]);
        assert_eq!(at(&places, "2001:db8:7::1", None).boundaries, ["B4"]);
        for outside in ["10.7.0.9", "10.7.3.251", "2001:db8:8::1", "192.0.2.1"] {
            let place = at(&places, outside, None);
            assert!(
                place.boundaries.is_empty() && place.maybe.is_empty() && place.groups.is_empty(),
                "{outside}"
            );
        }
        assert!(Places::default().of("10.7.1.2".parse().unwrap(), None).is_none(), "no boundary is seen");
    }

    #[test]
    fn a_subnet_id_needs_the_mask_of_the_machine() {
        let places = places(9135);
        assert_eq!(at(&places, "10.8.4.77", Some("10.8.4.0")).boundaries, ["B2"]);
        assert!(at(&places, "10.8.4.77", Some("10.8.0.0")).boundaries.is_empty());
        let unsure = at(&places, "10.8.5.77", None);
        assert_eq!((unsure.boundaries.len(), &unsure.maybe[..]), (0, &["B2".to_owned()][..]));
        assert!(at(&places, "10.8.9.77", None).maybe.is_empty(), "no mask makes that id of it");
    }

    #[test]
    fn a_group_without_a_management_point_counts_from_2509_on() {
        let of = |build| at(&places(build), "10.8.4.77", Some("10.8.4.0")).no_management_point;
        assert_eq!((of(9135), of(9141)), (false, true));
        assert!(!at(&places(9141), "10.7.1.2", None).no_management_point);
    }

    #[test]
    fn a_server_is_the_last_host_of_its_path() {
        assert_eq!(server_of(DP).as_deref(), Some("dp01.corp.example"));
        assert_eq!(server_of("\\\\dp02.corp.example\\").as_deref(), Some("dp02.corp.example"));
        assert_eq!((server_of(""), server_of("]"), server_of(&"x".repeat(300))), (None, None, None));
    }
}
