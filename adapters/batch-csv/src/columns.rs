//! Which column is which, by the names that people give them.

/// A column of a result file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Our name for the referral.
    Ref,
    /// What has become of it.
    Status,
    /// Why.
    Reason,
    /// Since when.
    Date,
    /// What was done.
    Outcome,
}

/// Names without case, blanks and punctuation.
const NAMES: [(Column, &[&str]); 5] = [
    (Column::Ref, &["ref", "reference", "referralref", "referralreference", "referralid", "yourref", "gatewayref"]),
    (Column::Status, &["status", "referralstatus", "currentstatus", "newstatus", "state", "progress"]),
    (Column::Reason, &["reason", "statusreason", "comment", "comments", "reasonfordecline", "why"]),
    (Column::Date, &["date", "statusdate", "dateofstatus", "datechanged", "updated", "lastupdated"]),
    (Column::Outcome, &["outcome", "result", "whatwasdone", "outcomenotes"]),
];

/// Words without case, blanks and punctuation.
fn bare(text: &str) -> String {
    text.chars().filter(|each| each.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Where the columns are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    places: Vec<(Column, usize)>,
}

impl Columns {
    /// Reads a header. Columns that mean nothing here are passed over.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn read<'a>(header: impl Iterator<Item = &'a str>) -> Result<Self, &'static str> {
        let mut places = Vec::new();
        for (index, name) in header.enumerate() {
            let name = bare(name);
            let Some((column, _)) = NAMES.iter().find(|(_, names)| names.contains(&name.as_str())) else { continue };
            if places.iter().any(|(own, _)| own == column) {
                return Err("Two columns of the header mean the same. Give each a name of its own.");
            }
            places.push((*column, index));
        }
        let columns = Self { places };
        for (column, words) in [
            (Column::Ref, "The header has no column `ref`. The first line has to name the columns."),
            (Column::Status, "The header has no column `status`. The first line has to name the columns."),
            (Column::Date, "The header has no column `date`. The first line has to name the columns."),
        ] {
            columns.place(column).ok_or(words)?;
        }
        Ok(columns)
    }

    /// Where a column is.
    pub(crate) fn place(&self, column: Column) -> Option<usize> {
        self.places.iter().find(|(own, _)| *own == column).map(|(_, index)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_may_stand_in_any_order_under_their_usual_names() {
        let read =
            Columns::read(["Postcode", "DATE CHANGED", "Referral-Ref", "Comments", "Status"].into_iter()).unwrap();
        let places =
            [Column::Ref, Column::Status, Column::Reason, Column::Date, Column::Outcome].map(|one| read.place(one));
        assert_eq!(places, [Some(2), Some(4), Some(3), Some(1), None]);
    }

    #[test]
    fn a_header_that_leaves_a_doubt_is_none() {
        assert!(Columns::read(["ref", "status", "Reference", "date"].into_iter()).unwrap_err().contains("Two columns"));
        assert!(Columns::read(["status", "date"].into_iter()).unwrap_err().contains("`ref`"));
        assert!(Columns::read(["ref", "date"].into_iter()).unwrap_err().contains("`status`"));
        assert!(Columns::read(["ref", "status"].into_iter()).unwrap_err().contains("`date`"));
    }

    #[test]
    fn no_name_means_two_columns() {
        let mut all: Vec<&str> = NAMES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(all.iter().all(|name| bare(name) == *name));
    }
}
