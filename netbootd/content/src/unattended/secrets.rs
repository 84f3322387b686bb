//! Credentials in clear in answer files: every machine of the network can read them.

/// The lines, from 1, that hold a credential in clear, each with what it is.
pub fn in_clear(text: &str) -> Vec<(usize, &'static str)> {
    (1..).zip(text.lines()).filter_map(|(line, text)| Some((line, credential(text)?))).collect()
}

fn credential(line: &str) -> Option<&'static str> {
    let line = line.trim();
    if line.starts_with('#') || line.starts_with("<!--") {
        return None;
    }
    let small = line.to_ascii_lowercase();
    of_preseed(&small)
        .or_else(|| of_kickstart(&small))
        .or_else(|| of_cloud_config(&small, line))
        .or_else(|| of_xml(&small, line))
}

/// `d-i passwd/root-password password secret`.
fn of_preseed(line: &str) -> Option<&'static str> {
    let mut words = line.split_whitespace();
    let (_owner, question, kind, value) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let is_question = question.contains('/') && kind == "password" && !question.ends_with("-crypted");
    (is_question && !is_made(value)).then_some("the answer to a question for a password")
}

/// `rootpw secret`, `user --name=x --password=secret`, `part --passphrase=secret`.
fn of_kickstart(line: &str) -> Option<&'static str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let has = |option: &str| words.contains(&option);
    let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
    let is_clear = |value: &str| !value.is_empty() && !is_hash(value) && !is_made(value);
    if matches!(words.first(), Some(&"rootpw" | &"sshpw")) && !has("--iscrypted") && !has("--lock") {
        let value = words[1..].iter().find(|word| !word.starts_with("--"));
        return value.filter(|value| is_clear(value)).map(|_| "a password");
    }
    if !has("--iscrypted") && option("--password=").is_some_and(is_clear) {
        return Some("a password");
    }
    option("--passphrase=").filter(|value| is_clear(value)).map(|_| "a passphrase of a disk")
}

/// `password: secret`, `passwd: secret`, `plain_text_passwd: secret`.
fn of_cloud_config(line: &str, written: &str) -> Option<&'static str> {
    let (key, _) = line.split_once(':')?;
    let what = match key.trim().trim_start_matches("- ").trim() {
        "password" | "passwd" | "plain_text_passwd" | "hashed_passwd" => "a password",
        "passphrase" => "a passphrase of a disk",
        _ => return None,
    };
    let value = written.split_once(':')?.1.trim().trim_matches(['"', '\'']);
    let locked = ["", "!", "*", "!!", "|", ">"].contains(&value) || value.starts_with('#');
    (!locked && !is_hash(value) && !is_made(value)).then_some(what)
}

/// Finds `<Password>secret</Password>`, `<PlainText>true</PlainText>` and
/// `<user_password>secret</user_password>`.
fn of_xml(line: &str, written: &str) -> Option<&'static str> {
    if line.contains("<plaintext>") {
        // The other form is the same text in base64.
        return Some("a password");
    }
    let begin = ["<password>", "<user_password>", "<passphrase>"]
        .iter()
        .find_map(|tag| line.find(tag).map(|at| at + tag.len()))?;
    let value = written.get(begin..)?.split('<').next().unwrap_or_default().trim();
    (!value.is_empty() && !is_hash(value) && !is_made(value)).then_some("a password")
}

/// A hash of crypt(3).
fn is_hash(value: &str) -> bool {
    let value = value.trim_matches(['"', '\'']);
    value.starts_with('$') && value.matches('$').count() >= 2
}

/// A part of a template.
fn is_made(value: &str) -> bool {
    value.contains("{{") || value.contains("{%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_clear_are_found_and_hashes_are_not() {
        let clear = [
            "d-i passwd/root-password password r00tme",
            "d-i passwd/root-password-again password r00tme",
            "d-i grub-installer/password password x",
            "rootpw r00tme",
            "rootpw --plaintext r00tme",
            "user --name=a --password=secret --plaintext",
            "autopart --encrypted --passphrase=secret",
            "    password: secret",
            "  - passwd: \"secret\"",
            "plain_text_passwd: secret",
            "<Password>secret</Password>",
            "<PlainText>true</PlainText>",
            "<user_password>secret</user_password>",
        ];
        for line in clear {
            assert!(credential(line).is_some(), "{line}");
        }
        let safe = [
            "d-i passwd/root-password-crypted password $6$abc$def",
            "d-i passwd/root-login boolean false",
            "# d-i passwd/root-password password r00tme",
            "d-i passwd/root-password password {{ text(\"x\") }}",
            "rootpw --iscrypted $6$abc$def",
            "rootpw --lock",
            "user --name=a --password=$6$abc$def --iscrypted",
            "    password: \"$6$abc$def\"",
            "  passwd: '!'",
            "password:",
            "<user_password>$6$abc$def</user_password>",
            "<Password><Value>",
            "the password is not here",
        ];
        for line in safe {
            assert_eq!(credential(line), None, "{line}");
        }
        assert_eq!(in_clear("a\nrootpw x\n"), [(2, "a password")]);
    }
}
