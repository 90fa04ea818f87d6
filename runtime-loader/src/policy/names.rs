//! Names in the pin folder. bpffs refuses a dot in them, and ours have a hyphen where a hook's name has
//! none.

use super::PolicyError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Link to the generation that runs.
pub const CURRENT: &str = "cur-gen";
/// What becomes [`CURRENT`] by renaming.
pub const NEXT: &str = "cur-new";
/// What [`CURRENT`] becomes when the policy is to be taken off.
pub const ENDED: &str = "end-gen";
/// A generation's record.
pub const INFO: &str = "info";
/// A generation's maps that outlive it.
pub const MAPS: &str = "maps-kept";
/// Among those maps, what its programs are told of their limits.
pub const PARAMS: &str = "limit-params";
/// A hook's program.
pub const PROGRAM: &str = "prog";
/// A hook's counters.
pub const COUNTERS: &str = "counters";
/// A hook's map of perf rings, if its rules sample.
pub const SAMPLES: &str = "samples";
/// The counters of the generation before.
pub const BEFORE: &str = "before";

/// Longest name of a policy, in bytes.
const MAX_POLICY_BYTES: usize = 64;

/// Can a policy be called so?
///
/// # Errors
/// With what names look like.
pub fn check_name(policy: &str) -> Result<(), PolicyError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !policy.is_empty() && policy.len() <= MAX_POLICY_BYTES && policy.bytes().all(fits) {
        return Ok(());
    }
    let message = format!("`{policy}` can't be the name of a policy");
    Err(PolicyError::usage(message).help(format!(
        "`--policy NAME` gives it one: letters, digits, `-` and `_`, at most {MAX_POLICY_BYTES}; the pin \
         folder takes no dots"
    )))
}

/// Folder of a generation.
pub fn generation(number: u64) -> String {
    format!("gen-{number}")
}

/// The number of a generation's folder.
pub fn generation_number(name: &str) -> Option<u64> {
    name.strip_prefix("gen-")?.parse().ok()
}

/// Where a link holds a program, as its pin is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct LinkName {
    /// The interface, in its network namespace.
    pub ifindex: u32,
    /// The network namespace.
    pub netns: u64,
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link-xdp-{}-{}", self.ifindex, self.netns)
    }
}

impl From<LinkName> for String {
    fn from(link: LinkName) -> Self {
        link.to_string()
    }
}

/// Not the name of a link's pin.
#[derive(Debug, PartialEq, Eq)]
pub struct NoLinkName;

impl fmt::Display for NoLinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the name of a link")
    }
}

impl TryFrom<String> for LinkName {
    type Error = NoLinkName;

    fn try_from(name: String) -> Result<Self, NoLinkName> {
        name.parse()
    }
}

impl FromStr for LinkName {
    type Err = NoLinkName;

    fn from_str(name: &str) -> Result<Self, NoLinkName> {
        let read = || {
            let (ifindex, netns) = name.strip_prefix("link-xdp-")?.split_once('-')?;
            Some(Self { ifindex: ifindex.parse().ok()?, netns: netns.parse().ok()? })
        };
        read().ok_or(NoLinkName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_have_names_that_the_pin_folder_takes() {
        for good in ["edge", "edge-v2", "_", "7"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a.b", "a/b", "ä", "a b", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        let link = LinkName { ifindex: 3, netns: 4_026_531_840 };
        assert_eq!(link.to_string(), "link-xdp-3-4026531840");
        assert_eq!(link.to_string().parse(), Ok(link));
        assert_eq!("link-xdp-3".parse::<LinkName>(), Err(NoLinkName));
        assert_eq!("edge".parse::<LinkName>(), Err(NoLinkName));
        assert_eq!(generation_number(&generation(7)), Some(7));
        assert_eq!(generation_number("gen-x"), None);
    }
}
