use std::path::Path;

use netbootd_config::{Config, Mode};
use proptest::prelude::*;
use pxe_policy::Action;

use super::*;

const EXAMPLE: &str = "\
# The usual file of a class room.
port=0
interface=eth0
dhcp-range=10.20.0.100,10.20.0.199,255.255.255.0,12h
dhcp-option=3,10.20.0.1
dhcp-option=option:dns-server,10.20.0.2,10.20.0.3
dhcp-host=52:54:00:12:34:56,set:known,pc-1,10.20.0.50
dhcp-host=52:54:00:12:34:57,pc-2,10.20.0.51,infinite
dhcp-host=52:54:00:12:34:58,ignore
dhcp-match=set:efi-x86_64,option:client-arch,7
dhcp-match=set:efi-x86_64,option:client-arch,9
dhcp-match=set:ipxe,175 # iPXE sends its own option
dhcp-vendorclass=set:http,HTTPClient:Arch:00016
dhcp-boot=tag:!ipxe,undionly.kpxe
dhcp-boot=tag:!ipxe,tag:efi-x86_64,ipxe.efi
dhcp-boot=tag:ipxe,http://10.20.0.5/boot.ipxe
dhcp-boot=tag:http,http://10.20.0.5/ipxe.efi
pxe-service=tag:!ipxe,ARM64_EFI,\"Boot\",snponly-arm64.efi
pxe-service=x86PC,\"Local\",0
enable-tftp
tftp-root=/srv/tftp
conf-dir=/etc/dnsmasq.d
";

fn parsed(text: &str) -> Config {
    match Config::parse(text, Path::new("test.toml"), Some(Path::new("/"))) {
        Ok((config, _)) => config,
        Err(findings) => panic!("{text}\n{findings}"),
    }
}

#[test]
fn a_usual_file_becomes_a_configuration_that_reads() {
    let text = translate(EXAMPLE, "dnsmasq.conf");
    let config = parsed(&text);
    assert_eq!(
        (config.dhcp.mode, config.server.interfaces.as_slice()),
        (Mode::Server, &["eth0".to_owned()][..])
    );
    let subnet = &config.dhcp.subnets[0];
    assert_eq!(
        (subnet.subnet.to_string(), subnet.router),
        ("10.20.0.0/24".into(), Some([10, 20, 0, 1].into()))
    );
    assert_eq!((subnet.lease_time.as_secs(), subnet.dns.len(), subnet.reservations.len()), (12 * 3600, 2, 1));
    assert!(text.contains("root = \"/srv/tftp\"") && text.contains("banned-macs = [\"52:54:00:12:34:58\"]"));
    let rules: Vec<(String, String)> = config
        .rules
        .0
        .iter()
        .map(|rule| {
            let Action::Boot(boot) = &rule.action else { panic!("{rule:?}") };
            (format!("{:?} {:?}", rule.matches.class, rule.matches.arch), boot.file.join(" "))
        })
        .collect();
    let has = |matches: &str, file: &str| rules.contains(&(matches.to_owned(), file.to_owned()));
    assert!(has("[Pxe] [x64-uefi, ebc]", "ipxe.efi"), "{rules:?}");
    assert!(has("[Pxe] []", "undionly.kpxe"), "{rules:?}");
    assert!(has("[Ipxe] []", "http://10.20.0.5/boot.ipxe"), "{rules:?}");
    assert!(has("[Http] [x64-uefi-http]", "http://10.20.0.5/ipxe.efi"), "{rules:?}");
    assert!(has("[Pxe] [arm64-uefi]", "snponly-arm64.efi"), "{rules:?}");
    assert_eq!(rules.last().unwrap().1, "undionly.kpxe", "the rule without conditions comes last");
    for line in [
        "# line 2: port=0: netbootd serves no DNS",
        "# line 7: dhcp-host=52:54:00:12:34:56,set:known,pc-1,10.20.0.50: no counterpart",
        "# line 19: pxe-service=x86PC,\"Local\",0: no counterpart",
        "# line 22: conf-dir=/etc/dnsmasq.d: translate the files of this line as well",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn a_proxy_stays_a_proxy() {
    let text = translate("dhcp-range=10.20.0.0,proxy\npxe-service=x86PC,\"Boot\",pxelinux\n", "x");
    let config = parsed(&text);
    assert_eq!(config.dhcp.mode, Mode::Proxy);
    assert!(!config.tftp.enabled && text.contains("file = \"pxelinux.0\""), "{text}");
}

proptest! {
    #[test]
    fn any_text_is_translated_to_toml(text in "((dhcp-(range|boot|host|match|option)|pxe-service|tftp-root|interface)=[a-z0-9:,./!\"-]{0,40}\n|.{0,20}\n){0,8}") {
        let translated = translate(&text, "x");
        prop_assert!(translated.parse::<toml::Table>().is_ok(), "{text}\n{translated}");
    }
}
