//! To whom a connection may be made. A name is resolved once for each connection, every address that it has is looked at, and exactly
//! these are dialled: a name that leads into the operator's own network, by mistake or by an attacker's hand on its DNS entry, leads
//! nowhere (OWASP, Server-Side Request Forgery; IANA special-purpose registries, RFC 6890).

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Host, Url};

/// A connection is given so long to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// Addresses of this kind are no platform's on the internet.
const SPECIAL: [&str; 30] = [
    // IPv4: "this network", private use, shared (carrier), loopback, link local with the metadata services of clouds, IETF,
    // documentation, 6to4 relays, benchmarks, multicast, reserved with broadcast.
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    // IPv6: unspecified and loopback, those that hold an IPv4 address (which is looked at as well), discard, IETF, Teredo,
    // documentation, 6to4, segment routing, unique local, link local, site local, multicast.
    "::/128",
    "::1/128",
    "::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "100:0:0:1::/64",
];

/// Looks up the addresses of a name.
pub trait Lookup: Send + Sync {
    /// All of them.
    fn addresses(&self, name: String) -> futures_util::future::BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// As the operating system does.
#[derive(Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, name: String) -> futures_util::future::BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Which addresses a name may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    beside: Vec<IpNet>,
}

impl Allowed {
    /// Those on the internet, and these.
    #[must_use]
    pub fn also(beside: Vec<IpNet>) -> Self {
        Self { beside }
    }

    /// The same, and this machine if the address says so.
    #[must_use]
    pub fn with_localhost(self, base: &Url) -> Self {
        if base.host() == Some(Host::Domain("localhost")) { self.with_this_machine() } else { self }
    }

    /// The same, and this machine.
    #[must_use]
    pub fn with_this_machine(mut self) -> Self {
        self.beside
            .extend([IpNet::from(IpAddr::V4(Ipv4Addr::LOCALHOST)), IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST))]);
        self
    }

    /// Nothing beside the internet.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.beside.is_empty()
    }

    /// Whether this address may be dialled.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let plain = unwrapped(address);
        [address, plain].iter().any(|one| self.beside.iter().any(|net| net.contains(one))) || is_public(plain)
    }
}

/// The IPv4 address within an IPv6 one (mapped, RFC 4291; NAT64, RFC 6052), else the address.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    if let Some(four) = six.to_ipv4_mapped() {
        return IpAddr::V4(four);
    }
    match six.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        _ => address,
    }
}

fn is_public(address: IpAddr) -> bool {
    // Of IPv6 only what is given out for the internet (RFC 4291, 2.4; IANA): 2000::/3.
    let is_given_out = match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(six) => six.octets().first().is_some_and(|first| first >> 5 == 1),
    };
    is_given_out && !SPECIAL.iter().filter_map(|net| net.parse::<IpNet>().ok()).any(|net| net.contains(&address))
}

/// A name with an address that may not be dialled.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to an address that may not be dialled")]
pub struct Forbidden;

/// Why no connection was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotDialled {
    /// The name leads to an address that may not be dialled.
    Forbidden,
    /// Nobody answered there, or the name leads nowhere.
    Nobody,
}

/// A connection to a server that is no HTTP server. Every address that its name has is looked at, as for HTTP.
///
/// # Errors
/// [`NotDialled`] when there is none.
pub async fn connect(host: &str, port: u16, lookup: &dyn Lookup, allowed: &Allowed) -> Result<TcpStream, NotDialled> {
    let found = match host.parse::<IpAddr>() {
        // An address that somebody wrote into the configuration is meant.
        Ok(address) => vec![address],
        Err(_) => {
            let looked_up = timeout(CONNECT, lookup.addresses(host.to_owned())).await;
            let found = looked_up.ok().and_then(Result::ok).unwrap_or_default();
            if !found.iter().all(|address| allowed.permits(*address)) {
                return Err(NotDialled::Forbidden);
            }
            found
        }
    };
    for address in found {
        if let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect(SocketAddr::new(address, port))).await {
            return Ok(stream);
        }
    }
    Err(NotDialled::Nobody)
}

/// Resolves names for the HTTP client, and looks at what it found.
#[derive(Clone)]
pub struct Guard {
    /// Where names are looked up.
    pub lookup: Arc<dyn Lookup>,
    /// What they may lead to.
    pub allowed: Allowed,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (looked_up, allowed) = (self.lookup.addresses(name.as_str().to_owned()), self.allowed.clone());
        Box::pin(async move {
            let found = looked_up.await?;
            // One that is wrong makes all suspect: which one is dialled is nobody's choice.
            if !found.iter().all(|address| allowed.permits(*address)) {
                return Err(Forbidden.into());
            }
            let found: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(allowed: &Allowed, text: &str) -> bool {
        allowed.permits(text.parse().expect("an address"))
    }

    #[test]
    fn what_is_not_on_the_internet_is_not_dialled() {
        let plain = Allowed::default();
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "::7f00:1",
        ] {
            assert!(!permits(&plain, address), "{address}");
        }
        for address in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"] {
            assert!(permits(&plain, address), "{address}");
        }
        assert!(SPECIAL.iter().all(|net| net.parse::<IpNet>().is_ok()));
    }

    #[test]
    fn the_operator_may_allow_more() {
        let health_network = Allowed::also(vec!["10.20.0.0/16".parse().expect("a network")]);
        assert!(permits(&health_network, "10.20.3.4") && permits(&health_network, "::ffff:10.20.3.4"));
        assert!(!permits(&health_network, "10.21.3.4") && !permits(&health_network, "127.0.0.1"));
        let here = |url: &str| Allowed::default().with_localhost(&Url::parse(url).expect("a URL"));
        assert!(permits(&here("http://localhost:1"), "127.0.0.1") && permits(&here("http://localhost:1"), "::1"));
        assert!(!permits(&here("http://localhost.example"), "127.0.0.1"));
    }
}
