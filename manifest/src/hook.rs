//! Hooks as data: what a program of each kind is called, sees and returns.

use serde::{Deserialize, Serialize};

/// Kinds of hook that l4c has a program for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookKind {
    /// XDP, at the driver or generic.
    Xdp,
    /// A socket filter (`BPF_PROG_TYPE_SOCKET_FILTER`).
    Socket,
}

/// The first header that a hook sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Byte 0 is the first byte of the Ethernet header.
    Link,
    /// Byte 0 is the first byte of the IP header; the family is told by its version.
    Network,
}

/// What a hook decides about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Goes on its way.
    Pass,
    /// Is thrown away.
    Drop,
    /// Is thrown away and answered by a TCP RST or an ICMP error, where it may be answered.
    Reject,
    /// Leaves by another interface.
    Redirect,
}

impl Verdict {
    /// All verdicts, in the order reports list them.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Drop, Self::Reject, Self::Redirect];

    /// The word for it, in rules and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Drop => "drop",
            Self::Reject => "reject",
            Self::Redirect => "redirect",
        }
    }
}

impl HookKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Xdp, Self::Socket];

    /// The word after `hook`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xdp => "xdp",
            Self::Socket => "socket",
        }
    }

    /// ELF section, by a name that libbpf 1.1 and aya-obj 0.3 both accept.
    #[must_use]
    pub const fn section(self) -> &'static str {
        self.name()
    }

    /// Where the hook's packet begins.
    #[must_use]
    pub const fn start(self) -> Start {
        match self {
            Self::Xdp => Start::Link,
            Self::Socket => Start::Network,
        }
    }

    /// How many bytes of a packet the hook is shown, in every engine.
    ///
    /// XDP: what the kernel's `BPF_PROG_TEST_RUN` puts into the linear part (4096 less 256 headroom and
    /// 320 tailroom). Socket: the same run refuses frames of more than 4096 less 64 (or 66, as the
    /// machine aligns IP headers) headroom and 320 tailroom; it wants 14 bytes of Ethernet in front of
    /// ours.
    #[must_use]
    pub const fn max_visible_bytes(self) -> usize {
        match self {
            Self::Xdp => 3520,
            Self::Socket => 3696,
        }
    }

    /// The shortest packet that the hook can be shown (Ethernet header, or what the kernel's test run
    /// takes behind it).
    #[must_use]
    pub const fn min_bytes(self) -> usize {
        match self {
            Self::Xdp => 14,
            Self::Socket => 20,
        }
    }

    /// The program's return code for a verdict (`include/uapi/linux/bpf.h`: `enum xdp_action`; a socket
    /// filter returns the number of bytes to keep, of which `u32::MAX` is all); `None` where the hook can't
    /// give it. A packet that a `reject` may not answer is dropped: that program returns the code of
    /// [`Verdict::Drop`].
    #[must_use]
    pub const fn code(self, verdict: Verdict) -> Option<u32> {
        match (self, verdict) {
            (Self::Xdp, Verdict::Drop) => Some(1),
            (Self::Xdp, Verdict::Pass) => Some(2),
            (Self::Xdp, Verdict::Reject) => Some(3),
            (Self::Xdp, Verdict::Redirect) => Some(4),
            (Self::Socket, Verdict::Drop) => Some(0),
            (Self::Socket, Verdict::Pass) => Some(u32::MAX),
            (Self::Socket, Verdict::Reject | Verdict::Redirect) => None,
        }
    }

    /// The verdict that a return code stands for, if it stands for any.
    #[must_use]
    pub fn verdict(self, code: u32) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|&v| self.code(v) == Some(code))
    }
}
