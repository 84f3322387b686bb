//! The forms of a question that this site serves: each is tried once before it is used.

use pxe_policy::{Trouble, TroubleKind};
use serde::Serialize;
use serde_json::Value;

use super::sweep::{Paging, SweepError};
use crate::configmgr::client::Client;
use crate::configmgr::wire::System;

/// The forms that the site serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shapes {
    /// How whole classes are read.
    pub paging: Paging,
    /// Whether it filters by `Obsolete eq 1`, so that obsolete records show up within a cycle.
    pub obsolete: bool,
    /// Whether it takes several records in one filter (`ResourceId eq 1 or ResourceId eq 2`).
    pub several: bool,
}

impl Shapes {
    /// Tries each form at the site.
    pub(in crate::configmgr) async fn test(client: &Client) -> Result<Self, Trouble> {
        // A site that is away serves no form, and says nothing about any of them.
        client.page::<Value>("SMS_Site", &[], None).await?;
        let several = serves(client, &[("$filter", "ResourceId eq 1 or ResourceId eq 2".to_owned())]).await?;
        let obsolete = serves(client, &[("$filter", "Obsolete eq 1".to_owned())]).await?;
        let order = ("$orderby", "ResourceId".to_owned());
        let behind = ("$filter", "ResourceId gt 0".to_owned());
        let two = ("$top", "2".to_owned());
        let paging = match serves(client, &[behind, order.clone(), two.clone()]).await? {
            Some(rows) if rows.is_sorted() => Paging::Keyset,
            _ => match serves(client, &[order, two, ("$skip", "1".to_owned())]).await? {
                Some(_) => Paging::Skip,
                None => Paging::Links,
            },
        };
        Ok(Shapes { paging, obsolete: obsolete.is_some(), several: several.is_some() })
    }

    /// Without the way of paging that turned out not to work; None when there is no other.
    pub(super) fn without_paging(self, _why: SweepError) -> Option<Self> {
        let paging = match self.paging {
            Paging::Keyset => Paging::Skip,
            Paging::Skip => Paging::Links,
            Paging::Links => return None,
        };
        Some(Shapes { paging, ..self })
    }
}

/// The ids of the rows that a form of question gives; None where the site does not know the form.
async fn serves(client: &Client, query: &[(&str, String)]) -> Result<Option<Vec<u64>>, Trouble> {
    let select = [("$select", "ResourceId".to_owned())];
    let query = [query, &select].concat();
    match client.page::<System>(System::CLASS, &query, None).await {
        Ok((rows, _)) => Ok(Some(rows.iter().map(|row| row.resourceid).collect())),
        Err(trouble) if matches!(trouble.kind, TroubleKind::Malformed | TroubleKind::Failed) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}
