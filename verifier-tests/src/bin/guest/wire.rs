//! The loader itself: policies on interfaces, judged by real packets, in each mode.

mod heal;
mod site;
mod traffic;

use crate::report::Report;
use l4c_runtime::Object;
use l4c_runtime::net::XdpMode;
use l4c_runtime::policy::{Listener, State, XdpChoice};
use l4c_verifier_tests::matrix::BUNDLE;
use l4c_verifier_tests::matrix::wire::{Done, PACKETS, REPLACEMENTS, SAMPLED, read};
use l4c_verifier_tests::wire::Lab;
use site::{Site, equal};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use traffic::Traffic;

/// How a program is to be run, and how it runs then: without being asked to, veth's driver does it.
const MODES: [(XdpChoice, XdpMode); 2] =
    [(XdpChoice::Auto, XdpMode::Native), (XdpChoice::Generic, XdpMode::Generic)];

/// So many bytes of a packet are kept in a sample.
const SNAP_BYTES: usize = 60;

/// Packets that tell which version runs.
const FEW: usize = 20;

/// Goes through everything in each mode.
///
/// # Errors
/// When the bundle can't be read, or there can be no interfaces. What the loader does wrong is in the report.
pub fn check(report: &mut Report) -> Result<String, String> {
    let versions = read(Path::new(BUNDLE))?;
    let lab = Lab::new(2)?;
    let mut done = Done::default();
    for (choice, mode) in MODES {
        let site = Site::new(&lab, choice, mode);
        match go_through(&site, &versions, &mut done) {
            Ok(()) => done.modes += 1,
            Err(why) => report.failed(&format!("wire, {}", mode.name()), &why),
        }
    }
    Ok(done.summary())
}

fn go_through(site: &Site<'_>, versions: &[Object; 2], done: &mut Done) -> Result<(), String> {
    let mut traffic = Traffic::new(site)?;
    let within = |step: &'static str| move |why| format!("{step}: {why}");
    first_load(site, &versions[0], &mut traffic).map_err(within("load"))?;
    done.packets += PACKETS;
    done.sampled += SAMPLED;
    replace(site, versions, &mut traffic).map_err(within("replacement"))?;
    done.replacements += REPLACEMENTS;
    roll_back(site, &mut traffic).map_err(within("rollback"))?;
    heal::attached(site, versions, &mut traffic, done).map_err(within("heal"))?;
    unload(site, &mut traffic).map_err(within("unload"))?;
    heal::unloading(site, &versions[0], done).map_err(within("heal"))
}

/// Every packet is judged as the rules say, and counted once.
fn first_load(site: &Site<'_>, object: &Object, traffic: &mut Traffic) -> Result<(), String> {
    let loaded = site.load(object, &[site.iface()])?;
    equal("notes", &loaded.notes, &Vec::new())?;
    equal("state", &loaded.rows[0].state, &State::Attached)?;
    equal("mode", &loaded.rows[0].mode, &Some(site.mode))?;
    site.runs(loaded.rows[0].prog_id)?;
    let mut listener = site.listen()?;
    traffic.send(PACKETS)?;
    sampled(site, &mut listener)?;
    drop(listener);
    traffic.passed(&["odd", "default"])?;
    traffic.counted(&site.counts()?)
}

/// Exactly the packets of the rule that samples came to who listens, cut as it says.
fn sampled(site: &Site<'_>, listener: &mut Listener) -> Result<(), String> {
    let (mut samples, mut odd) = (0, None);
    let loaded = listener.next(Duration::ZERO, |sample| {
        samples += 1;
        let whole = sample.packet_bytes as usize;
        let is = (sample.rule.name.as_str(), sample.interface, sample.data.len());
        if is != ("odd", site.iface(), whole.min(SNAP_BYTES)) {
            odd.get_or_insert_with(|| format!("{sample:?}"));
        }
    });
    equal("still loaded", &loaded.map_err(|e| e.to_string())?, &true)?;
    equal("a sample that should not be", &odd, &None)?;
    equal("samples and lost ones", &(samples, listener.lost()), &(SAMPLED, 0))
}

/// Replaces version 0 by version 1, and so on, while packets arrive: each is judged by one of them.
fn replace(site: &Site<'_>, versions: &[Object; 2], traffic: &mut Traffic) -> Result<(), String> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| traffic.keep_sending(&stop));
        let replaced = replace_all(site, versions);
        stop.store(true, Ordering::Relaxed);
        let sent = sender.join().unwrap_or_else(|_| Err("the sender panicked".to_owned()));
        replaced.and(sent)
    })?;
    traffic.mixed()?;
    traffic.counted(&site.counts()?)
}

fn replace_all(site: &Site<'_>, versions: &[Object; 2]) -> Result<(), String> {
    let mut runs = 0;
    for round in 1..=REPLACEMENTS {
        let loaded = site.load(&versions[round % 2], &[])?;
        equal("state", &loaded.rows[0].state, &State::Replaced)?;
        equal("what starts anew", &loaded.anew, &Vec::new())?;
        runs = loaded.rows[0].prog_id;
    }
    site.runs(runs)
}

/// Version 1 again, then version 0.
fn roll_back(site: &Site<'_>, traffic: &mut Traffic) -> Result<(), String> {
    for passing in [["even", "default"], ["odd", "default"]] {
        let back = site.roll_back()?;
        equal("state", &back.rows[0].state, &State::Replaced)?;
        site.runs(back.rows[0].prog_id)?;
        traffic.send(FEW)?;
        traffic.passed(&passing)?;
        traffic.counted(&site.counts()?)?;
    }
    Ok(())
}

fn unload(site: &Site<'_>, traffic: &mut Traffic) -> Result<(), String> {
    let rows = site.unload()?;
    equal("rows", &rows.len(), &1)?;
    equal("state", &rows[0].state, &State::Detached)?;
    site.is_bare()?;
    traffic.send(FEW)?;
    traffic.passed(&["listed", "odd", "even", "default"])
}
