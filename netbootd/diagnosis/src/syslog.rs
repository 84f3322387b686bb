//! Messages of syslog as machines send them by UDP: RFC 5424, RFC 3164, and what is near enough to
//! either.

use crate::report::plain;

/// One message of the syslog protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// 0 (emergency) to 7 (debug).
    pub severity: u8,
    /// The program that speaks: `dhclient`, `ipxe`.
    pub program: Option<String>,
    /// Its words, without control characters.
    pub text: String,
}

impl Message {
    /// Reads a datagram. None when it says nothing.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(datagram.get(..MAX_DATAGRAM).unwrap_or(datagram));
        let (priority, rest) = priority(&text).unwrap_or((USUAL_PRIORITY, &text));
        let (program, text) = match rest.strip_prefix("1 ").and_then(rfc5424) {
            Some(parts) => parts,
            None => rfc3164(rest),
        };
        Some(Message {
            severity: priority & 7,
            program: plain(program, MAX_PROGRAM),
            text: plain(text.trim_start_matches('\u{feff}'), MAX_TEXT)?,
        })
    }

    /// Whether it tells of an error or worse.
    pub fn is_error(&self) -> bool {
        self.severity <= ERROR
    }
}

/// `<165>`: facility times eight and severity (RFC 5424 §6.2.1).
fn priority(text: &str) -> Option<(u8, &str)> {
    let (digits, rest) = text.strip_prefix('<')?.split_once('>')?;
    let priority: u8 = digits.parse().ok().filter(|_| digits.len() <= 3)?;
    (priority <= 191).then_some((priority, rest))
}

/// `TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG]` (RFC 5424 §6).
fn rfc5424(text: &str) -> Option<(&str, &str)> {
    let mut fields = text.splitn(6, ' ');
    let (_timestamp, _host) = (fields.next()?, fields.next()?);
    let program = fields.next()?;
    let (_process, _id) = (fields.next()?, fields.next()?);
    let rest = fields.next()?;
    let message = structured_data(rest)?;
    let program = if program == "-" { "" } else { program };
    Some((program, message.strip_prefix(' ').unwrap_or(message)))
}

/// The message behind `-` or `[id name="value"]…`, in whose values `\` escapes.
fn structured_data(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(rest);
    }
    let mut rest = text;
    while rest.starts_with('[') {
        let (mut quoted, mut escaped) = (false, false);
        let end = rest.char_indices().find(|(_, c)| {
            let ends = *c == ']' && !quoted;
            quoted ^= *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped && quoted;
            ends
        })?;
        rest = rest.get(end.0 + 1..)?;
    }
    (rest.len() < text.len()).then_some(rest)
}

/// `Mmm dd hh:mm:ss HOSTNAME TAG[pid]: MSG`, of which devices leave out parts (RFC 3164 §4.1,
/// §5.4).
fn rfc3164(text: &str) -> (&str, &str) {
    let after_time = after_timestamp(text);
    let rest = after_time.unwrap_or(text);
    // With a time there is a host's name before the tag; senders that leave it out write the tag
    // alone.
    for skipped in [usize::from(after_time.is_some()), 0] {
        let words = (0..skipped).try_fold(rest, |rest, _| rest.split_once(' ').map(|(_, rest)| rest));
        if let Some((program, message)) = words.and_then(tagged) {
            return (program, message);
        }
    }
    ("", rest)
}

fn after_timestamp(text: &str) -> Option<&str> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (stamp, rest) = (text.get(..15)?, text.get(15..)?);
    let is_time = MONTHS.contains(&stamp.get(..3)?) && stamp.as_bytes().get(9) == Some(&b':');
    if is_time { rest.strip_prefix(' ') } else { None }
}

/// Splits the program's name off: `TAG[pid]: MSG`.
fn tagged(text: &str) -> Option<(&str, &str)> {
    let (tag, message) = text.split_once(':')?;
    let program = tag.split_once('[').map_or(tag, |(program, _)| program);
    let is_name = !program.is_empty()
        && program.len() <= MAX_PROGRAM
        && program.chars().all(|c| c.is_ascii_alphanumeric() || "-_./()".contains(c));
    is_name.then(|| (program, message.trim_start_matches(' ')))
}

/// user.notice (RFC 3164 §4.3.3).
const USUAL_PRIORITY: u8 = 13;
const ERROR: u8 = 3;
/// RFC 5424 §6.1 asks for 2048; what is longer is cut.
const MAX_DATAGRAM: usize = 2048;
const MAX_PROGRAM: usize = 48;
/// Characters of a message that are kept.
const MAX_TEXT: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_and_what_devices_make_of_them_are_read() {
        let table: [(&str, u8, &str, &str); 12] = [
            ("<34>Oct 11 22:14:15 mymachine su: 'su root' failed", 2, "su", "'su root' failed"),
            (
                "<30>Nov 28 04:01:02 pc dhclient[812]: No DHCPOFFERS received.",
                6,
                "dhclient",
                "No DHCPOFFERS received.",
            ),
            ("<13>Nov 28 04:01:02 root: hello", 5, "root", "hello"),
            (
                "<165>1 2026-11-28T22:14:15.003Z pc evntslog - ID47 [a@1 x=\"]\\\"\"][b] An event",
                5,
                "evntslog",
                "An event",
            ),
            ("<11>1 - - - - - - \u{feff}broken", 3, "", "broken"),
            ("<11>1 2026-11-28T22:14:15Z pc app 1 - -", 3, "app", ""),
            ("<14>ipxe: Could not start download", 6, "ipxe", "Could not start download"),
            ("no priority at all", 5, "", "no priority at all"),
            ("<999>x", 5, "", "<999>x"),
            ("<6>link is up: 1 Gbit/s", 6, "", "link is up: 1 Gbit/s"),
            ("<11>1 2026 pc app 1 - [open", 3, "", "1 2026 pc app 1 - [open"),
            ("<3>\u{1b}[31mred\r\nblue", 3, "", "[31mred blue"),
        ];
        for (datagram, severity, program, text) in table {
            let read = Message::parse(datagram.as_bytes());
            let wanted = (!text.is_empty()).then(|| Message {
                severity,
                program: (!program.is_empty()).then(|| program.to_owned()),
                text: text.to_owned(),
            });
            assert_eq!(read, wanted, "{datagram}");
        }
        assert_eq!(Message::parse(b""), None);
        assert!(Message::parse(&[0xff; 65_000]).unwrap().text.chars().count() <= MAX_TEXT);
    }
}
