//! Machines that do step by step what a test says.

use std::collections::HashMap;

use pxe_policy::{ArchType, Class, Evidence, Reason};

use super::*;
use crate::step::Negotiated;

/// A site whose machines do the steps of a test.
pub(super) struct Site {
    pub(super) now: SystemTime,
    pub(super) fleet: Fleet,
    pub(super) machines: HashMap<MacAddr, Machine>,
    pub(super) mac: MacAddr,
    pub(super) arch: ArchType,
    pub(super) transfers: u64,
}

impl Site {
    pub(super) fn new() -> Self {
        Site {
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000),
            fleet: Fleet::new(),
            machines: HashMap::new(),
            mac: PC,
            arch: ArchType::X64_UEFI,
            transfers: 0,
        }
    }

    pub(super) fn on(&mut self, n: u8) -> &mut Self {
        self.mac = MacAddr([0x52, 0x54, 0, 0, 0, n]);
        self
    }

    pub(super) fn wait(&mut self, seconds: f64) -> &mut Self {
        self.now += Duration::from_secs_f64(seconds);
        self
    }

    pub(super) fn step(&mut self, step: Step<'_>) -> &mut Self {
        self.now += Duration::from_millis(10);
        let machine = self.machines.entry(self.mac).or_default();
        observe(self.mac, self.now, step, machine, &mut self.fleet, Patience::default());
        self
    }

    pub(super) fn decided(
        &mut self,
        proto: Proto,
        class: Option<Class>,
        decision: Answered,
        reason: Reason,
    ) -> Decided {
        let arch = class.map(|_| self.arch);
        Decided {
            mac: Some(self.mac),
            arch,
            class,
            decision,
            ..Decided::ignored(proto, "lan0", PEER, reason)
        }
    }

    pub(super) fn offered(&mut self, class: Class, file: &str) -> &mut Self {
        let decided = self.decided(Proto::Proxy, Some(class), Answered::Offer, Reason::Rule);
        self.step(Step::Decided(&Decided { boot_file: Some(file.into()), ..decided }))
    }

    pub(super) fn takes_from(&mut self, server: Ipv4Addr) -> &mut Self {
        let decided = self.decided(Proto::Proxy, Some(Class::Pxe), Answered::Ignore, Reason::OtherServer);
        let taken = Some(LeaseTaken { address: Some(Ipv4Addr::new(10, 77, 25, 15)), server });
        self.step(Step::Decided(&Decided { taken, ..decided }))
    }

    pub(super) fn named(&mut self, file: &str) -> &mut Self {
        let decided = self.decided(Proto::Pxe, Some(Class::Pxe), Answered::Ack, Reason::Rule);
        self.step(Step::Decided(&Decided { boot_file: Some(file.into()), ..decided }))
    }

    pub(super) fn silenced(&mut self, reason: Reason, evidence: Vec<Evidence>) -> &mut Self {
        let decided = self.decided(Proto::Proxy, Some(Class::Pxe), Answered::LocalBoot, reason);
        self.step(Step::Decided(&Decided { evidence, ..decided }))
    }

    pub(super) fn other(
        &mut self,
        boot_file: Option<&str>,
        next_server: Option<&str>,
        is_ack: bool,
    ) -> &mut Self {
        let other = OtherServer {
            iface: "lan0".into(),
            server: ROUTER,
            mac: self.mac,
            reply: if is_ack { OtherReply::Ack } else { OtherReply::Offer },
            class: None,
            next_server: next_server.map(Into::into),
            boot_file: boot_file.map(Into::into),
            address: Some(Ipv4Addr::new(10, 77, 0, 60)),
            router: Some(ROUTER),
            has_dns: false,
            same_host: false,
        };
        self.step(Step::OtherServer(&other))
    }

    /// A transfer by TFTP that its client has acknowledged.
    fn started(&mut self, path: &str) -> TransferStarted {
        self.transfers += 1;
        TransferStarted {
            id: TransferId(self.transfers),
            proto: Proto::Tftp,
            peer: PEER,
            mac: Some(self.mac),
            path: path.into(),
            size: Some(1_000_000),
            negotiated: Negotiated::Options(vec![("blksize", 1468)]),
            block_size: Some(1468),
            program: None,
            partial: false,
            substitute: None,
            proved: true,
            configuration: None,
        }
    }

    pub(super) fn starts(&mut self, path: &str, program: Option<Program>) -> &mut Self {
        let started = TransferStarted { program, ..self.started(path) };
        self.step(Step::TransferStarted(&started))
    }

    pub(super) fn starts_with(&mut self, path: &str, proved: bool) -> &mut Self {
        let started = TransferStarted { proved, ..self.started(path) };
        self.step(Step::TransferStarted(&started))
    }

    pub(super) fn starts_sized(&mut self, path: &str, size: u64) -> &mut Self {
        let started = TransferStarted { size: Some(size), ..self.started(path) };
        self.step(Step::TransferStarted(&started))
    }

    pub(super) fn starts_http(&mut self, path: &str, size: u64) -> &mut Self {
        let negotiated = Negotiated::Status(200);
        let (proto, size, block_size) = (Proto::Http, Some(size), None);
        let started = TransferStarted { proto, size, block_size, negotiated, ..self.started(path) };
        self.step(Step::TransferStarted(&started))
    }

    /// A whole configuration with these lines.
    pub(super) fn reads(&mut self, path: &str, text: &str) -> &mut Self {
        let configuration = Some(Arc::new(Configuration::parse(text.as_bytes())));
        let started = TransferStarted { configuration, ..self.started(path) };
        self.step(Step::TransferStarted(&started));
        self.ends(path, TransferOutcome::Completed, 100, true)
    }

    pub(super) fn ends(
        &mut self,
        path: &str,
        outcome: TransferOutcome,
        bytes: u64,
        proved: bool,
    ) -> &mut Self {
        let finished = TransferFinished {
            id: TransferId(self.transfers),
            proto: Proto::Tftp,
            peer: PEER,
            mac: Some(self.mac),
            path: path.into(),
            partial: false,
            outcome,
            bytes,
            blocks: bytes / 1468,
            resends: 0,
            proved,
            elapsed: Duration::from_secs(1),
            detail: None,
            program: None,
        };
        self.step(Step::TransferFinished(&finished))
    }

    pub(super) fn fetches(&mut self, path: &str, program: Option<Program>) -> &mut Self {
        self.starts(path, program).wait(0.5).ends(path, TransferOutcome::Completed, 1_000_000, true)
    }

    pub(super) fn misses(&mut self, path: &str) -> &mut Self {
        let refused = FileRefused {
            proto: Proto::Tftp,
            peer: PEER,
            mac: Some(self.mac),
            path: path.into(),
            refusal: Refusal::NotFound,
            detail: None,
        };
        self.step(Step::FileRefused(&refused))
    }

    /// Firmware up to its boot program, beside a DHCP server.
    pub(super) fn firmware(&mut self, file: &str) -> &mut Self {
        self.offered(Class::Pxe, file).wait(3.7).takes_from(ROUTER).wait(0.2).named(file).wait(0.1)
    }

    pub(super) fn system_speaks(&mut self) -> &mut Self {
        let decided = self.decided(Proto::Proxy, None, Answered::Ignore, Reason::NotABootRequest);
        self.step(Step::Decided(&decided))
    }

    pub(super) fn serves_for(&mut self, asked: &str, path: &str, why: Substitution) -> &mut Self {
        let substitute = Some(Substitute { asked: asked.into(), why });
        let started = TransferStarted { program: SIGNED, substitute, ..self.started(path) };
        self.step(Step::TransferStarted(&started));
        self.ends(path, TransferOutcome::Completed, 1_000_000, true)
    }

    pub(super) fn with_guid(&mut self, class: Class, guid: &str) -> &mut Self {
        let decided = self.decided(Proto::Proxy, Some(class), Answered::Offer, Reason::Rule);
        let (uuid, boot_file) = (guid.parse().ok(), Some("boot.efi".into()));
        self.step(Step::Decided(&Decided { uuid, boot_file, ..decided }))
    }

    /// The causes of the findings that are over.
    pub(super) fn past(&self) -> Vec<&'static str> {
        self.machines[&self.mac].past().map(|past| past.finding.cause.as_str()).collect()
    }

    pub(super) fn diagnosis(&self) -> Diagnosis {
        diagnose(self.mac, &self.machines[&self.mac], &self.fleet, Patience::default(), self.now)
    }

    #[track_caller]
    pub(super) fn finds(&mut self, cause: Cause) -> &mut Self {
        let found = self.diagnosis();
        let name = found.finding.as_ref().map(|finding| finding.cause.as_str());
        assert_eq!(name, Some(cause.as_str()), "{found:#?}");
        let finding = found.finding.unwrap();
        assert!(
            !finding.headline().contains(['{', '}']) && !finding.cure().contains(['{', '}']),
            "{finding:?}"
        );
        assert!(finding.headline().ends_with('.') && !finding.cure().is_empty());
        self
    }

    #[track_caller]
    pub(super) fn finds_nothing(&mut self) -> &mut Self {
        let found = self.diagnosis();
        assert!(found.finding.is_none(), "{found:#?}");
        self
    }
}
