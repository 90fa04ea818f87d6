//! Golden cases with limits and with sets that change, as they are shipped: another loader takes them too.

use l4c_compiler::OptLevel;
use l4c_golden::case;
use l4c_golden::run::for_kind;
use l4c_manifest::{Hook, HookKind, Manifest, Storage};

/// Where their objects lie, below the bundle's folder.
pub const FOLDER: &str = "libbpf";

/// Compiles every golden case that keeps state: files by their path below the bundle's folder.
///
/// # Errors
/// When a case can't be compiled.
pub fn files() -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut files = Vec::new();
    for case in case::all("cases") {
        for kind in HookKind::ALL {
            let Some(rules) = for_kind(&case, kind)? else { continue };
            let compiled = rules.compiled(OptLevel::O2)?;
            let hooks = &compiled.manifest.hooks;
            let keeps = |hook: &Hook| {
                !hook.limits.is_empty() || !hook.sets.is_empty() || hook.rows.is_some()
            };
            if hooks.iter().any(keeps) {
                let name = case.title().replace('/', "_");
                files.push((format!("{FOLDER}/{name}_{}.o", kind.name()), compiled.elf));
            }
        }
    }
    Ok(files)
}

/// The kernel that first takes an object, as major and minor number: a bucket in a word, and a place in a row
/// where there may be no lock, are taken by compare and exchange, which came with 5.12; all else is older than 5.10.
#[must_use]
pub fn first_kernel(manifest: &Manifest) -> (u32, u32) {
    let exchanges = |hook: &Hook| {
        let words = hook.limits.iter().any(|limit| limit.storage == Storage::Word);
        words || hook.rows.is_some() && hook.kind == HookKind::Socket
    };
    if manifest.hooks.iter().any(exchanges) { (5, 12) } else { (5, 10) }
}

/// Major and minor number of the kernel that runs this.
#[must_use]
pub fn this_kernel() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
