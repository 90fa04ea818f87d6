//! TCP options, right and wrong, and SYNs as systems send them.

use super::Zoo;
use super::parts::{BEHIND4, DATA, Ip, ip4, ip4_with, ip6, raw_of, tcp_of};

const NOP: u8 = 1;
const MSS: [u8; 4] = [2, 4, 5, 0xb4];
const SACK_OK: [u8; 2] = [4, 2];
const TS: [u8; 10] = [8, 10, 0x01, 0x02, 0x03, 0x04, 0, 0, 0, 0];
const WSCALE: [u8; 3] = [3, 3, 7];

/// The options of Linux: `mss,sok,ts,nop,ws`.
fn linux() -> Vec<u8> {
    [&MSS[..], &SACK_OK, &TS, &[NOP], &WSCALE].concat()
}

/// A SYN with options, whose bytes are a multiple of 4.
fn syn(ip: Ip, options: &[u8], data: &[u8]) -> Vec<u8> {
    assert!(options.len().is_multiple_of(4), "{options:?}");
    let edit = |h: &mut etherparse::TcpHeader| {
        h.syn = true;
        h.set_options_raw(options).expect("40 bytes at most");
    };
    tcp_of(ip, edit, data)
}

pub(super) fn add(zoo: &mut Zoo) {
    well_formed(zoo);
    malformed(zoo);
    cut(zoo);
    systems(zoo);
}

fn well_formed(zoo: &mut Zoo) {
    let options: &[(&str, &[u8])] = &[
        ("mss_1460", &MSS),
        ("mss_1459", &[2, 4, 5, 0xb3]),
        ("mss_0", &[2, 4, 0, 0]),
        ("mss_65535", &[2, 4, 0xff, 0xff]),
        ("mss_twice", &[2, 4, 2, 0x18, 2, 4, 5, 0xb4]),
        ("ws_7", &[NOP, 3, 3, 7]),
        ("ws_14", &[3, 3, 14, NOP]),
        ("ws_15", &[3, 3, 15, 0]),
        ("ws_255", &[NOP, 3, 3, 255]),
        ("sok", &[NOP, NOP, 4, 2]),
        ("sack_1", &[1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
        ("ts", &[1, 1, 8, 10, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08]),
        ("ts_0", &[1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("md5", &[1, 1, 19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        ("ao", &[29, 8, 1, 1, 0xaa, 0xbb, 0xcc, 0xdd]),
        ("mptcp", &[30, 4, 0, 0x81]),
        ("fastopen_ask", &[NOP, NOP, 34, 2]),
        ("fastopen_8", &[34, 10, 1, 2, 3, 4, 5, 6, 7, 8, NOP, NOP]),
        ("254_4", &[254, 4, 0xf9, 0x89]),
        ("254_40", &[&[254, 40][..], &[2; 38]].concat()),
        ("eol", &[0, 0, 0, 0]),
        ("eol_then_bytes", &[NOP, 0, 0, 9]),
        ("mss_behind_eol", &[0, 2, 4, 5, 0xb4, 0, 0, 0]),
        ("mss_behind_nops", &[&[NOP; 36][..], &MSS].concat()),
    ];
    for (name, options) in options {
        zoo.add(format!("opt4_{name}"), syn(ip4(), options, &[]));
    }
    let sack_4 = [&[NOP, NOP, 5, 34][..], &[0x77; 32]].concat();
    let acked = |h: &mut etherparse::TcpHeader| {
        h.ack = true;
        h.set_options_raw(&sack_4).expect("36 bytes");
    };
    zoo.add("opt4_sack_4", tcp_of(ip4(), acked, DATA));
    zoo.add("opt6_linux", syn(ip6(), &linux(), &[]));
    zoo.add("opt6_mss_data", syn(ip6(), &MSS, DATA));
}

fn malformed(zoo: &mut Zoo) {
    let options: &[(&str, &[u8])] = &[
        ("mss_len_3", &[2, 3, 5, 2, 4, 5, 0xb4, NOP]),
        ("mss_len_5", &[2, 5, 5, 0xb4, 0, NOP, NOP, NOP]),
        ("mss_len_0", &[2, 0, 5, 0xb4, 2, 4, 5, 0xb4]),
        ("mss_len_1", &[2, 1, 2, 4, 5, 0xb4, NOP, NOP]),
        ("mss_over_end", &[NOP, NOP, 2, 4]),
        ("mss_kind_last", &[NOP, NOP, NOP, 2]),
        ("ws_len_4", &[3, 4, 7, NOP]),
        ("sok_len_4", &[4, 4, 0, 0]),
        ("sack_len_12", &[5, 12, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0]),
        ("ts_len_9", &[8, 9, 1, 2, 3, 4, 5, 6, 7, NOP, NOP, NOP]),
        ("ts_over_end", &[NOP, NOP, NOP, 8, 10, 1, 2, 3, 4, 5, 6, 7]),
        ("ao_len_3", &[29, 3, 1, NOP]),
        ("mptcp_len_2", &[30, 2, NOP, NOP]),
        ("fastopen_len_7", &[34, 7, 1, 2, 3, 4, 5, NOP]),
        ("unknown_len_255", &[200, 255, 2, 4, 5, 0xb4, 0, 0]),
        ("known_behind_bad", &[&MSS[..], &[200, 0, 3, 3, 7, NOP, 4, 2]].concat()),
    ];
    for (name, options) in options {
        // What would lie behind the header is there.
        zoo.add(format!("opt4_{name}"), syn(ip4(), options, &[4, 5, 0xb4, 3, 3, 7, 4, 2]));
    }
}

/// Options that the packet's end cuts, and fragments.
fn cut(zoo: &mut Zoo) {
    let whole = syn(ip4(), &[&MSS[..], &WSCALE, &[NOP]].concat(), &[]);
    for keep in [24, 27, 28] {
        zoo.cut(format!("opt4_cut_{keep}"), whole.clone(), BEHIND4 + keep);
    }
    let segment = syn(ip4(), &linux(), DATA).split_off(BEHIND4);
    let part = |offset: u16| {
        ip4_with(|h| {
            h.more_fragments = true;
            h.fragment_offset = etherparse::IpFragOffset::try_new(offset).expect("13 bits");
        })
    };
    zoo.add("opt4_frag_first", raw_of(part(0), 6, &segment));
    zoo.add("opt4_frag_later", raw_of(part(1), 6, &segment));
    let udp = ip4_with(|h| h.identification = 77);
    zoo.add("opt4_of_udp", raw_of(udp, 17, &segment));
}

/// SYNs as systems send them; the window of Linux is 44 times its MSS.
fn systems(zoo: &mut Zoo) {
    let plain = |ttl: u8| {
        ip4_with(|h| (h.time_to_live, h.dont_fragment, h.identification) = (ttl, true, 0x1234))
    };
    for ttl in [64, 50, 29, 28] {
        zoo.add(format!("syn4_linux_ttl_{ttl}"), syn(plain(ttl), &linux(), &[]));
    }
    let marked = ip4_with(|h| {
        (h.dont_fragment, h.identification) = (true, 0x1234);
        h.ecn = etherparse::IpEcn::try_new(2).expect("two bits");
    });
    zoo.add("syn4_linux_ect", syn(marked, &linux(), &[]));
    zoo.add("syn4_linux_data", syn(plain(64), &linux(), DATA));
    let sized = |window: u16, options: &[u8], ip: Ip| {
        let edit = |h: &mut etherparse::TcpHeader| {
            (h.syn, h.window_size) = (true, window);
            h.set_options_raw(options).expect("40 bytes at most");
        };
        tcp_of(ip, edit, &[])
    };
    zoo.add("syn4_linux_window_29200", sized(29200, &linux(), plain(64)));
    zoo.add("syn4_linux_window_29201", sized(29201, &linux(), plain(64)));
    let windows = [&MSS[..], &[NOP, 3, 3, 8, NOP, NOP], &SACK_OK].concat();
    zoo.add("syn4_windows", sized(8192, &windows, plain(128)));
    let mac = [&MSS[..], &[NOP, 3, 3, 4, NOP, NOP], &TS, &SACK_OK, &[0, 0]].concat();
    zoo.add("syn4_mac", sized(65535, &mac, plain(64)));
    zoo.add("syn4_nmap", sized(1024, &MSS, ip4_with(|h| h.time_to_live = 40)));
}
