//! Text that is no word to a boot loader.

/// A name on a screen: letters, digits and harmless signs; what a boot loader could take for a
/// command, a variable, a quote or a comment becomes `?`. At most so many characters.
pub(super) fn shown(name: &str, most: usize) -> String {
    let known = |c: char| c.is_ascii_alphanumeric() || " .,:/_-()=+@".contains(c);
    let text: String = name.chars().map(|c| if known(c) { c } else { '?' }).take(most).collect();
    // A word that begins with a dash is an option of iPXE's commands.
    let words = text.split(' ').filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| word.trim_start_matches('-')).collect();
    match words.join(" ") {
        text if text.is_empty() => "?".to_owned(),
        text => text,
    }
}

/// A kernel's arguments on one line of a configuration: without line breaks and control characters.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// The names of a page's first and last entries.
pub(super) fn range(titles: &[&str]) -> String {
    match titles {
        [] => String::new(),
        [one] => shown(one, 30),
        [first, .., last] => format!("{} - {}", shown(first, 30), shown(last, 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_command_to_a_boot_loader() {
        let table = [
            ("Debian 12 (netinst)", "Debian 12 (netinst)"),
            ("${boot} && sanboot", "??boot? ?? sanboot"),
            ("a\"; reboot; \"", "a?? reboot? ?"),
            ("--name x", "name x"),
            ("a\nlabel b", "a?label b"),
            ("\u{1b}[31m'`#|", "??31m????"),
            ("日本", "??"),
            (" -- ", "?"),
            ("", "?"),
        ];
        for (name, expected) in table {
            assert_eq!(shown(name, 70), expected, "{name:?}");
        }
        assert_eq!(shown(&"x".repeat(500), 60).len(), 60);
        assert_eq!(one_line("quiet\r\nLABEL x"), "quiet  LABEL x");
    }
}
