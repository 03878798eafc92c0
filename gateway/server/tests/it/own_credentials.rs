//! A platform with its route whose credentials are headers and query parameters of its own instead of one `Authorization`.

use crate::support::World;
use std::path::Path;

/// Where a credential goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Header,
    Query,
}

/// Such a platform, called `besides`; it may have free text.
pub(crate) struct OwnCredentials<'a> {
    /// ODS code by which referrals reach it.
    pub(crate) ods: &'a str,
    /// The adapter.
    pub(crate) adapter: &'a str,
    /// Its address.
    pub(crate) base: &'a str,
    /// `name = "value"`, divided by commas.
    pub(crate) settings: &'a str,
    /// Each credential: where it goes, its name, and the secret.
    pub(crate) secrets: &'a [(Place, &'a str, &'a str)],
}

impl OwnCredentials<'_> {
    /// The sections of the configuration. The secrets are written into files of this folder.
    pub(crate) fn sections(&self, folder: &Path) -> String {
        let Self { ods, adapter, base, settings, .. } = self;
        let of = |place: Place| {
            let listed = self.secrets.iter().filter(|(at, ..)| *at == place).map(|(_, name, secret)| {
                let file = folder.join(name);
                std::fs::write(&file, secret).unwrap();
                format!("{{ name = \"{name}\", file = \"{}\" }}", file.display())
            });
            listed.collect::<Vec<_>>().join(", ")
        };
        let (headers, query) = (of(Place::Header), of(Place::Query));
        let identifier =
            format!("[{{ system = \"https://fhir.nhs.uk/Id/ods-organization-code\", value = \"{ods}\" }}]");
        format!(
            "\n[[platform]]\nid = \"besides\"\nname = \"Another platform\"\nadapter = \"{adapter}\"\n\
             base-url = \"{base}\"\nsecret-headers = [{headers}]\nsecret-query = [{query}]\npoll-seconds = 1\npoll-longest-seconds = 1\nsimulator = true\n\
             identifiers = {identifier}\nsettings = {{ {settings} }}\n\n\
             [[route]]\nname = \"besides\"\nplatform = \"besides\"\nrecipients = {identifier}\n\n\
             [[policy]]\ntenant = \"pcn-a\"\nplatform = \"besides\"\nnotes = \"send\"\n"
        )
    }
}

/// Nothing that is written about the referrals to this platform holds one of these secrets: not what they are, not their attempts, not
/// audit, not what the sender reads.
pub(crate) async fn assert_nowhere(world: &World, platform: &str, secrets: &[(Place, &str, &str)]) {
    let mut written = String::new();
    for referral in world.referrals().await {
        written += &format!("{referral:?}");
        written += &world.task(&format!("/fhir/Task/{}", referral.task)).await.to_string();
        written += &format!("{:?}", world.store().audit_lines(&referral.id).await.unwrap());
        for row in world.store().outbox(&referral.id).await.unwrap() {
            written += &format!("{row:?}{:?}", world.store().attempts(&row.id).await.unwrap());
        }
    }
    assert!(written.contains(platform), "something is written");
    for (_, name, secret) in secrets.iter().filter(|(_, _, secret)| secret.len() >= 8) {
        assert!(!written.contains(secret), "the secret {name} is written: {written}");
    }
}
