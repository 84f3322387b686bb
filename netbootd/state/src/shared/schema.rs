//! The tables, and how they become what this version expects.

use thiserror::Error;

/// The statements that each version adds to the one before it. A released version is not changed,
/// only followed by another.
pub(super) const MIGRATIONS: &[&str] = &["
DO $$ BEGIN
    IF to_regnamespace('netbootd') IS NULL THEN CREATE SCHEMA netbootd; END IF;
END $$;
CREATE TABLE netbootd.schema (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL,
    revision bigint NOT NULL DEFAULT 0,
    released bigint NOT NULL DEFAULT 0
);
COMMENT ON COLUMN netbootd.schema.revision IS 'transactions so far; taking the next number is the turn of a server';
COMMENT ON COLUMN netbootd.schema.released IS 'when the brake was last released, in seconds since 1970';
INSERT INTO netbootd.schema (version) VALUES (1);
CREATE TABLE netbootd.ledger (
    machine text NOT NULL,
    deployment text NOT NULL,
    mac macaddr NOT NULL,
    name text NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (machine, deployment)
);
CREATE INDEX ledger_at ON netbootd.ledger (at);
CREATE TABLE netbootd.leases (
    address inet PRIMARY KEY,
    mac macaddr UNIQUE,
    until bigint NOT NULL,
    leased boolean NOT NULL
);
COMMENT ON COLUMN netbootd.leases.mac IS 'null: nobody gets the address until then';
COMMENT ON COLUMN netbootd.leases.leased IS 'false: it is offered';
CREATE TABLE netbootd.bindings (
    mac macaddr PRIMARY KEY,
    image text NOT NULL,
    number bigint NOT NULL UNIQUE,
    model text NOT NULL,
    at bigint NOT NULL
);
CREATE TABLE netbootd.approvals (
    mac macaddr PRIMARY KEY,
    approved boolean NOT NULL,
    at bigint NOT NULL
);
CREATE TABLE netbootd.devices (
    line bigint PRIMARY KEY,
    name text NOT NULL,
    mac text NOT NULL,
    uuid text NOT NULL,
    image text NOT NULL,
    file text NOT NULL,
    deployment text NOT NULL,
    purpose text NOT NULL
);
", "
CREATE TABLE netbootd.given (
    machine text NOT NULL,
    deployment text NOT NULL,
    run text NOT NULL,
    guid text,
    mac macaddr NOT NULL,
    record text,
    name text NOT NULL,
    at bigint NOT NULL,
    stage bigint NOT NULL,
    stage_at bigint NOT NULL,
    noted bigint,
    PRIMARY KEY (machine, deployment, run)
);
COMMENT ON TABLE netbootd.given IS 'Required deployments that were given, by machine: its GUID or, when none was known, its hardware address';
COMMENT ON COLUMN netbootd.given.record IS 'the record at a site that numbers them: configmgr/16777219';
COMMENT ON COLUMN netbootd.given.stage IS '0 firmware, 1 a program that it started, 2 the boot is over';
COMMENT ON COLUMN netbootd.given.noted IS 'when the site was first known to remember it';
CREATE INDEX given_at ON netbootd.given (at);
CREATE INDEX given_guid ON netbootd.given (guid);
CREATE INDEX given_mac ON netbootd.given (mac);
CREATE INDEX given_record ON netbootd.given (record);
INSERT INTO netbootd.given (machine, deployment, run, mac, record, name, at, stage, stage_at)
    SELECT DISTINCT ON (former.mac, former.deployment) former.mac::text, former.deployment, '', former.mac,
        CASE WHEN former.machine ~ '^configmgr/[0-9]+$' THEN former.machine END, former.name, former.at, 0, former.at
    FROM netbootd.ledger AS former ORDER BY former.mac, former.deployment, former.at DESC;
DROP TABLE netbootd.ledger;
ALTER TABLE netbootd.devices ADD COLUMN run text NOT NULL DEFAULT '';
", "
ALTER TABLE netbootd.devices
    ADD COLUMN images text NOT NULL DEFAULT '',
    ADD COLUMN default_image text NOT NULL DEFAULT '';
", "
CREATE TABLE netbootd.assignments (
    mac macaddr PRIMARY KEY,
    device text NOT NULL
);
COMMENT ON TABLE netbootd.assignments IS 'devices that operators registered, and what each boots, as JSON';
", "
ALTER TABLE netbootd.devices ADD COLUMN trusts text NOT NULL DEFAULT '';
", "
CREATE TABLE netbootd.secure_boot (
    machine text NOT NULL,
    generation text NOT NULL,
    starts boolean NOT NULL,
    file text NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (machine, generation)
);
COMMENT ON TABLE netbootd.secure_boot IS 'whether machines started boot programs signed by authorities of 2011 and of 2023, the last time each';
CREATE INDEX secure_boot_at ON netbootd.secure_boot (at);
"];

/// The tables of a newer netbootd.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "its tables are of version {version}, from a newer netbootd; \
     this one knows version {known}: upgrade it",
    known = MIGRATIONS.len()
)]
pub struct NewerSchema {
    /// The version of its tables.
    pub version: usize,
}

/// The steps that a database of some version lacks.
pub(super) fn missing(version: usize) -> Result<&'static [&'static str], NewerSchema> {
    MIGRATIONS.get(version..).ok_or(NewerSchema { version })
}

/// The channel of the servers' notices.
pub(super) const CHANNEL: &str = "netbootd";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_schema_is_brought_up_to_date_and_a_newer_one_refused() {
        assert_eq!(missing(0).unwrap().len(), MIGRATIONS.len());
        assert_eq!(missing(MIGRATIONS.len()).unwrap().len(), 0);
        let version = MIGRATIONS.len() + 1;
        let newer = missing(version).unwrap_err();
        assert_eq!(newer, NewerSchema { version });
        assert!(newer.to_string().contains("from a newer netbootd"), "{newer}");
    }
}
