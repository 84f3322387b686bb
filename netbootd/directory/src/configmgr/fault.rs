//! The faults of an AdminService.

use std::time::Duration;

use reqwest::{StatusCode, Url};
use thiserror::Error;

use super::wire::PageError;

/// Why a site gave no usable answer.
#[derive(Debug, Error)]
pub(super) enum SiteFault {
    #[error("the account sees no site")]
    NoSite,
    #[error("SMS_BootImagePackage: no boot image can be seen; the account needs a role that shows them")]
    NoBootImage,
    #[error("{class}: every site has rows of it, and the account sees none")]
    NoRow { class: &'static str },
    /// The role lacks Read Resource, or is limited to other collections.
    #[error("{class}: the site counts {counted} rows and shows none; the account's role hides them")]
    Hidden { class: &'static str, counted: u64 },
    #[error("{class}: no way of reading it page by page works")]
    NoPaging { class: &'static str },
    #[error("more than {most} memberships in the collections that something is deployed to")]
    TooManyMembers { most: usize },
    #[error("{class}: its pages do not end")]
    EndlessPages { class: String },
    /// Tickets go to the configured server only.
    #[error("{class}: its next page is elsewhere")]
    ForeignPage { class: String },
    /// The error quotes the answer, so its text is cut and escaped.
    #[error("{class}: {}", cut(error))]
    Unreadable { class: String, error: PageError },
    /// All pages together, in bytes.
    #[error("{class}: more than {most} bytes")]
    TooLarge { class: String, most: usize },
    /// One page, in bytes.
    #[error("a page of more than {most} bytes")]
    PageTooLarge { most: usize },
    #[error("{server} did not answer within {} s", within.as_secs())]
    Late { server: Url, within: Duration },
    #[error("{server} answered {status}: {refusal}")]
    Refused { server: Url, status: StatusCode, refusal: Refusal },
}

/// The meaning of a status that is no success.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    #[error("it offers NTLM and no Kerberos, so it did not look at a ticket")]
    NtlmOnly,
    #[error("it wants Kerberos, and neither a keytab nor a password is configured")]
    KerberosNeeded,
    #[error("it does not accept the ticket for {service}")]
    Ticket { service: String },
    #[error("the account has no role in the site")]
    NoRole,
    #[error("it does not know the question")]
    UnknownQuestion,
    #[error("it failed")]
    Failed,
}

fn cut(error: &PageError) -> String {
    error.to_string().chars().take(MOST_SHOWN).collect::<String>().escape_debug().to_string()
}

/// Characters of an error that quotes the site's answer.
const MOST_SHOWN: usize = 200;
