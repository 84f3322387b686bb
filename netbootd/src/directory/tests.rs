use std::net::TcpListener;
use std::path::Path;

use super::*;

fn directories(text: &str, folder: &Path) -> Directories {
    let whole = format!("[boot]\nroot = {:?}\n{text}", folder.display().to_string());
    let (config, _) = Config::parse(&whole, &folder.join("test.toml"), None).unwrap();
    Directories::open(&config).unwrap()
}

fn who() -> Identity {
    Identity {
        mac: "52:54:00:12:34:56".parse().unwrap(),
        uuid: None,
        arch: Some(ArchType::X64_UEFI),
        is_mac: false,
    }
}

#[tokio::test]
async fn a_directory_that_hangs_keeps_nobody_longer_than_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("devices.csv"), "name,mac\nkiosk,52:54:00:12:34:56\n").unwrap();
    // It accepts, and says nothing ever.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!(
        "[policy]\ndeadline = \"50ms\"\n[devices]\nfile = \"devices.csv\"\n[active-directory]\nurl = \"ldap://{}\"\nbind = \"anonymous\"\n",
        silent.local_addr().unwrap()
    );
    let directories = directories(&config, folder.path());
    for _ in 0..3 {
        let answers = directories.ask(&who()).await;
        assert_eq!(answers[0].said.as_ref().unwrap().by_mac[0].name, "kiosk");
        assert_eq!(answers[1].said.as_ref().unwrap_err().kind, TroubleKind::Timeout);
    }
}

#[tokio::test]
async fn a_directory_that_refuses_is_left_alone_after_some_failures() {
    let folder = tempfile::tempdir().unwrap();
    // Bound and given back: nobody listens there.
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!("[active-directory]\nurl = \"ldap://{addr}\"\nbind = \"anonymous\"\n");
    let directories = directories(&config, folder.path());
    let mut kinds = Vec::new();
    for n in 0..5 {
        let who = Identity { mac: MacAddr([2, 0, 0, 0, 0, n]), ..who() };
        kinds.push(directories.ask(&who).await[0].said.as_ref().unwrap_err().kind);
    }
    let (refused, resting) = (TroubleKind::Unreachable, TroubleKind::Resting);
    assert_eq!(kinds, [refused, refused, refused, resting, resting]);
    assert_eq!(directories.forget(MacAddr([9; 6])), 0);
}
