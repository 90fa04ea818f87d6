//! `l4c load FILE`

use super::{judging, pinned};
use crate::args::{LoadArgs, Mode};
use crate::exit::{Exit, Failure};
use crate::progress::Spinner;
use crate::rules::{self, Place, Rules};
use crate::ui::Ui;
use l4c_compiler::pipeline::{CompileError, Options};
use l4c_compiler::report::asks_for_tags;
use l4c_manifest::HookKind;
use l4c_runtime::Object;
use l4c_runtime::net::takes_tags_out;
use l4c_runtime::policy::{HookTarget, LoadRequest, XdpChoice, check_name};

/// What takes the time of a large load.
const VERIFYING: &str = "the kernel verifies the program";

/// Compiles, lets the kernel verify, attaches.
pub fn run(args: &LoadArgs, ui: &mut Ui) -> Result<Exit, Failure> {
    for (flag, given) in [("--socket", args.socket.is_some()), ("--cgroup", args.cgroup.is_some())]
    {
        if given {
            return Err(Failure::later(flag));
        }
    }
    let place = Place::of(&args.rules);
    let policy = policy_name(args, &place);
    check_name(&policy).map_err(|e| pinned::refused(ui, None, e))?;
    let rules = rules::read(ui, &place, &args.rules.ways)?;
    let targets = targets(args, ui, &rules)?;

    warn_of_tags(ui, &rules, &targets);
    let compiling = Spinner::new(!ui.quiet, "compiling");
    let options = Options { shadow: args.shadow, ..super::compile::optimized() };
    let compiled = judging::compile(ui, &rules, options)?;
    let object = Object::parse(&compiled.elf);
    let object =
        object.map_err(|e| judging::refused(ui, &rules, CompileError::Bug(e.to_string())))?;
    drop(compiling);
    let calm = pinned::Uninterrupted::new();
    let request = LoadRequest {
        policy: &policy,
        object: &object,
        targets: &targets,
        mode: match args.xdp_mode {
            Mode::Auto => XdpChoice::Auto,
            Mode::Native => XdpChoice::Native,
            Mode::Generic => XdpChoice::Generic,
        },
        replace: args.replace,
        replace_foreign: args.replace_foreign,
        stop: &calm.asked,
    };
    let done = if args.dry_run {
        let locked = pinned::look(ui, &args.pin)?;
        let _waiting = Spinner::new(!ui.quiet, VERIFYING);
        locked.check(&request)
    } else {
        let locked = pinned::open(ui, &args.pin)?;
        let _waiting = Spinner::new(!ui.quiet, VERIFYING);
        locked.load(&request)
    };
    drop(calm);
    let done = done.map_err(|e| pinned::refused(ui, Some(&rules.sources), e))?;
    pinned::print(ui, &done.rows, &[]);
    for note in &done.notes {
        ui.note(note);
    }
    if !done.anew.is_empty() {
        ui.note(&format!("counts from zero: {}", done.anew.join(", ")));
    }
    if args.dry_run {
        ui.note("dry run: the kernel takes the programs, and nothing was changed");
    }
    Ok(Exit::Done)
}

/// Rules that ask for VLAN tags find none where the interface takes them out.
fn warn_of_tags(ui: &mut Ui, rules: &Rules, targets: &[HookTarget]) {
    for HookTarget { hook, iface } in targets {
        let id = rules.policy.hooks.iter().find(|(_, h)| h.name == *hook).map(|(id, _)| id);
        let asking = id.map(|id| asks_for_tags(&rules.policy, id)).unwrap_or_default();
        if !asking.is_empty() && takes_tags_out(iface).is_ok_and(|out| out) {
            ui.note(&format!(
                "{iface} takes VLAN tags out of the frames before {} sees them, so there are none for {}; \
                 `ethtool -K {iface} rxvlan off` leaves them in",
                hook,
                asking.join(", ")
            ));
        }
    }
}

/// What the policy is called.
fn policy_name(args: &LoadArgs, place: &Place) -> String {
    match (&args.policy, place) {
        (Some(name), _) => name.clone(),
        (None, Place::File(path)) => {
            path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
        }
        (None, Place::Stdin) => "stdin".to_owned(),
        (None, Place::Body(_)) => "cmdline".to_owned(),
    }
}

/// Which hook goes where. Hooks that stay off are named.
fn targets(args: &LoadArgs, ui: &mut Ui, rules: &Rules) -> Result<Vec<HookTarget>, Failure> {
    let hooks: Vec<(&str, HookKind)> =
        rules.policy.hooks.values().map(|h| (h.name.as_str(), h.kind)).collect();
    let names = hooks.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    if let Some(name) = &args.hook {
        match hooks.iter().find(|(hook, _)| hook == name) {
            None => {
                return Err(Failure::usage(format!("there is no hook `{name}`"))
                    .help(format!("the hooks are: {names}")));
            }
            Some((_, HookKind::Xdp)) => {}
            Some((_, kind)) => {
                return Err(Failure::later(&format!("l4c load of {} hooks", kind.name())));
            }
        }
    }
    let is_meant = |name: &str| args.hook.as_ref().is_none_or(|hook| hook == name);
    let xdp = hooks.iter().filter(|(name, kind)| *kind == HookKind::Xdp && is_meant(name));
    let xdp: Vec<&str> = xdp.map(|(name, _)| *name).collect();
    if args.iface.is_empty() {
        let what = args
            .hook
            .as_ref()
            .map_or("nothing to attach".to_owned(), |hook| format!("hook `{hook}` has no target"));
        return Err(Failure::usage(what).help("say where: `--iface IF` for XDP hooks"));
    }
    let hook = match xdp[..] {
        [hook] => hook,
        [] => {
            return Err(Failure::usage("the rules have no XDP hook for `--iface`")
                .help("put the rules into `hook xdp NAME { … }`"));
        }
        [..] => {
            return Err(Failure::usage(
                "there are several XDP hooks: say which one with `--hook HOOK`",
            )
            .help(format!("the hooks are: {}", xdp.join(", "))));
        }
    };
    for (name, kind) in hooks.iter().filter(|(name, _)| *name != hook) {
        ui.note(&format!("hook `{name}` ({}) has no target and is left", kind.name()));
    }
    let target = |iface: &String| HookTarget { hook: hook.to_owned(), iface: iface.clone() };
    Ok(args.iface.iter().map(target).collect())
}
