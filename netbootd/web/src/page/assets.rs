//! Styles, scripts and icons. Their addresses carry a digest of their text, so that browsers keep
//! them for good.

use std::sync::OnceLock;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// The addresses that a page names.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Assets {
    style: &'static str,
    script: &'static str,
    morph: &'static str,
    upload: &'static str,
    icon: &'static str,
}

struct Asset {
    path: String,
    content_type: &'static str,
    text: &'static str,
}

/// The text behind an address, and its type.
pub(crate) fn asset(path: &str) -> Option<(&'static str, &'static str)> {
    let found = all().iter().find(|asset| asset.path == path)?;
    Some((found.content_type, found.text))
}

/// The assets that a page names; the icon shows whether something stops machines.
pub(super) fn of_page(is_bad: bool) -> Assets {
    let [style, script, morph, upload, good, bad] = all();
    Assets {
        style: &style.path,
        script: &script.path,
        morph: &morph.path,
        upload: &upload.path,
        icon: if is_bad { &bad.path } else { &good.path },
    }
}

fn all() -> &'static [Asset; 6] {
    static ASSETS: OnceLock<[Asset; 6]> = OnceLock::new();
    ASSETS.get_or_init(|| {
        let asset = |name: &str, end: &str, content_type, text: &'static str| {
            let digest = Sha256::digest(text.as_bytes());
            let digits: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
            Asset { path: format!("/assets/{name}-{digits}.{end}"), content_type, text }
        };
        let script = "text/javascript; charset=utf-8";
        [
            asset("app", "css", "text/css; charset=utf-8", include_str!("../../assets/app.css")),
            asset("app", "js", script, include_str!("../../assets/app.js")),
            asset("idiomorph", "js", script, IDIOMORPH),
            asset("upload", "js", script, include_str!("../../assets/upload.js")),
            asset("good", "svg", "image/svg+xml", include_str!("../../assets/good.svg")),
            asset("bad", "svg", "image/svg+xml", include_str!("../../assets/bad.svg")),
        ]
    })
}

const IDIOMORPH: &str = include_str!("../../vendor/idiomorph-0.8.0.min.js");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_vendored_is_as_it_was_published() {
        let digest: String =
            Sha256::digest(IDIOMORPH.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let table = include_str!("../../vendor/README.md");
        assert!(table.contains(&digest), "{digest} is not in vendor/README.md");
    }

    #[test]
    fn scripts_stay_small() {
        let [_, script, morph, upload, ..] = all();
        assert!(script.text.len() + morph.text.len() + upload.text.len() <= 40_000);
    }
}
