use super::{frames, scripts, text};
use crate::bench;
use crate::zoo::packets;
use l4c_compiler::reference::Reference;
use l4c_manifest::HookKind;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

#[test]
fn scripts_make_rules_that_mean_something() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..100 {
        let script = scripts().new_tree(&mut runner).unwrap().current();
        let text = text(&script);
        let rules = bench::text(&text, HookKind::Xdp);
        assert!(rules.is_ok(), "{}\n{text}", rules.unwrap_err());
        if !script.link {
            assert!(bench::text(&text, HookKind::Socket).is_ok(), "{text}");
        }
    }
}

#[test]
fn the_same_script_makes_the_same_packets() {
    let script = scripts().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let zoo = packets();
    assert_eq!(frames(&script, 50, &zoo), frames(&script, 50, &zoo));
    assert_eq!(text(&script), text(&script));
}

#[test]
fn packets_are_of_many_sorts() {
    let script = scripts().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let frames = frames(&script, 2000, &packets());
    let of_type = |bytes: [u8; 2]| frames.iter().filter(|f| f.get(12..14) == Some(&bytes)).count();
    for (ether_type, least) in
        [([0x08, 0x00], 500), ([0x86, 0xdd], 300), ([0x08, 0x06], 30), ([0x81, 0x00], 50)]
    {
        assert!(of_type(ether_type) >= least, "{} of {ether_type:02x?}", of_type(ether_type));
    }
}

/// Questions of one sort that are true of a packet of their script, of so many asked.
fn answered(ask: impl Fn(&mut super::terms::Source<'_>) -> String) -> (usize, usize) {
    let (mut runner, zoo) = (TestRunner::deterministic(), packets());
    let (mut yes, mut asked) = (0, 0);
    for _ in 0..100 {
        let script = scripts().new_tree(&mut runner).unwrap().current();
        let pool = super::Pool::new(script.pool);
        let mut rng = StdRng::seed_from_u64(script.packets);
        let mut source = super::terms::Source {
            rng: &mut rng,
            pool: &pool,
            sets: &[],
            matches: &[],
            link: false,
        };
        let term = ask(&mut source);
        let rules = bench::text(&format!("hook xdp h {{\n{term} -> drop\n}}\n"), HookKind::Xdp);
        let rules = rules.unwrap_or_else(|why| panic!("{term}: {why}"));
        let hook = rules.policy.hooks.keys().next().unwrap();
        let mut reference = Reference::new(&rules.policy, hook);
        let shown = frames(&script, 200, &zoo);
        asked += 1;
        yes += usize::from(shown.iter().any(|f| f.len() >= 14 && reference.judge(f).rule == 0));
    }
    (yes, asked)
}

#[test]
fn texts_and_names_are_found_in_packets() {
    let (yes, asked) = answered(|source| source.text());
    assert!(yes * 2 > asked, "{yes} of {asked} texts");
    let (yes, asked) = answered(|source| source.name("dns.qname"));
    assert!(yes * 2 > asked, "{yes} of {asked} names");
}
