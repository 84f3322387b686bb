//! The output of `make release`: the OCI image runs, the SBOM names what is compiled in, and the
//! same input gives the same bytes.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use netbootd_tests::netbootd::{SERVER, program};
use netbootd_tests::process::run;
use netbootd_tests::{Lab, Netbootd, Process};
use serde_json::Value;

fn tool(name: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(root.join("tools").join(name));
    command.current_dir(root).env("SOURCE_DATE_EPOCH", "1700000000");
    command
}

/// Packs the programs that the tests use.
fn image(folder: &Path, name: &str) -> PathBuf {
    let file = folder.join(name);
    let programs = PathBuf::from(program());
    run(tool("oci-image").arg(programs.parent().unwrap()).arg("0.1.0").arg(&file));
    file
}

#[test]
fn the_oci_image_serves_from_its_own_root_file_system_and_is_reproducible() {
    let mut lab = Lab::new();
    Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    let folder = lab.folder();
    let (one, two) = (image(&folder, "one.tar"), image(&folder, "two.tar"));
    run(Command::new("cmp").args([&one, &two]));

    let layout = folder.join("layout");
    let read = |digest: &Value| {
        let digest = digest.as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
        layout.join("blobs/sha256").join(digest)
    };
    let json = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    fs::create_dir_all(&layout).unwrap();
    run(Command::new("tar").arg("-xf").arg(&one).arg("-C").arg(&layout));
    let manifest = json(&read(&json(&layout.join("index.json"))["manifests"][0]["digest"]));
    let config = json(&read(&manifest["config"]["digest"]));
    assert_eq!(config["config"]["Entrypoint"][0], "/usr/bin/netbootd", "{config:#}");

    let tree = folder.join("tree");
    fs::create_dir_all(&tree).unwrap();
    run(Command::new("tar").arg("-xf").arg(read(&manifest["layers"][0]["digest"])).arg("-C").arg(&tree));
    fs::write(tree.join("srv/netboot/ipxe.efi"), "a boot program").unwrap();
    // The host has mounts of its own, and bash becomes netbootd, which ends with the test.
    let mut command = lab.command("server", "bash");
    command.args(["-euc", START, "start"]).arg(&tree);
    let netbootd = Process::start("image", &mut command);
    netbootd.wait_for(" ready ", Duration::from_secs(30));
    let fetched = lab.run("client", &[&program(), "probe", "tftp", SERVER, "ipxe.efi"]);
    assert!(fetched.status.success(), "{}", netbootd.printed());
    let told = lab.run("client", &[&program(), "probe", "pxe", SERVER, "--timeout", "1"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("ipxe.efi"), "{}", netbootd.printed());
}

const START: &str = "mount -t proc proc \"$1/proc\"; exec chroot \"$1\" /usr/bin/netbootd serve";

/// Stand-ins for the programs: `make windows` installs real ones.
#[test]
fn the_installation_package_is_reproducible_and_keeps_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["netbootd.exe", "netbootd-wim.exe"] {
        fs::write(folder.path().join(name), format!("MZ {name}")).unwrap();
    }
    let package = |name: &str| {
        let file = folder.path().join(name);
        run(tool("msi").arg(&file).arg("0.1.0").arg(folder.path()));
        file
    };
    let (one, two) = (package("one.msi"), package("two.msi"));
    run(Command::new("cmp").args([&one, &two]));
    let table = |name: &str| run(Command::new("msiinfo").arg("export").arg(&one).arg(name));
    // Never overwritten (128), kept by removal (16), of 64 bits (256).
    let components = table("Component");
    let configuration = components.lines().find(|line| line.starts_with("Configuration")).unwrap();
    assert_eq!(configuration.split('\t').nth(3), Some("400"), "{components}");
    assert!(table("Property").contains("SERVICEACCOUNT\tNT SERVICE\\netbootd"), "{}", table("Property"));
    // The old version comes back when the installation of the new one fails.
    let sequence = table("InstallExecuteSequence");
    let at = |action: &str| -> u32 {
        let line = sequence.lines().find(|line| line.split('\t').next() == Some(action)).unwrap();
        line.split('\t').nth(2).unwrap().trim().parse().unwrap()
    };
    assert!(at("InstallInitialize") < at("RemoveExistingProducts"), "{sequence}");
    assert!(
        at("InstallServices") < at("Configure") && at("RollbackConfigure") < at("Configure"),
        "{sequence}"
    );
}

#[test]
fn the_sbom_names_the_crates_that_are_compiled_in() {
    let sbom = || -> Value { serde_json::from_str(&run(&mut tool("sbom"))).unwrap() };
    let document = sbom();
    assert_eq!(
        (document["bomFormat"].as_str(), document["specVersion"].as_str()),
        (Some("CycloneDX"), Some("1.5"))
    );
    let components = document["components"].as_array().unwrap();
    let names: Vec<&str> = components.iter().map(|one| one["name"].as_str().unwrap()).collect();
    for name in ["netbootd", "netbootd-wim", "tftp", "tokio", "redb", "rustls"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(!names.contains(&"proptest") && !names.contains(&"netbootd-tests"), "tests are not shipped");
    let tokio = components.iter().find(|one| one["name"] == "tokio").unwrap();
    assert!(tokio["hashes"][0]["content"].as_str().is_some_and(|digest| digest.len() == 64), "{tokio:#}");
    assert_eq!(document, sbom());
}
