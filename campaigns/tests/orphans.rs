//! A campaign that is killed leaves no gateway behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Looks at a process before it is given up: one every ten milliseconds.
const LOOKS: u32 = 12_000;

/// State and parent of a process, and whether it is the gateway; `None` if there is none of this id.
fn process(of: &Path) -> Option<(char, u32, bool)> {
    let stat = fs::read_to_string(of.join("stat")).ok()?;
    // The name stands in brackets, and may hold anything.
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    let state = words.next()?.chars().next()?;
    Some((state, words.next()?.parse().ok()?, name == "vcse-gateway"))
}

async fn look<T>(what: &str, mut at: impl FnMut() -> Option<T>) -> T {
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..LOOKS {
        if let Some(seen) = at() {
            return seen;
        }
        beat.tick().await;
    }
    panic!("{what}: not seen")
}

#[tokio::test]
async fn a_campaign_that_is_killed_takes_its_gateway_along() {
    if Command::new("setpriv").arg("--version").stdout(Stdio::null()).status().is_err() {
        fault_campaigns::report::say(
            "SKIPPED: setpriv is missing, so nothing is shown about campaigns that are killed",
        );
        return;
    }
    // What it leaves there goes with the test.
    let scratch = tempfile::tempdir().expect("a folder for it");
    let mut campaign = Command::new(env!("CARGO_BIN_EXE_fault-campaigns"))
        .args(["stuck", "--rounds", "1000"])
        .env("TMPDIR", scratch.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the campaign starts");
    let own = campaign.id();
    let gateway = look("the campaign's gateway", || {
        let processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
        let mut processes = processes.filter(|path| process(path).is_some_and(|(_, parent, is)| is && parent == own));
        processes.next()
    });
    let gateway = gateway.await;
    campaign.kill().expect("it can be killed");
    campaign.wait().expect("it has ended");
    // Whoever inherits it may not look at its end.
    look("the end of the gateway", || {
        let gone = process(&gateway).is_none_or(|(state, _, is)| state == 'Z' || !is);
        gone.then_some(())
    })
    .await;
}
