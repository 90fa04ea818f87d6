//! Packets that come in by interfaces with names: every engine says of them what the reference says, and each
//! forgets the last interface when the next packet comes by another.
//!
//! Where the kernel takes programs it is asked too; where not, that is said on standard error.

use l4c_golden::bench::{self, panel};
use l4c_golden::zoo;
use l4c_judge::{EngineKind, compare};
use l4c_manifest::HookKind;
use l4c_runtime::kernel;

const RULES: &str = "let INSIDE = { \"lan0\", \"lan1\" }
hook xdp h {
    one:     iface == \"eth0\"                     -> count one
    other:   iface != \"eth0\"                     -> count other
    inside:  iface in INSIDE                     -> count inside
    outside: not iface in INSIDE                 -> count outside
    none:    iface not in { \"lan0\", \"eth0\" }     -> drop
    arp -> redirect \"lan1\"
}
";

/// Interface, and the rules that match.
const WANTED: [(Option<&str>, &[&str]); 6] = [
    (None, &["outside", "default"]),
    (Some("eth0"), &["one", "outside", "default"]),
    (Some("lan0"), &["other", "inside", "default"]),
    (Some("lan1"), &["other", "inside", "none"]),
    (Some("lo"), &["other", "outside", "none"]),
    (None, &["outside", "default"]),
];

#[test]
fn engines_agree_on_where_packets_come_from() {
    let mut kinds = vec![EngineKind::Vm];
    match kernel::available() {
        Ok(()) => kinds.push(EngineKind::Kernel),
        Err(why) => {
            eprintln!("SKIPPED in the kernel: {why}");
            assert_ne!(std::env::var("L4C_REQUIRE_KERNEL").as_deref(), Ok("1"));
        }
    }
    let packet =
        zoo::everything().into_iter().find(|p| p.name == "udp4_to_52").expect("it is there");
    for kind in HookKind::ALL {
        let text = match kind {
            HookKind::Xdp => RULES.to_owned(),
            // It redirects nothing, and sees no ARP.
            HookKind::Socket => RULES.replace("    arp -> redirect \"lan1\"\n", ""),
        };
        let rules = bench::text(&text, kind).unwrap_or_else(|e| panic!("{e}"));
        let (hook, _) = rules.policy.hooks.iter().next().expect("there is a hook");
        let objects = rules.objects().unwrap_or_else(|e| panic!("{e}"));
        let mut panel =
            panel(&rules.policy, hook, &objects, &kinds).unwrap_or_else(|e| panic!("{e}"));
        let shape = panel[0].1.shape().clone();
        let bytes = bench::seen_by(&shape, &packet.bytes).expect("every hook sees it");
        for (iface, wanted) in WANTED {
            for (name, engine) in &mut panel {
                engine.arrive(iface).unwrap_or_else(|e| panic!("{name}: {e}"));
            }
            let opinion = compare(&mut panel, &bytes).unwrap_or_else(|e| panic!("{iface:?}: {e}"));
            let rules = opinion.counted.iter().filter_map(|(slot, _)| shape.rules.get(*slot));
            let matched: Vec<&str> = rules.map(|rule| rule.name.as_str()).collect();
            assert_eq!(matched, wanted, "{kind:?} {iface:?}");
        }
    }
}
