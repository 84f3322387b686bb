//! HTTPS to the AdminService: Negotiate, pages, limits, and every refusal told apart.

use std::collections::HashSet;
use std::str::FromStr;
use std::time::Duration;

use netbootd_net::tls::{self, TlsError};
use pxe_policy::{Trouble, TroubleKind};
use reqwest::header::{self, HeaderMap};
use reqwest::{Method, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::fault::{Refusal, SiteFault};
use super::wire::Page;
use crate::kerberos;
use crate::settings::{self, Account};

/// A way to one AdminService.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    service: String,
    account: Account,
    /// Between the starts of two requests.
    pace: Duration,
    /// When the next request may start. Held while one is under way: there is one connection.
    turn: Mutex<Instant>,
}

/// Why a site cannot be asked.
#[derive(Debug, Error)]
pub enum SiteError {
    /// Its address is none.
    #[error("{url}")]
    Url {
        /// The URL that was asked.
        url: String,
        /// The error of the URL parser.
        source: <Url as FromStr>::Err,
    },
    /// Its address has no host.
    #[error("{url}: no host")]
    NoHost {
        /// The URL that was asked.
        url: String,
    },
    /// The authority of its certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTPS client cannot be set up.
    #[error("cannot set up HTTPS to {url}")]
    Https {
        /// The URL that was asked.
        url: String,
        /// The error of the HTTPS client.
        source: reqwest::Error,
    },
}

impl Client {
    /// Of a configuration. Nothing is sent yet.
    pub fn open(site: &settings::ConfigMgr) -> Result<Self, SiteError> {
        let invalid = |source| SiteError::Url { url: site.url.clone(), source };
        let base = site.url.parse::<Url>().map_err(invalid)?;
        let host = base.host_str().ok_or_else(|| SiteError::NoHost { url: site.url.clone() })?.to_owned();
        let http = reqwest::Client::builder()
            .use_preconfigured_tls(tls::client_config(site.ca.as_deref())?)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("netbootd/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| SiteError::Https { url: site.url.clone(), source })?;
        Ok(Client {
            http,
            base,
            service: format!("HTTP/{host}"),
            account: site.account.clone(),
            pace: PACE,
            turn: Mutex::new(Instant::now()),
        })
    }

    /// With that much time between the starts of two requests.
    pub fn paced(self, pace: Duration) -> Self {
        Client { pace, ..self }
    }

    /// The URL of the AdminService.
    pub fn url(&self) -> &Url {
        &self.base
    }

    /// The service principal that tickets are asked for.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Everything of a class that a filter lets through, page after page. A row of another form
    /// than was promised fails the whole: half a list of deployments would be a wrong one.
    pub async fn list<T: DeserializeOwned>(
        &self,
        class: &str,
        filter: &str,
        fields: &[&str],
    ) -> Result<Vec<T>, Trouble> {
        let mut query = Vec::new();
        if !filter.is_empty() {
            query.push(("$filter", filter.to_owned()));
        }
        if !fields.is_empty() {
            query.push(("$select", fields.join(",")));
        }
        let mut url = self.class(class, &query)?;
        let (mut rows, mut seen, mut bytes) = (Vec::new(), HashSet::new(), 0);
        loop {
            if !seen.insert(url.to_string()) || seen.len() > MAX_PAGES {
                return Err(malformed(SiteFault::EndlessPages { class: class.to_owned() }));
            }
            let body = self.send(Method::GET, url, None).await?;
            bytes += body.len();
            if bytes > MAX_BYTES {
                let fault = SiteFault::TooLarge { class: class.to_owned(), most: MAX_BYTES };
                return Err(Trouble::new(TroubleKind::TooLarge, fault));
            }
            let unreadable = |error| malformed(SiteFault::Unreadable { class: class.to_owned(), error });
            let mut page = Page::parse(&body).map_err(unreadable)?;
            let next = page.next.take();
            rows.extend(page.rows::<T>().map_err(unreadable)?);
            let Some(next) = next else { return Ok(rows) };
            let foreign = || malformed(SiteFault::ForeignPage { class: class.to_owned() });
            url = self.next(&next).ok_or_else(foreign)?;
        }
    }

    /// One page of a class, and the link to the next where the site names one. `link` is that of
    /// the page before; without it the page is what `query` asks for.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        class: &str,
        query: &[(&str, String)],
        link: Option<&str>,
    ) -> Result<(Vec<T>, Option<String>), Trouble> {
        let foreign = || malformed(SiteFault::ForeignPage { class: class.to_owned() });
        let url = match link {
            Some(link) => self.next(link).ok_or_else(foreign)?,
            None => self.class(class, query)?,
        };
        let body = self.send(Method::GET, url, None).await?;
        let unreadable = |error| malformed(SiteFault::Unreadable { class: class.to_owned(), error });
        let mut page = Page::parse(&body).map_err(unreadable)?;
        let next = page.next.take();
        Ok((page.rows().map_err(unreadable)?, next))
    }

    /// Calls a static method.
    pub async fn post(&self, method: &str, body: &Value) -> Result<Vec<u8>, Trouble> {
        self.send(Method::POST, self.class(method, &[])?, Some(body)).await
    }

    fn class(&self, class: &str, query: &[(&str, String)]) -> Result<Url, Trouble> {
        let mut url = self.base.clone();
        let path = format!("{}/wmi/{class}", self.base.path().trim_end_matches('/'));
        url.set_path(&path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
            // A blank as %20, for `+` means itself to some servers; and OData's own sign as it is.
            let query = url.query().unwrap_or_default().replace('+', "%20").replace("%24", "$");
            url.set_query(Some(&query));
        }
        Ok(url)
    }

    /// The next page, as long as it is on this server and below the same path: tickets go nowhere
    /// else.
    fn next(&self, link: &str) -> Option<Url> {
        let url = self.base.join(link).ok()?;
        let same = url.scheme() == self.base.scheme()
            && url.host_str() == self.base.host_str()
            && url.port_or_known_default() == self.base.port_or_known_default()
            && url.path().starts_with(self.base.path().trim_end_matches('/'));
        same.then_some(url)
    }

    async fn send(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Vec<u8>, Trouble> {
        let mut turn = self.turn.lock().await;
        tokio::time::sleep_until(*turn).await;
        *turn = Instant::now() + self.pace;
        let mut request = self.http.request(method, url).header(header::ACCEPT, "application/json");
        if self.account.uses_kerberos() {
            request = request.header(header::AUTHORIZATION, self.ticket().await?);
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request.send().await.map_err(|error| self.unsent(error.without_url()))?;
        match response.status() {
            status if status.is_success() => read(response).await,
            status => Err(self.refused(status, offers_ntlm_only(response.headers()))),
        }
    }

    /// A fresh one each time: a server refuses to see one twice.
    async fn ticket(&self) -> Result<String, Trouble> {
        let (service, account) = (self.service.clone(), self.account.clone());
        let made = tokio::task::spawn_blocking(move || match kerberos::token(&service) {
            Err(_) if account.password.is_some() => {
                kerberos::log_in(&account).and_then(|()| kerberos::token(&service))
            }
            made => made,
        });
        let token = made.await.map_err(|error| Trouble::new(TroubleKind::Failed, error))??;
        Ok(format!("Negotiate {}", base64(&token)))
    }

    fn unsent(&self, error: reqwest::Error) -> Trouble {
        if error.is_timeout() {
            let fault = SiteFault::Late { server: self.base.clone(), within: PATIENCE };
            return Trouble::new(TroubleKind::Timeout, fault);
        }
        tls::trouble(error)
    }

    fn refused(&self, status: StatusCode, ntlm_only: bool) -> Trouble {
        let (kind, refusal) = match status {
            StatusCode::UNAUTHORIZED if ntlm_only => (TroubleKind::NtlmOnly, Refusal::NtlmOnly),
            StatusCode::UNAUTHORIZED if !self.account.uses_kerberos() => {
                (TroubleKind::KerberosNeeded, Refusal::KerberosNeeded)
            }
            StatusCode::UNAUTHORIZED => {
                (TroubleKind::Unauthorized, Refusal::Ticket { service: self.service.clone() })
            }
            StatusCode::FORBIDDEN => (TroubleKind::Forbidden, Refusal::NoRole),
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => {
                (TroubleKind::Malformed, Refusal::UnknownQuestion)
            }
            _ => (TroubleKind::Failed, Refusal::Failed),
        };
        Trouble::new(kind, SiteFault::Refused { server: self.base.clone(), status, refusal })
    }
}

/// Whether a refusal names NTLM, and not the Negotiate that Kerberos comes by (RFC 4559, section
/// 4).
fn offers_ntlm_only(headers: &HeaderMap) -> bool {
    let offers = |scheme: &str| {
        let offered =
            headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        offered.flat_map(|value| value.split(',')).any(|offer| {
            offer.trim().get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
    };
    offers("NTLM") && !offers("Negotiate")
}

/// The body, unless it is too large: what a server says of its length is not believed.
async fn read(mut response: Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(tls::trouble)? {
        body.extend_from_slice(&piece);
        if body.len() > MAX_BYTES {
            return Err(Trouble::new(TroubleKind::TooLarge, SiteFault::PageTooLarge { most: MAX_BYTES }));
        }
    }
    Ok(body)
}

fn malformed(fault: SiteFault) -> Trouble {
    Trouble::new(TroubleKind::Malformed, fault)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Between the starts of two requests: a site takes 200 from one address, in a time that nobody
/// tells.
const PACE: Duration = Duration::from_millis(10);
/// One request takes at most this long.
const PATIENCE: Duration = Duration::from_secs(20);
/// A list in all, in bytes; the deployments of a large site are some 5 MB.
const MAX_BYTES: usize = 64 << 20;
const MAX_PAGES: usize = 1000;
