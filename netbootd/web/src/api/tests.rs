use std::path::Path;

use netbootd_config::Config;
use netbootd_server::services::Snapshot;

use super::*;

/// The routes of a source: the method and the parts of its path, `{}` for a variable one.
fn routes(source: &str) -> Vec<(String, Vec<String>)> {
    let shipped = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut routes = Vec::new();
    for (place, _) in shipped.match_indices("(\"") {
        let Some((methods, rest)) = shipped[place + 1..].split_once(", [") else { continue };
        let methods: Vec<&str> = methods.split('|').map(|word| word.trim().trim_matches('"')).collect();
        if !methods.iter().all(|word| ["GET", "POST", "PUT", "DELETE"].contains(word)) {
            continue;
        }
        let parts = rest.split(']').next().unwrap_or_default();
        let mut paths: Vec<Vec<String>> = vec![Vec::new()];
        for part in parts.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let words: Vec<String> = match part.starts_with('"') {
                true => part.split('|').map(|word| word.trim().trim_matches('"').to_owned()).collect(),
                false => vec!["{}".to_owned()],
            };
            let with = |path: &Vec<String>, word: &String| [path.clone(), vec![word.clone()]].concat();
            paths = paths.iter().flat_map(|path| words.iter().map(|word| with(path, word))).collect();
        }
        for method in methods {
            routes.extend(paths.iter().map(|path| (method.to_owned(), path.clone())));
        }
    }
    routes
}

#[test]
fn every_route_is_documented() {
    let sources = [
        include_str!("../api.rs"),
        include_str!("devices.rs"),
        include_str!("images.rs"),
        include_str!("machines.rs"),
        include_str!("server.rs"),
        include_str!("uploads.rs"),
    ];
    let document: Value = serde_json::from_str(document::TEXT).unwrap();
    let documented = |method: &str, parts: &[String]| {
        document["paths"].as_object().unwrap().iter().any(|(path, methods)| {
            let path = path.strip_prefix("/api").unwrap_or(path);
            let known: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
            let same = |(one, part): (&&str, &String)| *one == part || one.starts_with('{') && part == "{}";
            known.len() == parts.len()
                && known.iter().zip(parts).all(same)
                && methods[method.to_lowercase()].is_object()
        })
    };
    let routes: Vec<_> = sources.iter().flat_map(|source| routes(source)).collect();
    assert!(routes.len() > 40, "{routes:?}");
    // The former name of /sandbox.
    let former = ["confinement".to_owned()];
    let missing: Vec<_> =
        routes.iter().filter(|(method, parts)| *parts != former && !documented(method, parts)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn every_documented_path_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[boot]\nroot = {:?}\n", folder.path().display().to_string());
    let (config, _) = Config::parse(&text, Path::new("test.toml"), None).unwrap();
    let daemon = Arc::new(Daemon::in_memory(Snapshot::new(config, None).unwrap()));
    let document: Value = serde_json::from_str(document::TEXT).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let elsewhere = ["/events", "/events/findings", "/metrics"];
    for (path, methods) in paths.iter().filter(|(path, _)| !elsewhere.contains(&path.as_str())) {
        let filled = path
            .replace("{mac}", "02:00:00:00:00:01")
            .replace("{word}", "approve")
            .replace("{name}", "winpe");
        let filled = filled.replace("{guid}", "none").replace("{arch}", "7").replace("{class}", "pxe");
        let filled = filled.replace("{deployment}", "any").replace("{id}", &"f".repeat(24));
        for (method, described) in methods.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let response = answer(&daemon, &method, (&filled, None), Bytes::new()).await;
            assert!(!response.body.contains("there is no"), "{method} {path}: {}", response.body);
            let status = response.status.as_u16().to_string();
            assert!(
                described["responses"][&status].is_object(),
                "{method} {path}: {status} {}",
                response.body
            );
            assert_eq!(described["security"].is_array(), method != Method::GET, "{method} {path}");
        }
    }
}
