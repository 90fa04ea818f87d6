//! What a capture holds is what comes out; what it only claims does not.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod made;

use std::io::{Cursor, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use l4c_packets::{Capture, CaptureError, CaptureErrorKind, LinkType, MAX_PACKET_BYTES, Writer};
use made::{ORDERS, Order};

/// Time, link type, original length, data.
type Seen = (u64, u32, u32, Vec<u8>);

fn read(file: &[u8]) -> (Vec<Seen>, Option<CaptureError>) {
    let mut capture = match Capture::from_reader(Box::new(Cursor::new(file.to_vec()))) {
        Ok(capture) => capture,
        Err(e) => return (vec![], Some(e)),
    };
    drain(&mut capture)
}

fn drain(capture: &mut Capture) -> (Vec<Seen>, Option<CaptureError>) {
    let mut seen = vec![];
    let error = loop {
        match capture.next_frame() {
            None => break None,
            Some(Err(e)) => break Some(e),
            Some(Ok(f)) => {
                assert_eq!(f.number, seen.len() as u64 + 1);
                seen.push((f.time_ns, f.link.0, f.orig_bytes, f.data.to_vec()));
            }
        }
    };
    assert!(capture.next_frame().is_none(), "the end is the end");
    (seen, error)
}

#[track_caller]
fn whole(file: &[u8]) -> Vec<Seen> {
    let (seen, error) = read(file);
    assert!(error.is_none(), "{error:?}");
    seen
}

/// The error that a file ends with, as text, after `packets` packets.
#[track_caller]
fn fails(file: &[u8], packets: usize) -> String {
    let (seen, error) = read(file);
    assert_eq!(seen.len(), packets, "{error:?}");
    error.expect("the file lies").to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn classic_in_both_orders_and_resolutions() {
    for order in ORDERS {
        for (magic, scale) in [(0xa1b2_c3d4, 1000), (0xa1b2_3c4d, 1)] {
            let header = order.classic(magic, (2, 4), 65535, 113);
            let records = [order.record(0xffff_fffe, 7, b"abc"), order.record(0, 999, b"")];
            let file = [header.clone(), records.concat()].concat();
            let (first, second) = (0xffff_fffe * 1_000_000_000 + 7 * scale, 999 * scale);
            assert_eq!(whole(&file), [(first, 113, 3, b"abc".to_vec()), (second, 113, 0, vec![])]);
            assert_eq!(whole(&header), []);
        }
    }
}

#[test]
fn classic_of_other_times() {
    for order in ORDERS {
        // Two words and eight bytes more a record; twice the same length, then.
        let patched = order.classic(0xa1b2_cd34, (2, 4), 65535, 1);
        let record = [order.u32s([1, 2, 3, 9]), vec![0; 8], b"abc".to_vec()].concat();
        let file = [patched, record.clone(), record].concat();
        let abc = (1_000_002_000, 1, 9, b"abc".to_vec());
        assert_eq!(whole(&file), [abc.clone(), abc.clone()]);
        for (version, lengths) in
            [((2, 2), [9, 3]), ((543, 0), [9, 3]), ((2, 3), [9, 3]), ((2, 3), [3, 9])]
        {
            let header = order.classic(0xa1b2_c3d4, version, 65535, 1);
            let record = [order.u32s([1, 2]), order.u32s(lengths), b"abc".to_vec()].concat();
            assert_eq!(whole(&[header, record].concat())[..], [abc.clone()][..], "{version:?}");
        }
        let unknown = order.classic(0xa1b2_c3d4, (2, 5), 65535, 1);
        assert_eq!(fails(&unknown, 0), "capture format version 2.5 is unknown");
        // The top bits of the link type tell of a frame check sequence.
        let fcs = order.classic(0xa1b2_c3d4, (2, 4), 0, 0x2400_0001);
        assert_eq!(whole(&[fcs, order.record(1, 2, b"ab")].concat())[0].1, 1);
    }
}

#[test]
fn what_exceeds_the_snapshot_length_is_passed_over() {
    let order = Order::Little;
    let file = [
        order.classic(0xa1b2_c3d4, (2, 4), 2, 1),
        order.record(0, 0, b"abcd"),
        order.record(0, 0, b"x"),
    ];
    assert_eq!(whole(&file.concat()), [(0, 1, 4, b"ab".to_vec()), (0, 1, 1, b"x".to_vec())]);
}

#[test]
fn pcapng_sections_and_interfaces() {
    let mut file = vec![];
    for order in ORDERS {
        file.extend(order.section());
        // Comments and unknown blocks say nothing to us.
        let comment = order.option(1, b"hello");
        file.extend(order.interface(1, 0, &[comment, order.option(9, &[9])]));
        file.extend(order.block(0x0bad, b"some bytes"));
        // 2^-10 s, and ten seconds later than it says.
        let ten = match order {
            Order::Little => 10_i64.to_le_bytes(),
            Order::Big => 10_i64.to_be_bytes(),
        };
        let options = [order.option(9, &[0x8a]), order.option(14, &ten), order.option(0, &[])];
        file.extend(order.interface(101, 3, &options));
        file.extend(order.interface(276, 65535, &[]));
        file.extend(order.enhanced(0, 5_000_000_007, b"abcde"));
        file.extend(order.enhanced(1, 1536, b"xyz"));
        file.extend(order.simple(7, b"1234567"));
        file.extend(order.old_packet(2, 1, b"old"));
    }
    let one_section = [
        (5_000_000_007, 1, 5, b"abcde".to_vec()),
        (11_500_000_000, 101, 3, b"xyz".to_vec()),
        (0, 1, 7, b"1234567".to_vec()),
        (1000, 276, 3, b"old".to_vec()),
    ];
    assert_eq!(whole(&file), [one_section.clone(), one_section].concat());
}

#[test]
fn pcapng_times_at_the_edges() {
    let order = Order::Little;
    let time = |resolution: u8, offset: i64, ticks: u64| {
        let options = [order.option(9, &[resolution]), order.option(14, &offset.to_le_bytes())];
        let interface = order.interface(1, 0, &options);
        whole(&[order.section(), interface, order.enhanced(0, ticks, b"")].concat())[0].0
    };
    assert_eq!(time(0, 0, 3), 3_000_000_000);
    assert_eq!(time(3, 0, 3), 3_000_000);
    assert_eq!(time(12, 0, 1_000_000_001_999), 1_000_000_001);
    assert_eq!(time(19, 0, 1_999_999_999_999_999_999), 199_999_999);
    assert_eq!(time(0x80 | 63, 0, u64::MAX), 1_999_999_999);
    assert_eq!(time(6, -5, 7_000_001), 2_000_001_000);
    assert_eq!(time(0, i64::MIN, 3), 0);
    assert_eq!(time(0, i64::MAX, u64::MAX), u64::MAX);
}

/// `if_name` where it is there and can be a name; each section has its own interfaces.
#[test]
fn interfaces_have_their_names() {
    for order in ORDERS {
        let named = |name: &[u8]| order.interface(1, 0, &[order.option(2, name)]);
        let file = [
            order.section(),
            named(b"eth0"),
            order.interface(1, 0, &[]),
            named(b"lan0\0"),
            named(b"\xff"),
            named(b""),
            named(&[b'x'; 256]),
            (0..6).flat_map(|n| order.enhanced(n, 1, b"data")).collect(),
            order.simple(4, b"data"),
            order.section(),
            named(b"wan0"),
            order.old_packet(0, 3, b"data"),
        ];
        let mut capture = Capture::from_reader(Box::new(Cursor::new(file.concat()))).unwrap();
        let mut names = Vec::new();
        while let Some(frame) = capture.next_frame() {
            names.push(frame.unwrap().iface.map(str::to_owned));
        }
        let first = [Some("eth0"), None, Some("lan0"), None, None, None];
        let wanted = first.into_iter().chain([Some("eth0"), Some("wan0")]);
        assert!(names.iter().map(Option::as_deref).eq(wanted), "{names:?}");
    }
}

#[test]
fn simple_packets_are_cut_by_their_interface() {
    let order = Order::Big;
    let file = [order.section(), order.interface(1, 4, &[]), order.simple(900, b"1234")].concat();
    assert_eq!(whole(&file), [(0, 1, 900, b"1234".to_vec())]);
}

#[test]
fn lengths_that_lie_in_classic_files() {
    for order in ORDERS {
        let good =
            [order.classic(0xa1b2_c3d4, (2, 4), 0, 1), order.record(1, 1, &[5; 60])].concat();
        let with = |end: &[u8]| [&good, end].concat();
        for lie in [u32::MAX, 0x8000_0000, MAX_PACKET_BYTES + 1] {
            let text = fails(&with(&order.u32s([1, 1, lie, 60])), 1);
            let said = format!("packet 2: the packet claims {lie} bytes; at most 262144");
            assert!(text.starts_with(&said), "{text}");
        }
        let cut = with(&order.record(1, 1, &[5; 60])[..36]);
        let text = "packet 2: the file ends early: 36 of 76 bytes are there";
        assert_eq!(fails(&cut, 1), text);
        let header_only = with(&order.u32s([1, 1, MAX_PACKET_BYTES, 60]));
        let text = "packet 2: the file ends early: 16 of 262160 bytes are there";
        assert_eq!(fails(&header_only, 1), text);
        assert!(fails(&with(&[1, 2, 3]), 1).contains("3 of 16 bytes"));
        let most = with(&order.record(1, 1, &vec![7; MAX_PACKET_BYTES as usize]));
        assert_eq!(whole(&most)[1].3.len(), MAX_PACKET_BYTES as usize);
    }
}

#[test]
fn lengths_that_lie_in_pcapng() {
    for order in ORDERS {
        let good = [order.section(), order.interface(1, 100, &[]), order.enhanced(0, 1, b"good")];
        let with = |end: &[u8]| [good.concat().as_slice(), end].concat();
        let head = |bytes| with(&[order.u32s([6, bytes]), vec![0; 40]].concat());
        for short in [0, 4, 8, 11] {
            assert!(fails(&head(short), 1).contains("shorter than its own frame"));
        }
        assert!(fails(&head(13), 1).contains("no multiple of 4"));
        assert!(fails(&head(u32::MAX), 1).starts_with("packet 2: the block claims 4294967295"));
        assert!(fails(&head(16 << 20), 1).ends_with("48 of 16777216 bytes are there"));
        let packet = |interface, captured, data: &[u8]| {
            let fixed = order.u32s([interface, 0, 0, captured, captured]);
            with(&order.block(6, &[fixed, data.to_vec()].concat()))
        };
        assert!(fails(&packet(0, 101, &[0; 101]), 1).contains("claims 101 bytes; at most 100"));
        assert!(fails(&packet(0, 9, &[0; 8]), 1).contains("longer than its block"));
        assert!(fails(&packet(0, u32::MAX, &[0; 8]), 1).contains("claims 4294967295 bytes"));
        assert!(fails(&packet(1, 8, &[0; 8]), 1).contains("interface 1"));
        assert!(fails(&with(&order.block(6, &[0; 16])), 1).contains("too short"));
        assert!(fails(&with(&order.block(3, &[])), 1).contains("too short"));
        assert!(fails(&with(&order.block(1, &[0; 4])), 1).contains("too short"));
        assert!(fails(&with(&order.simple(9, b"12345678")), 1).contains("longer than its block"));
        let mut ends_differ = with(&order.enhanced(0, 1, b"more"));
        *ends_differ.last_mut().unwrap() ^= 1;
        assert!(fails(&ends_differ, 1).contains("lengths differ"));
        // A section begins without interfaces; one without a mark has no byte order.
        let section = order.section();
        let orphan = with(&[section.clone(), order.enhanced(0, 1, b"x")].concat());
        assert!(fails(&orphan, 1).contains("interface 0, which the file does not describe"));
        let no_mark = with(&[&section[..8], &[0; 20]].concat());
        assert!(fails(&no_mark, 1).contains("no byte-order mark"));
    }
}

#[test]
fn options_that_lie() {
    let order = Order::Little;
    let with = |options: &[Vec<u8>]| {
        [order.section(), order.interface(1, 0, options), order.enhanced(0, 1, b"")].concat()
    };
    let sevenths = order.option(9, &[7]);
    assert!(fails(&with(&[sevenths.clone(), sevenths]), 0).contains("given twice"));
    assert!(fails(&with(&[order.option(9, &[])]), 0).contains("not one byte"));
    assert!(fails(&with(&[order.option(9, &[20])]), 0).contains("finer than 64 bits"));
    assert!(fails(&with(&[order.option(9, &[0x80 | 64])]), 0).contains("finer than 64 bits"));
    assert!(fails(&with(&[order.option(14, &[0; 4])]), 0).contains("not eight bytes"));
    assert!(fails(&with(&[order.u32(0xffff_0001).to_vec()]), 0).contains("leaves its block"));
    // Behind the end of the options anything may stand.
    whole(&with(&[order.option(0, &[]), order.u32(0xffff_0001).to_vec()]));
}

#[test]
fn what_is_no_capture_says_so() {
    assert_eq!(fails(b"", 0), "the file ends early: 0 of 4 bytes are there");
    assert!(fails(b"ab", 0).contains("begins with 61 62 00 00"));
    assert!(fails(b"\x28\xb5\x2f\xfd rest", 0).contains("zstd"));
    assert!(fails(&gzip(b"hello"), 0).contains("neither pcap nor pcapng"));
    assert!(fails(b"\xd4\xc3\xb2\xa1\x02", 0).contains("5 of 24 bytes"));
    assert!(fails(b"\x0a\x0d\x0d\x0a", 0).contains("4 of 8 bytes"));
    let folder = Capture::open(std::env::temp_dir().as_path()).err().unwrap();
    assert!(matches!(folder.kind, CaptureErrorKind::Io(_)), "{folder}");
}

/// A few bytes at a time, and an interruption before each piece.
struct Drips(Cursor<Vec<u8>>, bool);

impl Read for Drips {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let most = into.len().min(3);
        self.0.read(&mut into[..most])
    }
}

#[test]
fn gzip_and_slow_streams_read_the_same() {
    for file in made::seeds() {
        let plain = whole(&file);
        assert!(!plain.is_empty());
        assert_eq!(whole(&gzip(&file)), plain);
        // Members one behind the other are one stream.
        let (a, b) = file.split_at(file.len() / 2);
        assert_eq!(whole(&[gzip(a), gzip(b)].concat()), plain);
        let drips = Box::new(Drips(Cursor::new(file), false));
        let (seen, error) = drain(&mut Capture::from_reader(drips).unwrap());
        assert!(error.is_none() && seen == plain);
    }
}

#[test]
fn damaged_gzip_is_an_error_behind_the_packets() {
    let order = Order::Little;
    let mut file = order.classic(0xa1b2_c3d4, (2, 4), 0, 1);
    for n in 0..50_000_u32 {
        file.extend(order.record(n, n, &n.wrapping_mul(0x9e37_79b9).to_le_bytes()));
    }
    let packed = gzip(&file);
    let (seen, error) = read(&packed[..packed.len() / 2]);
    let error = error.unwrap();
    assert!(seen.len() > 1000 && error.packet == seen.len() as u64 + 1);
    assert!(matches!(error.kind, CaptureErrorKind::Io(_)), "{error}");
}

/// Cut anywhere: the packets in front of the cut, then the end or an error.
#[test]
fn every_prefix_is_read_as_far_as_it_goes() {
    for file in made::seeds() {
        let all = whole(&file);
        for cut in 0..file.len() {
            let (seen, error) = read(&file[..cut]);
            assert_eq!(seen, all[..seen.len()]);
            if let Some(CaptureError { packet, .. }) = error {
                assert!(packet == 0 || packet == seen.len() as u64 + 1);
            }
        }
    }
}

#[test]
fn written_and_read_again() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("round-trip.pcap");
    let mut writer = Writer::create(&path, LinkType::RAW).unwrap();
    let long = vec![3; MAX_PACKET_BYTES as usize];
    writer.write(1_700_000_000_123_456_789, 1500, b"abc").unwrap();
    writer.write(0, 0, &long).unwrap();
    writer.write(u64::MAX, 0, b"").unwrap();
    let too_long = vec![3; MAX_PACKET_BYTES as usize + 1];
    assert!(writer.write(0, 0, &too_long).unwrap_err().to_string().contains("262145 bytes"));
    writer.finish().unwrap();
    let mut capture = Capture::open(&path).unwrap();
    let bytes = 24 + 3 * 16 + 3 + u64::from(MAX_PACKET_BYTES);
    assert_eq!(capture.total_bytes(), Some(bytes));
    let (seen, error) = drain(&mut capture);
    assert!(error.is_none());
    assert_eq!(capture.bytes_read(), bytes);
    // 2^64 ns is in the year 2554; pcap ends in 2106.
    let last = u64::from(u32::MAX) * 1_000_000_000 + u64::MAX % 1_000_000_000;
    let first = (1_700_000_000_123_456_789, 101, 1500, b"abc".to_vec());
    assert_eq!(seen, [first, (0, 101, MAX_PACKET_BYTES, long), (last, 101, 0, vec![])]);
}

/// A disk that is full.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn finish_reports_what_was_only_buffered() {
    let mut writer = Writer::new(Full, LinkType::ETHERNET).unwrap();
    writer.write(0, 3, b"abc").unwrap();
    let error = writer.finish().err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}
