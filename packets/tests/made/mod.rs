//! Captures made by hand, field by field, in either byte order.

/// Byte order of what is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

pub const ORDERS: [Order; 2] = [Order::Little, Order::Big];

impl Order {
    pub fn u16(self, n: u16) -> [u8; 2] {
        match self {
            Self::Little => n.to_le_bytes(),
            Self::Big => n.to_be_bytes(),
        }
    }

    pub fn u32(self, n: u32) -> [u8; 4] {
        match self {
            Self::Little => n.to_le_bytes(),
            Self::Big => n.to_be_bytes(),
        }
    }

    pub fn u32s<const N: usize>(self, words: [u32; N]) -> Vec<u8> {
        words.into_iter().flat_map(|word| self.u32(word)).collect()
    }

    /// The header of a classic file.
    pub fn classic(self, magic: u32, version: (u16, u16), snaplen: u32, link: u32) -> Vec<u8> {
        [
            &self.u32(magic)[..],
            &self.u16(version.0),
            &self.u16(version.1),
            &self.u32s([0, 0, snaplen, link]),
        ]
        .concat()
    }

    /// A classic record whose two lengths are right.
    pub fn record(self, seconds: u32, fraction: u32, data: &[u8]) -> Vec<u8> {
        let bytes = data.len() as u32;
        [&self.u32s([seconds, fraction, bytes, bytes]), data].concat()
    }

    /// A pcapng block, its body padded.
    pub fn block(self, block_type: u32, body: &[u8]) -> Vec<u8> {
        let padding = vec![0; body.len().wrapping_neg() % 4];
        let bytes = self.u32((body.len() + padding.len() + 12) as u32);
        [&self.u32(block_type)[..], &bytes, body, &padding, &bytes].concat()
    }

    pub fn section(self) -> Vec<u8> {
        let body = [&self.u32(0x1a2b_3c4d)[..], &self.u16(1), &self.u16(0), &[0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    pub fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let padding = vec![0; value.len().wrapping_neg() % 4];
        [&self.u16(code)[..], &self.u16(value.len() as u16), value, &padding].concat()
    }

    pub fn interface(self, link: u16, snaplen: u32, options: &[Vec<u8>]) -> Vec<u8> {
        let body =
            [&self.u16(link)[..], &self.u16(0), &self.u32(snaplen), &options.concat()].concat();
        self.block(1, &body)
    }

    /// An enhanced packet block.
    pub fn enhanced(self, interface: u32, ticks: u64, data: &[u8]) -> Vec<u8> {
        let bytes = data.len() as u32;
        let fixed = self.u32s([interface, (ticks >> 32) as u32, ticks as u32, bytes, bytes]);
        self.block(6, &[&fixed, data].concat())
    }

    /// A simple packet block.
    pub fn simple(self, orig_bytes: u32, data: &[u8]) -> Vec<u8> {
        self.block(3, &[&self.u32(orig_bytes)[..], data].concat())
    }

    /// The packet block that the enhanced one replaced; 7 drops counted.
    pub fn old_packet(self, interface: u16, ticks: u64, data: &[u8]) -> Vec<u8> {
        let bytes = data.len() as u32;
        let fixed = self.u32s([(ticks >> 32) as u32, ticks as u32, bytes, bytes]);
        self.block(2, &[&self.u16(interface)[..], &self.u16(7), &fixed, data].concat())
    }
}

/// Captures whose header, lengths and kinds of block are worth damaging.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for order in ORDERS {
        for (magic, version) in
            [(0xa1b2_c3d4, (2, 4)), (0xa1b2_3c4d, (2, 4)), (0xa1b2_c3d4, (2, 3))]
        {
            let mut file = order.classic(magic, version, 65535, 1);
            for n in 0..5 {
                file.extend(order.record(n, n, &vec![n as u8; 14 + 9 * n as usize]));
            }
            seeds.push(file);
        }
        let comment = order.option(1, b"a word");
        let file = [
            order.section(),
            order.interface(1, 65535, &[order.option(9, &[9]), order.option(14, &[0; 8])]),
            order.enhanced(0, 1, &[1; 21]),
            order.block(4, &[0; 40]),
            order.simple(33, &[2; 33]),
            order.old_packet(0, 3, &[3; 14]),
            order.block(5, &[&order.u32s([0, 0, 0]), comment.as_slice()].concat()),
            order.section(),
            order.interface(1, 65535, &[]),
            order.enhanced(0, 1, &[1; 60]),
            order.enhanced(0, 1, &[1; 61]),
        ];
        seeds.push(file.concat());
    }
    seeds
}
