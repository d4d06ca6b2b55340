//! Who may connect, and what a request must say to be answered.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::http::Request;

/// Returns the address, unless others than this machine could reach it and may not.
pub(crate) fn allowed(address: SocketAddr, is_exposed: bool) -> io::Result<SocketAddr> {
    if address.ip().is_loopback() || is_exposed {
        return Ok(address);
    }
    let why = format!(
        "{address} is not a loopback address: other machines could read the console; \
         if they may, say so with `Console::builder().expose()`"
    );
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// The rule for requests: a page of another server must not read the console, also if its name
/// resolves to this machine. So the request has to name this server by an address, or as localhost.
pub(crate) fn is_ours(request: &Request, own: SocketAddr) -> bool {
    let Some(host) = request.header("host") else {
        return false;
    };
    // A browser sends an origin where a page has made the request.
    let origin = request.header("origin");
    let origin = origin.and_then(|origin| origin.strip_prefix("http://"));
    is_host_of(host, own) && (origin == Some(host) || !request.has("origin"))
}

fn is_host_of(host: &str, own: SocketAddr) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && !port.contains(']') => (name, port),
        _ => (host, "80"),
    };
    if port.parse() != Ok(own.port()) {
        return false;
    }
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let address: Option<IpAddr> = bare.unwrap_or(name).parse().ok();
    let own = own.ip().to_canonical();
    match address {
        Some(address) => address == own || address.is_loopback() && own.is_loopback(),
        None => own.is_loopback() && name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::{allowed, is_host_of};

    #[test]
    fn only_names_of_this_server_are_its_own() {
        let own = "127.0.0.1:4000".parse().unwrap();
        for host in [
            "127.0.0.1:4000",
            "localhost:4000",
            "LocalHost:4000",
            "[::1]:4000",
        ] {
            assert!(is_host_of(host, own), "{host}");
        }
        for host in [
            "127.0.0.1",
            "127.0.0.1:4001",
            "127.0.0.1:",
            "localhost",
            "localhost.evil.example:4000",
            "evil.example:4000",
            "127.0.0.1.evil.example:4000",
            "192.168.1.2:4000",
            "[::2]:4000",
            "[::1",
            ":4000",
            "",
        ] {
            assert!(!is_host_of(host, own), "{host}");
        }
        let exposed = "192.168.1.2:80".parse().unwrap();
        assert!(is_host_of("192.168.1.2", exposed));
        assert!(!is_host_of("localhost:80", exposed) && !is_host_of("127.0.0.1", exposed));
    }

    #[test]
    fn only_this_machine_is_served_unless_asked() {
        let own = "127.0.0.1:0".parse().unwrap();
        let all = "0.0.0.0:0".parse().unwrap();
        assert!(allowed(own, false).is_ok() && allowed(all, true).is_ok());
        let refused = allowed(all, false).unwrap_err().to_string();
        assert!(
            refused.contains("`Console::builder().expose()`"),
            "{refused}"
        );
    }
}
