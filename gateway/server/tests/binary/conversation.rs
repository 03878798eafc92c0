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
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples");
    // The other script, which sends a folder of examples: a message that is taken, an order of nobody, and a body that is no JSON at all.
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(examples.join("bars-request.json"), folder.path().join("process_message-request.json")).unwrap();
    std::fs::write(folder.path().join("service_request-PUT-body.json"), "{\"id\": \"of-nobody\"}").unwrap();
    std::fs::write(folder.path().join("service_request-POST-body.json"), "Refer her, please.").unwrap();
    let mut examine = Command::new("sh");
    examine.arg(examples.join("bars-examples.sh")).arg(folder.path()).env("GATEWAY", &gateway);
    let examined = examine.output().unwrap();
    assert!(examined.status.success(), "{}\n{}", stdout(&examined), stderr(&examined));
    for line in [
        "ok    200 POST process_message-request.json: ",
        "ok    400 POST service_request-POST-body.json: ",
        "3 examples, 0",
    ] {
        assert!(stdout(&examined).contains(line), "{}", stdout(&examined));
    }
    // Where no gateway answers, none of them was.
    let nowhere = examine.env("GATEWAY", "http://127.0.0.1:9/fhir").output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1), "{}", stdout(&nowhere));
    assert!(stdout(&nowhere).contains("3 examples, 3 not answered clearly"), "{}", stdout(&nowhere));

    let script = examples.join("bars-conversation.sh");
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
