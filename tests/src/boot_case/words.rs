//! The terminal, the API and the page name the same cause in the same words.

use netbootd_web::page::testing::text_of;
use serde_json::Value;

use crate::Lab;
use crate::netbootd::program;

/// Compares what the terminal and the page show of a machine with the finding of the API.
///
/// # Panics
/// When they differ.
pub(super) fn are_the_same(lab: &Lab, mac: &str, finding: &Value) {
    let [cause, headline, cure] =
        ["cause", "headline", "cure"].map(|name| finding[name].as_str().unwrap_or_default());
    let config = lab.folder().join("netbootd.toml").display().to_string();
    let mut terminal = lab.command("server", &program());
    let terminal = terminal.args(["status", mac, "--config", &config]).output().unwrap();
    let terminal = String::from_utf8_lossy(&terminal.stdout).into_owned();
    let url = format!("http://127.0.0.1:9167/machines/{mac}");
    let page = lab.command("server", "curl").args(["-sSf", &url]).output().unwrap();
    let page = text_of(&String::from_utf8_lossy(&page.stdout));
    for wanted in [headline, cure] {
        assert!(terminal.contains(wanted), "{cause}: {wanted}\n{terminal}");
        // The page begins a sentence with a capital, and marks code.
        let wanted: String = wanted.replace('`', "").chars().skip(1).collect();
        assert!(page.contains(&wanted), "{cause}: {wanted}\n{page}");
    }
}
