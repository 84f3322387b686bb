use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::stat::Mode;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::ReadError;

struct Fixture {
    dir: TempDir,
    tree: BootTree,
}

fn fixture(files: &[(&str, &str)]) -> Fixture {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(dir.path().join("secret"), "secret").unwrap();
    let tree = BootTree::new(&[Mount { at: String::new(), folder: root }]).unwrap();
    Fixture { dir, tree }
}

fn text(file: &BootFile) -> String {
    let mut bytes = vec![0; usize::try_from(file.len()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn open(tree: &BootTree, raw: &str) -> Result<String, OpenError> {
    tree.open_raw(raw.as_bytes()).map(|file| text(&file))
}

#[test]
fn the_exact_name_wins_and_any_case_is_found() {
    let f = fixture(&[("Boot/BCD", "upper"), ("Boot/bcd", "lower"), ("SMSBoot/x64/WDSNBP.com", "wds")]);
    assert_eq!(open(&f.tree, "Boot/bcd").unwrap(), "lower");
    assert_eq!(open(&f.tree, "\\Boot\\BCD").unwrap(), "upper");
    assert_eq!(open(&f.tree, "boot/Bcd").unwrap(), "upper", "the first in byte order");
    assert_eq!(open(&f.tree, "\\smsboot\\X64\\wdsnbp.COM").unwrap(), "wds");
    assert!(matches!(open(&f.tree, "boot/none"), Err(OpenError::NotFound)));
}

#[test]
fn a_file_that_is_overwritten_in_place_is_found_out_and_one_that_is_replaced_stays_whole() {
    let f = fixture(&[("a", "first version"), ("b", "first version")]);
    let root = f.dir.path().join("root");
    let opened = |name: &str| f.tree.open_raw(name.as_bytes()).unwrap();
    let (same_length, cut, replaced) = (opened("a"), opened("b"), opened("a"));
    fs::rename(root.join("a"), root.join("old")).unwrap();
    fs::write(root.join("a"), "other version").unwrap();
    replaced.check_unchanged().unwrap();
    assert_eq!(text(&replaced), "first version");
    // Opened right after it was written, at the same tick of the clock: the next write is found all
    // the same.
    let fresh = opened("a");
    fs::write(root.join("a"), "third version").unwrap();
    assert!(matches!(fresh.check_unchanged(), Err(ReadError::Changed)));
    fs::write(root.join("old"), "other version").unwrap();
    assert!(matches!(same_length.check_unchanged(), Err(ReadError::Changed)));
    File::options().write(true).open(root.join("b")).unwrap().set_len(5).unwrap();
    assert!(matches!(cut.check_unchanged(), Err(ReadError::Changed)));
}

#[test]
fn a_folder_spelled_twice_is_searched_twice() {
    let f = fixture(&[("Boot/a", "1"), ("boot/b", "2")]);
    assert_eq!(open(&f.tree, "BOOT/B").unwrap(), "2");
    assert_eq!(open(&f.tree, "BOOT/A").unwrap(), "1");
}

#[test]
fn rubbish_behind_a_name_is_forgiven_only_when_the_name_is_not_there() {
    let f = fixture(&[("a.0", "plain"), ("b\u{ff}", "odd")]);
    assert_eq!(text(&f.tree.open_raw(b"a.0\xff").unwrap()), "plain");
    assert_eq!(open(&f.tree, "b\u{ff}").unwrap(), "odd");
}

#[test]
fn nothing_outside_the_root_is_opened() {
    let f = fixture(&[("in/file", "inside")]);
    let root = f.dir.path().join("root");
    symlink("../secret", root.join("relative")).unwrap();
    symlink(f.dir.path().join("secret"), root.join("absolute")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("in/file", root.join("fine")).unwrap();
    for path in ["relative", "absolute", "up/secret", "RELATIVE", "UP/secret", "loop"] {
        let error = open(&f.tree, path).unwrap_err();
        assert!(matches!(error, OpenError::OutsideTree | OpenError::NotFound), "{path}: {error}");
    }
    assert_eq!(open(&f.tree, "fine").unwrap(), "inside");
    assert!(matches!(open(&f.tree, "../secret"), Err(OpenError::Path(PathError::ParentComponent))));
}

#[test]
fn links_that_change_while_a_path_is_opened_lead_nowhere_else() {
    let f = fixture(&[("file", "inside"), ("folder/secret", "inside")]);
    let root = f.dir.path().join("root");
    let outside = f.dir.path().to_owned();
    let done = std::sync::atomic::AtomicBool::new(false);
    let over = |link: &str, target: &Path| {
        symlink(target, root.join("new")).unwrap();
        fs::rename(root.join("new"), root.join(link)).unwrap();
    };
    over("link", Path::new("file"));
    over("way", Path::new("folder"));
    let (mut inside, mut refused) = (0, 0);
    thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                over("link", &outside.join("secret"));
                over("way", &outside);
                over("link", Path::new("file"));
                over("way", Path::new("folder"));
            }
        });
        // Both are seen within some hundred tries; the bound is for a scheduler that lets one
        // thread wait.
        for _ in 0..1_000_000 {
            for path in ["link", "way/secret", "LINK", "Way/Secret"] {
                match open(&f.tree, path) {
                    Ok(text) => {
                        assert_eq!(text, "inside", "{path}");
                        inside += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
            if inside >= 200 && refused >= 200 {
                break;
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        swapping.join().unwrap();
    });
    assert!(inside >= 200 && refused >= 200, "{inside} inside, {refused} refused");
}

#[test]
fn only_regular_files_are_opened_and_a_pipe_does_not_hold_the_thread() {
    let f = fixture(&[("folder/file", "x")]);
    nix::unistd::mkfifo(&f.dir.path().join("root/pipe"), Mode::S_IRUSR).unwrap();
    assert!(matches!(open(&f.tree, "folder"), Err(OpenError::NotAFile)));
    assert!(matches!(open(&f.tree, "pipe"), Err(OpenError::NotAFile)));
    assert!(matches!(open(&f.tree, "folder/file/below"), Err(OpenError::NotFound)));
}

#[test]
fn a_file_that_shrinks_is_noticed() {
    let f = fixture(&[("file", "0123456789")]);
    let file = f.tree.open_raw(b"file").unwrap();
    fs::write(f.dir.path().join("root/file"), "0123").unwrap();
    let error = file.read_exact_at(2, &mut [0; 8]).unwrap_err();
    assert!(matches!(error, ReadError::Shrunk { at: 4, len: 10 }), "{error}");
}

#[test]
fn a_replaced_file_has_another_tag() {
    let f = fixture(&[("file", "one")]);
    let first = f.tree.open_raw(b"file").unwrap().etag().into_owned();
    assert_eq!(f.tree.open_raw(b"FILE").unwrap().etag(), first);
    fs::write(f.dir.path().join("root/new"), "two").unwrap();
    fs::rename(f.dir.path().join("root/new"), f.dir.path().join("root/file")).unwrap();
    assert_ne!(f.tree.open_raw(b"file").unwrap().etag(), first);
}

#[test]
fn lengths_have_sixty_four_bits() {
    let f = fixture(&[("big", "")]);
    let path = f.dir.path().join("root/big");
    File::options().write(true).open(path).unwrap().set_len((1 << 32) + 5).unwrap();
    let file = f.tree.open_raw(b"big").unwrap();
    assert_eq!(file.len(), (1 << 32) + 5);
    let mut bytes = [1; 5];
    file.read_exact_at(1 << 32, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 5]);
}

#[test]
fn images_are_mounted_at_their_place_over_the_root() {
    let f = fixture(&[("winpe/old", "root"), ("winpe/both", "root")]);
    let image = TempDir::new().unwrap();
    fs::write(image.path().join("both"), "image").unwrap();
    let mounts = [
        Mount { at: String::new(), folder: f.dir.path().join("root") },
        Mount { at: "WinPE".into(), folder: image.path().to_owned() },
    ];
    let tree = BootTree::new(&mounts).unwrap();
    assert_eq!(open(&tree, "winpe/both").unwrap(), "image");
    assert_eq!(open(&tree, "winpe/old").unwrap(), "root");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let missing = PathBuf::from("/nonexistent/netboot");
    let error = BootTree::new(&[Mount { at: String::new(), folder: missing }]).unwrap_err();
    assert_eq!(error.to_string(), "cannot open the folder /nonexistent/netboot");
}

proptest! {
    #[test]
    fn no_bytes_open_what_lies_outside(parts in proptest::collection::vec(
        prop_oneof![Just("up"), Just(".."), Just("secret"), Just("/"), Just("\\"), Just("in"), Just("UP"), Just("\0"), Just("c:")], 0..12)
    ) {
        let f = fixture(&[("in/file", "inside")]);
        symlink("..", f.dir.path().join("root/up")).unwrap();
        if let Ok(file) = f.tree.open_raw(parts.concat().as_bytes()) {
            prop_assert_ne!(text(&file), "secret");
        }
    }
}

#[test]
fn at_once_only_what_is_spelled_as_there_is_opened() {
    let f = fixture(&[("boot/x64/grub.efi", "root"), ("winpe/boot.wim", "below the mount")]);
    let image = f.dir.path().join("image");
    fs::create_dir(&image).unwrap();
    symlink("../secret", f.dir.path().join("root/out")).unwrap();
    let mounts = [("", f.dir.path().join("root")), ("winpe", image)];
    let mounts = mounts.map(|(at, folder)| Mount { at: at.into(), folder });
    let tree = BootTree::new(&mounts).unwrap();
    let at_once = |raw: &str| {
        // The kernel knows the folders from here on.
        let _ = tree.open_raw(raw.as_bytes());
        tree.open_at_once(&BootPath::parse(raw.as_bytes()).unwrap()).map(|file| text(&file))
    };
    // A file system that always asks its disk is let off.
    assert!(matches!(at_once("boot\\x64/grub.efi").as_deref(), None | Some("root")));
    for not in ["boot/x64/GRUB.efi", "boot/x64", "out", "none", "winpe", "winpe/boot.wim", "WinPE/boot.wim"] {
        assert_eq!(at_once(not), None, "{not}");
    }
}

#[test]
fn a_path_that_is_not_there_has_a_nearest_one() {
    let f = fixture(&[("ipxe.efi", "a"), ("boot/x64/grubx64.efi", "b"), ("winpe/boot.wim", "c")]);
    let nearest = |raw: &str| f.tree.nearest(&BootPath::parse(raw.as_bytes()).unwrap());
    for (raw, expected) in [
        ("ipxeee.efi", Some("ipxe.efi")),
        ("/tftpboot/ipxe.efi", Some("ipxe.efi")),
        ("bot/x64/grubx46.efi", Some("boot/x64/grubx64.efi")),
        ("\\winpe\\boot.vim", Some("winpe/boot.wim")),
        ("boot/x64", None),
        ("something/else", None),
    ] {
        assert_eq!(nearest(raw).as_deref(), expected, "{raw}");
    }
}
