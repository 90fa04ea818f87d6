//! Frames of many sizes, with data in which every place is told from its neighbours.

use super::Zoo;
use super::parts::{BEHIND4, BEHIND6, Ip, SPORT, ip4, ip6, tcp_of, udp_of};

/// `bytes` bytes of which any four in a row say where they stand.
fn filler(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from((at * 7 + at / 251) % 256).expect("less than 256")).collect()
}

fn udp_frame(ip: Ip, behind: usize, frame_bytes: usize) -> Vec<u8> {
    udp_of(ip, SPORT, 5000, &filler(frame_bytes - behind - 8))
}

pub(super) fn add(zoo: &mut Zoo) {
    for bytes in [59, 60, 61, 199, 200, 201, 1513, 1514, 1515, 3519, 3520, 3521, 4000] {
        zoo.add(format!("udp4_size_{bytes}"), udp_frame(ip4(), BEHIND4, bytes));
    }
    for bytes in [100, 1514, 3520, 4000] {
        zoo.add(format!("udp6_size_{bytes}"), udp_frame(ip6(), BEHIND6, bytes));
    }
    let tcp = tcp_of(ip4(), |h| h.ack = true, &filler(1514 - BEHIND4 - 20));
    zoo.add("tcp4_size_1514", tcp);
}
