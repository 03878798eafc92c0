//! What proves that a form is one of ours: made from the secret that the browser was given.

use crate::chance::sha256;
use crate::http::context::hex;
use axum::http::{HeaderMap, header};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// A keyed hash (HMAC-SHA-256, hex) of a text.
pub(in crate::http) fn mac(secret: &str, text: &str) -> String {
    // The lengths are fixed: a key may have any.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(text.as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// Both sides are hashed: the comparison tells nothing of them. What could not be made is the same as nothing.
pub(in crate::http) fn is_same(sent: &str, ours: &str) -> bool {
    !ours.is_empty() && sha256(sent.as_bytes()) == sha256(ours.as_bytes())
}

/// The value of a cookie, if it has one.
pub(in crate::http) fn cookie<'a>(headers: &'a HeaderMap, named: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut ours = pairs.filter(|(name, _)| *name == named).map(|(_, value)| value);
    ours.find(|value| !value.is_empty())
}
