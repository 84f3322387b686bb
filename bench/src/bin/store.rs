//! The image store beside `cp`, `sha256sum` and `wimlib-imagex extract`.
#![allow(clippy::print_stdout)] // it prints a table

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use bench::{in_turns, run};
use imagestore::ingest::{Import, import};
use imagestore::{FileEntry, ImageKind, Manifest, Quiet, Store, StoreLimits, Version};

const ROUNDS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let place = folder.path();
    println!("| what | beside | ratio | wanted |\n| --- | --- | --- | --- |");
    folder_ingest(place);
    wim_unpack(place);
    second_ingest(place);
    large_wim(place);
    catalogue();
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// 300 MiB that compress by about a half, and 2,000 small files.
fn data(place: &Path) -> PathBuf {
    let data = place.join("data/Set.nbi");
    fs::create_dir_all(data.join("small")).expect("the folder can be written");
    let mut state = 1_u32;
    let mut piece = |length: usize| {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.extend(state.to_be_bytes());
            bytes.extend(b"same");
        }
        bytes
    };
    let mut large = File::create(data.join("NetInstall.dmg")).expect("the folder can be written");
    for _ in 0..300 {
        large.write_all(&piece(1 << 20)).expect("the disk has room");
    }
    for n in 0..2000 {
        fs::write(data.join(format!("small/{n}")), piece(4096)).expect("the disk has room");
    }
    fs::write(data.join("NBImageInfo.plist"), "<plist/>").expect("the disk has room");
    data
}

fn import_all(store: &Path, source: &Path) {
    let store = Store::open(store, StoreLimits::default()).expect("the store opens");
    import(&store, source, Import::default(), &mut Quiet).expect("the image is taken in");
}

/// A place that nothing was at before: removing what a round left is no part of the next one's
/// time.
fn fresh(place: &Path, name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    place.join(format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
}

/// Makes room for what comes next.
fn sweep(place: &Path) {
    for entry in fs::read_dir(place).expect("the folder can be listed").flatten() {
        let name = entry.file_name();
        if ["store-", "copy-"].iter().any(|start| name.to_string_lossy().starts_with(start)) {
            fs::remove_dir_all(entry.path()).expect("our own folder can be removed");
        }
    }
}

fn folder_ingest(place: &Path) {
    let data = data(place);
    let [ours, cp, sum] = in_turns(
        ROUNDS,
        [
            &mut || import_all(&fresh(place, "store"), &data),
            &mut || {
                let copy = fresh(place, "copy");
                run(
                    "sh",
                    &["-c", &format!("cp -r {} {} && sync -f {}", text(&data), text(&copy), text(place))],
                );
            },
            &mut || run("sh", &["-c", &format!("find {} -type f | xargs sha256sum", text(&data))]),
        ],
    );
    sweep(place);
    let slower = cp.median().max(sum.median());
    println!(
        "| folder ingest, 300 MiB and 2,000 small files | the slower of cp with sync and sha256sum | {:.2} | 0.8 |",
        slower / ours.median()
    );
}

fn wim_unpack(place: &Path) {
    for form in ["LZX", "XPRESS"] {
        let wim = place.join(format!("{form}.wim"));
        run(
            "wimlib-imagex",
            &["capture", &text(&place.join("data")), &text(&wim), &format!("--compress={form}")],
        );
        let [ours, wimlib] = in_turns(
            ROUNDS,
            [&mut || import_all(&fresh(place, "store"), &wim), &mut || {
                let out = fresh(place, "copy");
                let extract = format!("wimlib-imagex extract {} 1 --dest-dir={}", text(&wim), text(&out));
                run("sh", &["-c", &format!("{extract} && sync -f {}", text(place))]);
            }],
        );
        sweep(place);
        println!(
            "| {form} WIM with a NetBoot set, unpacked into the store | wimlib-imagex extract with sync | {:.2} | 1.0 |",
            wimlib.median() / ours.median()
        );
    }
}

fn second_ingest(place: &Path) {
    let (store, data) = (fresh(place, "store"), place.join("data/Set.nbi"));
    import_all(&store, &data);
    let opened = Store::open(&store, StoreLimits::default()).expect("the store opens");
    let stamps = |store: &Store| -> BTreeMap<_, _> {
        let blobs = store.blobs().expect("the blobs can be listed");
        blobs
            .into_iter()
            .map(|(digest, _)| (digest, store.blob(&digest).expect("it is there").modified()))
            .collect()
    };
    let before = stamps(&opened);
    import_all(&store, &data);
    let written = stamps(&opened).iter().filter(|(digest, at)| before.get(digest) != Some(at)).count();
    println!("| second ingest of the same folder | — | {written} blobs written | 0 |");
}

/// Five gigabytes, most of them zeros: it is the length that counts here.
fn large_wim(place: &Path) {
    let large = place.join("large/Set.nbi");
    fs::create_dir_all(&large).expect("the folder can be written");
    let root = File::create(large.join("NetInstall.dmg")).expect("the folder can be written");
    root.set_len(5 << 30).expect("the file can be sparse");
    fs::write(large.join("NBImageInfo.plist"), "<plist/>").expect("the disk has room");
    let wim = place.join("large.wim");
    run("wimlib-imagex", &["capture", &text(&place.join("large")), &text(&wim), "--compress=XPRESS"]);
    import_all(&fresh(place, "store"), &wim);
    let own = peak("self");
    println!(
        "| peak memory for a WIM of 5 GB | — | {own} MB, the children's {} MB | 200 MB |",
        children_peak()
    );
}

fn peak(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}

/// The peak memory of the largest child in MiB, as the system accounts for it.
fn children_peak() -> u64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN);
    usage.map_or(0, |usage| usage.max_rss() as u64 / 1024)
}

/// 10,000 images, in memory so that making them does not take minutes of syncing.
fn catalogue() {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder can be made");
    let store = Store::open(folder.path(), StoreLimits::default()).expect("the store opens");
    for n in 0..10_000 {
        let mut writer = store.write().expect("nobody else writes");
        let (digest, size) =
            writer.put(Path::new("a"), &mut format!("{n}").as_bytes(), &mut Quiet).expect("there is room");
        let manifest =
            Manifest { kind: ImageKind::Raw, files: vec![FileEntry::whole("a", digest, size)], boot: None };
        let version = Version {
            manifest: manifest.digest(),
            kind: manifest.kind,
            files: 1,
            size,
            labels: BTreeMap::new(),
            source: "bench".into(),
            at: 0,
            about: None,
        };
        writer.commit(&format!("image-{n}"), &manifest, version, &mut Quiet).expect("there is room");
    }
    let started = Instant::now();
    let images = store.catalogue().expect("the catalogue opens").images.len();
    println!(
        "| a catalogue of {images} images opens | — | {:.0} ms | 100 ms |",
        started.elapsed().as_secs_f64() * 1e3
    );
}
