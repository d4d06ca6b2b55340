//! A server that asks for TLS and credentials gets them, and lets no one else in.

mod support;

use std::time::Duration;

use fast_async_remote::{Remote, RemoteErrorKind, RemoteOptions};
use support::PATIENCE;
use support::fleet::{Fleet, value};
use support::names::ECHO;
use support::server::{Server, Setup, Version};

/// How long a refusal may take. A client that cannot know whether it is one tries again until then.
const LIMIT: Duration = Duration::from_secs(5);

fn guarded(version: Version) -> Server {
    Server::with(Setup {
        version,
        tls: true,
        user: Some(("app".into(), "secret".into())),
        ..Setup::default()
    })
}

fn options(server: &Server) -> RemoteOptions {
    Remote::options()
        .root_certificates(server.path().join("ca.pem"))
        .require_tls(true)
        .connect_timeout(PATIENCE)
}

#[track_caller]
fn refused(options: RemoteOptions, server: &Server) {
    let error = options.connect_timeout(LIMIT).connect(&server.url());
    let error = error.expect_err("a stranger is refused");
    assert_eq!(*error.kind(), RemoteErrorKind::Disconnected, "{error}");
}

#[test]
fn who_has_the_password_and_trusts_the_server_works() {
    for version in [Version::New, Version::Old] {
        let server = guarded(version);
        let options = options(&server).user_and_password("app", "secret");
        let remote = options.connect(&server.url()).unwrap();
        let queue = remote.queue("test");
        let (stored, _waiting) = queue.push(&ECHO, 1).stored();
        assert!(!value(stored).joined());
    }
}

#[test]
fn a_stranger_is_refused() {
    let server = guarded(Version::New);
    refused(options(&server), &server);
    refused(options(&server).user_and_password("app", "guess"), &server);
    refused(options(&server).token("secret"), &server);
}

#[test]
fn a_server_that_is_not_trusted_gets_no_password() {
    let server = guarded(Version::New);
    let other = guarded(Version::New);
    // The authority of another fleet.
    let trusting = options(&other).user_and_password("app", "secret");
    refused(trusting, &server);
}

#[test]
fn a_connection_without_tls_is_refused_if_it_was_asked_for() {
    let server = Server::start();
    let plain = Fleet::new(server.url());
    plain.remote();
    let options = plain.options().require_tls(true);
    refused(options, &server);
}
