use super::*;

const SECOND_NS: u64 = 1_000_000_000;
const DAY_NS: u64 = 86_400 * SECOND_NS;

fn a_second(amount: u64) -> Option<Rate> {
    Some(Rate { amount, per_ns: SECOND_NS })
}

#[test]
fn whole_nanoseconds_need_no_clock_of_their_own() {
    for (rate, cost) in [(a_second(1000), 1_000_000), (a_second(100_000_000), 10)] {
        let setting = Setting::new(Unit::Packets, rate, 7, 0).unwrap();
        assert_eq!((setting.cost, setting.burst, setting.speed), (cost, 7 * cost, 0));
        assert_eq!(setting.time(12_345), 12_345);
    }
}

/// Between what a rate says and what a setting gives there is nothing, or little, and never too much.
#[test]
fn a_clock_keeps_the_rate() {
    let a_day = |amount| Some(Rate { amount, per_ns: DAY_NS });
    let rates = [
        (a_second(3), 0.0),
        (a_second(7), 0.0),
        (a_second(60), 0.0),
        (a_second(700_000), 1e-8),
        (a_second(1_234_567), 1e-8),
        (a_second(70_000_000), 1e-8),
        (a_second(99_999_999), 1e-8),
        (a_second(50_000_000_000), 0.0),
        (a_second(12_345_678_901), 1e-8),
        (a_day(1), 0.0),
        (a_day(7), 0.0),
        (a_day(1_000_003), 1e-8),
    ];
    for (rate, error) in rates {
        let setting = Setting::new(Unit::Packets, rate, 1, 0).unwrap();
        let Rate { amount, per_ns } = rate.unwrap();
        for times in [1, 3, 1000] {
            let owed = u128::from(setting.time(per_ns * times)) as f64 / setting.cost as f64;
            let right = amount as f64 * times as f64;
            let off = (right - owed) / right;
            assert!(off >= -1e-15 && off <= error + 1e-15, "{rate:?}: {owed} of {right}");
        }
    }
}

#[test]
fn what_does_not_go_into_64_bits_is_refused() {
    let a_day = Some(Rate { amount: 1, per_ns: DAY_NS });
    assert!(Setting::new(Unit::Packets, a_day, 50_000, 0).is_ok());
    assert_eq!(Setting::new(Unit::Packets, a_day, 1_000_000, 0), Err(Unfit::Years(2739)));
    assert!(Setting::new(Unit::Packets, a_second(1), u64::MAX, 0).is_err());
    assert_eq!(Setting::new(Unit::Packets, a_second(u64::MAX), 1, 0), Err(Unfit::Fast));
    assert!(Setting::new(Unit::Packets, None, 1 << 61, 0).is_ok());
}

#[test]
fn another_rate_leaves_debts_as_they_are() {
    let old = Setting::new(Unit::Packets, a_second(10), 10, 0).unwrap();
    let now_ns = 5 * SECOND_NS;
    // A bucket that owes 5 packets …
    let tat = old.time(now_ns) + 5 * old.cost;
    for per_second in [1, 10, 1000] {
        let rate = Rate { amount: per_second, per_ns: SECOND_NS };
        let new = old.at_rate(rate, (now_ns, old.time(now_ns)), 0).unwrap();
        assert_eq!((new.cost, new.burst), (old.cost, old.burst));
        // … still does, and pays them back at the new rate.
        assert_eq!(tat - new.time(now_ns), 5 * new.cost);
        let paid_ns = 5 * SECOND_NS / per_second;
        let left = tat.saturating_sub(new.time(now_ns + paid_ns));
        assert!(left <= new.cost / 1000, "{per_second}: {left} of {}", new.cost);
    }
}

#[test]
fn params_survive_their_bytes() {
    let setting = Setting::new(Unit::Packets, a_second(3), 9, 4_000_000).unwrap();
    let params = Params { active: 0, seeds: [1, 3], tick_ns: 4_000_000, ..Params::default() };
    let params = params.with(setting);
    assert_eq!(params.setting(), setting);
    assert_eq!(Params::from_bytes(&params.to_bytes()), params);
    let bytes = params.to_bytes();
    let at = Params::SETTING_OFF + Params::SETTING_BYTES;
    assert_eq!(bytes[at..at + 8], setting.cost.to_le_bytes());
}

/// A limit per IPv4 address, kept in this way.
fn kept(storage: Storage, burst: u64, max: u64) -> Limit {
    Limit {
        name: "each".to_owned(),
        map: String::new(),
        unit: Unit::Packets,
        rate: a_second(10),
        burst,
        idle_ns: SECOND_NS,
        storage,
        clock: LimitClock::Coarse,
        full: Full::Evict,
        max,
        key: vec![KeyPart { field: "ip.src".to_owned(), form: KeyForm::Addr4, bits: 32 }],
        params_off_bytes: 0,
        slot: 0,
    }
}

/// Lines are powers of two, hold what a key is allowed, and are as many as `max` takes.
#[test]
fn lines_of_flows_hold_what_is_allowed() {
    for allowed in 1..=MAX_ALLOWED {
        let conns = kept(Storage::Flows, allowed, 1_000_000);
        let (slots, bytes) = (conns.line_slots(), conns.set_bytes());
        assert!(u64::from(slots) >= allowed && bytes.is_power_of_two(), "{allowed}");
        assert!(
            (LINE_SLOTS_OFF + slots * SLOT_BYTES..=4096).contains(&bytes),
            "{allowed}: {bytes}"
        );
        let a_flow = u64::from(conns.sets()) * u64::from(bytes) / 1_000_000;
        assert!((17..=62).contains(&a_flow), "{allowed}: {a_flow} bytes a flow");
    }
    let all = Limit { key: Vec::new(), ..kept(Storage::Flows, 10, 65_536) };
    assert_eq!(all.sets(), 1);
    let setting = kept(Storage::Flows, 7, 1).params([1, 2], 1, 0).setting();
    assert_eq!((setting.cost, setting.burst), (SECOND_NS, 7));
}

/// The bound that the reference states: keys that are hurt, of a million, where so many times as many are over the limit
/// as a sketch is made for.
#[test]
fn a_sketch_keeps_its_bound() {
    let lines = f64::from(kept(Storage::Sketch, 1, 10_000).sets());
    let hurt = |heavy: f64| {
        let mean = heavy / lines;
        let mut chance = (-mean).exp();
        let mut sum = 0.0;
        for others in 1..100 {
            chance *= mean / f64::from(others);
            sum += chance * (1.0 - 0.75_f64.powi(others)).powi(3);
        }
        sum * 1000.0
    };
    for (times, most) in [(1.0, 1.0), (2.0, 2.1), (4.0, 5.0), (10.0, 17.0)] {
        let found = hurt(times * 10_000.0);
        assert!(found <= most && found > most * 0.8, "{times}: {found}");
    }
}
