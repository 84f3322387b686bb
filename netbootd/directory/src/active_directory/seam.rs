//! Active Directory as a directory of the configuration.

use std::path::Path;
use std::time::Duration;

use pxe_policy::{DirectoryAnswer, Identity, Trouble};

use super::ActiveDirectory;
use crate::address::host_and_port;
use crate::configured::{Configured, OpenError};
use crate::directory::{Asking, Directory};
use crate::links::Links;
use crate::settings::{self, Account, Bind, Endpoint};

impl Configured for settings::ActiveDirectory {
    fn name(&self) -> &'static str {
        "active-directory"
    }

    fn open(&self, _fresh: Duration) -> Result<Box<dyn Directory>, OpenError> {
        Ok(Box::new(ActiveDirectory::open(self).map_err(OpenError::new)?))
    }

    fn files(&self) -> Vec<(&Path, &'static str)> {
        let ca = self.ca.as_deref().map(|file| (file, "an authority's certificate"));
        ca.into_iter().chain(self.account.files()).collect()
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        if !self.url.starts_with("ldaps://") {
            return Vec::new();
        }
        let (host, port) = host_and_port(&self.url, 636);
        vec![Endpoint { part: "active-directory", host, port, ca: self.ca.clone() }]
    }

    fn account(&self) -> Option<&Account> {
        Some(&self.account)
    }
}

impl Directory for ActiveDirectory {
    fn ask<'a>(&'a self, who: &'a Identity) -> Asking<'a, Result<DirectoryAnswer, Trouble>> {
        Box::pin(self.lookup(who))
    }

    fn links<'a>(&'a self, links: &'a mut Links) -> Asking<'a, Option<()>> {
        Box::pin(async move {
            let settings = &self.settings;
            let secure = settings.url.starts_with("ldaps://");
            let (host, port) = host_and_port(&settings.url, if secure { 636 } else { 389 });
            links.reach(&host, port).await?;
            if secure {
                links.certificate(&host, port, settings.ca.as_deref()).await?;
            }
            if settings.bind == Bind::Gssapi {
                links.ticket(settings.account.clone(), format!("ldap/{host}")).await?;
            }
            links.note("bind", self.naming_context().await)?;
            let found = self.prestaged().await;
            links.note("query", found.map(|found| format!("{} prestaged computers", found.len())))
        })
    }
}
