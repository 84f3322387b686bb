//! The registry's key of netbootd, on Windows.

use windows_registry::{Key, LOCAL_MACHINE, Type};

use super::{READ, Value, Values};

/// The registry's values of the distribution point's own responders.
pub(crate) fn read() -> Values {
    let found = READ.iter().filter_map(|(key, name)| {
        let opened = LOCAL_MACHINE.open(key).ok()?;
        Some(((*key, *name), value(&opened, name)?))
    });
    found.collect()
}

/// None for a missing value; a value of an unexpected type is returned with its type.
fn value(key: &Key, name: &str) -> Option<Value> {
    Some(match key.get_type(name).ok()? {
        Type::U32 | Type::U64 => Value::Number(key.get_u64(name).ok()?),
        Type::String | Type::ExpandString => Value::Text(key.get_string(name).ok()?),
        Type::MultiString => Value::Texts(key.get_multi_string(name).ok()?),
        other => Value::Other(format!("{other:?}")),
    })
}
