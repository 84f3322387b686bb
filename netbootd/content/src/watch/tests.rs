// Windows images are read by a program that tests of the store put in its place as well.
#[path = "../../../../imagestore/tests/common/mod.rs"]
mod common;

use std::path::Path;
use std::process::Command;

use imagestore::{BootPath, Digest, ImageKind, ImageTree, OpenError, StoreLimits};

use super::*;

/// A content library and its watcher.
struct Site {
    folder: tempfile::TempDir,
    ingests: Ingests,
    recorder: Recorder,
    watcher: Watcher,
    types: Option<Arc<PackageTypes>>,
}

impl Site {
    fn new() -> Self {
        Site::with(&[], false)
    }

    /// With packages that the operator wants as images, and with a site that says what packages
    /// are.
    fn with(wanted: &[&str], has_types: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("SCCMContentLib");
        for part in ["PkgLib", "DataLib", "FileLib"] {
            fs::create_dir_all(library.join(part)).unwrap();
        }
        let settings = settings_of(library, wanted);
        let store = Store::open(&folder.path().join("images"), StoreLimits::default()).unwrap();
        let types = has_types.then(|| Arc::new(PackageTypes::open(&store)));
        let watcher = Watcher::new(store, &settings, types.clone());
        Site { folder, ingests: Ingests::default(), recorder: Recorder::new(), watcher, types }
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("SCCMContentLib")
    }

    /// Says which contents a package has; none removes it.
    fn claim(&self, package: &str, contents: &[&str]) {
        let place = self.library().join("PkgLib").join(format!("{package}.INI"));
        if contents.is_empty() {
            return fs::remove_file(place).unwrap();
        }
        fs::write(place, format!("[Packages]\r\n{}\r\n", contents.join("\r\n"))).unwrap();
    }

    /// Puts a file into a content; gives where its bytes are.
    fn put(&self, content: &str, path: &str, bytes: &[u8]) -> PathBuf {
        let hex = Digest::compute(bytes).to_string().to_uppercase();
        let ini = self.library().join("DataLib").join(content).join(format!("{path}.INI"));
        let place = self.library().join("FileLib").join(&hex[..4]).join(&hex);
        for path in [&ini, &place] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        fs::write(ini, format!("[File]\r\nHash={hex}\r\nSize={}\r\n", bytes.len())).unwrap();
        if !place.exists() {
            fs::write(&place, bytes).unwrap();
        }
        place
    }

    /// A NetBoot set as an ordinary package.
    fn put_set(&self, content: &str, name: &str, root: &[u8]) -> PathBuf {
        let list = "<plist version=\"1.0\"><dict><key>Name</key><string>A</string><key>Index</key><integer>5</integer></dict></plist>";
        self.put(content, &format!("{name}.nbi/NBImageInfo.plist"), list.as_bytes());
        self.put(content, &format!("{name}.nbi/NetInstall.dmg"), root)
    }

    /// Looks until nothing new can come of it.
    fn look(&mut self) {
        for _ in 0..3 {
            self.look_once();
        }
    }

    fn look_once(&mut self) {
        self.watcher.look(&Notes { ingests: &self.ingests, recorder: &self.recorder });
    }

    fn work(&self) -> imagestore::library::Work {
        self.watcher.library.as_ref().unwrap().work
    }

    fn images(&self) -> Vec<(String, ImageKind)> {
        self.tree().images().to_vec()
    }

    fn tree(&self) -> ImageTree {
        ImageTree::new(self.watcher.store.clone(), &self.watcher.store.catalogue().unwrap())
    }

    fn text(&self, path: &str) -> Result<String, OpenError> {
        let file = self.tree().open(&BootPath::parse(path.as_bytes()).unwrap())?;
        let mut bytes = Vec::new();
        file.copy_to(&mut bytes).unwrap();
        Ok(String::from_utf8(bytes).unwrap())
    }

    /// The line of `image sources` for a content.
    fn state(&self, content: &str) -> String {
        let outcomes = outcomes(&self.watcher.store);
        let outcome = &outcomes[content];
        match &outcome.detail {
            Some(detail) => format!("{}: {detail}", outcome.state()),
            None => outcome.state(),
        }
    }
}

/// A store that is filled from a library.
fn settings_of(library: PathBuf, wanted: &[&str]) -> settings::Store {
    settings::Store {
        folder: None,
        limits: StoreLimits::default(),
        drop_folder: None,
        content_library: Some(library),
        content_library_drives: Vec::new(),
        content_library_images: wanted.iter().map(|name| (*name).to_owned()).collect(),
        watch: Duration::ZERO,
        scrub: Duration::ZERO,
        remote: None,
    }
}

/// Bytes that this process has written so far.
#[cfg(target_os = "linux")]
fn written() -> u64 {
    let text = fs::read_to_string("/proc/self/io").unwrap();
    text.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn hundreds_of_ordinary_packages_cost_one_listing_and_one_write() {
    let mut site = Site::new();
    for n in 0..300 {
        let id = format!("PS1{n:05}.1");
        for file in 0..8 {
            site.put(&id, &format!("below/{file}.exe"), b"the same program");
        }
        site.claim(&id[..8], &[&id]);
    }
    site.put_set("PS200001.1", "Sierra", b"root");
    site.claim("PS200001", &["PS200001.1"]);
    let before = written();
    site.look_once();
    let (first, sources) = (site.work(), site.watcher.store.root().join("sources.json"));
    assert_eq!(first.read, 301, "PkgLib's files, and none of DataLib");
    site.look_once();
    assert_eq!(site.work().read, 2, "the files of the set");
    let bytes = fs::metadata(&sources).unwrap().len();
    assert!(bytes < 301 * 120, "{bytes}");
    // The set's own records, and the list of sources once.
    let spent = written() - before;
    assert!(spent < bytes + 120_000, "{spent} bytes written for a list of {bytes}");

    let (before, stamp) = (written(), fs::metadata(&sources).unwrap().modified().unwrap());
    for _ in 0..20 {
        site.look_once();
        let work = site.work();
        assert_eq!(work.read, 0);
        assert!(work.looked_at <= 2100, "{work:?}");
    }
    assert_eq!((written(), fs::metadata(&sources).unwrap().modified().unwrap()), (before, stamp));

    // A restart reads PkgLib, and takes the rest from the list.
    let settings = settings_of(site.library(), &[]);
    site.watcher = Watcher::new(site.watcher.store.clone(), &settings, None);
    site.look_once();
    assert_eq!(site.work().read, 301);
    assert!(site.work().looked_at <= 2100, "{:?}", site.work());
    let known = outcomes(&site.watcher.store);
    assert_eq!(known.values().filter(|outcome| outcome.ordinary).count(), 300);
    assert_eq!(site.images(), [("Sierra".to_owned(), ImageKind::Nbi)]);
}

#[test]
fn a_change_deep_in_an_ordinary_package_is_found_in_the_end() {
    let mut site = Site::new();
    for n in 0..120 {
        let id = format!("PS1{n:05}.1");
        for file in 0..20 {
            site.put(&id, &format!("{file}.exe"), b"the same program");
        }
        site.claim(&id[..8], &[&id]);
    }
    site.look();
    assert_eq!(site.images(), []);
    site.put("PS100090.1", "Tools.iso", b"an iso");
    for _ in 0..8 {
        site.look_once();
    }
    assert_eq!(site.images(), [("PS100090".to_owned(), ImageKind::Raw)]);
    assert_eq!(site.text("PS100090/Tools.iso").unwrap(), "an iso");
}

#[test]
fn a_replaced_package_gives_way_when_the_new_version_is_whole() {
    let mut site = Site::new();
    site.put_set("PS100005.9", "Sierra", b"the ninth");
    site.claim("PS100005", &["PS100005.9"]);
    site.look();
    assert_eq!(site.text("Sierra/NetInstall.dmg").unwrap(), "the ninth");
    let ninth = site.watcher.store.catalogue().unwrap().images["Sierra"].current;

    let root = site.put_set("PS100005.10", "Sierra", b"the tenth");
    fs::remove_file(&root).unwrap();
    site.claim("PS100005", &["PS100005.10", "PS100005.9"]);
    site.look();
    assert_eq!(site.text("Sierra/NetInstall.dmg").unwrap(), "the ninth", "the tenth is not all here");
    let state = site.state("PS100005.10");
    assert!(
        state.starts_with("refused: incomplete, on its way here or being removed by the site"),
        "{state}"
    );

    fs::write(&root, "the tenth").unwrap();
    site.look();
    assert_eq!(site.text("Sierra/NetInstall.dmg").unwrap(), "the tenth");
    let held = BootPath::parse(b"Sierra/NetInstall.dmg").unwrap();
    let (file, version) = site.tree().open_version(&held, Some(ninth)).unwrap();
    assert_eq!((file.len(), version), (9, ninth), "a machine that runs from the ninth goes on with it");

    // The next version is another set: the old image is retired, and both are readable.
    site.put_set("PS100005.11", "High Sierra", b"the eleventh");
    site.claim("PS100005", &["PS100005.11"]);
    site.look();
    assert_eq!(site.images(), [("High Sierra".to_owned(), ImageKind::Nbi)]);
    assert_eq!(site.text("Sierra/NetInstall.dmg").unwrap(), "the tenth");
    let retired = site.watcher.store.catalogue().unwrap().images["Sierra"].retired.clone().unwrap();
    assert_eq!(retired.why, "replaced by PS100005.11");
}

#[test]
fn a_removed_package_is_retired_at_the_next_look_and_comes_back_when_it_is_distributed_again() {
    let mut site = Site::new();
    let root = site.put_set("PS100005.1", "Sierra", b"root");
    site.claim("PS100005", &["PS100005.1"]);
    site.look();
    assert_eq!(site.state("PS100005.1"), "image Sierra");
    site.claim("PS100005", &[]);
    site.look_once();
    assert_eq!(site.images(), []);
    assert_eq!(site.state("PS100005.1"), "withdrawn: withdrawn: removed by the site");
    assert_eq!(site.text("Sierra/NetInstall.dmg").unwrap(), "root", "for the machines that run from it");
    let bytes = fs::read(&root).unwrap();
    fs::remove_file(&root).unwrap();
    let gone = site.text("Sierra/NetInstall.dmg").unwrap_err();
    assert_eq!(gone.to_string(), "withdrawn: removed by the site");
    site.look();
    fs::write(&root, bytes).unwrap();
    site.claim("PS100005", &["PS100005.1"]);
    site.look();
    assert_eq!(site.images(), [("Sierra".to_owned(), ImageKind::Nbi)]);
    assert_eq!(site.state("PS100005.1"), "image Sierra");
    site.claim("PS100005", &[]);
    site.look();
    site.put_set("PS100005.2", "Sierra", b"another root");
    site.claim("PS100005", &["PS100005.2"]);
    site.look();
    assert_eq!(site.state("PS100005.2"), "image Sierra");
    assert!(!outcomes(&site.watcher.store).contains_key("PS100005.1"));
}

#[test]
fn half_removed_content_is_withdrawn_and_not_damaged() {
    let remove: [fn(&Site, &Path); 3] = [
        |_, root| fs::remove_file(root).unwrap(),
        |site, _| {
            fs::remove_file(site.library().join("DataLib/PS100005.1/Sierra.nbi/NetInstall.dmg.INI")).unwrap();
        },
        |site, _| fs::remove_dir_all(site.library().join("DataLib/PS100005.1")).unwrap(),
    ];
    for remove in remove {
        let mut site = Site::new();
        let root = site.put_set("PS100005.1", "Sierra", b"root");
        site.claim("PS100005", &["PS100005.1"]);
        site.look();
        assert_eq!(site.images().len(), 1);
        remove(&site, &root);
        site.look();
        assert_eq!(site.images(), []);
        let state = site.state("PS100005.1");
        assert!(state.starts_with("withdrawn: withdrawn: removed by the site: "), "{state}");
        site.put_set("PS100005.1", "Sierra", b"root");
        site.look();
        assert_eq!(site.images().len(), 1, "the site distributes it again");
        site.claim("PS100005", &[]);
        site.look();
        assert_eq!(site.images(), []);
    }
}

#[test]
fn the_site_says_what_a_package_is_and_a_site_that_is_down_keeps_its_word() {
    let mut site = Site::with(&["PS100007"], true);
    let source = site.folder.path().join("source");
    for file in ["Boot/EFI/bootmgfw.efi", "System32/winpeshl.exe"] {
        fs::create_dir_all(source.join("Windows").join(file).parent().unwrap()).unwrap();
        fs::write(source.join("Windows").join(file), file).unwrap();
    }
    common::reader();
    let wim = site.folder.path().join("boot.wim");
    let made = Command::new("wimlib-imagex").arg("capture").arg(&source).arg(&wim).output().unwrap();
    assert!(made.status.success());
    for (package, name) in [("PS100005", "boot.wim"), ("PS100006", "capture.wim"), ("PS100007", "rescue.wim")]
    {
        site.put(&format!("{package}.1"), name, &fs::read(&wim).unwrap());
        site.claim(package, &[&format!("{package}.1")]);
    }
    site.look();
    let image = |name: &str, kind| (name.to_owned(), kind);
    assert_eq!(site.images(), [image("rescue", ImageKind::WinPe)], "the site was not asked yet");
    let types = site.types.clone().unwrap();
    types.set(Some(Types::from([("PS100005".into(), 258), ("PS100006".into(), 257)])));
    site.look();
    let expected = [
        image("PS100006", ImageKind::Raw),
        image("boot", ImageKind::WinPe),
        image("rescue", ImageKind::WinPe),
    ];
    assert_eq!(site.images(), expected);
    types.set(None);
    site.look();
    assert_eq!(site.images(), expected);
    // The operator changes what it is: the image goes, and its file stays.
    types.set(Some(Types::from([("PS100005".into(), 257), ("PS100006".into(), 257)])));
    site.look();
    let files = ["PS100005", "PS100006"].map(|name| image(name, ImageKind::Raw));
    assert_eq!(site.images(), [&files[..], &[image("rescue", ImageKind::WinPe)]].concat());
}

/// The size of a large distribution point; what a look costs is printed.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "makes 200,000 files"]
#[allow(clippy::print_stderr)] // its result
fn five_thousand_packages_with_two_hundred_thousand_files() {
    let mut site = Site::new();
    for n in 0..5000 {
        let id = format!("PS1{n:05}.1");
        let folder = site.library().join("DataLib").join(&id);
        fs::create_dir_all(&folder).unwrap();
        for file in 0..40 {
            fs::write(folder.join(format!("{file}.exe.INI")), "[File]\r\nHash=00\r\nSize=1\r\n").unwrap();
        }
        site.claim(&id[..8], &[&id]);
    }
    let spent = || {
        let text = fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    for look in 0..3 {
        let (before, bytes) = (spent(), written());
        site.look_once();
        eprintln!("look {look}: {} ms, {} bytes written", (spent() - before) * 10, written() - bytes);
    }
    let (before, bytes) = (spent(), written());
    for _ in 0..100 {
        site.look_once();
    }
    eprintln!("a look: {:.1} ms, {} bytes written", (spent() - before) as f64 / 10.0, written() - bytes);
}
