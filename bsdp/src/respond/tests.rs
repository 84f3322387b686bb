use super::*;
use crate::eligible::NETBOOT_1_MODEL;
use crate::{DefaultRule, ImageKind, Place, RootPath};

const MAC: [u8; 6] = [0, 0x16, 0xcb, 0xa8, 0x39, 0xc1];
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

fn server() -> Server {
    Server {
        addr: OWN,
        own: vec![OWN, Ipv4Addr::new(10, 9, 0, 1)],
        name: "boot".into(),
        http_port: 8080,
        shadow: Some("nfs:10.0.0.1:/shadows".into()),
        base_priority: 32768,
        disabled_models: DisabledModels::Obey,
        netboot_1: true,
        binding_lifetime: Some(100),
    }
}

fn image(index: u16) -> BootImage {
    BootImage {
        folder: format!("{index} é.nbi"),
        place: Place { tftp: "/NetBoot/SP0".into(), http: "/NetBoot/SP0".into(), nfs_export: "/srv".into() },
        id: BootImageId { install: true, kind: ImageKind::MAC_OS_X, index, reserved: 0 },
        name: format!("image {index}"),
        kind: BootImageType::Http,
        root: RootPath::File("root.dmg".into()),
        booters: vec![("i386".into(), "i386/booter".into())],
        enabled: true,
        default: false,
        diskless: false,
        filter_only: false,
        enabled_models: Vec::new(),
        disabled_models: Vec::new(),
        enabled_macs: None,
        disabled_macs: Vec::new(),
        load_balance_server: None,
    }
}

fn asks(options: &[SubOption]) -> Request {
    Request {
        message: DhcpMessage::Inform,
        mac: MAC,
        client_addr: CLIENT,
        sender: CLIENT,
        vendor_class: b"AAPLBSDPC/i386/MacBookPro9,1".to_vec(),
        vendor_options: option43::emit(&[&[SubOption::Version(0x0101)], options].concat()).unwrap(),
        max_message_size: None,
    }
}

fn list() -> Request {
    asks(&[SubOption::MessageType(BsdpMessageType::List)])
}

fn select(server: Ipv4Addr, index: u16) -> Request {
    asks(&[
        SubOption::MessageType(BsdpMessageType::Select),
        SubOption::ServerIdentifier(server),
        SubOption::SelectedBootImageId(image(index).id),
    ])
}

fn images(read: Vec<BootImage>) -> BootImages {
    BootImages::new(read, DefaultRule::ModelFirst).0
}

fn bound(index: u16, at: u64) -> Bindings {
    let mut bindings = Bindings::default();
    let binding = Binding { mac: MAC, image: image(index).id, number: 7, model: "MacBookPro9,1".into(), at };
    bindings.apply(Change::Bind(binding));
    bindings
}

#[test]
fn a_choice_may_name_any_own_address_and_keeps_the_macs_number() {
    let images = images(vec![image(1), image(2)]);
    let answer =
        respond(&server(), &select(Ipv4Addr::new(10, 9, 0, 1), 2), &images, &Allowed::ALL, &bound(1, 0), 50);
    let Some(Change::Bind(binding)) = &answer.change else { panic!("{answer:?}") };
    assert_eq!((binding.image.index, binding.number, binding.at), (2, 7, 50));
    let reply = answer.reply.unwrap();
    assert_eq!(reply.root_path.as_deref(), Some("http://10.0.0.1:8080/NetBoot/SP0/2%20%C3%A9.nbi/root.dmg"));
    assert_eq!(reply.boot_file, "/NetBoot/SP0/2 é.nbi/i386/booter");
}

#[test]
fn an_image_for_diskless_macs_comes_with_a_place_for_the_shadow() {
    let images = images(vec![BootImage { diskless: true, ..image(1) }]);
    let reply =
        respond(&server(), &select(OWN, 1), &images, &Allowed::ALL, &Bindings::default(), 0).reply.unwrap();
    let options = option43::parse(reply.vendor_options.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(
        options[2..],
        [
            SubOption::ShadowMountPath(b"nfs:10.0.0.1:/shadows".to_vec()),
            SubOption::ShadowFilePath(b"NetBoot001/Shadow".to_vec()),
            SubOption::MachineName(b"NetBoot001".to_vec()),
        ]
    );
}

#[test]
fn an_image_that_is_not_for_the_mac_is_refused_aloud() {
    let only_others = BootImage { disabled_models: vec!["MacBookPro9,1".into()], ..image(1) };
    let images = images(vec![only_others, image(2)]);
    let answer = respond(&server(), &select(OWN, 1), &images, &Allowed::ALL, &Bindings::default(), 0);
    assert_eq!((answer.reason, answer.change.as_ref()), (Reason::ImageNotForThisMac, None));
    assert_eq!(answer.reply.unwrap().kind, ReplyKind::Failed);
    let answer = respond(&server(), &list(), &images, &Allowed::ALL, &Bindings::default(), 0);
    assert_eq!(answer.left_out, [("1 é.nbi".to_owned(), LeftOut::ModelDisabled)]);
    assert_eq!(answer.offered, [image(2).id]);
}

fn only(ids: &[u16], default: Option<u16>) -> Allowed {
    let id = |index: &u16| image(*index).id;
    Allowed::Images { only: Some(ids.iter().map(id).collect()), default: default.as_ref().map(id) }
}

#[test]
fn a_mac_gets_no_image_that_the_operator_does_not_allow() {
    let images = images(vec![BootImage { default: true, ..image(1) }, image(2), image(3)]);
    let ask = |request: &Request, allowed: &Allowed, bindings: &Bindings| {
        respond(&server(), request, &images, allowed, bindings, 0)
    };
    let none = Bindings::default();
    let indices = |answer: &Answer| answer.offered.iter().map(|id| id.index).collect::<Vec<_>>();

    let listed = ask(&list(), &only(&[2, 3], Some(3)), &none);
    assert_eq!((indices(&listed), listed.reason), (vec![3, 2], Reason::List), "the default goes first");
    assert_eq!(listed.left_out, [("1 é.nbi".to_owned(), LeftOut::NotAllowed)]);
    let all = Allowed::Images { only: None, default: Some(image(2).id) };
    assert_eq!(indices(&ask(&list(), &all, &none)), [2, 1, 3]);
    let gone = Allowed::Images { only: None, default: Some(image(9).id) };
    assert_eq!(indices(&ask(&list(), &gone, &none)), [1, 2, 3]);

    let chosen = ask(&select(OWN, 2), &only(&[2], None), &none);
    assert_eq!(chosen.reason, Reason::Selected);
    let refused = ask(&select(OWN, 1), &only(&[2], None), &none);
    assert_eq!((refused.reason, refused.change), (Reason::ImageNotAllowed, None));
    assert_eq!(refused.reply.unwrap().kind, ReplyKind::Failed);

    let discover = Request { message: DhcpMessage::Discover, ..list() };
    let offer = ask(&discover, &only(&[2], None), &bound(1, 0));
    assert_eq!((offer.reason, offer.reply), (Reason::BoundImageGone, None), "what it chose before is over");
    assert_eq!(ask(&list(), &Allowed::NONE, &none).reply, None);
    assert_eq!(ask(&select(OWN, 1), &Allowed::NONE, &none).reply.unwrap().kind, ReplyKind::Failed);
}

#[test]
fn a_mac_that_is_not_answered_still_moves_to_another_server() {
    let images = images(vec![image(1)]);
    let ask = |request: &Request| respond(&server(), request, &images, &Allowed::Silence, &bound(1, 0), 0);
    for request in [list(), select(OWN, 1), Request { message: DhcpMessage::Discover, ..list() }] {
        let answer = ask(&request);
        assert_eq!((answer.reply, answer.change, answer.reason), (None, None, Reason::NotAllowed));
    }
    let elsewhere = ask(&select(Ipv4Addr::new(10, 0, 0, 2), 1));
    assert_eq!((elsewhere.reply, elsewhere.change), (None, Some(Change::Unbind(MAC))));
}

#[test]
fn a_choice_is_forgotten_after_its_time() {
    let images = images(vec![image(1)]);
    let discover = Request { message: DhcpMessage::Discover, ..list() };
    let offer = respond(&server(), &discover, &images, &Allowed::ALL, &bound(1, 0), 100);
    assert_eq!((offer.reason, offer.reply.map(|reply| reply.kind)), (Reason::Bound, Some(ReplyKind::Offer)));
    assert_eq!(
        respond(&server(), &discover, &images, &Allowed::ALL, &bound(1, 0), 101).reason,
        Reason::NotBound
    );
    assert_eq!(
        respond(&server(), &discover, &images, &Allowed::ALL, &bound(9, 0), 0).reason,
        Reason::BoundImageGone
    );
}

#[test]
fn the_default_for_a_model_goes_before_the_general_one_unless_apples_way_is_set() {
    let general = BootImage { default: true, ..image(1) };
    let own = BootImage { default: true, enabled_models: vec!["MacBookPro9,1".into()], ..image(2) };
    let read = vec![general, own, image(3)];
    for (rule, expected) in [(DefaultRule::ModelFirst, [2, 1, 3]), (DefaultRule::Apple, [1, 2, 3])] {
        let (images, refused) = BootImages::new(read.clone(), rule);
        let offered = respond(&server(), &list(), &images, &Allowed::ALL, &Bindings::default(), 0).offered;
        assert_eq!(offered.iter().map(|id| id.index).collect::<Vec<_>>(), expected);
        assert_eq!(refused, []);
    }
}

#[test]
fn of_two_images_with_one_id_the_first_stays() {
    let twin = BootImage { folder: "twin.nbi".into(), ..image(1) };
    let (images, refused) = BootImages::new(vec![image(1), twin.clone()], DefaultRule::Apple);
    assert_eq!((images.len(), images.iter().next()), (1, Some(&image(1))));
    let problem = crate::Problem::DuplicateId { id: image(1).id, other: "1 é.nbi".into() };
    assert_eq!(refused, [(twin, problem)]);
}

#[test]
fn an_answer_goes_to_the_sender_when_ciaddr_is_empty_and_nowhere_without_either() {
    let images = images(vec![image(1)]);
    let empty = Request { client_addr: Ipv4Addr::UNSPECIFIED, ..list() };
    let reply = respond(&server(), &empty, &images, &Allowed::ALL, &Bindings::default(), 0).reply.unwrap();
    assert_eq!(reply.to, Some(SocketAddrV4::new(CLIENT, 68)));
    let nowhere = Request { sender: Ipv4Addr::UNSPECIFIED, ..empty };
    assert_eq!(
        respond(&server(), &nowhere, &images, &Allowed::ALL, &Bindings::default(), 0).reason,
        Reason::NoAddress
    );
}

#[test]
fn every_silence_has_its_reason() {
    let images = images(vec![image(1)]);
    let kind = SubOption::MessageType(BsdpMessageType::List);
    let of_class = |class: &[u8]| Request { vendor_class: class.to_vec(), ..list() };
    let of_options = |value: &[u8]| Request { vendor_options: vec![value.to_vec()], ..list() };
    let table = [
        (of_class(b"AAPLBSDPC"), Reason::NotBsdp),
        (of_class(b"AAPLBSDPC/i386/MacBookPro15,1"), Reason::CannotNetboot),
        (of_class(b"AAPLBSDPC/arm64/Mac14,2"), Reason::CannotNetboot),
        (of_class(b"AAPLBSDPC/ppc/PowerMac3,1"), Reason::NoImage),
        (of_options(&[1, 1, 1, 2, 9]), Reason::Malformed),
        (of_options(&[1, 1, 1, 2, 2, 2, 0]), Reason::WrongVersion),
        (of_options(&[1, 1, 1]), Reason::WrongVersion),
        (of_options(&[2, 2, 1, 1]), Reason::NotARequest),
        (asks(&[kind.clone(), SubOption::ReplyPort(1024)]), Reason::ReplyPortNotPrivileged),
        (asks(&[kind, SubOption::NetBoot1]), Reason::NoImage),
        (asks(&[SubOption::MessageType(BsdpMessageType::Select)]), Reason::NoServerIdentifier),
        (select(Ipv4Addr::new(10, 0, 0, 2), 1), Reason::OtherServer),
        (Request { message: DhcpMessage::Other, ..list() }, Reason::NotARequest),
        (Request { message: DhcpMessage::Discover, ..list() }, Reason::NotBound),
    ];
    for (request, reason) in table {
        let answer = respond(&server(), &request, &images, &Allowed::ALL, &Bindings::default(), 0);
        assert_eq!((answer.reason, answer.reply), (reason, None), "{request:?}");
    }
}

#[test]
fn firmware_of_1998_gets_images_that_name_it() {
    let old = BootImage { enabled_models: vec![NETBOOT_1_MODEL.into()], ..image(2) };
    let images = images(vec![image(1), old]);
    let asked = asks(&[SubOption::MessageType(BsdpMessageType::List), SubOption::NetBoot1]);
    assert_eq!(
        respond(&server(), &asked, &images, &Allowed::ALL, &Bindings::default(), 0).offered,
        [image(2).id]
    );
    let without = Server { netboot_1: false, ..server() };
    assert_eq!(
        respond(&without, &asked, &images, &Allowed::ALL, &Bindings::default(), 0).reason,
        Reason::NoImage
    );
}

#[test]
fn reasons_have_words_of_their_own() {
    let words: std::collections::BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(words.len(), Reason::ALL.len());
}

proptest::proptest! {
    #[test]
    fn any_packet_is_answered_or_has_its_reason(
        class in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
        values in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60), 0..3),
    ) {
        let images = images(vec![image(1)]);
        let class = [b"AAPLBSDPC/i386/".as_slice(), &class].concat();
        let request = Request { vendor_class: class, vendor_options: values, ..list() };
        let answer = respond(&server(), &request, &images, &Allowed::ALL, &Bindings::default(), 0);
        if let Some(reply) = answer.reply {
            proptest::prop_assert!(reply.vendor_options.iter().all(|value| value.len() <= 255));
        }
    }
}
