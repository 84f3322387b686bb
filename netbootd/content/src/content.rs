//! The content of a path: a stored file, or one that is rendered for the machine that asks.

mod boot_media;
mod instead;
mod program;
mod raspberry_pi;
mod sources;
mod templates;
mod types;
mod unattended;

use std::borrow::Cow;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use imagestore::{BootFile, Digest, Mapping, OpenError, ReadError};
use netbootd_dhcp::v4::boot_info::Origin;
use netbootd_telemetry::event::{Refusal, Substitution};
use pxe_policy::{BootRequest, MacAddr};

use crate::boot_script::Reporting;
use crate::ingests;
use crate::menu;
use crate::refused::Refused;
use crate::requested::Requested;
use crate::served::{Known, Served};
use crate::template::{self, Asker, Stored};
use crate::unattended::Answers;
use crate::winpe::wimboot::Beside;
use sources::{loader_config, of_any_image, of_image, of_ipxe, of_responder, of_signature, of_wimboot};
use templates::InTemplates;
use types::{PROGRAM, TEXT, UNKNOWN, type_of};

pub use raspberry_pi::Digests;

/// A file that a client may have.
#[derive(Debug)]
pub struct Content {
    body: Body,
    content_type: Cow<'static, str>,
    /// Whether every client that asks for all of its path gets this.
    for_everybody: bool,
    /// The path that it has, when it is served for another one.
    instead: Option<(String, Substitution)>,
}

#[derive(Debug)]
enum Body {
    Stored(BootFile),
    Generated { bytes: Bytes, etag: String },
}

/// The client that asks for a file.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The address that the request comes from.
    pub client: IpAddr,
    /// This server's address towards it.
    pub server: IpAddr,
    /// How the client reaches the HTTPS service, when it asks by HTTPS: what is made for it leads
    /// there again.
    pub https: Option<Origin>,
    /// How much of the file it asks for.
    pub extent: Extent,
}

/// How much of a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The whole file is asked for.
    Whole,
    /// A range, maybe one of many.
    Part,
    /// A range, with the version that it has to be of.
    GuardedPart,
}

impl Content {
    /// Looks a path up. Reads folders and files: not for a thread that must not block.
    pub fn open(
        served: &Served<'_>,
        known: &Known<'_>,
        asked: &Requested,
        caller: &Caller,
    ) -> Result<Content, Refused> {
        let content = Content::look(served, known, asked, caller)?;
        if let Body::Stored(file) = &content.body
            && let Some(version) = file.image_version()
        {
            served.files.opened(caller.client, version);
        }
        Ok(content)
    }

    /// The same, without noting that the client uses an image.
    pub fn look(
        served: &Served<'_>,
        known: &Known<'_>,
        asked: &Requested,
        caller: &Caller,
    ) -> Result<Content, Refused> {
        Content::find(served, known, asked, caller)
            .or_else(|refused| Content::instead(served, known, asked.raw(), caller).ok_or(refused))
    }

    /// Another file that the request may mean, when what it asks for is not there.
    fn instead(served: &Served<'_>, known: &Known<'_>, raw: &[u8], caller: &Caller) -> Option<Content> {
        instead::candidates(known, raw, caller).into_iter().find_map(|(path, why)| {
            let content = Content::find(served, known, &Requested::new(path.as_bytes()), caller).ok()?;
            Some(Content { instead: Some((path, why)), for_everybody: false, ..content })
        })
    }

    fn find(
        served: &Served<'_>,
        known: &Known<'_>,
        asked: &Requested,
        caller: &Caller,
    ) -> Result<Content, Refused> {
        let (path, spelled) = asked.spelled()?;
        let mac = mac_in(spelled).or_else(|| known.machines.mac_of(caller.client));
        let asker = asker(served, known, mac, caller);
        let request = asker.machine.as_ref().map(|machine| machine.request.clone());
        let files = served.generated;
        let render = |file| {
            let (files, menu) = (served.files.clone(), served.menu.clone());
            let stored: Arc<dyn Stored> = Arc::new(InTemplates { files, menu, asker: asker.clone() });
            match template::render(file, spelled, &asker, stored) {
                Ok(text) => Ok(Content::generated(text.into_bytes(), file.content_type.clone())),
                Err(error) => Err(Refused::Template(Arc::new(error))),
            }
        };
        if let Some(config) = loader_config(served, spelled, &asker) {
            return Ok(config);
        }
        if let Some(file) = template::find(files, spelled, request.as_ref(), false) {
            return render(file);
        }
        if let Some(content) = unattended::content(served, known, spelled, &asker) {
            return content;
        }
        if let Some(content) = boot_media::content(served, known, spelled, &asker.reporting, caller) {
            return content;
        }
        let for_everybody = caller.extent == Extent::Whole && !is_generated(served, spelled);
        let opened = match caller.extent {
            Extent::Whole | Extent::GuardedPart => served.files.open(path),
            Extent::Part => served.files.open_part(path, caller.client),
        };
        match opened {
            Ok(file) => Ok(Content { for_everybody, ..Content::stored(file, spelled) }),
            Err(OpenError::NotFound) => match template::find(files, spelled, request.as_ref(), true) {
                Some(file) => render(file),
                None => of_image(served, spelled, asker.machine.as_deref()).or_else(|refused| {
                    if let Some(signature) = of_signature(served, known, spelled) {
                        return signature;
                    }
                    if let Some(file) = of_any_image(served, spelled) {
                        return Ok(file);
                    }
                    let image = spelled.rsplit_once('/').map_or("", |(folder, _)| folder);
                    let answers = asker.answers.as_ref();
                    let answers = answers.and_then(|answers| answers.folder_url(image, &asker));
                    let media = boot_media::folder_url(served, image, &asker);
                    let (request, reporting) = (request.as_ref(), &asker.reporting);
                    let beside = Beside { answers: answers.as_deref(), media: media.as_deref() };
                    of_wimboot(served, spelled, &asker.origin, request, reporting, beside)
                        .map(Ok)
                        .or_else(|| of_responder(served, known, path.as_sent(), caller.client))
                        .or_else(|| of_ipxe(known, spelled, &asker).map(Ok))
                        .unwrap_or_else(|| Err(not_there(served, known, spelled, refused)))
                }),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// The script of an image in the boot menu, for somebody who knows the password.
    pub fn of_menu(served: &Served<'_>, known: &Known<'_>, image: &str, caller: &Caller) -> Option<Content> {
        let mac = known.machines.mac_of(caller.client);
        let text = served.menu.image_script(served.files, image, &asker(served, known, mac, caller), true)?;
        Some(Content::generated(text.into_bytes(), None))
    }

    /// The same on any thread: only what is opened without waiting for a disk or the network. None
    /// for what is not, or not so simply.
    pub fn open_at_once(served: &Served<'_>, asked: &Requested, caller: &Caller) -> Option<Content> {
        let (path, spelled) = asked.spelled().ok()?;
        if is_generated(served, spelled) {
            return None;
        }
        let file = match caller.extent {
            Extent::Whole | Extent::GuardedPart => served.files.open_at_once(path.as_sent())?,
            Extent::Part => served.files.open_part_at_once(path.as_sent(), caller.client)?,
        };
        Some(Content { for_everybody: caller.extent == Extent::Whole, ..Content::stored(file, spelled) })
    }

    /// Of a stored file, which is this client's.
    fn stored(file: BootFile, path: &str) -> Self {
        let content_type = type_of(path).into();
        Content { body: Body::Stored(file), content_type, for_everybody: false, instead: None }
    }

    /// Whether every client that asks for all of its path gets this, without waiting for another
    /// server.
    pub fn is_for_everybody(&self) -> bool {
        self.for_everybody && !self.may_wait()
    }

    /// Of bytes made here.
    pub fn generated(bytes: Vec<u8>, content_type: Option<String>) -> Self {
        // FNV-1a: the tag tells one rendering from another, nothing more.
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let etag = format!("\"g-{:x}-{hash:016x}\"", bytes.len());
        let content_type = content_type.map_or(TEXT.into(), Cow::from);
        let body = Body::Generated { bytes: bytes.into(), etag };
        Content { body, content_type, for_everybody: false, instead: None }
    }

    /// The path that is served, and why, when it is another one than was asked for.
    pub fn served_instead(&self) -> Option<(&str, Substitution)> {
        self.instead.as_ref().map(|(path, why)| (path.as_str(), *why))
    }

    /// The blob of the image store that its bytes are in.
    pub fn blob(&self) -> Option<Digest> {
        match &self.body {
            Body::Stored(file) => file.holding_blob(),
            Body::Generated { .. } => None,
        }
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        match &self.body {
            Body::Stored(file) => file.len(),
            Body::Generated { bytes, .. } => bytes.len() as u64,
        }
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A strong entity tag with its quotes.
    pub fn etag(&self) -> Cow<'_, str> {
        match &self.body {
            Body::Stored(file) => file.etag(),
            Body::Generated { etag, .. } => etag.into(),
        }
    }

    /// When it was last changed; None for what was made just now.
    pub fn modified(&self) -> Option<SystemTime> {
        match &self.body {
            Body::Stored(file) => Some(file.modified()),
            Body::Generated { .. } => None,
        }
    }

    /// Its type for HTTP. A program is known by its first bytes, whatever its name: UEFI firmware
    /// starts nothing of another type.
    pub fn content_type(&self) -> Cow<'static, str> {
        match &self.body {
            Body::Stored(file)
                if self.content_type == UNKNOWN && !file.may_wait() && file.is_efi_program() =>
            {
                PROGRAM.into()
            }
            _ => self.content_type.clone(),
        }
    }

    /// Whether somebody may write to it while it is served.
    pub fn may_change(&self) -> bool {
        matches!(&self.body, Body::Stored(file) if file.may_change())
    }

    /// Whether reading may have to wait for the network.
    pub fn may_wait(&self) -> bool {
        matches!(&self.body, Body::Stored(file) if file.may_wait())
    }

    /// Whether every byte can be read now.
    pub fn is_whole(&self) -> bool {
        match &self.body {
            Body::Stored(file) => file.is_whole(),
            Body::Generated { .. } => true,
        }
    }

    /// Its bytes for the kernel to send from, if it is a file that is worth it.
    pub fn map(&self) -> Option<Mapping> {
        match &self.body {
            Body::Stored(file) => file.map(),
            Body::Generated { .. } => None,
        }
    }

    /// The file that holds all of it, and where it begins there; None for what was made here, and
    /// for what still comes in.
    pub fn file(&self) -> Option<(&File, u64)> {
        match &self.body {
            Body::Stored(file) => file.file(),
            Body::Generated { .. } => None,
        }
    }

    /// All of it, when it was made here.
    pub fn generated_bytes(&self) -> Option<&Bytes> {
        match &self.body {
            Body::Stored(_) => None,
            Body::Generated { bytes, .. } => Some(bytes),
        }
    }

    /// Fails when the file was overwritten or cut since it was opened.
    pub fn check_unchanged(&self) -> Result<(), ReadError> {
        match &self.body {
            Body::Stored(file) => file.check_unchanged(),
            Body::Generated { .. } => Ok(()),
        }
    }

    /// Fills `buf` from `offset`.
    pub fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        match &self.body {
            Body::Stored(file) => file.read_exact_at(offset, buf),
            Body::Generated { bytes, .. } => {
                let shrunk = ReadError::Shrunk { at: offset, len: bytes.len() as u64 };
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let end = start.saturating_add(buf.len());
                buf.copy_from_slice(bytes.get(start..end).ok_or(shrunk)?);
                Ok(())
            }
        }
    }
}

fn asker(served: &Served<'_>, known: &Known<'_>, mac: Option<MacAddr>, caller: &Caller) -> Asker {
    let origin = caller.https.clone().unwrap_or_else(|| Origin::http(caller.server, served.http_port));
    let reporting = match served.reports {
        true => Reporting::to(&origin, known.boot_number(mac)),
        false => Reporting::off(),
    };
    let machine = mac.and_then(|mac| known.machines.by_mac(mac));
    let (client, server) = (caller.client, caller.server);
    let answers = Some(Answers { files: served.files.clone(), list: Arc::clone(served.unattended) });
    Asker { client, mac, machine, server, origin, reporting, answers }
}

/// Whether a file may be made for the client that asks for a path, whatever is stored there.
fn is_generated(served: &Served<'_>, path: &str) -> bool {
    if menu::loader_of(path).is_some() || boot_media::of_former_import(served, path).is_some() {
        return true;
    }
    let mut generated = served.generated.iter().filter(|file| !file.fallback);
    generated.any(|file| template::path_fits(&file.path, path))
}

/// Whether a rule's boot file can be had: stored, or generated for this machine.
pub fn available(served: &Served<'_>, path: &str, request: &BootRequest) -> bool {
    let generated = |fallback| template::find(served.generated, path, Some(request), fallback).is_some();
    let nobody = Origin::http(Ipv4Addr::UNSPECIFIED.into(), served.http_port);
    generated(false)
        || generated(true)
        || served.files.has(path)
        || of_wimboot(served, path, &nobody, Some(request), &Reporting::off(), Beside::default()).is_some()
}

/// Which image should have held a file that is not there: one that is coming, that was refused, or
/// that has no such file.
fn not_there(served: &Served<'_>, known: &Known<'_>, path: &str, refused: Refused) -> Refused {
    if refused.refusal() != Refusal::NotFound {
        return refused;
    }
    let image = || {
        let names = served.files.images().into_iter().map(|image| image.name);
        let name = ingests::named(path)
            .find_map(|part| names.clone().find(|name| name.eq_ignore_ascii_case(part)))?;
        Some(Refused::NotInImage(name))
    };
    known.ingests.about(path).or_else(image).unwrap_or(refused)
}

/// PXELINUX puts the hardware address into the name: `pxelinux.cfg/01-52-54-00-12-34-56`.
fn mac_in(path: &str) -> Option<MacAddr> {
    let name = path.rsplit('/').next()?;
    name.strip_prefix("01-").filter(|mac| mac.len() == 17)?.parse().ok()
}
