//! The files that a boot goes through, as far as they can be followed: each is looked up as for the
//! machine, and scripts are read for the files that they name.

mod script;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use netbootd_content::{Caller, Content, Extent, Requested};
use serde::{Deserialize, Serialize};

use crate::services::Services;
use script::{Named, names};

/// A file of a boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// How many scripts lead to it; 0 is the boot file.
    pub depth: usize,
    /// The word of the script that names it: `kernel`, `initrd`; empty for the boot file.
    pub by: String,
    /// The path or URL.
    pub file: String,
    /// `there`, `missing`, `elsewhere` for another server's, or `open` when it depends on a
    /// variable.
    pub state: String,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// The image of the store that it is in.
    pub image: Option<String>,
    /// Whether it is made for the machine when it asks.
    pub generated: bool,
    /// The path that is most like one that is missing.
    pub nearest: Option<String>,
}

/// Follows a boot file. `client` is the machine's address, when it is known: templates are made for
/// it. Reads files.
pub fn follow(services: &Services, boot_file: &str, client: Option<IpAddr>) -> Vec<Link> {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let server = services.network.interfaces.first_addr().map_or(any, IpAddr::V4);
    let https = services.snapshot.load().config.https.as_ref().and_then(|https| https.origin());
    let caller = Caller { client: client.unwrap_or(any), server, https, extent: Extent::Whole };
    let mut walk = Walk { services, caller, links: Vec::new(), seen: HashSet::new() };
    walk.visit(0, &Named { by: String::new(), file: boot_file.to_owned() }, "");
    walk.links
}

struct Walk<'a> {
    services: &'a Services,
    caller: Caller,
    links: Vec<Link>,
    seen: HashSet<String>,
}

impl Walk<'_> {
    /// `base` is the folder of the script that names the file.
    fn visit(&mut self, depth: usize, named: &Named, base: &str) {
        if self.links.len() >= MOST || depth > DEEPEST {
            return;
        }
        let link = |state: &str| Link {
            depth,
            by: named.by.clone(),
            file: named.file.clone(),
            state: state.to_owned(),
            size: None,
            image: None,
            generated: false,
            nearest: None,
        };
        if named.file.contains('$') {
            return self.links.push(link("open"));
        }
        let Some(path) = self.path_of(&named.file, base) else {
            return self.links.push(link("elsewhere"));
        };
        if !self.seen.insert(path.to_lowercase()) {
            return;
        }
        let Ok(content) = self.services.look_at_content(&Requested::new(path.as_bytes()), &self.caller)
        else {
            let nearest = self.services.snapshot.load().files.nearest(&path);
            return self.links.push(Link { file: path, nearest, ..link("missing") });
        };
        let generated = content.generated_bytes().is_some();
        let image = content.blob().and_then(|_| self.image_of(&path));
        let size = Some(content.len());
        self.links.push(Link { file: path.clone(), size, image, generated, ..link("there") });
        if let Some(text) = text_of(&content) {
            let folder = path.rfind('/').map_or("", |slash| &path[..=slash]).to_owned();
            for next in names(&path, &text) {
                self.visit(depth + 1, &next, &folder);
            }
        }
    }

    /// The path on this server; None for another server's file.
    fn path_of(&self, file: &str, base: &str) -> Option<String> {
        if let Some((scheme, rest)) = file.split_once("://") {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = host.rsplit('@').next().unwrap_or(host);
            let host = host.split(':').next().unwrap_or(host);
            let is_own = host.parse().is_ok_and(|addr: IpAddr| self.services.network.interfaces.owns(addr))
                || self.caller.https.as_ref().is_some_and(|origin| origin.is_at(host));
            let path = path.split(['?', '#']).next().unwrap_or(path);
            return (is_own && matches!(scheme, "http" | "https" | "tftp")).then(|| path.to_owned());
        }
        match file.strip_prefix('/') {
            Some(path) => Some(path.to_owned()),
            None => Some(format!("{base}{file}")),
        }
    }

    fn image_of(&self, path: &str) -> Option<String> {
        let first = path.trim_start_matches('/').split('/').next()?;
        let snapshot = self.services.snapshot.load();
        snapshot.files.catalogue().images.contains_key(first).then(|| first.to_owned())
    }
}

/// The text of a script; None for every other file.
fn text_of(content: &Content) -> Option<String> {
    if let Some(bytes) = content.generated_bytes() {
        return String::from_utf8(bytes.to_vec()).ok();
    }
    let length = usize::try_from(content.len()).ok().filter(|length| *length <= LARGEST_SCRIPT)?;
    let mut bytes = vec![0; length];
    content.read_exact_at(0, &mut bytes).ok()?;
    String::from_utf8(bytes).ok()
}

/// Files of one boot.
const MOST: usize = 60;
/// Scripts that lead to scripts.
const DEEPEST: usize = 5;
/// Bytes of a script.
const LARGEST_SCRIPT: usize = 256 << 10;
