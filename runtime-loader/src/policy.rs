//! Policies in the kernel: loaded, attached, found again by a later process, replaced, taken off.
//!
//! All state is in bpffs, under `DIR/POLICY`:
//!
//! ```text
//! cur-gen -> gen-7            the generation that runs
//! edge -> cur-gen/edge        one a hook: `edge/prog` is the program to attach by other means
//! gen-7/info                  what it is: a frozen map that holds a `Record`; pinned last
//! gen-7/edge/prog             a hook's program
//! gen-7/edge/counters         its counters
//! gen-7/edge/samples          where its samples go, if it has any: a perf ring for each CPU
//! gen-7/edge/before           the counters of the generation before, whose packets count on
//! gen-7/maps-kept/NAME        what outlives a replacement
//! gen-7/maps-kept/limit-params  what programs are told of their limits and sets
//! gen-6/...                   the generation before, for rollback
//! link-xdp-3-4026531840       what holds the program to interface 3 of that network namespace
//! ```
//!
//! A generation is made whole first; then every link is updated, which is one step for each link; then
//! `cur-gen` is renamed. Whoever comes next finds out how far an interrupted command came: where every
//! link runs the new generation it is finished, where not, the old one is put back. A name with a hyphen
//! can't be the name of a hook, so that nothing here gets in a hook's way.

mod counts;
mod dir;
mod error;
mod heal;
mod limits;
mod links;
mod load;
mod names;
mod plan;
mod record;
mod rollback;
mod root;
mod samples;
mod sets;
mod stage;
mod stats;
mod status;
mod tap;
mod unload;

pub use error::PolicyError;
pub use heal::Healed;
pub use limits::{Bucket, LoadedLimit};
pub use load::{HookTarget, LoadRequest, Loaded, XdpChoice};
pub use names::check_name;
pub use root::{Locked, Root};
pub use samples::{Listener, Sample, SampleRequest};
pub use sets::{Changed, Element, LoadedSet, Origin};
pub use stats::{HookStats, LimitStats, SetStats};
pub use status::{Foreign, Row, State};
pub use unload::Unload;
