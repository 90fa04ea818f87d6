//! Programs that keep the kernel from waiting.
//!
//! Linux calls up to 48 XDP programs directly (`BPF_DISPATCHER_MAX` of `include/linux/bpf.h`); whenever one comes
//! or goes it writes that code anew and waits for all CPUs, with the lock of all interfaces in its hand. Thousands
//! of loads would queue up there for minutes. Once 48 programs are attached, others are called by their address
//! and nothing is written: the table is filled with programs that nobody sends a packet to.

use l4c_runtime::policy::{HookTarget, LoadRequest, XdpChoice};
use l4c_verifier_tests::wire::{Namespace, Pins, compiled, run};
use std::sync::atomic::AtomicBool;

/// `BPF_DISPATCHER_MAX`.
const PROGRAMS: usize = 48;

/// Holds the programs.
pub struct Filler {
    _pins: Pins,
    _namespace: Namespace,
}

impl Filler {
    /// Attaches them to interfaces of their own.
    pub fn new() -> Result<Self, String> {
        let (pins, namespace) = (Pins::new(), Namespace::new()?);
        let hook = "filler";
        let object = compiled(&format!("hook xdp {hook} {{\n    default pass\n}}\n"))?;
        namespace.within(|| {
            for number in 0..PROGRAMS {
                let (iface, peer) = (format!("d{number}"), format!("e{number}"));
                run("ip", &["link", "add", &iface, "type", "veth", "peer", "name", &peer])?;
                let targets = [HookTarget { hook: hook.to_owned(), iface: iface.clone() }];
                let stop = AtomicBool::new(false);
                let request = LoadRequest {
                    policy: &iface,
                    object: &object,
                    targets: &targets,
                    mode: XdpChoice::Generic,
                    replace: false,
                    replace_foreign: false,
                    stop: &stop,
                };
                pins.open()?.load(&request).map_err(|e| format!("{iface}: {e}"))?;
            }
            Ok::<_, String>(())
        })?;
        Ok(Self { _pins: pins, _namespace: namespace })
    }
}
