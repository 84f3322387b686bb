//! The templates of the built-in default.

use std::sync::Arc;

use netbootd_content::boot_script::Reporting;
use netbootd_content::template::{Asker, Stored, find, render};
use netbootd_dhcp::v4::boot_info::Origin;

use super::*;

/// Files by their first lines.
struct Stand(&'static [(&'static str, &'static str)]);

impl Stored for Stand {
    fn exists(&self, path: &str) -> bool {
        self.0.iter().any(|(name, _)| *name == path)
    }

    fn first_line(&self, path: &str) -> String {
        self.0.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned()).unwrap_or_default()
    }

    fn menu(&self, _loader: &str) -> String {
        String::new()
    }
}

#[test]
fn the_built_in_default_boots_a_kernel_or_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (config, findings) = Config::built_in(Some(folder.path())).unwrap();
    assert_eq!((findings.errors(), findings.warnings()), (0, 0), "{findings}");
    let asker = Asker {
        client: Ipv4Addr::new(10, 0, 0, 9).into(),
        mac: None,
        machine: None,
        server: Ipv4Addr::new(10, 0, 0, 1).into(),
        origin: Origin::http([10, 0, 0, 1].into(), 8080),
        reporting: Reporting::to(&Origin::http([10, 0, 0, 1].into(), 8080), 17),
        answers: None,
    };
    let full = Stand(&[("vmlinuz", ""), ("initrd.img", ""), ("cmdline.txt", "quiet")]);
    let full: Arc<dyn Stored> = Arc::new(full);
    let expected = [
        (
            "boot.ipxe",
            "set file http://10.0.0.1:8080/vmlinuz\nkernel ${file} initrd=initrd.img netbootd.report=http://10.0.0.1:8080/report quiet || goto failed\n\
             set step initrd\nset file http://10.0.0.1:8080/initrd.img\ninitrd ${file} || goto failed\nset step boot\nset file http://10.0.0.1:8080/vmlinuz\nboot || goto failed\n:failed",
        ),
        (
            "pxelinux.cfg/default",
            "  KERNEL /vmlinuz\n  INITRD /initrd.img\n  APPEND netbootd.report=http://10.0.0.1:8080/report quiet",
        ),
        (
            "grub/grub.cfg",
            "  if ! linux /vmlinuz netbootd.report=http://10.0.0.1:8080/report quiet; then failed kernel /vmlinuz; fi\n  \
             if ! initrd /initrd.img; then failed initrd /initrd.img; fi\n}",
        ),
    ];
    for (path, part) in expected {
        let file = find(&config.files, path, None, true).unwrap_or_else(|| panic!("{path}"));
        let text = render(file, path, &asker, Arc::clone(&full)).unwrap();
        assert!(text.contains(part), "{path}:\n{text}");
        let text = render(file, path, &asker, Arc::new(Stand(&[]))).unwrap();
        assert!(text.contains("there is no vmlinuz") && !text.contains("KERNEL"), "{path}:\n{text}");
    }
    let script = find(&config.files, "boot.ipxe", None, true).unwrap();
    assert!(render(script, "boot.ipxe", &asker, full).unwrap().starts_with("#!ipxe\n"));
}
