//! The cost of the single steps of every packet: parsing, deciding, writing.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

use bench::devices::{mac, services};
use bsdp::{BootImageId, ImageKind, ListEntry, SubOption, option43};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use netbootd_dhcp::Iface;
use netbootd_dhcp::option43::PxeOptions;
use netbootd_dhcp::v4::option::MessageType;
use netbootd_dhcp::v4::reply::ReplyBuilder;
use netbootd_dhcp::v4::{Arrival, intake};
use netbootd_server::explain::request;
use pxe_policy::{ArchType, Class};
use tftp::{Input, Mode, Packet, RequestOptions, Send, Sender, ServerLimits, negotiate};

fn dhcp(criterion: &mut Criterion) {
    let bytes = bench::dora::discover(1, Ipv4Addr::new(10, 77, 0, 50));
    criterion.bench_function("DHCP: parse a DISCOVER", |bench| {
        bench.iter(|| netbootd_dhcp::v4::Packet::parse(black_box(&bytes)));
    });
    let packet = netbootd_dhcp::v4::Packet::parse(&bytes).expect("firmware sends it");
    let server = Ipv4Addr::new(10, 77, 0, 1);
    let addrs = vec!["10.77.0.1/16".parse().expect("a network")];
    let iface = Iface { name: "lan0".into(), index: 1, mac: None, addrs, addrs6: Vec::new() };
    let arrival = Arrival::new(&iface, server, SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 50), 67));
    criterion.bench_function("DHCP: the boot request in it", |bench| {
        bench.iter(|| intake::boot_request(black_box(&packet), &arrival));
    });
    criterion.bench_function("DHCP: write an OFFER", |bench| {
        bench.iter(|| {
            let reply = ReplyBuilder::new(black_box(&packet), MessageType::Offer, server);
            let reply = reply.give(Ipv4Addr::new(10, 77, 4, 1)).next_server(server);
            reply.boot_file("boot/x64/wdsmgfw.efi", false).option(51, &[0, 0, 14, 16]).finish()
        });
    });
    let options = PxeOptions::boot_at_once().emit().expect("it fits");
    criterion.bench_function("PXE: parse and write option 43", |bench| {
        bench.iter(|| PxeOptions::parse(black_box(&options)).map(|options| options.emit()));
    });
}

fn bsdp_lists(criterion: &mut Criterion) {
    let entry = |index| {
        let id = BootImageId { install: true, kind: ImageKind::MAC_OS_X, reserved: 0, index };
        ListEntry::new(id, &format!("Installer {index}"))
    };
    let entries: Vec<ListEntry> = (0..12).map(entry).collect();
    let bytes: Vec<u8> = entries.iter().flat_map(ListEntry::emit).collect();
    criterion.bench_function("BSDP: write a list of 12 images", |bench| {
        bench.iter(|| black_box(&entries).iter().flat_map(ListEntry::emit).collect::<Vec<u8>>());
    });
    criterion.bench_function("BSDP: parse a list of 12 images", |bench| {
        bench.iter(|| ListEntry::parse_all(black_box(&bytes)));
    });
    let values = option43::emit(&[SubOption::BootImageList(entries)]).expect("it fits");
    criterion.bench_function("BSDP: parse and write option 43", |bench| {
        bench.iter(|| {
            let values = black_box(&values).iter().map(Vec::as_slice);
            option43::parse(values).map(|options| option43::emit(&options))
        });
    });
}

fn policy(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let services = services(folder.path(), 10_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let request = request(mac(5000), None, ArchType::X64_UEFI, Class::Pxe);
    let answers = runtime.block_on(services.consult(&request));
    criterion.bench_function("policy: ask 10 000 devices", |bench| {
        bench.iter(|| runtime.block_on(services.consult(black_box(&request))));
    });
    criterion.bench_function("policy: decide", |bench| {
        bench.iter(|| services.judge(black_box(&request), &answers));
    });
}

fn tftp_transfers(criterion: &mut Criterion) {
    let asked = RequestOptions::asking(Some(1428), Some(64), None, true);
    let bytes = Packet::read_request(b"boot/x64/boot.wim", Mode::Octet, &asked).expect("it fits");
    criterion.bench_function("TFTP: parse a read request", |bench| {
        bench.iter(|| Packet::parse(black_box(&bytes)).is_ok());
    });
    let payload = [7; 1428];
    criterion.bench_function("TFTP: write a DATA", |bench| {
        bench.iter(|| Packet::Data { block: 1, payload: black_box(&payload) }.emit());
    });
    let limits = ServerLimits { max_block_size: 1468, max_window_size: 64, variable_window: true };
    let now = Instant::now();
    let mut group = criterion.benchmark_group("TFTP: a sender through 100 MB");
    group.throughput(Throughput::Bytes(SIZE));
    for window in [1, 16, 64] {
        let asked = RequestOptions::asking(Some(1428), Some(window), None, true);
        group.bench_function(format!("window {window}"), |bench| {
            bench.iter(|| {
                let (mut sender, _) = Sender::new(negotiate(&asked, &limits, SIZE), SIZE, now);
                let mut block = 0;
                loop {
                    let step = sender.handle(now, Input::Packet(&Packet::Ack { block, next_window: None }));
                    let Some(Send::Blocks { first, count }) = step.send else { break };
                    for block in first..first + u64::from(count) {
                        black_box((Packet::data_header(block as u16), sender.offset_of(block)));
                    }
                    block = (first + u64::from(count) - 1) as u16;
                }
            });
        });
    }
}

criterion_group!(steps, dhcp, bsdp_lists, policy, tftp_transfers);
criterion_main!(steps);

const SIZE: u64 = 100_000_000;
