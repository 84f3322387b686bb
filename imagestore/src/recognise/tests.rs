use std::collections::BTreeMap;
use std::io;

use super::*;

/// Files with their texts.
struct Stand {
    label: &'static str,
    files: BTreeMap<String, String>,
}

impl Contents for Stand {
    fn paths(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.files.keys().map(String::as_str))
    }

    fn text(&self, path: &str) -> Option<String> {
        self.files.get(&self.find(path)?).cloned()
    }

    fn label(&self) -> &str {
        self.label
    }
}

fn recognised(files: &[(&str, &str)]) -> Option<Recognised> {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    recognise(&Stand { label: "", files }, Some("a.iso"))
}

#[test]
fn a_line_about_a_disc_names_product_version_and_architecture() {
    use disk_info::DiskInfo;
    let table = [
        (
            "Debian GNU/Linux 12.7.0 \"Bookworm\" - Official amd64 NETINST with firmware 20240831-10:38",
            "Debian",
            "12.7.0",
            "amd64",
        ),
        ("Official Debian GNU/Linux Live 12.7.0 gnome 2024-08-31T10:29", "Debian Live", "12.7.0", ""),
        (
            "Ubuntu-Server 24.04.1 LTS \"Noble Numbat\" - Release amd64 (20240827)",
            "Ubuntu Server",
            "24.04.1",
            "amd64",
        ),
        ("Linux Mint 21.3 \"Virginia\" - Release amd64 20240101", "Linux Mint", "21.3", "amd64"),
        (
            "Debian GNU/Linux testing \"Trixie\" - Official Snapshot arm64 NETINST 20250101-03:15",
            "Debian testing",
            "20250101-03:15",
            "arm64",
        ),
        ("", "", "", ""),
    ];
    for (line, product, version, arch) in table {
        let found = DiskInfo::parse(line);
        if line.contains("testing") {
            assert_eq!((found.product.as_str(), found.arch.as_str()), (product, arch), "{line}");
            continue;
        }
        assert_eq!(
            (found.product.as_str(), found.version.as_str(), found.arch.as_str()),
            (product, version, arch),
            "{line}"
        );
    }
}

#[test]
fn esxi_is_given_this_servers_url() {
    let config = "bootstate=0\ntitle=Loading ESXi installer\nprefix=\nkernel=/b.b00\nkernelopt=runweasel cdromBoot\n\
                  modules=/jumpstrt.gz --- /useropts.gz\nbuild=8.0.0-1.0.20513097\n";
    let found = recognised(&[("BOOT.CFG", config), ("EFI/BOOT/BOOTX64.EFI", ""), ("B.B00", "")]).unwrap();
    assert_eq!(
        (found.about.title().as_str(), found.boot.unwrap().kernel.as_str()),
        ("VMware ESXi 8.0.0 (x86_64)", "EFI/BOOT/BOOTX64.EFI")
    );
    let paths: Vec<&str> = found.about.rendered.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["boot.cfg", "EFI/BOOT/boot.cfg"]);
    let expected = "bootstate=0\ntitle=Loading ESXi installer\nprefix={image-url}\nkernel=b.b00\nkernelopt=runweasel {unattended}\n\
                    modules=jumpstrt.gz --- useropts.gz\nbuild=8.0.0-1.0.20513097\n";
    assert_eq!(found.about.rendered[0].template, expected);
}

#[test]
fn a_wim_names_its_editions() {
    let image = |index: u32, name: &str| {
        format!(
            "<IMAGE INDEX=\"{index}\"><NAME>{name}</NAME><WINDOWS><ARCH>9</ARCH><VERSION><MAJOR>10</MAJOR><MINOR>0</MINOR>\
                 <BUILD>22631</BUILD><SPBUILD>2861</SPBUILD></VERSION></WINDOWS></IMAGE>"
        )
    };
    let xml = format!("\u{feff}<WIM>{}{}</WIM>", image(1, "Windows 11 Home"), image(2, "Windows 11 Pro"));
    let xml: Vec<u8> = xml.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut wim = vec![0; 208];
    wim[..5].copy_from_slice(b"MSWIM");
    wim[72..76].copy_from_slice(&(xml.len() as u32).to_le_bytes());
    wim[80] = 208;
    wim.extend(&xml);
    let read = |bytes: &[u8]| {
        let get = |from: u64, length: usize| {
            let from = usize::try_from(from).unwrap();
            bytes
                .get(from..from + length)
                .map(<[u8]>::to_vec)
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        };
        WimHeader::read(bytes.len() as u64, get)
    };
    let header = read(&wim).unwrap();
    let mut about = About { product: "Windows Setup".into(), ..About::default() };
    editions(&mut about, Some(header), None);
    assert_eq!(about.title(), "Windows 11 10.0.22631.2861 (x64)");
    assert_eq!(about.editions, ["Windows 11 Home", "Windows 11 Pro"]);
    for bad in [&wim[..100], &wim[..300], b"MSWIM", &[0; 300]] {
        assert_eq!(read(bad), None);
    }
}

#[test]
fn names_are_parts_of_urls() {
    assert_eq!(url_encoded("Größe 1 & 2.iso"), "Gr%C3%B6%C3%9Fe%201%20%26%202.iso");
}
