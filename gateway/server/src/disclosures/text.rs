//! The same as plain text, for a terminal.

use super::{History, words};
use std::fmt::Write as _;

/// The text.
#[must_use]
pub fn of(history: &History) -> String {
    let mut text = format!("{}: who received what\n", history.patient);
    // Writing to a String cannot fail.
    let mut line = |words: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{words}");
    };
    let recipients = history.by_recipient();
    if recipients.values().all(|recipient| recipient.told.is_empty()) {
        line(format_args!("Nothing was disclosed."));
    }
    for (platform, recipient) in &recipients {
        line(format_args!("\n{platform} {}", shown(recipient.name)));
        for (referral, told) in &recipient.told {
            let disclosure = &told.disclosure;
            line(format_args!("  {} Task/{} (audit line {})", words::when(told.at), referral.task, told.number));
            line(format_args!("    {}", words::became(told.became)));
            if let Some(decision) = &disclosure.decision {
                let by = decision.decisive.as_deref().unwrap_or("no Consent");
                line(format_args!("    {}: {} {by}", decision.reason, shown(&decision.words)));
            }
            for (name, paths) in words::grouped(&disclosure.elements) {
                line(format_args!("    told: {name} ({})", paths.join(", ")));
            }
            for kept in &disclosure.withheld {
                line(format_args!("    withheld: {} ({}): {}", words::name(&kept.path), kept.path, shown(&kept.words)));
            }
        }
        for (referral, notice) in &recipient.notices {
            line(format_args!("  {} Task/{}: {}", words::when(notice.at), referral.task, notice.words));
        }
    }
    text
}

/// Without what a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}
