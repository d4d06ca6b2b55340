//! `Netns`: network namespaces, joined to this one by a pair of links that can be cut.

use std::net::Ipv4Addr;
use std::process::Command;

use super::number;
use super::program::run;

/// A network namespace. Dropped, it goes with its links.
pub(crate) struct Netns {
    name: String,
    /// Of this end of the pair.
    link: String,
    /// Which four of the addresses 198.18.0.0/15 it has: they are for tests of networks.
    net: u32,
}

/// `None`, with a message, where this is not permitted.
pub(crate) fn new() -> Option<Netns> {
    let (process, number) = (std::process::id(), number());
    // Other test processes may do the same. They have other names, and eight other nets.
    let own = Netns {
        name: format!("fa-{process}-{number}"),
        link: format!("fa{:x}-{number:x}", process & 0xf_ffff),
        net: (process % 4096) * 8 + number % 8,
    };
    match own.set_up() {
        Ok(()) => Some(own),
        Err(why) => {
            println!("skipped: no network namespace can be made: {why}");
            None
        }
    }
}

fn ip(line: &str) -> Result<(), String> {
    run(Command::new("ip").args(line.split_whitespace()))
}

impl Netns {
    fn set_up(&self) -> Result<(), String> {
        let (name, link) = (&self.name, &self.link);
        let (here, there) = (self.here(), self.there());
        ip(&format!("netns add {name}"))?;
        ip(&format!(
            "link add {link} type veth peer name eth0 netns {name}"
        ))?;
        ip(&format!("addr add {here}/30 dev {link}"))?;
        ip(&format!("link set {link} up"))?;
        ip(&format!("-n {name} addr add {there}/30 dev eth0"))?;
        ip(&format!("-n {name} link set lo up"))?;
        ip(&format!("-n {name} link set eth0 up"))?;
        ip(&format!("-n {name} route add default via {here}"))
    }

    /// The address of this end. Programs in each namespace reach it, through their own link.
    pub(crate) fn here(&self) -> Ipv4Addr {
        self.address(1)
    }

    pub(crate) fn there(&self) -> Ipv4Addr {
        self.address(2)
    }

    fn address(&self, host: u32) -> Ipv4Addr {
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 0));
        Ipv4Addr::from(first + self.net * 4 + host)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs a program in the namespace. The process has the id of the child.
    pub(crate) fn command(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Drops every packet, without a word to either end.
    pub(crate) fn cut(&self) {
        let rules = "table inet cut {
            chain in { type filter hook input priority 0; policy drop; }
            chain out { type filter hook output priority 0; policy drop; }
        }";
        self.nft(rules).unwrap();
    }

    pub(crate) fn heal(&self) {
        self.nft("delete table inet cut").unwrap();
    }

    fn nft(&self, rules: &str) -> Result<(), String> {
        run(Command::new("ip").args(["netns", "exec", &self.name, "nft", rules]))
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // The pair of links goes with it.
        let _ = ip(&format!("netns del {}", self.name));
    }
}
