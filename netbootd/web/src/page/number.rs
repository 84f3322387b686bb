//! The number on a machine's screen: where a phone asks for it, and what leads a phone there.

use hyper::StatusCode;
use minijinja::context;
use minijinja::value::Value;
use qrcodegen::{QrCode, QrCodeEcc};

use super::{Part, framed, query, words};
use crate::console::{Asked, Console};

/// Where a number is typed; `wrong` is one that no machine shows.
pub(super) fn page(console: &Console, asked: &Asked<'_>, wrong: Option<&str>) -> Part {
    let url = asked.site.map(|site| format!("{site}/m"));
    let values = context! { qr => url.as_deref().and_then(svg), url, wrong };
    let part = framed(console, asked, "number.html", "The number on a screen", "/machines", values);
    if wrong.is_some() { Part { status: StatusCode::NOT_FOUND, ..part } } else { part }
}

/// The number of a form without scripts: `/m?n=4291`.
pub(super) fn asked_for(asked: &Asked<'_>) -> Option<String> {
    query::value(asked.query, "n").map(|text| text.chars().filter(|letter| !letter.is_whitespace()).collect())
}

/// A QR code as a drawing; None for a text that is too long for one.
pub(super) fn svg(text: &str) -> Option<Value> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let (size, quiet) = (code.size(), 4);
    let mut path = String::new();
    for y in 0..size {
        for x in 0..size {
            if code.get_module(x, y) {
                path.push_str(&format!("M{},{}h1v1h-1z", x + quiet, y + quiet));
            }
        }
    }
    let side = size + 2 * quiet;
    let label = words::escape(text);
    Some(Value::from_safe_string(format!(
        "<svg class=\"qr\" viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"QR code of {label}\">\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_and_its_label_is_text() {
        let drawn = svg("http://boot/m?<x>").unwrap().to_string();
        assert!(drawn.contains("&lt;x&gt;") && !drawn.contains("<x>") && drawn.contains("h1v1h-1z"));
        assert!(svg(&"x".repeat(5000)).is_none());
    }
}
