//! The BaRS-shaped conversation that a tester plays by a script, against the demonstration.

use crate::support::{binary, stderr, stdout};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The demonstration, until it is dropped.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_script_of_a_conversation_goes_as_the_guide_says() {
    let mut child = binary().args(["demo", "--referrals", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let _demo = Demo(child);
    let mut address = |beginning: &str, behind: &str| {
        let line = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with(beginning)).unwrap();
        line.rsplit_once(behind).unwrap().1.trim().to_owned()
    };
    let gateway = address("FHIR base address", " ");
    let responses = address("BaRS-shaped", "responses at ");
    // What it says from now on is read, so that it is never held up.
    std::thread::spawn(move || lines.for_each(drop));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/bars-conversation.sh");
    let played = Command::new("sh").arg(script).env("GATEWAY", gateway).env("RESPONSES", responses).output().unwrap();
    let said = stdout(&played);
    assert!(played.status.success(), "{said}\n{}", stderr(&played));
    for line in [
        "409 duplicate",
        "second: servicerequest-response, Encounter cancelled",
        "The conversation went as docs/bars.md says.",
    ] {
        assert!(said.contains(line), "{said}");
    }
}
