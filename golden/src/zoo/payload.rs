//! What transports carry: the word `needle` at places where a search or an end may go wrong.

use super::Zoo;
use super::extension::{HBH, chain_of, plain};
use super::parts::{
    BEHIND4, BEHIND6, ETH, Ip, SPORT, ip4, ip4_with, ip6, padded, patched, raw_of, tagged, tcp_of,
    udp_of,
};
use etherparse::{IpFragOffset, Ipv4Options, TcpHeader};

/// What cases look for.
const NEEDLE: &[u8] = b"needle";
/// To a port that means nothing.
const PORT: u16 = 4001;

pub(super) fn add(zoo: &mut Zoo) {
    places(zoo);
    few_places(zoo);
    almost(zoo);
    ends(zoo);
    headers(zoo);
    windows(zoo);
    carriers(zoo);
    texts(zoo);
}

/// `bytes` bytes, at `at` in them the needle; what of it would stand behind the end is left away.
fn hay(bytes: usize, at: usize) -> Vec<u8> {
    let mut out = vec![b'n'; bytes];
    for (byte, needle) in out.iter_mut().skip(at).zip(NEEDLE) {
        *byte = *needle;
    }
    out
}

fn udp(data: &[u8]) -> Vec<u8> {
    udp_of(ip4(), SPORT, PORT, data)
}

fn tcp(data: &[u8]) -> Vec<u8> {
    tcp_of(ip4(), |h| h.ack = true, data)
}

/// In payloads of 200 bytes, in which a search makes three steps of 64 places and one more over the rest; and
/// in long ones.
fn places(zoo: &mut Zoo) {
    for at in [0, 1, 2, 7, 8, 9, 62, 63, 64, 65, 127, 128, 129, 191, 192, 193, 194, 195] {
        zoo.add(format!("hay_200_at_{at}"), udp(&hay(200, at)));
    }
    for at in [0, 1023, 1024, 1025, 1087, 1088, 1394, 1395] {
        zoo.add(format!("hay_1400_at_{at}"), tcp(&hay(1400, at)));
    }
    // The last byte that an XDP hook is shown, and one more.
    let behind = 3520 - BEHIND4 - 8;
    for (word, at) in [("last", behind - 6), ("cut", behind - 5)] {
        zoo.add(format!("hay_3520_{word}"), udp(&hay(behind + 100, at)));
    }
    zoo.add("hay_1400_ip6", udp_of(ip6(), SPORT, PORT, &hay(1400, 700)));
}

/// Payloads with few places for the needle, at the first of them and at the last.
fn few_places(zoo: &mut Zoo) {
    let counts = [1, 2, 7, 8, 9, 15, 16, 17, 56, 57, 63, 64, 65, 128];
    for places in counts {
        zoo.add(format!("hay_of_{places}_first"), udp(&hay(places + 5, 0)));
    }
    for places in &counts[1..] {
        zoo.add(format!("hay_of_{places}_last"), udp(&hay(places + 5, places - 1)));
    }
    for places in counts {
        zoo.add(format!("hay_of_{places}_over"), udp(&hay(places + 5, places)));
    }
}

/// What is not the needle, and what looks like its beginning.
fn almost(zoo: &mut Zoo) {
    let all: [(&str, &[u8]); 14] = [
        ("upper", b"a NEEDLE in a haystack"),
        ("mixed", b"a NeeDle in a haystack"),
        ("begun_twice", b"neeneedle"),
        ("begun_in_itself", b"needlneedle"),
        ("spaced", b"need le"),
        ("other_end", b"needla needlf"),
        ("bit_of_case", b"needl\x45"),
        ("high_bit", b"needl\xe5"),
        ("no_letter", b"\x2e\x65\x65\x64\x6c\x65"),
        ("reversed", b"eldeen"),
        ("twice", b"needle and needle"),
        ("in_hex", b"ab\x00\x01\xff\x02cd"),
        ("in_hex_other", b"ab\x00\xfe\xff\x02cd"),
        ("one_byte", b"n"),
    ];
    for (word, data) in all {
        zoo.add(format!("hay_{word}"), tcp(data));
    }
    // For patterns longer than one load, of which one byte is another.
    let text = b"GET /cgi-bin/luci/;stok=/locale?form=country HTTP/1.1\r\n";
    zoo.add("hay_request", tcp(text));
    for at in [0, 7, 8, 15, 16, 31, 43] {
        let mut wrong = text.to_vec();
        wrong[at] ^= 1;
        zoo.add(format!("hay_request_wrong_{at}"), tcp(&wrong));
    }
}

/// Where the payload ends by what headers say, and where the frame does.
fn ends(zoo: &mut Zoo) {
    let behind = |mut frame: Vec<u8>, data: &[u8]| {
        frame.extend(data);
        frame
    };
    zoo.add("hay_in_padding", behind(udp(b"some data"), NEEDLE));
    zoo.add("hay_in_padding_tcp", behind(tcp(b"n"), NEEDLE));
    zoo.add("hay_in_padding_ip6", behind(tcp_of(ip6(), |h| h.ack = true, b"n"), NEEDLE));
    zoo.add("hay_into_padding", behind(udp(b"some need"), b"le"));
    zoo.add("hay_padded", padded(udp(NEEDLE), 60));
    zoo.add("hay_empty_padded", behind(tcp(&[]), NEEDLE));
    let data = b"a needle";
    for say in [0, 7, 8, 15, 17, 65535] {
        let frame = patched(udp(data), BEHIND4 + 4, &u16::to_be_bytes(say));
        zoo.add(format!("hay_udp_len_{say}"), frame);
    }
    for say in [0, 19, 20, 28, 35, 37, 65535] {
        let frame = patched(udp(data), ETH + 2, &u16::to_be_bytes(say));
        zoo.add(format!("hay_ip_len_{say}"), frame);
    }
    for say in [0, 20, 40, 47, 49, 65535] {
        let frame = patched(tcp(data), ETH + 2, &u16::to_be_bytes(say));
        zoo.add(format!("hay_tcp_ip_len_{say}"), frame);
    }
    for say in [0, 8, 15, 17] {
        let frame = udp_of(ip6(), SPORT, PORT, data);
        zoo.add(format!("hay_ip6_len_{say}"), patched(frame, ETH + 4, &u16::to_be_bytes(say)));
    }
    for keep in [0, 1, 5, 6] {
        zoo.cut(format!("hay_cut_{keep}"), udp(b"needless"), BEHIND4 + 8 + keep);
    }
}

fn tcp_options(words: usize) -> impl FnOnce(&mut TcpHeader) {
    move |h: &mut TcpHeader| {
        h.ack = true;
        h.set_options_raw(&vec![1; 4 * words]).expect("40 bytes at most");
    }
}

fn ip_options(words: usize) -> Ip {
    ip4_with(|h| {
        h.options = Ipv4Options::try_from(&vec![1; 4 * words][..]).expect("40 bytes at most");
    })
}

/// Behind headers of every length.
fn headers(zoo: &mut Zoo) {
    for words in 0..=10 {
        zoo.add(format!("hay_tcp_words_{words}"), tcp_of(ip4(), tcp_options(words), NEEDLE));
    }
    for words in 0..=10 {
        let both = tcp_of(ip_options(words), tcp_options(10 - words), b"-needle");
        zoo.add(format!("hay_ip_words_{words}"), both);
    }
    zoo.add("hay_both_60", tcp_of(ip_options(10), tcp_options(10), NEEDLE));
    let inside = |h: &mut TcpHeader| {
        h.ack = true;
        h.set_options_raw(b"needle\x01\x01").expect("8 bytes fit");
    };
    zoo.add("hay_in_tcp_options", tcp_of(ip4(), inside, b"data"));
    let inside = ip4_with(|h| {
        h.options = Ipv4Options::try_from(&b"\x01needle\x00"[..]).expect("8 bytes fit");
    });
    zoo.add("hay_in_ip_options", tcp_of(inside, |h| h.ack = true, b"data"));
    // The header is said to be longer than the datagram, or shorter than it can be.
    zoo.add("hay_tcp_off_15", patched(tcp(NEEDLE), BEHIND4 + 12, &[0xf0]));
    zoo.add("hay_tcp_off_4", patched(tcp(NEEDLE), BEHIND4 + 12, &[0x40]));
    zoo.add("hay_tcp_off_6", patched(tcp(b"1234needle"), BEHIND4 + 12, &[0x60]));
}

/// At the last place of a window of 256 bytes, and at the next one, behind headers of 20 to 60 bytes.
fn windows(zoo: &mut Zoo) {
    for at in [249, 250, 251] {
        for words in [0, 1, 5, 9, 10] {
            let frame = tcp_of(ip_options(10 - words), tcp_options(words), &hay(300, at));
            zoo.add(format!("hay_window_at_{at}_behind_{words}"), frame);
        }
    }
    let short = tcp_of(ip_options(10), tcp_options(10), &hay(256, 250));
    zoo.add("hay_window_exact", short);
}

fn carriers(zoo: &mut Zoo) {
    let message = |ty: u8, data: &[u8]| [&[ty, 0, 0, 0, 0, 1, 0, 1][..], data].concat();
    zoo.add("hay_icmp", raw_of(ip4(), 1, &message(8, NEEDLE)));
    zoo.add("hay_icmp_unreachable", raw_of(ip4(), 1, &message(3, NEEDLE)));
    zoo.add("hay_icmp6", raw_of(ip6(), 58, &message(128, NEEDLE)));
    zoo.add("hay_icmp_header", raw_of(ip4(), 1, b"\x08\x00needle12"));
    let lite = [&[0x0f, 0xa0, 0x0f, 0xa1, 0, 8, 0xab, 0xcd], NEEDLE].concat();
    zoo.add("hay_udplite", raw_of(ip4(), 136, &lite));
    zoo.add("hay_udplite_ip6", raw_of(ip6(), 136, &lite));
    for (word, proto) in
        [("sctp", 132), ("dccp", 33), ("gre", 47), ("esp", 50), ("igmp", 2), ("none", 253)]
    {
        let data = [&[0; 12], NEEDLE].concat();
        zoo.add(format!("hay_in_{word}"), raw_of(ip4(), proto, &data));
    }
    zoo.add("hay_vlan", tagged(udp(NEEDLE), &[(0x8100, 7)]));
    let datagram = udp_of(ip6(), SPORT, PORT, NEEDLE).split_off(BEHIND6);
    zoo.add("hay_ip6_hbh", chain_of(ip6(), &[plain(HBH, 3)], 17, &datagram));
    let first = ip4_with(|h| h.more_fragments = true);
    zoo.add("hay_ip4_first", raw_of(first, 17, &udp(NEEDLE).split_off(BEHIND4)));
    let later = ip4_with(|h| h.fragment_offset = IpFragOffset::try_new(1).expect("13 bits"));
    zoo.add("hay_ip4_later", raw_of(later, 17, &udp(NEEDLE).split_off(BEHIND4)));
    zoo.add("hay_in_arp", super::parts::frame(0x0806, &[&[0; 28][..], NEEDLE].concat()));
    zoo.add("hay_in_macs", patched(udp(b"data"), 3, NEEDLE));
    zoo.add("hay_in_unknown", super::parts::frame(0x88b5, NEEDLE));
}

/// What is compared as a whole, at its beginning and at its end.
fn texts(zoo: &mut Zoo) {
    let all: [(&str, &[u8]); 12] = [
        ("get", b"GET / HTTP/1.1\r\n\r\n"),
        ("get_lower", b"get / http/1.1\r\n\r\n"),
        ("get_more", b"GET / HTTP/1.1\r\n\r\nX"),
        ("get_less", b"GET / HTTP/1.1\r\n\r"),
        ("ge", b"GE"),
        ("get_only", b"GET"),
        ("xget", b"xGET / HTTP/1.1\r\n\r\n"),
        ("ping", b"PING"),
        ("pong", b"PONG"),
        ("ssh", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("nul", b"\0"),
        ("numbers", b"\x00\x01\x02\x03\xfd\xfe\xff"),
    ];
    for (word, data) in all {
        zoo.add(format!("text_{word}"), tcp(data));
        zoo.add(format!("text_{word}_udp6"), udp_of(ip6(), SPORT, PORT, data));
    }
    for bytes in [254, 255, 256] {
        zoo.add(format!("text_of_{bytes}"), udp(&vec![b'Z'; bytes]));
    }
}
