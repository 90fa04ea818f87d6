//! Which bytes of a packet a hook is shown, the same in every engine.

use crate::RunError;
use l4c_manifest::HookKind;

/// The part of `packet` that a program of `kind` sees.
///
/// XDP sees the linear part only, so longer packets are cut; a socket filter sees all or nothing.
///
/// # Errors
/// [`RunError::NotShown`] when the kernel's test run would not take the packet.
pub fn shown(kind: HookKind, packet: &[u8]) -> Result<&[u8], RunError> {
    let (min_bytes, max_bytes) = (kind.min_bytes(), kind.max_visible_bytes());
    let visible = match kind {
        HookKind::Xdp => &packet[..packet.len().min(max_bytes)],
        HookKind::Socket => packet,
    };
    if (min_bytes..=max_bytes).contains(&visible.len()) {
        Ok(visible)
    } else {
        Err(RunError::NotShown { bytes: packet.len(), min_bytes, max_bytes })
    }
}

/// Ethertype of a packet that begins at the network header, told by its IP version.
///
/// Anything that is neither IPv4 nor IPv6 gets an experimental number (IEEE 802, 0x88b5), for which
/// the kernel has no handling of its own. So does IPv6 cut short in its header, which the kernel's
/// test run refuses under its own number (Linux 6.18, `bpf_prog_test_run_skb`).
pub fn ethertype(network_packet: &[u8]) -> u16 {
    const IPV6_HEADER_BYTES: usize = 40;
    match network_packet.first().map(|b| b >> 4) {
        Some(4) => 0x0800,
        Some(6) if network_packet.len() >= IPV6_HEADER_BYTES => 0x86dd,
        _ => 0x88b5,
    }
}
