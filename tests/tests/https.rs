//! HTTPS on the boot port: curl and UEFI firmware against the running daemon.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use netbootd_tests::certificate::ServerCertificate;
use netbootd_tests::netbootd::{ADDRESSES, program};
use netbootd_tests::{Authority, DhcpServer, Lab, Machine, Netbootd, findings, loaders, payload, wait};

const NAMES: &str = "DNS:boot.nb.test,IP:10.77.0.1";
const RULE: &str = r#"
[[rule]]
name = "https"
match = { class = "http" }
action.boot = { file = "grub-http.efi", https = true }
"#;

struct Site {
    lab: Lab,
    authority: Authority,
    netbootd: Netbootd,
}

impl Site {
    /// netbootd with these certificates, and a host `pc` beside it.
    fn start(certificates: &[&str], configuration: &str) -> Self {
        Self::start_with(certificates, configuration, |_| ())
    }

    fn start_with(certificates: &[&str], configuration: &str, put: impl FnOnce(&Path)) -> Self {
        Self::start_named("10.77.0.1", certificates, configuration, put)
    }

    fn start_named(name: &str, certificates: &[&str], configuration: &str, put: impl FnOnce(&Path)) -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        lab.add_host("pc");
        lab.plug("pc", "eth0", "br0", "10.77.0.50/24");
        lab.name_hosts("pc", &["10.77.0.1 boot.nb.test"]);
        put(&root);
        let authority = Authority::new_rsa(&lab.folder(), "tls");
        let tables: String =
            certificates.iter().map(|kind| table(&sign(&authority, kind, kind, 90))).collect();
        let text = format!("[https]\nname = \"{name}\"\n{tables}{configuration}");
        let netbootd = Netbootd::start(&lab, &root, &text);
        Site { lab, authority, netbootd }
    }

    fn curl(&self, words: &[&str]) -> Output {
        let authority = self.authority.certificate().display().to_string();
        let common = ["curl", "-sS", "--max-time", "20", "--cacert", &authority];
        self.lab.run("pc", &[&common[..], words].concat())
    }

    fn reload(&self) {
        let config = self.lab.folder().join("netbootd.toml").display().to_string();
        let output = self.lab.run("server", &[&program(), "reload", "--config", &config]);
        assert!(output.status.success(), "{output:?}");
    }
}

fn sign(authority: &Authority, kind: &str, file: &str, days: i32) -> ServerCertificate {
    match kind {
        "rsa" => authority.sign_rsa(file, NAMES, days),
        _ => authority.sign(file, NAMES, days),
    }
}

fn table(signed: &ServerCertificate) -> String {
    format!(
        "\n[[https.certificate]]\nchain = \"{}\"\nkey = \"{}\"\n",
        signed.certificate.display(),
        signed.key.display()
    )
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn curl_gets_files_over_both_versions_of_tls_and_the_certificate_that_it_can_verify() {
    let site = Site::start_with(&["rsa", "ecdsa"], "", |root| {
        fs::write(root.join("big.bin"), (0..3_000_000_u32).map(|at| (at % 251) as u8).collect::<Vec<_>>())
            .unwrap();
        fs::write(root.join("small.txt"), "small").unwrap();
    });
    let expected = fs::read(site.netbootd.root().join("big.bin")).unwrap();
    // The kind of the key, as curl tells of the certificate that it was shown.
    let rows: [(&[&str], &str); 5] = [
        (&["--tlsv1.3"], "id-ecPublicKey"),
        (&["--tls-max", "1.2"], "id-ecPublicKey"),
        (&["--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES256-GCM-SHA384"], "rsaEncryption"),
        (&["--tls-max", "1.2", "--ciphers", "DHE-RSA-AES256-GCM-SHA384"], "rsaEncryption"),
        (&["--tls-max", "1.2", "--ciphers", "DHE-RSA-AES128-GCM-SHA256"], "rsaEncryption"),
    ];
    for (options, key) in rows {
        let words = ["-w", "%{certs}", "-o", "got.bin", "https://boot.nb.test/big.bin"];
        let output = site.curl(&[&words[..], options].concat());
        assert!(output.status.success(), "{options:?} {}\n{}", text(&output), site.netbootd.log());
        assert_eq!(fs::read(site.lab.folder().join("got.bin")).unwrap(), expected, "{options:?}");
        let shown = text(&output);
        let first = shown.split("-----END CERTIFICATE-----").next().unwrap();
        assert!(first.contains(&format!("Public Key Algorithm:{key}")), "{options:?} {shown}");
    }
    // Ranges, HEAD, and one connection for all of it.
    let part = site.curl(&["-i", "-r", "1000-1009", "https://10.77.0.1/big.bin"]);
    let answer = String::from_utf8_lossy(&part.stdout).into_owned();
    assert!(answer.starts_with("HTTP/1.1 206") && answer.contains("Content-Range: bytes 1000-1009/3000000"));
    assert!(part.stdout.ends_with(&expected[1000..1010]));
    let head = text(&site.curl(&["-I", "https://10.77.0.1/small.txt"]));
    assert!(head.contains("Content-Length: 5") && head.to_lowercase().contains("etag: "), "{head}");
    let kept = site.curl(&[
        "-v",
        "https://10.77.0.1/small.txt",
        "https://10.77.0.1/big.bin",
        "https://10.77.0.1/small.txt",
        "-o",
        "one",
        "-o",
        "two",
        "-o",
        "three",
    ]);
    assert_eq!(text(&kept).matches("Re-using existing connection").count(), 2, "{}", text(&kept));
    site.netbootd.logged(&["completed", "path=\"/big.bin\"", "bytes=3000000"]);
}

#[test]
fn a_script_leads_on_over_https_to_the_host_that_the_client_asked() {
    let file = "\n[[file]]\npath = \"where.txt\"\ntemplate = \"{{ http_url }} {{ client_addr }}\"\n";
    let site = Site::start(&["rsa"], file);
    for (url, expected) in [
        ("https://boot.nb.test/where.txt", "https://boot.nb.test 10.77.0.50\n"),
        ("https://10.77.0.1/where.txt", "https://10.77.0.1 10.77.0.50\n"),
        ("http://10.77.0.1/where.txt", "http://10.77.0.1 10.77.0.50\n"),
    ] {
        assert_eq!(text(&site.curl(&[url])), expected);
    }
    // A host that no script can hold is not taken from a client.
    let forged = site.curl(&["-H", "Host: x;reboot", "https://10.77.0.1/where.txt"]);
    assert_eq!(text(&forged), "https://10.77.0.1 10.77.0.50\n");
}

#[test]
fn a_renewed_certificate_counts_without_a_restart_and_one_that_does_not_fit_changes_nothing() {
    let site = Site::start_with(&["rsa"], "", |root| {
        fs::write(root.join("big.bin"), vec![7; 8_000_000]).unwrap();
    });
    let serial = || {
        let output = site.curl(&[
            "-w",
            "%{certs}",
            "-o",
            "/dev/null",
            "https://10.77.0.1/netbootd/boot-certificate.der",
        ]);
        let shown = text(&output);
        shown.lines().find_map(|line| line.strip_prefix("Serial Number:")).map(str::to_owned)
    };
    let first = serial().unwrap();
    // A transfer is under way while its certificate goes, and another one takes its place that has
    // expired.
    let authority = site.authority.certificate().display().to_string();
    let mut command = site.lab.command("pc", "curl");
    command.args([
        "-sS",
        "--cacert",
        &authority,
        "--limit-rate",
        "1M",
        "-o",
        "/dev/null",
        "-w",
        "%{size_download}",
    ]);
    let slow = command.arg("https://10.77.0.1/big.bin").stdout(std::process::Stdio::piped()).spawn().unwrap();
    site.netbootd.logged(&["transfer", "path=\"/big.bin\""]);
    let expired = sign(&site.authority, "rsa", "expired", -1);
    let folder = site.lab.folder().join("tls");
    let put = |from: &PathBuf, name: &str| {
        fs::copy(from, folder.join("new")).unwrap();
        fs::rename(folder.join("new"), folder.join(name)).unwrap();
    };
    put(&expired.certificate, "rsa.pem");
    // The key comes later: until then the old pair is shown.
    site.netbootd.logged(&["the boot port keeps its certificates", "does not belong to the certificate"]);
    assert_eq!(serial().as_ref(), Some(&first));
    put(&expired.key, "rsa.key");
    site.netbootd.logged(&["certificates of the boot port reloaded"]);
    site.netbootd.logged(&["a certificate needs care", "boot-https"]);
    let refused = site.curl(&["https://10.77.0.1/big.bin"]);
    assert!(text(&refused).contains("certificate has expired"), "{}", text(&refused));
    let slow = slow.wait_with_output().unwrap();
    assert_eq!(text(&slow), "8000000");
    let renewed = sign(&site.authority, "rsa", "renewed", 60);
    put(&renewed.key, "rsa.key");
    put(&renewed.certificate, "rsa.pem");
    site.reload();
    wait::until(
        Duration::from_secs(10),
        || serial().is_some_and(|serial| serial != first),
        || site.netbootd.log(),
    );
    let days = || {
        let metrics = text(&site.lab.run("server", &["curl", "-s", "http://127.0.0.1:9167/metrics"]));
        let mut gauges = metrics
            .lines()
            .filter(|line| line.starts_with("netbootd_certificate_remaining_days{part=\"boot-https\""));
        gauges.find(|line| line.contains("rsa.pem"))?.rsplit(' ').next()?.parse::<i64>().ok()
    };
    let renewed = || days().is_some_and(|days| (58..=60).contains(&days));
    wait::until(Duration::from_secs(10), renewed, || format!("{:?}\n{}", days(), site.netbootd.log()));
}

#[test]
fn what_is_no_tls_ends_the_connection_and_nothing_else() {
    let site = Site::start(&["rsa"], "");
    let sent: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0x16, 3, 1, 0xff, 0xff],
        &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0],
        b"",
    ];
    for bytes in sent {
        let answered = site.lab.inside("pc", move || {
            let mut stream = TcpStream::connect("10.77.0.1:443").unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
            stream.write_all(bytes).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            // A reset ends it as well.
            let _ = stream.read_to_end(&mut answer);
            answer
        });
        let answer = answered.join().unwrap();
        assert!(!answer.starts_with(b"HTTP") && answer.len() < 64, "{bytes:?}: {answer:?}");
    }
    site.netbootd.logged(&["no TLS", "reason=\"no-tls\""]);
    let output = site.curl(&["-o", "/dev/null", "-w", "%{http_code}", "https://10.77.0.1/none"]);
    assert_eq!(text(&output), "404");
}

#[test]
fn the_authority_is_to_be_had_as_der_by_command_and_over_http() {
    let authority = |lab: &Lab| lab.folder().join("tls/ca.pem").display().to_string();
    let site = Site::start(&["rsa"], "");
    let config = site.lab.folder().join("netbootd.toml");
    let with_authority = fs::read_to_string(&config).unwrap();
    let line = format!("[https]\nauthority = \"{}\"\n", authority(&site.lab));
    fs::write(&config, with_authority.replace("[https]\n", &line)).unwrap();
    site.reload();
    let expected = site.authority.der();
    let by_command =
        Command::new(program()).args(["boot-certificate", "--config"]).arg(&config).output().unwrap();
    assert_eq!(by_command.stdout, expected, "{}", text(&by_command));
    let by_http = site.curl(&["-i", "http://10.77.0.1/netbootd/boot-certificate.der"]).stdout;
    assert!(by_http.ends_with(&expected));
    assert!(String::from_utf8_lossy(&by_http).contains("Content-Type: application/pkix-cert"));
}

#[test]
fn firmware_boots_over_https_with_the_authority_enrolled_and_stays_there() {
    let site = Site::start_with(&["rsa", "ecdsa"], &format!("{ADDRESSES}{RULE}"), |root| {
        loaders::put_grub_that_speaks(root, "grub-http.efi", "OVER-HTTPS");
    });
    let machine = Machine::start_trusting(&site.lab, "br0", &[site.authority.der()]);
    machine.wait_for("OVER-HTTPS");
    site.netbootd.logged(&["class=http", "boot_file=\"https://10.77.0.1/grub-http.efi\""]);
    site.netbootd.logged(&["completed", "path=\"/grub-http.efi\"", machine.mac()]);
    let machine = site.netbootd.status(&site.lab, machine.mac());
    assert!(machine["finding"].is_null(), "{machine:#}");
}

#[test]
fn firmware_resolves_the_name_of_the_certificate_by_the_dns_server_of_its_lease() {
    let addresses = ADDRESSES.replacen(
        "\n\n[[dhcp.subnet]]\nsubnet = \"10.78",
        "\ndns = \"10.77.0.2\"\n\n[[dhcp.subnet]]\nsubnet = \"10.78",
        1,
    );
    let mut site = Site::start_named("boot.nb.test", &["rsa"], &format!("{addresses}{RULE}"), |root| {
        loaders::put_grub_that_speaks(root, "grub-http.efi", "BY-NAME");
    });
    let _dns = DhcpServer::start_dns(&mut site.lab, "boot.nb.test", "10.77.0.1");
    let machine = Machine::start_trusting(&site.lab, "br0", &[site.authority.der()]);
    machine.wait_for("BY-NAME");
    site.netbootd.logged(&["class=http", "boot_file=\"https://boot.nb.test/grub-http.efi\""]);
}

#[test]
fn firmware_that_trusts_another_authority_is_named_with_what_it_did() {
    let impatient = "\n[diagnosis]\npatience = 0.2\n";
    let site = Site::start_with(&["rsa"], &format!("{ADDRESSES}{RULE}{impatient}"), |root| {
        loaders::put_grub_that_speaks(root, "grub-http.efi", "OVER-HTTPS");
    });
    let other = Authority::new_rsa(&site.lab.folder(), "other");
    let machine = Machine::start_trusting(&site.lab, "br0", &[other.der()]);
    let finding = findings::wait_for(&site.lab, &site.netbootd, machine.mac(), "certificate-not-trusted");
    assert!(finding["evidence"].to_string().contains("certificate"), "{finding:#}");
    assert!(finding["cure"].to_string().contains("boot-certificate"), "{finding:#}");
    assert!(!machine.console().contains(payload::MARKER) && !machine.console().contains("OVER-HTTPS"));
}

/// The lines of `check-config` about a table, with the place.
#[test]
fn check_config_names_what_is_wrong_with_certificates() {
    let lab = Lab::new();
    let folder = lab.folder();
    let authority = Authority::new_rsa(&folder, "tls");
    let other = Authority::new_rsa(&folder, "other");
    let (good, second) = (authority.sign_rsa("good", NAMES, 90), authority.sign_rsa("second", NAMES, 90));
    let ecdsa = authority.sign("ecdsa", NAMES, 90);
    let (old, soon) = (authority.sign_rsa("old", NAMES, -3), authority.sign_rsa("soon", NAMES, 10));
    let by_address = authority.sign_rsa("address", "IP:10.77.0.1", 90);
    let nameless = authority.sign_rsa("nameless", "email:a@nb.test", 90);
    let pair = |chain: &ServerCertificate, key: &ServerCertificate| {
        table(&ServerCertificate { certificate: chain.certificate.clone(), key: key.key.clone() })
    };
    let named = "[https]\nname = \"boot.nb.test\"\n";
    let missing = ServerCertificate { certificate: folder.join("none.pem"), key: good.key.clone() };
    let not_pem = ServerCertificate { certificate: good.key.clone(), key: good.key.clone() };
    let rows: Vec<(String, &str)> = vec![
        (format!("{named}{}", table(&good)), ""),
        (named.to_owned(), "[https] needs a certificate"),
        (format!("{named}{}", pair(&good, &second)), "does not belong to the certificate"),
        (format!("{named}{}", table(&missing)), "cannot read"),
        (format!("{named}{}", table(&not_pem)), "no certificate in it"),
        (format!("{named}{}", table(&old)), "expired 3 days ago"),
        (format!("{named}{}", table(&soon)), "expires in"),
        (format!("{named}{}", table(&by_address)), "is not for boot.nb.test"),
        (format!("{named}{}", table(&nameless)), "is for no DNS name"),
        (format!("{named}{}", table(&ecdsa)), "iPXE before 2.0"),
        (format!("{named}{}{}", table(&ecdsa), table(&good)), ""),
        (format!("[https]\nport = 80\n{}", table(&good)), "HTTP has port 80 already"),
        (
            format!("{named}authority = \"{}\"\n{}", other.certificate().display(), table(&good)),
            "did not issue every certificate",
        ),
        (RULE.to_owned(), "https = true needs the table [https]"),
        (format!("[https]\n{}{RULE}", table(&good)), "https = true needs https.name"),
        (format!("{named}{}{ADDRESSES}{RULE}", table(&good)), "get no DNS server that knows boot.nb.test"),
    ];
    for (configuration, expected) in rows {
        let file = folder.join("check.toml");
        let (boot, state) = (folder.join("boot"), folder.join("state"));
        fs::create_dir_all(&boot).unwrap();
        fs::write(boot.join("grub-http.efi"), "x").unwrap();
        let head =
            format!("[server]\nstate-dir = \"{}\"\n[boot]\nroot = \"{}\"\n", state.display(), boot.display());
        fs::write(&file, head + &configuration).unwrap();
        let output = Command::new(program()).arg("check-config").arg(&file).output().unwrap();
        let said = text(&output);
        match expected {
            "" => {
                assert!(!said.contains("https") && !said.contains("certificate"), "{configuration}\n{said}");
            }
            words => assert!(said.contains(words), "{words}: {configuration}\n{said}"),
        }
    }
}
