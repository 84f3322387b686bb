//! The templates, with their filters; each page has its own, built of `components.html`.

use std::sync::OnceLock;
use std::time::SystemTime;

use hyper::StatusCode;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment};

use super::{Part, words};

macro_rules! templates {
    ($($name:literal),+ $(,)?) => {
        const TEMPLATES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../templates/", $name)))),+];
    };
}

templates!(
    "approve.html",
    "assign.html",
    "audit.html",
    "bindings.html",
    "boot.html",
    "bulk.html",
    "cause.html",
    "components.html",
    "error.html",
    "explain.html",
    "findings.html",
    "frame.html",
    "image.html",
    "images.html",
    "leases.html",
    "ledger.html",
    "machine.html",
    "machines.html",
    "now.html",
    "number.html",
    "reload.html",
    "remove.html",
    "server.html",
    "sign_in.html",
    "wall.html",
    "waterfall.html",
);

/// Renders a template as a whole page.
pub(super) fn rendered(name: &str, values: Value) -> Part {
    match environment().get_template(name).and_then(|template| template.render(values)) {
        Ok(body) => Part { status: StatusCode::OK, content_type: super::HTML, body },
        Err(error) => Part {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            content_type: "text/plain; charset=utf-8",
            body: format!("the page cannot be rendered: {error:#}"),
        },
    }
}

fn environment() -> &'static Environment<'static> {
    static TEMPLATES_READ: OnceLock<Environment<'static>> = OnceLock::new();
    TEMPLATES_READ.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.add_filter("number", words::number);
        environment.add_filter("count", |many: u64, noun: String| words::count(many, &noun));
        environment.add_filter("prose", |text: String| Value::from_safe_string(words::prose(&text)));
        environment.add_filter("ago", |at: String| {
            words::time(&at).map_or(at, |time| words::ago(time, SystemTime::now()))
        });
        for (name, text) in TEMPLATES {
            // The tests render each of them.
            let _ = environment.add_template(name, text);
        }
        environment
    })
}

/// The parts of a page that change by themselves, by the ids of their elements. The marks around
/// them cannot come from values, which are escaped.
pub(crate) fn parts(html: &str) -> Vec<(&str, &str)> {
    let mut parts = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let Some((id, after)) = after.split_once("-->") else { break };
        let Some((part, after)) = after.split_once(END) else { break };
        parts.push((id, part));
        rest = after;
    }
    parts
}

/// A part without the words that only say how long ago something was: the browser counts those on.
pub(crate) fn without_ages(part: &str) -> String {
    let mut text = String::with_capacity(part.len());
    let mut rest = part;
    while let Some((before, after)) = rest.split_once(" data-ago>") {
        text.push_str(before);
        rest = after.split_once("</time>").map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text
}

const BEGIN: &str = "<!--part:";
const END: &str = "<!--/part-->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_parses() {
        for (name, _) in TEMPLATES {
            environment().get_template(name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
    }

    #[test]
    fn parts_are_found_and_ages_do_not_count() {
        let html = "x<!--part:a--><p id=a>1</p><!--/part-->y<!--part:b--><p id=b>2</p><!--/part-->";
        assert_eq!(parts(html), [("a", "<p id=a>1</p>"), ("b", "<p id=b>2</p>")]);
        let one = "<time datetime=\"x\" data-ago>2 min ago</time> z";
        assert_eq!(without_ages(one), without_ages(&one.replace("2 min", "3 min")));
        assert_ne!(without_ages(one), without_ages(&one.replace('x', "y")));
    }
}
