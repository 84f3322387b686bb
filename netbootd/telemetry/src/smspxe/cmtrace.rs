//! CMTrace's log format: `<![LOG[message]LOG]!><time="03:53:49.320+360" date="11-14-2022"
//! component="SMSPXE" … thread="3580" …>`. By hand: no crate reads it.

/// One entry of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The message; it may have several lines.
    pub message: String,
    /// Date and time as the log writes them, with the bias in minutes west of UTC.
    pub at: String,
    /// The thread: what one request leads to is written by one thread.
    pub thread: String,
}

/// Reads a log, whatever it is written in: UTF-8, UTF-16 with its mark, or a Windows code page, of
/// which ASCII is enough here. Lines of another form are messages of their own; what is cut off at
/// the end is left out.
pub fn read(bytes: &[u8]) -> Vec<Entry> {
    let text = decode(bytes);
    let mut entries = Vec::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find(START) {
        plain_lines(&rest[..start], &mut entries);
        let after = &rest[start + START.len()..];
        let Some(end) = after.find(END) else { return entries };
        let (message, tail) = (&after[..end], &after[end + END.len()..]);
        // The attributes stand in one line; without their end the log was cut.
        let Some(close) = tail.find('>') else { return entries };
        let attributes = &tail[..close];
        let of = |name: &str| {
            let at = attributes.find(&format!("{name}=\""))? + name.len() + 2;
            attributes[at..].split('"').next()
        };
        entries.push(Entry {
            message: message.chars().take(MAX_MESSAGE).collect(),
            at: format!("{} {}", of("date").unwrap_or("?"), of("time").unwrap_or("?")),
            thread: of("thread").unwrap_or_default().to_owned(),
        });
        rest = &tail[close + 1..];
    }
    plain_lines(rest, &mut entries);
    entries
}

/// A message as the format can hold it.
pub fn escape(message: &str) -> String {
    message.replace("]LOG]!>", "]LOG]! >")
}

fn plain_lines(text: &str, entries: &mut Vec<Entry>) {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    entries.extend(
        lines.map(|line| Entry { message: line.chars().take(MAX_MESSAGE).collect(), ..Entry::default() }),
    );
}

fn decode(bytes: &[u8]) -> String {
    let units = |big: bool| {
        let pairs = bytes[2..].chunks_exact(2);
        let units = pairs.map(|pair| match big {
            true => u16::from_be_bytes([pair[0], pair[1]]),
            false => u16::from_le_bytes([pair[0], pair[1]]),
        });
        String::from_utf16_lossy(&units.collect::<Vec<_>>())
    };
    match bytes {
        [0xff, 0xfe, ..] => units(false),
        [0xfe, 0xff, ..] => units(true),
        _ => String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}').to_owned(),
    }
}

const START: &str = "<![LOG[";
const END: &str = "]LOG]!>";
/// Characters of a message that are kept: a packet dump has some thousands.
const MAX_MESSAGE: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "<![LOG[first]LOG]!><time=\"03:53:49.320+360\" date=\"11-14-2022\" component=\"SMSPXE\" context=\"\" type=\"1\" \
        thread=\"3580\" file=\"smspxe.cpp:666\">\r\n<![LOG[two\r\nlines]LOG]!><time=\"1\" date=\"2\" thread=\"7\">\r\nplain\r\n<![LOG[cut";

    #[test]
    fn messages_span_lines_and_a_cut_end_is_left_out() {
        let entries = read(LOG.as_bytes());
        let messages: Vec<&str> = entries.iter().map(|entry| entry.message.as_str()).collect();
        assert_eq!(messages, ["first", "two\r\nlines", "plain"]);
        assert_eq!(
            (entries[0].at.as_str(), entries[0].thread.as_str()),
            ("11-14-2022 03:53:49.320+360", "3580")
        );
        let wide: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(LOG.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(read(&wide), entries);
    }

    #[test]
    fn any_bytes_are_read() {
        for junk in
            [&b""[..], b"<![LOG[", b"<![LOG[a]LOG]!>", b"<![LOG[a]LOG]!><time=", b"\xff\xfe\x00", b"\xff"]
        {
            assert!(read(junk).len() <= 1, "{junk:?}");
        }
    }
}
