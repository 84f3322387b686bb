//! What wimlib prints, as values.

/// One image of a file that may hold several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WimImage {
    /// Its number, from 1.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The processor it is for, as wimlib calls it, such as `x86_64`.
    pub architecture: Option<String>,
    /// Its `INSTALLATIONTYPE`: `WindowsPE`, `Client`, `Server`, `Server Core`.
    pub installation: Option<String>,
    /// Whether it is the one to boot.
    pub boot: bool,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveEntry {
    /// The image that it is in.
    pub image: u32,
    /// Its path with `/`, and one in front.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Where its bytes are in the container.
    pub offset: u64,
    /// Whether it is a link rather than a file.
    pub link: bool,
}

/// The images of `wimlib-imagex info`.
pub fn images(text: &str) -> Vec<WimImage> {
    let mut images: Vec<WimImage> = Vec::new();
    let mut boot = None;
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match (key, images.last_mut()) {
            ("Boot Index", None) => boot = value.parse::<u32>().ok(),
            ("Index", _) => {
                if let Ok(index) = value.parse() {
                    images.push(WimImage { index, ..WimImage::default() });
                }
            }
            ("Name", Some(image)) if image.name.is_empty() => image.name = value.to_owned(),
            ("Architecture", Some(image)) => image.architecture = Some(value.to_owned()),
            ("Installation Type", Some(image)) => image.installation = Some(value.to_owned()),
            _ => {}
        }
    }
    for image in &mut images {
        image.boot = Some(image.index) == boot;
    }
    images
}

/// The files of `wimlib-imagex dir --detailed`.
pub fn entries(image: u32, text: &str) -> Vec<ArchiveEntry> {
    let mut entries = Vec::new();
    let mut current: Option<(ArchiveEntry, bool)> = None;
    let mut in_data = false;
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("Full Path           = \"") {
            keep(&mut entries, current.take());
            let path = path.strip_suffix('"').unwrap_or(path).to_owned();
            current = Some((ArchiveEntry { image, path, size: 0, offset: 0, link: false }, false));
            in_data = false;
            continue;
        }
        let Some((entry, folder)) = current.as_mut() else { continue };
        let bytes = |value: &str| value.trim_end_matches(" bytes").parse().unwrap_or(0);
        match line.trim() {
            "FILE_ATTRIBUTE_DIRECTORY is set" => *folder = true,
            "FILE_ATTRIBUTE_REPARSE_POINT is set" => entry.link = true,
            "Unnamed data stream:" => in_data = true,
            line if line.ends_with(':') && line.contains("stream") => in_data = false,
            line if in_data => {
                if let Some(size) = line.strip_prefix("Uncompressed size = ") {
                    entry.size = bytes(size);
                } else if let Some(offset) = line.strip_prefix("Offset in WIM     = ") {
                    entry.offset = bytes(offset);
                }
            }
            _ => {}
        }
    }
    keep(&mut entries, current);
    entries
}

fn keep(entries: &mut Vec<ArchiveEntry>, entry: Option<(ArchiveEntry, bool)>) {
    match entry {
        Some((entry, folder)) if !folder || entry.link => entries.push(entry),
        _ => {}
    }
}

/// The line that says what went wrong.
pub fn complaint(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let error =
        lines().filter_map(|line| line.strip_prefix("[ERROR] ").or(line.strip_prefix("ERROR: "))).next();
    let complaint = error.or_else(|| lines().next_back()).unwrap_or("wimlib-imagex gives no reason");
    complaint.chars().filter(|c| !c.is_control()).take(MAX_COMPLAINT).collect()
}

const MAX_COMPLAINT: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "WIM Information:\nImage Count:    2\nBoot Index:     2\n\nAvailable Images:\n\
        Index:                  1\nName:                   Windows PE\nArchitecture:           x86_64\nInstallation Type:      WindowsPE\n\n\
        Index:                  2\nName:                   Setup\nDescription:            Name: x\n";

    #[test]
    fn images_are_told_apart() {
        let images = images(INFO);
        let shown: Vec<_> =
            images.iter().map(|image| (image.index, image.name.as_str(), image.boot)).collect();
        assert_eq!(shown, [(1, "Windows PE", false), (2, "Setup", true)]);
        assert_eq!(images[0].architecture.as_deref(), Some("x86_64"));
        assert_eq!(images[0].installation.as_deref(), Some("WindowsPE"));
        assert_eq!(images[1].installation, None);
    }

    #[test]
    fn files_come_with_their_sizes_and_folders_do_not_come() {
        let text = "Full Path           = \"/\"\n    FILE_ATTRIBUTE_DIRECTORY is set\n\tUnnamed data stream:\n\
            Uncompressed size = 0 bytes\nFull Path           = \"/a \"b\".txt\"\n\tUnnamed data stream:\n\
            Uncompressed size = 3 bytes\nOffset in WIM     = 60208 bytes\n\tNamed data stream \"x\":\n\
            Uncompressed size = 9 bytes\nFull Path           = \"/link\"\n    FILE_ATTRIBUTE_REPARSE_POINT is set\n";
        let entries = entries(1, text);
        let shown: Vec<_> =
            entries.iter().map(|entry| (entry.path.as_str(), entry.size, entry.link)).collect();
        assert_eq!(shown, [("/a \"b\".txt", 3, false), ("/link", 0, true)]);
        assert_eq!(entries[0].offset, 60208);
    }

    #[test]
    fn the_complaint_is_the_line_that_says_so() {
        assert_eq!(complaint(b"x\n[ERROR] The file is \x1bnot a WIM\nmore\n"), "The file is not a WIM");
        assert_eq!(complaint(b""), "wimlib-imagex gives no reason");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,400}") {
            let _ = (images(&text), entries(1, &text), complaint(text.as_bytes()));
        }
    }
}
