//! The part of OData that the AdminService speaks: filters, order, pages, and chosen members.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value};

/// The rows of a class, looked up by the values of a member once somebody filters by it.
#[derive(Debug, Default)]
pub(super) struct Class {
    pub(super) rows: Vec<Value>,
    by_text: Mutex<HashMap<String, ByText>>,
    by_number: Mutex<HashMap<String, ByNumber>>,
}

type ByText = Arc<HashMap<String, Vec<usize>>>;
type ByNumber = Arc<Vec<(u64, usize)>>;

/// One page of rows.
pub(super) struct Selected {
    pub(super) rows: Vec<Value>,
    /// Whether more rows follow.
    pub(super) more: bool,
}

/// One comparison of a filter.
enum Term<'a> {
    Equal(&'a str, String),
    Above(&'a str, u64),
    AnyOf(&'a str, String),
}

impl Class {
    pub(super) fn new(rows: Vec<Value>) -> Self {
        Class { rows, ..Class::default() }
    }

    /// A page of what a query asks for; None when its filter is of no known form.
    pub(super) fn select(&self, query: &str, page: usize) -> Option<Selected> {
        let of = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name));
        let mut found = self.filtered(of("$filter=").unwrap_or_default())?;
        if let Some(field) = of("$orderby=") {
            found.sort_by_cached_key(|at| number(&self.rows[*at], field));
        }
        let skip: usize = of("$skip=").and_then(|skip| skip.parse().ok()).unwrap_or_default();
        let top: usize = of("$top=").and_then(|top| top.parse().ok()).unwrap_or(usize::MAX);
        let chosen = of("$select=").map(|names| names.split(',').collect::<Vec<_>>());
        let rows = found.iter().skip(skip).take(page.min(top));
        let rows = rows.map(|at| only(&self.rows[*at], chosen.as_deref())).collect();
        Some(Selected { rows, more: top > page && skip + page < found.len() })
    }

    fn filtered(&self, filter: &str) -> Option<Vec<usize>> {
        if filter.is_empty() {
            return Some((0..self.rows.len()).collect());
        }
        let mut found: Vec<usize> = Vec::new();
        for group in filter.split(" or ") {
            let terms: Option<Vec<Term<'_>>> = group.split(" and ").map(Term::parse).collect();
            let terms = terms?;
            let fits = |at: &usize| terms.iter().all(|term| term.fits(&self.rows[*at]));
            found.extend(self.candidates(&terms).into_iter().filter(fits));
        }
        let mut seen = std::collections::HashSet::new();
        found.retain(|at| seen.insert(*at));
        Some(found)
    }

    /// Rows that may fit all terms.
    fn candidates(&self, terms: &[Term<'_>]) -> Vec<usize> {
        for term in terms {
            if let Term::Equal(field, wanted) = term {
                return self.by_text(field).get(wanted).cloned().unwrap_or_default();
            }
        }
        for term in terms {
            if let Term::Above(field, bound) = term {
                let sorted = self.by_number(field);
                let from = sorted.partition_point(|(value, _)| value <= bound);
                return sorted[from..].iter().map(|(_, at)| *at).collect();
            }
        }
        (0..self.rows.len()).collect()
    }

    fn by_text(&self, field: &str) -> ByText {
        let mut indexes = self.by_text.lock();
        let index = indexes.entry(field.to_ascii_lowercase()).or_insert_with(|| {
            let mut index: HashMap<String, Vec<usize>> = HashMap::new();
            for (at, row) in self.rows.iter().enumerate() {
                if let Some(text) = member(row, field).and_then(text) {
                    index.entry(text).or_default().push(at);
                }
            }
            Arc::new(index)
        });
        Arc::clone(index)
    }

    fn by_number(&self, field: &str) -> ByNumber {
        let mut indexes = self.by_number.lock();
        let index = indexes.entry(field.to_ascii_lowercase()).or_insert_with(|| {
            let numbered = self.rows.iter().enumerate();
            let mut index: Vec<(u64, usize)> = numbered.map(|(at, row)| (number(row, field), at)).collect();
            index.sort_unstable();
            Arc::new(index)
        });
        Arc::clone(index)
    }
}

impl<'a> Term<'a> {
    /// `Field eq 'text'`, `Field eq 7`, `Field eq true`, `Field gt 7`, and `Field/any(x: x eq
    /// 'text')`.
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        if let Some((field, rest)) = text.split_once("/any(") {
            return Some(Term::AnyOf(field, rest.split('\'').nth(1)?.to_owned()));
        }
        if let Some((field, bound)) = text.split_once(" gt ") {
            return Some(Term::Above(field, bound.parse().ok()?));
        }
        let (field, wanted) = text.split_once(" eq ")?;
        Some(Term::Equal(field, wanted.trim_matches('\'').to_ascii_lowercase()))
    }

    fn fits(&self, row: &Value) -> bool {
        match self {
            Term::Equal(field, wanted) => member(row, field).and_then(text).as_ref() == Some(wanted),
            Term::Above(field, bound) => number(row, field) > *bound,
            Term::AnyOf(field, wanted) => member(row, field)
                .and_then(Value::as_array)
                .is_some_and(|values| values.iter().any(|value| value.as_str() == Some(wanted))),
        }
    }
}

/// The members that were asked for, and OData's own.
fn only(row: &Value, chosen: Option<&[&str]>) -> Value {
    let (Some(chosen), Some(members)) = (chosen, row.as_object()) else { return row.clone() };
    let is_chosen =
        |name: &str| name.starts_with('@') || chosen.iter().any(|chosen| chosen.eq_ignore_ascii_case(name));
    let members = members.iter().filter(|(name, _)| is_chosen(name));
    Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}

/// A member by its name, whatever its letter case.
fn member<'a>(row: &'a Value, name: &str) -> Option<&'a Value> {
    let members = row.as_object()?;
    members.get(name).or_else(|| {
        members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_ascii_lowercase()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

fn number(row: &Value, field: &str) -> u64 {
    member(row, field).and_then(Value::as_u64).unwrap_or_default()
}
