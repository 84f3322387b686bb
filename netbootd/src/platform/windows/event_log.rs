//! The Event Log, as far as an operator should see what happens: starts, stops, warnings and
//! errors. All else is in the log file.
//!
//! Unsafe because no crate that is kept up writes there; three calls that take nothing but strings
//! and a handle.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fmt::{self, Write};
use std::ptr;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
    RegisterEventSourceW, ReportEventW,
};

/// The open source, `netbootd` in the Application log.
#[derive(Debug)]
pub(super) struct EventLog(*mut c_void);

// SAFETY: the handle is a number of the system's; its calls may be made from any thread, several at
// a time.
unsafe impl Send for EventLog {}
// SAFETY: see above.
unsafe impl Sync for EventLog {}

impl EventLog {
    /// None when the system has no Event Log to open.
    pub(super) fn open() -> Option<Self> {
        let source = wide(SOURCE);
        // SAFETY: both are strings that end in a zero or null, and live until the call is over.
        let handle = unsafe { RegisterEventSourceW(ptr::null(), source.as_ptr()) };
        (!handle.is_null()).then_some(EventLog(handle))
    }

    pub(super) fn write(&self, level: Level, words: &str) {
        let (kind, id) = match level {
            Level::ERROR => (EVENTLOG_ERROR_TYPE, 3),
            Level::WARN => (EVENTLOG_WARNING_TYPE, 2),
            _ => (EVENTLOG_INFORMATION_TYPE, 1),
        };
        let words = wide(words);
        let strings = [words.as_ptr()];
        // SAFETY: the handle is open; one string is announced and one is there, and it lives until
        // the call is over.
        unsafe {
            ReportEventW(self.0, kind, 0, id, ptr::null_mut(), 1, 0, strings.as_ptr(), ptr::null());
        }
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and nobody has it after this.
        unsafe { DeregisterEventSource(self.0) };
    }
}

impl<S: Subscriber> Layer<S> for EventLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let is_wanted = *metadata.level() <= Level::WARN
            || (*metadata.level() == Level::INFO && TOLD.contains(&metadata.target()));
        if is_wanted {
            let mut words = Words::default();
            event.record(&mut words);
            self.write(*metadata.level(), &words.finish());
        }
    }
}

/// Tells the system where the words of this source's events are: every event is one string.
/// `EventCreate.exe`, which every Windows has, holds such messages for the numbers 1 to 1000.
pub(super) fn register() -> windows_registry::Result<()> {
    let key = LOCAL_MACHINE.create(format!(r"{SOURCES}\{SOURCE}"))?;
    key.set_expand_string("EventMessageFile", r"%SystemRoot%\System32\EventCreate.exe")?;
    key.set_u32("TypesSupported", 7)
}

/// Removes the source from the registry.
pub(super) fn unregister() -> windows_registry::Result<()> {
    LOCAL_MACHINE.options().read().write().open(SOURCES)?.remove_tree(SOURCE)
}

/// An event in words: its message, then its fields.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Words {
    fn finish(mut self) -> String {
        self.message.push_str(&self.fields);
        // The system takes at most this many.
        let end = self.message.floor_char_boundary(MAX_WORDS);
        self.message.truncate(end);
        self.message.replace('\0', " ")
    }
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

const SOURCE: &str = "netbootd";
const SOURCES: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application";
/// Modules whose milestones are logged as well.
const TOLD: [&str; 2] = ["netbootd::serve", "netbootd::reload"];
const MAX_WORDS: usize = 30_000;
