//! Connections: where to, with which settings of the session.

use super::PostgresOptions;
use super::fault::Fault;
use crate::gateway::Secret;
use crate::store::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{Connection as _, PgConnection};
use std::str::FromStr as _;

/// Statements kept prepared for each connection: more than there are fixed ones.
const STATEMENTS: usize = 256;

/// Reads an address such as `postgres://gateway@db.example/gateway`.
pub(super) fn options(url: &Secret) -> Result<PgConnectOptions, StoreError> {
    let fault = || {
        StoreError::Engine("the address of the database is not of the form postgres://user@host/database".to_owned())
    };
    // The parser takes any scheme, and its own words may quote the address, which holds a password.
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.reveal().starts_with(scheme)) {
        return Err(fault());
    }
    let options = PgConnectOptions::from_str(url.reveal()).map_err(|_| fault())?;
    let host = options.get_host();
    let here = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    // The keys of all bodies travel on this connection.
    if !here && !matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull) {
        return Err(StoreError::Engine(
            "the database is on another machine, and its address does not ask for TLS with a checked certificate: add \
             ?sslmode=verify-full, and &sslrootcert=FILE for a certificate authority of your own"
                .to_owned(),
        ));
    }
    Ok(options.application_name("vcse-gateway").statement_cache_capacity(STATEMENTS))
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Workers and the writer: all tenants.
    All,
    /// What is asked for one tenant: sees the rows of the tenant that is set, and without one no rows at all.
    Tenant,
}

/// The settings of a session. Each is for this session alone, whatever server or role say.
async fn prepare(on: &mut PgConnection, scope: Scope, options: &PostgresOptions) -> Result<(), sqlx::Error> {
    let scope = match scope {
        Scope::All => "all",
        Scope::Tenant => "tenant",
    };
    // What is acknowledged is on the disk: a server that leaves it for later is not obeyed; one that waits for a standby is.
    let sql = "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false),
        set_config('idle_in_transaction_session_timeout', $3, false), set_config('gateway.scope', $4, false),
        set_config('synchronous_commit', CASE current_setting('synchronous_commit')
            WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),
        set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
        set_config('tcp_keepalives_count', '4', false), set_config('client_min_messages', 'warning', false)";
    let millis = |span: std::time::Duration| span.as_millis().to_string();
    sqlx::query(sql)
        .bind(millis(options.statement))
        .bind(millis(options.lock))
        .bind(millis(options.idle_in_transaction))
        .bind(scope)
        .execute(on)
        .await?;
    Ok(())
}

/// One connection of its own, for the writer.
pub(super) async fn alone(to: &PgConnectOptions, options: &PostgresOptions) -> Result<PgConnection, Fault> {
    let connecting = async {
        let mut on = PgConnection::connect_with(to).await?;
        prepare(&mut on, Scope::All, options).await?;
        Ok::<_, sqlx::Error>(on)
    };
    match tokio::time::timeout(options.acquire, connecting).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(Fault::Lost("PostgreSQL cannot be reached: it did not answer in time".to_owned())),
    }
}

/// A pool that connects when first needed.
pub(super) fn pool(to: &PgConnectOptions, scope: Scope, options: PostgresOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(options.connections)
        .min_connections(0)
        .acquire_timeout(options.acquire)
        .after_connect(move |on, _| Box::pin(async move { prepare(on, scope, &options).await }))
        .connect_lazy_with(to.clone())
}
