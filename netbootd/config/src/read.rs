//! From text to the written form, with every mistake found at once.
//!
//! serde stops at the first mistake. So the entry that holds it is taken out of the parsed text and
//! reading starts again, until nothing is wrong or too much is.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use super::finding::Finding;
use super::schema::Document;
use super::words::{Mistake, translate};

/// Reads as much as can be read. After an error of syntax, or a mistake that no entry holds, only
/// the mistakes themselves are sure, and there is no document.
pub(super) fn read(text: &str) -> Result<(Document, Vec<Finding>), Vec<Finding>> {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let finding = |error: &toml::de::Error| Finding::error(error.span().unwrap_or(0..0), error.message());
        return Err(errors.iter().map(finding).collect());
    }
    let mut findings = Vec::new();
    let whole = table.span();
    let mut mutilated = Mutilated::new();
    for _ in 0..MAX_MISTAKES {
        let error = match Document::deserialize(Deserializer::from(table.clone())) {
            Ok(document) => return Ok((document, findings)),
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let missing = |(table, key): &(Range<usize>, String)| {
            *table == span && error.message().starts_with(&format!("missing field `{key}`"))
        };
        let follow_up = mutilated.iter().any(missing);
        if !follow_up {
            findings.push(finding(error.message(), text, span.clone()));
        }
        if !drop_entry(table.get_mut(), whole.clone(), &span, &mut mutilated) {
            break;
        }
    }
    Err(findings)
}

fn finding(message: &str, text: &str, span: Range<usize>) -> Finding {
    let Mistake { found, right } = translate(message, text.get(span.clone()).unwrap_or_default());
    let finding = Finding::error(span, found);
    match right {
        Some(right) => finding.help(right),
        None => finding,
    }
}

/// The tables that entries were taken out of, and their keys: a key that is missing because of that
/// is no mistake.
type Mutilated = Vec<(Range<usize>, String)>;

/// Takes out the innermost entry that holds the mistake, and remembers the table it was taken from.
fn drop_entry(
    table: &mut DeTable<'_>,
    place: Range<usize>,
    mistake: &Range<usize>,
    mutilated: &mut Mutilated,
) -> bool {
    let holding = table.iter().find(|(key, value)| key.span() == *mistake || holds(value, mistake));
    let Some(key) = holding.map(|(key, _)| key.clone()) else { return false };
    let Some(value) = table.get_mut(&key) else { return false };
    let span = value.span();
    let within = key.span() != *mistake && span != *mistake;
    let dropped_within = within
        && match value.get_mut() {
            DeValue::Table(inner) => drop_entry(inner, span, mistake, mutilated),
            DeValue::Array(items) => drop_item(items, mistake, mutilated),
            _ => false,
        };
    if !dropped_within {
        mutilated.push((place, key.get_ref().to_string()));
        table.remove(&key);
    }
    true
}

fn drop_item(items: &mut DeArray<'_>, mistake: &Range<usize>, mutilated: &mut Mutilated) -> bool {
    let Some(at) = items.iter().position(|item| holds(item, mistake)) else { return false };
    let Some(item) = items.get_mut(at) else { return false };
    let span = item.span();
    let dropped_within = match item.get_mut() {
        DeValue::Table(inner) if span != *mistake => drop_entry(inner, span, mistake, mutilated),
        _ => false,
    };
    if !dropped_within {
        *items = without(items, at);
    }
    true
}

fn without<'i>(items: &DeArray<'i>, at: usize) -> DeArray<'i> {
    let others = items.iter().enumerate().filter(|(index, _)| *index != at);
    others.map(|(_, item)| item.clone()).collect()
}

fn holds(value: &Spanned<DeValue<'_>>, mistake: &Range<usize>) -> bool {
    let span = value.span();
    let inside = match value.get_ref() {
        DeValue::Table(inner) => {
            inner.iter().any(|(key, value)| key.span() == *mistake || holds(value, mistake))
        }
        DeValue::Array(items) => items.iter().any(|item| holds(item, mistake)),
        _ => false,
    };
    inside || (span.start <= mistake.start && mistake.end <= span.end)
}

const MAX_MISTAKES: usize = 50;
