//! The fixtures of the other tests do what they say: servers, proxies, networks, programs.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use support::netns;
use support::program::Program;
use support::proxy::{Proxy, Way};
use support::server::{Server, Setup, Version, ping};

/// A time in which nothing may come. Nothing is waited for that could be late.
const SILENCE: Duration = Duration::from_millis(200);

#[test]
fn both_servers_start_and_answer() {
    for version in [Version::New, Version::Old] {
        let server = Server::with(Setup {
            version,
            ..Setup::default()
        });
        ping(server.address()).unwrap();
    }
}

#[test]
fn a_killed_server_comes_back_on_its_port_with_its_store() {
    let mut server = Server::with(Setup {
        sync_always: true,
        ..Setup::default()
    });
    let (address, store) = (server.address(), server.path().join("store"));
    server.kill_9();
    ping(address).unwrap_err();
    assert!(store.exists());
    server.restart();
    assert_eq!(server.address(), address);
    ping(address).unwrap();
    server.shut_down();
    ping(address).unwrap_err();
}

#[test]
fn a_stopped_server_is_silent_until_it_goes_on() {
    let server = Server::start();
    server.stop();
    let address = server.address();
    let asked = thread::spawn(move || ping(address));
    // The system accepts the connection, and the server says nothing.
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    BufReader::new(stream)
        .read_line(&mut String::new())
        .unwrap_err();
    assert!(!asked.is_finished());
    server.cont();
    asked.join().unwrap().unwrap();
}

#[test]
fn a_server_with_tls_and_credentials_lets_no_stranger_in() {
    let server = Server::with(Setup {
        tls: true,
        user: Some(("app".into(), "secret".into())),
        ..Setup::default()
    });
    assert!(server.path().join("ca.pem").exists());
    // It says who it is, and then expects the beginning of TLS.
    ping(server.address()).unwrap_err();
    let server = Server::with(Setup {
        user: Some(("app".into(), "secret".into())),
        ..Setup::default()
    });
    let refusal = ping(server.address()).unwrap_err().to_string();
    assert!(refusal.contains("Authorization Violation"), "{refusal}");
}

#[test]
fn a_proxy_delays_holds_cuts_and_heals() {
    let server = Server::start();
    let proxy = Proxy::new(server.address());
    ping(proxy.address()).unwrap();
    assert!(proxy.carried(Way::ToServer) > 0 && proxy.carried(Way::ToClient) > 0);

    let delay = Duration::from_millis(100);
    proxy.delay(delay);
    let start = Instant::now();
    ping(proxy.address()).unwrap();
    // The greeting, the question, the answer.
    assert!(start.elapsed() >= delay * 3, "{:?}", start.elapsed());
    proxy.delay(Duration::ZERO);

    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("INFO "));
    proxy.hold(Way::ToClient);
    stream
        .write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n")
        .unwrap();
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    lines.next().unwrap().unwrap_err();
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    proxy.heal();
    assert_eq!(lines.next().unwrap().unwrap(), "PONG");

    proxy.cut();
    assert!(
        lines.next().is_none_or(|it| it.is_err()),
        "the connection is closed"
    );
    ping(proxy.address()).unwrap_err();
    proxy.heal();
    ping(proxy.address()).unwrap();
}

#[test]
fn a_namespace_is_cut_and_healed() {
    let Some(netns) = netns::new() else {
        return;
    };
    let server = Server::with(Setup {
        address: netns.here(),
        ..Setup::default()
    });
    let address = server.address();
    // A program inside that connects, and says what it hears.
    let script = format!(
        "exec 3<>/dev/tcp/{}/{} && head -n 1 <&3 && echo over",
        address.ip(),
        address.port()
    );
    let inside = |name: &str, seconds: &str| {
        let mut command = netns.command("timeout".as_ref());
        command.args([seconds, "bash", "-c", &script]);
        Program::start(name, &mut command)
    };
    inside("before", "60").wait_for("over");
    netns.cut();
    assert_eq!(
        inside("cut", "1").end().code(),
        Some(124),
        "it hears nothing"
    );
    netns.heal();
    inside("after", "60").wait_for("over");
}

#[test]
fn a_program_gets_lines_and_signals() {
    let script =
        "trap 'echo told; exit 3' TERM; echo begin; while read line; do echo got $line; done";
    let mut program = Program::start("script", Command::new("bash").args(["-c", script]));
    program.wait_for("begin");
    program.stop();
    program.send("a");
    program.send("b");
    program.cont();
    assert_eq!(program.wait_for_nth(2, "got"), "got b");
    program.terminate();
    assert_eq!(program.end().code(), Some(3));
    assert_eq!(program.count("told"), 1);
    assert!(program.has_ended());

    let mut program = Program::start("cat", &mut Command::new("cat"));
    program.stop();
    program.kill_9();
    assert_eq!(program.end().code(), None);
}
