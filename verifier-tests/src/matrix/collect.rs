//! Every golden case, asked of the kernel that runs this.

use super::bundle::{Bundle, Question};
use super::judge::judge;
use l4c_golden::bench::{Rules, seen_by};
use l4c_golden::case::{self, Case};
use l4c_golden::run::for_kind;
use l4c_golden::zoo::{Packet, packets};
use l4c_judge::Shape;
use l4c_manifest::HookKind;

/// Compiles every golden case at every level for every kind of hook, and asks this kernel.
///
/// # Errors
/// When a case can't be compiled, or this kernel does not take it.
pub fn collect() -> Result<Bundle, String> {
    let zoo = packets();
    let mut bundle = Bundle::default();
    for case in case::all("cases") {
        add_case(&mut bundle, &case, &zoo).map_err(|why| format!("{}: {why}", case.title()))?;
    }
    Ok(bundle)
}

fn add_case(bundle: &mut Bundle, case: &Case, zoo: &[Packet]) -> Result<(), String> {
    let frames = case::packets(case, zoo)?;
    for kind in HookKind::ALL {
        if let Some(rules) = for_kind(case, kind)? {
            let title = format!("{} as {}", case.title(), kind.name());
            add_rules(bundle, &title, &rules, &frames)?;
        }
    }
    Ok(())
}

fn add_rules(
    bundle: &mut Bundle,
    title: &str,
    rules: &Rules,
    frames: &[Packet],
) -> Result<(), String> {
    for (level, object) in rules.objects()? {
        for (id, hook) in &rules.policy.hooks {
            let shape = Shape::of_policy(&rules.policy, id);
            let seen: Vec<_> = frames.iter().filter_map(|f| seen_by(&shape, &f.bytes)).collect();
            let answer = judge(object.elf(), &hook.name, seen.iter().map(Vec::as_slice))?;
            let packets = seen.iter().map(|bytes| bundle.packet(bytes)).collect();
            let title = format!("{title}, {level:?}, hook {}", hook.name);
            let object = bundle.objects.len();
            bundle.questions.push(Question {
                title,
                object,
                hook: hook.name.clone(),
                packets,
                answer,
            });
        }
        bundle.objects.push(object.elf().to_vec());
    }
    Ok(())
}
