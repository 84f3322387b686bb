//! Answers about machines from the copy of the site.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netbootd_state::site_file::SiteChange;
use pxe_policy::{Answer, DirectoryAnswer, Identity, Trouble};

use super::content::SiteImage;
use super::device::Device;
use super::machines::Machine;
use super::model::{Known, Shared};
use super::places::Place;
use super::{Mirror, kept};
use crate::configmgr::client::Client;

impl Mirror {
    /// The answer that needs no question: the copy has the machine, is no older than `fresh`, and
    /// has nothing that must be current.
    pub(in crate::configmgr) fn at_once(
        &self,
        name: &str,
        who: &Identity,
        fresh: Duration,
    ) -> Option<Answer> {
        let age = self.age().filter(|age| *age <= fresh)?;
        let model = self.model.read();
        let Known::Answer(said) = model.look_up(who) else { return None };
        let ids = model.ids(who);
        drop(model);
        self.read_again(&ids, Instant::now());
        Some(Answer { directory: name.to_owned(), age: age.as_secs(), stale: false, said: Ok(*said) })
    }

    /// The answer while the site is away, as an old one: nothing Required begins by it. None where
    /// the copy does not have the machine, which may be known at the site by now.
    pub(in crate::configmgr) fn while_away(
        &self,
        name: &str,
        who: &Identity,
        stale: Duration,
    ) -> Option<Answer> {
        let age = self.age().filter(|age| *age <= stale)?;
        let said = match self.model.read().look_up(who) {
            Known::Nothing => return None,
            Known::Answer(said) | Known::Confirm(_, said) => said,
        };
        Some(Answer { directory: name.to_owned(), age: age.as_secs(), stale: true, said: Ok(*said) })
    }

    /// The answer with what the site says of the machine's records now. None where the copy does
    /// not have the machine, or the site does not have it any more: it has to be looked up.
    pub(in crate::configmgr) async fn confirmed(
        &self,
        client: &Client,
        who: &Identity,
        fresh: Duration,
    ) -> Result<Option<DirectoryAnswer>, Trouble> {
        if self.age().is_none_or(|age| age > fresh) {
            return Ok(None);
        }
        let ids = match self.model.read().look_up(who) {
            Known::Confirm(ids, _) => ids,
            Known::Nothing | Known::Answer(_) => return Ok(None),
        };
        let most =
            self.status.lock().shapes.map_or(1, |shapes| if shapes.several { MOST_AT_ONCE } else { 1 });
        let machines = self.confirmer.ask(client, &ids, most).await?;
        let changes = self.take(&machines);
        self.save(changes).await;
        let mut said = match self.model.read().look_up(who) {
            Known::Nothing => return Ok(None),
            Known::Answer(said) | Known::Confirm(_, said) => *said,
        };
        for record in said.by_uuid.iter_mut().chain(&mut said.by_mac) {
            let Some(machine) = machines.iter().find(|one| one.id.to_string() == record.key) else {
                return Ok(None); // the row says something else by now, and leads to another record
            };
            for deployment in &mut record.deployments {
                let last = machine.given.iter().find(|given| given.advertisementid == deployment.id);
                deployment.last_pxe = last.map(|given| given.lastpxeadvertisementtime.clone());
            }
        }
        Ok(Some(said))
    }

    /// Where the site sees an address; `subnet` is the id of its subnet, where the mask is known.
    /// None where the copy has no boundaries.
    pub fn place(&self, address: IpAddr, subnet: Option<Ipv4Addr>) -> Option<Place> {
        let places = Arc::clone(&self.model.read().places);
        places.of(address, subnet)
    }

    /// The boot images of the site, with the state of their content on a distribution point.
    pub fn images(&self, point: Option<&str>) -> Vec<SiteImage> {
        let content = Arc::clone(&self.model.read().content);
        content.images(point)
    }

    /// How many deployments there are of each boot image package.
    pub fn deployments_by_image(&self) -> BTreeMap<String, usize> {
        let tables = Arc::clone(&self.model.read().tables);
        tables.by_image()
    }

    /// Identifiers that records of different machines have, the most common first.
    pub fn shared_identifiers(&self) -> Vec<Shared> {
        self.model.read().shared()
    }

    /// Puts machines into the copy as the site has them now. Gives what the file has to learn.
    pub(super) fn take(&self, machines: &[Machine]) -> Vec<SiteChange> {
        let mut model = self.model.write();
        let mut changes = Vec::new();
        for machine in machines {
            let device = machine.row.as_ref().and_then(Device::of_row);
            match device {
                Some(device) => {
                    let written = kept::device(&device);
                    if model.put(device) {
                        changes.push(written);
                    }
                    model.members.put(machine.id, &machine.collections);
                }
                None => {
                    if model.remove(machine.id).is_some() {
                        changes.push(kept::no_device(machine.id));
                    }
                    model.members.put(machine.id, &[]);
                }
            }
        }
        changes
    }
}

/// Machines in one request. An OData service looks at a hundred nodes of a filter, and a comparison
/// has four.
pub(super) const MOST_AT_ONCE: usize = 20;
