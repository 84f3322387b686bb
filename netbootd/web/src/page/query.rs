//! The filters of the list of machines, as they stand in an address.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pxe_policy::MacAddr;
use serde::Serialize;

use crate::board::{Row, State};
pub(crate) use crate::form::{decoded, pairs};

/// The filters and the order of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Query {
    pub(super) state: Option<String>,
    pub(super) q: Option<String>,
    pub(super) image: Option<String>,
    pub(super) net: Option<String>,
    pub(super) vendor: Option<String>,
    pub(super) arch: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) since: Option<String>,
    pub(super) sort: Option<String>,
    pub(super) after: Option<String>,
}

impl Query {
    /// Reads what stands behind the question mark; what is not known there is ignored.
    pub(super) fn parse(query: Option<&str>) -> Self {
        let mut parsed = Query::default();
        for (name, value) in pairs(query) {
            if let Some(field) = parsed.field(&name) {
                *field = Some(value).filter(|value| !value.is_empty());
            }
        }
        parsed
    }

    fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "state" => &mut self.state,
            "q" => &mut self.q,
            "image" => &mut self.image,
            "net" => &mut self.net,
            "vendor" => &mut self.vendor,
            "arch" => &mut self.arch,
            "cause" => &mut self.cause,
            "rule" => &mut self.rule,
            "since" => &mut self.since,
            "sort" => &mut self.sort,
            "after" => &mut self.after,
            _ => return None,
        })
    }

    /// The address of the list with one filter set otherwise; from its beginning.
    pub(super) fn link_with(&self, name: &str, value: Option<&str>) -> String {
        let mut query = Query { after: None, ..self.clone() };
        if let Some(field) = query.field(name) {
            *field = value.map(str::to_owned);
        }
        query.link()
    }

    /// The address of the list.
    pub(super) fn link(&self) -> String {
        let named = [
            ("state", &self.state),
            ("q", &self.q),
            ("image", &self.image),
            ("net", &self.net),
            ("vendor", &self.vendor),
            ("arch", &self.arch),
            ("cause", &self.cause),
            ("rule", &self.rule),
            ("since", &self.since),
            ("sort", &self.sort),
            ("after", &self.after),
        ];
        let set: Vec<String> = named
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", encoded(value.as_deref()?))))
            .collect();
        if set.is_empty() { "/machines".to_owned() } else { format!("/machines?{}", set.join("&")) }
    }

    /// Whether anything but the order is chosen.
    pub(super) fn is_filtered(&self) -> bool {
        *self != Query { sort: self.sort.clone(), after: self.after.clone(), ..Query::default() }
    }

    /// Whether a machine belongs to the list; `state` counts apart, for the counts of all states.
    pub(super) fn fits(&self, row: &Row, now: SystemTime) -> bool {
        let is = |wanted: &Option<String>, value: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| value.as_ref() == Some(wanted))
        };
        let fits_search = |words: &String| {
            let words = words.to_lowercase();
            let words = words.trim();
            words.parse::<u32>().is_ok_and(|number| number == row.number && number > 0)
                || row.haystack.contains(words)
        };
        self.q.as_ref().is_none_or(fits_search)
            && is(&self.image, &row.gets)
            && is(&self.net, &row.network)
            && is(&self.vendor, &row.vendor)
            && is(&self.arch, &row.arch)
            && is(&self.rule, &row.rule)
            && self
                .cause
                .as_ref()
                .is_none_or(|cause| row.found.as_ref().is_some_and(|found| found.cause.as_str() == cause))
            && self.window().is_none_or(|window| now.duration_since(row.seen).unwrap_or_default() <= window)
    }

    pub(super) fn fits_state(&self, row: &Row) -> bool {
        self.state.as_ref().is_none_or(|state| row.state.key() == state)
    }

    fn window(&self) -> Option<Duration> {
        humantime::parse_duration(self.since.as_deref()?).ok()
    }

    /// Puts rows into the order of the list and gives one page of it: how many stand before it, and
    /// whether more follow. Only the page itself is sorted.
    pub(super) fn page(&self, rows: &mut Vec<Arc<Row>>, most: usize) -> (usize, bool) {
        let order = self.order();
        let total = rows.len();
        let after: Option<MacAddr> = self.after.as_deref().and_then(|mac| mac.parse().ok());
        // The machine may have moved meanwhile: the page goes on where it stands now.
        let after = after.and_then(|mac| rows.iter().find(|row| row.mac == mac));
        let after = after.map(|row| (order.key(row), row.mac));
        let keyed = rows.drain(..).map(|row| (order.key(&row), row.mac, row));
        let mut keyed: Vec<_> = keyed
            .filter(|(key, mac, _)| after.as_ref().is_none_or(|(known, last)| (key, mac) > (known, last)))
            .collect();
        let begin = total - keyed.len();
        let more = keyed.len() > most;
        if more {
            keyed.select_nth_unstable_by(most, |one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
            keyed.truncate(most);
        }
        keyed.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        rows.extend(keyed.into_iter().map(|(_, _, row)| row));
        (begin, more)
    }

    pub(super) fn order(&self) -> Order {
        match self.sort.as_deref() {
            Some("name") => Order::Name,
            Some("state") => Order::State,
            Some("vendor") => Order::Vendor,
            Some("address") => Order::Address,
            _ => Order::Newest,
        }
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Newest,
    Name,
    State,
    Vendor,
    Address,
}

impl Order {
    fn key(self, row: &Row) -> (Reverse<Option<SystemTime>>, u8, String) {
        let seen = Reverse(Some(row.seen));
        match self {
            Order::Newest => (seen, 0, String::new()),
            Order::Name => (Reverse(None), 0, row.title().to_lowercase()),
            Order::State => (Reverse(None), row.state as u8, String::new()),
            Order::Vendor => (Reverse(None), 0, row.vendor.clone().unwrap_or_default().to_lowercase()),
            Order::Address => (Reverse(None), 0, padded(row.address.as_deref().unwrap_or_default())),
        }
    }
}

/// An address whose parts compare as numbers.
fn padded(address: &str) -> String {
    address.split('.').map(|part| format!("{part:0>5}")).collect::<Vec<_>>().join(".")
}

/// One value of a query.
pub(crate) fn value(query: Option<&str>, name: &str) -> Option<String> {
    pairs(query).find(|(known, _)| known == name).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// Text as it stands in a query.
pub(crate) fn encoded(text: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

/// The states that a list can be held to.
pub(super) fn state_of(query: &Query) -> Option<State> {
    let wanted = query.state.as_deref()?;
    State::ALL.into_iter().find(|state| state.key() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_survive_their_way_through_an_address() {
        let query = Query {
            state: Some("failed".into()),
            q: Some("a&b=c <x> %".into()),
            net: Some("10.7.3.1".into()),
            since: Some("24h".into()),
            ..Query::default()
        };
        let link = query.link();
        let (path, behind) = link.split_once('?').unwrap();
        assert_eq!((path, Query::parse(Some(behind))), ("/machines", query.clone()));
        assert_eq!(query.link_with("q", None), "/machines?state=failed&net=10.7.3.1&since=24h");
        assert_eq!(query.window(), Some(Duration::from_secs(86_400)));
        assert_eq!(Query::parse(Some("state=&nothing=1&&=")), Query::default());
        assert!(padded("10.7.3.9") < padded("10.7.3.10"));
    }
}
