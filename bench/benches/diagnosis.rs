//! The cost of the diagnosis beside the boot itself: the same boot over loopback with its steps
//! diagnosed and without, and the steps alone.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use criterion::{Criterion, criterion_group, criterion_main};
use netbootd_diagnosis::step::{
    Answered, Decided, FileRefused, LeaseTaken, Negotiated, Proto, Refusal, Step, TransferFinished,
    TransferId, TransferOutcome, TransferStarted,
};
use netbootd_diagnosis::{Configuration, Fleet, Machine, Patience, diagnose, observe};
use pxe_policy::{ArchType, Class, MacAddr, Reason};
use tftp::{Input, Packet, RequestOptions, Send, Sender, ServerLimits, negotiate};

fn boots(criterion: &mut Criterion) {
    let mut site = Site::new();
    criterion.bench_function("a boot of 1 MB over loopback, without diagnosis", |bench| {
        bench.iter(|| transfer(&site.server, &site.client));
    });
    criterion.bench_function("a boot of 1 MB over loopback, with diagnosis", |bench| {
        bench.iter(|| {
            transfer(&site.server, &site.client);
            site.follow();
        });
    });
    criterion.bench_function("the steps of one boot, followed", |bench| bench.iter(|| site.follow()));
    criterion.bench_function("a script of a menu, read", |bench| {
        let script = format!(
            "#!ipxe\n{}",
            "kernel http://10.0.0.1/vmlinuz quiet || goto failed\ninitrd x\n".repeat(10)
        );
        bench.iter(|| black_box(Configuration::parse(script.as_bytes())));
    });
    criterion.bench_function("a look at one machine", |bench| {
        bench.iter(|| {
            let (mac, machine) = &site.machines[0];
            black_box(diagnose(*mac, machine, &site.fleet, Patience::default(), site.now))
        });
    });
}

struct Site {
    server: UdpSocket,
    client: UdpSocket,
    fleet: Fleet,
    machines: Vec<(MacAddr, Machine)>,
    next: usize,
    now: SystemTime,
}

impl Site {
    fn new() -> Self {
        let socket = || UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        let (server, client) = (socket(), socket());
        server.connect(client.local_addr().expect("it is bound")).expect("loopback is there");
        client.connect(server.local_addr().expect("it is bound")).expect("loopback is there");
        let machines =
            (0..=u8::MAX).map(|n| (MacAddr([2, 0, 0, 0, 0, n]), Machine::default())).collect::<Vec<_>>();
        Site { server, client, fleet: Fleet::new(), machines, next: 0, now: SystemTime::UNIX_EPOCH }
    }

    /// The steps of one boot, each time of another machine.
    fn follow(&mut self) {
        self.next = (self.next + 1) % self.machines.len();
        let (mac, machine) = &mut self.machines[self.next];
        let mac = *mac;
        let decided = |proto, decision, reason| Decided {
            mac: Some(mac),
            arch: Some(ArchType::X64_UEFI),
            class: Some(Class::Pxe),
            decision,
            boot_file: Some("boot.efi".into()),
            ..Decided::ignored(proto, "lan0", PEER, reason)
        };
        let offer = decided(Proto::Proxy, Answered::Offer, Reason::Rule);
        let taken = Some(LeaseTaken { address: None, server: Ipv4Addr::new(10, 77, 0, 2) });
        let request = Decided { taken, ..decided(Proto::Proxy, Answered::Ignore, Reason::OtherServer) };
        let ack = decided(Proto::Pxe, Answered::Ack, Reason::Rule);
        let missed = FileRefused {
            proto: Proto::Tftp,
            peer: PEER,
            mac: Some(mac),
            path: "grub/grub.cfg-01-02-00".into(),
            refusal: Refusal::NotFound,
            detail: None,
        };
        let files = ["boot.efi", "grub/grub.cfg", "vmlinuz", "initrd.img"].map(file);
        let decisions = [Step::Decided(&offer), Step::Decided(&request), Step::Decided(&ack)];
        let transfers = files.iter().flat_map(|(started, finished)| {
            let progress = Step::TransferProgress { id: started.id, bytes: SIZE / 2 };
            [Step::TransferStarted(started), progress, Step::TransferFinished(finished)]
        });
        for step in decisions.into_iter().chain([Step::FileRefused(&missed)]).chain(transfers) {
            self.now += Duration::from_millis(10);
            // As the daemon does: findings are looked at before and after each step.
            black_box(observe(mac, self.now, step, machine, &mut self.fleet, Patience::default()));
        }
    }
}

fn file(path: &str) -> (TransferStarted, TransferFinished) {
    let id = TransferId(1);
    let started = TransferStarted {
        id,
        proto: Proto::Tftp,
        peer: PEER,
        mac: None,
        path: path.into(),
        size: Some(SIZE),
        negotiated: Negotiated::Options(vec![("blksize", 1468), ("windowsize", 4)]),
        block_size: Some(1468),
        program: None,
        partial: false,
        substitute: None,
        proved: true,
        configuration: None,
    };
    let finished = TransferFinished {
        id,
        proto: Proto::Tftp,
        peer: PEER,
        mac: None,
        path: path.into(),
        partial: false,
        outcome: TransferOutcome::Completed,
        bytes: SIZE,
        blocks: SIZE / 1468,
        resends: 0,
        proved: true,
        elapsed: Duration::from_millis(300),
        detail: None,
        program: None,
    };
    (started, finished)
}

/// A file of 1 MB from one socket to the other, as firmware fetches it.
fn transfer(server: &UdpSocket, client: &UdpSocket) {
    let limits = ServerLimits { max_block_size: 1468, max_window_size: 64, variable_window: true };
    let asked = RequestOptions::asking(Some(1468), Some(4), None, true);
    let now = Instant::now();
    let (mut sender, _) = Sender::new(negotiate(&asked, &limits, SIZE), SIZE, now);
    let (payload, mut received) = ([7; 1468], [0; 2048]);
    let mut acknowledged = 0_u16;
    loop {
        let ack = Packet::Ack { block: acknowledged, next_window: None };
        client.send(&ack.emit().expect("it fits")).expect("loopback takes it");
        let length = server.recv(&mut received).expect("loopback gives it");
        let packet = Packet::parse(&received[..length]).expect("it was just written");
        let Some(Send::Blocks { first, count }) = sender.handle(now, Input::Packet(&packet)).send else {
            return;
        };
        for block in first..first + u64::from(count) {
            let (_, length) = sender.offset_of(block);
            let data = Packet::Data { block: block as u16, payload: &payload[..usize::from(length)] };
            server.send(&data.emit().expect("it fits")).expect("loopback takes it");
            client.recv(&mut received).expect("loopback gives it");
        }
        acknowledged = (first + u64::from(count) - 1) as u16;
    }
}

criterion_group!(all, boots);
criterion_main!(all);

const SIZE: u64 = 1_000_000;
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 77, 0, 50)), 2070);
