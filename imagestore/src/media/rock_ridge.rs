//! Rock Ridge: names and links as POSIX systems have them (IEEE P1282 on SUSP, IEEE P1281).

use std::collections::BTreeMap;

use super::{Disc, Listing, MAX_DEPTH, MAX_FILES, MediumError, MediumFile, SECTOR, le32};

/// The fields of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Its name; empty when no field has one.
    pub(super) name: String,
    /// Where it leads, if it is a link.
    pub(super) link: Option<String>,
    /// The sector of the folder that this record stands for.
    pub(super) child: Option<u32>,
    /// Whether this folder is shown elsewhere.
    pub(super) relocated: bool,
}

/// How many bytes stand before the fields of each record; None when there are no such fields.
pub(super) fn sharing(of_root: &[u8]) -> Option<usize> {
    let field = of_root.get(..7)?;
    (field[..2] == *b"SP" && field[4..6] == [0xbe, 0xef]).then_some(usize::from(field[6]))
}

/// Reads a record's fields, and those that go on elsewhere.
pub(super) fn fields(disc: &Disc<'_>, system_use: &[u8], skip: usize) -> Result<Found, MediumError> {
    let mut found = Found::default();
    let mut link = Link::default();
    let mut area = system_use.get(skip..).unwrap_or_default().to_vec();
    for _ in 0..MAX_AREAS {
        let mut goes_on = None;
        let mut rest = area.as_slice();
        while let Some(length) = rest.get(2).map(|length| usize::from(*length)).filter(|length| *length >= 4)
        {
            let Some(field) = rest.get(..length) else { break };
            match &field[..2] {
                b"NM" if length > 5 && field[4] & (CURRENT | PARENT) == 0 => {
                    found.name.push_str(&String::from_utf8_lossy(&field[5..]));
                }
                b"SL" if length > 5 => link.add(&field[5..]),
                b"CL" if length >= 8 => found.child = Some(le32(field, 4)),
                b"RE" => found.relocated = true,
                b"CE" if length >= 28 => {
                    let at = u64::from(le32(field, 4)) * SECTOR + u64::from(le32(field, 12));
                    goes_on = Some((at, u64::from(le32(field, 20)).min(SECTOR)));
                }
                b"ST" => break,
                _ => {}
            }
            rest = &rest[length..];
        }
        match goes_on {
            Some((at, length)) => area = disc.read("the fields of a name", at, length)?,
            None => break,
        }
    }
    found.link = link.target();
    Ok(found)
}

/// The parts of a link's target.
#[derive(Debug, Default)]
struct Link {
    parts: Vec<String>,
    /// Whether the last part goes on.
    goes_on: bool,
    absolute: bool,
    any: bool,
}

impl Link {
    fn add(&mut self, mut components: &[u8]) {
        self.any = true;
        while let [flags, length, rest @ ..] = components {
            let Some((content, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
            let part = match flags & !1 {
                CURRENT => ".".to_owned(),
                PARENT => "..".to_owned(),
                ROOT => {
                    self.absolute = true;
                    String::new()
                }
                _ => String::from_utf8_lossy(content).into_owned(),
            };
            match self.parts.last_mut().filter(|_| self.goes_on) {
                Some(last) => last.push_str(&part),
                None => self.parts.push(part),
            }
            self.goes_on = flags & 1 != 0;
            components = rest;
        }
    }

    fn target(self) -> Option<String> {
        let target = self.parts.join("/");
        self.any.then(|| if self.absolute { format!("/{}", target.trim_start_matches('/')) } else { target })
    }
}

/// Gives links the bytes of what they lead to. A link to a folder stands for the files in it, as
/// long as it is not inside that folder; one that leads nowhere, or out of the medium, is left out.
pub(super) fn follow(
    disc: &Disc<'_>,
    listing: &mut Listing,
    links: Vec<(String, String)>,
) -> Result<(), MediumError> {
    if links.len() > MAX_FILES {
        return Err(MediumError::TooMuch { what: "links", limit: MAX_FILES });
    }
    let links: BTreeMap<String, Option<String>> = links
        .into_iter()
        .map(|(path, target)| {
            let target = resolve(&path, &target);
            (path, target)
        })
        .collect();
    let mut files: BTreeMap<String, MediumFile> =
        listing.files.iter().map(|file| (file.path.clone(), file.clone())).collect();
    for path in links.keys() {
        let Some(target) = end_of(&links, path) else {
            listing.leave_out(format!("{path} is a link to nothing on the medium and is left out"));
            continue;
        };
        let folder = if target.is_empty() { String::new() } else { format!("{target}/") };
        if path.starts_with(&folder) {
            continue; // `debian -> .`: the same files once more, without an end
        }
        let aliases: Vec<MediumFile> = match files.get(&target) {
            Some(file) => vec![MediumFile { path: path.clone(), ..file.clone() }],
            None => {
                let inside = files.range(folder.clone()..).take_while(|(name, _)| name.starts_with(&folder));
                let alias = |(name, file): (&String, &MediumFile)| MediumFile {
                    path: format!("{path}/{}", &name[folder.len()..]),
                    ..file.clone()
                };
                inside.map(alias).collect()
            }
        };
        if aliases.is_empty() {
            listing.leave_out(format!("{path} is a link to nothing on the medium and is left out"));
        }
        for alias in aliases {
            files.insert(alias.path.clone(), alias.clone());
            listing.add(disc, alias)?;
        }
    }
    Ok(())
}

/// Where a chain of links ends; None when it leads nowhere.
fn end_of(links: &BTreeMap<String, Option<String>>, path: &str) -> Option<String> {
    let mut at = path.to_owned();
    for _ in 0..MAX_DEPTH {
        match links.get(&at) {
            Some(target) => at = target.clone()?,
            None => return Some(at),
        }
    }
    None
}

/// A link's target as a path of the medium; None when it leads out of it.
fn resolve(link: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = match target.starts_with('/') {
        true => return None,
        false => link.split('/').collect(),
    };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Flags of names and of the parts of a link.
const CURRENT: u8 = 2;
const PARENT: u8 = 4;
const ROOT: u8 = 8;
/// Fields that go on elsewhere do so a few times at most.
const MAX_AREAS: usize = 16;
