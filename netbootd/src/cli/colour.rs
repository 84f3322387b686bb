//! Colours on a terminal. `anstream` takes them out elsewhere, and where NO_COLOR says so.

use anstyle::{AnsiColor, Style};

/// The style of what is wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// The style of a remedy.
pub(super) const CURE: Style = AnsiColor::Cyan.on_default();
/// The style of what is well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();

/// A text in a style.
pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
