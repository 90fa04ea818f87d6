//! p0f's own database: a SYN for each of its signatures, changed in many small ways, matches exactly what a
//! plain reading of p0f says, in every engine.

#[path = "p0f/maker.rs"]
mod maker;
#[path = "p0f/matcher.rs"]
mod matcher;

use l4c_compiler::OptLevel;
use l4c_compiler::reference::Reference;
use l4c_golden::bench::{Rules, panel, text};
use l4c_golden::run::agree;
use l4c_judge::EngineKind;
use l4c_manifest::HookKind;
use l4c_verifier_tests::{CORPUS, kernel, or_skip};
use maker::{CHANGES, Syn};
use matcher::{Seen, Signature};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

/// What the database has no example of.
const MADE_UP: &[&str] = &[
    "4:64:0:*:*,*:mss::*",
    "6:64:0:*:*,*:mss:flow:*",
    "*:64:0:*:*,*:mss:flow,df,id+:+",
    "*:54+10:0:*:*,*:mss:df:0",
    "4:64:0:*:*,*:mss:id-:+",
    "4:64:0:*:*,*:mss:0+,df:0",
    "*:64:0:*:*,*:mss:0+:0",
    "*:64:0:*:*,*:mss:seq-,df,id+:0",
    "*:64:0:*:*,*:mss:pushf+,urgf+:0",
    "*:64:0:*:*,*:mss:uptr+,ecn:*",
    "*:64:8:*:*,*:mss:df,id+:0",
    "*:64:0:*:%1460,*:mss,nop,ws:df,id+:0",
    "*:64:0:*:%3,*:mss,nop,ws:df,id+:0",
    "*:64:0:*:mtu*2,*:mss,nop,nop,ts:df,id+:0",
    "*:64:0:*:mtu*2,*:mss:df,id+:0",
    "*:64:0:536:mtu*2,*:mss,sok,ts,nop,ws:df,id+:0",
    "*:64:0:*:mss*4,*:mss,nop,nop,ts:df,id+,ts1-:0",
    "*:64:0:*:mss*10,*:mss,nop,nop,ts:df,id+:0",
    "*:64:0:*:*,*:nop,nop,ts:df,id+,ts1-,ts2+:0",
    "*:64:0:0:*,0::df,id+:0",
    "*:64:0:*:*,*:mss,nop,ws:df,id+,exws:0",
    "*:64:0:*:*,15:mss,nop,ws:df,id+,exws:0",
    "*:64:0:*:*,*:mss,nop,eol+2:df,id+,opt+:0",
    "*:64:0:*:*,*:mss,?254:df,id+:0",
    "*:64:0:*:*,*:?253,mss,?254:df,id+:0",
    "*:64:0:*:*,*:mss,nop,nop,sack:df,id+:0",
    "*:64:0:*:*,*:mss,mss,ws,ws,nop,nop:df,id+:0",
    "*:64:0:*:mss*4,*:mss,ts,ts:df,id+,ts1-:0",
    "*:64:0:*:*,*:mss,nop,ws:df,id+,bad:0",
    "*:64:0:*:*,*:mss,nop,nop,sok:df,id+,bad:*",
    "*:64:0:*:*,*:mss,?254:df,id+,bad:0",
    "*:64:0:*:mss*4,*:mss,sok,ts,nop,ws:df,id+,bad:0",
];

/// The signatures of requests to connect; none, and a word on it, without a corpus.
fn database() -> Vec<String> {
    let path = std::env::var_os(CORPUS)
        .map(|root| PathBuf::from(root).join("p0f/p0f.fp"))
        .ok_or_else(|| format!("{CORPUS} names no database of p0f"));
    let Some(path) = or_skip(path).unwrap_or_else(|why| panic!("{why}")) else { return Vec::new() };
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let section = text.split("[tcp:request]").nth(1).expect("there is such a section");
    let section = section.split("\n[").next().expect("a text has a first part");
    let lines = section.lines().filter_map(|line| line.split_once('='));
    let signatures = lines.filter(|(key, _)| key.trim() == "sig");
    signatures.map(|(_, value)| value.trim().to_owned()).collect()
}

/// One rule a signature, none of which decides.
fn rules(signatures: &[Signature]) -> Rules {
    let mut policy = String::from("hook xdp prints {\n");
    for (at, signature) in signatures.iter().enumerate() {
        writeln!(policy, "    s{at}: p0f \"{}\" -> count seen", signature.text)
            .expect("a string takes everything");
    }
    policy.push_str("}\n");
    text(&policy, HookKind::Xdp).unwrap_or_else(|e| panic!("{e}"))
}

/// A SYN for each signature and family, each change made to it, each byte of its options changed.
fn frames(signatures: &[Signature]) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    for signature in signatures {
        for six in [false, true] {
            let number = if six { 6 } else { 4 };
            if signature.version.is_some_and(|version| version != number) {
                continue;
            }
            let syn = Syn::of(signature, six);
            for (name, change) in CHANGES {
                let mut changed = syn.clone();
                change(&mut changed);
                out.push((format!("{}, IPv{number}, {name}", signature.text), changed.frame()));
            }
            for at in 0..syn.options.len() {
                let mut changed = syn.clone();
                changed.options[at] ^= 1;
                let name = format!("{}, IPv{number}, option byte {at}", signature.text);
                out.push((name, changed.frame()));
            }
        }
    }
    let mut known = BTreeSet::new();
    out.retain(|(_, frame)| known.insert(frame.clone()));
    out
}

#[test]
fn packets_match_what_a_plain_reading_says() {
    let database = database();
    assert!(database.is_empty() || database.len() > 80, "{} signatures", database.len());
    let texts = database.iter().map(String::as_str).chain(MADE_UP.iter().copied());
    let signatures: Vec<Signature> = texts.map(Signature::read).collect();
    let rules = rules(&signatures);
    assert!(rules.warnings.is_empty(), "{:?}", rules.warnings);
    let frames = frames(&signatures);

    let hook = rules.policy.hooks.keys().next().expect("one hook");
    let mut reference = Reference::new(&rules.policy, hook);
    let mut met: BTreeSet<usize> = BTreeSet::new();
    let mut wrong = Vec::new();
    for (name, frame) in &frames {
        let seen = Seen::of(frame);
        let should = |s: &Signature| seen.as_ref().is_some_and(|seen| s.matches(seen));
        let wanted: Vec<usize> =
            (0..signatures.len()).filter(|at| should(&signatures[*at])).collect();
        let mut found = reference.judge(frame).matched;
        found.retain(|at| *at < signatures.len());
        met.extend(&wanted);
        if found != wanted {
            wrong.push(format!("{name}: {found:?} and not {wanted:?}, seen {seen:?}"));
        }
    }
    let unmet: Vec<&str> = signatures
        .iter()
        .enumerate()
        .filter(|(at, _)| !met.contains(at))
        .map(|(_, signature)| signature.text.as_str())
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}: {:#?}",
        wrong.len(),
        frames.len(),
        &wrong[..wrong.len().min(9)]
    );
    assert!(unmet.is_empty(), "no packet matches {unmet:#?}");

    let objects = [(OptLevel::O2, rules.object(OptLevel::O2).unwrap_or_else(|e| panic!("{e}")))];
    let mut kinds = vec![EngineKind::Vm];
    let kernel = or_skip(kernel()).unwrap_or_else(|why| panic!("{why}"));
    kinds.extend(kernel.map(|()| EngineKind::Kernel));
    let mut panel =
        panel(&rules.policy, hook, &objects, &kinds).unwrap_or_else(|why| panic!("{why}"));
    let shown = agree(&mut panel, frames.iter().map(|(name, frame)| (name.as_str(), &frame[..])))
        .unwrap_or_else(|why| panic!("{why}"));
    println!("{} signatures, {shown} packets", signatures.len());
}
