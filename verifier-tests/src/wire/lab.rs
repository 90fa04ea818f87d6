//! Two namespaces and what is between them.

use super::namespace::Namespace;
use super::pins::Pins;
use super::tool::run;
use std::net::Ipv4Addr;

/// A sender, a receiver, veth pairs between them, and a pin folder.
#[derive(Debug)]
pub struct Lab {
    /// Goes first: what is attached is taken off before its interface goes.
    pub pins: Pins,
    /// Where packets come from.
    pub sender: Namespace,
    /// Where rules are loaded.
    pub receiver: Namespace,
    /// One after the other.
    pub veths: Vec<Veth>,
}

/// A veth pair: what is sent from one end arrives at the other.
#[derive(Debug, Clone)]
pub struct Veth {
    /// The receiver's interface.
    pub receiver_iface: String,
    /// The sender's address.
    pub sender: Ipv4Addr,
    /// The receiver's address.
    pub receiver: Ipv4Addr,
}

impl Lab {
    /// Makes all of it.
    ///
    /// # Errors
    /// When `ip` or the kernel refuses.
    pub fn new(veths: u8) -> Result<Self, String> {
        let mut lab = Self {
            pins: Pins::new(),
            sender: Namespace::new()?,
            receiver: Namespace::new()?,
            veths: Vec::new(),
        };
        for number in 0..veths {
            lab.add_veth(number)?;
        }
        Ok(lab)
    }

    fn add_veth(&mut self, number: u8) -> Result<(), String> {
        let (sender, receiver) = (self.sender.name(), self.receiver.name());
        let end = |side: u8| {
            let name = format!("{}{number}", if side == 1 { 'a' } else { 'b' });
            let hardware = format!("02:00:00:00:{number:02x}:{side:02x}");
            (name, hardware, Ipv4Addr::new(10, 77, number, side))
        };
        let (near, far) = (end(1), end(2));
        run(
            "ip",
            &[
                "link", "add", "name", &near.0, "address", &near.1, "netns", sender, "type",
                "veth", "peer", "name", &far.0, "address", &far.1, "netns", receiver,
            ],
        )?;
        for (namespace, own, other) in [(sender, &near, &far), (receiver, &far, &near)] {
            let (address, peer) = (format!("{}/24", own.2), other.2.to_string());
            run("ip", &["-n", namespace, "address", "add", &address, "dev", &own.0])?;
            run("ip", &["-n", namespace, "link", "set", &own.0, "up"])?;
            let neighbour = ["-n", namespace, "neigh", "replace", &peer, "lladdr", &other.1];
            run("ip", &[&neighbour[..], &["dev", &own.0, "nud", "permanent"]].concat())?;
        }
        let (sender, receiver) = (near.2, far.2);
        self.veths.push(Veth { receiver_iface: far.0, sender, receiver });
        Ok(())
    }

    /// What the kernel says of an interface of the receiver: `ip -j -d link show`.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn interface(&self, name: &str) -> Result<serde_json::Value, String> {
        let shown = self
            .receiver
            .within(|| super::tool::json("ip", &["-j", "-d", "link", "show", "dev", name]))?;
        Ok(shown[0].clone())
    }

    /// The number of the XDP program on an interface of the receiver.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn xdp_id(&self, name: &str) -> Result<Option<u64>, String> {
        let id = &self.interface(name)?["xdp"]["prog"]["id"];
        Ok(id.as_u64())
    }
}
