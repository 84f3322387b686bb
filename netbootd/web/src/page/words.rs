//! Numbers, times and prose as people read them.

use std::time::{Duration, SystemTime};

/// `831 KiB`, `19.1 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value < 99.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// `96.4 MB/s`, of bytes a second.
pub(crate) fn rate(rate: f64) -> String {
    match rate {
        rate if rate < 1e3 => "0 kB/s".to_owned(),
        rate if rate < 1e6 => format!("{:.0} kB/s", rate / 1e3),
        rate if rate < 100e6 => format!("{:.1} MB/s", rate / 1e6),
        rate => format!("{} MB/s", number((rate / 1e6).round() as u64)),
    }
}

/// `6 ms`, `1.00 s`, `17.4 s`, `2 min 5 s`, `3 h 12 min`.
pub(crate) fn span(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => "< 1 ms".to_owned(),
        s if s < 0.9995 => format!("{:.0} ms", s * 1000.0),
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 99.95 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{} min {} s", (s / 60.0) as u64, (s % 60.0) as u64),
        s => format!("{} h {} min", (s / 3600.0) as u64, (s % 3600.0 / 60.0) as u64),
    }
}

/// `now`, `12 s ago`, `2 min ago`: the same words as in `app.js`.
pub(crate) fn ago(at: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(at).unwrap_or_default().as_secs();
    match seconds {
        0..5 => "now".to_owned(),
        5..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// With a thin space between thousands, which no line breaks at.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 * 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1 machine`, `25 machines`.
pub(crate) fn count(many: u64, noun: &str) -> String {
    let plural = match many {
        1 => "",
        _ if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {noun}{plural}", number(many))
}

/// Text as HTML: escaped, with what stands between backticks as code.
pub(crate) fn prose(text: &str) -> String {
    let escaped = escape(text);
    let mut html = String::with_capacity(escaped.len() + 16);
    let pieces: Vec<&str> = escaped.split('`').collect();
    let odd = pieces.len().is_multiple_of(2);
    for (n, piece) in pieces.iter().enumerate() {
        let is_last = n + 1 == pieces.len();
        match n % 2 {
            0 => html.push_str(piece),
            // A backtick without its partner is a backtick.
            _ if odd && is_last => html.extend(["`", piece]),
            _ => html.extend(["<code>", piece, "</code>"]),
        }
    }
    html
}

/// Text between tags or in a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            letter => html.push(letter),
        }
    }
    html
}

/// A time as netbootd writes it; None for anything else.
pub(crate) fn time(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339_weak(text).ok()
}

/// A time as netbootd writes it, of seconds since 1970.
pub(crate) fn at(seconds: u64) -> String {
    netbootd_telemetry::view::rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND)))
}

/// The seconds since 1970, with fractions.
pub(crate) fn seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

/// The end of the year 9999, which four digits still write.
pub(crate) const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(
            [145, 850_944, 20_027_801, 5 << 30].map(bytes),
            ["145 B", "831 KiB", "19.1 MiB", "5.0 GiB"]
        );
        assert_eq!(
            [12.0, 88_400.0, 19.94e6, 1596.2e6].map(rate),
            ["0 kB/s", "88 kB/s", "19.9 MB/s", "1\u{202f}596 MB/s"]
        );
        assert_eq!(
            [0.0002, 0.0061, 1.0, 17.43, 125.0, 11_520.0].map(span),
            ["< 1 ms", "6 ms", "1.00 s", "17.4 s", "2 min 5 s", "3 h 12 min"]
        );
        assert_eq!([999, 9874, 1_234_567].map(number), ["999", "9\u{202f}874", "1\u{202f}234\u{202f}567"]);
        assert_eq!(
            (count(1, "machine"), count(25, "machine")),
            ("1 machine".to_owned(), "25 machines".to_owned())
        );
    }

    #[test]
    fn backticks_become_code_and_markup_stays_text() {
        assert_eq!(
            prose("run `netbootd <x>` & `y`"),
            "run <code>netbootd &lt;x&gt;</code> &amp; <code>y</code>"
        );
        assert_eq!(prose("a ` alone"), "a ` alone");
        assert_eq!(prose("`a` b ` c"), "<code>a</code> b ` c");
    }
}
