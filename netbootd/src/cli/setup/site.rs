//! Configuration Manager: its provider, who asks it, and whether it answers, link by link as doctor
//! looks.

use std::path::{Path, PathBuf};

use netbootd_config::Config;
use netbootd_directory::Directories;
use netbootd_directory::settings::{self, Account};

use super::super::{Failure, doctor};
use super::SetupArgs;
use super::networks::NONE;
use super::prompt::{Prompt, Question, Unfit};
use crate::probe::block_on;

/// The SMS Provider of Configuration Manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    /// The URL: `https://<SMS Provider>/AdminService`.
    pub(super) url: String,
    /// The account that asks the site.
    pub(super) account: Option<String>,
    /// The account's keytab or password.
    pub(super) secret: Option<Secret>,
    /// The authority of the provider's certificate.
    pub(super) ca: Option<PathBuf>,
}

/// The proof of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Secret {
    /// Kerberos keys in a file.
    KeyTab(PathBuf),
    /// A password in a file.
    PasswordFile(PathBuf),
    /// A password that is yet to be written to a file.
    Typed(netbootd_net::Secret),
}

/// Asks the questions about the site together: the operator may correct any answer when the
/// provider does not answer.
pub(super) fn gather(args: &SetupArgs, prompt: &mut Prompt<'_>) -> Result<Option<Site>, Failure> {
    loop {
        let Some(site) = ask(args, prompt)? else { return Ok(None) };
        if args.unchecked {
            return Ok(Some(site));
        }
        let checks = look(&site)?;
        for line in doctor::shown(&checks) {
            prompt.say(&line)?;
        }
        let Some(broken) = checks.iter().find(|check| !check.passed) else { return Ok(Some(site)) };
        let words = format!("{}: {}", broken.link, broken.seen);
        if !prompt.asks() || args.configmgr.is_some() {
            return Err(Failure::Unusable(format!(
                "the provider {} cannot be used: {words}; --unchecked skips this test",
                site.url
            )));
        }
        prompt
            .say("  Correct the answers, or answer none and add [configmgr] to the configuration later.")?;
    }
}

fn ask(args: &SetupArgs, prompt: &mut Prompt<'_>) -> Result<Option<Site>, Failure> {
    let words = "Configuration Manager's SMS Provider by its full name, or none";
    let question = Question { flag: "configmgr", words, default: NONE };
    let Some(url) = prompt.settle(&question, args.configmgr.as_deref(), provider)? else {
        for (flag, given) in [("--account", &args.account), ("--secret", &args.secret), ("--ca", &args.ca)] {
            if given.as_deref().is_some_and(|given| given != NONE) {
                return Err(Failure::Unusable(format!("{flag} needs --configmgr")));
            }
        }
        return Ok(None);
    };
    let question =
        Question { flag: "account", words: "Account, as netbootd@CORP.EXAMPLE, or none", default: NONE };
    let account = prompt.settle(&question, args.account.as_deref(), account)?;
    let secret = match &account {
        None => None,
        Some(account) => {
            let words = "Its keytab or a file with its password, type to type the password, or none";
            let question = Question { flag: "secret", words, default: NONE };
            let asks = prompt.asks();
            prompt.settle(&question, args.secret.as_deref(), |text| secret(text, account, asks))?
        }
    };
    let words = "CA certificates (PEM) of the provider, or none";
    let question = Question { flag: "ca", words, default: NONE };
    let ca = prompt.settle(&question, args.ca.as_deref(), |text| match text {
        NONE => Ok(None),
        path => readable(path).map(|_| Some(path.into())),
    })?;
    Ok(Some(Site { url, account, secret, ca }))
}

/// A provider by name, or its whole address.
fn provider(text: &str) -> Result<Option<String>, Unfit> {
    if text == NONE {
        return Ok(None);
    }
    let url = match text.split_once("://") {
        Some(_) => text.to_owned(),
        None => format!("https://{text}/AdminService"),
    };
    let parsed = reqwest::Url::parse(&url).map_err(|error| format!("{text} is not a host name: {error}"))?;
    match parsed.scheme() {
        "https" => Ok(Some(url)),
        other => Err(format!("the provider needs https, not {other}").into()),
    }
}

fn account(text: &str) -> Result<Option<String>, Unfit> {
    match text.split_once('@') {
        _ if text == NONE => Ok(None),
        Some((user, realm)) if !user.is_empty() && !realm.is_empty() => Ok(Some(text.to_owned())),
        _ => Err(format!("{text} has no realm; write it as netbootd@CORP.EXAMPLE").into()),
    }
}

fn secret(text: &str, account: &str, asks: bool) -> Result<Option<Secret>, Unfit> {
    match text {
        NONE => Ok(None),
        TYPE if asks => {
            let mut terminal = console::Term::stderr();
            let typed =
                std::io::Write::write_all(&mut terminal, format!("Password of {account}: ").as_bytes())
                    .and_then(|()| terminal.read_secure_line());
            match typed {
                Ok(typed) if typed.is_empty() => Err("nothing was typed".into()),
                Ok(typed) => Ok(Some(Secret::Typed(netbootd_net::Secret::new(typed)))),
                Err(error) => Err(format!("cannot read a password here: {error}").into()),
            }
        }
        path => match readable(path)?.first_chunk() {
            // The magic of MIT's and Heimdal's keytabs.
            Some([5, 1 | 2]) => Ok(Some(Secret::KeyTab(path.into()))),
            Some(_) => Ok(Some(Secret::PasswordFile(path.into()))),
            None => Err(format!("{path} is empty").into()),
        },
    }
}

fn readable(path: &str) -> Result<Vec<u8>, Unfit> {
    if !Path::new(path).is_absolute() {
        return Err(format!("{path} is not an absolute path").into());
    }
    std::fs::read(path).map_err(|error| format!("{path}: {error}").into())
}

/// Looks at the provider as doctor does.
fn look(site: &Site) -> Result<Vec<doctor::Check>, Failure> {
    let (mut config, _) =
        Config::built_in(Some(Path::new("/"))).map_err(|findings| Failure::Config(Box::new(findings)))?;
    let mut account = Account { user: site.account.clone(), ..Account::default() };
    match &site.secret {
        None => {}
        Some(Secret::KeyTab(file)) => account.keytab = Some(file.clone()),
        Some(Secret::PasswordFile(file)) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Failure::Unusable(format!("{}: {error}", file.display())))?;
            account.password = Some(netbootd_net::Secret::new(text.trim_end_matches(['\r', '\n'])));
        }
        Some(Secret::Typed(password)) => account.password = Some(password.clone()),
    }
    config.configmgr = Some(settings::ConfigMgr {
        url: site.url.clone(),
        ca: site.ca.clone(),
        account,
        distribution_point: None,
        unknown_computers: None,
        macs: false,
        mirror: false,
        certificates: Vec::new(),
        secure_boot: None,
    });
    crate::serve::prepare_kerberos(&config);
    let directories = Directories::open(&config.directories()).map_err(Failure::unusable)?;
    block_on(async { Ok(doctor::check(&directories).await) })
}

/// The word that asks for a password to be typed.
const TYPE: &str = "type";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_a_host_or_an_https_address() {
        assert_eq!(provider("none"), Ok(None));
        let url = Ok(Some("https://cm01.corp.example/AdminService".to_owned()));
        assert_eq!(provider("cm01.corp.example"), url);
        assert_eq!(provider("https://cm01.corp.example/AdminService"), url);
        assert!(provider("http://cm01.corp.example").is_err());
        assert!(provider("no host").is_err());
    }

    #[test]
    fn an_account_has_its_realm() {
        assert_eq!(account("none"), Ok(None));
        assert_eq!(account("netbootd@CORP.EXAMPLE"), Ok(Some("netbootd@CORP.EXAMPLE".into())));
        assert!(account("CORP\\netbootd").unwrap_err().to_string().contains("realm"));
    }

    #[test]
    fn a_key_tab_is_told_from_a_password_by_its_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let read = |path: &Path| secret(&path.display().to_string(), "a@B", false);
        let keys = file("keys", &[5, 2, 0, 0]);
        assert_eq!(read(&keys), Ok(Some(Secret::KeyTab(keys.clone()))));
        let password = file("password", b"secret\n");
        assert_eq!(read(&password), Ok(Some(Secret::PasswordFile(password.clone()))));
        assert!(read(&file("empty", b"")).is_err());
        assert!(read(&folder.path().join("missing")).unwrap_err().to_string().contains("missing"));
        assert!(secret("type", "a@B", false).is_err(), "nobody can type");
    }
}
