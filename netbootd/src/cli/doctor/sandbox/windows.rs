//! The sandbox of a running netbootd: none, on Windows.

use netbootd_config::Config;

use super::super::{Failure, SiteArgs};
use super::Check;
use crate::sandbox::{NOT_HERE, account};

/// The restrictions of the service, in words.
pub(super) fn checks(_config: &Config, _site: &SiteArgs) -> Result<Vec<Check>, Failure> {
    let check = |link, seen: String| Check { part: "sandbox".into(), link, passed: true, seen, cure: None };
    Ok(vec![check("account", account::current()), check("files", NOT_HERE.into())])
}
