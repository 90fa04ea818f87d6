//! Pin folders, and policies for them.

use l4c_compiler::OptLevel;
use l4c_golden::bench;
use l4c_manifest::HookKind;
use l4c_runtime::policy::{Locked, Root, Unload};
use l4c_runtime::{Counter, Object};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A pin folder that goes with everything in it when this is dropped.
#[derive(Debug)]
pub struct Pins(PathBuf);

impl Pins {
    /// One that nobody else has. It is not made yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "no two are alike")]
    pub fn new() -> Self {
        Self(Path::new("/sys/fs/bpf").join(super::unique("wire")))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of a policy.
    #[must_use]
    pub fn policy(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Opens it, as a command does. To be called in the namespace of the interfaces.
    ///
    /// # Errors
    /// As [`Root::open`], in words.
    pub fn open(&self) -> Result<Locked, String> {
        Root::new(&self.0).open(&mut || ()).map_err(|e| format!("open: {e}"))
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if !self.0.exists() {
            return;
        }
        let taken_off = self.open().and_then(|locked| {
            let (_, errors) = locked.unload(Unload::All).map_err(|e| e.to_string())?;
            if errors.is_empty() { Ok(()) } else { Err(format!("{errors:?}")) }
        });
        if let Err(why) = taken_off {
            eprintln!("{}: {why}", self.0.display());
        }
        // Whatever holds it, nobody is there to be told.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Compiles rules for XDP.
///
/// # Errors
/// When they have a mistake.
pub fn compiled(text: &str) -> Result<Object, String> {
    let rules = bench::text(text, HookKind::Xdp).map_err(|e| e.to_string())?;
    Object::parse(&rules.compiled(OptLevel::O2)?.elf).map_err(|e| e.to_string())
}

/// By rule; what `count NAME` counts by `count NAME`.
pub type Counts = BTreeMap<String, Counter>;

/// What a hook of a policy counted.
///
/// # Errors
/// As [`Locked::stats`], in words, or when there is no such hook.
pub fn counts(locked: &Locked, policy: &str, hook: &str) -> Result<Counts, String> {
    let stats = locked.stats(policy).map_err(|e| format!("stats: {e}"))?;
    let stats = stats.into_iter().find(|stats| stats.hook.name == hook);
    let stats = stats.ok_or_else(|| format!("no hook `{hook}`"))?;
    let rules = stats.hook.rules.into_iter().map(|rule| rule.name);
    let named = stats.hook.counters.iter().map(|name| format!("count {name}"));
    Ok(rules.chain(named).zip(stats.counters).collect())
}
