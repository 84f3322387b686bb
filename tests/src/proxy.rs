//! nginx in front of the status port, with a TLS of its own, as docs/status.md shows it.

use std::fs;
use std::path::Path;

use crate::Lab;
use crate::process::Process;

/// Starts nginx on the server's host.
///
/// # Panics
/// When it cannot be started.
pub fn nginx(lab: &Lab, listen: &str, certificate: &Path, key: &Path) -> Process {
    let folder = lab.folder();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {}/nginx-{kind};\n", folder.display()))
        .collect();
    let text = format!(
        "daemon off;\nmaster_process off;\nuser root;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n    access_log off;\n{temporary}\
         server {{\n        listen {listen} ssl;\n        ssl_certificate {};\n        ssl_certificate_key {};\n{LOCATION}    }}\n}}\n",
        certificate.display(),
        key.display(),
        folder = folder.display(),
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut command = lab.command("server", "nginx");
    Process::start("nginx", command.arg("-c").arg(&file).args(["-e", "stderr"]))
}

/// The lines of docs/status.md.
const LOCATION: &str = "        client_max_body_size 8m;
        location / {
            proxy_pass http://127.0.0.1:9167;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }
";
