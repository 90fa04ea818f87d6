//! Functions of the kernel's that programs call.

/// Kernel helpers (`include/uapi/linux/bpf.h`, `enum bpf_func_id`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helper {
    /// `bpf_map_lookup_elem`; inlined by the kernel for per-CPU arrays from 6.10 on.
    MapLookup,
    /// `bpf_map_update_elem`
    MapUpdate,
    /// `bpf_map_delete_elem`
    MapDelete,
    /// `bpf_ktime_get_ns`
    KtimeGetNs,
    /// `bpf_jiffies64`; the verifier puts a load of the kernel's counter in its place.
    Jiffies64,
    /// `bpf_spin_lock`: until it is given up nothing may be called.
    SpinLock,
    /// `bpf_spin_unlock`
    SpinUnlock,
    /// `bpf_get_prandom_u32`
    GetPrandomU32,
    /// `bpf_perf_event_output`; it copies bytes of the packet itself, of whatever length.
    PerfEventOutput,
    /// `bpf_get_smp_processor_id`
    SmpProcessorId,
    /// `bpf_redirect`
    Redirect,
    /// `bpf_xdp_adjust_head`
    XdpAdjustHead,
    /// `bpf_xdp_adjust_tail`
    XdpAdjustTail,
    /// `bpf_skb_load_bytes_relative`
    SkbLoadBytesRelative,
}

impl Helper {
    /// The kernel's number.
    pub const fn number(self) -> i32 {
        match self {
            Self::MapLookup => 1,
            Self::MapUpdate => 2,
            Self::MapDelete => 3,
            Self::KtimeGetNs => 5,
            Self::Jiffies64 => 118,
            Self::SpinLock => 93,
            Self::SpinUnlock => 94,
            Self::GetPrandomU32 => 7,
            Self::PerfEventOutput => 25,
            Self::SmpProcessorId => 8,
            Self::Redirect => 23,
            Self::XdpAdjustHead => 44,
            Self::XdpAdjustTail => 65,
            Self::SkbLoadBytesRelative => 68,
        }
    }

    /// The kernel's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MapLookup => "bpf_map_lookup_elem",
            Self::MapUpdate => "bpf_map_update_elem",
            Self::MapDelete => "bpf_map_delete_elem",
            Self::KtimeGetNs => "bpf_ktime_get_ns",
            Self::Jiffies64 => "bpf_jiffies64",
            Self::SpinLock => "bpf_spin_lock",
            Self::SpinUnlock => "bpf_spin_unlock",
            Self::GetPrandomU32 => "bpf_get_prandom_u32",
            Self::PerfEventOutput => "bpf_perf_event_output",
            Self::SmpProcessorId => "bpf_get_smp_processor_id",
            Self::Redirect => "bpf_redirect",
            Self::XdpAdjustHead => "bpf_xdp_adjust_head",
            Self::XdpAdjustTail => "bpf_xdp_adjust_tail",
            Self::SkbLoadBytesRelative => "bpf_skb_load_bytes_relative",
        }
    }
}
