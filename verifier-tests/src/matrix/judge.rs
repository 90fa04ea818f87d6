//! One program on the kernel that runs this: what host and guests both do.

use l4c_golden::bench::hex;
use l4c_runtime::{KernelError, Object, kernel::Program};
use serde::{Deserialize, Serialize};

/// Lines of a verifier's log that are shown: its last ones say why.
const LOG_LINES: usize = 15;

/// What a kernel says of a program and its packets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The program's return code for each packet.
    pub codes: Vec<u32>,
    /// Packets and bytes of each counter slot, after all packets.
    pub counters: Vec<(u64, u64)>,
}

/// Loads a hook's program and shows it packets.
///
/// # Errors
/// When the kernel does not take the program, with the end of the verifier's log; when it does not take a
/// packet.
pub fn judge<'p>(
    elf: &[u8],
    hook: &str,
    packets: impl IntoIterator<Item = &'p [u8]>,
) -> Result<Outcome, String> {
    let object = Object::parse(elf).map_err(|e| e.to_string())?;
    let mut program = Program::load(&object, hook).map_err(|e| in_full(&e))?;
    let code = |packet| {
        program
            .run(packet)
            .map_err(|e| format!("packet {} ({} bytes): {e}", hex(packet), packet.len()))
    };
    let codes = packets.into_iter().map(code).collect::<Result<_, _>>()?;
    let counters = program.counters().map_err(|e| e.to_string())?;
    let counters = counters.into_iter().map(|c| (c.packets, c.bytes)).collect();
    Ok(Outcome { codes, counters })
}

impl Outcome {
    /// Where this kernel's answer is not the expected one.
    #[must_use]
    pub fn differs(&self, expected: &Self, packet: impl Fn(usize) -> String) -> Option<String> {
        let pairs = || self.codes.iter().zip(&expected.codes);
        if let Some(at) = pairs().position(|(ours, theirs)| ours != theirs) {
            let others = pairs().filter(|(ours, theirs)| ours != theirs).count() - 1;
            return Some(format!(
                "returns {}, expected {}, for packet {}, and so for {others} others",
                self.codes[at],
                expected.codes[at],
                packet(at)
            ));
        }
        if self.codes.len() != expected.codes.len() {
            return Some(format!("{} codes for {}", self.codes.len(), expected.codes.len()));
        }
        let slots = self.counters.iter().zip(&expected.counters);
        if let Some(slot) = slots.clone().position(|(ours, theirs)| ours != theirs) {
            let (ours, theirs) = (self.counters[slot], expected.counters[slot]);
            return Some(format!("counter {slot} is {ours:?}, expected {theirs:?}"));
        }
        let (ours, theirs) = (self.counters.len(), expected.counters.len());
        (ours != theirs).then(|| format!("{ours} counters, expected {theirs}"))
    }
}

/// An error with the end of the verifier's log, if there is one.
#[must_use]
pub fn in_full(error: &KernelError) -> String {
    let lines: Vec<&str> = error.log.lines().collect();
    let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
    format!("{error}\n{}", last.join("\n"))
}
