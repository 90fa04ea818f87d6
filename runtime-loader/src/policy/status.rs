//! What is attached where.

use super::dir::PolicyDir;
use super::heal::prog_id;
use super::links::Link;
use super::names::LinkName;
use super::{Locked, PolicyError};
use crate::net::{Interface, XdpMode};
use crate::sys;
use l4c_manifest::HookKind;
use std::os::fd::AsFd as _;
use std::time::SystemTime;

/// A hook at one of its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The policy.
    pub policy: String,
    /// The hook.
    pub hook: String,
    /// Its kind.
    pub kind: HookKind,
    /// The interface, by name where it is in this network namespace.
    pub target: String,
    /// How the driver runs it, as far as that can be seen from this network namespace.
    pub mode: Option<XdpMode>,
    /// The kernel's number for the program.
    pub prog_id: u32,
    /// What is with it.
    pub state: State,
    /// The verdicts are only counted.
    pub shadow: bool,
    /// When its counters began.
    pub since: Option<SystemTime>,
}

/// What is, was or would be done with a hook at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs there.
    Attached,
    /// It runs there in the place of another version or policy.
    Replaced,
    /// It has been taken off.
    Detached,
    /// The interface is not there any more.
    Gone,
    /// Something else runs there than was put there.
    Altered,
    /// It would be attached.
    WouldAttach,
    /// It would replace what runs there.
    WouldReplace,
}

impl State {
    /// As reports have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Replaced => "replaced",
            Self::Detached => "detached",
            Self::Gone => "gone",
            Self::Altered => "altered",
            Self::WouldAttach => "would attach",
            Self::WouldReplace => "would replace",
        }
    }
}

/// An XDP program that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The interface.
    pub target: String,
    /// How the driver runs it.
    pub mode: XdpMode,
    /// The kernel's number for it.
    pub prog_id: u32,
    /// Its name; none where this process may not look (that takes CAP_SYS_ADMIN).
    pub name: Option<String>,
}

impl Locked {
    /// Every loaded hook at each of its places.
    ///
    /// # Errors
    /// When the pin folder can't be read.
    pub fn rows(&self) -> Result<Vec<Row>, PolicyError> {
        let mut rows = Vec::new();
        for dir in self.policies()? {
            rows.extend(self.rows_of(&dir, &dir.links()?)?.into_iter().map(|(_, row)| row));
        }
        Ok(rows)
    }

    /// The same for some links of a policy.
    pub(crate) fn rows_of(
        &self,
        dir: &PolicyDir,
        links: &[LinkName],
    ) -> Result<Vec<(LinkName, Row)>, PolicyError> {
        let current = dir.current()?;
        let record = current.and_then(|current| dir.record(current).ok());
        let row = |&link: &LinkName| {
            let hook = record.as_ref().and_then(|record| record.hook(record.hook_at(link)?));
            let opened = Link::open(dir, link);
            let runs = opened.as_ref().map_or(0, |link| link.prog_id);
            let meant = current
                .zip(hook)
                .map(|(number, hook)| prog_id(dir, number, &hook.hook.name).unwrap_or_default());
            let state = match &opened {
                Ok(opened) if opened.gone && self.interface_at(link).is_some() => State::Detached,
                Ok(opened) if opened.gone => State::Gone,
                Ok(_) if meant == Some(runs) => State::Attached,
                Ok(_) | Err(_) => State::Altered,
            };
            let row = Row {
                policy: dir.name().to_owned(),
                hook: hook.map(|hook| hook.hook.name.clone()).unwrap_or_default(),
                kind: hook.map_or(HookKind::Xdp, |hook| hook.hook.kind),
                target: self.target(link),
                mode: self.mode(link, runs),
                prog_id: runs,
                state,
                shadow: hook.is_some_and(|hook| hook.hook.shadow),
                since: hook.map(super::record::HookRecord::since),
            };
            (link, row)
        };
        Ok(links.iter().map(row).collect())
    }

    fn interface_at(&self, link: LinkName) -> Option<&Interface> {
        let here = link.netns == self.netns;
        self.interfaces.iter().find(|i| here && i.index == link.ifindex)
    }

    /// How users know the place of a link.
    pub(crate) fn target(&self, link: LinkName) -> String {
        match self.interface_at(link) {
            Some(interface) => interface.name.clone(),
            None if link.netns == self.netns => format!("interface {}", link.ifindex),
            None => format!("interface {} of network namespace {}", link.ifindex, link.netns),
        }
    }

    /// How a program is run at a link.
    pub(crate) fn mode(&self, link: LinkName, prog_id: u32) -> Option<XdpMode> {
        let at = self.interface_at(link)?;
        at.xdp.iter().find(|(_, id)| *id == prog_id).map(|(mode, _)| *mode)
    }

    /// How whatever is at a link's interface is run.
    pub(crate) fn interface_mode(&self, link: LinkName) -> Option<XdpMode> {
        self.interface_at(link)?.xdp.first().map(|(mode, _)| *mode)
    }

    /// An interface that the user named.
    pub(crate) fn known_interface(&self, name: &str) -> Result<&Interface, PolicyError> {
        self.interface(name).ok_or_else(|| {
            let names: Vec<&str> = self.interfaces.iter().map(|i| i.name.as_str()).collect();
            PolicyError::system(format!("there is no interface `{name}` here"))
                .help(format!("this network namespace has {}", names.join(", ")))
        })
    }

    /// XDP programs of this network namespace that no policy under the pin folder put there.
    ///
    /// # Errors
    /// When the pin folder can't be read.
    pub fn foreign(&self) -> Result<Vec<Foreign>, PolicyError> {
        let mut ours = Vec::new();
        for dir in self.policies()? {
            for link in dir.links()? {
                ours.extend(Link::open(&dir, link).map(|opened| (link, opened.prog_id)));
            }
        }
        let is_ours = |index: u32, id: u32| {
            ours.contains(&(LinkName { ifindex: index, netns: self.netns }, id))
        };
        let all = self.interfaces.iter().flat_map(|i| i.xdp.iter().map(move |&(m, id)| (i, m, id)));
        let foreign = all.filter(|(interface, _, id)| !is_ours(interface.index, *id));
        Ok(foreign.map(|(i, mode, id)| Foreign::look(&i.name, mode, id)).collect())
    }
}

impl Foreign {
    pub(crate) fn look(target: &str, mode: XdpMode, prog_id: u32) -> Self {
        let name = sys::prog_by_id(prog_id).and_then(|prog| sys::prog_info(prog.as_fd()));
        let name = name.map(|info| info.name);
        Self { target: target.to_owned(), mode, prog_id, name: name.ok() }
    }

    /// `program 17 (xdp_pass, native)`
    pub(crate) fn text(&self) -> String {
        let name = self.name.as_deref().map(|name| format!("`{name}`, ")).unwrap_or_default();
        format!("program {} ({name}{})", self.prog_id, self.mode.name())
    }
}
