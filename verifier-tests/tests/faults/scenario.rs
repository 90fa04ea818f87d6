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
    /// After that `l4c load` of the second version on both interfaces is killed when it has updated the first,
    /// so that each of them runs another version.
    pub is_interrupted: bool,
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

const BASE: Scenario = Scenario {
    name: "",
    setup: &[("p", Version::One, 1)],
    is_interrupted: false,
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
pub const SCENARIOS: [Scenario; 11] = [
    Scenario { name: "first load", setup: &[], before: [None, None], ..BASE },
    Scenario { name: "replacement", ..BASE },
    Scenario {
        name: "replacement, interface added",
        command: &["load", "two.l4", "--policy", "p", "--iface", "b0", "b1"],
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
        name: "status after an interruption",
        is_interrupted: true,
        command: &["status"],
        after: [ONE, ONE],
        ..ON_BOTH
    },
];
