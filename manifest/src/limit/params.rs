//! What programs read of limits, word by word.

use super::Setting;

/// What a program reads of a limit: words in the byte order of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Params {
    /// Which of the two settings is in force: 0 or 1. The other may be written meanwhile.
    pub active: u64,
    /// What keys are hashed with; the second is odd.
    pub seeds: [u64; 2],
    /// Nanoseconds of a tick.
    pub tick_ns: u64,
    /// The settings.
    pub settings: [Setting; 2],
}

impl Params {
    /// Words of it.
    pub const WORDS: usize = 4 + 2 * Setting::WORDS;
    /// Bytes of it.
    pub const BYTES: usize = 8 * Self::WORDS;
    /// Offset of the word that tells which setting is in force.
    pub const ACTIVE_OFF: usize = 0;
    /// Offset of the seeds.
    pub const SEEDS_OFF: usize = 8;
    /// Offset of the length of a tick.
    pub const TICK_OFF: usize = 24;
    /// Offset of the first setting.
    pub const SETTING_OFF: usize = 32;
    /// From one setting to the other.
    pub const SETTING_BYTES: usize = 8 * Setting::WORDS;

    /// The setting in force.
    #[must_use]
    pub const fn setting(&self) -> Setting {
        self.settings[(self.active & 1) as usize]
    }

    /// With a setting that comes into force when the first word does.
    #[must_use]
    pub const fn with(mut self, setting: Setting) -> Self {
        self.active = (self.active & 1) ^ 1;
        self.settings[self.active as usize] = setting;
        self
    }

    /// As a little-endian machine holds it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let [a, b] = self.settings.map(|setting| setting.words());
        let head = [self.active, self.seeds[0], self.seeds[1], self.tick_ns];
        let mut out = [0; Self::BYTES];
        for (to, word) in out.chunks_exact_mut(8).zip(head.into_iter().chain(a).chain(b)) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        out
    }

    /// Reads what [`Self::to_bytes`] wrote; missing bytes are 0.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut words = bytes
            .chunks_exact(8)
            .map(|word| word.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)));
        let mut next = || words.next().unwrap_or(0);
        let (active, seeds, tick_ns) = (next(), [next(), next()], next());
        let settings = [(); 2].map(|()| Setting {
            cost: next(),
            burst: next(),
            speed: next(),
            since_ns: next(),
            from: next(),
            slack: next(),
        });
        Self { active, seeds, tick_ns, settings }
    }
}
