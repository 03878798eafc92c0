//! Statements and rows: the shared statements in PostgreSQL's words, what is bound to them, what is read of them.
//!
//! PostgreSQL's text cannot hold the character NUL, which a platform's names may: it is kept as U+0001 U+0002, and U+0001
//! itself as U+0001 U+0003. Both ways are exact, and strings sort as before. JSON text escapes both by itself.

use super::fault::Fault;
use crate::store::StoreError;
use crate::store::found::Value;
use crate::store::rows::Columns;
use crate::store::values::unreadable;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row as _};
use std::borrow::Cow;

/// A statement with its values.
pub(super) type Ask = Query<'static, Postgres, PgArguments>;

/// A statement in the shared words ([`statements`](crate::store::statements)).
pub(super) fn ask(sql: &str) -> Ask {
    // Every statement is made of constants; values are bound.
    sqlx::query(AssertSqlSafe(translated(sql)))
}

/// From SQLite's words: numbered parameters, a fixed order of tables, a demanded index, an operand kept from an index.
fn translated(sql: &str) -> String {
    sql.replace('?', "$")
        .replace("CROSS JOIN", "JOIN")
        .replace("ifnull(", "coalesce(")
        .replace(" INDEXED BY outbox_turn", "")
        .replace("AND +", "AND ")
}

/// Binds values.
pub(super) trait Bind: Sized {
    /// Text.
    fn text(self, text: &str) -> Self;
    /// Text or nothing.
    fn maybe(self, text: Option<&str>) -> Self;
    /// A number.
    fn number(self, number: i64) -> Self;
    /// A number or nothing.
    fn maybe_number(self, number: Option<i64>) -> Self;
    /// Bytes.
    fn bytes(self, bytes: &[u8]) -> Self;
    /// Any of these.
    fn value(self, value: &Value) -> Self;
}

impl Bind for Ask {
    fn text(self, text: &str) -> Self {
        self.bind(escaped(text))
    }

    fn maybe(self, text: Option<&str>) -> Self {
        self.bind(text.map(escaped))
    }

    fn number(self, number: i64) -> Self {
        self.bind(number)
    }

    fn maybe_number(self, number: Option<i64>) -> Self {
        self.bind(number)
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        self.bind(bytes)
    }

    fn value(self, value: &Value) -> Self {
        match value {
            Value::Text(text) => self.text(text),
            Value::Integer(number) => self.number(*number),
            Value::Bytes(bytes) => self.bytes(bytes),
        }
    }
}

/// Text as it is kept.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', '\u{1}']) {
        text.replace('\u{1}', "\u{1}\u{3}").replace('\0', "\u{1}\u{2}").into()
    } else {
        text.into()
    }
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if text.contains('\u{1}') {
        text.replace("\u{1}\u{2}", "\0").replace("\u{1}\u{3}", "\u{1}").into()
    } else {
        text.into()
    }
}

impl Columns for PgRow {
    fn text(&self, column: usize) -> Result<Cow<'_, str>, StoreError> {
        self.try_get::<&str, _>(column).map(unescaped).map_err(|_| unreadable("text"))
    }

    fn text_or_null(&self, column: usize) -> Result<Option<String>, StoreError> {
        let text = self.try_get::<Option<&str>, _>(column).map_err(|_| unreadable("text"))?;
        Ok(text.map(|text| unescaped(text).into_owned()))
    }

    fn integer(&self, column: usize) -> Result<i64, StoreError> {
        self.try_get(column).map_err(|_| unreadable("number"))
    }

    fn integer_or_null(&self, column: usize) -> Result<Option<i64>, StoreError> {
        self.try_get(column).map_err(|_| unreadable("number"))
    }

    fn bytes(&self, column: usize) -> Result<&[u8], StoreError> {
        self.try_get(column).map_err(|_| unreadable("bytes"))
    }

    fn bytes_or_null(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        self.try_get(column).map_err(|_| unreadable("bytes"))
    }
}

/// All rows of a statement.
pub(super) async fn all<T>(
    on: &mut PgConnection,
    ask: Ask,
    read: impl Fn(&PgRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, Fault> {
    let rows = ask.fetch_all(on).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// The first row of a statement.
pub(super) async fn one<T>(
    on: &mut PgConnection,
    ask: Ask,
    read: impl Fn(&PgRow) -> Result<T, StoreError>,
) -> Result<Option<T>, Fault> {
    let row = ask.fetch_optional(on).await?;
    Ok(row.as_ref().map(read).transpose()?)
}

/// Runs a statement.
pub(super) async fn run(on: &mut PgConnection, ask: Ask) -> Result<(), Fault> {
    ask.execute(on).await?;
    Ok(())
}

/// Runs a command without values, or several at once.
pub(super) async fn command(on: &mut PgConnection, sql: &'static str) -> Result<(), Fault> {
    sqlx::raw_sql(sql).execute(on).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{escaped, unescaped};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_comes_back_and_sorts_as_before(
            one in "[\\x00-\\x04a\u{e9}]{0,6}", other in "[\\x00-\\x04a\u{e9}]{0,6}"
        ) {
            let kept = escaped(&one);
            prop_assert!(!kept.contains('\0'));
            prop_assert_eq!(unescaped(&kept), one.as_str());
            prop_assert_eq!(escaped(&one).cmp(&escaped(&other)), one.cmp(&other));
        }
    }
}
