use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use pxe_policy::ArchType;

use super::*;
use crate::settings::{Account, ActiveDirectory, Bind, Devices};

fn directories(devices: Option<&Path>, server: SocketAddr, deadline: Duration) -> Directories {
    let active_directory = ActiveDirectory {
        url: format!("ldap://{server}"),
        start_tls: false,
        base: None,
        bind: Bind::Anonymous,
        account: Account::default(),
        ca: None,
    };
    let mut all: Vec<Box<dyn Configured>> = Vec::new();
    all.extend(devices.map(|file| Box::new(Devices(file)) as Box<dyn Configured>));
    all.push(Box::new(&active_directory));
    let settings =
        Settings { all, deadline, cache: Duration::from_secs(60), stale: Duration::from_secs(3600) };
    Directories::open(&settings).unwrap()
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
    let devices = folder.path().join("devices.csv");
    let deadline = Duration::from_millis(50);
    let directories = directories(Some(&devices), silent.local_addr().unwrap(), deadline);
    for _ in 0..3 {
        let answers = directories.ask(&who()).await;
        assert_eq!(answers[0].said.as_ref().unwrap().by_mac[0].name, "kiosk");
        assert_eq!(answers[1].said.as_ref().unwrap_err().kind, TroubleKind::Timeout);
    }
}

#[tokio::test]
async fn a_directory_that_refuses_is_left_alone_after_some_failures() {
    // Bound and given back: nobody listens there.
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directories = directories(None, addr, Duration::from_secs(3));
    let mut kinds = Vec::new();
    for n in 0..5 {
        let who = Identity { mac: MacAddr([2, 0, 0, 0, 0, n]), ..who() };
        kinds.push(directories.ask(&who).await[0].said.as_ref().unwrap_err().kind);
    }
    let (refused, resting) = (TroubleKind::Unreachable, TroubleKind::Resting);
    assert_eq!(kinds, [refused, refused, refused, resting, resting]);
    assert_eq!(directories.forget(MacAddr([9; 6])), 0);
}
