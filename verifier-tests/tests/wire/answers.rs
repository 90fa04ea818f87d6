//! What is sent back, and what is sent on: `reject` as programs notice it, `redirect` by what comes out.

use super::{Ask, DATA_BYTES, PACKET_BYTES, counted, equal, on_wire};
use l4c_runtime::Counter;
use l4c_runtime::policy::XdpChoice;
use l4c_verifier_tests::wire::{Lab, compiled, ipv4, numbered, run, udp, unique, until};
use rustix::net::{
    AddressFamily, SendFlags, SocketFlags, SocketType, ipproto, sendto, socket_with,
};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::slice::from_ref;
use std::time::{Duration, Instant};

const REJECTING: &str = "hook xdp edge {
    refused: tcp.dport == 81 or udp.dport == 81     -> reject
    other:   tcp or udp                             -> drop
}
";

/// Refused at once is long before a sender would try again.
const AT_ONCE: Duration = Duration::from_millis(700);

/// Addresses of the two ends of the first veth pair.
const SENDER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 1);
const RECEIVER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 2);

/// A program on an interface of the sender that passes everything: only to interfaces with one does the driver
/// of veth send what a program answers or redirects.
struct Opener {
    file: PathBuf,
    pin: PathBuf,
}

impl Opener {
    fn attach(lab: &Lab, iface: &str) -> Result<Self, String> {
        let name = unique("opener");
        let file = std::env::temp_dir().join(format!("{name}.o"));
        let opener = Self { file, pin: Path::new("/sys/fs/bpf").join(name) };
        let object = compiled("hook xdp opener {\n    default pass\n}\n")?;
        std::fs::write(&opener.file, object.elf()).map_err(|e| e.to_string())?;
        let (file, pin) = (opener.file.display().to_string(), opener.pin.display().to_string());
        run("bpftool", &["prog", "load", &file, &pin])?;
        let attach = ["net", "attach", "xdpdrv", "pinned", &pin, "dev", iface];
        lab.sender.within(|| run("bpftool", &attach))?;
        Ok(opener)
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        // What was never made can't be removed.
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_file(&self.pin);
    }
}

/// Gives the ends of the first pair addresses of IPv6 that know each other.
fn add_ip6(lab: &Lab) -> Result<(), String> {
    for (side, own, other, iface, peer) in [
        (&lab.sender, SENDER6, RECEIVER6, "a0", "02:00:00:00:00:02"),
        (&lab.receiver, RECEIVER6, SENDER6, "b0", "02:00:00:00:00:01"),
    ] {
        side.within(|| {
            let setting = format!("/proc/sys/net/ipv6/conf/{iface}/disable_ipv6");
            std::fs::write(&setting, "0").map_err(|e| format!("{setting}: {e}"))
        })?;
        let (address, other) = (format!("{own}/64"), other.to_string());
        let name = side.name();
        run("ip", &["-n", name, "-6", "address", "add", &address, "dev", iface, "nodad"])?;
        let neighbour = ["-n", name, "-6", "neigh", "replace", &other, "lladdr", peer];
        run("ip", &[&neighbour[..], &["dev", iface, "nud", "permanent"]].concat())?;
    }
    Ok(())
}

/// Tries to connect, and then to send, as programs do.
fn is_refused(to: SocketAddr) -> Result<(), String> {
    let begun = Instant::now();
    let refused = match TcpStream::connect_timeout(&to, Duration::from_secs(3)) {
        Ok(_) => return Err(format!("{to} took the connection")),
        Err(e) => e.kind(),
    };
    equal(&format!("connecting to {to}"), &refused, &ErrorKind::ConnectionRefused)?;
    let any = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any).map_err(|e| e.to_string())?;
    socket.set_read_timeout(Some(Duration::from_secs(3))).map_err(|e| e.to_string())?;
    socket.connect(to).map_err(|e| e.to_string())?;
    // Longer than what is quoted of it.
    socket.send(&[7; 1301]).map_err(|e| e.to_string())?;
    let told = socket.recv(&mut [0; 16]).err().map(|e| e.kind());
    equal(&format!("sending to {to}"), &told, &Some(ErrorKind::ConnectionRefused))?;
    let took = begun.elapsed();
    if took < AT_ONCE { Ok(()) } else { Err(format!("it took {took:?}")) }
}

fn refused_at_once(lab: &Lab, mode: XdpChoice) -> Result<(), String> {
    let veth = &lab.veths[0];
    let object = compiled(REJECTING)?;
    let iface = veth.receiver_iface.as_str();
    add_ip6(lab)?;
    let _opener = match mode {
        XdpChoice::Generic => None,
        XdpChoice::Auto | XdpChoice::Native => Some(Opener::attach(lab, "a0")?),
    };
    Ask { mode, ..Ask::new("answers", &object, from_ref(&iface)) }.load(lab)?;
    for address in [IpAddr::V4(veth.receiver), IpAddr::V6(RECEIVER6)] {
        lab.sender.within(|| is_refused(SocketAddr::new(address, 81)))?;
        // What is only dropped is not refused.
        let shut = SocketAddr::new(address, 82);
        let wait = Duration::from_millis(200);
        let silent = lab.sender.within(|| TcpStream::connect_timeout(&shut, wait).err());
        let silent = silent.map(|e| e.kind());
        equal(&format!("connecting to {shut}"), &silent, &Some(ErrorKind::TimedOut))?;
    }
    let counts = counted(lab, "answers")?;
    // A segment and a datagram of each family.
    equal("refused", &counts["refused"].packets, &4)
}

#[test]
fn what_is_rejected_is_refused_at_once_native() {
    on_wire(1, |lab| refused_at_once(lab, XdpChoice::Native));
}

#[test]
fn what_is_rejected_is_refused_at_once_generic() {
    on_wire(1, |lab| refused_at_once(lab, XdpChoice::Generic));
}

const REDIRECTING: &str = "hook xdp edge {
    on:     udp.dport == 7001 and iface == \"b0\"    -> redirect \"b1\"
    beside: udp.dport == 7001 and iface != \"b0\"    -> drop
    stays:  udp                                    -> drop
}
";

const PACKETS: u64 = 50;

/// Packets and bytes that came in by an interface of the sender.
fn came_in(lab: &Lab, iface: &str) -> Result<Counter, String> {
    let figure = |what: &str| {
        let path = format!("/sys/class/net/{iface}/statistics/{what}");
        let shown = ["netns", "exec", lab.sender.name(), "cat", &path];
        let text = run("ip", &shown)?;
        text.trim().parse::<u64>().map_err(|e| format!("{path}: {text}: {e}"))
    };
    Ok(Counter { packets: figure("rx_packets")?, bytes: figure("rx_bytes")? })
}

fn redirected(lab: &Lab, mode: XdpChoice) -> Result<(), String> {
    let object = compiled(REDIRECTING)?;
    let ifaces: Vec<&str> = lab.veths.iter().map(|veth| veth.receiver_iface.as_str()).collect();
    let _opener = match mode {
        XdpChoice::Generic => None,
        XdpChoice::Auto | XdpChoice::Native => Some(Opener::attach(lab, "a1")?),
    };
    Ask { mode, ..Ask::new("answers", &object, &ifaces) }.load(lab)?;
    let before = came_in(lab, "a1")?;
    for (veth, port) in [(0, 7001), (0, 7002), (1, 7001)] {
        let veth = &lab.veths[veth];
        let to = SocketAddrV4::new(veth.receiver, 0);
        lab.sender.within(|| {
            let (family, flags) = (AddressFamily::INET, SocketFlags::CLOEXEC);
            let raw = socket_with(family, SocketType::RAW, flags, Some(ipproto::RAW));
            let raw = raw.map_err(|e| e.to_string())?;
            for number in 0..PACKETS as u32 {
                let data = numbered(usize::from(DATA_BYTES), number);
                let packet = ipv4(veth.sender, veth.receiver, 17, &udp(4000, port, &data));
                sendto(&raw, &packet, SendFlags::empty(), &to).map_err(|e| e.to_string())?;
            }
            Ok::<_, String>(())
        })?;
    }
    let sent = Counter { packets: PACKETS, bytes: PACKETS * PACKET_BYTES };
    until(Duration::from_secs(5), || {
        let counts = counted(lab, "answers")?;
        let rules = ["on", "beside", "stays"].map(|rule| counts[rule]);
        let complaint = equal("counters", &rules, &[sent; 3]).err();
        Ok(complaint.or(equal("out of b1", &came_in(lab, "a1")?, &(before + sent)).err()))
    })
}

#[test]
fn redirected_packets_come_out_of_the_other_interface_native() {
    on_wire(2, |lab| redirected(lab, XdpChoice::Native));
}

#[test]
fn redirected_packets_come_out_of_the_other_interface_generic() {
    on_wire(2, |lab| redirected(lab, XdpChoice::Generic));
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    on_wire(1, |lab| {
        let rules = "hook xdp edge {\n    away: udp.dport == 1 -> redirect \"nowhere0\"\n}\n";
        let object = compiled(rules)?;
        let iface = lab.veths[0].receiver_iface.as_str();
        let why = Ask::new("answers", &object, from_ref(&iface)).refusal(lab)?;
        equal("attached", &lab.xdp_id(iface)?, &None)?;
        let named = why.contains("rule `away` of hook `edge` names interface nowhere0");
        equal(&why, &named, &true)?;
        let rows = super::rows(lab)?;
        equal("rows", &rows.len(), &0)
    });
}
