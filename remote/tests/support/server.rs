//! `Server`: a nats-server with a directory of its own, on loopback unless told otherwise.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::{Program, run};
use super::{PATIENCE, TempDir, target};

/// The two servers that `.ci/nats` provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// 2.15.1
    New,
    /// 2.9.10, as Debian has it.
    Old,
}

impl Version {
    pub(crate) fn path(self) -> PathBuf {
        let path = match self {
            Version::New => target().join("nats/bin/nats-server"),
            Version::Old => old(),
        };
        let name = path.display();
        assert!(
            path.exists(),
            "{name} is missing: run `.ci/nats`, which provides it"
        );
        path
    }
}

fn old() -> PathBuf {
    let places = ["/usr/sbin/nats-server", "/usr/bin/nats-server"].map(PathBuf::from);
    let found = places.iter().find(|it| it.exists());
    found.unwrap_or(&places[0]).clone()
}

/// What a server is told at its start.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) version: Version,
    pub(crate) address: Ipv4Addr,
    /// Answers a publish after it was written to the disk.
    pub(crate) sync_always: bool,
    /// Requires TLS. The certificates are in `Server::path`: `ca.pem` for clients to trust.
    pub(crate) tls: bool,
    /// Requires this name and this password.
    pub(crate) user: Option<(String, String)>,
    /// Of the network namespace to run in.
    pub(crate) netns: Option<String>,
    /// Further lines of the configuration.
    pub(crate) more: String,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            version: Version::New,
            address: Ipv4Addr::LOCALHOST,
            sync_always: false,
            tls: false,
            user: None,
            netns: None,
            more: String::new(),
        }
    }
}

/// A server. Its store stays while this lives, also when the process is killed.
pub(crate) struct Server {
    setup: Setup,
    folder: TempDir,
    address: SocketAddrV4,
    process: Option<Program>,
}

impl Server {
    /// Starts the newer server on loopback, on a port that was free.
    pub(crate) fn start() -> Server {
        Server::with(Setup::default())
    }

    pub(crate) fn with(setup: Setup) -> Server {
        let folder = TempDir::new();
        if setup.tls {
            certificates(folder.path(), setup.address);
        }
        let address = SocketAddrV4::new(setup.address, 0);
        let mut server = Server {
            setup,
            folder,
            address,
            process: None,
        };
        server.restart();
        server
    }

    /// Starts it again, with its store and on its port, and returns when it accepts connections.
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "the server does not run");
        let config = self.folder.path().join("server.conf");
        fs::write(&config, self.config()).unwrap();
        let binary = self.setup.version.path();
        let mut command = match &self.setup.netns {
            None => Command::new(binary),
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(binary);
                command
            }
        };
        let process = Program::start("nats-server", command.arg("-c").arg(config));
        // Before it is ready, it says where it listens; its store was read even before.
        process.wait_for("Server is ready");
        let line = process.wait_for("Listening for client connections on ");
        let (_, port) = line.rsplit_once(':').expect("an address with a port");
        self.address.set_port(port.parse().unwrap());
        self.process = Some(process);
    }

    fn config(&self) -> String {
        let mut text = String::new();
        let port = match self.address.port() {
            0 => -1,
            port => i32::from(port),
        };
        let store = self.folder.path().join("store");
        writeln!(text, "listen: \"{}:{port}\"", self.setup.address).unwrap();
        writeln!(text, "server_name: \"test\"").unwrap();
        writeln!(text, "jetstream {{\n  store_dir: {store:?}").unwrap();
        // Older servers do not know the setting, and write lazily all the same.
        if self.setup.sync_always {
            writeln!(text, "  sync_interval: always").unwrap();
        }
        writeln!(text, "}}").unwrap();
        if self.setup.tls {
            let file = |name| self.path().join(name);
            let (cert, key) = (file("server.pem"), file("server.key"));
            writeln!(
                text,
                "tls {{\n  cert_file: {cert:?}\n  key_file: {key:?}\n}}"
            )
            .unwrap();
        }
        if let Some((user, password)) = &self.setup.user {
            writeln!(
                text,
                "authorization {{\n  user: {user:?}\n  password: {password:?}\n}}"
            )
            .unwrap();
        }
        text + &self.setup.more
    }

    /// The directory of the server: configuration, store, certificates.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address.into()
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.setup.tls { "tls" } else { "nats" };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn process(&self) -> &Program {
        self.process.as_ref().expect("the server runs")
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Kills it as `kill -9` does. Its store stays.
    pub(crate) fn kill_9(&mut self) {
        self.process.take().expect("the server runs").kill_9();
    }

    /// Ends it as an operator does.
    pub(crate) fn shut_down(&mut self) {
        let mut process = self.process.take().expect("the server runs");
        process.terminate();
        process.end();
    }

    pub(crate) fn stop(&self) {
        self.process().stop();
    }

    pub(crate) fn cont(&self) {
        self.process().cont();
    }

    /// Its resident memory, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        resident(self.process().id())
    }
}

/// The resident memory of a process, in KiB.
pub(crate) fn resident(id: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|it| it.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Says PING to a server without credentials, and returns when it has said PONG.
pub(crate) fn ping(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut next = || {
        lines
            .next()
            .unwrap_or(Err(io::ErrorKind::UnexpectedEof.into()))
    };
    let hello = next()?;
    if !hello.starts_with("INFO ") {
        return Err(io::Error::other(hello));
    }
    stream.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n")?;
    let answer = next()?;
    if answer == "PONG" {
        return Ok(());
    }
    Err(io::Error::other(answer))
}

/// Makes an authority and a certificate for the address, valid for a day.
fn certificates(folder: &Path, address: Ipv4Addr) {
    let openssl = |line: &str| {
        let mut command = Command::new("openssl");
        command.current_dir(folder).args(line.split(' '));
        run(&mut command).unwrap();
    };
    fs::write(
        folder.join("names"),
        format!("subjectAltName=IP:{address}\n"),
    )
    .unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!(
        "req -x509 {key} -subj /CN=test-authority -days 1 -keyout ca.key -out ca.pem"
    ));
    openssl(&format!(
        "req {key} -subj /CN=test-server -keyout server.key -out server.csr"
    ));
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 \
         -extfile names -out server.pem",
    );
}
