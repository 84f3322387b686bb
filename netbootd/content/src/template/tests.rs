use std::net::Ipv4Addr;

use pxe_policy::{ArchType, Class, Match, Reason, Verdict};

use super::*;

struct Files(&'static [(&'static str, &'static str)]);

impl Stored for Files {
    fn exists(&self, path: &str) -> bool {
        self.0.iter().any(|(name, _)| *name == path)
    }

    fn first_line(&self, path: &str) -> String {
        self.0.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned()).unwrap_or_default()
    }

    fn menu(&self, _loader: &str) -> String {
        String::new()
    }
}

fn asker() -> Asker {
    let request = BootRequest {
        mac: MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
        uuid: "00112233-4455-6677-8899-aabbccddeeff".parse().ok(),
        archs: vec![ArchType::X64_UEFI],
        class: Class::Ipxe,
        relay: None,
        segment: Ipv4Addr::new(10, 0, 0, 1).into(),
        iface: "lan0".into(),
        address: None,
        boot_program: false,
        secs: 0,
        item: None,
        tags: Vec::new(),
    };
    let verdict = Verdict {
        decision: Decision::LocalBoot,
        reason: Reason::Rule,
        rule: Some("lab".into()),
        machine: None,
        deployment: None,
        evidence: Vec::new(),
        learned: Vec::new(),
    };
    Asker {
        client: Ipv4Addr::new(10, 0, 0, 9).into(),
        mac: Some(request.mac),
        machine: Some(Arc::new(Machine { request, uuid: None, verdict })),
        server: Ipv4Addr::new(10, 0, 0, 1).into(),
        origin: Origin::http([10, 0, 0, 1].into(), 8080),
        reporting: Reporting::to(&Origin::http([10, 0, 0, 1].into(), 8080), 17),
        answers: None,
    }
}

fn file(path: &str, template: &str) -> GeneratedFile {
    GeneratedFile {
        path: path.into(),
        matches: Match::default(),
        template: template.into(),
        fallback: false,
        content_type: None,
    }
}

fn rendered(template: &str) -> Result<String, String> {
    render(&file("x", template), "x", &asker(), Arc::new(Files(&[]))).map_err(|error| error.to_string())
}

#[test]
fn a_machines_facts_are_at_hand() {
    let template = "{{ mac }} {{ mac_hyphens }} {{ uuid }} {{ uuid_wire }} {{ arch }} {{ class }} {{ client_addr }} {{ http_url }} {{ rule }}";
    assert_eq!(
        rendered(template).unwrap(),
        "52:54:00:12:34:56 52-54-00-12-34-56 00112233-4455-6677-8899-aabbccddeeff 33221100-5544-7766-8899-aabbccddeeff \
         x64-uefi ipxe 10.0.0.9 http://10.0.0.1:8080 lab\n"
    );
}

#[test]
fn what_does_not_exist_or_never_ends_is_an_error() {
    assert!(rendered("{{ nothing }}").is_err());
    assert!(
        rendered("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}").is_err()
    );
    let error = check("{% if %}").unwrap_err();
    assert!(matches!(error, TemplateError::Line { line: 1, .. }), "{error}");
    assert!(error.to_string().starts_with("line 1: "), "{error}");
}

#[test]
fn one_star_stands_for_anything_and_letters_compare_without_case() {
    let table = [
        ("pxelinux.cfg/*", "pxelinux.cfg/01-52", true),
        ("pxelinux.cfg/*", "PXELINUX.CFG/default", true),
        ("pxelinux.cfg/*", "pxelinux.cfg", false),
        ("*.ipxe", "a/b.ipxe", true),
        ("boot.ipxe", "/boot.ipxe", true),
        ("boot.ipxe", "boot.ipxe2", false),
        ("ab*ba", "aba", false),
    ];
    for (pattern, path, fits) in table {
        assert_eq!(path_fits(pattern, path), fits, "{pattern} {path}");
    }
}

#[test]
fn a_file_for_certain_machines_is_not_given_to_unknown_ones() {
    let asker = asker();
    let request = &asker.machine.as_ref().unwrap().request;
    let mut special = file("grub.cfg", "special");
    special.matches.mac = vec![request.mac.into()];
    let files = [special, file("grub.cfg", "general")];
    let found = |request| find(&files, "grub.cfg", request, false).map(|file| file.template.as_str());
    assert_eq!(found(Some(request)), Some("special"));
    assert_eq!(found(None), Some("general"));
}
