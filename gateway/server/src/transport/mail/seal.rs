//! A PDF that opens with a passphrase alone: AES-256, revision 6 of the standard security handler (ISO 32000-2, 7.6).

use crate::chance::Chance;
use crate::gateway::Secret;
use adapter_contract::{DeliveryError, FailureCode};
use lopdf::encryption::crypt_filters::{Aes256CryptFilter, CryptFilter};
use lopdf::{Document, EncryptionState, EncryptionVersion, Object, Permissions, StringFormat};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Name of the one way in which everything within is encrypted.
const FILTER: &[u8] = b"StdCF";

fn cannot(words: &str) -> DeliveryError {
    DeliveryError::new(FailureCode::Untranslatable, format!("{words} Nothing was sent."))
}

/// Encrypts a PDF.
pub(super) fn pdf(content: &[u8], passphrase: &Secret, chance: &Chance) -> Result<Vec<u8>, DeliveryError> {
    if !content.starts_with(b"%PDF-") {
        return Err(cannot("The adapter wants something encrypted that is no PDF."));
    }
    let mut document = Document::load_mem(content)
        .map_err(|_| cannot("The adapter's PDF cannot be read, and so not be encrypted."))?;
    if document.is_encrypted() {
        return Err(cannot("The adapter's PDF is encrypted already, with another passphrase."));
    }
    // A key and an owner's passphrase that nobody knows; the organisation's opens it.
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| cannot("There is no randomness for a key."))?;
    identify(&mut document, chance);
    let filter: Arc<dyn CryptFilter> = Arc::new(Aes256CryptFilter);
    let version = EncryptionVersion::V5 {
        encrypt_metadata: true,
        crypt_filters: BTreeMap::from([(FILTER.to_vec(), filter)]),
        file_encryption_key: &key,
        stream_filter: FILTER.to_vec(),
        string_filter: FILTER.to_vec(),
        owner_password: &chance.secret(),
        user_password: passphrase.reveal(),
        permissions: Permissions::all(),
    };
    let failed = |_| cannot("The PDF cannot be encrypted.");
    let state = EncryptionState::try_from(version).map_err(failed)?;
    "2.0".clone_into(&mut document.version);
    document.encrypt(&state).map_err(failed)?;
    let mut sealed = Vec::new();
    document.save_to(&mut sealed).map_err(|_| cannot("The PDF cannot be encrypted."))?;
    Ok(sealed)
}

/// A document that is encrypted has an identifier (ISO 32000-2, 14.4).
fn identify(document: &mut Document, chance: &Chance) {
    if !document.trailer.has(b"ID") {
        let id = Object::String(chance.secret().into_bytes(), StringFormat::Hexadecimal);
        document.trailer.set("ID", vec![id.clone(), id]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lopdf::{LoadOptions, Stream, dictionary};

    /// A page that says this.
    fn plain(text: &str) -> Vec<u8> {
        let mut document = Document::with_version("1.7");
        let pages = document.new_object_id();
        let font =
            document.add_object(dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica" });
        let content = format!("BT /F1 12 Tf 72 720 Td ({text}) Tj ET");
        let content = document.add_object(Stream::new(dictionary! {}, content.into_bytes()));
        let page = document.add_object(dictionary! {
            "Type" => "Page", "Parent" => pages, "Contents" => content,
            "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
            "Resources" => dictionary! { "Font" => dictionary! { "F1" => font } },
        });
        let all = dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1 };
        document.objects.insert(pages, Object::Dictionary(all));
        let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
        document.trailer.set("Root", catalog);
        let mut bytes = Vec::new();
        document.save_to(&mut bytes).expect("a PDF");
        bytes
    }

    #[test]
    fn it_opens_with_the_passphrase_alone_by_aes_256() {
        let (passphrase, said) = ("four plain words here", "Ms Canary wants company");
        let content = plain(said);
        assert!(memchr::memmem::find(&content, said.as_bytes()).is_some(), "the plain one shows it");
        let sealed = pdf(&content, &Secret::new(passphrase.to_owned()), &Chance::seeded(1)).expect("a sealed PDF");
        assert!(sealed.starts_with(b"%PDF-2.0"));
        for piece in [said.as_bytes(), passphrase.as_bytes()] {
            assert!(memchr::memmem::find(&sealed, piece).is_none());
        }
        let closed = Document::load_mem(&sealed).expect("a PDF");
        let handler = closed.get_encrypted().expect("encryption");
        let number = |key: &[u8]| handler.get(key).and_then(Object::as_i64).expect("a number");
        assert_eq!((number(b"V"), number(b"R")), (5, 6));
        for wrong in ["", "four plain words", "Four plain words here"] {
            assert!(Document::load_mem_with_options(&sealed, LoadOptions::with_password(wrong)).is_err(), "{wrong:?}");
        }
        let opened =
            Document::load_mem_with_options(&sealed, LoadOptions::with_password(passphrase)).expect("it opens");
        assert!(opened.extract_text(&[1]).expect("a page").contains(said));
    }

    #[test]
    fn what_is_no_pdf_or_is_encrypted_is_refused() {
        let passphrase = Secret::new("four plain words here".to_owned());
        let sealed = pdf(&plain("x"), &passphrase, &Chance::seeded(1)).expect("a sealed PDF");
        for content in [&b"PK"[..], b"%PDF-1.7\nnothing", &sealed] {
            let error = pdf(content, &passphrase, &Chance::seeded(1)).expect_err("a refusal");
            assert_eq!(error.code, FailureCode::Untranslatable);
        }
    }
}
