//! Rows as they are written, and the notices of them to every server.

use std::collections::BTreeMap;

use pxe_policy::{Device, MacAddr, Seconds};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::decide::Ask;
use super::fact::{Fact, Given, Notice, RowKey};
use super::schema::CHANNEL;
use super::sql::MOST_SIGHTINGS;
use super::values::{clean, signed};

/// Writes what came of the questions, tells it to every server, and commits.
pub(super) async fn write(
    client: &Client,
    asks: &[Ask],
    facts: &[&Fact],
    revision: i64,
) -> Result<(), Error> {
    let last: BTreeMap<RowKey, &Fact> = facts.iter().map(|fact| (fact.key(), *fact)).collect();
    let last: Vec<&Fact> = last.into_values().collect();
    write_ledger(client, &last).await?;
    write_leases(client, &last).await?;
    write_bindings(client, &last).await?;
    write_approvals(client, &last).await?;
    write_assignments(client, &last).await?;
    write_sightings(client, &last, revision).await?;
    let devices = asks.iter().rev().find_map(|ask| match ask {
        Ask::Devices(devices) => Some(devices),
        _ => None,
    });
    if let Some(devices) = devices {
        write_devices(client, devices).await?;
    }
    let told = notices(&last, revision);
    client
        .query_typed(
            "SELECT pg_notify($1, notice) FROM unnest($2) AS notice",
            &[(&CHANNEL, Type::TEXT), (&told, Type::TEXT_ARRAY)],
        )
        .await?;
    client.batch_execute("COMMIT").await
}

/// The notices to every server; one notice to read all anew when a part is longer than the database
/// passes on.
fn notices(facts: &[&Fact], revision: i64) -> Vec<String> {
    let text =
        |fact: &Fact| serde_json::to_string(&Notice { revision, fact: fact.clone() }).unwrap_or_default(); // plain values have a JSON form
    let told: Vec<String> = facts.iter().map(|fact| text(fact)).collect();
    match told.iter().all(|text| text.len() < LONGEST_NOTICE) {
        true => told,
        false => vec![text(&Fact::Everything)],
    }
}

async fn write_ledger(client: &Client, facts: &[&Fact]) -> Result<(), Error> {
    let (mut given, mut cleared) = (Entries::default(), [(); 3].map(|()| Vec::new()));
    for fact in facts {
        match fact {
            Fact::Given(entry) => given.add(entry),
            Fact::Cleared { machine, deployment, run } => {
                let key = [machine, deployment, run];
                cleared.iter_mut().zip(key).for_each(|(column, text): (&mut Vec<String>, _)| {
                    column.push(clean(text));
                });
            }
            Fact::Released { at } => {
                let at = signed(*at);
                client.query_typed("UPDATE netbootd.schema SET released = $1", &[(&at, Type::INT8)]).await?;
            }
            _ => {}
        }
    }
    let [machines, deployments, runs] = &cleared;
    if !machines.is_empty() {
        client
            .query_typed(
                "DELETE FROM netbootd.given WHERE (machine, deployment, run) IN (SELECT * FROM unnest($1, $2, $3))",
                &[
                    (machines, Type::TEXT_ARRAY),
                    (deployments, Type::TEXT_ARRAY),
                    (runs, Type::TEXT_ARRAY),
                ],
            )
            .await?;
    }
    if given.ats.is_empty() {
        return Ok(());
    }
    let [machines, deployments, runs, macs, names] = &given.texts;
    client
        .query_typed(
            "INSERT INTO netbootd.given (machine, deployment, run, mac, name, guid, record, at, stage, stage_at, noted)
             SELECT * FROM unnest($1, $2, $3, $4::text[]::macaddr[], $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (machine, deployment, run) DO UPDATE
             SET mac = excluded.mac, name = excluded.name, guid = excluded.guid, record = excluded.record, at = excluded.at,
                 stage = excluded.stage, stage_at = excluded.stage_at, noted = excluded.noted",
            &[
                (machines, Type::TEXT_ARRAY),
                (deployments, Type::TEXT_ARRAY),
                (runs, Type::TEXT_ARRAY),
                (macs, Type::TEXT_ARRAY),
                (names, Type::TEXT_ARRAY),
                (&given.guids, Type::TEXT_ARRAY),
                (&given.records, Type::TEXT_ARRAY),
                (&given.ats, Type::INT8_ARRAY),
                (&given.stages, Type::INT8_ARRAY),
                (&given.stage_ats, Type::INT8_ARRAY),
                (&given.noted, Type::INT8_ARRAY),
            ],
        )
        .await
        .map(drop)
}

async fn write_leases(client: &Client, facts: &[&Fact]) -> Result<(), Error> {
    let mut touched: Vec<String> = Vec::new();
    let (mut addresses, mut macs, mut ends, mut leased) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for fact in facts {
        match fact {
            Fact::Free { address } => touched.push(address.to_string()),
            Fact::Held { address, mac, until, leased: is_lease } => {
                touched.push(address.to_string());
                addresses.push(address.to_string());
                macs.push(mac.map(|mac| MacAddr(mac).to_string()));
                ends.push(signed(*until));
                leased.push(*is_lease);
            }
            _ => {}
        }
    }
    if touched.is_empty() {
        return Ok(());
    }
    // Gone first: a machine that changes its address has one row at any time.
    client
        .query_typed(
            "DELETE FROM netbootd.leases WHERE address = ANY ($1::text[]::inet[])",
            &[(&touched, Type::TEXT_ARRAY)],
        )
        .await?;
    client
        .query_typed(
            "INSERT INTO netbootd.leases (address, mac, until, leased)
             SELECT * FROM unnest($1::text[]::inet[], $2::text[]::macaddr[], $3, $4)",
            &[
                (&addresses, Type::TEXT_ARRAY),
                (&macs, Type::TEXT_ARRAY),
                (&ends, Type::INT8_ARRAY),
                (&leased, Type::BOOL_ARRAY),
            ],
        )
        .await
        .map(drop)
}

async fn write_bindings(client: &Client, facts: &[&Fact]) -> Result<(), Error> {
    for fact in facts {
        match fact {
            Fact::Bound { mac, image, number, model, at } => {
                let (mac, image) = (MacAddr(*mac).to_string(), u32::from_be_bytes(*image));
                let (image, number, model, at) =
                    (format!("{image:08x}"), i64::from(*number), clean(model), signed(*at));
                client
                    .query_typed(
                        "INSERT INTO netbootd.bindings (mac, image, number, model, at) VALUES ($1::text::macaddr, $2, $3, $4, $5)
                         ON CONFLICT (mac) DO UPDATE
                         SET image = excluded.image, number = excluded.number, model = excluded.model, at = excluded.at",
                        &[
                            (&mac, Type::TEXT),
                            (&image, Type::TEXT),
                            (&number, Type::INT8),
                            (&model, Type::TEXT),
                            (&at, Type::INT8),
                        ],
                    )
                    .await?;
            }
            Fact::Unbound { mac } => {
                let mac = MacAddr(*mac).to_string();
                client
                    .query_typed(
                        "DELETE FROM netbootd.bindings WHERE mac = $1::text::macaddr",
                        &[(&mac, Type::TEXT)],
                    )
                    .await?;
            }
            _ => {}
        }
    }
    Ok(())
}

async fn write_approvals(client: &Client, facts: &[&Fact]) -> Result<(), Error> {
    for fact in facts {
        let Fact::OperatorDecision { mac, approved, at } = fact else { continue };
        let (mac, at) = (MacAddr(*mac).to_string(), signed(*at));
        match approved {
            Some(approved) => {
                let sql =
                    "INSERT INTO netbootd.approvals (mac, approved, at) VALUES ($1::text::macaddr, $2, $3)
                           ON CONFLICT (mac) DO UPDATE SET approved = excluded.approved, at = excluded.at";
                client
                    .query_typed(sql, &[(&mac, Type::TEXT), (approved, Type::BOOL), (&at, Type::INT8)])
                    .await?
            }
            None => {
                let sql = "DELETE FROM netbootd.approvals WHERE mac = $1::text::macaddr";
                client.query_typed(sql, &[(&mac, Type::TEXT)]).await?
            }
        };
    }
    Ok(())
}

async fn write_assignments(client: &Client, facts: &[&Fact]) -> Result<(), Error> {
    for fact in facts {
        let Fact::Assigned { mac, device } = fact else { continue };
        let mac = MacAddr(*mac).to_string();
        match device {
            Some(device) => {
                let sql = "INSERT INTO netbootd.assignments (mac, device) VALUES ($1::text::macaddr, $2)
                           ON CONFLICT (mac) DO UPDATE SET device = excluded.device";
                client.query_typed(sql, &[(&mac, Type::TEXT), (device, Type::TEXT)]).await?
            }
            None => {
                let sql = "DELETE FROM netbootd.assignments WHERE mac = $1::text::macaddr";
                client.query_typed(sql, &[(&mac, Type::TEXT)]).await?
            }
        };
    }
    Ok(())
}

async fn write_sightings(client: &Client, facts: &[&Fact], revision: i64) -> Result<(), Error> {
    for fact in facts {
        let Fact::Sighting { machine, generation, starts, file, at } = fact else { continue };
        if revision % TRIM_EVERY == 0 {
            let oldest = "DELETE FROM netbootd.secure_boot WHERE at <
                (SELECT at FROM netbootd.secure_boot ORDER BY at DESC OFFSET $1 LIMIT 1)";
            client.query_typed(oldest, &[(&MOST_SIGHTINGS, Type::INT8)]).await?;
        }
        let sql = "INSERT INTO netbootd.secure_boot (machine, generation, starts, file, at)
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (machine, generation)
                   DO UPDATE SET starts = excluded.starts, file = excluded.file, at = excluded.at";
        let (generation, at) = (generation.as_str(), signed(*at));
        client
            .query_typed(
                sql,
                &[
                    (machine, Type::TEXT),
                    (&generation, Type::TEXT),
                    (starts, Type::BOOL),
                    (file, Type::TEXT),
                    (&at, Type::INT8),
                ],
            )
            .await?;
    }
    Ok(())
}

async fn write_devices(client: &Client, devices: &[Device]) -> Result<(), Error> {
    client.batch_execute("DELETE FROM netbootd.devices").await?;
    let column = |text: fn(&Device) -> &String| -> Vec<String> {
        devices.iter().map(|device| clean(text(device))).collect()
    };
    let lines: Vec<i64> = devices.iter().map(|device| signed(device.line as Seconds)).collect();
    let columns = [
        column(|device| &device.name),
        column(|device| &device.mac),
        column(|device| &device.uuid),
        column(|device| &device.image),
        column(|device| &device.file),
        column(|device| &device.deployment),
        column(|device| &device.purpose),
        column(|device| &device.run),
        column(|device| &device.images),
        column(|device| &device.default_image),
        column(|device| &device.trusts),
    ];
    let [name, mac, uuid, image, file, deployment, purpose, run, images, default_image, trusts] = &columns;
    client
        .query_typed(
            "INSERT INTO netbootd.devices
                 (line, name, mac, uuid, image, file, deployment, purpose, run, images, default_image, trusts)
             SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            &[
                (&lines, Type::INT8_ARRAY),
                (name, Type::TEXT_ARRAY),
                (mac, Type::TEXT_ARRAY),
                (uuid, Type::TEXT_ARRAY),
                (image, Type::TEXT_ARRAY),
                (file, Type::TEXT_ARRAY),
                (deployment, Type::TEXT_ARRAY),
                (purpose, Type::TEXT_ARRAY),
                (run, Type::TEXT_ARRAY),
                (images, Type::TEXT_ARRAY),
                (default_image, Type::TEXT_ARRAY),
                (trusts, Type::TEXT_ARRAY),
            ],
        )
        .await
        .map(drop)
}

/// Entries of the ledger to be written, column by column.
#[derive(Default)]
struct Entries {
    texts: [Vec<String>; 5],
    guids: Vec<Option<String>>,
    records: Vec<Option<String>>,
    ats: Vec<i64>,
    stages: Vec<i64>,
    stage_ats: Vec<i64>,
    noted: Vec<Option<i64>>,
}

impl Entries {
    fn add(&mut self, entry: &Given) {
        let mac = MacAddr(entry.mac).to_string();
        let texts = [&entry.machine, &entry.deployment, &entry.run, &mac, &entry.name];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.push(clean(text));
        }
        self.guids.push(entry.guid.clone());
        self.records.push(entry.record.as_deref().map(clean));
        self.ats.push(signed(entry.at));
        self.stages.push(entry.stage.into());
        self.stage_ats.push(signed(entry.stage_at));
        self.noted.push(entry.noted.map(signed));
    }
}

/// Transactions between two looks at whether a table has grown too large.
const TRIM_EVERY: i64 = 64;
/// Below the 8000 bytes that PostgreSQL passes on.
const LONGEST_NOTICE: usize = 7900;
