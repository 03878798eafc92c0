//! `account add`, `list`, `passphrase`, `disable`, `enable`.

use crate::support::{Place, binary, stderr, stdout};
use conformance_tests::generator::PRACTICE_ODS;
use std::process::Output;
use vcse_gateway::passphrase;
use vcse_gateway::store::Store as _;
use vcse_gateway::store::sqlite::SqliteStore;

fn account(place: &Place, arguments: &[&str]) -> Output {
    let mut command = binary();
    command.arg("account").args(arguments).args(["--config", "gateway.toml"]);
    command.current_dir(place.folder.path()).output().unwrap()
}

fn word(output: &Output, name: &str) -> String {
    let text = stdout(output);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name}: {text} {}", stderr(output))).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_made_listed_changed_and_closed() {
    let mut place = Place::with_file().await;
    // Makes the store, and holds it.
    let serving = place.start().await;
    let (tenant, organisation) = ("pcn".to_owned(), PRACTICE_ODS.to_owned());
    let add = |id: &str, organisation: &str| {
        account(&place, &["add", id, "--tenant", &tenant, "--organisation", organisation, "--name", "Anna Link"])
    };
    let busy = add("anna", &organisation);
    assert_eq!(busy.status.code(), Some(3), "{}", stdout(&busy));
    assert!(stderr(&busy).contains("stop the gateway"), "{}", stderr(&busy));
    drop(serving);

    let made = add("Anna", &organisation);
    assert!(made.status.success(), "{}", stderr(&made));
    assert_eq!(word(&made, "Name"), "anna");
    let first = word(&made, "Passphrase");
    for (id, organisation, code, words) in [
        ("anna", organisation.as_str(), 1, "is taken"),
        ("ben", "Z99999", 1, "would see nothing"),
        ("b n", organisation.as_str(), 2, "letters"),
    ] {
        let refused = add(id, organisation);
        assert_eq!(refused.status.code(), Some(code), "{id}");
        assert!(stderr(&refused).contains(words), "{}", stderr(&refused));
    }
    let second = word(&account(&place, &["passphrase", "anna"]), "Passphrase");
    assert!(account(&place, &["disable", "anna"]).status.success());
    let list = stdout(&account(&place, &["list"]));
    assert!(list.contains("anna") && list.contains("closed") && !list.contains("argon2"), "{list}");
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&account(&place, &["list", "--format", "json"]))).unwrap();
    assert_eq!((&json[0]["id"], &json[0]["disabled"]), (&"anna".into(), &true.into()));
    assert!(account(&place, &["enable", "anna"]).status.success());
    assert_eq!(account(&place, &["disable", "nobody"]).status.code(), Some(1));

    let config = vcse_gateway::config::load(&place.configuration()).unwrap();
    let file = place.folder.path().join(vcse_gateway::config::store_file(&config).unwrap());
    let store = SqliteStore::open_to_read(&file).unwrap();
    let kept = store.accounts().await.unwrap().remove(0);
    assert!(passphrase::is_right(Some(&kept.passphrase_hash), &second));
    assert!(!passphrase::is_right(Some(&kept.passphrase_hash), &first));
    assert_eq!((kept.revision, kept.epoch, kept.disabled), (4, 4, false));
}
