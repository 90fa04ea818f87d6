//! Taking policies off.

use super::dir::PolicyDir;
use super::links;
use super::names::LinkName;
use super::root::{check_owner, stranger};
use super::{Locked, PolicyError, Row, State};

/// What is to be taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unload<'u> {
    /// Everything under the pin folder.
    All,
    /// A policy, from everywhere or from some interfaces.
    Policy {
        /// Its name; any policy if none is given.
        name: Option<&'u str>,
        /// Names of interfaces; everywhere if there are none.
        ifaces: &'u [String],
    },
}

impl Locked {
    /// Takes policies off. Tells what was taken off where, and what could not be: with [`Unload::All`] that
    /// is no reason to stop.
    ///
    /// # Errors
    /// When there is no such interface, or the pin folder can't be read.
    pub fn unload(&self, what: Unload<'_>) -> Result<(Vec<Row>, Vec<PolicyError>), PolicyError> {
        let mut rows = Vec::new();
        // What could not be put in order, if it is not taken off below, stays.
        let mut errors = match what {
            Unload::All => self.strangers()?,
            Unload::Policy { .. } => Vec::new(),
        };
        let (name, ifaces) = match what {
            Unload::All => (None, &[][..]),
            Unload::Policy { name, ifaces } => (name, ifaces),
        };
        let named = name.map(|name| self.policy(name));
        if let Some(dir) = named.filter(|dir| dir.path().symlink_metadata().is_ok()) {
            check_owner(dir.path())?;
        }
        let links = self.link_names(ifaces)?;
        for dir in self.policies()? {
            if name.is_some_and(|name| name != dir.name()) {
                continue;
            }
            let done = self.unload_policy(&dir, &links, &mut rows, &mut errors);
            errors.extend(done.err());
        }
        Ok((rows, errors))
    }

    /// What is in the pin folder and is no policy of ours.
    fn strangers(&self) -> Result<Vec<PolicyError>, PolicyError> {
        let entries = self.entries()?;
        let refused = entries.iter().map(|dir| stranger(dir.path()));
        Ok(refused.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Names of the links that hold programs to these interfaces.
    fn link_names(&self, ifaces: &[String]) -> Result<Vec<LinkName>, PolicyError> {
        let name = |iface: &String| {
            let interface = self.known_interface(iface)?;
            Ok(LinkName { ifindex: interface.index, netns: self.netns })
        };
        ifaces.iter().map(name).collect()
    }

    /// Takes a policy off some links, or off all if `only` is empty; one that can't be had is no reason to leave
    /// the others. When none is left, all of it goes.
    fn unload_policy(
        &self,
        dir: &PolicyDir,
        only: &[LinkName],
        rows: &mut Vec<Row>,
        errors: &mut Vec<PolicyError>,
    ) -> Result<(), PolicyError> {
        let links = dir.links()?;
        let is_meant = |link: &LinkName| only.is_empty() || only.contains(link);
        let (meant, rest): (Vec<LinkName>, Vec<LinkName>) = links.into_iter().partition(is_meant);
        if meant.is_empty() && !only.is_empty() {
            return Ok(());
        }
        let taken = self.rows_of(dir, &meant)?;
        if rest.is_empty() {
            dir.end()?;
        }
        let errors_before = errors.len();
        for (link, row) in taken {
            match links::take_off(dir, link) {
                Ok(()) => rows.push(Row { state: State::Detached, ..row }),
                Err(error) => errors.push(error),
            }
        }
        if rest.is_empty() && errors.len() == errors_before { dir.remove() } else { Ok(()) }
    }
}
