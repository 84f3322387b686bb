//! nginx in front of the status port, with a TLS of its own, as docs/status.md shows it.

use std::fs;
use std::path::Path;

use crate::Lab;
use crate::netbootd::write_secret;
use crate::process::Process;

/// Starts nginx on the server's host.
///
/// # Panics
/// When it cannot be started.
pub fn nginx(lab: &Lab, listen: &str, certificate: &Path, key: &Path) -> Process {
    nginx_with(lab, listen, certificate, key, "")
}

/// The same, and it signs these users in, with the lines of docs/status.md for that.
///
/// # Panics
/// When it cannot be started.
pub fn nginx_with_users(
    lab: &Lab,
    listen: &str,
    certificate: &Path,
    key: &Path,
    users: &[(&str, &str)],
) -> Process {
    let file = lab.folder().join("netbootd.users");
    let lines: String =
        users.iter().map(|(name, password)| format!("{name}:{{PLAIN}}{password}\n")).collect();
    write_secret(&file, &lines);
    let lines = USERS.replace("/etc/nginx/netbootd.users", &file.display().to_string());
    nginx_with(lab, listen, certificate, key, &lines)
}

fn nginx_with(lab: &Lab, listen: &str, certificate: &Path, key: &Path, more: &str) -> Process {
    let folder = lab.folder();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {}/nginx-{kind};\n", folder.display()))
        .collect();
    let text = format!(
        "daemon off;\nmaster_process off;\nuser root;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n    access_log off;\n{temporary}\
         server {{\n        listen {listen} ssl;\n        ssl_certificate {};\n        ssl_certificate_key {};\n{more}{LOCATION}    }}\n}}\n",
        certificate.display(),
        key.display(),
        folder = folder.display(),
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut command = lab.command("server", "nginx");
    Process::start("nginx", command.arg("-c").arg(&file).args(["-e", "stderr"]))
}

/// The lines of docs/status.md that sign users in.
const USERS: &str = "        auth_basic \"netbootd\";
        auth_basic_user_file /etc/nginx/netbootd.users;
";
/// The lines of docs/status.md. Without users of its own nginx removes the header.
const LOCATION: &str = "        client_max_body_size 8m;
        location / {
            proxy_pass http://127.0.0.1:9167;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-User $remote_user;
        }
";
