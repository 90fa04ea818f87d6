//! Passes alone, from text to text.
//!
//! A case is a module, valid as it stands. Its first line names the passes to run, in order (`O2`
//! is the whole pipeline); what comes out is written below the module as comments. `L4C_BLESS=1
//! cargo test -p l4c-ir --test passes` writes what came out into the cases.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use l4c_ir::passes::{OptLevel, PASSES, optimize};
use l4c_ir::{Module, Verified, parse, verify};
use std::fs;
use std::path::{Path, PathBuf};

const MARK: &str = "; gives:\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/passes")
}

fn apply(module: Verified<Module>, pass: &str) -> Verified<Module> {
    if pass == "O2" {
        return optimize(module, OptLevel::O2, &mut |_, _| {}).unwrap();
    }
    let pass = PASSES.iter().find(|p| p.name == pass).expect("the first line names passes");
    let mut module = module.into_inner();
    pass.apply(&mut module);
    verify(module).unwrap_or_else(|e| panic!("{e}\n{}", e.text))
}

fn check(file: &str) {
    let path = folder().join(file).with_extension("ir");
    let text = fs::read_to_string(&path).unwrap();
    let (input, expected) = text.split_once(MARK).unwrap_or((&text, ""));
    let passes = input.lines().next().and_then(|line| line.strip_prefix("; ")).unwrap();
    let module = verify(parse(input).unwrap()).unwrap_or_else(|e| panic!("{e}"));
    let module = passes.split(' ').fold(module, apply);
    let lines = module.to_string();
    let found: String =
        lines.lines().map(|line| format!("; {line}").trim_end().to_owned() + "\n").collect();
    if std::env::var_os("L4C_BLESS").is_some() {
        fs::write(&path, format!("{input}{MARK}{found}")).unwrap();
        return;
    }
    assert!(found == expected, "{passes} gives\n{found}instead of\n{expected}");
}

macro_rules! cases {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

cases! {
    bytes_implied
    bytes_known
    dce_guard
    dce_unused
    fold_arithmetic
    fold_branches
    fold_compare_as_it_lies
    fold_packed
    guards_effect_between
    guards_merge
    guards_other_way_out
    guards_widen
    guards_widen_back
    gvn_arithmetic
    gvn_lines
    inline_calls
    pipeline_rules
    simplify_lines
    simplify_params
    sink_edges
    split_outcome
    thread_bits
    thread_carried_number
    thread_either_way
    thread_guard_fails
    thread_long_enough
    thread_protocol
    thread_ranges
    thread_used_outside
}

#[test]
fn each_file_is_a_case_and_each_pass_has_one() {
    let mut files: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    assert_eq!(files, NAMES);
    for pass in PASSES {
        assert!(NAMES.iter().any(|name| name.starts_with(pass.name)), "{} has no case", pass.name);
    }
}
