use std::net::IpAddr;

use netbootd_dhcp::v4::boot_info::Origin;

use super::*;
use crate::boot_script::Reporting;

fn asker() -> Asker {
    Asker {
        client: IpAddr::from([10, 77, 0, 50]),
        mac: "52:54:00:12:34:56".parse().ok(),
        machine: None,
        server: IpAddr::from([10, 77, 0, 1]),
        origin: Origin::http([10, 77, 0, 1].into(), 8080),
        reporting: Reporting::off(),
        answers: None,
    }
}

fn kernel(image: &str) -> KernelBoot {
    KernelBoot {
        kernel: format!("{image}/linux"),
        initrds: vec![format!("{image}/initrd.gz"), format!("{image}/firmware.cpio")],
        cmdline: "url={image-url}/preseed.cfg by={server} mac={mac} a=$x;reboot 'b'".into(),
        folder: image.into(),
    }
}

fn entry(image: &str) -> Entry {
    let starts = Starts::Kernel(kernel(image));
    Entry { image: image.into(), title: image.into(), starts, is_protected: false }
}

fn menu(entries: Vec<Entry>) -> Menu {
    let timeout = Duration::from_secs(7);
    Menu { title: "Boot menu".into(), timeout, default: None, entries, password: None }
}

fn all(menu: &Menu) -> [String; 3] {
    [ipxe::menu(menu, &asker()), grub::menu(menu, &asker()), pxelinux::menu(menu, &asker(), true)]
}

#[test]
fn the_disk_starts_by_itself_and_an_image_where_it_is_the_default() {
    let mut two = menu(vec![entry("debian"), entry("fedora")]);
    let [ipxe, grub, pxelinux] = all(&two);
    assert!(ipxe.contains("choose --default netbootd.disk --timeout 7000 selected"), "{ipxe}");
    assert!(grub.contains("set timeout=7\nset default=0\n"), "{grub}");
    assert!(pxelinux.contains("TIMEOUT 70\nDEFAULT disk\n"), "{pxelinux}");
    two.default = Some(1);
    let [ipxe, grub, pxelinux] = all(&two);
    assert!(ipxe.contains("choose --default fedora --timeout 7000 selected"), "{ipxe}");
    assert!(grub.contains("set default=1\n"), "{grub}");
    let titles: Vec<&str> = grub.lines().filter(|line| line.starts_with("menuentry")).collect();
    let expected = ["menuentry \"Boot from the disk\" {", "menuentry \"fedora\" {", "menuentry \"debian\" {"];
    assert_eq!(titles, expected);
    assert!(pxelinux.contains("DEFAULT i2\n"), "{pxelinux}");
    two.timeout = Duration::ZERO;
    let [ipxe, grub, pxelinux] = all(&two);
    assert!(!ipxe.contains("--timeout") && grub.contains("set timeout=-1") && pxelinux.contains("TIMEOUT 0"));
}

#[test]
fn a_kernel_starts_with_its_ram_disks_and_arguments_of_this_machine() {
    let words = "url=http://10.77.0.1:8080/debian/preseed.cfg by=10.77.0.1 mac=52:54:00:12:34:56";
    let ipxe = kernel::config(&kernel("debian"), "Debian", Loader::Ipxe, &asker());
    assert!(ipxe.contains("set file http://10.77.0.1:8080/debian/linux\n"), "{ipxe}");
    assert!(ipxe.contains(&format!("kernel ${{file}} initrd=initrd0 initrd=initrd1 {words}")), "{ipxe}");
    let grub = kernel::config(&kernel("debian"), "Debian", Loader::Grub, &asker());
    assert!(grub.contains("  if ! linux /debian/linux url=http://10.77.0.1:8080/"), "{grub}");
    assert!(grub.contains("'a=$x;reboot' ''\\''b'\\'''"), "{grub}");
    assert!(grub.contains("  if ! initrd /debian/initrd.gz /debian/firmware.cpio; then"), "{grub}");
    let pxelinux = kernel::config(&kernel("debian"), "Debian", Loader::Pxelinux, &asker());
    assert!(pxelinux.contains("  INITRD /debian/initrd.gz,/debian/firmware.cpio\n"), "{pxelinux}");
    assert!(pxelinux.contains(&format!("  APPEND {words} ")), "{pxelinux}");
}

#[test]
fn five_hundred_images_are_pages_and_small_texts() {
    let entries = (0..500).map(|n| entry(&format!("image-{n:03}"))).collect();
    let many = Menu { default: Some(321), ..menu(entries) };
    let [ipxe, grub, pxelinux] = all(&many);
    assert!(ipxe.len() < 64 << 10, "{}", ipxe.len());
    assert!(ipxe.contains("item netbootd.page1 image-000 - image-015 ...\n"), "{ipxe}");
    assert!(ipxe.contains("choose --default image-321 --timeout 7000"), "{ipxe}");
    // No screen of a menu has more lines than a text screen.
    for screen in ipxe.split("\nmenu ").skip(2) {
        let items = screen.split("choose").next().unwrap_or_default().matches("item ").count();
        assert!(items <= PAGE + 1, "{items}");
    }
    assert_eq!(grub.matches("submenu ").count(), 500_usize.div_ceil(PAGE));
    assert!(grub.starts_with("set timeout=7\nset default=1\n"));
    assert_eq!(pxelinux.matches("MENU BEGIN").count(), 500_usize.div_ceil(PAGE));
    assert_eq!(pxelinux.matches("MENU END").count(), 500_usize.div_ceil(PAGE));
    // Each image is there once, whatever is the default.
    assert_eq!(pxelinux.matches("KERNEL /image-321/linux").count(), 1);
    assert!(grub.len() < 512 << 10 && pxelinux.len() < 512 << 10, "{} {}", grub.len(), pxelinux.len());
}

#[test]
fn names_are_words_to_no_boot_loader() {
    let title = "a\"} ${x} `y` $(z)\nLABEL evil\n  KERNEL /evil \u{1b}[2J {{ 7 * 7 }}";
    let starts = Starts::Kernel(KernelBoot {
        kernel: "im \" $x/lin'ux".into(),
        initrds: vec!["im/in\nitrd".into()],
        cmdline: "a\nLABEL b ${c} \"d".into(),
        folder: "im \" $x".into(),
    });
    let image = "im \" $x;reboot".to_owned();
    let hostile = Entry { image, title: title.into(), starts, is_protected: false };
    let hostile = Menu { title: title.into(), default: Some(0), ..menu(vec![hostile]) };
    let texts = all(&hostile);
    for text in &texts {
        assert!(!text.lines().any(|line| line.trim_start().starts_with("LABEL evil")), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains("reboot\n") && !text.contains("`y`"), "{text}");
    }
    let [ipxe, grub, pxelinux] = texts;
    for line in ipxe.lines().filter(|line| line.starts_with("item") || line.starts_with("menu")) {
        assert!(!line.contains(['$', '{', '"', ';', '&', '|']), "{line}");
    }
    for line in grub.lines().filter(|line| line.starts_with("menuentry")) {
        assert_eq!(line.matches('"').count(), 2, "{line}");
    }
    assert!(grub.contains("'/im \" $x/lin'\\''ux'"), "{grub}");
    assert_eq!(pxelinux.lines().filter(|line| line.starts_with("LABEL")).count(), 2, "{pxelinux}");
    let script = ipxe::start(&hostile.entries[0], &asker());
    assert!(script.contains("$ {c}") && !script.contains("${c}"), "{script}");
}

#[test]
fn protected_entries_want_the_password_where_the_boot_loader_can_ask() {
    let locked = Entry { is_protected: true, ..entry("wipe") };
    let password = Some(Password::new(netbootd_net::Secret::new("open sesame")));
    let both = Menu { password, ..menu(vec![entry("debian"), locked.clone()]) };
    let [ipxe, grub, pxelinux] = all(&both);
    assert!(ipxe.contains("item wipe wipe (password)\n"), "{ipxe}");
    let script = ipxe::login(&locked, &asker());
    assert!(script.contains("@10.77.0.1:8080/netbootd/protected/wipe.ipxe"), "{script}");
    assert!(
        grub.starts_with("set superusers=\"netbootd\"\npassword_pbkdf2 netbootd grub.pbkdf2.sha512.10000.")
    );
    assert!(grub.contains("menuentry \"wipe\" --users netbootd {"), "{grub}");
    assert!(grub.contains("menuentry \"debian\" --unrestricted {"), "{grub}");
    assert_eq!(pxelinux.matches("  MENU PASSWD $5$").count(), 1);
    let plain = pxelinux::menu(&both, &asker(), false);
    assert!(!plain.contains("wipe") && plain.contains("SAY i1  debian"), "{plain}");
    for text in [ipxe, grub, pxelinux, plain] {
        assert!(!text.contains("open sesame"));
    }
}

#[test]
fn configurations_are_known_by_their_names() {
    let table = [
        ("netbootd/boot.ipxe", Some(Loader::Ipxe)),
        ("/autoexec.ipxe", Some(Loader::Ipxe)),
        ("boot/grub/grub.cfg", Some(Loader::Grub)),
        ("grub/grub.cfg-01-52-54-00-12-34-56", Some(Loader::Grub)),
        ("pxelinux.cfg/01-52-54-00-12-34-56", Some(Loader::Pxelinux)),
        ("/bios/pxelinux.cfg/default", Some(Loader::Pxelinux)),
        ("grub/x86_64-efi/linux.mod", None),
        ("menu.ipxe", None),
        ("vmlinuz", None),
    ];
    for (path, loader) in table {
        assert_eq!(loader_of(path), loader, "{path}");
    }
}
