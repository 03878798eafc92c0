//! What reads the documents for GP records besides their maker: Poppler draws and reads the PDF, and HL7's schema of STU3 is asked about the
//! message, by xmllint. The schema comes from Maven, into `target/`.

use crate::debian;
use crate::steps::{execute, is_there, say, scratch};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set to `required`, the test fails where it would have skipped.
pub(crate) const POPPLER: &str = "POPPLER";
/// Where the tests find the folder with the schema.
pub(crate) const SCHEMA: &str = "FHIR_STU3_SCHEMA";

const ARTIFACT: &str = "ca.uhn.hapi.fhir:hapi-fhir-validation-resources-dstu3:8.2.0";
/// Within the artifact.
const FOLDER: &str = "org/hl7/fhir/dstu3/model/schema";

/// True if Poppler is here, installed by this step if need be. False is said aloud and fails nothing.
pub(crate) fn poppler() -> bool {
    let is_here = || has("pdftoppm") && has("pdftotext");
    if !is_here() && debian::may_install() {
        say("Poppler is missing; installing it with apt-get");
        debian::install(&["poppler-utils"]);
    }
    if !is_here() {
        say("SKIPPED: no Poppler (Debian: poppler-utils), so the outcome letter is drawn by nobody but its maker.");
    }
    is_here()
}

/// The folder with the schema, fetched by Maven if need be. `None` is said aloud and fails nothing.
pub(crate) fn schema() -> Option<PathBuf> {
    if !has("xmllint") && debian::may_install() {
        say("xmllint is missing; installing it with apt-get");
        debian::install(&["libxml2-utils"]);
    }
    let own = scratch().join("stu3-schema");
    let folder = own.join(FOLDER);
    if !folder.join("bundle.xsd").is_file() && is_there(Path::new("mvn")) {
        let mut maven = Command::new("mvn");
        maven.args(["-B", "-q", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack"]);
        maven.arg(format!("-Dartifact={ARTIFACT}")).arg(format!("-DoutputDirectory={}", own.display()));
        maven.arg(format!("-Dmdep.unpack.includes={FOLDER}/*.xsd")).current_dir(scratch());
        if let Err(error) = execute(&mut maven) {
            say(&format!("{error:#}"));
        }
    }
    if has("xmllint") && folder.join("bundle.xsd").is_file() {
        return Some(folder);
    }
    say(&format!(
        "SKIPPED: no xmllint (Debian: libxml2-utils) or no Maven with {ARTIFACT}; the structure of Send Document"
    ));
    say("messages is held by our own table alone.");
    None
}

/// Poppler knows no `--version`; all that counts is that it can be started.
fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}
