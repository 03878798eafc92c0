//! The folder that `adapter new` makes: an adapter for an imaginary platform, whole and proved, to be changed line by line
//! into another.

/// The imaginary platform, wherever its name stands.
const NAME: &str = "example-platform";

/// Names and bytes, made by `build.rs` from the folder `template` of this crate.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/template.rs"));

/// A new adapter's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    files: Vec<(String, Vec<u8>)>,
}

impl Template {
    /// For an adapter of this name.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn named(name: &str) -> Result<Self, String> {
        if !crate::manifest::is_name(name) {
            return Err(format!(
                "`{name}` is no name of an adapter: use lower-case letters, digits and hyphens, a letter first, 64 at most."
            ));
        }
        let file = |(file, bytes): &(&str, &[u8])| {
            let text = String::from_utf8_lossy(bytes).replace(NAME, name);
            ((*file).to_owned(), text.into_bytes())
        };
        Ok(Self { files: FILES.iter().map(file).collect() })
    }

    /// Relative names and content.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// What to do with the folder.
    #[must_use]
    pub fn next_steps(name: &str, folder: &str) -> String {
        format!(
            "{folder} is an adapter for an imaginary platform. It passes every check as it stands:\n\n  \
             vcse-gateway adapter check {folder}\n\n\
             Change it into yours, and check after each step:\n  \
             1. adapter.toml: the platform's format, what it can do, its status words\n  \
             2. mapping.yaml: shapes of its answers, then the fields of its request, one by one\n  \
             3. fixtures/: a case for each thing it does; `adapter check --update` writes what is expected, for review\n  \
             4. README.md and conformance.toml: what is carried, what is not, where each requirement is shown\n\n\
             To see what becomes of a referral, without sending anything:\n\n  \
             vcse-gateway translate --adapter {name} --adapters {parent} --explain FILE\n\n\
             The guide is docs/adapter-guide.md.",
            parent = folder.rsplit_once('/').map_or(".", |(parent, _)| parent)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Template;
    use crate::check::check;
    use crate::folder::Folder;
    use std::path::Path;

    /// With `UPDATE_FIXTURES` set, what the template's fixtures expect is written as it is now, for review.
    #[test]
    fn the_template_is_up_to_date() {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("template");
        let read = Folder::read_all(&place).unwrap();
        let files = read.files().map(|(file, bytes)| (file.to_owned(), bytes.to_vec()));
        let checked = check(&Folder::new(super::NAME, files));
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            for (file, text) in &checked.writes {
                std::fs::write(place.join(file), text).unwrap();
            }
        }
        assert!(checked.passed(), "{}", checked.to_text());
    }

    #[test]
    fn a_new_folder_passes_at_once_under_any_name() {
        for name in ["example-platform", "our-town-2"] {
            let template = Template::named(name).unwrap();
            let files = template.files().map(|(file, bytes)| (file.to_owned(), bytes.to_vec()));
            let checked = check(&Folder::new(name, files));
            assert!(checked.passed(), "{}", checked.to_text());
            assert!(checked.warnings.is_empty(), "{}", checked.to_text());
        }
        for name in ["", "Our Town", "9lives", "../etc", "a/b", "ö"] {
            assert!(Template::named(name).unwrap_err().contains("lower-case"), "{name}");
        }
    }
}
