//! The reader's answers about an image, as values.

use std::io::Read;

use wim_protocol::{Entry, Frame, Image, ProtocolError, Units};

/// One image of a file that may hold several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WimImage {
    /// Its number, from 1.
    pub index: u32,
    /// The name of an image inside the WIM.
    pub name: String,
    /// The processor it is for, such as `x86_64`.
    pub architecture: Option<String>,
    /// Its `INSTALLATIONTYPE`: `WindowsPE`, `Client`, `Server`, `Server Core`.
    pub installation: Option<String>,
    /// Whether it is the one to boot.
    pub boot: bool,
}

/// A file or folder inside a WIM image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveEntry {
    /// The image that it is in.
    pub image: u32,
    /// Its path with `/`, and one in front. U+FFFD stands for parts that are not Unicode;
    /// [`ArchiveEntry::exact`] has them unchanged.
    pub path: String,
    /// The path in units of UTF-16, where that is not Unicode.
    pub exact: Option<Box<[u16]>>,
    /// Its size in bytes.
    pub size: u64,
    /// Where its bytes are in the container: the offset of a resource, and the one in what a solid
    /// resource unpacks to.
    pub offset: (u64, u64),
    /// Whether it is a link or another reparse point rather than a file.
    pub link: bool,
    /// The tag of a reparse point (`IO_REPARSE_TAG_*`).
    pub reparse_tag: Option<u32>,
    /// Whether only the Windows that wrote it can read it.
    pub encrypted: bool,
    /// Names that lead to the same file.
    pub links: u32,
    /// The same number for all of these.
    pub link_group: u64,
    /// Its named streams, which are not among its bytes.
    pub streams: Vec<ArchiveStream>,
}

/// A named stream of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveStream {
    /// The name without its folders.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

impl ArchiveEntry {
    /// The path as the image has it.
    pub(super) fn exact_path(&self) -> Units {
        match &self.exact {
            Some(units) => units.to_vec(),
            None => self.path.encode_utf16().collect(),
        }
    }
}

/// Reads the answer to a request for a list: images, then entries, within bounds. Folders are left
/// out.
pub fn read(answer: &mut dyn Read) -> Result<(Vec<WimImage>, Vec<ArchiveEntry>), ProtocolError> {
    let mut answer = answer.take(MAX_LISTING);
    let (mut images, mut entries) = (Vec::new(), Vec::new());
    loop {
        match Frame::read(&mut answer)? {
            Frame::Image(found) if entries.is_empty() => images.push(image(found)),
            Frame::Entry(found) => {
                let (folder, link) = (found.attributes & DIRECTORY != 0, found.attributes & REPARSE != 0);
                if !folder || link {
                    entries.push(entry(found));
                }
            }
            Frame::Done => return Ok((images, entries)),
            _ => return Err(super::out_of_turn()),
        }
    }
}

fn image(found: Image) -> WimImage {
    // A name that is not Unicode names nothing here.
    let text = |units: &[u16]| String::from_utf16(units).ok().filter(|text| !text.is_empty());
    let architecture = ARCHITECTURES.iter().find(|(number, _)| *number == found.architecture);
    WimImage {
        index: found.index,
        name: text(&found.name).unwrap_or_default(),
        architecture: architecture.map(|(_, name)| (*name).to_owned()),
        installation: text(&found.installation),
        boot: found.boot,
    }
}

fn entry(found: Entry) -> ArchiveEntry {
    let link = found.attributes & REPARSE != 0;
    let (path, exact) = match String::from_utf16(&found.path) {
        Ok(path) => (path, None),
        Err(_) => (String::from_utf16_lossy(&found.path), Some(found.path.into_boxed_slice())),
    };
    let streams = found
        .streams
        .iter()
        .map(|stream| ArchiveStream { name: String::from_utf16_lossy(&stream.name), size: stream.size });
    ArchiveEntry {
        image: found.image,
        path,
        exact,
        size: found.size,
        offset: found.offset,
        link,
        reparse_tag: link.then_some(found.reparse_tag),
        encrypted: found.attributes & ENCRYPTED != 0,
        links: found.links,
        link_group: found.link_group,
        streams: streams.collect(),
    }
}

/// The line of a reader's words that says what went wrong; the image is called so, whatever the
/// reader knows it by.
pub fn complaint(words: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(words);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find_map(|line| line.strip_prefix("[ERROR] ")).or_else(|| lines().next_back())?;
    let line = match (line.find(DESCRIPTOR), line) {
        (Some(at), line) => {
            let (before, rest) = line.split_at(at);
            let number = rest[DESCRIPTOR.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}the image{}", number.strip_prefix('"').unwrap_or(number))
        }
        (None, line) => line.to_owned(),
    };
    Some(line.chars().filter(|c| !c.is_control()).take(MAX_COMPLAINT).collect())
}

/// Bytes of frames: the largest Windows installations have about 60 MB of them.
const MAX_LISTING: u64 = 512 << 20;
const MAX_COMPLAINT: usize = 300;
const DESCRIPTOR: &str = "\"/proc/self/fd/";
/// Windows' constants `PROCESSOR_ARCHITECTURE_`, with their names.
const ARCHITECTURES: [(u32, &str); 5] = [(0, "x86"), (5, "ARM"), (6, "ia64"), (9, "x86_64"), (12, "ARM64")];
/// Windows' constant `FILE_ATTRIBUTE_DIRECTORY`: a folder.
const DIRECTORY: u32 = 0x10;
const REPARSE: u32 = 0x400;
const ENCRYPTED: u32 = 0x4000;

#[cfg(test)]
mod tests {
    use wim_protocol::Stream;

    use super::*;

    fn units(text: &str) -> Units {
        text.encode_utf16().collect()
    }

    fn file(path: Units, attributes: u32) -> Frame {
        let (sha1, streams) = ([1; 20], vec![Stream { name: units("x"), size: 9 }]);
        let (link_group, size, offset) = (7, 3, (60208, 0));
        let (image, reparse_tag, links) = (1, 0xa000_000c, 2);
        Frame::Entry(Entry {
            image,
            attributes,
            reparse_tag,
            links,
            link_group,
            size,
            offset,
            sha1,
            path,
            streams,
        })
    }

    fn listed(frames: &[Frame]) -> Result<(Vec<WimImage>, Vec<ArchiveEntry>), ProtocolError> {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.write(&mut bytes).unwrap());
        read(&mut bytes.as_slice())
    }

    #[test]
    fn images_and_files_are_told_apart_and_folders_do_not_come() {
        let image = |index, architecture, name: &str, installation: &str| {
            let (name, installation) = (units(name), units(installation));
            Frame::Image(Image { index, boot: index == 2, architecture, name, installation })
        };
        let (images, entries) = listed(&[
            image(1, 9, "Windows PE", "WindowsPE"),
            image(2, Image::UNKNOWN, "Setup", ""),
            file(units("/"), DIRECTORY),
            file(units("/a \"b\".txt"), 0x20),
            file(units("/link"), REPARSE | DIRECTORY),
            file([units("/"), vec![0xd800]].concat(), ENCRYPTED),
            Frame::Done,
        ])
        .unwrap();
        let shown: Vec<_> =
            images.iter().map(|image| (image.index, image.name.as_str(), image.boot)).collect();
        assert_eq!(shown, [(1, "Windows PE", false), (2, "Setup", true)]);
        assert_eq!(images[0].architecture.as_deref(), Some("x86_64"));
        assert_eq!(images[0].installation.as_deref(), Some("WindowsPE"));
        assert_eq!((&images[1].architecture, &images[1].installation), (&None, &None));
        let shown: Vec<_> =
            entries.iter().map(|entry| (entry.path.as_str(), entry.size, entry.reparse_tag)).collect();
        let half = "/\u{fffd}";
        assert_eq!(shown, [("/a \"b\".txt", 3, None), ("/link", 3, Some(0xa000_000c)), (half, 3, None)]);
        assert_eq!((entries[0].offset, entries[0].links, entries[0].link_group), ((60208, 0), 2, 7));
        assert_eq!(entries[0].streams, [ArchiveStream { name: "x".into(), size: 9 }]);
        assert_eq!(entries[2].exact_path(), [u16::from(b'/'), 0xd800]);
        assert_eq!((entries[1].encrypted, entries[2].encrypted), (false, true));
    }

    #[test]
    fn an_answer_that_ends_early_or_comes_out_of_turn_is_refused() {
        let entry = file(units("/a"), 0);
        let (name, installation) = (units("a"), units("b"));
        let image = Frame::Image(Image { index: 1, boot: false, architecture: 0, name, installation });
        assert!(listed(&[image.clone(), entry.clone(), Frame::Done]).is_ok());
        assert!(listed(&[image.clone(), entry.clone()]).is_err());
        assert!(listed(&[entry, image, Frame::Done]).is_err());
        assert!(listed(&[Frame::File { path: None, size: 1 }, Frame::Done]).is_err());
    }

    #[test]
    fn the_complaint_is_the_line_that_says_so() {
        let said = |words: &[u8]| complaint(words).unwrap();
        assert_eq!(said(b"x\n[ERROR] The file is \x1bnot a WIM\nmore\n"), "The file is not a WIM");
        assert_eq!(said(b"[ERROR] \"/proc/self/fd/13\": Not a WIM file\n"), "the image: Not a WIM file");
        assert_eq!(said(b"\"/proc/self/fd/"), "the image");
        assert_eq!(complaint(b" \n"), None);
    }
}
