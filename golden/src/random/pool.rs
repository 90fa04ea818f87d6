//! Values that rules ask for and packets have.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// A few values of each type, the same for the rules and the packets of a script.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Ports.
    pub ports: Vec<u16>,
    /// IPv4 addresses.
    pub addr4: Vec<u32>,
    /// IPv6 addresses.
    pub addr6: Vec<u128>,
    /// Hardware addresses.
    pub macs: Vec<u64>,
    /// Numbers of any field, cut to its width where they are used.
    pub numbers: Vec<u64>,
    /// Bytes that payloads carry.
    pub texts: Vec<Vec<u8>>,
    /// Names that DNS asks for, by labels; the root has none.
    pub names: Vec<Vec<Label>>,
}

/// A label without its length.
pub(super) type Label = Vec<u8>;

const PORTS: [u16; 10] = [0, 22, 53, 54, 80, 443, 1023, 1024, 8080, 65535];
const ADDR4: [u32; 7] =
    [0, 0x0a00_0001, 0x0aff_ffff, 0x0b00_0000, 0xc000_0201, 0x7f00_0001, 0xffff_ffff];
const ADDR6: [u128; 7] = [
    0,
    1,
    0x2001_0db8_0000_0000_0000_0000_0000_0001,
    0x2001_0db8_0000_0000_ffff_ffff_ffff_ffff,
    0x2001_0db8_0000_0001_0000_0000_0000_0000,
    0xfe80_0000_0000_0000_0000_0000_0000_0001,
    u128::MAX,
];
const MACS: [u64; 4] = [0, 0x0200_0000_0001, 0x0200_0000_0002, 0xffff_ffff_ffff];
const NUMBERS: [u64; 16] =
    [0, 1, 2, 5, 6, 8, 17, 20, 63, 64, 100, 127, 255, 0x1234, 0xffff, 0xffff_ffff];

const TEXTS: [&[u8]; 9] = [
    b"GET ",
    b"needle",
    b"a",
    b"\x00\x01\xff\x7f",
    b"Host: example.com\r\n",
    b"nnnnneedle",
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
    b"User-Agent: something that takes more than one guard of sixty-four bytes, and then some more of it",
    b"\x07example\x03com\x00",
];
const NAMES: [&[&[u8]]; 10] = [
    &[],
    &[b"com"],
    &[b"example", b"com"],
    &[b"www", b"example", b"com"],
    &[b"a", b"b", b"c", b"example", b"net"],
    &[b"notexample", b"com"],
    &[b"x", b"x", b"x", b"x", b"x", b"x", b"x", b"x", b"x", b"org"],
    &[b"abababababababababababababababababababababababababababababababa", b"test"],
    &[b"_ldap", b"_tcp", b"a-b-c", b"test"],
    &[b"b\xc3\xbc[a", b"exam\x00ple"],
];

fn text(rng: &mut StdRng) -> Vec<u8> {
    let len = rng.random_range(1..100);
    (0..len).map(|_| pick(rng, b"abA\0")).collect()
}

fn name(rng: &mut StdRng) -> Vec<Label> {
    let labels = rng.random_range(1..6);
    let label = |rng: &mut StdRng| {
        let len = rng.random_range(1..12);
        (0..len).map(|_| pick(rng, b"abx1-_")).collect()
    };
    (0..labels).map(|_| label(rng)).collect()
}

/// Some of the usual values, and some that nobody thought of.
fn some<T: Copy>(
    rng: &mut StdRng,
    usual: &[T],
    count: usize,
    mut unusual: impl FnMut(&mut StdRng) -> T,
) -> Vec<T> {
    let mut values: Vec<T> = usual.choose_multiple(rng, count).copied().collect();
    values.extend([unusual(rng), unusual(rng)]);
    values
}

impl Pool {
    /// The pool of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let near = |rng: &mut StdRng| {
            ADDR6[2] ^ u128::from(rng.random::<u16>()) << rng.random_range(0..112)
        };
        let owned = |list: &[&[u8]]| list.iter().map(|text| text.to_vec()).collect::<Vec<_>>();
        let mut pool = Self {
            ports: some(rng, &PORTS, 4, |rng| rng.random()),
            addr4: some(rng, &ADDR4, 4, |rng| 0x0a00_0000 | rng.random_range(0..0x0100_0000)),
            addr6: some(rng, &ADDR6, 4, near),
            macs: some(rng, &MACS, 3, |rng| rng.random_range(0..1 << 48)),
            numbers: some(rng, &NUMBERS, 8, |rng| rng.random()),
            texts: Vec::new(),
            names: Vec::new(),
        };
        pool.texts = TEXTS.choose_multiple(rng, 4).map(|text| text.to_vec()).collect();
        pool.texts.extend([text(rng), text(rng)]);
        pool.names = NAMES.choose_multiple(rng, 3).map(|labels| owned(labels)).collect();
        pool.names.extend([name(rng), name(rng)]);
        pool
    }
}

/// One of a list that is not empty.
pub(super) fn pick<T: Copy>(rng: &mut StdRng, list: &[T]) -> T {
    *list.choose(rng).expect("the list has elements")
}
