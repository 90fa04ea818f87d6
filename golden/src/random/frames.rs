//! Random packets: built, taken from the zoo, then cut, padded and damaged.

use super::Script;
use super::carried;
use super::pool::{Pool, pick};
use crate::zoo::extension::{
    AUTH, DST, Ext, FRAGMENT, HBH, MOBILITY, NOTHING, ROUTING, auth, chain_of, fragment, mobility,
    plain,
};
use crate::zoo::parts::{
    BEHIND4, BEHIND6, Ip, frame, ip4, ip4_with, ip6, ip6_with, raw_of, tagged, tcp_of, udp_of,
};
use crate::zoo::{Packet, TUNNELS};
use etherparse::{IpDscp, IpEcn, IpFragOffset, Ipv4Options, Ipv6FlowLabel};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// `count` frames for a script, always the same.
#[must_use]
pub fn frames(script: &Script, count: usize, zoo: &[Packet]) -> Vec<Vec<u8>> {
    let pool = Pool::new(script.pool);
    let rng = StdRng::seed_from_u64(script.packets);
    let mut maker = Maker { rng, pool };
    (0..count).map(|_| maker.frame(zoo)).collect()
}

struct Maker {
    rng: StdRng,
    pool: Pool,
}

/// Numbers of protocols that get a whole header; of others, only their first bytes.
const PROTOS: [u8; 16] = [6, 6, 6, 6, 6, 17, 17, 17, 17, 17, 1, 58, 132, 136, 33, 47];

impl Maker {
    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent, 100)
    }

    fn frame(&mut self, zoo: &[Packet]) -> Vec<u8> {
        let mut frame = match self.rng.random_range(0..20) {
            0..3 => zoo[self.rng.random_range(0..zoo.len())].bytes.clone(),
            3 => self.other(),
            4..13 => self.four(),
            _ => self.six(),
        };
        if self.chance(30) && frame.len() >= 12 {
            self.macs(&mut frame);
        }
        if self.chance(12) {
            frame = self.with_tags(frame);
        }
        if self.chance(15) && frame.len() >= 14 {
            let (_, carry) = TUNNELS[self.rng.random_range(0..TUNNELS.len())];
            frame = carry(&frame);
        }
        if self.chance(20) {
            self.damage(&mut frame);
        }
        frame
    }

    fn macs(&mut self, frame: &mut [u8]) {
        for at in [0, 6] {
            let mac = pick(&mut self.rng, &self.pool.macs).to_be_bytes();
            frame[at..at + 6].copy_from_slice(&mac[2..]);
        }
    }

    fn with_tags(&mut self, frame: Vec<u8>) -> Vec<u8> {
        if frame.len() < 14 {
            return frame;
        }
        let tag = |rng: &mut StdRng| {
            let id = pick(rng, &[0, 1, 2, 100, 255, 4095]);
            let rest = pick(rng, &[0, 0, 0, 0x1000, 0x2000, 0xe000, 0xf000]);
            (pick(rng, &[0x8100, 0x8100, 0x88a8, 0x9100]), rest | id)
        };
        let count = pick(&mut self.rng, &[1, 1, 1, 2, 2, 3]);
        let tags: Vec<(u16, u16)> = (0..count).map(|_| tag(&mut self.rng)).collect();
        tagged(frame, &tags)
    }

    /// ARP, and what nobody looks into.
    fn other(&mut self) -> Vec<u8> {
        if self.chance(30) {
            let data: [u8; 20] = self.rng.random();
            return frame(pick(&mut self.rng, &[0x88b5, 0x88cc, 0x0800, 0x86dd, 0x0806]), &data);
        }
        let rng = &mut self.rng;
        let mut body = Vec::from(pick(rng, &[1_u16, 1, 1, 6, 32]).to_be_bytes());
        body.extend(pick(rng, &[0x0800_u16, 0x0800, 0x86dd]).to_be_bytes());
        body.extend(pick(rng, &[[6, 4], [6, 4], [6, 4], [20, 4]]));
        body.extend(pick(rng, &[1_u16, 2, 9]).to_be_bytes());
        for _ in 0..2 {
            body.extend(&pick(rng, &self.pool.macs).to_be_bytes()[2..]);
            body.extend(pick(rng, &self.pool.addr4).to_be_bytes());
        }
        frame(0x0806, &body)
    }

    fn ttl(&mut self) -> u8 {
        let random = self.rng.random();
        pick(&mut self.rng, &[0, 1, 63, 64, 64, 64, 255, random])
    }

    fn ports(&mut self) -> (u16, u16) {
        (pick(&mut self.rng, &self.pool.ports), pick(&mut self.rng, &self.pool.ports))
    }

    fn data(&mut self) -> Vec<u8> {
        if self.chance(40) {
            return carried::texts(&mut self.rng, &self.pool);
        }
        let long = self.rng.random_range(0..200);
        let longer = self.rng.random_range(0..3600);
        let bytes = pick(&mut self.rng, &[0, 1, 9, 20, 20, long, long, longer]);
        let fill = pick(&mut self.rng, &[0, b'G', 0xff]);
        let mut data = vec![fill; bytes];
        for byte in data.iter_mut().take(12) {
            *byte = self.rng.random();
        }
        data
    }

    /// Behind `ip`, something of protocol `proto`.
    fn transport(&mut self, ip: Ip, proto: u8) -> Vec<u8> {
        let (mut ports, mut data) = (self.ports(), self.data());
        if matches!(proto, 6 | 17) && self.chance(40) {
            data = carried::message(&mut self.rng, &self.pool, proto == 6);
            ports = carried::ports(&mut self.rng, ports);
        }
        let (sport, dport) = ports;
        match proto {
            6 => {
                let (flags, seq, ack) = (self.rng.random::<u8>(), self.number(), self.number());
                let usual = pick(&mut self.rng, &[0x02, 0x10, 0x12, 0x18, flags]);
                let options = self.tcp_options();
                let window = pick(&mut self.rng, &[0, 512, 64240]);
                let edit = |h: &mut etherparse::TcpHeader| {
                    (h.source_port, h.destination_port) = (sport, dport);
                    (h.sequence_number, h.acknowledgment_number, h.window_size) =
                        (seq, ack, window);
                    (h.fin, h.syn, h.rst) = (usual & 1 != 0, usual & 2 != 0, usual & 4 != 0);
                    (h.psh, h.ack, h.urg) = (usual & 8 != 0, usual & 16 != 0, usual & 32 != 0);
                    (h.ece, h.cwr) = (usual & 64 != 0, usual & 128 != 0);
                    h.set_options_raw(&options).expect("40 bytes at most");
                };
                tcp_of(ip, edit, &data)
            }
            17 => udp_of(ip, sport, dport, &data),
            1 | 58 => {
                let kinds: &[u8] = if proto == 1 { &[0, 3, 8, 11, 255] } else { &[1, 2, 128, 135] };
                let head = [pick(&mut self.rng, kinds), self.rng.random_range(0..5)];
                let rest = self.number().to_be_bytes();
                raw_of(ip, proto, &[&head[..], &[0, 0], &rest, &data].concat())
            }
            _ => {
                let ports = [sport.to_be_bytes(), dport.to_be_bytes()].concat();
                raw_of(ip, proto, &[&ports[..], &[0; 8], &data].concat())
            }
        }
    }

    /// Options, most of them well formed; often those of a usual list.
    fn tcp_options(&mut self) -> Vec<u8> {
        const USUAL: &[u8] = &[2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7];
        const PIECES: [&[u8]; 9] = [
            &[1],
            &[2, 4, 5, 0xb4],
            &[3, 3, 7],
            &[4, 2],
            &[8, 10, 1, 2, 3, 4, 5, 6, 7, 8],
            &[5, 10, 0, 0, 0, 1, 0, 0, 0, 2],
            &[254, 4, 9, 9],
            &[2, 3, 1],
            &[9, 0],
        ];
        match self.rng.random_range(0..6) {
            0..3 => Vec::new(),
            3 => USUAL.to_vec(),
            _ => {
                let count = self.rng.random_range(1..8);
                let pieces: Vec<&[u8]> = (0..count).map(|_| pick(&mut self.rng, &PIECES)).collect();
                let mut options = pieces.concat();
                options.truncate(40);
                options.resize(options.len().next_multiple_of(4), pick(&mut self.rng, &[0, 1]));
                options
            }
        }
    }

    fn number(&mut self) -> u32 {
        let bytes = pick(&mut self.rng, &self.pool.numbers).to_be_bytes();
        u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]])
    }

    fn proto(&mut self) -> u8 {
        let random = self.rng.random();
        if self.chance(90) { pick(&mut self.rng, &PROTOS) } else { random }
    }

    fn four(&mut self) -> Vec<u8> {
        let (source, destination) =
            (pick(&mut self.rng, &self.pool.addr4), pick(&mut self.rng, &self.pool.addr4));
        let (ttl, id, quality) = (self.ttl(), self.rng.random(), self.rng.random::<u8>());
        let quality = pick(&mut self.rng, &[0, 0, 0xb8, 3, quality]);
        let words = pick(&mut self.rng, &[0, 0, 0, 0, 0, 1, 2, 5, 10]);
        let offset = pick(&mut self.rng, &[0, 0, 0, 0, 0, 0, 0, 1, 2, 185, 8191]);
        let (df, mf) = (self.chance(30), self.chance(7));
        let proto = self.proto();
        let ip = ip4_with(|h| {
            (h.source, h.destination) = (source.to_be_bytes(), destination.to_be_bytes());
            (h.time_to_live, h.identification) = (ttl, id);
            h.dscp = IpDscp::try_new(quality >> 2).expect("six bits");
            h.ecn = IpEcn::try_new(quality & 3).expect("two bits");
            h.options = Ipv4Options::try_from(&vec![1; 4 * words][..]).expect("40 bytes at most");
            h.fragment_offset = IpFragOffset::try_new(offset).expect("13 bits");
            (h.dont_fragment, h.more_fragments) = (df, mf);
        });
        if offset == 0 && !mf {
            return self.transport(ip, proto);
        }
        // The builder of transports knows nothing of fragments.
        let body = self.transport(ip4(), proto).split_off(BEHIND4);
        raw_of(ip, proto, &body)
    }

    fn extension(&mut self) -> Ext {
        let number = pick(&mut self.rng, &[HBH, ROUTING, FRAGMENT, DST, AUTH, MOBILITY]);
        match number {
            FRAGMENT => fragment(pick(&mut self.rng, &[0, 0, 0, 1, 185]), self.chance(30)),
            AUTH => auth(pick(&mut self.rng, &[0, 1, 4])),
            MOBILITY => mobility(),
            plain_number => plain(plain_number, pick(&mut self.rng, &[0, 0, 0, 1, 3, 31])),
        }
    }

    fn six(&mut self) -> Vec<u8> {
        let (source, destination) =
            (pick(&mut self.rng, &self.pool.addr6), pick(&mut self.rng, &self.pool.addr6));
        let (ttl, class) = (self.ttl(), self.rng.random());
        let class = pick(&mut self.rng, &[0, 0, 0xb8, 3, class]);
        let label = self.number() & 0xf_ffff;
        let ip = ip6_with(|h| {
            (h.source, h.destination) = (source.to_be_bytes(), destination.to_be_bytes());
            (h.hop_limit, h.traffic_class) = (ttl, class);
            h.flow_label = Ipv6FlowLabel::try_new(label).expect("20 bits");
        });
        let proto = self.proto();
        let count = match self.rng.random_range(0..10) {
            0..6 => 0,
            6 => 1,
            7 => 2,
            8 => self.rng.random_range(1..6),
            _ => self.rng.random_range(5..11),
        };
        if count == 0 {
            return self.transport(ip, proto);
        }
        let exts: Vec<Ext> = (0..count).map(|_| self.extension()).collect();
        if self.chance(8) {
            return chain_of(ip, &exts, NOTHING, &[]);
        }
        let body = self.transport(ip6(), proto).split_off(BEHIND6);
        chain_of(ip, &exts, proto, &body)
    }

    /// Cuts, pads, or changes a few bytes, most of them near the front.
    fn damage(&mut self, frame: &mut Vec<u8>) {
        match self.rng.random_range(0..4) {
            0 => {
                let keep = self.rng.random_range(0..=frame.len());
                frame.truncate(keep);
            }
            1 => {
                let keep = self.rng.random_range(0..=frame.len().min(100));
                frame.truncate(keep);
            }
            2 => frame.resize(frame.len() + self.rng.random_range(0..80), 0),
            _ if frame.is_empty() => {}
            _ => {
                for _ in 0..self.rng.random_range(1..4) {
                    let at = self.rng.random_range(0..frame.len().min(90));
                    frame[at] ^= 1 << self.rng.random_range(0..8);
                }
            }
        }
    }
}
