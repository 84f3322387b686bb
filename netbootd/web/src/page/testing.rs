//! The page's text for tests.

/// The text of a page without marks and character references, and without the marks of code.
pub fn text_of(page: &str) -> String {
    let mut text = String::new();
    for (place, part) in page.split('<').enumerate() {
        text.push_str(if place == 0 { part } else { part.split_once('>').map_or("", |(_, text)| text) });
    }
    let references = [
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&#x2f;", "/"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ];
    let text = references.iter().fold(text, |text, (reference, letter)| text.replace(reference, letter));
    text.replace('`', "")
}
