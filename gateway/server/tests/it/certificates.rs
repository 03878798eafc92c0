//! TLS with a platform: who vouches for it, what the gateway shows of itself, and to which addresses its name may lead.

use crate::access::Way;
use adapter_contract::FailureCode;
use futures_util::future::BoxFuture;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use vcse_gateway::transport::dial::Lookup;

/// Every name leads here.
struct Leads(Vec<IpAddr>);

impl Lookup for Leads {
    fn addresses(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let to = self.0.clone();
        Box::pin(async move { Ok(to) })
    }
}

fn leads(to: &[&str]) -> Arc<dyn Lookup> {
    Arc::new(Leads(to.iter().map(|address| address.parse().unwrap()).collect()))
}

/// A certificate authority, and the names of its files.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a certificate for this name, and its key.
    fn issue(&self, folder: &Path, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        let path = |kind: &str| folder.join(format!("{name}.{kind}")).to_str().unwrap().to_owned();
        std::fs::write(path("pem"), certificate.pem()).unwrap();
        std::fs::write(path("key"), key.serialize_pem()).unwrap();
        (path("pem"), path("key"))
    }

    fn file(&self, folder: &Path) -> String {
        let path = folder.join("authority.pem");
        std::fs::write(&path, self.0.pem()).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// A platform over TLS; with `clients`, only for those whom they vouch for. Its port.
async fn serve(folder: &Path, own: &Authority, clients: Option<&Authority>) -> u16 {
    let (chain, key) = own.issue(folder, "platform.example");
    let chain = CertificateDer::pem_file_iter(chain).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let builder = ServerConfig::builder();
    let builder = match clients {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.0.pem().as_bytes()).unwrap()).unwrap();
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap())
        }
        None => builder.with_no_client_auth(),
    };
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Who is not let in is gone.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => asked.push(byte),
                    Err(_) => break,
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn who_vouches_for_a_platform_is_the_operators_choice() {
    let home = tempfile::tempdir().unwrap();
    let (own, other) = (Authority::new(), Authority::new());
    let port = serve(home.path(), &own, None).await;
    let base = format!("https://platform.example:{port}/fhir");
    let keys =
        |authority: &Authority| format!("addresses = [\"127.0.0.1\"]\nauthority = \"{}\"", authority.file(home.path()));
    assert_eq!(Way::to(&base, &keys(&own), leads(&["127.0.0.1"])).status("Task").await, 204);
    let stranger = Way::to(&base, &keys(&other), leads(&["127.0.0.1"]));
    assert_eq!(stranger.send("Task").await.unwrap_err().code, FailureCode::TlsRefused);
    let trusted_by_nobody = Way::to(&base, "addresses = [\"127.0.0.1\"]", leads(&["127.0.0.1"]));
    assert_eq!(trusted_by_nobody.send("Task").await.unwrap_err().code, FailureCode::TlsRefused);
    let another_name = base.replace("platform.example", "other.example");
    let misnamed = Way::to(&another_name, &keys(&own), leads(&["127.0.0.1"]));
    assert_eq!(misnamed.send("Task").await.unwrap_err().code, FailureCode::TlsRefused);
}

#[tokio::test]
async fn the_gateway_shows_its_certificate_where_it_has_one() {
    let home = tempfile::tempdir().unwrap();
    let (own, clients) = (Authority::new(), Authority::new());
    let port = serve(home.path(), &own, Some(&clients)).await;
    let base = format!("https://platform.example:{port}/fhir");
    let authority = own.file(home.path());
    let plain = format!("addresses = [\"127.0.0.1\"]\nauthority = \"{authority}\"");
    let shown = |(chain, key): (String, String)| {
        format!("{plain}\ncertificate = {{ chain = \"{chain}\", key = {{ file = \"{key}\" }} }}")
    };
    let known = Way::to(&base, &shown(clients.issue(home.path(), "gateway.example")), leads(&["127.0.0.1"]));
    assert_eq!(known.status("Task").await, 204);
    for keys in [plain.clone(), shown(own.issue(home.path(), "impostor.example"))] {
        let error = Way::to(&base, &keys, leads(&["127.0.0.1"])).send("Task").await.unwrap_err();
        // With TLS 1.3 the refusal may come after the request has begun to leave.
        assert!(matches!(error.code, FailureCode::TlsRefused | FailureCode::NoAnswer), "{error:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_breaks_off_refuses_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://platform.example:{}/fhir", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // A load balancer with nobody behind it.
            let _ = stream.read_u8().await;
        }
    });
    let way = Way::to(&base, "addresses = [\"127.0.0.1\"]", leads(&["127.0.0.1"]));
    assert_eq!(way.send("Task").await.unwrap_err().code, FailureCode::NotConnected);
}

#[tokio::test]
async fn a_name_that_leads_into_the_own_network_leads_nowhere() {
    let home = tempfile::tempdir().unwrap();
    let own = Authority::new();
    let port = serve(home.path(), &own, None).await;
    let base = format!("https://platform.example:{port}/fhir");
    let keys = format!("authority = \"{}\"", own.file(home.path()));
    for to in [vec!["127.0.0.1"], vec!["8.8.8.8", "169.254.169.254"], vec!["::ffff:10.0.0.1"], vec!["fd00::1"]] {
        let error = Way::to(&base, &keys, leads(&to)).send("Task").await.unwrap_err();
        assert_eq!(error.code, FailureCode::NotConnected, "{to:?}");
        assert!(error.diagnostic.contains("may not be dialled"), "{}", error.diagnostic);
    }
    // Not even with the shared client, which no certificate of its own needs.
    let error = Way::to(&base, "", leads(&["127.0.0.1"])).send("Task").await.unwrap_err();
    assert!(error.diagnostic.contains("may not be dialled"), "{}", error.diagnostic);
}
