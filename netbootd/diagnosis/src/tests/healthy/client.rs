//! One machine that boots well, with its dice.

use bsdp::BsdpMessageType;

use super::super::*;
use crate::step::{MacAnswered, Negotiated, TransferDetail};

/// A machine that is switched on.
pub(super) struct Client<'a> {
    pub(super) site: &'a mut Site,
    seed: u64,
    dice: u64,
    /// Whether another server gives the addresses.
    pub(super) proxied: bool,
    /// Whether it asks over IPv6.
    pub(super) over_ipv6: bool,
    /// The TFTP options that its firmware negotiates.
    negotiated: &'static [(&'static str, u64)],
    /// The files that its present configuration names.
    configuration: Option<Arc<Configuration>>,
    /// Transfers that it asked for and left alone: they time out later.
    abandoned: Vec<(SystemTime, TransferId, String)>,
}

impl<'a> Client<'a> {
    /// Another machine, some time after the last one.
    pub(super) fn switch_on(site: &'a mut Site, seed: u64) -> Self {
        site.on(u8::try_from(seed % 250).unwrap());
        site.arch = ArchType::X64_UEFI;
        let mut client = Client {
            site,
            seed,
            dice: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d,
            proxied: false,
            over_ipv6: false,
            negotiated: &[("blksize", 1468), ("windowsize", 4)],
            configuration: None,
            abandoned: Vec::new(),
        };
        client.proxied = client.happens(0.5);
        let pause = client.between(1.0, 2000.0);
        client.site.now += Duration::from_secs_f64(pause);
        client
    }

    fn roll(&mut self) -> u64 {
        // splitmix64
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * (self.roll() % 10_000) as f64 / 10_000.0
    }

    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.between(0.0, 1.0) < probability
    }

    /// Nothing is to be found now.
    fn look(&mut self) {
        let found = self.site.diagnosis();
        assert!(found.finding.is_none(), "seed {}: {found:#?}\n{:#?}", self.seed, self.site.machines);
    }

    /// Time passes, and transfers without an answer time out meanwhile.
    pub(super) fn pause(&mut self, least: f64, most: f64) {
        let until = self.site.now + Duration::from_secs_f64(self.between(least, most));
        while self.site.now < until {
            self.site.now += Duration::from_millis(500).min(until.duration_since(self.site.now).unwrap());
            self.time_out();
            self.look();
        }
    }

    fn time_out(&mut self) {
        let now = self.site.now;
        let over = self.abandoned.iter().position(|(at, ..)| *at <= now);
        if let Some((_, id, path)) = over.map(|place| self.abandoned.remove(place)) {
            let finished = self.finished(id, &path, TransferOutcome::TimedOut, 0, Duration::from_secs(5));
            self.site.step(Step::TransferFinished(&TransferFinished { proved: false, ..finished }));
        }
    }

    /// A packet, which the network may deliver twice.
    fn packet(&mut self, step: Step<'_>) {
        self.site.step(step);
        self.look();
        if self.happens(0.1) {
            self.site.step(step);
            self.look();
        }
    }

    /// DISCOVERs until one is answered, with what another server says; gives the address's server.
    pub(super) fn discover(&mut self, class: Class, file: Option<&str>) {
        let times = 1 + self.roll() % 3;
        for time in 0..times {
            let reason = if file.is_some() { Reason::Rule } else { Reason::NoRule };
            let decided = self.site.decided(self.proto(), Some(class), Answered::Offer, reason);
            let (boot_file, address) = (file.map(Into::into), self.address());
            self.packet(Step::Decided(&Decided { boot_file, address, ..decided }));
            if self.proxied && !self.over_ipv6 && (time > 0 || self.happens(0.8)) {
                self.foreign(false);
            }
            self.pause(0.5, 4.0);
        }
    }

    fn proto(&self) -> Proto {
        match (self.over_ipv6, self.proxied) {
            (true, _) => Proto::Dhcp6,
            (false, true) => Proto::Proxy,
            (false, false) => Proto::Dhcp,
        }
    }

    /// The IPv6 address that this server gives, where it gives them.
    fn address(&self) -> Option<IpAddr> {
        (self.over_ipv6 && !self.proxied).then(|| "fd77::1000".parse().unwrap())
    }

    /// Many DHCP servers put their own address into siaddr.
    fn foreign(&mut self, is_ack: bool) {
        let next_server = self.happens(0.5).then_some("10.77.0.2");
        self.site.other(None, next_server, is_ack);
        self.look();
    }

    /// The machine takes an address, from this server or from another one.
    pub(super) fn request(&mut self, class: Class, file: Option<&str>) {
        if self.proxied && self.over_ipv6 {
            let decided = self.site.decided(Proto::Dhcp6, Some(class), Answered::Ignore, Reason::OtherServer);
            self.packet(Step::Decided(&decided));
        } else if self.proxied {
            let decided = self.site.decided(Proto::Proxy, Some(class), Answered::Ignore, Reason::OtherServer);
            let taken = Some(LeaseTaken { address: Some(Ipv4Addr::new(10, 77, 25, 15)), server: ROUTER });
            self.packet(Step::Decided(&Decided { taken, ..decided }));
            if self.happens(0.5) {
                self.foreign(true);
            }
        } else {
            let reason = if file.is_some() { Reason::Rule } else { Reason::NoRule };
            let decided = self.site.decided(self.proto(), Some(class), Answered::Ack, reason);
            let (boot_file, address) = (file.map(Into::into), self.address());
            self.packet(Step::Decided(&Decided { boot_file, address, ..decided }));
        }
        self.pause(0.05, 3.0);
    }

    /// The question to port 4011, perhaps twice.
    pub(super) fn boot_server(&mut self, file: &str) {
        let times = 1 + self.roll() % 2;
        for _ in 0..times {
            let proto = if self.over_ipv6 { Proto::Dhcp6 } else { Proto::Pxe };
            let named = self.site.decided(proto, Some(Class::Pxe), Answered::Ack, Reason::Rule);
            self.packet(Step::Decided(&Decided { boot_file: Some(file.into()), ..named }));
            self.pause(0.05, 2.0);
        }
    }

    /// Firmware up to its boot file.
    pub(super) fn firmware(&mut self, file: &str) {
        self.discover(Class::Pxe, Some(file));
        self.request(Class::Pxe, Some(file));
        if self.proxied {
            self.boot_server(file);
        }
    }

    pub(super) fn negotiates(&mut self, options: &'static [(&'static str, u64)]) {
        self.negotiated = options;
    }

    fn start(&mut self, path: &str, proto: Proto, program: Option<Program>, size: u64) -> TransferId {
        self.site.transfers += 1;
        let id = TransferId(self.site.transfers);
        let started = TransferStarted {
            id,
            proto,
            peer: PEER,
            mac: Some(self.site.mac),
            path: path.into(),
            size: Some(size),
            negotiated: match proto {
                Proto::Tftp => Negotiated::Options(self.negotiated.to_vec()),
                _ => Negotiated::default(),
            },
            block_size: (proto == Proto::Tftp).then_some(1468),
            program,
            partial: false,
            substitute: None,
            proved: true,
            configuration: self.configuration.clone(),
        };
        self.site.step(Step::TransferStarted(&started));
        self.look();
        id
    }

    fn finished(
        &self,
        id: TransferId,
        path: &str,
        outcome: TransferOutcome,
        bytes: u64,
        elapsed: Duration,
    ) -> TransferFinished {
        TransferFinished {
            id,
            proto: Proto::Tftp,
            peer: PEER,
            mac: Some(self.site.mac),
            path: path.into(),
            partial: false,
            outcome,
            bytes,
            blocks: 0,
            resends: 0,
            proved: true,
            elapsed,
            detail: None,
            program: None,
        }
    }

    /// Firmware's way to a file: the size first, perhaps; perhaps a request whose answer it does
    /// not wait for.
    pub(super) fn fetch(&mut self, path: &str, program: Option<Program>) {
        if self.happens(0.4) {
            let id = self.start(path, Proto::Tftp, program.clone(), 200_000);
            let outcome = if self.happens(0.7) { TransferOutcome::Probed } else { TransferOutcome::Aborted };
            self.site.step(Step::TransferFinished(&self.finished(id, path, outcome, 0, Duration::ZERO)));
            self.look();
        }
        if self.happens(0.2) {
            let id = self.start(path, Proto::Tftp, program.clone(), 200_000);
            let stalled = TransferStalled { id, bytes: 0, proved: false, resends: 1, small_mtu: None };
            self.site.step(Step::TransferStalled(&stalled));
            let until = self.site.now + Duration::from_secs_f64(self.between(0.5, 6.0));
            self.abandoned.push((until, id, path.to_owned()));
            self.pause(0.0, 4.0);
        }
        self.get(path, Proto::Tftp, program, 200_000);
    }

    pub(super) fn fetch_http(&mut self, path: &str, program: Option<Program>, bytes: u64) {
        self.get(path, Proto::Http, program, bytes);
    }

    /// A script with these lines, by HTTP.
    pub(super) fn reads(&mut self, path: &str, text: &str) {
        self.configuration = Some(Arc::new(Configuration::parse(text.as_bytes())));
        self.get(path, Proto::Http, None, 400);
        self.configuration = None;
    }

    /// HTTP boot firmware asks for the size first (HEAD), and reserves memory for the file.
    pub(super) fn asks_for_the_size(&mut self, path: &str, program: Option<Program>) {
        let id = self.start(path, Proto::Http, program, 2_000_000);
        let finished = self.finished(id, path, TransferOutcome::Probed, 0, Duration::ZERO);
        self.site.step(Step::TransferFinished(&TransferFinished { proto: Proto::Http, ..finished }));
        self.look();
        self.pause(0.0, 4.0);
    }

    pub(super) fn fetch_large(&mut self, path: &str, bytes: u64) {
        self.get(path, Proto::Tftp, None, bytes);
    }

    /// To the last byte, at a rate that differs by the machine.
    fn get(&mut self, path: &str, proto: Proto, program: Option<Program>, bytes: u64) {
        let usual = if proto == Proto::Http { 60e6 } else { 6e6 };
        let rate = usual * self.between(0.5, 2.0);
        let (id, began) = (self.start(path, proto, program, bytes), self.site.now);
        let seconds = bytes as f64 / rate;
        let parts = (seconds as u64).max(3) + 1;
        let part = seconds / parts as f64;
        for done in 1..parts {
            self.pause(part, part);
            let bytes = bytes / parts * done;
            self.site.step(Step::TransferProgress { id, bytes });
            self.look();
            if proto == Proto::Tftp && self.happens(0.2) {
                let resends = 1 + self.roll() % 2;
                self.site.step(Step::TransferStalled(&TransferStalled {
                    id,
                    bytes,
                    proved: true,
                    resends,
                    small_mtu: None,
                }));
                self.look();
            }
        }
        self.pause(part, part);
        if proto == Proto::Tftp && self.happens(0.1) {
            // It starts what it has, and does not acknowledge the last block.
            let stalled =
                TransferStalled { id, bytes: bytes - 400, proved: true, resends: 7, small_mtu: None };
            self.site.step(Step::TransferStalled(&stalled));
            self.pause(3.0, 8.0);
        }
        let elapsed = self.site.now.duration_since(began).unwrap();
        let finished = self.finished(id, path, TransferOutcome::Completed, bytes, elapsed);
        self.site.step(Step::TransferFinished(&TransferFinished { proto, ..finished }));
        self.look();
    }

    /// A file that is not there, as most of the time.
    pub(super) fn misses(&mut self, paths: &[&str]) {
        for path in paths {
            if self.happens(0.8) {
                self.site.misses(path);
                self.look();
                self.pause(0.0, 0.3);
            }
        }
    }

    /// GRUB looks into a file and closes it.
    pub(super) fn peeks(&mut self, path: &str) {
        let id = self.start(path, Proto::Tftp, None, 200_000);
        let finished = self.finished(id, path, TransferOutcome::Aborted, 4096, Duration::from_millis(20));
        let detail = Some(TransferDetail::ClientMessage("closed".to_owned()));
        self.site.step(Step::TransferFinished(&TransferFinished { detail, ..finished }));
        self.look();
    }

    /// A Mac's DISCOVER, which a proxy leaves to the DHCP server.
    pub(super) fn address_of_a_mac(&mut self) {
        let (proto, decision, reason) = match self.proxied {
            true => (Proto::Proxy, Answered::Ignore, Reason::Disabled),
            false => (Proto::Dhcp, Answered::Offer, Reason::Lease),
        };
        let decided = self.site.decided(proto, Some(Class::Bsdp), decision, reason);
        self.packet(Step::Decided(&decided));
        self.pause(0.5, 12.0);
    }

    pub(super) fn bsdp(&mut self, asked: Option<BsdpMessageType>, file: Option<&str>) {
        let answered = MacAnswered {
            iface: "lan0".into(),
            peer: PEER,
            xid: 1,
            mac: self.site.mac,
            model: Some("iMac14,2".into()),
            architecture: Some("i386".into()),
            asked,
            decision: Answered::Ack,
            reason: bsdp::Reason::ALL[0],
            detail: None,
            rule: None,
            machine: None,
            image: None,
            boot_file: file.map(Into::into),
            offered: 2,
            cut: 0,
            left_out: Vec::new(),
            probe: false,
        };
        self.packet(Step::MacAnswered(&answered));
    }

    /// The started system asks for an address, where this server hears it.
    pub(super) fn system(&mut self) {
        let (proto, decision, reason) = match self.proxied {
            true => (Proto::Proxy, Answered::Ignore, Reason::NotABootRequest),
            false => (Proto::Dhcp, Answered::Offer, Reason::Lease),
        };
        let decided = self.site.decided(proto, None, decision, reason);
        self.packet(Step::Decided(&decided));
        if !self.proxied {
            let ack = self.site.decided(proto, None, Answered::Ack, reason);
            self.packet(Step::Decided(&ack));
        }
    }

    /// Twenty minutes later nothing is wrong with it either.
    pub(super) fn afterwards(&mut self) {
        self.pause(30.0, 60.0);
        for _ in 0..120 {
            self.site.now += Duration::from_secs(10);
            self.time_out();
            self.look();
        }
    }
}
