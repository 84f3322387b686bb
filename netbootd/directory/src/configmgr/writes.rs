//! An operator's changes at the site, and the lookups for them.

use pxe_policy::{MacAddr, SystemUuid, Trouble};

use super::wire::{self, Collection, Membership, System};
use super::{ConfigMgr, site_form};

impl ConfigMgr {
    /// Tells the site to forget which Required deployments machines were given, as the console's
    /// own command does.
    pub async fn clear_last_pxe(&self, resources: &[u64]) -> Result<(), Trouble> {
        let body = serde_json::json!({ "ResourceIDs": resources });
        self.client.post("SMS_Collection.ClearLastNBSAdvForMachines", &body).await.map(drop)
    }

    /// The records of a machine that the site has: resource id and name.
    pub async fn records(
        &self,
        mac: Option<MacAddr>,
        uuid: Option<SystemUuid>,
    ) -> Result<Vec<(u64, String)>, Trouble> {
        let (by_uuid, by_mac) = tokio::try_join!(self.by_uuid(uuid), self.by_mac(mac))?;
        let live = by_uuid.iter().chain(&by_mac).filter(|system| !system.is_retired());
        let mut records: Vec<(u64, String)> =
            live.map(|system| (system.resourceid, system.name().to_owned())).collect();
        records.sort_unstable();
        records.dedup();
        Ok(records)
    }

    /// The name of a collection, if the site has it.
    pub async fn collection(&self, id: &str) -> Result<Option<String>, Trouble> {
        let filter = format!("CollectionID eq '{id}'");
        let found: Vec<Collection> = self.client.list(Collection::CLASS, &filter, Collection::FIELDS).await?;
        Ok(found.into_iter().next().map(|one| one.name.unwrap_or(one.collectionid)))
    }

    /// Whether a record is in a collection.
    pub async fn is_member(&self, resource: u64, collection: &str) -> Result<bool, Trouble> {
        let filter = format!("ResourceID eq {resource}");
        let collections: Vec<Membership> =
            self.client.list(Membership::CLASS, &filter, &["CollectionID"]).await?;
        Ok(collections.iter().any(|one| one.collectionid.eq_ignore_ascii_case(collection)))
    }

    /// Puts a record into a collection by a direct rule, as the console does.
    pub async fn add_member(&self, collection: &str, resource: u64, name: &str) -> Result<(), Trouble> {
        let rule = serde_json::json!({ "collectionRule": {
            "@odata.type": "#AdminService.SMS_CollectionRuleDirect",
            "ResourceClassName": System::CLASS,
            "RuleName": name,
            "ResourceID": resource,
        }});
        let method = format!("SMS_Collection('{collection}')/AdminService.AddMembershipRule");
        self.client.post(&method, &rule).await.map(drop)
    }

    /// Makes a record of a machine, as the console's import does. Gives its resource id, if the
    /// site says that.
    pub async fn import_machine(
        &self,
        name: &str,
        mac: Option<MacAddr>,
        uuid: Option<SystemUuid>,
    ) -> Result<Option<u64>, Trouble> {
        let body = serde_json::json!({
            "NetbiosName": name,
            "SMBIOSGUID": uuid.map(|uuid| uuid.to_string().to_ascii_uppercase()),
            "MACAddress": mac.map(site_form),
            "OverwriteExistingRecord": false,
        });
        Ok(wire::resource_id(&self.client.post("SMS_Site.ImportMachineEntry", &body).await?))
    }
}
