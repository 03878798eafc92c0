//! `link passphrase` and `link list`: what is agreed with an organisation that answers behind status links, and how the links of a
//! referral stand. Never shows what opens one.

use super::audit::open;
use super::referrals::{find, unreadable};
use super::{Exit, complain, say};
use crate::clock::{Clock as _, SystemClock};
use crate::passphrase;
use gateway_core::status_link::{LinkState, StatusLink};
use gateway_fhir::instant::to_instant;
use serde_json::{Value, json};
use std::path::Path;
use time::OffsetDateTime;

/// What stands below a new passphrase.
const WHAT_TO_DO: &str = "\
This is shown once, and kept nowhere.
1. Tell the organisation by telephone, or face to face. Never by mail: who reads its mail must not have both.
2. Put the hash into a file that the gateway can read, and name it in the configuration:
   status-link = { passphrase-hash = { file = \"PATH\" } }
3. Restart the gateway. Links that were sent before open with the new passphrase.
The hash opens nothing, and belongs into no ticket or chat all the same.";

/// Makes a passphrase.
pub(super) fn make() -> Exit {
    let passphrase = passphrase::make();
    match passphrase::hash(&passphrase) {
        Ok(hash) => {
            say(&format!("Passphrase  {passphrase}\nHash        {hash}\n\n{WHAT_TO_DO}"));
            Exit::Done
        }
        Err(words) => {
            complain(&format!("{words}."));
            Exit::Environment
        }
    }
}

/// Lists the links of a referral.
pub(super) async fn list(config: &Path, id: &str, as_json: bool) -> Exit {
    tell(config, id, as_json).await.unwrap_or_else(|exit| exit)
}

async fn tell(file: &Path, id: &str, as_json: bool) -> Result<Exit, Exit> {
    let (config, store) = open(file).await?;
    let found = find(&config, store.as_ref(), id).await.map_err(|error| unreadable(&error))?;
    if found.is_empty() {
        complain("No referral has this id: it is the id of the Task, or of the referral.");
        return Ok(Exit::NotRight);
    }
    let now = SystemClock.now();
    let mut shown = Vec::new();
    for referral in &found {
        let links = store.links(&referral.id).await.map_err(|error| unreadable(&error))?;
        if as_json {
            shown.extend(links.iter().map(|link| value(link, &referral.task, now)));
            continue;
        }
        say(&format!("Task/{}: {} status links", referral.task, links.len()));
        links.iter().for_each(|link| say(&line(link, now)));
    }
    if as_json {
        say(&Value::from(shown).to_string());
    }
    Ok(Exit::Done)
}

/// How a link stands: a code, and until when that holds.
fn standing(link: &StatusLink, now: OffsetDateTime) -> (&'static str, Option<OffsetDateTime>) {
    match &link.state {
        LinkState::Spent => ("spent", None),
        LinkState::Open { until, .. } if now < *until => ("open", Some(*until)),
        LinkState::Open { .. } => ("over", None),
        LinkState::Unused if link.expires_at <= now => ("expired", None),
        LinkState::Unused => match link.rests_until.filter(|until| now < *until) {
            Some(until) => ("rests", Some(until)),
            None => ("unused", Some(link.expires_at)),
        },
    }
}

fn line(link: &StatusLink, now: OffsetDateTime) -> String {
    let (code, until) = standing(link, now);
    let until = until.map(|until| format!(" until {}", to_instant(until))).unwrap_or_default();
    let (made, platform) = (to_instant(link.made_at), &link.platform.0);
    format!("  {}  made {made} for {platform}: {code}{until}, {} wrong passphrases", link.id, link.wrong)
}

fn value(link: &StatusLink, task: &str, now: OffsetDateTime) -> Value {
    let (code, until) = standing(link, now);
    json!({
        "id": link.id,
        "task": task,
        "referral": link.referral.0,
        "platform": link.platform.0,
        "made": to_instant(link.made_at),
        "expires": to_instant(link.expires_at),
        "state": code,
        "until": until.map(to_instant),
        "wrongPassphrases": link.wrong,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::identity::PlatformId;
    use gateway_core::referral::ReferralId;
    use time::Duration;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);

    fn link() -> StatusLink {
        let about = (&ReferralId("r".to_owned()), &PlatformId("p".to_owned()));
        StatusLink::made("l".to_owned(), about, "0ecret".to_owned(), NOW, std::time::Duration::from_secs(86_400))
    }

    #[test]
    fn each_state_has_its_word_and_what_opens_a_link_is_never_shown() {
        let mut rested = link();
        for _ in 0..5 {
            rested = rested.refused(NOW);
        }
        let open = link().opened("5ession".to_owned(), NOW + Duration::HOUR);
        for (state, link, at) in [
            ("unused", link(), NOW),
            ("expired", link(), NOW + Duration::DAY),
            ("rests", rested.clone(), NOW),
            ("unused", rested, NOW + Duration::minutes(15)),
            ("open", open.clone(), NOW),
            ("over", open.clone(), NOW + Duration::HOUR),
            ("spent", open.closed(), NOW),
        ] {
            let (line, value) = (line(&link, at), value(&link, "t", at));
            assert_eq!(value["state"], state);
            assert!(line.contains(&format!(": {state}")), "{line}");
            let both = format!("{line}{value}");
            assert!(!both.contains("0ecret") && !both.contains("5ession"), "{both}");
        }
    }
}
