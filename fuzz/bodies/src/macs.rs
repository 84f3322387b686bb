//! The inputs of Macs, and the property lists of their image folders.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::LazyLock;

use bsdp::{
    Allowed, Answer, Binding, Bindings, BootImage, BootImages, Change, DefaultRule, DhcpMessage,
    DisabledModels, ListEntry, NbiInfo, Place, Reply, Request, Server, SubOption, VendorClass, option43,
    respond,
};
use netbootd_dhcp::v4::option::{self, MessageType};
use netbootd_dhcp::v4::question::request_bytes;
use netbootd_dhcp::v4::{Arrival, Packet, bsdp as in_dhcp};

use crate::dhcp::{LAN, SERVER};
use crate::split::counted;

/// Any packet of a Mac: the first value is its vendor class, the others are its option 43s, each
/// behind a length byte.
pub fn bsdp(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let values = counted(rest);
    let (class, values) = values.split_first().map_or((&[][..], &[][..]), |(first, rest)| (*first, rest));
    let options = option43::parse(values.iter().copied());
    if let Ok(options) = &options {
        let written = option43::emit(options).expect("what fits an option 43 once fits it again");
        assert!(written.iter().all(|value| value.len() <= 255));
        assert_eq!(option43::parse(written.iter().map(Vec::as_slice)).as_ref(), Ok(options));
    }
    for value in values {
        if let Ok(entries) = ListEntry::parse_all(value) {
            let written: Vec<u8> = entries.iter().flat_map(ListEntry::emit).collect();
            assert_eq!(&written, value);
        }
    }
    if let Ok(class) = VendorClass::parse(class)
        && !class.architecture.is_empty()
    {
        assert_eq!(VendorClass::parse(&class.emit()), Ok(class));
    }
    let message = if kind & 1 == 0 { DhcpMessage::Inform } else { DhcpMessage::Discover };
    let request = Request {
        message,
        mac: MAC,
        client_addr: if kind & 2 == 0 { CLIENT } else { Ipv4Addr::UNSPECIFIED },
        sender: CLIENT,
        vendor_class: class.to_vec(),
        vendor_options: values.iter().map(|value| value.to_vec()).collect(),
        max_message_size: (kind & 4 != 0).then_some(u16::from(*kind) << 6),
    };
    let answer = respond(&NETBOOT_SERVER, &request, &IMAGES, &Allowed::ALL, &BINDINGS, 1_000);
    check(&request, &answer);
}

/// A packet of a Mac as it comes on port 67.
pub(crate) fn answer(packet: &Packet, arrival: &Arrival<'_>) {
    let request = in_dhcp::request(packet, arrival);
    let answer = respond(&NETBOOT_SERVER, &request, &IMAGES, &Allowed::ALL, &BINDINGS, 1_000);
    check(&request, &answer);
    let Some(Ok(reply)) = answer.reply.map(|reply| in_dhcp::reply(packet, arrival, &reply)) else { return };
    let read = Packet::parse_reply(&reply.bytes).expect("our own reply reads");
    assert_eq!((read.header.xid(), read.mac()), (packet.header.xid(), packet.mac()));
}

/// Any NBImageInfo.plist, XML or binary: what is accepted can be listed, chosen and booted.
pub fn nbi_info(bytes: &[u8]) {
    let Ok(info) = NbiInfo::parse(bytes) else { return };
    let place = place();
    let resolve = |_: &str| Some(Ipv4Addr::LOCALHOST);
    let Ok(image) = BootImage::check("A.nbi", &info, &place, |path| path != "no", resolve) else { return };
    let architecture = image.booters.first().map_or("i386", |(architecture, _)| architecture).to_owned();
    let class = VendorClass { architecture, model: "iMac14,3".into() }.emit();
    let id = image.id;
    let (images, refused) = BootImages::new(vec![image], DefaultRule::Apple);
    assert!(refused.is_empty(), "one image has no rival");
    let version = SubOption::Version(0x0101);
    let list = [SubOption::MessageType(bsdp::BsdpMessageType::List), version.clone()];
    let select = [
        SubOption::MessageType(bsdp::BsdpMessageType::Select),
        version,
        SubOption::ServerIdentifier(SERVER),
        SubOption::SelectedBootImageId(id),
    ];
    for asked in [&list[..], &select] {
        let request = Request {
            message: DhcpMessage::Inform,
            mac: MAC,
            client_addr: CLIENT,
            sender: CLIENT,
            vendor_class: class.clone(),
            vendor_options: option43::emit(asked).expect("short options"),
            max_message_size: Some(1500),
        };
        let answer = respond(&NETBOOT_SERVER, &request, &images, &Allowed::ALL, &Bindings::default(), 1_000);
        check(&request, &answer);
    }
}

/// The options of an answer are whole, and the reply that carries them reads as it was meant.
fn check(request: &Request, answer: &Answer) {
    let Some(reply) = &answer.reply else { return };
    assert!(reply.vendor_options.iter().all(|value| value.len() <= 255));
    let options = option43::parse(reply.vendor_options.iter().map(Vec::as_slice));
    let options = options.expect("our own options read");
    let listed = options.iter().filter_map(|option| match option {
        SubOption::BootImageList(entries) => Some(entries.len()),
        _ => None,
    });
    let (listed, promised) = (listed.sum::<usize>(), answer.offered.len().saturating_sub(answer.cut));
    assert!(listed == 0 || listed == promised, "{listed} of {promised} images are listed");
    carried(request, reply);
}

fn carried(request: &Request, reply: &Reply) {
    let kind: &[u8] = if request.message == DhcpMessage::Inform { &[8] } else { &[1] };
    let asked = [(option::MESSAGE_TYPE, kind), (option::VENDOR_CLASS, &request.vendor_class)];
    let asked = request_bytes(&HEADER.header, asked);
    let asked = Packet::parse(&asked).expect("our own question reads");
    let arrival = Arrival::new(&LAN, SERVER, SocketAddrV4::new(CLIENT, 68));
    let Ok(written) = in_dhcp::reply(&asked, &arrival, reply) else { return };
    let read = Packet::parse_reply(&written.bytes).expect("our own reply reads");
    assert!(matches!(read.message_type(), MessageType::Offer | MessageType::Ack));
    assert_eq!(read.all(option::VENDOR_OPTIONS).collect::<Vec<_>>(), reply.vendor_options);
    let file = read.file().unwrap_or_default();
    assert_eq!(file, reply.boot_file.as_bytes(), "the booter's path fits its field");
    let root: Vec<u8> = read.all(option::ROOT_PATH).flatten().copied().collect();
    assert_eq!(root, reply.root_path.as_deref().unwrap_or_default().as_bytes());
}

static NETBOOT_SERVER: LazyLock<Server> = LazyLock::new(|| Server {
    addr: SERVER,
    own: Vec::new(),
    name: "netbootd".into(),
    http_port: 80,
    shadow: Some("afp://netboot:netboot@10.77.0.2/NetBootClients".into()),
    base_priority: 3,
    disabled_models: DisabledModels::Obey,
    netboot_1: true,
    binding_lifetime: None,
});

fn place() -> Place {
    let share = "/NetBoot/NetBootSP0".to_owned();
    Place { tftp: share.clone(), http: share, nfs_export: "/srv/NetBootSP0".into() }
}

const MAC: [u8; 6] = [0, 0x16, 0xcb, 1, 2, 3];
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);

/// Enough images that a small reply does not hold them all.
static IMAGES: LazyLock<BootImages> = LazyLock::new(|| {
    let image = |index: u16| {
        let text = format!(
            "<plist><dict><key>Name</key><string>{}</string><key>Index</key><integer>{index}</integer>\
             <key>Type</key><string>HTTP</string><key>BootFile</key><string>booter</string>\
             <key>RootPath</key><string>a.dmg</string><key>SupportsDiskless</key><true/>\
             <key>Architectures</key><array><string>i386</string><string>ppc</string></array></dict></plist>",
            "Image ".repeat(usize::from(index))
        );
        let info = NbiInfo::parse(text.as_bytes()).expect("a property list");
        BootImage::check(&format!("{index}.nbi"), &info, &place(), |_| true, |_| None).expect("an image")
    };
    BootImages::new((1..=12).map(image).collect(), DefaultRule::Apple).0
});

static BINDINGS: LazyLock<Bindings> = LazyLock::new(|| {
    let mut bindings = Bindings::default();
    let image = IMAGES.iter().next().expect("there are some").id;
    bindings.apply(Change::Bind(Binding { mac: MAC, image, number: 1, model: "iMac14,3".into(), at: 0 }));
    bindings
});

/// The header of a Mac's question.
static HEADER: LazyLock<Packet> = LazyLock::new(|| {
    let mut bytes = vec![0; 236];
    bytes[..3].copy_from_slice(&[1, 1, 6]);
    bytes[12..16].copy_from_slice(&CLIENT.octets());
    bytes[28..34].copy_from_slice(&MAC);
    bytes.extend([99, 130, 83, 99, 53, 1, 8, 255]);
    Packet::parse(&bytes).expect("a packet")
});
