//! Machines' reports of themselves: by HTTP, and messages of syslog.

use netbootd_content::boot_script::screen;
use netbootd_diagnosis::report::{Report, Reporter};
use netbootd_diagnosis::syslog::Message;

/// Any form: a report that is bounded, prints in one line, and gives the machine's screen no
/// command.
pub fn report(bytes: &[u8]) {
    let report = Report::parse(&String::from_utf8_lossy(bytes)).with_text(bytes);
    let line = report.to_string();
    assert!(!line.chars().any(char::is_control) && line.chars().count() < 4000);
    for by in [Reporter::Ipxe, Reporter::Grub] {
        let shown = screen(by, 1, std::slice::from_ref(&line));
        assert!(!shown.contains(['$', '`', '\\', '|', '&', '{']));
        assert!(shown.lines().all(|line| line.starts_with("echo") || line == "#!ipxe" || line == "sleep 10"));
    }
}

/// Any datagram: a message that is bounded and moves no cursor, or none.
pub fn syslog(bytes: &[u8]) {
    let Some(message) = Message::parse(bytes) else { return };
    assert!(message.severity < 8 && !message.text.is_empty() && message.text.chars().count() <= 400);
    let program = message.program.as_deref().unwrap_or_default();
    assert!(!message.text.chars().chain(program.chars()).any(char::is_control));
}
