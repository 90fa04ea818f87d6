//! Ethernet, VLAN tags, ARP, and what is neither IP nor ARP.

use super::Zoo;
use super::parts::{DATA, FROM_MAC, dns_of, frame, ip4, ip6, padded, tagged, tcp_of};

const Q: u16 = 0x8100;
const AD: u16 = 0x88a8;
const OLD: u16 = 0x9100;

pub(super) fn add(zoo: &mut Zoo) {
    bare(zoo);
    one_tag(zoo);
    more_tags(zoo);
    arp(zoo);
}

fn bare(zoo: &mut Zoo) {
    zoo.add("byte1", vec![0x02]);
    zoo.cut("eth_13", frame(0x0800, &[]), 13);
    zoo.add("eth_ip_nothing", frame(0x0800, &[]));
    zoo.add("eth_ip6_nothing", frame(0x86dd, &[]));
    zoo.add("eth_arp_nothing", frame(0x0806, &[]));
    zoo.add("eth_unknown", frame(0x88b5, b"for experiments"));
    // IEEE 802.3: a length instead of a type, then LLC.
    zoo.add("eth_802_3", padded(frame(0x0007, &[0x42, 0x42, 0x03, 0, 0, 0, 0]), 60));
    zoo.add("rarp", frame(0x8035, &[0, 1, 8, 0, 6, 4, 0, 3]));
    let lldp =
        [0x02, 0x07, 0x04, 2, 0, 0, 0, 0, 1, 0x04, 0x02, 0x07, b'1', 0x06, 0x02, 0, 120, 0, 0];
    let mut lldp = frame(0x88cc, &lldp);
    lldp[..6].copy_from_slice(&[0x01, 0x80, 0xc2, 0, 0, 0x0e]);
    zoo.add("lldp", lldp);
    let mut broadcast = dns_of(ip4());
    broadcast[..6].copy_from_slice(&[0xff; 6]);
    zoo.add("eth_broadcast", broadcast);
    let mut other = dns_of(ip4());
    other[..12]
        .copy_from_slice(&[0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xef]);
    zoo.add("eth_other_macs", other);
}

fn one_tag(zoo: &mut Zoo) {
    zoo.add("vlan_q_dns", tagged(dns_of(ip4()), &[(Q, 100)]));
    zoo.add("vlan_ad_dns", tagged(dns_of(ip4()), &[(AD, 200)]));
    zoo.add("vlan_old_dns", tagged(dns_of(ip4()), &[(OLD, 300)]));
    zoo.add("vlan_0_pcp5", tagged(dns_of(ip4()), &[(Q, 5 << 13)]));
    zoo.add("vlan_4095_pcp7_dei", tagged(dns_of(ip4()), &[(Q, 0xffff)]));
    zoo.add("vlan_1_dei", tagged(dns_of(ip4()), &[(Q, 0x1001)]));
    zoo.add("vlan_tcp6", tagged(tcp_of(ip6(), |h| h.syn = true, &[]), &[(Q, 100)]));
    zoo.add("vlan_arp", tagged(request(), &[(Q, 100)]));
    zoo.add("vlan_unknown", tagged(frame(0x88b5, DATA), &[(Q, 100)]));
    for keep in 14..=18 {
        zoo.cut(format!("vlan_cut_{keep}"), tagged(dns_of(ip4()), &[(Q, 100)]), keep);
    }
}

fn more_tags(zoo: &mut Zoo) {
    zoo.add("qinq_dns", tagged(dns_of(ip4()), &[(AD, 200), (Q, 100)]));
    zoo.add("qinq_old_pcp3_dei", tagged(dns_of(ip4()), &[(OLD, 0x0014), (AD, 0x7064)]));
    zoo.add("qinq_tcp6", tagged(tcp_of(ip6(), |h| h.syn = true, &[]), &[(Q, 1), (Q, 2)]));
    zoo.cut("qinq_cut_19", tagged(dns_of(ip4()), &[(AD, 200), (Q, 100)]), 19);
    zoo.cut("qinq_cut_21", tagged(dns_of(ip4()), &[(AD, 200), (Q, 100)]), 21);
    zoo.cut("qinq_cut_22", tagged(dns_of(ip4()), &[(AD, 200), (Q, 100)]), 22);
    zoo.add("tags3_dns", tagged(dns_of(ip4()), &[(AD, 200), (Q, 100), (Q, 7)]));
    zoo.cut("tags3_cut_22", tagged(dns_of(ip4()), &[(Q, 1), (Q, 2), (Q, 3)]), 22);
}

/// Who has 198.51.100.2?
fn request() -> Vec<u8> {
    arp_of(1, 1)
}

/// ARP of an operation, over a hardware type.
fn arp_of(hardware: u16, operation: u16) -> Vec<u8> {
    let mut body = Vec::from(hardware.to_be_bytes());
    body.extend([0x08, 0x00, 6, 4]);
    body.extend(operation.to_be_bytes());
    body.extend(FROM_MAC);
    body.extend([192, 0, 2, 1]);
    body.extend(if operation == 1 { [0; 6] } else { [0x02, 0, 0, 0, 0, 0x99] });
    body.extend([198, 51, 100, 2]);
    frame(0x0806, &body)
}

fn arp(zoo: &mut Zoo) {
    zoo.add("arp_request", request());
    zoo.add("arp_reply", arp_of(1, 2));
    zoo.add("arp_padded", padded(arp_of(1, 2), 60));
    zoo.add("arp_operation_9", arp_of(1, 9));
    zoo.add("arp_802_hardware", arp_of(6, 1));
    // RFC 4391: InfiniBand, hardware type 32, addresses of 20 bytes.
    let mut infiniband = vec![0, 32, 0x08, 0x00, 20, 4, 0, 1];
    infiniband.extend([0xab; 24 + 24]);
    zoo.add("arp_infiniband", frame(0x0806, &infiniband));
    let mut other_protocol = request();
    other_protocol[16..18].copy_from_slice(&[0x80, 0x9b]);
    zoo.add("arp_appletalk", other_protocol);
    for keep in [7, 8, 9, 27] {
        zoo.cut(format!("arp_cut_{keep}"), arp_of(1, 2), 14 + keep);
    }
}
