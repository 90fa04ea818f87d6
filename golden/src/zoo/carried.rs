//! Headers of SCTP, UDP-Lite, DCCP, GRE, ESP, AH and IGMP, written out byte by byte from their RFCs.

use super::Zoo;
use super::parts::{BEHIND4, BEHIND6, ip4, ip4_with, ip6, raw_of};

pub(super) fn add(zoo: &mut Zoo) {
    sctp(zoo);
    udplite(zoo);
    dccp(zoo);
    gre(zoo);
    ipsec(zoo);
    igmp(zoo);
}

/// RFC 9260: ports 4000 to 5060, a tag, a checksum, the first chunk's type, flags and length.
fn sctp_of(vtag: [u8; 4], chunk: u8) -> Vec<u8> {
    let common = [&[0x0f, 0xa0, 0x13, 0xc4], &vtag[..], &[0xca, 0xfe, 0xba, 0xbe]].concat();
    [&common[..], &[chunk, 0, 0, 4]].concat()
}

fn sctp(zoo: &mut Zoo) {
    for chunk in [0, 1, 2, 10, 11, 13, 14, 255] {
        let bytes = sctp_of([0xf1, 0x02, 0x03, 0x04], chunk);
        zoo.add(format!("sctp4_chunk_{chunk}"), raw_of(ip4(), 132, &bytes));
    }
    let init = sctp_of([0; 4], 1);
    zoo.add("sctp4_init", raw_of(ip4(), 132, &init));
    zoo.add("sctp6_init", raw_of(ip6(), 132, &init));
    let whole = || raw_of(ip4(), 132, &[&init[..], &[0]].concat());
    // The common header alone is whole; the chunk behind it is there with its first four bytes.
    for keep in [14, 15, 16] {
        zoo.cut(format!("sctp4_chunk_cut_{keep}"), whole(), BEHIND4 + keep);
    }
    zoo.cut("sctp6_chunk_cut_15", raw_of(ip6(), 132, &init), BEHIND6 + 15);
    let first = ip4_with(|header| header.more_fragments = true);
    zoo.add("sctp4_frag_first", raw_of(first, 132, &init));
    let later = ip4_with(|header| {
        header.fragment_offset = etherparse::IpFragOffset::try_new(2).expect("a small number");
    });
    zoo.add("sctp4_frag_last", raw_of(later, 132, &init));
}

/// RFC 3828: ports 4000 to 5060, bytes covered, checksum.
fn udplite(zoo: &mut Zoo) {
    for (name, cover, sum) in
        [("0", [0, 0], [0xca, 0xfe]), ("12", [0, 12], [0xca, 0xfe]), ("65535", [255; 2], [0, 1])]
    {
        let bytes = [&[0x0f, 0xa0, 0x13, 0xc4], &cover[..], &sum, b"data"].concat();
        zoo.add(format!("udplite4_cover_{name}"), raw_of(ip4(), 136, &bytes));
    }
}

/// RFC 4340: ports, data offset, CCVal and CsCov, checksum; reserved bits, type, X; sequence numbers.
fn dccp(zoo: &mut Zoo) {
    for ty in [0u8, 1, 2, 8, 9, 10, 15] {
        let short = [0x0f, 0xa0, 0x13, 0xc4, 3, 0, 0xca, 0xfe, ty << 1, 0, 0, 1];
        zoo.add(format!("dccp4_type_{ty}"), raw_of(ip4(), 33, &short));
    }
    // Request: long sequence numbers, then a service code. The reserved bits are no part of the type.
    let request = |byte| {
        let start = [0x0f, 0xa0, 0x13, 0xc4, 5, 0, 0xca, 0xfe, byte, 0, 0, 0, 0, 0, 0, 1];
        [&start[..], b"l4l4"].concat()
    };
    zoo.add("dccp4_request", raw_of(ip4(), 33, &request(0x01)));
    zoo.add("dccp4_reserved_bits", raw_of(ip4(), 33, &request(0xe5)));
    zoo.add("dccp6_request", raw_of(ip6(), 33, &request(0x01)));
}

/// RFC 2784, RFC 2890, RFC 1701: two bytes of flags and version, the protocol, then as announced checksum and
/// offset, key, sequence number, of which each begins with a byte of its own.
fn gre_of(flags: u8, version: u8) -> Vec<u8> {
    let mut out = vec![flags, version, 0x65, 0x58];
    let words: [(u8, [u8; 4]); 3] =
        [(0xc0, [0xc5, 0xc5, 0, 1]), (0x20, [0xa1, 0xa2, 0xa3, 0xa4]), (0x10, [0xb1, 2, 3, 4])];
    for (bits, word) in words {
        if flags & bits != 0 {
            out.extend(word);
        }
    }
    out
}

fn gre(zoo: &mut Zoo) {
    for letters in 0u8..16 {
        let flags = letters << 4;
        let name: String = ["c", "r", "k", "s"]
            .into_iter()
            .zip([0x80, 0x40, 0x20, 0x10])
            .filter_map(|(letter, bit)| (flags & bit != 0).then_some(letter))
            .collect();
        let name = if name.is_empty() { "no_flags".to_owned() } else { name };
        let header = gre_of(flags, 0);
        let frame = raw_of(ip4(), 47, &[&header[..], &[0xee]].concat());
        zoo.add(format!("gre4_{name}"), frame.clone());
        // Without its last byte, and with nothing behind it.
        if header.len() > 4 {
            zoo.cut(format!("gre4_{name}_cut"), frame.clone(), BEHIND4 + header.len() - 1);
            zoo.cut(format!("gre4_{name}_exact"), frame, BEHIND4 + header.len());
        }
    }
    zoo.add("gre6_ks", raw_of(ip6(), 47, &gre_of(0x30, 0)));
    zoo.add("gre4_strict_route", raw_of(ip4(), 47, &gre_of(0x08, 0)));
    zoo.add("gre4_recursion_7", raw_of(ip4(), 47, &gre_of(0x27, 0)));
    // PPTP, RFC 2637: what would be the key is a length and a call.
    zoo.add("gre4_pptp", raw_of(ip4(), 47, &[0x30, 0x01, 0x88, 0x0b, 0, 0, 0, 9, 0, 0, 0, 1]));
    zoo.add("gre4_version_7", raw_of(ip4(), 47, &gre_of(0xb0, 7)));
    zoo.add("gre4_other_low_bits", raw_of(ip4(), 47, &gre_of(0x20, 0xf8)));
    let later = ip4_with(|header| {
        header.fragment_offset = etherparse::IpFragOffset::try_new(2).expect("a small number");
    });
    zoo.add("gre4_frag_last", raw_of(later, 47, &gre_of(0x20, 0)));
}

/// RFC 4303 and RFC 4302.
fn ipsec(zoo: &mut Zoo) {
    let esp = [0xf1, 2, 3, 4, 0xe5, 6, 7, 8, 0xaa, 0xbb, 0xcc, 0xdd];
    zoo.add("esp4_marked", raw_of(ip4(), 50, &esp));
    zoo.add("esp6_marked", raw_of(ip6(), 50, &esp));
    zoo.cut("esp6_cut_7", raw_of(ip6(), 50, &esp), BEHIND6 + 7);
    let ah = [6, 4, 0, 0, 0xf1, 2, 3, 4, 0xe5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    zoo.add("ah4_marked", raw_of(ip4(), 51, &ah));
}

/// RFC 2236: type, time, checksum, group; reports of version 3 (RFC 3376) have a count there.
fn igmp(zoo: &mut Zoo) {
    for ty in [0x10u8, 0x11, 0x12, 0x13, 0x15, 0x16, 0x17, 0x18, 0x22] {
        let bytes = [ty, 0, 0, 0, 239, 1, 2, 3];
        zoo.add(format!("igmp4_type_{ty:02x}"), raw_of(ip4(), 2, &bytes));
    }
}
