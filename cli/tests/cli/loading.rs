//! The commands on loaded policies, in a network namespace and a pin folder of the test's own.

use super::schema::hold;
use super::support::{Dir, EDGE, Ran, arg, edge, finish, kernel};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A network namespace with nothing but a loopback, and a pin folder; both go with the test.
pub struct Host {
    dir: Dir,
    pub netns: String,
    pub pin: PathBuf,
}

impl Host {
    /// None where nothing can be loaded.
    pub fn new(dir: Dir) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if !kernel() {
            return None;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let netns = format!("l4c-cli-{}-{number}", std::process::id());
        let pin = PathBuf::from(format!("/sys/fs/bpf/{netns}"));
        ip(&["netns", "add", &netns]);
        ip(&["-n", &netns, "link", "set", "lo", "up"]);
        Some(Self { dir, netns, pin })
    }

    /// The command within the namespace. It is entered by `nsenter` alone: `ip netns exec` would show it
    /// another /sys.
    pub fn run(&self, args: &[&str]) -> Ran {
        let inner = self.dir.command(args);
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.netns)).arg(inner.get_program());
        command.args(inner.get_args()).args(["--pin", arg(&self.pin)]);
        command.current_dir(inner.get_current_dir().unwrap());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        finish(&mut command, b"")
    }

    pub fn load(&self, more: &[&str]) -> Ran {
        self.run(&[&["load", "edge.l4", "--iface", "lo"], more].concat())
    }

    /// Lets `count` packets to a port arrive at the loopback.
    fn send(&self, count: u32, port: u16) {
        let script = format!("for n in $(seq {count}); do echo > /dev/udp/127.0.0.1/{port}; done");
        let netns = format!("--net=/run/netns/{}", self.netns);
        // That nobody listens is told to the second and later ones.
        let _ = Command::new("nsenter").args([&netns, "bash", "-c", &script]).output().unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.run(&["unload", "--all"]);
        let _ = std::fs::remove_dir(&self.pin);
        ip(&["netns", "del", &self.netns]);
    }
}

fn ip(args: &[&str]) {
    let done = Command::new("ip").args(args).output().unwrap();
    assert!(done.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn packets(stats: &Ran, rule: &str) -> u64 {
    let line = &stats.json()[0];
    let rules = line["rules"].as_array().unwrap();
    rules.iter().find(|r| r["rule"] == rule).unwrap()["packets"].as_u64().unwrap()
}

/// Rules with a set and a limit that packets to the loopback meet.
const CHANGING: &str = "set bad: prefix { 192.0.2.0/24  dynamic  max 10 }
set met: addr { dynamic  timeout 1h }
set fixed: (addr, port) { (192.0.2.1, 53) }
limit each { rate 10/h  burst 3  per src }
hook xdp edge {
    listed: src in @bad                       -> drop
    known:  (src, dport) in @fixed            -> drop
    meet:   udp.dport == 7 and over(each)     -> add src to @met, drop
}
";

#[test]
fn sets_are_looked_at_and_changed() {
    let Some(host) = Host::new(edge().with("edge.l4", CHANGING)) else { return };
    host.run(&["set", "list"]).code(0).prints("no set is loaded");
    host.load(&[]).code(0);
    host.send(6, 7);
    host.run(&["set", "list", "met"]).code(0).prints("127.0.0.1  # by a packet, ");
    host.run(&["set", "test", "@bad", "192.0.2.9"]).code(0).prints("192.0.2.9 is in bad");
    host.run(&["set", "test", "bad", "192.0.2.9", "192.0.3.1"])
        .code(1)
        .prints("192.0.3.1 is not in bad");
    host.run(&["set", "add", "bad", "198.51.100.0/24", "203.0.113.1", "for", "10m"])
        .code(0)
        .prints("bad: 2 added");
    let listed = host.run(&["set", "list", "bad", "--format", "json"]).code(0);
    hold("set", &listed.json());
    let origins: Vec<_> = listed.json().iter().map(|line| line["origin"].clone()).collect();
    assert_eq!(origins, ["rules", "by hand", "by hand"]);
    // What is listed can be read again, and a set keeps what it has if one line is wrong.
    std::fs::write(host.dir.path("list.txt"), host.run(&["set", "list", "bad"]).out).unwrap();
    host.run(&["set", "replace", "bad", "--from", "list.txt"])
        .code(0)
        .prints("bad: 3 elements, 0 of them new");
    std::fs::write(host.dir.path("bad.txt"), "10.0.0.0/8\n10.0.0.0/99\nten\n").unwrap();
    let refused = host.run(&["set", "replace", "bad", "--from", "bad.txt"]).code(4);
    assert!(refused.err.contains("bad.txt:2: ") && refused.err.contains("bad.txt:3: "));
    host.run(&["set", "add", "bad", "10.0.0.0-10.0.0.254"]).code(3).says("11 elements, and 10 are");
    host.run(&["set", "del", "bad", "192.0.2.0/24", "10.0.0.0/8"]).code(0).prints("bad: 1 removed");
    hold("set", &host.run(&["set", "flush", "bad", "--format", "json"]).code(0).json());
    assert_eq!(host.run(&["set", "list", "bad"]).code(0).out, "");
    hold("set", &host.run(&["set", "list", "--format", "json"]).code(0).json());
    hold("set", &host.run(&["set", "test", "bad", "10.0.0.1", "--format", "json"]).json());
    host.run(&["set", "add", "fixed", "(192.0.2.1, 54)"])
        .code(3)
        .says("does not change while it is");
    host.run(&["set", "add", "nothing", "10.0.0.1"]).code(3).says("loaded: bad, met, fixed");
    host.run(&["set", "add", "bad"]).code(2).says("no element is given");
    host.run(&["set", "add", "bad", "10.0.0.0/40"]).code(2).says("`10.0.0.0/40`: ");
    // Many at once, and each of them once.
    let many: Vec<String> = (0..300).map(|n| format!("10.1.{}.{}", n / 200, n % 150)).collect();
    std::fs::write(host.dir.path("many.txt"), many.join("\n")).unwrap();
    host.run(&["set", "add", "met", "--from", "many.txt"]).code(0).prints("met: 250 added");
    host.run(&["set", "add", "met", "--from", "many.txt"]).code(0).prints("met: 0 added");
    host.run(&["set", "sweep"]).code(0);
    hold("stats", &host.run(&["stats", "--format", "json"]).code(0).json());
    hold("limit", &host.run(&["limit", "show", "--format", "json"]).code(0).json());
    hold("limit", &host.run(&["limit", "top", "--format", "json"]).code(0).json());
}

#[test]
fn a_policy_is_loaded_seen_replaced_and_taken_off() {
    let Some(host) = Host::new(edge()) else { return };
    let json = |args: &[&str]| host.run(&[args, &["--format", "json"]].concat()).code(0);
    assert!(json(&["status"]).says("nothing is loaded").out.is_empty());

    let loaded = json(&["load", "edge.l4", "--iface", "lo"]).says("network core");
    hold("place", &loaded.json());
    assert_eq!(loaded.json()[0]["state"], "attached");
    assert_eq!(loaded.json()[0]["mode"], "generic");
    assert!(host.pin.join("edge/edge/prog").exists());
    hold("place", &json(&["status"]).json());

    host.send(3, 53);
    let stats = json(&["stats"]);
    hold("stats", &stats.json());
    assert_eq!(packets(&stats, "dns"), 3);

    let again = json(&["load", "edge.l4", "--iface", "lo"]);
    hold("place", &again.json());
    assert_eq!(again.json()[0]["state"], "replaced");
    host.send(2, 53);
    assert_eq!(packets(&json(&["stats"]), "dns"), 5);
    let table = host.run(&["stats"]).code(0).prints("edge on lo, counting for");
    assert!(table.out.contains("dns      shadow drop        5"), "{}", table.out);

    let back = json(&["rollback"]);
    hold("place", &back.json());
    assert_eq!(packets(&json(&["stats"]), "dns"), 5);

    let off = json(&["unload", "--policy", "edge"]);
    hold("place", &off.json());
    assert_eq!(off.json()[0]["state"], "detached");
    assert!(json(&["unload", "--policy", "edge"]).says("nothing to unload").out.is_empty());
    assert!(json(&["status"]).out.is_empty());
    host.run(&["rollback"]).code(3).says("nothing is loaded");
}

#[test]
fn interfaces_in_rules_must_be_there() {
    let rules = "hook xdp edge {\n    here: iface == \"lo\" and udp.dport == 53 -> count seen\n    \
                 tap: udp.dport == 54 -> redirect \"no_tap\"\n}\n";
    let Some(host) = Host::new(Dir::new().with("edge.l4", rules)) else { return };
    host.load(&[]).code(3).says("rule `tap` of hook `edge` names interface no_tap");
    host.load(&["--dry-run"]).code(3).says("no_tap");
    assert!(!host.pin.join("edge").exists());
    ip(&["-n", &host.netns, "link", "add", "no_tap", "type", "veth", "peer", "name", "its_end"]);
    host.load(&[]).code(0);
    host.send(2, 53);
    let stats = host.run(&["stats", "--format", "json"]).code(0);
    assert_eq!(packets(&stats, "here"), 2);
}

#[test]
fn in_shadow_everything_passes_and_is_counted() {
    let rules = "hook xdp edge { dns: udp.dport == 53 -> drop }\n";
    let Some(host) = Host::new(Dir::new().with("edge.l4", rules)) else { return };
    let loaded = host.load(&["--shadow", "--format", "json"]).code(0);
    assert_eq!(loaded.json()[0]["shadow"], true);
    host.run(&["status"]).code(0).prints("attached (shadow)");
    // Somebody who is told that nobody listens has been heard.
    host.send(2, 53);
    let stats = host.run(&["stats", "--format", "json"]).code(0);
    assert_eq!((packets(&stats, "dns"), packets(&stats, "default")), (2, 2));
    host.run(&["stats"]).code(0).prints("nothing is dropped");
    host.load(&[]).code(0).prints("replaced");
    host.send(2, 53);
    let stats = host.run(&["stats", "--format", "json"]).code(0);
    assert_eq!((packets(&stats, "dns"), packets(&stats, "default")), (4, 2));
}

#[test]
fn a_dry_run_changes_nothing() {
    let Some(host) = Host::new(edge()) else { return };
    let ran = host.load(&["--dry-run", "--format", "json"]).code(0).says("nothing was changed");
    hold("place", &ran.json());
    assert_eq!(ran.json()[0]["state"], "would attach");
    assert!(!host.pin.exists());
    host.load(&[]).code(0);
    let ran = host.load(&["--dry-run", "--format", "json"]).code(0);
    assert_eq!(ran.json()[0]["state"], "would replace");
    host.run(&["load", "edge.l4", "--iface", "eth7", "--dry-run"]).code(3).says("eth7");
}

#[test]
fn what_is_in_the_way_is_named() {
    let Some(host) = Host::new(edge()) else { return };
    host.run(&["load", "edge.l4", "--iface", "eth7"]).code(3).says("`eth7`").says("lo");
    host.load(&["--xdp-mode", "native"]).code(3).says("cannot attach to lo");
    assert!(host.run(&["status"]).code(0).out.is_empty());
    host.load(&[]).code(0);
    host.load(&["--policy", "other"]).code(3).says("policy `edge` runs on lo").says("--replace");
    host.load(&["--xdp-mode", "native"]).code(3).says("generic");
    let taken = host.load(&["--policy", "other", "--replace"]).code(0).says("policy `edge`");
    assert!(taken.out.contains("replaced"), "{}", taken.out);
    assert!(!host.pin.join("edge").exists());
    // Another pin folder's policies are strangers.
    let other = format!("{}-x", host.pin.display());
    let mut with = host.dir.command(&[]);
    with.env("L4C_PIN", &other);
    let script = format!("{} load edge.l4 --iface lo", env!("CARGO_BIN_EXE_l4c"));
    let netns = format!("--net=/run/netns/{}", host.netns);
    let mut command = Command::new("nsenter");
    command.args([&netns, "bash", "-c", &script]).env("L4C_PIN", &other);
    command.current_dir(host.dir.path(""));
    finish(&mut command, b"").code(3).says("`edge`").says("--replace-foreign");
    std::fs::remove_dir(&other).unwrap();
}

#[test]
fn the_pin_folder_has_to_be_a_safe_place() {
    let Some(host) = Host::new(edge()) else { return };
    let ran = host.dir.run(&["load", "edge.l4", "--iface", "lo", "--pin", "pins"]).code(3);
    ran.says("BPF file system").says("mount -t bpf");
    assert!(!host.dir.path("pins").exists());
}

#[test]
fn hooks_without_a_target_are_named_and_left() {
    let two = format!("{EDGE}hook xdp guests {{ all -> pass }}\n");
    let Some(host) = Host::new(edge().with("edge.l4", two)) else { return };
    host.load(&[]).code(2).says("edge, guests");
    host.run(&["load", "edge.l4", "--hook", "guests"]).code(2).says("no target");
    let loaded = host.load(&["--hook", "guests"]).code(0).says("`edge` (xdp)");
    assert!(loaded.out.contains("guests"));
    assert!(!host.pin.join("edge/edge").exists());
    // Its place goes over to the other hook.
    host.load(&["--hook", "edge"]).code(0).prints("replaced");
    assert!(host.pin.join("edge/edge/prog").exists());
    assert!(!host.pin.join("edge/guests").exists());
}

#[test]
fn rules_that_lose_a_hook_in_use_are_refused() {
    let Some(host) = Host::new(edge()) else { return };
    ip(&["-n", &host.netns, "link", "add", "d0", "type", "veth", "peer", "name", "d1"]);
    host.load(&[]).code(0);
    std::fs::write(host.dir.path("edge.l4"), "hook xdp renamed { all -> pass }").unwrap();
    let args = ["load", "edge.l4", "--iface", "d0"];
    host.run(&args).code(2).says("hook `edge` at lo").says("--iface lo");
    host.run(&["load", "edge.l4", "--iface", "d0", "lo"]).code(0).prints("renamed");
}

#[test]
fn tags_that_an_interface_takes_out_are_warned_of() {
    let Some(host) = Host::new(edge()) else { return };
    ip(&["-n", &host.netns, "link", "add", "d0", "type", "veth", "peer", "name", "d1"]);
    std::fs::write(host.dir.path("edge.l4"), "hook xdp edge { guests: vlan.id == 7 -> drop }")
        .unwrap();
    let loaded = host.run(&["load", "edge.l4", "--iface", "d0"]).code(0);
    loaded.says("d0 takes VLAN tags out").says("none for guests");
    std::fs::write(host.dir.path("edge.l4"), "hook xdp edge { tcp -> drop }").unwrap();
    let loaded = host.run(&["load", "edge.l4", "--iface", "d0"]).code(0);
    assert!(!loaded.err.contains("VLAN"), "{}", loaded.err);
}

#[test]
fn what_is_no_policy_of_ours_is_told_and_stays() {
    let Some(host) = Host::new(edge()) else { return };
    host.load(&[]).code(0);
    let stranger = host.pin.join("stranger");
    std::os::unix::fs::symlink("/tmp", &stranger).unwrap();
    host.run(&["status"]).code(0).says("`stranger`").says("symbolic link").prints("attached");
    host.load(&["--policy", "stranger"]).code(3).says("symbolic link");
    host.run(&["unload", "--policy", "stranger"]).code(3).says("symbolic link");
    host.run(&["unload", "--all"]).code(3).says("symbolic link").prints("detached");
    assert!(stranger.is_symlink());
    std::fs::remove_file(stranger).unwrap();
    assert!(std::fs::read_dir(&host.pin).unwrap().next().is_none());
}

#[test]
fn what_runs_is_found_without_the_name_of_its_generation() {
    let Some(host) = Host::new(edge()) else { return };
    host.load(&[]).code(0);
    host.load(&[]).code(0);
    let before = host.run(&["status", "--format", "json"]).code(0).json();
    std::fs::remove_file(host.pin.join("edge/cur-gen")).unwrap();
    let after = host.run(&["status", "--format", "json"]).code(0).says("was finished").json();
    assert_eq!(before, after);
    assert!(host.pin.join("edge/edge/prog").exists());
    host.run(&["rollback"]).code(0).prints("replaced");
}
