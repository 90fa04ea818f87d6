//! Token buckets: what an object tells its loader of them, and the numbers that programs reckon with.
//!
//! A bucket is one number, the instant at which it will be full again: its *theoretical arrival time* (TAT; the
//! generic cell rate algorithm, ITU-T I.371). A packet moves it on by the packet's cost, if it then lies no more than
//! the burst ahead of now. Instants are counted by a clock of the limit's own, in which each packet or byte costs a
//! whole number: the kernel's nanoseconds where those will do, and otherwise nanoseconds times a speed. To change
//! the rate is to change the speed of that clock, from then on, which is right for all buckets at once.

mod flows;
mod params;
mod sketch;

pub use flows::{LINE_SLOTS_OFF, MAX_ALLOWED, SLOT_BYTES};
pub use params::Params;
use serde::{Deserialize, Serialize};
pub use sketch::{SKETCH_CELLS, SKETCH_CELLS_OFF, SKETCH_GROUPS, SKETCH_LINE_BYTES};

/// ELF section that holds the [`Params`] of every limit, one after the other.
pub const PARAMS_SECTION: &str = ".data";

/// Buckets that share a set, and its lock.
pub const WAYS: u32 = 6;

/// Buckets that share a set without a lock.
pub const WORD_WAYS: u32 = 4;

/// Of a word that is a bucket, so many bits are its TAT; those above are of its key's hash.
pub const WORD_TAT_BITS: u32 = 40;

/// The speed of a limit's clock is counted in so many binary places.
pub const SPEED_SHIFT: u32 = 24;

/// A burst lasts less than so many of the clock's units, and so does a packet of the largest size.
const MAX_SPAN: u128 = 1 << 62;

/// No packet is longer, in bytes.
const MAX_PACKET_BYTES: u128 = 0xffff;

/// A speed of so much at most takes nine years to use up the 64 bits of a clock.
const MAX_SPEED: u128 = 64;

/// A tick where the kernel counts 1000 a second, the most that it does.
const SHORTEST_TICK_NS: u64 = 1_000_000;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Packets.
    Packets,
    /// Bytes, as the hook sees a packet's length.
    Bytes,
}

/// So many packets or bytes in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rate {
    /// How many; at least 1.
    pub amount: u64,
    /// In so many nanoseconds; at least 1.
    pub per_ns: u64,
}

/// How buckets are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// Under a lock for each set of [`WAYS`].
    Lock,
    /// In one word each, changed by compare-and-swap; [`WORD_WAYS`] a set.
    Word,
    /// Cells that keys share, in lines under a lock each; [`Limit::max`] is how many keys may be over the limit.
    Sketch,
    /// No buckets: flows, in lines under a lock each; [`Limit::burst`] is how many a key is allowed.
    Flows,
}

/// Which clock a limit looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitClock {
    /// Nanoseconds.
    Fine,
    /// Ticks, which cost nothing to read.
    Coarse,
    /// None: what is spent does not come back.
    Stopped,
}

/// What becomes of a new key when no bucket is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Full {
    /// The bucket that owes least makes room.
    Evict,
    /// It is over the limit.
    Drop,
    /// It is not.
    Pass,
}

/// A part of a key as its table holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPart {
    /// The field as rules write it, with its masks: `src/24/64`.
    pub field: String,
    /// How its numbers are written.
    pub form: KeyForm,
    /// Bits that it takes.
    pub bits: u32,
}

/// How a part of a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyForm {
    /// A number.
    Number,
    /// An IPv4 address of 32 bits.
    Addr4,
    /// An IPv6 address of 128 bits, or an IPv4 address as `::ffff:a.b.c.d`.
    Addr,
    /// A hardware address of 48 bits.
    Mac,
}

/// A limit of a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Its name in the rules.
    pub name: String,
    /// Symbol of its table.
    pub map: String,
    /// What it counts.
    pub unit: Unit,
    /// How fast buckets fill; none for a quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// What a bucket holds, in [`Self::unit`].
    pub burst: u64,
    /// Of flows, how long one counts of which nothing comes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub idle_ns: u64,
    /// How buckets are kept.
    pub storage: Storage,
    /// Which clock it looks at.
    pub clock: LimitClock,
    /// What a full table does.
    pub full: Full,
    /// Keys that find room.
    pub max: u64,
    /// The key's parts, first the most significant; none if there is one bucket for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<KeyPart>,
    /// Offset of its [`Params`] in [`PARAMS_SECTION`].
    pub params_off_bytes: u32,
    /// Counter slot of packets over the limit; that of packets that met a full table follows it.
    pub slot: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a limit is asked for that can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// A bucket would take so many years to fill, or a packet to be paid for.
    Years(u64),
    /// More units in a nanosecond than can be counted.
    Fast,
}

/// One setting of a limit, in units of its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Setting {
    /// What a packet or a byte costs.
    pub cost: u64,
    /// How far ahead a bucket may be.
    pub burst: u64,
    /// Units in 2^24 nanoseconds; 0 for a clock that shows the kernel's nanoseconds.
    pub speed: u64,
    /// The kernel's time when the limit's clock showed `from`.
    pub since_ns: u64,
    /// What the limit's clock showed at `since_ns`.
    pub from: u64,
    /// How far a tick takes the clock.
    pub slack: u64,
}

impl Limit {
    /// Buckets that share a set.
    #[must_use]
    pub fn ways(&self) -> u32 {
        match (self.storage, self.key.is_empty()) {
            (_, true) => 1,
            (Storage::Lock, false) => WAYS,
            (Storage::Sketch, false) => SKETCH_GROUPS * SKETCH_CELLS,
            (Storage::Flows, false) => self.line_slots(),
            (Storage::Word, false) => WORD_WAYS,
        }
    }

    /// Sets of its table: so many that of [`Self::max`] keys, chosen at random, fewer than one in a thousand finds
    /// its set full. (Keys fall into sets as Poisson has it: with 1.55 a set 0.08 % are a seventh or later one, with
    /// 0.62 a set 0.08 % a fifth or later one.)
    #[must_use]
    pub fn sets(&self) -> u32 {
        let hundred_sets_hold = match (self.storage, self.key.is_empty()) {
            (_, true) => return 1,
            (Storage::Lock, false) => 155,
            (Storage::Word, false) => 62,
            (Storage::Sketch, false) => return self.sketch_lines(),
            (Storage::Flows, false) => return self.lines(),
        };
        let sets = self.max.saturating_mul(100).div_ceil(hundred_sets_hold);
        u32::try_from(sets).unwrap_or(u32::MAX).max(1)
    }

    /// Is the key so short that it is held beside its bucket?
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        self.key.iter().map(|part| part.bits).sum::<u32>() <= 32
    }

    /// In a table of words: of the clock's units, 2 to the power of so many are counted as one, so that a burst goes
    /// into [`WORD_TAT_BITS`] four times.
    #[must_use]
    pub fn word_shift(&self) -> u32 {
        let setting = Setting::new(self.unit, self.rate, self.burst, 0).unwrap_or_default();
        (setting.burst.max(1).ilog2() + 3).saturating_sub(WORD_TAT_BITS)
    }

    /// Words of a key.
    #[must_use]
    pub fn key_words(&self) -> usize {
        let places = self.key_places();
        self.key
            .iter()
            .zip(places)
            .map(|(part, at)| at.0 + if part.bits > 64 { 2 } else { 1 })
            .max()
            .unwrap_or(0)
    }

    /// Where each part of a key lies: its first word, and how far up in it. A part of more than 64 bits has two
    /// words of its own, the upper half first.
    #[must_use]
    pub fn key_places(&self) -> Vec<(usize, u32)> {
        let (mut word, mut used) = (0, 0);
        let mut places = Vec::new();
        for part in &self.key {
            if used > 0 && used + part.bits > 64 {
                (word, used) = (word + 1, 0);
            }
            places.push((word, used));
            if part.bits > 64 {
                word += 2;
            } else {
                used += part.bits;
            }
        }
        places
    }

    /// What a program reads of it where no loader told it anything: a tick is taken for as short as one can be, which
    /// makes the clock slow and never fast.
    #[must_use]
    pub fn initial(&self) -> Params {
        self.params(
            [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9],
            SHORTEST_TICK_NS,
            SHORTEST_TICK_NS,
        )
    }

    /// What a program reads of it: hashes of its own, and the length of a tick. `slack_ns` is how much later it may
    /// be than the clock shows.
    #[must_use]
    pub fn params(&self, seeds: [u64; 2], tick_ns: u64, slack_ns: u64) -> Params {
        let seeds = [seeds[0], seeds[1] | 1];
        // The checker has seen to it that it fits.
        let setting = Setting::new(self.unit, self.rate, self.burst, slack_ns).unwrap_or_default();
        let setting = match self.storage {
            Storage::Word => setting.in_steps(self.word_shift(), self.burst),
            Storage::Lock | Storage::Sketch => setting,
            Storage::Flows => self.flow_setting(),
        };
        Params { active: 0, seeds, tick_ns, settings: [setting; 2] }
    }

    /// Bytes of a set, a multiple of a cache line or its half.
    #[must_use]
    pub fn set_bytes(&self) -> u32 {
        match self.storage {
            Storage::Word => 8 * WORD_WAYS,
            Storage::Sketch => SKETCH_LINE_BYTES,
            Storage::Flows => self.line_bytes(),
            Storage::Lock if self.is_narrow() => SET_KEYS_OFF,
            Storage::Lock => {
                let keys = WAYS * 8 * self.key_words() as u32;
                (SET_KEYS_OFF + keys).next_multiple_of(64)
            }
        }
    }
}

/// In a set with a lock: offset of the tags, 4 bytes each, behind the lock.
pub const SET_TAGS_OFF: u32 = 4;
/// Offset of the buckets, [`SET_WAY_BYTES`] each: the TAT as u64, then the tick (u32) in which it was last full.
pub const SET_WAYS_OFF: u32 = 32;
/// Bytes of a bucket.
pub const SET_WAY_BYTES: u32 = 16;
/// Offset of the keys that are longer than a tag.
pub const SET_KEYS_OFF: u32 = 128;

impl Setting {
    /// Words of a setting.
    pub const WORDS: usize = 6;

    /// The setting of a new limit.
    ///
    /// # Errors
    /// [`Unfit`] where the numbers do not go into 64 bits.
    pub fn new(unit: Unit, rate: Option<Rate>, burst: u64, tick_ns: u64) -> Result<Self, Unfit> {
        let (cost, speed) = match rate {
            None => (1, 0),
            Some(rate) => pace(rate)?,
        };
        let new = Self { cost, speed, ..Self::default() };
        new.with_burst(unit, burst)?.with_tick(tick_ns)
    }

    /// The setting for another rate: what buckets owe stays what it is, in packets or bytes. `now_ns` is what the
    /// kernel's clock shows that the limit looks at from now on, `from` what the limit's own clock shows.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn at_rate(
        self,
        rate: Rate,
        (now_ns, from): (u64, u64),
        slack_ns: u64,
    ) -> Result<Self, Unfit> {
        let speed = ((u128::from(self.cost) * u128::from(rate.amount)) << SPEED_SHIFT)
            / u128::from(rate.per_ns.max(1));
        if speed >= MAX_SPEED << (SPEED_SHIFT + 10) {
            return Err(Unfit::Fast);
        }
        let speed = (speed as u64).max(1);
        if speed == 1 << SPEED_SHIFT && from == now_ns {
            return Self { speed: 0, ..self }.with_tick(slack_ns);
        }
        Self { speed, since_ns: now_ns, from, ..self }.with_tick(slack_ns)
    }

    /// The setting for another burst, in packets or bytes.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_burst(self, unit: Unit, burst: u64) -> Result<Self, Unfit> {
        let span = u128::from(burst) * u128::from(self.cost);
        let most = match unit {
            Unit::Packets => 1,
            Unit::Bytes => MAX_PACKET_BYTES,
        };
        match span.max(most * u128::from(self.cost)) {
            longest if longest >= MAX_SPAN => {
                const YEAR_NS: u128 = 365 * 86_400 * 1_000_000_000;
                let ns = match self.speed {
                    0 => longest,
                    speed => (longest << SPEED_SHIFT) / u128::from(speed),
                };
                Err(Unfit::Years(u64::try_from(ns / YEAR_NS).unwrap_or(u64::MAX)))
            }
            _ => Ok(Self { burst: span as u64, ..self }),
        }
    }

    /// The setting where a tick has so many nanoseconds.
    fn with_tick(self, tick_ns: u64) -> Result<Self, Unfit> {
        let slack = match self.speed {
            0 => u128::from(tick_ns),
            speed => (u128::from(tick_ns) * u128::from(speed)).div_ceil(1 << SPEED_SHIFT),
        };
        Ok(Self { slack: u64::try_from(slack).map_err(|_| Unfit::Fast)?, ..self })
    }

    /// With a cost that is a multiple of 2 to the power of `shift`, and a clock that is as much faster.
    fn in_steps(self, shift: u32, burst: u64) -> Self {
        let cost = self.cost.next_multiple_of(1 << shift);
        if cost == self.cost {
            return self;
        }
        let speed = if self.speed == 0 { 1 << SPEED_SHIFT } else { self.speed };
        let speed = u128::from(speed) * u128::from(cost) / u128::from(self.cost);
        Self { cost, burst: burst * cost, speed: speed as u64, ..self }
    }

    /// What the limit's clock shows at a time of the kernel's.
    #[must_use]
    pub fn time(&self, now_ns: u64) -> u64 {
        if self.speed == 0 {
            return now_ns;
        }
        let passed = u128::from(now_ns.wrapping_sub(self.since_ns));
        self.from.wrapping_add(((passed * u128::from(self.speed)) >> SPEED_SHIFT) as u64)
    }

    fn words(&self) -> [u64; Self::WORDS] {
        [self.cost, self.burst, self.speed, self.since_ns, self.from, self.slack]
    }
}

/// What one packet or byte costs, and how fast the clock goes.
fn pace(rate: Rate) -> Result<(u64, u64), Unfit> {
    let (amount, per_ns) = (u128::from(rate.amount.max(1)), u128::from(rate.per_ns.max(1)));
    if per_ns.is_multiple_of(amount) {
        return Ok(((per_ns / amount) as u64, 0));
    }
    let common = gcd(amount, per_ns);
    let (units, ns) = (amount / common, per_ns / common);
    let (cost, speed) = if units <= MAX_SPEED {
        (ns, units << SPEED_SHIFT)
    } else {
        // Not to the last digit: as slow as it takes, so that no packet too many gets through.
        let cost = (MAX_SPEED * ns / units).max(1);
        (cost, ((cost * units) << SPEED_SHIFT) / ns)
    };
    if speed > MAX_SPEED << (SPEED_SHIFT + 10) {
        return Err(Unfit::Fast);
    }
    let fits = |n: u128| u64::try_from(n).map_err(|_| Unfit::Fast);
    Ok((fits(cost)?, fits(speed)?))
}

const fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests;
