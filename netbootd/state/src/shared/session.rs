//! One connection: how it is opened, what a transaction is, and what others tell on it.
//!
//! Cancelling any of it leaves the connection in an unknown state: it is dropped then, and the
//! database undoes what was not committed.

use std::future::poll_fn;
use std::time::Duration;

use netbootd_net::tls::{self, TlsError};
use netbootd_net::with_causes;
use pxe_policy::Seconds;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::{debug, warn};

use super::copies::Copies;
use super::decide::{Ask, Ruling};
use super::fact::{Fact, Notice};
use super::schema::{CHANNEL, NewerSchema};
use super::settings::Database;
use super::sql::Turn;
use super::{schema, sql, write};
use crate::durable::Refused;

/// Makes connections to the database.
pub(super) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    deadline: Duration,
}

/// An open connection, whose database has the tables of this version.
pub(super) struct Session {
    client: Client,
    /// The servers' notices, in the order of the transactions.
    pub(super) notices: mpsc::UnboundedReceiver<String>,
    /// The transaction that the copies were read in: older notices are in them.
    read_at: i64,
    driver: AbortHandle,
}

/// The outcome of a transaction.
pub(super) enum Outcome {
    Decided(Vec<Result<(), Refused>>),
    /// The database is well, but rejects the changes. Nothing was changed.
    NotTaken(tokio_postgres::Error),
}

/// Why no connection can be made to a database.
#[derive(Debug, Error)]
pub enum ConnectorError {
    /// The URL of the database is wrong.
    #[error(transparent)]
    Url(tokio_postgres::Error),
    /// Its certificate cannot be verified.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why a connection cannot go on.
#[derive(Debug, Error)]
pub enum Trouble {
    /// Nothing has come of the first connection yet.
    #[error("it has not answered yet")]
    Unanswered,
    /// The database or the way to it failed; it may help to try again.
    #[error(transparent)]
    Failed(tokio_postgres::Error),
    /// It does not let this server in.
    #[error(transparent)]
    Denied(tokio_postgres::Error),
    /// It did not answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// It ended the connection.
    #[error("the connection was closed")]
    Closed,
    /// It only follows another one.
    #[error("it is a standby, which cannot be written to")]
    Standby,
    /// A notice that no netbootd of this version sends.
    #[error("somebody who is no netbootd of this version speaks on its channel")]
    ForeignNotice,
    /// A newer netbootd has changed its tables.
    #[error(transparent)]
    NewerSchema(#[from] NewerSchema),
    /// Somebody has emptied a table.
    #[error("netbootd.schema is empty")]
    NoVersion,
}

impl Trouble {
    /// Whether somebody has to change something before it helps to try again.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Trouble::Denied(_) | Trouble::NewerSchema(_) | Trouble::NoVersion)
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        let hopeless = [
            SqlState::INVALID_PASSWORD,
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            SqlState::INVALID_CATALOG_NAME,
            SqlState::INSUFFICIENT_PRIVILEGE,
        ];
        match error.code() {
            Some(code) if hopeless.contains(code) => Trouble::Denied(error),
            _ => Trouble::Failed(error),
        }
    }
}

impl Connector {
    pub(super) fn new(database: &Database, name: &str) -> Result<Self, ConnectorError> {
        let mut config = database.url.parse::<Config>().map_err(ConnectorError::Url)?;
        config.connect_timeout(database.deadline).application_name(format!("netbootd on {name}"));
        config.keepalives_idle(Duration::from_secs(10)).tcp_user_timeout(database.deadline);
        if let Some(password) = &database.password {
            config.password(password.reveal());
        }
        let tls = match database.allow_plain {
            true => {
                config.ssl_mode(SslMode::Disable);
                None
            }
            false => {
                config.ssl_mode(SslMode::Require);
                Some(MakeRustlsConnect::new(tls::client_config(database.ca.as_deref())?))
            }
        };
        Ok(Connector { config, tls, deadline: database.deadline })
    }

    /// Connects, brings the tables up to date, and reads everything into the copies.
    pub(super) async fn open(&self, copies: &Copies) -> Result<Session, Trouble> {
        let mut session = match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                Session::over(client, connection)
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                Session::over(client, connection)
            }
        };
        session.look_at_server().await?;
        session.migrate().await?;
        // Before everything is read: notices of changes come from now on.
        session.client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        session.read_everything(copies).await?;
        // A server that is cut off in its turn holds up the others for no longer than this.
        let turn = TURN.as_millis();
        let deadline = self.deadline.as_millis();
        session
            .client
            .batch_execute(&format!(
                "SET idle_in_transaction_session_timeout = {turn}; SET statement_timeout = {deadline}"
            ))
            .await?;
        Ok(session)
    }
}

impl Session {
    fn over<S, T>(client: Client, mut connection: Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (told, notices) = mpsc::unbounded_channel();
        let driver = tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    Ok(AsyncMessage::Notification(notice)) => {
                        if told.send(notice.payload().to_owned()).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(error) => return debug!("{}", with_causes(&error)),
                }
            }
        });
        Session { client, notices, read_at: 0, driver: driver.abort_handle() }
    }

    /// Whether it keeps what it confirms.
    async fn look_at_server(&self) -> Result<(), Trouble> {
        let row = self
            .client
            .query_one(
                "SELECT pg_is_in_recovery(), current_setting('synchronous_commit'), current_setting('fsync')",
                &[],
            )
            .await?;
        if row.get(0) {
            return Err(Trouble::Standby);
        }
        for (at, name) in [(1, "synchronous_commit"), (2, "fsync")] {
            if row.get::<_, &str>(at) == "off" {
                warn!(
                    "{name} is off in the shared database: after a crash it may have forgotten what it confirmed"
                );
            }
        }
        Ok(())
    }

    async fn migrate(&self) -> Result<(), Trouble> {
        // One server at a time, also while there is no table yet.
        self.client.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(hashtext('netbootd schema'))").await?;
        let there = self.client.query_one("SELECT to_regclass('netbootd.schema') IS NOT NULL", &[]).await?;
        let version = match there.get(0) {
            true => self.client.query_one("SELECT version FROM netbootd.schema", &[]).await?.get::<_, i32>(0),
            false => 0,
        };
        let missing = schema::missing(usize::try_from(version).unwrap_or(usize::MAX))?;
        for step in missing {
            self.client.batch_execute(step).await?;
        }
        if !missing.is_empty() {
            let to = schema::MIGRATIONS.len();
            tracing::info!(from = version, to, "the tables of the shared database are brought up to date");
            self.client.batch_execute(&format!("UPDATE netbootd.schema SET version = {to}")).await?;
        }
        self.client.batch_execute("COMMIT").await?;
        Ok(())
    }

    async fn read_everything(&mut self, copies: &Copies) -> Result<(), Trouble> {
        self.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let turn = self.turn("SELECT version, revision, released, extract(epoch FROM clock_timestamp())::bigint FROM netbootd.schema").await?;
        let mut facts = vec![Fact::Released { at: turn.released }];
        facts.extend(sql::everything(&self.client).await?);
        let devices = sql::devices(&self.client).await?;
        self.client.batch_execute("COMMIT").await?;
        copies.set_clock(turn.now);
        if ahead(turn.now).abs() > CLOCKS_DIFFER {
            warn!(
                seconds = ahead(turn.now),
                "the shared database's clock is ahead of this host's: set both by NTP"
            );
        }
        copies.replace(&facts);
        copies.set_devices(devices);
        self.read_at = turn.revision;
        Ok(())
    }

    /// Applies the change that a server announced, this one or another.
    pub(super) async fn apply(&mut self, copies: &Copies, notice: &str) -> Result<(), Trouble> {
        let Ok(Notice { revision, fact }) = serde_json::from_str(notice) else {
            return Err(Trouble::ForeignNotice);
        };
        if revision <= self.read_at {
            return Ok(());
        }
        match fact {
            Fact::Devices => copies.set_devices(sql::devices(&self.client).await?),
            Fact::Everything => self.read_everything(copies).await?,
            fact => copies.apply(&fact),
        }
        Ok(())
    }

    /// Answers questions. Their facts are committed, and in the copies, before this returns.
    pub(super) async fn transact(&mut self, copies: &Copies, asks: &[Ask]) -> Result<Outcome, Trouble> {
        match self.try_to(copies, asks).await {
            Ok(rulings) => Ok(Outcome::Decided(rulings)),
            Err(TurnError::Of(trouble)) => Err(trouble),
            Err(TurnError::Database(error)) => match error.code() {
                // Not about the connection, nor about the server's state.
                Some(code)
                    if code.code().starts_with(['2', '4'])
                        && *code != SqlState::READ_ONLY_SQL_TRANSACTION =>
                {
                    self.client.batch_execute("ROLLBACK").await?;
                    Ok(Outcome::NotTaken(error))
                }
                _ => Err(error.into()),
            },
        }
    }

    async fn try_to(&mut self, copies: &Copies, asks: &[Ask]) -> Result<Vec<Result<(), Refused>>, TurnError> {
        // The row is locked until the end: one server after the other, and each sees what those
        // before it did.
        let turn = self
            .turn("BEGIN; UPDATE netbootd.schema SET revision = revision + 1 RETURNING version, revision, released, extract(epoch FROM clock_timestamp())::bigint")
            .await?;
        let mut rows = sql::read(&self.client, asks, &turn).await?;
        let rulings: Vec<Ruling> = asks.iter().map(|ask| rows.decide(ask, turn.now)).collect();
        let made = rulings.iter().filter(|ruling| ruling.answer.is_ok());
        let made: Vec<&Fact> = made.flat_map(|ruling| &ruling.facts).collect();
        if made.is_empty() {
            self.client.batch_execute("ROLLBACK").await?;
        } else {
            write::write(&self.client, asks, &made, turn.revision).await?;
        }
        copies.set_clock(turn.now);
        rulings.iter().flat_map(|ruling| &ruling.facts).for_each(|fact| match fact {
            // Told to this server as well, and read then.
            Fact::Devices | Fact::Everything => {}
            fact => copies.apply(fact),
        });
        Ok(rulings.into_iter().map(|ruling| ruling.answer).collect())
    }

    async fn turn(&self, query: &str) -> Result<Turn, Trouble> {
        let messages = self.client.simple_query(query).await?;
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.ok_or(Trouble::NoVersion)?;
        let number = |at: usize| row.get(at).and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
        // Another server may have brought the tables up to date meanwhile.
        schema::missing(usize::try_from(number(0)).unwrap_or(usize::MAX))?;
        let seconds = |at| Seconds::try_from(number(at)).unwrap_or_default();
        Ok(Turn { revision: number(1), released: seconds(2), now: seconds(3) })
    }

    pub(super) async fn ping(&self) -> Result<(), Trouble> {
        Ok(self.client.batch_execute("").await?)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A connection that was cut would wait for its last words to arrive.
        self.driver.abort();
    }
}

enum TurnError {
    Of(Trouble),
    Database(tokio_postgres::Error),
}

impl From<Trouble> for TurnError {
    fn from(trouble: Trouble) -> Self {
        TurnError::Of(trouble)
    }
}

impl From<tokio_postgres::Error> for TurnError {
    fn from(error: tokio_postgres::Error) -> Self {
        TurnError::Database(error)
    }
}

fn ahead(now: Seconds) -> i64 {
    now.cast_signed().saturating_sub(crate::ledger::now().cast_signed())
}

const TURN: Duration = Duration::from_secs(2);
/// More seconds than a host that asks a time server is off.
const CLOCKS_DIFFER: i64 = 5;
