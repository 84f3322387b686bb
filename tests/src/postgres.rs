//! PostgreSQL in the laboratory, from Debian's package, as a user without rights.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{User, chown};

use crate::process::{Process, run};
use crate::{Authority, Lab};

/// A server at 10.79.0.10 on the segment `back`, with an empty database and a user who owns it,
/// both called `netbootd`.
#[derive(Debug)]
pub struct Postgres {
    folder: tempfile::TempDir,
    process: Option<Process>,
    /// The user's password, in a file.
    pub password_file: PathBuf,
}

/// The address of the database's host.
pub const DATABASE: &str = "10.79.0.10";
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
const PASSWORD: &str = "known to the laboratory";

impl Postgres {
    /// Adds the host on the segment `back` and starts the server, which speaks TLS only.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(lab: &mut Lab, authority: &Authority) -> Self {
        lab.add_host("db");
        lab.plug("db", "eth0", "back", &format!("{DATABASE}/24"));
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("cannot make a folder: {error}"));
        let password_file = lab.folder().join("db.password");
        let write = |path: PathBuf, text: &str| {
            fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            path
        };
        write(password_file.clone(), PASSWORD);
        let given = write(folder.path().join("password"), PASSWORD);
        let signed = authority.sign("db", &format!("IP:{DATABASE}"), 30);
        let mut own = vec![folder.path().to_owned(), given.clone()];
        for (from, name) in [(&signed.certificate, "server.pem"), (&signed.key, "server.key")] {
            let to = folder.path().join(name);
            fs::copy(from, &to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600))
                .unwrap_or_else(|error| panic!("{}: {error}", to.display()));
            own.push(to);
        }
        let user = User::from_name(USER).ok().flatten().unwrap_or_else(|| panic!("no user {USER}"));
        for path in own {
            chown(&path, Some(user.uid), Some(user.gid))
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let mut server = Postgres { folder, process: None, password_file };
        let data = server.data();
        let mut initdb = server.command(lab, "initdb");
        initdb.args([
            "--auth=scram-sha-256",
            "--no-sync",
            "--no-instructions",
            "-U",
            "netbootd",
            "-E",
            "UTF8",
        ]);
        run(initdb.args(["--locale=C", "-D"]).arg(&data).arg(format!("--pwfile={}", given.display())));
        write(data.join("pg_hba.conf"), "hostssl all all 10.79.0.0/24 scram-sha-256\n");
        server.begin(lab);
        let made = server.sql_in(lab, "postgres", "CREATE DATABASE netbootd");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server
    }

    /// Starts it again.
    ///
    /// # Panics
    /// When it does not start.
    pub fn begin(&mut self, lab: &Lab) {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = self.command(lab, "postgres");
        command.arg("-D").arg(self.data());
        for setting in [
            format!("listen_addresses={DATABASE}"),
            format!("unix_socket_directories={}", self.folder.path().display()),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", path("server.pem")),
            format!("ssl_key_file={}", path("server.key")),
        ] {
            command.args(["-c", &setting]);
        }
        let process = Process::start("postgres", &mut command);
        process.wait_for("ready to accept connections", Duration::from_secs(60));
        self.process = Some(process);
    }

    /// Ends it at once, without a word to anybody.
    pub fn crash(&mut self) {
        if let Some(process) = self.process.take() {
            process.end(Signal::SIGQUIT);
        }
    }

    /// The rows of a query, one a line.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, lab: &Lab, query: &str) -> String {
        let output = self.sql_in(lab, "netbootd", query);
        assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn sql_in(&self, lab: &Lab, database: &str, query: &str) -> Output {
        let mut psql = lab.command("db", "psql");
        psql.args(["-X", "-A", "-t", "-h", DATABASE, "-U", "netbootd", "-d", database, "-c", query]);
        let output = psql.env("PGPASSWORD", PASSWORD).env("PGSSLMODE", "require").output();
        output.unwrap_or_else(|error| panic!("cannot run psql: {error}"))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, lab: &Lab, program: &str) -> Command {
        // Mounts of `ip netns exec` are visible to it alone. There are hosts whose /dev/null is
        // root's only.
        let script =
            "[ -e null ] || mknod -m 666 null c 1 3; mount --bind null /dev/null; exec setpriv \"$@\"";
        let mut command = lab.command("db", "bash");
        command.args(["-c", script, "bash"]);
        command.args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups"]);
        command.arg(format!("{PROGRAMS}/{program}")).current_dir(self.folder.path()).env("LC_ALL", "C");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.crash();
    }
}

const USER: &str = "postgres";
