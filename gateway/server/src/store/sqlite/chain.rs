//! The chain of audit in the file: where it stands, and whether it holds.

use super::errors::unreadable;
use super::rows::{hash, natural};
use crate::store::StoreError;
use crate::store::chain::{AuditChain, Content, Link, Walk};
pub(super) use crate::store::statements::{LAST, WALK};
use gateway_core::identity::TenantId;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

/// Where the chain of a tenant stands.
pub(super) fn last(file: &Connection, tenant: &TenantId) -> Result<Link, StoreError> {
    let mut statement = file.prepare_cached(LAST)?;
    let mut rows = statement.query([&tenant.0])?;
    let Some(row) = rows.next()? else { return Ok(Link::default()) };
    Ok(Link { number: natural(row, 0)?, hash: hash(row, 1)? })
}

/// Looks over every tenant's lines, in one snapshot. What it finds may be anything: nothing is taken for readable.
pub(super) fn verify(file: &Connection) -> Result<Vec<AuditChain>, StoreError> {
    let file = file.unchecked_transaction()?;
    let mut chains = Vec::new();
    let mut tenants = file.prepare("SELECT DISTINCT tenant FROM audit ORDER BY tenant")?;
    let tenants: Vec<Vec<u8>> = tenants
        .query_map([], |row| Ok(row.get_ref(0)?.as_bytes().map(<[u8]>::to_vec).unwrap_or_default()))?
        .collect::<Result<_, _>>()?;
    for tenant in tenants {
        let mut statement = file.prepare_cached(WALK)?;
        // Asked for with the bytes that stand there, also if they are no text.
        statement.raw_bind_parameter(1, rusqlite::types::ToSqlOutput::Borrowed(ValueRef::Text(&tenant)))?;
        let mut walk = Walk::new(TenantId(String::from_utf8_lossy(&tenant).into_owned()));
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let content = Content {
                at: row.get(2)?,
                actor: bytes(row, 3)?,
                action: bytes(row, 4)?,
                referral: match row.get_ref(5)? {
                    ValueRef::Null => None,
                    _ => Some(bytes(row, 5)?),
                },
                detail: bytes(row, 6)?,
            };
            if !walk.line(row.get(0)?, bytes(row, 1)?, &content) {
                break;
            }
        }
        chains.push(walk.end());
    }
    Ok(chains)
}

fn bytes<'row>(row: &'row Row<'_>, column: usize) -> Result<&'row [u8], StoreError> {
    row.get_ref(column)?.as_bytes().map_err(|_| unreadable("bytes"))
}
