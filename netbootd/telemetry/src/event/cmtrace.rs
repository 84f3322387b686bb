//! Log lines that CMTrace and its like open: the format of Configuration Manager's own logs.

use std::fmt;
use std::time::SystemTime;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::smspxe::escape;

/// Writes events in CMTrace's format, with times in UTC.
#[derive(Debug, Clone, Copy)]
pub struct CmTrace;

impl<S, N> FormatEvent<S, N> for CmTrace
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut message = String::new();
        context.field_format().format_fields(Writer::new(&mut message), event)?;
        let metadata = event.metadata();
        let kind = match *metadata.level() {
            Level::ERROR => 3,
            Level::WARN => 2,
            _ => 1,
        };
        let (date, time) = date_and_time(SystemTime::now());
        writeln!(
            writer,
            "<![LOG[{}]LOG]!><time=\"{time}+000\" date=\"{date}\" component=\"netbootd\" context=\"\" type=\"{kind}\" thread=\"{}\" file=\"{}:{}\">",
            escape(&message),
            std::process::id(),
            metadata.target(),
            metadata.line().unwrap_or_default()
        )
    }
}

/// CMTrace's date and time: `11-14-2022` and `03:53:49.320`.
fn date_and_time(now: SystemTime) -> (String, String) {
    // 2022-11-14T03:53:49.320Z
    let text = humantime::format_rfc3339_millis(now).to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    let date: Vec<&str> = date.split('-').collect();
    let date = match date.as_slice() {
        [year, month, day] => format!("{month}-{day}-{year}"),
        _ => date.join("-"),
    };
    (date, time.trim_end_matches('Z').to_owned())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::smspxe::read;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_written_reads_as_a_log_of_that_kind() {
        let memory = Memory::default();
        let writer = memory.clone();
        let log =
            tracing_subscriber::fmt().event_format(CmTrace).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log, || {
            tracing::info!(mac = "52:54:00:12:34:56", "offer");
            tracing::warn!("a message that ends ]LOG]!> too early");
        });
        let bytes = memory.0.lock().unwrap().clone();
        let messages: Vec<String> = read(&bytes).into_iter().map(|entry| entry.message).collect();
        assert_eq!(messages, ["offer mac=\"52:54:00:12:34:56\"", "a message that ends ]LOG]! > too early"]);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("component=\"netbootd\"") && text.contains("type=\"2\""), "{text}");
        let (date, time) = date_and_time(UNIX_EPOCH + Duration::from_millis(1_668_398_029_320));
        assert_eq!((date.as_str(), time.as_str()), ("11-14-2022", "03:53:49.320"));
    }
}
