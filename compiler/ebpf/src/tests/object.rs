//! Objects as other loaders see them.

use super::harness::{has_kernel, hook, numbered, packets, read};
use crate::{Program, assembly, object};
use l4c_ir::interp;
use l4c_manifest::{HookKind, Manifest, SECTION};
use l4c_runtime::{Object as Loaded, Vm};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use std::path::PathBuf;
use std::process::Command;

const TEXT: &str = "table nets u64 { 5..9, 20..30 } table wide u128 { 5..9 }
    line0 \"edge.l4\":4:5 \"dns: udp.dport == 53 -> drop\"
    line1 \"edge.l4\":5:1 \"in @nets -> drop\"
    counters 2 entry edge
    function edge() -> i64 {
    block0: v0 = const 0 v1 = env pkt_len @line0
      v2 = call edge.rules0(v0, v1) @line0
      v3 = const 1 count v3, v1 @line1
      return v2 }
    function edge.rules0(v0, v1) -> i64 {
    block0(v0, v1): v9 = const 1 guard v9, 8 -> v2, block1, block2
    block1: v3 = load.1 v2+3 v8 = const 0 v4 = member nets, v8, v3 @line1
      v5 = member wide, v3, v3 v6 = add v4, v5 v7 = call edge_rules0(v6) return v7
    block2: return v0 }
    function edge_rules0(v0) -> i64 { block0(v0): v1 = const 1 v2 = xor v0, v1 return v2 }";

#[test]
fn sections_and_symbols() {
    let (first, second) = (hook("edge", HookKind::Xdp, 2), hook("second", HookKind::Xdp, 2));
    let third = hook("sock", HookKind::Socket, 2);
    let module = read(TEXT);
    let other = read(&TEXT.replace("20..30", "20..31"));
    let object = object(&[
        Program { hook: &first, module: &module },
        Program { hook: &second, module: &module },
        Program { hook: &third, module: &other },
    ])
    .unwrap();
    let file = object::File::parse(&*object.elf).unwrap();
    let names: Vec<&str> = file.sections().map(|s| s.name().unwrap()).collect();
    for name in [
        "xdp",
        "socket",
        ".text",
        ".maps",
        "license",
        ".l4c",
        ".BTF",
        ".BTF.ext",
        ".rodata.nets",
        ".rodata.nets_2",
        ".rodata.wide",
    ] {
        assert_eq!(names.iter().filter(|n| **n == name).count(), 1, "{name} in {names:?}");
    }
    let data = |name: &str| file.section_by_name(name).unwrap().data().unwrap();
    assert_eq!(data("license"), b"Dual MIT/GPL\0");
    assert_eq!(Manifest::from_bytes(data(SECTION)).unwrap(), object.manifest);
    assert_eq!(object.manifest.maps.len(), 3);
    let mut symbols: Vec<&str> =
        file.symbols().filter(|s| s.is_global()).map(|s| s.name().unwrap()).collect();
    let functions: Vec<&str> = object.stats.iter().map(|s| s.symbol.as_str()).collect();
    assert_eq!(functions.len(), 9);
    assert!(functions.iter().all(|f| symbols.contains(f)), "{functions:?} in {symbols:?}");
    symbols.sort_unstable();
    let count = symbols.len();
    symbols.dedup();
    assert_eq!(symbols.len(), count, "no name twice");
    let loaded = Loaded::parse(&object.elf).unwrap();
    for (name, module) in [("edge", &module), ("second", &module), ("sock", &other)] {
        let mut vm = Vm::load(&loaded, name).unwrap();
        for packet in packets().into_iter().chain((0..60).map(|seed| numbered(20, seed))) {
            let expected = interp::run(module, &packet, &mut [(0, 0); 2]).unwrap();
            assert_eq!(u64::from(vm.run(&packet).unwrap()), expected);
        }
    }
}

#[test]
fn listing() {
    let hook = hook("edge", HookKind::Xdp, 2);
    let module = read(
        "table nets u64 { 5..9 } line0 \"edge.l4\":4:5 \"dns: udp.dport == 53 -> drop\"
         counters 1 entry edge
         function edge() -> i64 {
         block0: v0 = const 23 v4 = const 0 v5 = const 53
           guard v0, 14 -> v1, block1, block3 @line0
         block1: v2 = load.2 v1+12 v3 = swap.2 v2 br eq v3, v5, block2, block3 @line0
         block2: v6 = env pkt_len count v4, v6 @line0
           v7 = const 1 return v7
         block3: v8 = const 2 return v8 }",
    );
    let text = assembly(&[Program { hook: &hook, module: &module }]).unwrap();
    assert_eq!(text, EDGE);
}

const EDGE: &str = "\
edge: ; xdp, 29 instructions, 8 bytes of stack
    r6 = r1
L0:
; edge.l4:4:5: dns: udp.dport == 53 -> drop
    r3 = *(u32 *)(r6 +0)
    r4 = *(u32 *)(r6 +4)
    r5 = r3
    r5 += 37
    if r5 > r4 goto L2
L1:
    r5 = *(u16 *)(r3 +35)
    r5 = be16 r5
    if r5 != 53 goto L2
L3:
    *(u32 *)(r10 -8) = 0
    r1 = map edge_count ll
    r2 = r10
    r2 += -8
    call bpf_map_lookup_elem
    if r0 == 0 goto L4
    r5 = *(u64 *)(r0 +0)
    r5 += 1
    *(u64 *)(r0 +0) = r5
    r3 = *(u64 *)(r0 +8)
    r4 = *(u32 *)(r6 +4)
    r5 = *(u32 *)(r6 +0)
    r4 -= r5
    r3 += r4
    *(u64 *)(r0 +8) = r3
L4:
    r0 = 1
    exit
L2:
    r0 = 2
    exit
";

/// Pins of a test, taken away when it ends.
struct Pins(PathBuf);

impl Drop for Pins {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// libbpf takes the object, and the kernel knows its functions and lines.
#[test]
fn bpftool() {
    if !has_kernel() {
        return;
    }
    let (first, second) = (hook("edge", HookKind::Xdp, 2), hook("sock", HookKind::Socket, 2));
    let module = read(TEXT);
    let object = object(&[
        Program { hook: &first, module: &module },
        Program { hook: &second, module: &module },
    ])
    .unwrap();
    let name = format!("l4c_ebpf_test_{}", std::process::id());
    let file = std::env::temp_dir().join(format!("{name}.o"));
    std::fs::write(&file, &object.elf).unwrap();
    let pins = Pins(PathBuf::from("/sys/fs/bpf").join(name));
    let run = |args: &[&str]| -> String {
        let out = Command::new("bpftool").args(args).output().expect("bpftool is installed");
        let mut text = String::from_utf8_lossy(&out.stdout).into_owned();
        text += &String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{text}");
        text
    };
    let dir = pins.0.to_str().unwrap();
    let log = run(&["-d", "prog", "loadall", file.to_str().unwrap(), dir]);
    std::fs::remove_file(&file).unwrap();
    // Each function but the entry is verified once, alone.
    let alone = log.matches("is safe for any args that match its prototype").count();
    assert_eq!(alone, 2 * 2, "{log}");
    let text = run(&["prog", "dump", "xlated", "pinned", &format!("{dir}/edge"), "linum"]);
    for part in [
        "int edge(struct xdp_md * ctx):",
        "dns: udp.dport == 53 -> drop [file:edge.l4 line_num:4 line_col:5]",
        "long long edge_rules0(struct xdp_md * ctx, unsigned long long a0, unsigned long long a1)",
        "in @nets -> drop",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let text = run(&["prog", "dump", "xlated", "pinned", &format!("{dir}/sock")]);
    assert!(text.contains("struct __sk_buff * ctx"), "{text}");
}
