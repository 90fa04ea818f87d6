//! What users do, and what ran before and is to run after.

/// Interfaces of the machine under test.
pub const IFACES: [&str; 2] = ["b0", "b1"];

/// One of two versions of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    One,
    Two,
}

/// What runs on an interface: a version of a policy, or nothing.
pub type Runs = Option<(&'static str, Version)>;

/// What runs on each of the interfaces.
pub type Scene = [Runs; IFACES.len()];

/// What the user said, and what it is to do.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    /// Loads that make the old state: a version of a policy, on the first so many interfaces.
    pub setup: &'static [(&'static str, Version, usize)],
    /// After that another command is killed, at the last of its calls that begins so.
    pub interrupted: Option<(&'static [&'static str], &'static str)>,
    pub command: &'static [&'static str],
    pub before: Scene,
    pub after: Scene,
    /// After an error either all is as it was, or the next command brings it to its end: what is to be
    /// taken off is not put on again.
    pub goes_onward: bool,
}

const ONE: Runs = Some(("p", Version::One));
const TWO: Runs = Some(("p", Version::Two));
const OTHER: Runs = Some(("q", Version::One));

const LOAD_ON_BOTH: &[&str] = &["load", "two.l4", "--policy", "p", "--iface", "b0", "b1"];

const BASE: Scenario = Scenario {
    name: "",
    setup: &[("p", Version::One, 1)],
    interrupted: None,
    command: &["load", "two.l4", "--policy", "p", "--iface", "b0"],
    before: [ONE, None],
    after: [TWO, None],
    goes_onward: false,
};

const ON_BOTH: Scenario =
    Scenario { setup: &[("p", Version::One, 2)], before: [ONE, ONE], after: [TWO, TWO], ..BASE };

const OVER_OTHER: Scenario = Scenario {
    setup: &[("q", Version::One, 1)],
    command: &["load", "two.l4", "--policy", "p", "--replace", "--iface", "b0"],
    before: [OTHER, None],
    ..BASE
};

/// All that is tried.
pub const SCENARIOS: [Scenario; 15] = [
    Scenario { name: "first load", setup: &[], before: [None, None], ..BASE },
    Scenario { name: "replacement", ..BASE },
    Scenario {
        name: "replacement, interface added",
        command: LOAD_ON_BOTH,
        after: [TWO, TWO],
        ..BASE
    },
    Scenario { name: "replacement on two interfaces", ..ON_BOTH },
    Scenario {
        name: "rollback",
        setup: &[("p", Version::One, 2), ("p", Version::Two, 2)],
        command: &["rollback"],
        before: [TWO, TWO],
        after: [ONE, ONE],
        ..BASE
    },
    Scenario { name: "load over another policy", ..OVER_OTHER },
    Scenario {
        name: "load over half of another policy",
        setup: &[("q", Version::One, 2)],
        before: [OTHER, OTHER],
        after: [TWO, OTHER],
        ..OVER_OTHER
    },
    Scenario {
        name: "unload of one interface",
        command: &["unload", "--iface", "b0"],
        after: [None, ONE],
        goes_onward: true,
        ..ON_BOTH
    },
    Scenario {
        name: "unload of the policy",
        command: &["unload", "--policy", "p"],
        after: [None, None],
        goes_onward: true,
        ..ON_BOTH
    },
    Scenario { name: "status", command: &["status"], after: [ONE, ONE], ..ON_BOTH },
    Scenario {
        name: "status after half a replacement",
        interrupted: Some((LOAD_ON_BOTH, "bpf(BPF_LINK_UPDATE")),
        command: &["status"],
        after: [ONE, ONE],
        ..ON_BOTH
    },
    Scenario {
        name: "status after most of it",
        interrupted: Some((LOAD_ON_BOTH, "rename")),
        command: &["status"],
        ..ON_BOTH
    },
    Scenario {
        name: "status after half a first load",
        setup: &[],
        interrupted: Some((LOAD_ON_BOTH, "bpf(BPF_LINK_CREATE")),
        command: &["status"],
        before: [None, None],
        after: [None, None],
        ..BASE
    },
    Scenario {
        name: "status after half a takeover",
        setup: &[("q", Version::One, 2)],
        interrupted: Some((
            &["load", "two.l4", "--policy", "p", "--replace", "--iface", "b0", "b1"],
            "bpf(BPF_LINK_UPDATE",
        )),
        command: &["status"],
        before: [OTHER, OTHER],
        after: [OTHER, OTHER],
        ..BASE
    },
    Scenario {
        name: "status after half an unload",
        interrupted: Some((&["unload", "--policy", "p"], "bpf(BPF_LINK_DETACH")),
        command: &["status"],
        after: [None, None],
        ..ON_BOTH
    },
];
