//! The signers of a boot program as text.

use netbootd_content::secure_boot::{ProgramReport, SignatureReport};

/// Everything about one program, a line each.
pub(super) fn described(report: &ProgramReport) -> String {
    let mut lines = vec![("architecture", report.architecture.clone())];
    if report.signatures.is_empty() && report.unreadable.is_empty() {
        lines.push(("signed by", "nobody: machines with Secure Boot refuse it".to_owned()));
    }
    lines.extend(report.signatures.iter().map(|signature| ("signed by", signed_by(signature))));
    lines.extend(report.unreadable.iter().map(|why| ("signed by", format!("unknown: {why}"))));
    if report.altered {
        lines
            .push(("altered", "changed after it was signed: machines with Secure Boot refuse it".to_owned()));
    }
    if let Some(version) = &report.security_version {
        lines.push(("security version", version.clone()));
    }
    lines.push(("SBAT", report.sbat.join(", ")));
    lines.push(("revoked", report.revoked.clone().unwrap_or_else(|| "no".to_owned())));
    // Authenticode's, by which dbx lists programs.
    lines.push(("SHA-256", report.authenticode_sha256.clone()));
    if report.unified_kernel {
        lines.push(("kind", format!("unified kernel image: {}", report.sections.join(" "))));
    } else if report.linux_kernel {
        lines.push(("kind", "Linux kernel with an EFI stub".to_owned()));
    }
    let is_kernel = report.unified_kernel || report.linux_kernel;
    let by_microsoft = |signature: &SignatureReport| {
        signature.authorities.iter().any(|authority| authority.contains("Microsoft"))
    };
    if is_kernel && !report.signatures.is_empty() && !report.signatures.iter().any(by_microsoft) {
        let trusted =
            "by firmware whose db has its signer, or behind a shim that has it or whose MOK list does";
        lines.push(("started", trusted.to_owned()));
    }
    let lines = lines.into_iter().filter(|(_, text)| !text.is_empty());
    lines.map(|(what, text)| format!("{what:<18}{text}\n")).collect()
}

/// One line about a program, for a table.
pub(super) fn summary(report: &ProgramReport) -> String {
    let mut authorities: Vec<&str> = Vec::new();
    for signature in &report.signatures {
        authorities.extend(signature.authorities.first().map(String::as_str));
    }
    match (authorities.is_empty(), report.altered) {
        (true, _) if !report.unreadable.is_empty() => "signed, unreadable".to_owned(),
        (true, _) => "not signed".to_owned(),
        (false, true) => format!("altered after signing by {}", authorities.join(", ")),
        (false, false) => authorities.join(", "),
    }
}

fn signed_by(signature: &SignatureReport) -> String {
    let authorities = signature.authorities.join(" < ");
    if authorities.is_empty() || authorities == signature.signer {
        signature.signer.clone()
    } else {
        format!("{} < {authorities}", signature.signer)
    }
}
