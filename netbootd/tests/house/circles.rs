//! Circles of files: sets of files in which each one uses every other one, directly or through
//! others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A file, as the path of its module below the root of its crate.
type Module = Vec<String>;

/// The circles of the files in a crate's `src`, tests left out, each as sorted names of modules.
pub(crate) fn of_crate(src: &Path) -> Vec<Vec<String>> {
    let mut texts = BTreeMap::new();
    read(src, &mut Vec::new(), &mut texts);
    of_texts(&texts)
}

fn read(folder: &Path, at: &mut Module, texts: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            at.push(name);
            read(&path, at, texts);
            at.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_root = at.is_empty() && matches!(name.as_str(), "lib" | "main");
            let module = at.iter().cloned().chain((!is_root).then_some(name)).collect();
            texts.insert(module, fs::read_to_string(&path).unwrap());
        }
    }
}

/// The circles of files whose texts are given.
pub(crate) fn of_texts(texts: &BTreeMap<Module, String>) -> Vec<Vec<String>> {
    let uses: BTreeMap<&Module, Vec<Use>> =
        texts.iter().map(|(module, text)| (module, uses(module, text, texts))).collect();
    let exports: BTreeMap<(Module, String), Module> = uses
        .iter()
        .flat_map(|(module, uses)| uses.iter().map(move |used| (module, used)))
        .filter(|(_, used)| used.exported)
        .filter_map(|(module, used)| {
            Some((((*module).clone(), used.path.last()?.clone()), used.path.clone()))
        })
        .collect();
    let edges: BTreeMap<&Module, BTreeSet<Module>> = uses
        .iter()
        .map(|(module, uses)| {
            let targets = uses.iter().map(|used| resolve(&used.path, texts, &exports));
            // A module and one inside it belong together.
            let others = targets.filter(|target| !target.starts_with(module) && !module.starts_with(target));
            (*module, others.collect())
        })
        .collect();
    let reached: BTreeMap<&Module, BTreeSet<Module>> =
        edges.keys().map(|module| (*module, reachable(module, &edges))).collect();
    let circle = |module: &Module| -> Vec<String> {
        let uses_back = |other: &Module| reached.get(other).is_some_and(|reached| reached.contains(module));
        let mutual = reached[module].iter().filter(|other| uses_back(other));
        mutual.map(|other| other.join("/")).collect()
    };
    let circles: BTreeSet<Vec<String>> = edges.keys().map(|module| circle(module)).collect();
    circles.into_iter().filter(|circle| circle.len() > 1).collect()
}

/// The name that one `use` refers to, from the root of the crate on.
struct Use {
    path: Module,
    exported: bool,
}

fn uses(module: &[String], text: &str, texts: &BTreeMap<Module, String>) -> Vec<Use> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let mut found = Vec::new();
    for statement in code.join("\n").split(';') {
        let Some(start) = statement.find("use ") else { continue };
        let before = statement[..start].rsplit('\n').next().unwrap_or_default().trim();
        let exported = before.starts_with("pub");
        if before.contains(char::is_whitespace) || !(before.is_empty() || exported) {
            continue; // a word in the midst of other code
        }
        for path in expand(&statement[start + "use ".len()..]) {
            let parts: Vec<&str> = path.split("::").filter(|part| *part != "self").collect();
            let ups = parts.iter().take_while(|part| **part == "super").count();
            let base: Module = match parts.first() {
                Some(&"crate") => Vec::new(),
                Some(&"super") if ups <= module.len() => module[..module.len() - ups].to_vec(),
                Some(first) if texts.contains_key(&child(module, first)) => module.to_vec(),
                _ => continue,
            };
            let rest = parts.into_iter().filter(|part| !matches!(*part, "crate" | "super" | "*"));
            let path = base.into_iter().chain(rest.map(str::to_owned)).collect();
            found.push(Use { path, exported });
        }
    }
    found
}

fn child(module: &[String], name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// The paths of a tree of names: `a::{b, c::{d, e}}`.
fn expand(tree: &str) -> Vec<String> {
    let tree: String = tree.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((before, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().replace(' ', "")];
    };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let mut branches = vec![String::new()];
    let mut depth = 0_usize;
    for c in inside.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches.push(String::new());
                continue;
            }
            _ => {}
        }
        branches.last_mut().unwrap().push(c);
    }
    let paths = branches.iter().filter(|branch| !branch.trim().is_empty()).flat_map(|branch| expand(branch));
    paths.map(|path| format!("{}{path}", before.replace(' ', ""))).collect()
}

/// The file that holds what a path names, through the files that only export it.
fn resolve(
    path: &[String],
    texts: &BTreeMap<Module, String>,
    exports: &BTreeMap<(Module, String), Module>,
) -> Module {
    let mut path = path.to_vec();
    for _ in 0..8 {
        let length = (0..=path.len()).rev().find(|length| texts.contains_key(&path[..*length])).unwrap_or(0);
        let Some(name) = path.get(length) else { return path };
        match exports.get(&(path[..length].to_vec(), name.clone())) {
            Some(target) if *target != path => {
                path = target.iter().chain(&path[length + 1..]).cloned().collect();
            }
            _ => return path[..length].to_vec(),
        }
    }
    path
}

fn reachable(from: &[String], edges: &BTreeMap<&Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from.to_vec()];
    while let Some(module) = next.pop() {
        let targets = edges.get(&module).into_iter().flatten();
        next.extend(targets.filter(|target| seen.insert((*target).clone())).cloned());
    }
    seen
}
