//! What a load is to do with each place, worked out before anything is changed.

use super::links::Link;
use super::load::{HookTarget, LoadRequest, Plan};
use super::names::{LinkName, check_name};
use super::record::{Step, Target};
use super::status::Foreign;
use super::{Locked, PolicyError};
use l4c_manifest::HookKind;

/// Name of the program that libxdp puts in front of several: replacing it would take all of them off.
const DISPATCHER: &str = "xdp_dispatcher";

impl Locked {
    pub(super) fn plan(&self, request: &LoadRequest<'_>) -> Result<Plan, PolicyError> {
        check_name(request.policy)?;
        self.healthy(request.policy)?;
        let dir = self.policy(request.policy);
        let current = match dir.current()? {
            Some(number) => Some((number, dir.record(number)?)),
            None => None,
        };
        let mut plan = Plan {
            dir,
            current,
            targets: Vec::new(),
            gone: Vec::new(),
            foreign: Vec::new(),
            mode: request.mode,
        };
        let asked = self.asked(request)?;
        self.own_links(request, &asked, &mut plan)?;
        for (link, target) in asked {
            if plan.targets.iter().any(|t| t.link == link) {
                continue;
            }
            let step = self.free(request, &mut plan, link, &target.iface)?;
            plan.targets.push(Target { link, hook: target.hook.clone(), step });
        }
        // What is likeliest to fail comes first: as long as no link of the policy has been updated, nothing that
        // its packets count is lost when all is taken back.
        plan.targets.sort_by_key(|target| match target.step {
            Step::New => 0,
            Step::Taken(_) => 1,
            Step::Own => 2,
        });
        Ok(plan)
    }

    /// The places that the user names.
    fn asked<'r>(
        &self,
        request: &LoadRequest<'r>,
    ) -> Result<Vec<(LinkName, &'r HookTarget)>, PolicyError> {
        let mut asked: Vec<(LinkName, &HookTarget)> = Vec::new();
        for target in request.targets {
            let hook = request.object.hook(&target.hook);
            if hook.is_none_or(|hook| hook.kind != HookKind::Xdp) {
                let message = format!("`{}` is no XDP hook of these rules", target.hook);
                return Err(PolicyError::usage(message));
            }
            let interface = self.known_interface(&target.iface)?;
            let link = LinkName { ifindex: interface.index, netns: self.netns };
            match asked.iter().find(|(other, _)| *other == link) {
                Some((_, other)) if other.hook != target.hook => {
                    let (a, b) = (&other.hook, &target.hook);
                    let message = format!("`{}` can't run both `{a}` and `{b}`", target.iface);
                    return Err(PolicyError::usage(message)
                        .help("`--hook NAME` says which of the hooks is meant"));
                }
                Some(_) => {}
                None => asked.push((link, target)),
            }
        }
        Ok(asked)
    }

    /// Where the policy runs it goes on running, with the hook of the same name if no other is asked for.
    fn own_links(
        &self,
        request: &LoadRequest<'_>,
        asked: &[(LinkName, &HookTarget)],
        plan: &mut Plan,
    ) -> Result<(), PolicyError> {
        for link in plan.dir.links()? {
            if Link::open(&plan.dir, link)?.gone {
                plan.gone.push(link);
                continue;
            }
            let named = asked.iter().find(|(at, _)| *at == link).map(|(_, t)| t.hook.as_str());
            if named.is_some() {
                plan.check_mode(self, &plan.dir, link)?;
            }
            let ran = plan.current.as_ref().and_then(|(_, record)| record.hook_at(link));
            let hook = named.or(ran).unwrap_or_default();
            if request.object.hook(hook).is_none() {
                let place = self.target(link);
                let message = format!(
                    "policy `{}` runs hook `{hook}` at {place}, and the new rules have no such hook",
                    request.policy
                );
                return Err(PolicyError::usage(message).help(format!(
                    "name the hook for it with `--iface {place}`, or unload it there"
                )));
            }
            plan.targets.push(Target { link, hook: hook.to_owned(), step: Step::Own });
        }
        Ok(())
    }

    /// Finds out whether a place may be had, and how.
    fn free(
        &self,
        request: &LoadRequest<'_>,
        plan: &mut Plan,
        link: LinkName,
        iface: &str,
    ) -> Result<Step, PolicyError> {
        for other in self.policies()? {
            if other == plan.dir || !other.links()?.contains(&link) {
                continue;
            }
            let opened = Link::open(&other, link)?;
            if opened.gone {
                continue;
            }
            if !request.replace {
                let mode = self.mode(link, opened.prog_id).map(|m| format!(", {}", m.name()));
                let message = format!(
                    "policy `{}` runs on {iface} (program {}{})",
                    other.name(),
                    opened.prog_id,
                    mode.unwrap_or_default()
                );
                return Err(PolicyError::system(message)
                    .help("`--replace` takes its place there in one step"));
            }
            self.healthy(other.name())?;
            plan.check_mode(self, &other, link)?;
            return Ok(Step::Taken(other.name().to_owned()));
        }
        let interface = self.known_interface(iface)?;
        for &(mode, prog_id) in &interface.xdp {
            let foreign = Foreign::look(iface, mode, prog_id);
            may_replace(&foreign, request.replace_foreign)?;
            plan.foreign.push((link, foreign));
        }
        Ok(Step::New)
    }
}

/// May a program that is not ours be taken off?
fn may_replace(foreign: &Foreign, asked: bool) -> Result<(), PolicyError> {
    let (iface, text) = (&foreign.target, foreign.text());
    let in_the_way = |why: &str| PolicyError::system(format!("{iface} runs {text}{why}"));
    match foreign.name.as_deref() {
        Some(DISPATCHER) => Err(in_the_way(": the dispatcher of libxdp, with programs behind it")
            .help("`xdp-loader status` shows them; l4c never replaces it")),
        Some(_) if asked => Ok(()),
        None if asked => Err(in_the_way(", and this process may not look at it").help(
            "`--replace-foreign` takes CAP_SYS_ADMIN: it never replaces libxdp's dispatcher",
        )),
        Some(_) | None => Err(in_the_way(", which is not of l4c")
            .help("`--replace-foreign` takes its place, with a short gap in between")),
    }
}
