//! Names that Windows takes for something else than a file of that name.

/// Whether a component of a path is the name of a file and nothing else: no other stream of it, no
/// device, no pattern, no name that is read as another one.
pub(crate) fn is_plain(component: &str) -> bool {
    let base = component.split('.').next().unwrap_or_default().trim_end();
    let is_numbered = base.char_indices().nth(3).is_some_and(|(at, number)| {
        let (kind, rest) = base.split_at(at);
        ["COM", "LPT"].iter().any(|known| kind.eq_ignore_ascii_case(known))
            && rest.chars().count() == 1
            && "0123456789¹²³".contains(number)
    });
    !component.is_empty()
        && !component.chars().any(|c| c.is_control() || "<>:\"/\\|?*".contains(c))
        && !component.ends_with(['.', ' '])
        && !is_numbered
        && !DEVICES.iter().any(|device| base.eq_ignore_ascii_case(device))
}

const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_streams_and_second_spellings_are_no_files() {
        for name in [
            "",
            ".",
            "..",
            "CON",
            "nul",
            "Aux.txt",
            "com1",
            "LPT9.wim",
            "COM¹",
            "conin$",
            "boot.wim::$DATA",
            "C:",
            "a\\b",
            "a/b",
            "boot.wim.",
            "boot.wim ",
            "*.wim",
            "a?",
            "a\u{1}",
            "nul .txt",
        ] {
            assert!(!is_plain(name), "{name:?}");
        }
        for name in [
            "boot.wim",
            "BCD",
            "coma",
            "com",
            "com10",
            "console.txt",
            ".hidden",
            "a b",
            "größe.bin",
            "日本語",
        ] {
            assert!(is_plain(name), "{name:?}");
        }
    }
}
