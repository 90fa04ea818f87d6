//! A place for policies, and commands on it.

use l4c_runtime::Object;
use l4c_runtime::net::XdpMode;
use l4c_runtime::policy::{
    Healed, HookTarget, Listener, LoadRequest, Loaded, Locked, PolicyError, Row, SampleRequest,
    State, Unload, XdpChoice,
};
use l4c_verifier_tests::matrix::judge::in_full;
use l4c_verifier_tests::matrix::wire::HOOK;
use l4c_verifier_tests::wire::{Counts, Lab, counts, until};
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const POLICY: &str = "edge-rules";

/// How long the kernel may take to free what nobody holds any more.
const FREED_WITHIN: Duration = Duration::from_secs(5);

/// Where a policy is loaded and how.
#[derive(Debug)]
pub struct Site<'l> {
    /// The interfaces.
    pub lab: &'l Lab,
    /// How programs run there.
    pub mode: XdpMode,
    choice: XdpChoice,
}

impl<'l> Site<'l> {
    /// On the receiver's interfaces.
    pub fn new(lab: &'l Lab, choice: XdpChoice, mode: XdpMode) -> Self {
        Self { lab, mode, choice }
    }

    /// The interface that packets arrive at.
    pub fn iface(&self) -> &'l str {
        &self.lab.veths[0].receiver_iface
    }

    /// One that is there, too.
    pub fn other_iface(&self) -> &'l str {
        &self.lab.veths[1].receiver_iface
    }

    /// Something in the policy's folder.
    pub fn pin(&self, name: &str) -> PathBuf {
        self.lab.pins.policy(POLICY).join(name)
    }

    /// Loads the policy, over itself if it is loaded.
    pub fn load(&self, object: &Object, ifaces: &[&str]) -> Result<Loaded, String> {
        let target =
            |iface: &&str| HookTarget { hook: HOOK.to_owned(), iface: (*iface).to_owned() };
        let targets: Vec<HookTarget> = ifaces.iter().map(target).collect();
        let request = LoadRequest {
            policy: POLICY,
            object,
            targets: &targets,
            mode: self.choice,
            replace: false,
            replace_foreign: false,
            stop: &AtomicBool::new(false),
        };
        self.opened(|locked| locked.load(&request))
    }

    /// Lets the version before run again.
    pub fn roll_back(&self) -> Result<Loaded, String> {
        self.opened(|locked| locked.rollback(POLICY))
    }

    /// Takes the policy off.
    pub fn unload(&self) -> Result<Vec<Row>, String> {
        let what = Unload::Policy { name: Some(POLICY), ifaces: &[] };
        let (rows, errors) = self.opened(|locked| locked.unload(what))?;
        errors.first().map_or(Ok(rows), |error| Err(words(error)))
    }

    /// Listens to its samples.
    pub fn listen(&self) -> Result<Listener, String> {
        self.lab.receiver.within(|| {
            let listener = self.lab.pins.open()?.listen(SampleRequest::default());
            listener.map_err(|e| words(&e))
        })
    }

    /// What its hook counted.
    pub fn counts(&self) -> Result<Counts, String> {
        self.lab.receiver.within(|| counts(&self.lab.pins.open()?, POLICY, HOOK))
    }

    /// Opens the pin folder, which has something to put in order; tells what was done.
    pub fn healed(&self) -> Result<Vec<Healed>, String> {
        self.lab.receiver.within(|| Ok(self.lab.pins.open()?.healed))
    }

    /// The policy runs on the interface, and nowhere else: this program, in the mode of this site.
    pub fn runs(&self, prog_id: u32) -> Result<(), String> {
        let rows = self.opened(Locked::rows)?;
        let rows: Vec<_> =
            rows.iter().map(|r| (r.target.as_str(), r.state, r.mode, r.prog_id)).collect();
        let want = vec![(self.iface(), State::Attached, Some(self.mode), prog_id)];
        equal("status", &rows, &want)?;
        let shown = self.lab.interface(self.iface())?;
        // As iproute2 calls them.
        let flavour = match self.mode {
            XdpMode::Native => 1,
            XdpMode::Generic => 2,
            XdpMode::Offloaded => 3,
        };
        equal("mode, as `ip` says", &shown["xdp"]["mode"].as_u64(), &Some(flavour))?;
        let id = shown["xdp"]["prog"]["id"].as_u64();
        equal("program, as `ip` says", &id, &Some(u64::from(prog_id)))
    }

    /// Nothing is on the interfaces and nothing in the pin folder.
    pub fn is_bare(&self) -> Result<(), String> {
        for iface in [self.iface(), self.other_iface()] {
            self.until_bare(iface)?;
        }
        let pins = self.lab.pins.path();
        let left = pins.read_dir().map_err(|e| format!("{}: {e}", pins.display()))?;
        let left: Vec<_> = left.flatten().map(|entry| entry.file_name()).collect();
        equal("pins", &left, &Vec::new())
    }

    /// Waits until no program is on an interface: a link may go some time after its last holder.
    pub fn until_bare(&self, iface: &str) -> Result<(), String> {
        until(FREED_WITHIN, || {
            let id = self.lab.xdp_id(iface)?;
            Ok(id.map(|id| format!("{iface} runs program {id}")))
        })
    }

    /// Does something with the pin folder, as one command does.
    fn opened<T: Send>(
        &self,
        work: impl FnOnce(&Locked) -> Result<T, PolicyError> + Send,
    ) -> Result<T, String> {
        self.lab.receiver.within(|| {
            let locked = self.lab.pins.open()?;
            equal("what had to be put in order", &locked.healed, &Vec::new())?;
            work(&locked).map_err(|e| words(&e))
        })
    }
}

/// An error with what is known of it.
fn words(error: &PolicyError) -> String {
    let help = match error {
        PolicyError::Kernel(error) => return in_full(error),
        PolicyError::Usage { help, .. } | PolicyError::System { help, .. } => help.as_deref(),
    };
    format!("{error} {}", help.unwrap_or_default())
}

/// Complains of a difference.
pub fn equal<T: PartialEq + Debug>(what: &str, is: &T, want: &T) -> Result<(), String> {
    if is == want { Ok(()) } else { Err(format!("{what}: is {is:?}, not {want:?}")) }
}
