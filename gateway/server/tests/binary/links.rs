//! `link passphrase` and `link list`.

use crate::support::{Place, binary, referral, run, stderr, stdout, task_of};
use serde_json::json;
use std::process::Output;
use vcse_gateway::passphrase;

#[test]
fn a_passphrase_is_made_with_its_hash_and_what_to_do_with_them() {
    let made: Vec<(String, String)> = (0..2)
        .map(|_| {
            let output = run(&["link", "passphrase"]);
            assert!(output.status.success(), "{}", stderr(&output));
            let text = stdout(&output);
            let word = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_else(|| panic!("{name}: {text}")).trim().to_owned()
            };
            assert!(text.contains("Never by mail") && text.contains("passphrase-hash"), "{text}");
            (word("Passphrase"), word("Hash"))
        })
        .collect();
    let [(first, hash), (second, _)] = made.as_slice() else { panic!("two were made") };
    assert!(passphrase::is_right(Some(hash), first) && !passphrase::is_right(Some(hash), second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_referral_without_links_says_so_and_an_unknown_one_is_named() {
    let mut place = Place::with_file().await;
    let serving = place.start().await;
    let task = task_of(&serving.post(referral(0).bundle_text()).await);
    let list = |arguments: &[&str]| -> Output {
        let mut command = binary();
        command.args(["link", "list"]).args(arguments).args(["--config", "gateway.toml"]);
        command.current_dir(place.folder.path()).output().unwrap()
    };
    let page = stdout(&list(&[&task]));
    assert!(page.contains("0 status links"), "{page}");
    let value: serde_json::Value = serde_json::from_str(&stdout(&list(&[&task, "--format", "json"]))).unwrap();
    assert_eq!(value, json!([]));
    let unknown = list(&["Task/nothing"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("No referral has this id"), "{}", stderr(&unknown));
    drop(serving);
}
