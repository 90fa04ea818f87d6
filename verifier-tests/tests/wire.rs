//! Policies on interfaces, judged by real packets: what arrives and what is counted is known to the packet
//! and to the byte.

#[path = "wire/answers.rs"]
mod answers;
#[path = "wire/capture.rs"]
mod capture;
#[path = "wire/changing.rs"]
mod changing;
#[path = "wire/foreign.rs"]
mod foreign;
#[path = "wire/kept.rs"]
mod kept;
#[path = "wire/limited.rs"]
mod limited;
#[path = "wire/pcapng.rs"]
mod pcapng;
#[path = "wire/places.rs"]
mod places;
#[path = "wire/replacing.rs"]
mod replacing;
#[path = "wire/rollback.rs"]
mod rollback;
#[path = "wire/survive.rs"]
mod survive;
#[path = "wire/traffic.rs"]
mod traffic;

use l4c_runtime::policy::{
    HookTarget, LoadRequest, Loaded, Locked, PolicyError, Row, State, Unload, XdpChoice,
};
use l4c_runtime::{Counter, Object};
use l4c_verifier_tests::or_skip;
use l4c_verifier_tests::wire::{
    Counts, FRAME_BYTES, Lab, Line, Pins, SYNC_BYTES, available, counts, ipv4, numbered, udp, until,
};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The hook of every policy here.
const HOOK: &str = "edge";

/// How long the kernel may take to free what nobody holds any more.
const FREED_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of data of [`send`]'s packets.
const DATA_BYTES: u16 = 22;

/// Bytes of [`send`]'s packets, as a hook counts them.
const PACKET_BYTES: u64 = FRAME_BYTES + 28 + DATA_BYTES as u64;

/// Runs a test between `veths` veth pairs, where that can be done.
fn on_wire(veths: u8, test: impl FnOnce(&Lab) -> Result<(), String>) {
    let ready = or_skip(available()).unwrap_or_else(|why| panic!("{why}"));
    if ready.is_some() {
        let lab = Lab::new(veths).unwrap_or_else(|why| panic!("{why}"));
        test(&lab).unwrap_or_else(|why| panic!("{why}"));
    }
}

/// What [`Ask`] asks for.
type Command = fn(&Locked, &LoadRequest<'_>) -> Result<Loaded, PolicyError>;

/// A load as a user asks for it.
#[derive(Clone, Copy)]
struct Ask<'a> {
    policy: &'a str,
    object: &'a Object,
    ifaces: &'a [&'a str],
    mode: XdpChoice,
    replace: bool,
    replace_foreign: bool,
}

impl<'a> Ask<'a> {
    fn new(policy: &'a str, object: &'a Object, ifaces: &'a [&'a str]) -> Self {
        let (mode, replace, replace_foreign) = (XdpChoice::Auto, false, false);
        Self { policy, object, ifaces, mode, replace, replace_foreign }
    }

    fn load(self, lab: &Lab) -> Result<Loaded, String> {
        self.load_into(lab, &lab.pins)
    }

    fn load_into(self, lab: &Lab, pins: &Pins) -> Result<Loaded, String> {
        self.done(lab, pins, Locked::load)
    }

    fn check(self, lab: &Lab) -> Result<Loaded, String> {
        self.done(lab, &lab.pins, Locked::check)
    }

    fn done(self, lab: &Lab, pins: &Pins, command: Command) -> Result<Loaded, String> {
        let hook = &self.object.manifest().hooks[0].name;
        let target = |iface: &&str| HookTarget { hook: hook.clone(), iface: (*iface).to_owned() };
        let targets: Vec<HookTarget> = self.ifaces.iter().map(target).collect();
        let Self { policy, object, mode, replace, replace_foreign, .. } = self;
        let request = LoadRequest {
            policy,
            object,
            targets: &targets,
            mode,
            replace,
            replace_foreign,
            stop: &AtomicBool::new(false),
        };
        opened_in(lab, pins, |locked| command(locked, &request).map_err(|e| words(&e)))
    }

    /// The words of a refusal.
    fn refusal(self, lab: &Lab) -> Result<String, String> {
        match self.load(lab) {
            Ok(loaded) => Err(format!("it is loaded: {:?}", loaded.rows)),
            Err(why) => Ok(why),
        }
    }
}

/// An error as users see it.
fn words(error: &PolicyError) -> String {
    let help = match error {
        PolicyError::Kernel(_) => None,
        PolicyError::Usage { help, .. } | PolicyError::System { help, .. } => help.as_deref(),
    };
    format!("{error}\n{}", help.unwrap_or_default())
}

/// Does something with the pin folder, as one command does.
fn opened<T: Send>(
    lab: &Lab,
    work: impl FnOnce(&Locked) -> Result<T, String> + Send,
) -> Result<T, String> {
    opened_in(lab, &lab.pins, work)
}

fn opened_in<T: Send>(
    lab: &Lab,
    pins: &Pins,
    work: impl FnOnce(&Locked) -> Result<T, String> + Send,
) -> Result<T, String> {
    lab.receiver.within(|| {
        let locked = pins.open()?;
        if let Some(healed) = locked.healed.first() {
            return Err(format!("there was something to put in order: {healed:?}"));
        }
        work(&locked)
    })
}

fn rows(lab: &Lab) -> Result<Vec<Row>, String> {
    opened(lab, |locked| locked.rows().map_err(|e| words(&e)))
}

/// Place and state of each row.
fn states(rows: &[Row]) -> Vec<(&str, State)> {
    rows.iter().map(|row| (row.target.as_str(), row.state)).collect()
}

fn unload(lab: &Lab, what: Unload<'_>) -> Result<Vec<Row>, String> {
    opened(lab, |locked| {
        let (rows, errors) = locked.unload(what).map_err(|e| words(&e))?;
        if errors.is_empty() { Ok(rows) } else { Err(format!("{errors:?}")) }
    })
}

fn counted(lab: &Lab, policy: &str) -> Result<Counts, String> {
    opened(lab, |locked| counts(locked, policy, HOOK))
}

/// Compares all counters of a policy with what they must be.
fn expect_counts(lab: &Lab, policy: &str, want: &[(&str, u64, u64)]) -> Result<(), String> {
    let counter = |packets, bytes| Counter { packets, bytes };
    let want: Counts =
        want.iter().map(|&(name, p, bytes)| (name.to_owned(), counter(p, bytes))).collect();
    equal("counters", &counted(lab, policy)?, &want)
}

fn equal<T: PartialEq + std::fmt::Debug + ?Sized>(
    what: &str,
    is: &T,
    want: &T,
) -> Result<(), String> {
    if is == want { Ok(()) } else { Err(format!("{what}:\n   is {is:?}\n want {want:?}")) }
}

/// Sends `count` packets to a UDP port and tells how many arrived.
fn send(line: &mut Line, lab: &Lab, veth: usize, port: u16, count: u32) -> Result<usize, String> {
    let ends = &lab.veths[veth];
    let before = line.received.len();
    for number in 0..count {
        let data = numbered(usize::from(DATA_BYTES), number);
        line.send(&ipv4(ends.sender, ends.receiver, 17, &udp(4000, port, &data)))?;
    }
    line.sync()?;
    Ok(line.received.len() - before)
}

/// What the rule for the packets of [`Line::sync`] counted.
fn synced(line: &Line) -> (&'static str, u64, u64) {
    ("sync", line.syncs, line.syncs * SYNC_BYTES)
}

/// Packets of [`send`], as one counter.
const fn sent(rule: &str, packets: u64) -> (&str, u64, u64) {
    (rule, packets, packets * PACKET_BYTES)
}

/// Waits until no program is on an interface.
fn until_bare(lab: &Lab, iface: &str) -> Result<(), String> {
    until(FREED_WITHIN, || Ok(lab.xdp_id(iface)?.map(|id| format!("{iface} runs program {id}"))))
}
