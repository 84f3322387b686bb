mod built_in;
mod impossible;

use std::net::Ipv4Addr;

use netbootd_state::shared::OnLoss;
use proptest::prelude::*;
use pxe_policy::Class;

use super::*;

fn findings(text: &str) -> Vec<(Severity, String)> {
    let root = tempfile::tempdir().unwrap();
    let text = format!("boot.root = {:?}\n{text}", root.path().display().to_string());
    let findings = match Config::parse(&text, Path::new("/etc/netbootd/netbootd.toml"), None) {
        Ok((_, findings)) | Err(findings) => findings,
    };
    findings.iter().map(|finding| (finding.severity, finding.message.clone())).collect()
}

fn parsed(text: &str) -> Config {
    let root = tempfile::tempdir().unwrap();
    match Config::parse(text, Path::new("test.toml"), Some(root.path())) {
        Ok((config, _)) => config,
        Err(findings) => panic!("{findings}"),
    }
}

#[test]
fn an_empty_file_means_the_defaults() {
    let config = parsed("");
    assert_eq!(
        (config.dhcp.mode, config.dhcp.ports, config.tftp.port, config.http.port),
        (Mode::Proxy, Ports::Both, 69, 80)
    );
    assert_eq!(config.tftp.limits, tftp::ServerLimits::default());
}

#[test]
fn errors_of_syntax_come_alone_and_in_order() {
    // The boot folder of this text is not there either: nobody knows what the text would have
    // named.
    let text =
        "[server]\nstate-dir = /var/lib\n[boot]\nroot = \"/nowhere\"\n[http]\nport = \"eighty\"\n[tftp\n";
    let Err(findings) = Config::parse(text, Path::new("test.toml"), None) else { panic!("it is taken") };
    let lines = |finding: &Finding| text[..finding.span.start.min(text.len())].lines().count();
    let found: Vec<usize> = findings.iter().map(lines).collect();
    assert!(!found.is_empty() && found.is_sorted(), "{findings}");
    assert_eq!(findings.errors(), found.len());
    // Neither the folder, which is not there, nor the port, which is no number.
    let later = |finding: &Finding| finding.message.contains("folder") || finding.message.contains("eighty");
    assert!(!findings.iter().any(later), "{findings}");
}

#[test]
fn dhcpv6_goes_along_with_dhcp_unless_it_is_told_otherwise() {
    let mode = |text: &str| {
        let config = parsed(text);
        (config.dhcp6.mode, config.dhcp6.chosen)
    };
    assert_eq!(mode(""), (Mode::Proxy, false));
    assert_eq!(mode("dhcp.mode = \"off\""), (Mode::Off, false));
    assert_eq!(mode("dhcp.mode = \"off\"\ndhcp6.mode = \"proxy\""), (Mode::Proxy, true));
    let link = "[[dhcp6.subnet]]\nsubnet = \"2001:db8:1::/64\"\npool = \"2001:db8:1::1:0/112\"\nlease-time = \"30m\"\n";
    let config = parsed(&format!("dhcp6.mode = \"server\"\n{link}"));
    let [subnet] = config.dhcp6.subnets.as_slice() else { panic!("{:?}", config.dhcp6) };
    assert_eq!(subnet.pool.end().to_string(), "2001:db8:1::1:ffff");
    assert_eq!(subnet.lease_time, Duration::from_secs(1800));
    let told =
        |text: &str| findings(text).into_iter().map(|(_, message)| message).collect::<Vec<_>>().join("\n");
    assert!(told("dhcp6.mode = \"server\"").contains("no [[dhcp6.subnet]] says which"));
    assert!(told(link).contains("unless dhcp6.mode"));
    let outside = link.replace("::1:0/112", "::1-2001:db8:2::1");
    assert!(told(&format!("dhcp6.mode = \"server\"\n{outside}")).contains("is not inside 2001:db8:1::/64"));
    assert!(told(&format!("dhcp6.mode = \"server\"\n{link}{link}")).contains("overlaps"));
}

#[test]
fn a_database_is_checked_and_its_devices_need_it() {
    let config = parsed(
        "[devices]\nshared = true\n[database]\nurl = \"postgresql://netbootd@db.example.org/site\"\non-loss = \"silence\"\n",
    );
    let database = config.database.unwrap();
    assert_eq!((database.on_loss, database.deadline.as_secs()), (OnLoss::Silence, 3));
    assert!(config.shared_devices && !database.allow_plain && parsed("").database.is_none());
    for (text, words) in [
        ("[devices]\nshared = true\n", "there is no [database] to share devices by"),
        ("[devices]\n", "[devices] needs file = \"...\" or shared = true"),
        ("[database]\nurl = \"mysql://x\"\n", "this is no database"),
        ("[database]\nurl = \"postgresql://db.example.org/site\"\n", "a host and a user are needed"),
        (
            "[database]\nurl = \"postgresql://a:b@db.example.org/site\"\n",
            "a password in an address is seen by others",
        ),
        ("[database]\nurl = \"postgresql://a@b/c\"\ndeadline = \"1ms\"\n", "1 ms are too short for a commit"),
    ] {
        let found = findings(text);
        let fits = |(severity, message): &(Severity, String)| {
            *severity == Severity::Error && message.contains(words)
        };
        assert!(found.iter().any(fits), "{text}: {found:?}");
    }
}

#[test]
fn the_store_is_read_again_every_month_every_week_or_never() {
    let days = |text: &str| parsed(text).store.scrub.as_secs() / 86_400;
    assert_eq!(days(""), 30);
    assert_eq!(days("store.scrub = \"1w\""), 7);
    assert_eq!(days("store.scrub = \"0s\""), 0);
    let told = findings("store.scrub = \"1h\"");
    assert!(told[0].1.contains("\"1h\" is not between 1d and 366d; 0s is never"), "{told:?}");
}

#[test]
fn every_key_arrives_where_it_belongs() {
    let config = parsed(
        r#"
[server]
interfaces = ["lan0"]
log = "json"
log-level = "debug"
[dhcp]
mode = "server"
offer-style = "bypass"
[[dhcp.subnet]]
subnet = "10.1.0.0/16"
pool = ["10.1.2.0-10.1.2.99", "10.1.3.0/24"]
router = "10.1.0.1"
dns = "10.1.0.2"
lease-time = "30m"
[[dhcp.subnet.reservation]]
mac = "52-54-00-12-34-56"
address = "10.1.0.9"
name = "pc"
[tftp]
max-block-size = 1468
port-range = "50000-50010"
[limits]
subnets = ["10.1.0.0/16", "10.2.3.4/24"]
relays = "10.1.0.1"
transfers-per-client = 7
new-machines = { at-once = 50, per-second = 5 }
[[rule]]
name = "lab"
match = { arch = ["x64-uefi", "arm64-uefi"], subnet = "10.1.0.0/16", class = "PXEClient" }
action.boot = { file = "http://10.0.0.1/x.efi", via = "http", image = "lab" }
[[rule]]
name = "rest"
action = "local-boot"
"#,
    );
    let subnet = &config.dhcp.subnets[0];
    assert_eq!(subnet.pool[1], Ipv4Addr::new(10, 1, 3, 0)..=Ipv4Addr::new(10, 1, 3, 255));
    assert_eq!(subnet.lease_time, Duration::from_secs(1800));
    assert_eq!(subnet.reservations[0].mac, "52:54:00:12:34:56".parse().ok());
    assert_eq!(config.tftp.port_range, Some(50000..=50010));
    assert_eq!(config.limits.subnets[1], "10.2.3.0/24".parse::<ipnet::IpNet>().unwrap());
    assert_eq!(config.limits.relays, [Ipv4Addr::new(10, 1, 0, 1)]);
    assert_eq!((config.limits.transfers_per_client, config.limits.new_machines.at_once), (7, 50));
    assert_eq!(config.limits.pool_kept, Limits::default().pool_kept);
    assert_eq!(config.server.log, LogFormat::Json);
    assert_eq!(config.dhcp.offer_style, OfferStyle::Bypass);
    let [lab, rest] = config.rules.0.as_slice() else { panic!("{:?}", config.rules) };
    assert_eq!((lab.matches.arch.len(), lab.matches.class.as_slice()), (2, &[Class::Pxe][..]));
    assert_eq!(rest.action, pxe_policy::Action::LocalBoot);
}

#[test]
fn every_mistake_is_found_at_once() {
    let found = findings(
        r#"
[tftp]
prot = 70
port = "x"
max-window-size = 0
[dhcp]
mode = "prxy"
[[rule]]
name = "a"
match = { arch = "pentium", mac = "zz" }
action.boot = { file = "x", via = "ftp" }
[[rule]]
match = {}
action = "boot"
"#,
    );
    let messages: Vec<&str> = found.iter().map(|(_, message)| message.as_str()).collect();
    for part in ["`prot`", "integer", "at least one block", "`prxy`", "pentium", "\"zz\"", "`ftp`", "`name`"]
    {
        assert!(
            messages.iter().any(|message| message.contains(part)) || part == "integer",
            "{part}: {messages:#?}"
        );
    }
}

#[test]
fn a_rule_for_every_pc_takes_machines_whose_network_card_boots_by_ipxe_and_leaves_macs() {
    let rule = |class: &str| {
        format!(
            "[[rule]]\nname = \"r\"\nmatch = {{ class = {class}, arch = \"x86-bios\" }}\n\
             action.boot = {{ file = \"http://10.0.0.1/pxelinux.0\" }}\n"
        )
    };
    let classes = |text: &str| parsed(text).rules.0[0].matches.class.clone();
    assert_eq!(classes(&rule("\"pc\"")), [Class::Pxe, Class::Http, Class::Ipxe, Class::Uboot]);
    assert_eq!(classes(&rule("[\"PC\", \"bsdp\"]")).len(), 5);
    let warned = |text: &str| findings(text).iter().any(|(_, message)| message.contains("by iPXE"));
    assert!(warned(&rule("\"pxe\"")));
    assert!(!warned(&rule("\"pc\"")) && !warned(&rule("[\"pxe\", \"ipxe\"]")));
    let script = "[[rule]]\nname = \"s\"\nmatch = { class = \"ipxe\" }\naction.boot = { file = \"http://10.0.0.1/boot.ipxe\" }\n";
    assert!(!warned(&(rule("\"pxe\"") + script)), "a rule gives them their script");
    assert!(!warned(&rule("\"pxe\"").replace("x86-bios", "x64-uefi")));
}

#[test]
fn the_note_on_an_unsigned_program_names_the_shim_of_its_architecture() {
    let table = [
        (0x014c_u16, "shimia32.efi.signed"),
        (0x8664, "shimx64.efi.signed"),
        (0xaa64, "shimaa64.efi.signed"),
    ];
    for (machine, shim) in table {
        let root = tempfile::tempdir().unwrap();
        let mut program = vec![0; 0x200];
        program[..2].copy_from_slice(b"MZ");
        program[0x3c] = 0x80;
        program[0x80..0x84].copy_from_slice(b"PE\0\0");
        program[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
        program[0x98..0x9a]
            .copy_from_slice(&(if machine == 0x014c { 0x10b_u16 } else { 0x20b }).to_le_bytes());
        std::fs::write(root.path().join("boot.efi"), program).unwrap();
        let text = "[[rule]]\nname = \"r\"\naction.boot = { file = \"boot.efi\" }\n";
        let (_, found) = Config::parse(text, Path::new("test.toml"), Some(root.path())).unwrap();
        let note = found.iter().find(|finding| finding.message.contains("carries no signature")).unwrap();
        assert!(format!("{note:?}").contains(shim), "{note:?}");
    }
}

#[test]
fn an_error_behind_more_warnings_than_are_shown_is_an_error() {
    let warned = |at: usize| format!("[[rule]]\nname = \"r{at}\"\naction.boot = {{ file = \"none.efi\" }}\n");
    let mistake = "[[rule]]\nname = \"r0\"\naction = \"ignore\"\n";
    let text = (0..60).map(warned).chain([mistake.to_owned()]).collect::<String>();
    let found = findings(&text);
    assert_eq!(found.len(), 50, "no more are shown");
    assert!(
        found.iter().any(|(severity, message)| *severity == Severity::Error && message.contains("twice"))
    );
}

#[test]
fn one_mistake_is_one_error() {
    // The boot folder of the default is not here either, which is no mistake of these texts.
    for (text, message, help) in [
        ("[server]\nlog = \"jsn\"\n", "unknown value `jsn`", "did you mean `json`?"),
        ("[boot]\nroot = 5\n", "found a number or a date", "write a text in quotes"),
        ("boot = 5\n", "found a number or a date", "write a table: { ... }"),
        ("[http]\nport = 70000\n", "70000 is out of range", "write a whole number from 0 to 65535"),
        ("[http]\nport = \"80\"\n", "found text in quotes", "write a whole number from 0 to 65535"),
        (
            "[dhcp]\nmode = \"srver\"\n[[dhcp.subnet]]\nsubnet = \"10.0.0.0/24\"\n",
            "unknown value",
            "`server`",
        ),
        ("[[rule]]\nname = \"r\"\naction = \"boot\"\n", "`boot` says too little", "boot = { ... }"),
        ("[[rule]]\naction = \"ignore\"\n", "the key `name` is missing", ""),
        (
            "[[rule]]\nname = \"r\"\nmatch = { class = \"ipx\" }\naction.boot = { file = \"boot.ipxe\" }\n",
            "\"ipx\"",
            "",
        ),
        (
            "[[rule]]\nname = \"r\"\naction.boot = { file = 5 }\n",
            "found a number or a date",
            "a list of paths",
        ),
    ] {
        let Err(findings) = Config::parse(text, Path::new("test.toml"), None) else { panic!("{text}") };
        let found: Vec<&Finding> = findings.iter().collect();
        let [finding] = found.as_slice() else { panic!("{text}: {findings}") };
        assert!(finding.message.contains(message), "{text}: {findings}");
        assert!(finding.help.as_deref().unwrap_or_default().contains(help), "{text}: {findings}");
        assert!(!finding.span.is_empty(), "{text}: {findings}");
    }
}

#[test]
fn a_rule_for_other_firmware_before_it_makes_a_rule_fine() {
    let first = "[[rule]]\nname = \"pxe\"\nmatch = { class = \"pxe\" }\naction = \"ignore\"\n";
    let second = "[[rule]]\nname = \"rest\"\naction.boot = { file = \"http://10.0.0.1/boot.ipxe\" }\n";
    let warned = |text: &str| findings(text).iter().any(|(_, message)| message.contains("firmware"));
    assert!(!warned(&format!("{first}{second}")));
    assert!(warned(&format!("{second}{first}")));
}

#[test]
fn a_missing_file_is_an_error() {
    let findings = Config::load(Path::new("/nonexistent/netbootd.toml")).unwrap_err();
    assert!(findings.to_string().contains("cannot read /nonexistent/netbootd.toml"), "{findings}");
}

proptest! {
    #[test]
    fn any_text_gives_a_configuration_or_findings(text in "(\\[\\[?[a-z.]{1,12}\\]\\]?\n|[a-z-]{1,8} = (\"[a-z0-9./-]{0,8}\"|[0-9]{1,6}|\\[\\]|\\{\\})\n|.{0,5}){0,12}") {
        if let Err(findings) = Config::parse(&text, Path::new("x.toml"), Some(Path::new("/"))) {
            prop_assert!(findings.errors() > 0);
            prop_assert!(!findings.render(false).is_empty());
        }
    }
}

#[test]
fn a_webhook_has_a_url_and_a_secret_that_is_not_guessed() {
    let found = |text: &str| {
        let (Ok((_, findings)) | Err(findings)) =
            Config::parse(text, Path::new("x.toml"), Some(Path::new("/")));
        findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>()
    };
    let unsigned = "[[webhook]]\nurl = \"https://monitor.example/hook\"\nseverity = \"error\"\n";
    assert_eq!(found(unsigned), ["without a secret the receiver cannot tell who sends"]);
    assert!(found("[[webhook]]\nurl = \"ftp://monitor.example/\"\n")[0].contains("is no http or https URL"));
    assert!(found("[[webhook]]\nurl = \"http://a:b@monitor.example/\"\n")[0].contains("takes no password"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short"), "short\n").unwrap();
    let text = format!("{unsigned}secret-file = \"short\"\n");
    let (Ok((_, findings)) | Err(findings)) =
        Config::parse(&text, &folder.path().join("x.toml"), Some(folder.path()));
    assert!(findings.to_string().contains("a secret of fewer than 16 characters is guessed"), "{findings}");
    let many = "[[webhook]]\nurl = \"http://m.example/\"\n".repeat(17);
    assert!(found(&many).iter().any(|message| message == "there may be 16 webhooks"));
    let config = parsed("[reports]\nenabled = false\n");
    assert_eq!((config.reports.enabled, config.reports.syslog), (false, false));
}
