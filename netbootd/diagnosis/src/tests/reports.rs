//! Machines' reports of themselves, and the findings from them.

use super::*;
use crate::Seen;
use crate::report::Report;
use crate::step::{ClientMessage, Reported};
use crate::syslog::Message;

impl Site {
    fn reports(&mut self, form: &str) -> &mut Self {
        let said = ClientMessage::Report(Box::new(Report::parse(form)));
        let reported = Reported { peer: PEER, mac: Some(self.mac), message: said };
        self.step(Step::Reported(&reported))
    }

    fn logs(&mut self, datagram: &str) -> &mut Self {
        let said = ClientMessage::Syslog(Message::parse(datagram.as_bytes()).unwrap());
        let reported = Reported { peer: PEER, mac: Some(self.mac), message: said };
        self.step(Step::Reported(&reported))
    }

    /// iPXE up to its script.
    fn script(&mut self) -> &mut Self {
        self.offered(Class::Ipxe, "boot.ipxe").takes_from(ROUTER).fetches("boot.ipxe", None);
        self.reports("by=ipxe&state=started&chip=e1000&link=up&product=OptiPlex+7010&serial=4711")
    }

    fn evidence(&self) -> Vec<String> {
        self.diagnosis().finding.unwrap().seen.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn a_failed_step_of_a_script_is_named_by_its_error_code() {
    let table = [
        ("2d0c618e", Cause::ScriptFileMissing),
        ("4c0a6035", Cause::ScriptServerAway),
        ("0e0a6039", Cause::ScriptServerAway),
        ("38086193", Cause::ScriptServerAway),
        ("3e11618e", Cause::ScriptNameUnknown),
        ("0216e48f", Cause::ScriptCertificate),
        ("410de13c", Cause::ScriptCertificate),
        ("2e008081", Cause::ScriptFileRefused),
        ("7f04828e", Cause::ScriptFileRefused),
        ("31006006", Cause::ScriptNoMemory),
        ("1c0c6202", Cause::ScriptFailed),
        ("", Cause::ScriptFailed),
    ];
    for (code, cause) in table {
        let mut site = Site::new();
        site.script().finds_nothing();
        let form = format!("by=ipxe&state=failed&step=kernel&file=http://10.9.9.9/vmlinuz&error={code}");
        site.reports(&form).finds(cause);
        assert!(site.diagnosis().finding.unwrap().headline().contains("http://10.9.9.9/vmlinuz"));
        let evidence = site.evidence();
        assert!(evidence.iter().any(|seen| seen.contains("iPXE reports: kernel") && seen.contains(code)));
        assert!(
            evidence
                .iter()
                .any(|seen| seen.contains("OptiPlex 7010, serial 4711, network card e1000, link up"))
        );
        // The firmware starts again at once: the finding stays until this boot comes further.
        site.wait(3.0).offered(Class::Pxe, "ipxe.efi").finds(cause);
        // The second way of the script, or the next boot, ends it.
        site.script().fetches("vmlinuz", None).fetches("initrd.img", None).finds_nothing();
    }
}

#[test]
fn a_failed_step_that_the_script_gets_over_is_no_finding() {
    let mut site = Site::new();
    site.script().reports("by=ipxe&state=failed&step=chain&file=http://a/custom.ipxe&error=2d0c618e");
    site.finds(Cause::ScriptFileMissing).fetches("vmlinuz", None).finds_nothing();
    let mut cancelled = Site::new();
    cancelled.script().reports("by=ipxe&state=failed&step=prompt&error=0b8080a0").finds_nothing();
}

#[test]
fn a_file_of_this_server_that_a_script_misses_is_found_at_once_with_both_sides_words() {
    let mut site = Site::new();
    site.script().misses("/initrd.img").finds_nothing();
    site.reports("by=ipxe&state=failed&step=initrd&file=http://10.77.0.1/initrd.img&error=2d0c618e");
    site.finds(Cause::FileNotFound);
    assert_eq!(site.diagnosis().finding.unwrap().headline(), "/initrd.img is not there.");
    assert!(site.evidence().iter().any(|seen| seen.contains("HTTP 404")));
    let mut twin = Site::new();
    twin.script().misses("/autoexec.ipxe").fetches("/vmlinuz", None).fetches("/initrd.img", None);
    twin.wait(30.0).finds_nothing();
}

#[test]
fn a_call_home_marks_the_machine_as_up_and_a_failure_of_the_installer_is_told() {
    let mut site = Site::new();
    site.script().fetches("vmlinuz", None).fetches("initrd.img", None).wait(600.0);
    site.reports("state=failed&text=partman:+no+disk+found").finds(Cause::SystemFailed);
    assert!(site.evidence().iter().any(|seen| seen.contains("the system reports: partman: no disk found")));
    site.wait(60.0).reports("state=up").finds_nothing();
    let machine = &site.machines[&site.mac];
    assert_eq!(machine.boot().unwrap().phase(), crate::Phase::System);
    assert_eq!(site.diagnosis().expected, None);
    // Words alone are neither a failure nor a sign that it goes on.
    let mut twin = Site::new();
    twin.script().fetches("vmlinuz", None).reports("state=note&text=partitioning").finds_nothing();
    assert_eq!(twin.machines[&twin.mac].boot().unwrap().phase(), crate::Phase::Kernel);
}

#[test]
fn an_error_by_syslog_is_evidence_and_no_finding_of_its_own() {
    let mut site = Site::new();
    site.script().logs("<30>dhclient: bound to 10.77.0.50").logs("<27>e1000: link is down").finds_nothing();
    site.reports("by=ipxe&state=failed&step=kernel&error=4c0a6035").finds(Cause::ScriptServerAway);
    let complained =
        |seen: &Seen| matches!(seen, Seen::Complained(_, words) if words == "e1000: link is down");
    assert!(site.diagnosis().finding.unwrap().seen.iter().any(complained));
    // A machine that no boot is known of stays without one.
    let mut other = Site::new();
    other.logs("<27>x: y");
    assert!(other.machines[&other.mac].boot().is_none());
}

#[test]
fn a_report_changes_nothing_for_another_machine() {
    let mut site = Site::new();
    site.on(2).script().fetches("vmlinuz", None);
    site.on(1).script().reports("by=ipxe&state=failed&step=kernel&file=/vmlinuz&error=2d0c618e");
    site.finds(Cause::ScriptFileMissing);
    site.on(2).finds_nothing();
    assert_eq!(site.machines[&site.mac].boot().unwrap().failed, None);
}
