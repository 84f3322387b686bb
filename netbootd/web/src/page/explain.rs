//! What a machine would get now, and why, step by step.

use minijinja::context;
use netbootd_server::explain::explained_as;

use super::{Part, framed, query, serialized};
use crate::api::asked_as;
use crate::console::{Asked, Console};

pub(super) async fn page(console: &Console, asked: &Asked<'_>) -> Part {
    let value = |name: &str| query::value(asked.query, name);
    let mac = value("mac");
    let (mut explained, mut wrong) = (None, None);
    if let Some(text) = &mac {
        // A browser without scripts sends the empty fields as well.
        let filled = query::pairs(asked.query).filter(|(_, value)| !value.is_empty());
        let filled: Vec<String> =
            filled.map(|(name, value)| format!("{name}={}", query::encoded(&value))).collect();
        match asked_as(text.trim(), Some(&filled.join("&"))) {
            Ok((mac, as_asked)) => {
                let source = &console.daemon.source;
                explained = Some(explained_as(&console.services, source, mac, &as_asked).await);
            }
            Err(error) => wrong = Some(error.to_string()),
        }
    }
    let row = mac.as_ref().and_then(|mac| mac.parse().ok()).and_then(|mac| console.board.row(mac));
    let (tint, verdict) = match explained.as_ref().map(|explained| explained.decision.as_str()) {
        Some("boot" | "images") => ("ok", "It boots"),
        Some("local-boot") => ("off", "It goes to its own disk"),
        Some("wait") => ("wait", "It waits for an operator"),
        Some("relay" | "refer") => ("busy", "Another responder answers it"),
        Some(_) => ("off", "It gets nothing"),
        None => ("off", ""),
    };
    let values = context! {
        mac => mac.clone().unwrap_or_default(),
        title => row.as_ref().map(|row| row.title()),
        explained => explained.map(serialized),
        wrong,
        tint,
        verdict,
        arch => value("arch").unwrap_or_default(),
        class => value("class").unwrap_or_default(),
        relay => value("relay").unwrap_or_default(),
        uuid => value("uuid").unwrap_or_default(),
        classes => ["pxe", "http", "ipxe", "bsdp"],
        archs => ["x64-uefi", "bios", "arm64-uefi", "x86-uefi"],
    };
    framed(console, asked, "explain.html", "Explain", "/machines", values)
}
