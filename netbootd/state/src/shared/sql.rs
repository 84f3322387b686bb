//! Rows as they are read.

use std::net::Ipv4Addr;

use bsdp::Change;
use pxe_policy::{Device, Key, LedgerChange, MacAddr, MachineId, Seconds, SystemUuid};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use super::decide::{Ask, Rows};
use super::fact::{Fact, Given};
use super::values::{clean, signed};
use crate::durable::{LeaseKeep, LedgerKeep};
use crate::trust::MAX_MACHINES;

/// The state of the shared database when a server's turn begins.
pub(super) struct Turn {
    pub(super) revision: i64,
    /// When the brake was last released.
    pub(super) released: Seconds,
    /// The time by the database's clock.
    pub(super) now: Seconds,
}

/// Reads the rows that questions are about.
pub(super) async fn read(client: &Client, asks: &[Ask], turn: &Turn) -> Result<Rows, Error> {
    let (mut rows, about) = (Rows::default(), About::new(asks));
    rows.apply(&Fact::Released { at: turn.released });
    if about.is_of_ledger {
        // The entries that the brake counts, and those of these machines.
        let since = about.within.map_or(i64::MAX, |within| signed(turn.now.saturating_sub(within)));
        let found = client
            .query_typed(
                &format!(
                    "SELECT {GIVEN} FROM netbootd.given
                     WHERE (machine, deployment, run) IN (SELECT * FROM unnest($1, $2, $3)) OR at >= $4
                     OR guid = ANY ($5) OR mac = ANY ($6::text[]::macaddr[]) OR record = ANY ($7)"
                ),
                &[
                    (&about.machines, Type::TEXT_ARRAY),
                    (&about.deployments, Type::TEXT_ARRAY),
                    (&about.runs, Type::TEXT_ARRAY),
                    (&since, Type::INT8),
                    (&about.guids, Type::TEXT_ARRAY),
                    (&about.own_macs, Type::TEXT_ARRAY),
                    (&about.records, Type::TEXT_ARRAY),
                ],
            )
            .await?;
        found.iter().filter_map(entry).for_each(|fact| rows.apply(&fact));
    }
    if !about.addresses.is_empty() {
        let found = client
            .query_typed(
                "SELECT host(address), mac::text, until, leased FROM netbootd.leases
             WHERE address = ANY ($1::text[]::inet[]) OR mac = ANY ($2::text[]::macaddr[])",
                &[(&about.addresses, Type::TEXT_ARRAY), (&about.macs, Type::TEXT_ARRAY)],
            )
            .await?;
        found.iter().filter_map(lease).for_each(|fact| rows.apply(&fact));
    }
    if !about.numbers.is_empty() {
        let found = client
            .query_typed(
                "SELECT mac::text, image, number, model, at FROM netbootd.bindings WHERE number = ANY ($1)",
                &[(&about.numbers, Type::INT8_ARRAY)],
            )
            .await?;
        found.iter().filter_map(binding).for_each(|fact| rows.apply(&fact));
    }
    Ok(rows)
}

/// Reads everything but the devices.
pub(super) async fn everything(client: &Client) -> Result<Vec<Fact>, Error> {
    let entries = format!("SELECT {GIVEN} FROM netbootd.given");
    let entries = client.query(entries.as_str(), &[]);
    let mut facts: Vec<Fact> = entries.await?.iter().filter_map(entry).collect();
    // Those without a machine first: who has left an address has another one.
    let leases = client.query(
        "SELECT host(address), mac::text, until, leased FROM netbootd.leases ORDER BY mac NULLS FIRST",
        &[],
    );
    facts.extend(leases.await?.iter().filter_map(lease));
    let bindings = client.query("SELECT mac::text, image, number, model, at FROM netbootd.bindings", &[]);
    facts.extend(bindings.await?.iter().filter_map(binding));
    let said = client.query("SELECT mac::text, approved, at FROM netbootd.approvals", &[]);
    facts.extend(said.await?.iter().filter_map(approval));
    let assigned = client.query("SELECT mac::text, device FROM netbootd.assignments", &[]);
    facts.extend(assigned.await?.iter().filter_map(assignment));
    let seen = "SELECT machine, generation, starts, file, at FROM netbootd.secure_boot
        ORDER BY at DESC LIMIT $1";
    let seen = client.query_typed(seen, &[(&MOST_SIGHTINGS, Type::INT8)]).await?;
    facts.extend(seen.iter().filter_map(sighting));
    Ok(facts)
}

/// Reads the devices from the database.
pub(super) async fn devices(client: &Client) -> Result<Vec<Device>, Error> {
    let rows = client
        .query(
            "SELECT line, name, mac, uuid, image, file, deployment, purpose, run, images, default_image,
                    trusts
             FROM netbootd.devices ORDER BY line",
            &[],
        )
        .await?;
    let device = |row: &Row| Device {
        line: usize::try_from(row.get::<_, i64>(0)).unwrap_or_default(),
        name: row.get(1),
        mac: row.get(2),
        uuid: row.get(3),
        image: row.get(4),
        file: row.get(5),
        deployment: row.get(6),
        purpose: row.get(7),
        run: row.get(8),
        images: row.get(9),
        default_image: row.get(10),
        trusts: row.get(11),
    };
    Ok(rows.iter().map(device).collect())
}

/// The keys of the rows that questions are about.
#[derive(Default)]
struct About {
    /// Whether any question is about the ledger.
    is_of_ledger: bool,
    machines: Vec<String>,
    deployments: Vec<String>,
    runs: Vec<String>,
    /// As they are printed, in both byte orders.
    guids: Vec<String>,
    own_macs: Vec<String>,
    records: Vec<String>,
    /// The longest time that a brake looks back.
    within: Option<Seconds>,
    addresses: Vec<String>,
    macs: Vec<String>,
    numbers: Vec<i64>,
}

impl About {
    fn new(asks: &[Ask]) -> Self {
        let mut about = About::default();
        for ask in asks {
            match ask {
                Ask::Ledger(LedgerKeep::Give { claim, brake, .. }) => {
                    about.machine(&claim.machine);
                    about.within = about.within.max(brake.map(|brake| brake.within.as_secs()));
                }
                Ask::Ledger(LedgerKeep::TakeOver(entries)) => {
                    entries.iter().for_each(|entry| {
                        about.entry(&entry.key);
                        about.machine(&entry.machine());
                    });
                }
                Ask::Ledger(LedgerKeep::Change(changes)) => {
                    changes.iter().for_each(|change| match change {
                        LedgerChange::Clear(key) => about.entry(key),
                        LedgerChange::Give(entry) | LedgerChange::Amend(entry) => about.entry(&entry.key),
                        LedgerChange::Release(_) => {}
                    });
                }
                Ask::Lease(LeaseKeep::Offer(hold) | LeaseKeep::Lease(hold)) => {
                    about.address(hold.address, Some(hold.client));
                }
                Ask::Lease(LeaseKeep::InUse { by, address, .. }) => about.address(*address, *by),
                Ask::Lease(LeaseKeep::Released(_)) => {}
                Ask::Binding(Change::Bind(binding)) => about.numbers.push(binding.number.into()),
                Ask::Binding(Change::Unbind(_)) | Ask::OperatorDecision(_) => {}
                Ask::Assignment(_) | Ask::Sighting(_) | Ask::Devices(_) => {}
            }
        }
        about
    }

    fn entry(&mut self, key: &Key) {
        self.is_of_ledger = true;
        self.machines.push(clean(&key.machine));
        self.deployments.push(clean(&key.deployment));
        self.runs.push(clean(&key.run));
    }

    fn machine(&mut self, machine: &MachineId) {
        self.is_of_ledger = true;
        if let Some(guid) = machine.guid {
            let swapped = SystemUuid::from_network_order(guid.wire());
            self.guids.extend([guid.to_string(), swapped.to_string()]);
        }
        self.own_macs.extend(machine.macs.iter().map(MacAddr::to_string));
        self.records.extend(machine.record.as_deref().map(clean));
    }

    fn address(&mut self, address: Ipv4Addr, mac: Option<MacAddr>) {
        self.addresses.push(address.to_string());
        self.macs.extend(mac.map(|mac| mac.to_string()));
    }
}

fn entry(row: &Row) -> Option<Fact> {
    Some(Fact::Given(Given {
        machine: row.get(0),
        deployment: row.get(1),
        run: row.get(2),
        guid: row.get(3),
        mac: mac(row.get(4))?,
        record: row.get(5),
        name: row.get(6),
        at: seconds(row.get(7)),
        stage: u8::try_from(row.get::<_, i64>(8)).unwrap_or(u8::MAX),
        stage_at: seconds(row.get(9)),
        noted: row.get::<_, Option<i64>>(10).map(seconds),
    }))
}

fn lease(row: &Row) -> Option<Fact> {
    Some(Fact::Held {
        address: row.get::<_, &str>(0).parse().ok()?,
        mac: row.get::<_, Option<&str>>(1).and_then(mac),
        until: seconds(row.get(2)),
        leased: row.get(3),
    })
}

fn binding(row: &Row) -> Option<Fact> {
    Some(Fact::Bound {
        mac: mac(row.get(0))?,
        image: u32::from_str_radix(row.get(1), 16).ok()?.to_be_bytes(),
        number: u32::try_from(row.get::<_, i64>(2)).ok()?,
        model: row.get(3),
        at: seconds(row.get(4)),
    })
}

fn approval(row: &Row) -> Option<Fact> {
    Some(Fact::OperatorDecision {
        mac: mac(row.get(0))?,
        approved: Some(row.get(1)),
        at: seconds(row.get(2)),
    })
}

fn assignment(row: &Row) -> Option<Fact> {
    Some(Fact::Assigned { mac: mac(row.get(0))?, device: Some(row.get(1)) })
}

fn sighting(row: &Row) -> Option<Fact> {
    Some(Fact::Sighting {
        machine: row.get(0),
        generation: row.get::<_, &str>(1).parse().ok()?,
        starts: row.get(2),
        file: row.get(3),
        at: seconds(row.get(4)),
    })
}

fn mac(text: &str) -> Option<[u8; 6]> {
    text.parse().ok().map(MacAddr::octets)
}

fn seconds(number: i64) -> Seconds {
    Seconds::try_from(number).unwrap_or_default()
}

/// Of two generations for as many machines as a server keeps in memory.
pub(super) const MOST_SIGHTINGS: i64 = 2 * MAX_MACHINES as i64;
/// The columns of an entry.
const GIVEN: &str = "machine, deployment, run, guid, mac::text, record, name, at, stage, stage_at, noted";
