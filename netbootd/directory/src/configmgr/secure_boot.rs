//! Secure Boot as the site knows it: which machines have the authority of 2023, by its hardware
//! inventory, and until when the certificates of boot media are good.
//!
//! No class of ConfigMgr's own inventory holds the first. Sites collect the registry value
//! `WindowsUEFICA2023Capable` into a class of their own, so class and property are settings.

use std::time::UNIX_EPOCH;

use pxe_policy::{SaidBy, Trouble, Trusts};
use serde::Deserialize;
use serde_json::Value;

use super::client::Client;
use super::wire::is_true;
use crate::certificates::{Seen, days_left};
use crate::settings::Inventory;

/// The inventory's word about a machine; None when it has no row, or the class cannot be read, which
/// `netbootd doctor` shows.
pub(super) async fn inventoried(client: &Client, inventory: &Inventory, resource: u64) -> Option<Trusts> {
    let filter = format!("ResourceID eq {resource}");
    let rows = client.list::<Value>(&inventory.class, &filter, &[&inventory.property]).await.ok()?;
    let property = inventory.property.to_ascii_lowercase();
    let values: Vec<String> = rows.iter().filter_map(|row| text(row.get(&property)?)).collect();
    let is_trusted = |value: &String| inventory.values.iter().any(|known| known.eq_ignore_ascii_case(value));
    let of_2023 = Some(values.iter().any(is_trusted)).filter(|_| !values.is_empty());
    of_2023.map(|_| Trusts { of_2011: None, of_2023, by: SaidBy::Inventory })
}

/// How many machines the class has, for `netbootd doctor`.
pub(super) async fn inventory_rows(client: &Client, inventory: &Inventory) -> Result<String, Trouble> {
    let fields = ["ResourceID", &inventory.property];
    let rows = client.list::<Value>(&inventory.class, "", &fields).await?;
    let property = inventory.property.to_ascii_lowercase();
    let known = rows.iter().filter_map(|row| text(row.get(&property)?)).count();
    Ok(format!("{known} machines in {}", inventory.class))
}

/// The certificates of boot media and PXE that the site has; none when their class cannot be read.
pub(super) async fn certificates(client: &Client) -> Vec<Seen> {
    let fields = ["Type", "ValidUntil", "IsBlocked"];
    let rows = client.list::<SiteCertificate>("SMS_PXECertificateInfo", "", &fields).await;
    let mut rows = rows.unwrap_or_default();
    // Each renewal leaves a row behind: of each kind the one that is good for longest counts, and one
    // that is blocked only where there is no other.
    rows.sort_by_key(|row| (!row.is_blocked(), row.validuntil.clone()));
    let last = |kind| rows.iter().rfind(|row| row.number == Some(kind)).map(SiteCertificate::seen);
    KINDS.iter().filter_map(|(number, _)| last(*number)).collect()
}

/// A row of `SMS_PXECertificateInfo`.
#[derive(Debug, Deserialize)]
struct SiteCertificate {
    #[serde(default, rename = "type")]
    number: Option<u64>,
    #[serde(default)]
    validuntil: Option<String>,
    #[serde(default)]
    isblocked: Option<Value>,
}

impl SiteCertificate {
    fn is_blocked(&self) -> bool {
        self.isblocked.as_ref().is_some_and(is_true)
    }

    fn seen(&self) -> Seen {
        let name = KINDS.iter().find(|(number, _)| Some(*number) == self.number).map_or("", |(_, name)| name);
        let until = self.validuntil.as_deref().unwrap_or_default();
        let ends = humantime::parse_rfc3339_weak(until.get(..SECONDS).unwrap_or(until)).ok();
        let ends = ends.and_then(|ends| i64::try_from(ends.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok());
        let trouble = match ends {
            _ if self.is_blocked() => Some("it is blocked in the site".to_owned()),
            None => Some(format!("its end {until:?} is no time")),
            Some(_) => None,
        };
        let days = ends.filter(|_| trouble.is_none()).map(days_left);
        Seen { part: "configmgr".to_owned(), server: name.to_owned(), days, trouble }
    }
}

/// Numbers and words, as one site writes them and another does.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(u8::from(*yes).to_string()),
        _ => None,
    }
}

/// The kinds of certificates, by the class's number.
const KINDS: [(u64, &str); 2] = [(1, "boot media"), (2, "PXE points")];
/// `2027-05-01T00:00:00`, without fractions and zone: the site's times are UTC.
const SECONDS: usize = 19;
