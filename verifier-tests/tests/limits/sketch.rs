//! Sketches: what they let through, and whom they hurt.

use super::{
    DEEP, DROPPED, Sources, count, frame, hammer, may_run, object, packets, program, rules,
};
use l4c_compiler::Clock;
use l4c_runtime::Object;
use l4c_runtime::kernel::Program;

/// Where time stands still, exactly the burst of one key, on two CPUs at once.
#[test]
fn a_sketch_is_spent_once() {
    if !may_run() {
        return;
    }
    let elf = object(&rules(&format!("{} sketch", DEEP[0])), Clock::Injected);
    assert_eq!(super::stopped(&elf, 1, 1_000_000), 1_000_000);
    // Of many keys at once some share their cells: none gets more.
    let many = rules("rate 1M packets/s burst 1k per src sketch");
    let through = super::stopped(&object(&many, Clock::Injected), 1000, 1000);
    eprintln!("1000 keys: {through} of 1000000 let through");
    assert!((980_000..=1_000_000).contains(&through), "{through}");
}

/// On the kernel's own clock.
#[test]
fn a_sketch_lets_no_more_through_than_the_limit() {
    if !may_run() {
        return;
    }
    let elf = object(&rules("rate 1M packets/s burst 1000 per src sketch"), Clock::Kernel);
    let mut program = Program::load_live(&Object::parse(&elf).unwrap(), "h").unwrap();
    let through = hammer(&mut program, 1, packets());
    let allowed = 1e6 * through.took_ns as f64 / 1e9 + 1000.0;
    eprintln!("{} of {allowed:.0} allowed", through.packets);
    assert!(through.packets as f64 <= allowed);
}

/// Keys that keep to the limit, while others do not: as many as the sketch is made for, and ten times as many.
#[test]
fn a_sketch_hurts_few() {
    if !may_run() {
        return;
    }
    // Light keys each send one packet of two; cells that they alone share do not fill up.
    for (heavy, in_1000) in [(2000, 1.0), (20_000, 17.0)] {
        let mut program = program("rate 1/h burst 2 per src sketch 2000");
        for src in Sources(heavy).take(heavy as usize) {
            // Calls for one packet each: for more the kernel waits until all CPUs know the program.
            (0..3).for_each(|_| _ = program.run(&frame(src)).unwrap());
        }
        let (before, light) = (count(&program, DROPPED), 20_000);
        // A packet each, that of others among them forgotten in between.
        for src in Sources(77).take(light) {
            program.run(&frame(src)).unwrap();
        }
        let hurt = (count(&program, DROPPED) - before) as f64;
        eprintln!("{heavy} heavy keys: {hurt} of {light} others are hurt");
        let mean = light as f64 * in_1000 / 1000.0;
        assert!(hurt <= mean + 2.0 * mean.sqrt(), "{heavy}: {hurt}");
        assert!(heavy < 10_000 || hurt > mean / 3.0, "{heavy}: {hurt}");
    }
}
