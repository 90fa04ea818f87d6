//! Runs the command in a folder of its own.

use l4c_packets::{LinkType, Writer};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes with the test.
pub struct Dir(PathBuf);

/// What a run of the command left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Holds the exit code against the one wanted.
    #[track_caller]
    pub fn code(self, wanted: i32) -> Self {
        assert_eq!(self.code, wanted, "standard error:\n{}\noutput:\n{}", self.err, self.out);
        self
    }

    /// Holds standard error against a text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text), "no {text:?} in\n{}", self.err);
        self
    }

    /// Holds the output against a text.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.out.contains(text), "no {text:?} in\n{}", self.out);
        self
    }

    /// The output as JSON, a document a line.
    #[track_caller]
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

impl Dir {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("l4c-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// With one file more.
    pub fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Names of what is in the folder, sorted.
    pub fn list(&self) -> Vec<String> {
        let name = |e: std::io::Result<fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(&self.0).unwrap().map(name).collect();
        names.sort();
        names
    }

    /// The command in this folder, without anything from the environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_l4c"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("L4C_") {
                command.env_remove(name);
            }
        }
        command.args(args).current_dir(&self.0);
        command
    }

    /// Runs the command.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, b"")
    }

    /// Runs the command with something on standard input.
    pub fn run_with(&self, args: &[&str], stdin: &[u8]) -> Ran {
        finish(&mut self.command(args), stdin)
    }
}

/// Runs a command to its end.
pub fn finish(command: &mut Command, stdin: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    // The command may end without reading all of it.
    let writer = std::thread::spawn(move || drop(pipe.write_all(&stdin)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(!err.contains("panicked"), "{err}");
    Ran {
        code: output.status.code().expect("the command was not killed"),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err,
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An IPv4 packet over `proto` (6 or 17) behind an Ethernet header.
pub fn packet(proto: u8, src: [u8; 4], dport: u16) -> Vec<u8> {
    let mut packet = vec![0; 54];
    packet[12] = 8;
    let ip = &mut packet[14..];
    ip[0] = 0x45;
    ip[3] = 40;
    ip[8] = 64;
    ip[9] = proto;
    ip[12..16].copy_from_slice(&src);
    ip[16..20].copy_from_slice(&[192, 0, 2, 1]);
    ip[20..22].copy_from_slice(&4000_u16.to_be_bytes());
    ip[22..24].copy_from_slice(&dport.to_be_bytes());
    ip[25] = 20;
    ip[32] = 0x50;
    packet
}

/// A classic capture of `packets`.
pub fn capture(link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), LinkType(link)).unwrap();
    for (packet, second) in packets.iter().zip(1_u64..) {
        writer.write(second * 1_000_000_000, packet.len() as u32, packet).unwrap();
    }
    writer.finish().unwrap()
}

/// A small policy that the tests share: blocks of addresses, DNS, a chain for web.
pub const EDGE: &str = "\
set bad: addr { 10.0.0.1 }

chain web {
    tls: tcp.dport == 443 -> count secure, drop
}

hook xdp edge {
    bogon: src in @bad          -> drop
    dns:   udp.dport == 53      -> shadow drop
    web:   tcp.dport in { 80, 443 } -> jump web
}
";

/// Five packets for [`EDGE`]: bogon, dns, tls, web, and a frame that is no packet.
pub fn edge_capture() -> Vec<u8> {
    let other = [172, 16, 0, 1];
    capture(
        1,
        &[
            packet(17, [10, 0, 0, 1], 53),
            packet(17, other, 53),
            packet(6, other, 443),
            packet(6, other, 80),
            vec![0; 10],
        ],
    )
}

/// A folder with [`EDGE`] as `edge.l4` and [`edge_capture`] as `edge.pcap`.
pub fn edge() -> Dir {
    Dir::new().with("edge.l4", EDGE).with("edge.pcap", edge_capture())
}

/// Whether kernel tests can run here; says loudly if not, and fails if they have to.
pub fn kernel() -> bool {
    match l4c_runtime::kernel::available() {
        Ok(()) => true,
        Err(why) => {
            assert!(std::env::var_os("L4C_REQUIRE_KERNEL").is_none(), "no kernel engine: {why}");
            eprintln!("SKIPPED: no kernel engine: {why}");
            false
        }
    }
}

/// The output with what differs from run to run replaced.
pub fn steady(text: &str) -> String {
    let line = |line: &str| {
        let timed = line.contains(" packets/s (");
        if timed { "TIME".to_owned() } else { line.trim_end().to_owned() }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}
