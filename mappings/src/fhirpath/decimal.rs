//! Decimal numbers by their digits: compared exactly, without a binary fraction anywhere.

use std::cmp::Ordering;

/// Sign, digits without zeros at either end, and the power of ten of the first digit.
struct Parts<'d> {
    negative: bool,
    whole: &'d str,
    fraction: &'d str,
    power: i64,
}

/// Compares two numbers as JSON or FHIRPath writes them.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (parts(left), parts(right));
    match (left.sign(), right.sign()) {
        (left_sign, right_sign) if left_sign != right_sign => left_sign.cmp(&right_sign),
        (0, _) => Ordering::Equal,
        (sign, _) => {
            let size = left.power.cmp(&right.power).then_with(|| left.digits().cmp(right.digits()));
            if sign < 0 { size.reverse() } else { size }
        }
    }
}

impl<'d> Parts<'d> {
    /// The digits from the first that is not zero to the last that is not zero.
    fn digits(&self) -> impl Iterator<Item = u8> + 'd {
        let (whole, fraction) =
            if self.fraction.is_empty() { (self.whole.trim_end_matches('0'), "") } else { (self.whole, self.fraction) };
        whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0')
    }

    fn sign(&self) -> i8 {
        if self.digits().next().is_none() {
            0
        } else if self.negative {
            -1
        } else {
            1
        }
    }
}

fn parts(number: &str) -> Parts<'_> {
    let (negative, rest) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let leading = if whole.is_empty() {
        let zeros = fraction.len() - fraction.trim_start_matches('0').len();
        -i64::try_from(zeros).unwrap_or(i64::MAX / 4)
    } else {
        i64::try_from(whole.len()).unwrap_or(i64::MAX / 4)
    };
    Parts { negative, whole, fraction, power: leading.saturating_add(exponent) }
}

/// An exponent too large to hold is cut at a size that no digits reach.
fn read_exponent(text: &str) -> i64 {
    let limit = i64::MAX / 4;
    let negative = text.starts_with('-');
    match text.parse::<i64>() {
        Ok(value) => value.clamp(-limit, limit),
        Err(_) if negative => -limit,
        Err(_) => limit,
    }
}

/// How many zeros an exponent may add.
const MAX_ZEROS: usize = 400;

/// The number without exponent, with the digits that it has. `None` if its zeros would fill a page.
pub(super) fn expanded(number: &str) -> Option<String> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shift = read_exponent(exponent);
    let zeros = usize::try_from(shift.unsigned_abs()).unwrap_or(usize::MAX);
    if zeros > MAX_ZEROS {
        return None;
    }
    let mut digits = format!("{whole}{fraction}");
    let point = if shift < 0 {
        digits.insert_str(0, &"0".repeat(zeros));
        whole.len()
    } else {
        let missing = zeros.saturating_sub(fraction.len());
        digits.push_str(&"0".repeat(missing));
        whole.len() + zeros
    };
    let (whole, fraction) = digits.split_at(point.min(digits.len()));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Some([sign, whole, point, fraction].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_a_number_without_exponent() {
        assert_eq!(expanded("1e500"), None);
        for (number, plain) in [
            ("1e2", "100"),
            ("1.5e1", "15"),
            ("1.50e1", "15.0"),
            ("1.25E3", "1250"),
            ("12e-1", "1.2"),
            ("-1e-3", "-0.001"),
            ("0e5", "0"),
            ("120.5e-2", "1.205"),
        ] {
            assert_eq!(expanded(number).as_deref(), Some(plain), "{number}");
            assert_eq!(compare(number, plain), Ordering::Equal, "{number}");
        }
    }

    #[test]
    fn compares_by_value_and_not_by_spelling() {
        for (left, right, order) in [
            ("1", "1.0", Ordering::Equal),
            ("1.50", "1.5", Ordering::Equal),
            ("10", "1e1", Ordering::Equal),
            ("0.001", "1E-3", Ordering::Equal),
            ("-0", "0.00", Ordering::Equal),
            ("0e9", "0", Ordering::Equal),
            ("100", "1e2", Ordering::Equal),
            ("2", "10", Ordering::Less),
            ("-2", "-10", Ordering::Greater),
            ("-1", "1", Ordering::Less),
            ("0.1", "0.09", Ordering::Greater),
            ("0.30000000000000004", "0.3", Ordering::Greater),
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("1e400", "1e401", Ordering::Less),
            ("1e-99999999999999999999", "0", Ordering::Greater),
            ("12.5", "12.50001", Ordering::Less),
            ("105", "15", Ordering::Greater),
        ] {
            assert_eq!(compare(left, right), order, "{left} {right}");
            assert_eq!(compare(right, left), order.reverse(), "{right} {left}");
        }
    }
}
