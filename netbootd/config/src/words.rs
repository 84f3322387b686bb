//! The TOML reader's errors in an operator's words.
//!
//! serde speaks of variants, structs and `u16`. An operator reads what was found and what would be
//! right: a message and a help text.

/// A mistake as an operator reads it.
pub(super) struct Mistake {
    /// The value that was found, for the message.
    pub(super) found: String,
    /// The correct form, if that is known.
    pub(super) right: Option<String>,
}

/// Translates a message of the reader; `written` is the text that it is about.
pub(super) fn translate(message: &str, written: &str) -> Mistake {
    let message = message.trim_end();
    if let Some((found, right)) = message.split_once(", expected ") {
        return expected(found, right, written);
    }
    if let Some(key) = quoted_after(message, "missing field ") {
        return Mistake { found: format!("the key `{key}` is missing"), right: None };
    }
    if let Some(rest) = message.strip_prefix("unexpected keys in table: ") {
        let (keys, known) = rest.split_once(", available keys: ").unwrap_or((rest, ""));
        let right = (!known.is_empty()).then(|| format!("known keys: {known}"));
        return Mistake { found: format!("unknown key {keys}"), right };
    }
    if let Some(found) = message.strip_prefix("expected table, found ") {
        return Mistake {
            found: format!("found {}", thing(found)),
            right: Some("write a table: { ... }".into()),
        };
    }
    if message.starts_with("wanted exactly 1 element") || message.starts_with("expected table with exactly 1")
    {
        let right = "write one action, such as boot = { ... }";
        return Mistake { found: "exactly one entry must be here".into(), right: Some(right.into()) };
    }
    match message {
        "expected empty table" | "expected empty array" => Mistake {
            found: "this value takes nothing more".into(),
            right: Some("write its name in quotes, without a table".into()),
        },
        "wanted string or table" => {
            Mistake { found: wrong_kind(written), right: Some("write a text in quotes, or a table".into()) }
        }
        "integer number overflowed" | "floating-point number overflowed" => {
            Mistake { found: format!("{written} is too large a number"), right: None }
        }
        other => Mistake { found: other.to_owned(), right: None },
    }
}

/// `found`, and behind the comma what serde would take.
fn expected(found: &str, right: &str, written: &str) -> Mistake {
    if let Some(key) = quoted_after(found, "unknown field ") {
        return Mistake { found: format!("unknown key `{key}`"), right: Some(known(key, right)) };
    }
    if let Some(value) = quoted_after(found, "unknown variant ") {
        return Mistake { found: format!("unknown value `{value}`"), right: Some(known(value, right)) };
    }
    if found.starts_with("invalid type: unit variant") {
        let name = written.trim_matches(['"', '\'']);
        let right = format!("write what belongs to it: {name} = {{ ... }}");
        return Mistake { found: format!("`{name}` says too little"), right: Some(right) };
    }
    let written_as = right;
    let right = kind(right);
    if found.starts_with("invalid value: integer") {
        return Mistake {
            found: format!("{written} is out of range"),
            right: Some(format!("write {right}")),
        };
    }
    if found.starts_with("invalid ") {
        return Mistake { found: wrong_kind(written), right: Some(format!("write {right}")) };
    }
    Mistake { found: found.to_owned(), right: Some(format!("expected {written_as}")) }
}

/// The words that would be right, and the one that was probably meant.
fn known(written: &str, right: &str) -> String {
    let words = right.split('`').skip(1).step_by(2);
    let near = words.map(|word| (distance(written, word), word)).min();
    match near.filter(|(distance, word)| *distance <= 1 + word.len() / 4) {
        Some((_, word)) => format!("did you mean `{word}`? expected {right}"),
        None => format!("expected {right}"),
    }
}

/// serde's name of a type, in words.
fn kind(expected: &str) -> String {
    let words = match expected {
        "u8" | "a nonzero u8" => "a whole number up to 255",
        "u16" => "a whole number from 0 to 65535",
        "a nonzero u16" => "a whole number from 1 to 65535",
        "u32" | "u64" | "usize" | "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => {
            "a whole number, 0 or more"
        }
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "path string" | "a borrowed string" | "string" => "a text in quotes",
        "a sequence" => "a list: [ ... ]",
        "a map" | "newtype variant" | "struct variant" => "a table: { ... }",
        "unit variant" | "unit" => "its name in quotes, without a table",
        other if other.starts_with("struct ") || other.starts_with("enum ") => {
            match other.starts_with("enum ") {
                true => "one of the values of netbootd.toml(5)",
                false => "a table: { ... }",
            }
        }
        "a string or a list of strings" => "a text in quotes, or a list of texts",
        other => other,
    };
    words.to_owned()
}

/// A written value by its kind.
fn wrong_kind(written: &str) -> String {
    let kind = match written.trim_start().chars().next() {
        Some('"' | '\'') => "text in quotes",
        Some('[') => "a list",
        Some('{') => "a table",
        Some('t' | 'f') if matches!(written.trim(), "true" | "false") => "true or false",
        Some('0'..='9' | '+' | '-') => "a number or a date",
        _ => "a value of another kind",
    };
    format!("found {kind}")
}

/// A type as TOML's reader names it.
fn thing(name: &str) -> &'static str {
    match name {
        "string" => "text in quotes",
        "integer" | "float" => "a number",
        "boolean" => "true or false",
        "datetime" => "a date",
        "array" => "a list",
        _ => "a value of another kind",
    }
}

fn quoted_after<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    message.strip_prefix(start)?.split('`').nth(1)
}

/// Letters to insert, remove or replace.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().take(MAX_WORD).enumerate() {
        let mut before = std::mem::replace(&mut row[0], at + 1);
        for (column, other) in to.iter().enumerate() {
            let replaced = before + usize::from(letter != *other);
            before = row[column + 1];
            row[column + 1] = replaced.min(before + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

/// No key is longer; a longer one is not compared to its end.
const MAX_WORD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_names_what_was_meant() {
        let mistake =
            translate("unknown field `conflict-prob`, expected one of `mode`, `conflict-probe`", "");
        assert_eq!(mistake.found, "unknown key `conflict-prob`");
        assert_eq!(
            mistake.right.as_deref(),
            Some("did you mean `conflict-probe`? expected one of `mode`, `conflict-probe`")
        );
        let mistake = translate("unknown variant `x`, expected one of `proxy`, `server`", "\"x\"");
        assert_eq!(mistake.right.as_deref(), Some("expected one of `proxy`, `server`"));
    }

    #[test]
    fn the_distance_counts_letters() {
        for (from, to, letters) in [("", "", 0), ("mode", "mod", 1), ("mdoe", "mode", 2), ("a", "xyz", 3)] {
            assert_eq!(distance(from, to), letters, "{from} {to}");
        }
    }
}
