//! The classes of the site that netbootd reads, each with the right that shows its rows.

use pxe_policy::{Trouble, TroubleKind};
use serde_json::Value;

use super::ConfigMgr;
use super::fault::SiteFault;
use super::mirror::{Paging, Shapes};
use crate::links::Links;

/// A class, and how its rows are seen.
struct Class {
    name: &'static str,
    /// The purpose in a few words.
    purpose: &'static str,
    /// The security right in the console's words.
    right: &'static str,
    /// Whether every site has rows of it.
    always: bool,
    /// Whether boots need it; the others lose a check.
    needed: bool,
}

impl ConfigMgr {
    /// Reads one row of every class, and tries the forms of question. Every part is checked,
    /// whatever another one gives.
    pub(super) async fn rights(&self, links: &mut Links) {
        for class in &CLASSES {
            let query = [("$top", "1".to_owned())];
            let read = self.client().page::<Value>(class.name, &query, None).await;
            let seen = match read {
                Ok((rows, _)) if rows.is_empty() && class.always => {
                    Err(Trouble::new(TroubleKind::Forbidden, SiteFault::NoRow { class: class.name }))
                }
                Ok((rows, _)) if rows.is_empty() => Ok(format!("{}: no row; {}", class.name, class.purpose)),
                Ok(_) => Ok(format!("{}: {}", class.name, class.purpose)),
                Err(trouble) => Err(trouble),
            };
            let name = if class.needed { "right" } else { "check" };
            let failed = seen.is_err();
            let _ = links.note(name, seen); // the classes do not hang on each other
            if failed && let Some(link) = links.seen.last_mut() {
                link.cure = Some(class.right);
            }
        }
        let shapes = Shapes::test(self.client()).await;
        let _ = links.note("paging", shapes.map(words));
    }
}

fn words(shapes: Shapes) -> String {
    let paging = match shapes.paging {
        Paging::Keyset => "by record id",
        Paging::Skip => "by page number",
        Paging::Links => "by the site's links",
    };
    let yes = |is: bool| if is { "yes" } else { "no" };
    format!(
        "devices are read {paging}; filter for obsolete records: {}; several records in one filter: {}",
        yes(shapes.obsolete),
        yes(shapes.several)
    )
}

const fn class(
    name: &'static str,
    purpose: &'static str,
    right: &'static str,
    (always, needed): (bool, bool),
) -> Class {
    Class { name, purpose, right, always, needed }
}

const CLASSES: [Class; 18] = [
    class("SMS_Site", "the site and its version", "give the account's role Read on Site", (true, true)),
    class("SMS_R_System", "machines", READ_RESOURCE, (true, true)),
    class("SMS_R_UnknownSystem", "unknown computer objects", READ_RESOURCE, (true, true)),
    class("SMS_Collection", "collections", "give the account's role Read on Collection", (true, true)),
    class("SMS_FullCollectionMembership", "members of collections", READ_RESOURCE, (true, true)),
    class("SMS_AdvertisementInfo", "deployments", READ_SEQUENCE, (false, true)),
    class("SMS_TaskSequencePackage", "task sequences", READ_SEQUENCE, (false, true)),
    class(
        "SMS_BootImagePackage",
        "boot images",
        "give the account's role Read on Boot Image Package",
        (true, true),
    ),
    class("SMS_LastPXEAdvertisement", "Required deployments that were given", READ_RESOURCE, (false, true)),
    class("SMS_DistributionPointInfo", "distribution points", READ_POINT, (true, true)),
    class("SMS_CommonSmbiosGuids", "duplicate GUIDs", "give the account's role Read on Site", (false, true)),
    class(
        "SMS_CommonMacAddresses",
        "duplicate addresses",
        "give the account's role Read on Site",
        (false, true),
    ),
    class("SMS_Boundary", "boundaries", "give the account's role Read on Boundary", (false, false)),
    class("SMS_BoundaryGroup", "boundary groups", READ_GROUP, (false, false)),
    class("SMS_BoundaryGroupMembers", "boundaries of groups", READ_GROUP, (false, false)),
    class("SMS_BoundaryGroupSiteSystems", "servers of groups", READ_GROUP, (false, false)),
    class(
        "SMS_SystemResourceList",
        "management points",
        "give the account's role Read on Site",
        (true, false),
    ),
    class(
        "SMS_PackageStatusDistPointsSummarizer",
        "content on distribution points",
        READ_POINT,
        (false, false),
    ),
];
const READ_RESOURCE: &str =
    "give the account's role Read and Read Resource on Collection, for All Systems and All Unknown Computers";
const READ_SEQUENCE: &str = "give the account's role Read on Task Sequence Package";
const READ_POINT: &str = "give the account's role Read on Distribution Point";
const READ_GROUP: &str = "give the account's role Read on Boundary Group";
