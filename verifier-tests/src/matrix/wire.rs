//! What guests load onto interfaces: two versions of a policy, as files of a folder, and what has to come of it.

use crate::wire::compiled;
use l4c_runtime::Object;
use std::fs;
use std::path::Path;

/// The same labels and counters; opposite verdicts on `even` and `odd`, in another order.
const RULES: [&str; 2] = [
    "hook xdp edge {
    sync:   udp.dport == 9            -> pass
    listed: src in 198.51.100.0/24    -> drop
    even:   udp.dport & 1 == 0        -> count dropped, drop
    odd:    udp.dport & 1 == 1        -> count passed, sample 1/1 snap 60, pass
}
",
    "hook xdp edge {
    listed: src in 198.51.100.0/24               -> drop
    odd:    udp.dport & 1 == 1 and udp.dport != 9 -> count dropped, drop
    even:   udp.dport & 1 == 0                   -> count passed, pass
    sync:   udp.dport == 9                       -> pass
}
",
];

/// Their hook.
pub const HOOK: &str = "edge";

/// Their objects, by name in the bundle.
const FILES: [&str; 2] = ["wire/a", "wire/b"];

/// Ways to run an XDP program that a guest goes through: native, generic.
pub const MODES: usize = 2;

/// Packets whose verdict and count are known beforehand, for each mode.
pub const PACKETS: usize = 2_000;

/// Those of them that are sampled.
pub const SAMPLED: usize = PACKETS / 5 * 2;

/// Replacements while packets arrive, for each mode; an even number.
pub const REPLACEMENTS: usize = 10;

/// What a guest did on the wire, in words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Ways to run a program.
    pub modes: usize,
    /// Packets judged, beside those that replacements met.
    pub packets: usize,
    /// Samples of them that came to who listened.
    pub sampled: usize,
    /// Replacements while packets arrived.
    pub replacements: usize,
    /// Interrupted commands put in order.
    pub healed: usize,
}

impl Done {
    /// All that there is to do.
    pub const ALL: Self = Self {
        modes: MODES,
        packets: MODES * PACKETS,
        sampled: MODES * SAMPLED,
        replacements: MODES * REPLACEMENTS,
        healed: MODES * HEALED,
    };

    /// As the guest's last line has it.
    #[must_use]
    pub fn summary(self) -> String {
        let Self { modes, packets, sampled, replacements, healed } = self;
        format!(
            "{modes} modes, {packets} packets, {sampled} sampled, {replacements} replacements, {healed} healed"
        )
    }
}

/// Interruptions that are put in order, for each mode.
const HEALED: usize = 5;

/// Compiles both versions: files by their path below the bundle's folder.
///
/// # Errors
/// When the rules have a mistake.
pub fn files() -> Result<Vec<(String, Vec<u8>)>, String> {
    let file = |(name, text): (&str, &str)| Ok((name.to_owned(), compiled(text)?.elf().to_vec()));
    FILES.into_iter().zip(RULES).map(file).collect()
}

/// Reads what [`files`] gave.
///
/// # Errors
/// Which file can't be read, and why.
pub fn read(folder: &Path) -> Result<[Object; 2], String> {
    let object = |name: &str| {
        let elf = fs::read(folder.join(name)).map_err(|e| format!("{name} of the bundle: {e}"))?;
        Object::parse(&elf).map_err(|e| format!("{name} of the bundle: {e}"))
    };
    Ok([object(FILES[0])?, object(FILES[1])?])
}
