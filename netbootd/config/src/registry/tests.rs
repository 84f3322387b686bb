use std::path::Path;

use super::super::{Config, Severity};
use super::*;

/// As a distribution point has them: names, kinds and spellings of facts that others published.
fn of_a_distribution_point(ignore_list: &Path) -> Values {
    let text = |text: &str| Value::Text(text.to_owned());
    Values::from([
        (
            (WDS, BANNED_GUIDS),
            Value::Texts(vec![
                "{00000000000000000000000000000000}".to_owned(),
                "03000200-0400-0500-0006-000700080009".to_owned(),
                "nonsense".to_owned(),
                String::new(),
            ]),
        ),
        ((DP, MAC_IGNORE_LIST), text(&ignore_list.display().to_string())),
        ((DP, BLOCK_SIZE), Value::Number(16_384)),
        ((DP, WINDOW_SIZE), Value::Number(8)),
        ((DP, NOT_ON_DHCP_PORT), Value::Number(1)),
        ((DP, LIBRARY), text(r"D:\SCCMContentLib")),
        ((DP, LIBRARY_DRIVES), text(r"D:\,E:\, F:")),
    ])
}

fn read(text: &str, values: &Values) -> (Config, Vec<(Severity, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("netbootd.toml");
    let (config, findings) = Config::parse_beside(text, &place, Some(folder.path()), values).unwrap();
    let found = findings.iter().map(|finding| (finding.severity, finding.message.clone())).collect();
    (config, found)
}

#[test]
fn every_value_is_a_default_and_is_shown_with_its_key_and_name() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("ignored.txt");
    std::fs::write(&list, "01:23:45:67:89:ab\r\n").unwrap();
    let values = of_a_distribution_point(&list);
    assert_eq!(values.len(), READ.len(), "one for each that is read");
    let (config, found) = read("", &values);

    assert_eq!(config.bans.guids.len(), 2);
    assert_eq!(config.bans.macs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["01:23:45:67:89:ab"]);
    assert_eq!((config.winpe.block_size, config.winpe.window_size), (16_384, 8));
    assert_eq!(config.dhcp.ports, Ports::BootServerOnly);
    assert_eq!(config.store.content_library.as_deref(), Some(Path::new(r"D:\SCCMContentLib")));
    assert_eq!(
        config.store.content_library_drives,
        [Path::new(r"E:\SCCMContentLib"), Path::new(r"F:\SCCMContentLib")]
    );

    let notes: Vec<&str> = found
        .iter()
        .filter(|(severity, message)| *severity == Severity::Note && message.contains("is taken from"))
        .map(|(_, message)| message.as_str())
        .collect();
    assert_eq!(notes.len(), READ.len(), "{notes:?}");
    assert!(notes.contains(
        &r"winpe.block-size = 16384 is taken from HKLM\SOFTWARE\Microsoft\SMS\DP, RamDiskTFTPBlockSize"
    ));
    let left_out = r#"HKLM\SYSTEM\CurrentControlSet\Services\WDSServer\Providers\WDSPXE, BannedGuids: "nonsense" is no GUID and is left out"#;
    assert!(found.contains(&(Severity::Warning, left_out.to_owned())), "{found:?}");
}

#[test]
fn what_the_configuration_says_itself_counts() {
    let values = of_a_distribution_point(Path::new(""));
    let text = "[dhcp]\nports = \"both\"\n[winpe]\nblock-size = 1456\n[policy]\nbanned-guids = []\n";
    let (config, found) = read(text, &values);
    assert_eq!((config.dhcp.ports, config.winpe.block_size, config.bans.guids.len()), (Ports::Both, 1456, 0));
    assert_eq!(config.winpe.window_size, 8, "of that the configuration says nothing");
    let own = r#"dhcp.ports is the configuration's own: "4011-only" is not taken from HKLM\SOFTWARE\Microsoft\SMS\DP, DoNotListenOnDhcpPort"#;
    assert!(found.contains(&(Severity::Note, own.to_owned())), "{found:?}");
}

#[test]
fn a_server_that_gives_addresses_keeps_its_port() {
    let values = Values::from([((DP, NOT_ON_DHCP_PORT), Value::Number(1))]);
    let subnet = "[[dhcp.subnet]]\nsubnet = \"10.0.0.0/24\"\npool = \"10.0.0.10-10.0.0.20\"\n";
    let (config, found) = read(&format!("[dhcp]\nmode = \"server\"\n{subnet}"), &values);
    assert_eq!(config.dhcp.ports, Ports::Both);
    assert!(found.iter().any(|(_, message)| message.starts_with("dhcp.mode is not proxy")), "{found:?}");
}

#[test]
fn a_value_that_cannot_be_meant_is_warned_of_and_left() {
    let values = Values::from([
        ((DP, BLOCK_SIZE), Value::Number(100_000)),
        ((DP, WINDOW_SIZE), Value::Number(0)),
        ((DP, MAC_IGNORE_LIST), Value::Number(7)),
        ((DP, NOT_ON_DHCP_PORT), Value::Number(0)),
        ((DP, LIBRARY), Value::Text(String::new())),
    ]);
    let (config, found) = read("", &values);
    let (usual, _) = read("", &Values::new());
    assert_eq!(
        (config.winpe.block_size, config.winpe.window_size),
        (usual.winpe.block_size, usual.winpe.window_size)
    );
    let about_values = found.iter().filter(|(_, message)| message.starts_with("HKLM")).count();
    assert_eq!((about_values, config.dhcp.ports), (3, Ports::Both), "{found:?}");
}
