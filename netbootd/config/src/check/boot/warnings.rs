//! Warnings about the files that rules name, and about rules that leave boot programs without one.

use super::*;

pub(super) fn warn_of_missing_files(
    boot: &BootAction,
    span: Range<usize>,
    tree: Option<&Files>,
    files: &[GeneratedFile],
    path: &Path,
    findings: &mut Vec<Finding>,
) {
    // The built-in default names candidates of which most are never there.
    let (Some(tree), None, false) = (tree, boot.next_server, is_built_in(path)) else { return };
    let there = |file: &String| {
        let made =
            file.strip_suffix(WIMBOOT_SCRIPT).filter(|folder| folder.is_empty() || folder.ends_with('/'));
        file.contains("://")
            || made.is_some_and(|folder| winpe::holds_windows_pe(folder, tree))
            || tree.has(file)
            || files.iter().any(|generated| template::path_fits(&generated.path, file))
    };
    if let Some(image) = boot.image.as_ref().filter(|_| boot.is_image())
        && !tree.images().iter().any(|known| known.name.eq_ignore_ascii_case(image))
    {
        let finding = Finding::warning(span.clone(), format!("the image store has no image {image:?}"));
        findings.push(
            finding.help("import it (netbootd image import); until it is there, this rule is passed over"),
        );
    }
    let lists = std::iter::once(&boot.file).chain(boot.file_by_arch.iter().map(|(_, files)| files));
    for files in lists.filter(|files| !files.is_empty() && !files.iter().any(there)) {
        let message = format!("neither in the boot folder nor in an image: {}", files.join(", "));
        let finding = Finding::warning(span.clone(), message);
        findings.push(finding.help("until it is there, this rule is passed over"));
    }
    // iPXE's own shim is of use with its pair alone.
    for file in boot.all_files().filter(|file| tree.has(file)) {
        let Some(pair) = shim::ipxe_of_shim(file).filter(|pair| !tree.has(pair)) else { continue };
        let message = format!("{file} starts {pair}, which is neither in the boot folder nor in an image");
        let finding = Finding::warning(span.clone(), message);
        findings.push(finding.help("put the signed iPXE of the same release beside its shim, by that name"));
    }
    let kernel = boot.kernel.iter().flat_map(|kernel| std::iter::once(&kernel.kernel).chain(&kernel.initrds));
    for file in kernel.filter(|file| !there(file)) {
        let message = format!("neither in the boot folder nor in an image: {file}");
        findings.push(Finding::warning(span.clone(), message).help("a boot loader will look for it in vain"));
    }
}

pub(super) fn warn_of_grub_behind_a_proxy(
    rule: &Rule,
    boot: &BootAction,
    span: Range<usize>,
    document: &Document,
    findings: &mut Vec<Finding>,
) {
    let for_firmware = rule.matches.class.is_empty() || rule.matches.class.contains(&Class::Pxe);
    let Some(file) = boot.all_files().find(|file| is_grub_or_shim(file)) else { return };
    if super::super::is_proxy(&document.dhcp) && for_firmware {
        let message = format!(
            "{file} cannot finish in proxy mode: GRUB does not know a proxy and looks for its files on the DHCP server"
        );
        findings.push(Finding::warning(span, message).help(
            "use syslinux.efi or iPXE beside a foreign DHCP server, UEFI HTTP boot, or mode = \"server\"; \
             or point the DHCP server's next-server here",
        ));
    }
}

/// Notes boot programs that machines with Secure Boot refuse: unsigned, altered or revoked ones.
/// DHCP does not show whether a machine has Secure Boot, so the configuration is the place to say
/// it.
pub(super) fn note_refused_programs(
    boot: &BootAction,
    span: Range<usize>,
    tree: Option<&Files>,
    revocations: &Revocations,
    findings: &mut Vec<Finding>,
) {
    let Some(tree) = tree else { return };
    for file in boot.all_files() {
        let Ok(program) = tree.open_raw(file.as_bytes()) else { continue };
        if let Some(message) = refusal(file, &program, revocations) {
            let finding = Finding::warning(span.clone(), message);
            findings
                .push(finding.help("`netbootd file show` prints its signers; install a newer version of it"));
        }
        if program.signature() == Signature::Missing {
            let message = format!(
                "{file} carries no signature: a machine with Secure Boot fetches it and then refuses it"
            );
            let shim = signed_shim(program.machine_type());
            let finding = Finding::note(span.clone(), message);
            findings.push(finding.help(format!("hand out {shim} and what it starts")));
        }
    }
}

/// Why machines with Secure Boot refuse a signed program.
fn refusal(file: &str, stored: &BootFile, revocations: &Revocations) -> Option<String> {
    if stored.signature() != Signature::Present {
        return None;
    }
    let program = secure_boot::read_program(stored, MAX_PROGRAM).ok()?;
    if program.is_altered() {
        return Some(format!(
            "{file} was changed after it was signed: a machine with Secure Boot refuses it"
        ));
    }
    let revocation = revocations.check(file, &program)?;
    Some(format!("{file} is revoked: {revocation}"))
}

/// Debian's signed shim for the firmware that starts a program of this machine type.
fn signed_shim(machine_type: Option<u16>) -> &'static str {
    match machine_type {
        Some(0x014c) => "shimia32.efi.signed",
        Some(0xaa64) => "shimaa64.efi.signed",
        _ => "shimx64.efi.signed",
    }
}

/// A BIOS PC whose network card has iPXE as its ROM, as in QEMU and Proxmox, never asks as `pxe`.
pub(super) fn warn_of_ipxe_roms_left_out(document: &Document, rules: &[Rule], findings: &mut Vec<Finding>) {
    let for_bios = |rule: &Rule| {
        let archs = &rule.matches.arch;
        archs.is_empty() || archs.iter().any(|arch| arch.same_family(ArchType::X86_BIOS))
    };
    let is_for = |rule: &Rule, class| rule.matches.class.is_empty() || rule.matches.class.contains(&class);
    if rules.iter().any(|rule| for_bios(rule) && is_for(rule, Class::Ipxe)) {
        return;
    }
    let leaves_out =
        |rule: &Rule| for_bios(rule) && is_for(rule, Class::Pxe) && matches!(rule.action, Action::Boot(_));
    let Some(at) = rules.iter().position(leaves_out) else { return };
    let name: &Spanned<String> = &document.rule[at].name;
    let message = format!(
        "the rule {:?} leaves out BIOS machines whose network card boots by iPXE, as in QEMU and Proxmox",
        name.get_ref()
    );
    findings.push(Finding::warning(name.span(), message).help(
        "write class = \"pc\" for every machine but a Mac, or add a rule with match = { class = \"ipxe\" }",
    ));
}

pub(super) fn warn_of_ipxe_without_script(document: &Document, rules: &[Rule], findings: &mut Vec<Finding>) {
    let hands_out = |rule: &Rule, test: fn(&str) -> bool| match &rule.action {
        Action::Boot(boot) => {
            boot.kernel.is_some() || boot.menu.is_some() || boot.all_files().any(|file| test(file))
        }
        Action::LocalBoot | Action::Ignore | Action::Relay | Action::Directories => false,
    };
    let for_ipxe = |rule: &Rule| rule.matches.class.is_empty() || rule.matches.class.contains(&Class::Ipxe);
    let scripted = rules.iter().any(|rule| for_ipxe(rule) && hands_out(rule, |file| !is_ipxe_binary(file)));
    if scripted {
        return;
    }
    let Some(at) = rules.iter().position(|rule| hands_out(rule, is_ipxe_binary)) else { return };
    let name: &Spanned<String> = &document.rule[at].name;
    let message = format!("the rule {:?} starts iPXE, but no rule gives iPXE a script", name.get_ref());
    findings.push(
        Finding::warning(name.span(), message)
            .help("add a rule with match = { class = \"ipxe\" } and action.boot = { file = \"boot.ipxe\" }"),
    );
}
