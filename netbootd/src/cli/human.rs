//! Numbers, durations and times as people read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Local};

/// `1 machine`, `2 machines`.
pub(super) fn count(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    match (number, noun) {
        (1, noun) => format!("1 {noun}"),
        (number, noun) if noun.ends_with("ry") => {
            format!("{number} {}ies", noun.strip_suffix('y').unwrap_or(noun))
        }
        (number, noun) => format!("{number} {noun}s"),
    }
}

/// The two largest units of a duration: `3 d 4 h`, `5 min`, `12.5 s`, `40 ms`.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 1 {
        return format!("{} ms", time.as_millis());
    }
    if seconds < 10 {
        return format!("{:.1} s", time.as_secs_f64());
    }
    let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min")];
    let parts = units.into_iter().chain([(seconds % 60, "s")]).skip_while(|(number, _)| *number == 0);
    let parts = parts.take(2).filter(|(number, _)| *number > 0);
    parts.map(|(number, unit)| format!("{number} {unit}")).collect::<Vec<_>>().join(" ")
}

/// How long ago something was, within a day; the local date and time before that.
pub(super) fn when(at: SystemTime) -> String {
    match SystemTime::now().duration_since(at) {
        Ok(ago) if ago < Duration::from_secs(1) => "just now".to_owned(),
        // The second unit of an age only distracts.
        Ok(ago) if ago < DAY => format!("{} ago", largest_unit(ago)),
        _ => DateTime::<Local>::from(at).format("%Y-%m-%d %H:%M").to_string(),
    }
}

/// [`when`] of seconds since 1970.
pub(super) fn when_unix(at: u64) -> String {
    when(UNIX_EPOCH + Duration::from_secs(at))
}

/// [`when`] of a time as RFC 3339 writes it; any other text as it is.
pub(super) fn when_text(at: &str) -> String {
    humantime::parse_rfc3339(at).map_or_else(|_| at.to_owned(), when)
}

/// The local date and time of day of a time as RFC 3339 writes it; None for any other text.
pub(super) fn date_and_time(at: &str) -> Option<(String, String)> {
    let at = DateTime::<Local>::from(humantime::parse_rfc3339(at).ok()?);
    Some((at.format("%Y-%m-%d").to_string(), at.format("%H:%M:%S%.3f").to_string()))
}

fn largest_unit(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_singular() {
        assert_eq!(count(1_u64, "machine"), "1 machine");
        assert_eq!(count(0_u64, "machine"), "0 machines");
        assert_eq!(count(2_usize, "entry"), "2 entries");
    }

    #[test]
    fn a_duration_has_its_two_largest_units() {
        for (millis, words) in [
            (40, "40 ms"),
            (1_500, "1.5 s"),
            (42_000, "42 s"),
            (300_000, "5 min"),
            (3_723_000, "1 h 2 min"),
            (90_000_000, "1 d 1 h"),
            (86_401_000, "1 d"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), words, "{millis}");
        }
    }

    #[test]
    fn recent_times_are_ages_and_others_dates() {
        let ago = |seconds| when(SystemTime::now() - Duration::from_secs(seconds));
        assert_eq!(ago(0), "just now");
        assert_eq!(ago(150), "2 min ago");
        assert_eq!(ago(3 * 3600 + 5), "3 h ago");
        assert!(ago(200_000).starts_with("20"), "{}", ago(200_000));
        assert_eq!(when_text("no time"), "no time");
        assert_eq!(date_and_time("no time"), None);
        let (date, time) = date_and_time("2026-11-28T17:56:04.123Z").unwrap();
        assert!(date.starts_with("2026-11-2") && time.ends_with(":04.123"), "{date} {time}");
    }
}
