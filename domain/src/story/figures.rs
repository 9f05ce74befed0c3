//! Numbers as they are written for people: everywhere the same.

/// What stands for a number that is not there.
pub(crate) const NOT_KNOWN: &str = "n/a";

/// A number: three decimals at most, or three significant digits if it is small; `n/a` if there is none.
#[must_use]
pub fn format_number(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return NOT_KNOWN.to_owned() };
    let decimals = (3..=12).find(|decimals| value.abs() * 10_f64.powi(*decimals) >= 100.0).unwrap_or(12);
    let decimals = usize::try_from(if value.abs() >= 0.1 { 3 } else { decimals }).unwrap_or(3);
    let text = format!("{value:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
