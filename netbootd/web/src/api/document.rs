//! The paths and methods in the OpenAPI document: it is served as it stands, and tells a wrong
//! method from a wrong path.

use std::sync::OnceLock;

use serde_json::Value;

/// The OpenAPI document that the daemon serves.
pub const TEXT: &str = include_str!("openapi.json");

/// A path's parts, and its methods in capitals.
type Route = (Vec<String>, Vec<String>);

/// The methods that a path knows; None for a path that there is not.
pub(super) fn methods_of(parts: &[&str]) -> Option<String> {
    static ROUTES: OnceLock<Vec<Route>> = OnceLock::new();
    let fits = |route: &[String]| {
        let same = |(known, part): (&String, &&str)| known.starts_with('{') || known == part;
        route.len() == parts.len() && route.iter().zip(parts).all(same)
    };
    // `/ledger/release` goes before `/ledger/{mac}`.
    let routes = ROUTES.get_or_init(read).iter().filter(|(route, _)| fits(route));
    let literal = |route: &[String]| route.iter().filter(|part| !part.starts_with('{')).count();
    routes.max_by_key(|(route, _)| literal(route)).map(|(_, methods)| methods.join(", "))
}

/// Whether a path of the API begins with this part.
pub(crate) fn has_first(part: &str) -> bool {
    let document: Value = serde_json::from_str(TEXT).unwrap_or_default(); // a test reads it
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.into_iter().any(|(path, _)| path.trim_start_matches('/').split('/').next() == Some(part))
}

fn read() -> Vec<Route> {
    let document: Value = serde_json::from_str(TEXT).unwrap_or_default(); // a test reads it
    let paths = document["paths"].as_object().into_iter().flatten();
    let parts = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let methods = |described: &Value| {
        described.as_object().into_iter().flatten().map(|(name, _)| name.to_uppercase()).collect()
    };
    paths.map(|(path, described)| (parts(path), methods(described))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_knows_its_methods() {
        assert_eq!(methods_of(&["status"]).as_deref(), Some("GET"));
        assert_eq!(methods_of(&["ledger", "release"]).as_deref(), Some("POST"));
        assert_eq!(methods_of(&["answers", "02:00:00:00:00:01"]).as_deref(), Some("DELETE"));
        assert_eq!(methods_of(&["nothing"]), None);
        assert_eq!(methods_of(&[]), None);
    }
}
