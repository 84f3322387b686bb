//! The answers of Apple's own server, replayed: the same images, the same requests in the same
//! order.

use std::net::{Ipv4Addr, SocketAddrV4};

use bsdp::{
    Allowed, Answer, Bindings, BootImage, BootImages, BsdpMessageType, DefaultRule, DhcpMessage,
    DisabledModels, ListEntry, NbiInfo, Place, ReplyKind, Request, Server, SubOption, option43, respond,
};
use plist::{Dictionary, Value as Plist};
use serde_json::Value;

use super::{bytes, vectors};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

#[test]
fn every_scenario_ends_as_with_apples_server() {
    let scenarios = vectors("scenario");
    let mut kinder = Vec::new();
    for scenario in &scenarios {
        let folder_of = |scenario: &Value| match &scenario["nbi"] {
            Value::String(reference) => {
                let name = reference.strip_prefix("as in ").unwrap();
                scenarios.iter().find(|other| other["id"] == name).unwrap()["nbi"].clone()
            }
            own => own.clone(),
        };
        let images = images(&folder_of(scenario));
        let mut bindings = Bindings::default();
        for step in scenario["steps"].as_array().unwrap() {
            let name = format!("{}: {}", scenario["id"].as_str().unwrap(), step["step"].as_str().unwrap());
            let answer = respond(&server(), &request(step), &images, &Allowed::ALL, &bindings, 1_000);
            if let Some(change) = answer.change.clone() {
                bindings.apply(change);
            }
            let apples = &step["reply"];
            match (&answer.reply, apples.is_null()) {
                (None, true) => {}
                (Some(_), false) => check(&answer, apples, scenario, &name),
                (Some(_), true) => kinder.push(name),
                (None, false) => panic!("{name}: silence, {}", answer.reason),
            }
        }
    }
    // The one place where Apple's server is silent and this one answers: see deviations.md.
    assert_eq!(kinder, ["apple-four-images-03: list, ciaddr 0 is refused"]);
}

fn check(answer: &Answer, apples: &Value, scenario: &Value, name: &str) {
    let reply = answer.reply.as_ref().unwrap();
    let text = |key: &str| apples[key].as_str().unwrap();
    assert_eq!(reply.boot_file, text("file"), "{name}");
    assert_eq!(reply.server_name, text("sname"), "{name}");
    if reply.kind != ReplyKind::Offer {
        assert_eq!(reply.to, Some(text("to").parse::<SocketAddrV4>().unwrap()), "{name}");
    }
    // 10.7 leaves siaddr empty in a list; later ones and this one name the server.
    if !matches!(reply.kind, ReplyKind::List | ReplyKind::Failed) {
        assert_eq!(reply.next_server.to_string(), text("siaddr"), "{name}");
    }
    let options = apples["options"].as_array().unwrap();
    let apples43: Vec<Vec<u8>> =
        options.iter().filter(|option| option[0] == 43).map(|option| bytes(&option[1])).collect();
    let apples17 = options
        .iter()
        .find(|option| option[0] == 17)
        .map(|option| String::from_utf8(bytes(&option[1])).unwrap());
    assert_eq!(reply.root_path, apples17, "{name}");

    let read = |values: &[Vec<u8>]| option43::parse(values.iter().map(Vec::as_slice)).unwrap();
    let (ours, theirs) = (read(&reply.vendor_options), read(&apples43));
    let odd = scenario["id"] == "apple-odd-plists";
    if reply.kind == ReplyKind::List {
        // Apple's order of images that are no default is that of the folder on its disk.
        let (mut our_list, their_list) = (entries(&ours), entries(&theirs));
        if odd {
            our_list.retain(|entry| entry.name != b"StrIndex"); // digits in a string: Apple refuses them
        }
        assert_eq!(our_list.len(), their_list.len(), "{name}");
        if answer.cut == 0 {
            for entry in &their_list {
                assert!(our_list.contains(entry), "{name}: {entry:?}");
            }
        }
        let lengths = |values: &[Vec<u8>]| values.iter().map(Vec::len).collect::<Vec<_>>();
        if !odd {
            assert_eq!(lengths(&reply.vendor_options), lengths(&apples43), "{name}");
        }
        let heads = |options: &[SubOption]| {
            options
                .iter()
                .filter(|option| {
                    !matches!(option, SubOption::BootImageList(_) | SubOption::DefaultBootImageId(_))
                })
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(heads(&ours), heads(&theirs), "{name}");
    } else {
        assert_eq!(reply.vendor_options, apples43, "{name}");
    }
}

fn entries(options: &[SubOption]) -> Vec<ListEntry> {
    let lists = options.iter().filter_map(|option| match option {
        SubOption::BootImageList(entries) => Some(entries.clone()),
        _ => None,
    });
    lists.flatten().collect()
}

#[test]
fn the_odd_property_lists_are_taken_and_refused_as_by_apples_server() {
    let scenario =
        vectors("scenario").into_iter().find(|scenario| scenario["id"] == "apple-odd-plists").unwrap();
    let step = &scenario["steps"][0];
    let answer =
        respond(&server(), &request(step), &images(&scenario["nbi"]), &Allowed::ALL, &Bindings::default(), 0);
    let options = option43::parse(answer.reply.unwrap().vendor_options.iter().map(Vec::as_slice)).unwrap();
    let mut ours: Vec<String> =
        entries(&options).into_iter().map(|entry| String::from_utf8(entry.name).unwrap()).collect();
    let apples =
        scenario["expect"]["offered"].as_array().or(scenario["nbi"]["expect"]["offered"].as_array()).unwrap();
    let mut expected: Vec<String> = apples.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    expected.push("StrIndex".into());
    ours.sort();
    expected.sort();
    assert_eq!(ours, expected);
}

fn server() -> Server {
    Server {
        addr: SERVER,
        own: vec![SERVER],
        name: "netboot.example".into(),
        http_port: 80,
        shadow: None,
        base_priority: 32768,
        disabled_models: DisabledModels::Ignore,
        netboot_1: false,
        binding_lifetime: None,
    }
}

fn images(nbi: &Value) -> BootImages {
    let place = Place {
        tftp: "/private/tftpboot/NetBoot/NetBootSP0".into(),
        http: "/NetBoot/NetBootSP0".into(),
        nfs_export: "/Library/NetBoot/NetBootSP0".into(),
    };
    let mut read = Vec::new();
    for (folder, content) in nbi.as_object().unwrap() {
        if !folder.ends_with(bsdp::nbi::SUFFIX) {
            continue;
        }
        let mut list = Vec::new();
        plist(&content["plist"]).to_writer_xml(&mut list).unwrap();
        let info = NbiInfo::parse(&list).unwrap();
        let exists = |path: &str| content["files"].as_array().unwrap().iter().any(|file| file == path);
        read.extend(BootImage::check(folder, &info, &place, exists, |_| None).ok());
    }
    BootImages::new(read, DefaultRule::Apple).0
}

fn plist(value: &Value) -> Plist {
    match value {
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => number.as_i64().unwrap().into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => Plist::Array(values.iter().map(plist).collect()),
        Value::Object(values) => Plist::Dictionary(Dictionary::from_iter(
            values.iter().map(|(key, value)| (key.clone(), plist(value))),
        )),
        Value::Null => panic!("no null in a property list"),
    }
}

/// The request that netbootd's guard parses from these bytes.
fn request(step: &Value) -> Request {
    let packet = bytes(&step["request"]);
    let addr = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
    let mut request = Request {
        message: DhcpMessage::Other,
        mac: packet[28..34].try_into().unwrap(),
        client_addr: addr(12),
        sender: Ipv4Addr::new(10, 77, 0, 2),
        vendor_class: Vec::new(),
        vendor_options: Vec::new(),
        max_message_size: None,
    };
    let mut rest = &packet[240..];
    while let [code, length, after @ ..] = rest
        && *code != 255
    {
        let (value, after) = after.split_at(usize::from(*length));
        match code {
            53 => {
                request.message = match value[0] {
                    1 => DhcpMessage::Discover,
                    8 => DhcpMessage::Inform,
                    _ => DhcpMessage::Other,
                }
            }
            57 => request.max_message_size = Some(u16::from_be_bytes(value.try_into().unwrap())),
            60 => request.vendor_class = value.to_vec(),
            43 => request.vendor_options.push(value.to_vec()),
            _ => {}
        }
        rest = after;
    }
    request
}

#[test]
fn any_message_type_from_a_client_is_answered_or_has_its_reason() {
    for kind in 0..=255_u8 {
        let request = Request {
            message: DhcpMessage::Inform,
            mac: [2; 6],
            client_addr: Ipv4Addr::new(10, 77, 0, 2),
            sender: Ipv4Addr::UNSPECIFIED,
            vendor_class: b"AAPLBSDPC/i386/iMac14,3".to_vec(),
            vendor_options: vec![vec![1, 1, kind, 2, 2, 1, 1]],
            max_message_size: None,
        };
        let answer =
            respond(&server(), &request, &BootImages::default(), &Allowed::ALL, &Bindings::default(), 0);
        assert!(answer.reply.is_none());
        let expected = match BsdpMessageType::from_wire(kind) {
            Some(BsdpMessageType::List) => bsdp::Reason::NoImage,
            Some(BsdpMessageType::Select) => bsdp::Reason::NoServerIdentifier,
            _ => bsdp::Reason::NotARequest,
        };
        assert_eq!(answer.reason, expected);
    }
}
