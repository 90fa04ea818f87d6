//! What interrupted commands leave, made by hand, and put in order by whoever comes next.

use super::FEW;
use super::site::{Site, equal};
use super::traffic::Traffic;
use l4c_runtime::Object;
use l4c_verifier_tests::matrix::wire::Done;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;

/// A load is interrupted in three places. Version 0 runs, before and after.
pub fn attached(
    site: &Site<'_>,
    versions: &[Object; 2],
    traffic: &mut Traffic,
    done: &mut Done,
) -> Result<(), String> {
    let runs = program(site)?;
    // All links run the new generation; it was not yet said that it is the one.
    let current = say_the_one_before(site)?;
    heals(site, "an interrupted load was finished", done)?;
    site.runs(runs)?;

    // A generation was being made.
    let next = site.pin(&format!("gen-{}", current + 1));
    fs::create_dir(&next).map_err(at("a generation"))?;
    heals(site, "an interrupted load was taken back before it had begun to run", done)?;
    equal("the generation is there", &next.exists(), &false)?;
    site.runs(runs)?;

    // One link was updated and another was still to be made.
    let loaded = site.load(&versions[1], &[site.other_iface()])?;
    equal("rows", &loaded.rows.len(), &2)?;
    let new = loaded.rows.iter().find(|row| row.target == site.other_iface());
    equal("the new place is told", &new.is_some(), &true)?;
    say_the_one_before(site)?;
    let index = site.lab.interface(site.other_iface())?["ifindex"].to_string();
    let link =
        names(site)?.into_iter().find(|name| name.starts_with(&format!("link-xdp-{index}-")));
    let link = link.ok_or_else(|| format!("no link to interface {index}"))?;
    fs::remove_file(site.pin(&link)).map_err(at("the link"))?;
    site.until_bare(site.other_iface())?;
    heals(site, "an interrupted load was taken back", done)?;
    site.runs(runs)?;
    traffic.send(FEW)?;
    traffic.passed(&["odd", "default"])?;
    traffic.counted(&site.counts()?)
}

/// A first load is interrupted before it has said so, and then an unload when it has been decided upon.
pub fn unloading(site: &Site<'_>, object: &Object, done: &mut Done) -> Result<(), String> {
    let loaded = site.load(object, &[site.iface()])?;
    fs::remove_file(site.pin("cur-gen")).map_err(at("cur-gen"))?;
    heals(site, "an interrupted load was finished", done)?;
    site.runs(loaded.rows[0].prog_id)?;
    fs::rename(site.pin("cur-gen"), site.pin("end-gen")).map_err(at("cur-gen"))?;
    heals(site, "an interrupted unload was finished", done)?;
    site.is_bare()
}

/// Opens the pin folder: this is said to be done, and from then on all is in order.
fn heals(site: &Site<'_>, how: &str, done: &mut Done) -> Result<(), String> {
    let healed = site.healed()?;
    let is: Vec<_> = healed.into_iter().map(|healed| healed.done).collect();
    if !matches!(&is[..], [Ok(is)] if *is == how) {
        return Err(format!("put in order: {is:?}, not {how:?}"));
    }
    equal("put in order again", &site.healed()?, &Vec::new())?;
    done.healed += 1;
    Ok(())
}

/// The program that is on the interface.
fn program(site: &Site<'_>) -> Result<u32, String> {
    let id = site.lab.xdp_id(site.iface())?;
    id.and_then(|id| u32::try_from(id).ok()).ok_or_else(|| "nothing is attached".to_owned())
}

/// Makes the generation before the current one again, in name, and tells the number of the one that runs.
fn say_the_one_before(site: &Site<'_>) -> Result<u64, String> {
    let path = site.pin("cur-gen");
    let target = fs::read_link(&path).map_err(at("cur-gen"))?;
    let number = target.to_str().and_then(|target| target.strip_prefix("gen-")?.parse().ok());
    let number: u64 = number.ok_or_else(|| format!("cur-gen is {}", target.display()))?;
    fs::remove_file(&path).map_err(at("cur-gen"))?;
    symlink(format!("gen-{}", number - 1), &path).map_err(at("cur-gen"))?;
    Ok(number)
}

/// Names of all that is in the policy's folder.
fn names(site: &Site<'_>) -> Result<Vec<String>, String> {
    let entries = site.pin("").read_dir().map_err(at("the policy's folder"))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

fn at(what: &'static str) -> impl Fn(io::Error) -> String {
    move |why| format!("{what}: {why}")
}
