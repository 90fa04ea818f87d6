use crate::*;
use l4c_compiler::fields::Field;
use l4c_compiler::hir::{
    Amount, Atom, AtomTest, Chain, Effect, Expect, Hook, HookId, Operand, Policy, Pred, Rule,
    SetId, Steer, Test, TestStep, TestStepKind,
};
use l4c_compiler::ranges::Ranges;
use l4c_grammar::{CmpOp, Span};
use l4c_manifest::{HookKind, Key, Verdict};
use l4c_packets::{Capture, LinkType, Writer};
use std::io::Cursor;
use std::ops::ControlFlow;

const SPAN: Span = Span::new(l4c_grammar::FileId(0), 0, 0);

fn rule(name: &str, pred: Pred, steer: Option<Steer>) -> Rule {
    Rule { name: name.into(), pred, effects: vec![], steer, shadow: false, span: SPAN }
}

fn field_is(name: &str, value: u128) -> Pred {
    let field = Field::find(name).expect("the field exists");
    let values = field.places.iter().map(|_| Ranges::one(value)).collect();
    Pred::Atom(Atom {
        operand: Operand::Field { field, inner: false, mask: None },
        test: AtomTest::In { values, negated: false },
        span: SPAN,
    })
}

/// `web: tcp.dport == 80 -> jump c`, `dns: udp.dport == 53 -> count asked, drop`,
/// `seen: all -> shadow drop`, default pass; `c.ping: tcp.sport == 7 -> drop`.
fn policy(kind: HookKind) -> (Policy, HookId) {
    let mut policy = Policy::default();
    policy.counters.push("of another hook".into());
    let asked = policy.counters.push("asked".into());
    let drop = Some(Steer::Verdict(Verdict::Drop));
    let chain = policy.chains.push(Chain {
        name: "c".into(),
        rules: vec![rule("c.ping", field_is("tcp.sport", 7), drop)],
        span: SPAN,
    });
    let mut dns = rule("dns", field_is("udp.dport", 53), drop);
    dns.effects = vec![Effect::Count(asked)];
    let mut seen = rule("seen", Pred::Const(true), drop);
    seen.shadow = true;
    let hook = policy.hooks.push(Hook {
        name: "edge".into(),
        kind,
        dns_ports: Ranges::empty(),
        rules: vec![rule("web", field_is("tcp.dport", 80), Some(Steer::Jump(chain))), dns, seen],
        default: rule("default", Pred::Const(true), Some(Steer::Verdict(Verdict::Pass))),
        span: SPAN,
    });
    (policy, hook)
}

/// An IPv4 packet over `proto` with these ports, 40 bytes.
fn ip(proto: u8, sport: u16, dport: u16) -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet[0] = 0x45;
    packet[3] = 40;
    packet[9] = proto;
    packet[20..22].copy_from_slice(&sport.to_be_bytes());
    packet[22..24].copy_from_slice(&dport.to_be_bytes());
    packet[32] = 0x50;
    packet
}

fn ethernet(packet: &[u8]) -> Vec<u8> {
    [&[0; 12], &[8, 0][..], packet].concat()
}

fn capture(link: LinkType, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), link).unwrap();
    for packet in packets {
        writer.write(0, 0, packet).unwrap();
    }
    writer.finish().unwrap()
}

fn captured(name: &str, bytes: Vec<u8>) -> Captured {
    let capture = Capture::from_reader(Box::new(Cursor::new(bytes)));
    Captured { name: name.into(), capture }
}

fn reference(policy: &Policy, hook: HookId) -> Box<dyn Engine + '_> {
    open(EngineKind::Reference, policy, hook, None).unwrap()
}

#[test]
fn a_summary_serialises_as_documented() {
    let (policy, hook) = policy(HookKind::Xdp);
    let packets =
        [ip(17, 9, 53), ip(6, 7, 80), ip(6, 8, 80), ip(17, 9, 54)].map(|p| ethernet(&p)).to_vec();
    let bytes = capture(LinkType::ETHERNET, &[packets, vec![vec![1; 13]]].concat());
    let run = dry_run(reference(&policy, hook).as_mut(), [captured("a", bytes)], &mut ());
    assert!(run.failed.is_empty() && run.stopped.is_none());
    assert_eq!(
        serde_json::to_string(&run.summary).unwrap(),
        concat!(
            r#"{"hook":"edge","engine":"reference","packets":4,"bytes":216,"#,
            r#""verdicts":{"pass":2,"drop":2},"#,
            r#""rules":[{"rule":"web","action":"jump c","packets":2,"bytes":108},"#,
            r#"{"rule":"dns","action":"drop","packets":1,"bytes":54},"#,
            r#"{"rule":"seen","action":"drop","shadow":true,"packets":2,"bytes":108},"#,
            r#"{"rule":"c.ping","action":"drop","packets":1,"bytes":54},"#,
            r#"{"rule":"default","action":"pass","packets":2,"bytes":108}],"#,
            r#""counters":{"asked":{"packets":1,"bytes":54}},"unjudged":1}"#
        )
    );
}

#[derive(Default)]
struct Recorder {
    stop_after: Option<u64>,
    lines: Vec<(String, u64, Verdict, Option<usize>)>,
    made_up: Vec<LinkType>,
    unjudged: usize,
    progress: usize,
}

impl Sink for Recorder {
    fn wants_rules(&self) -> bool {
        true
    }

    fn judged(&mut self, j: &Judged<'_>) -> ControlFlow<()> {
        self.lines.push((j.capture.into(), j.frame.number, j.verdict, j.rule));
        if Some(j.frame.number) == self.stop_after {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn unjudged(&mut self, _: &str, _: &l4c_packets::Frame<'_>, _: Option<l4c_packets::Reason>) {
        self.unjudged += 1;
    }

    fn made_up_link(&mut self, _: &str, link: LinkType) {
        self.made_up.push(link);
    }

    fn progress(&mut self, _: Progress<'_>) {
        self.progress += 1;
    }
}

#[test]
fn a_sink_hears_of_every_packet_with_the_rule_that_decided() {
    let (policy, hook) = policy(HookKind::Xdp);
    let bytes = capture(LinkType::RAW, &[ip(17, 9, 53), vec![0; 30], ip(6, 7, 80), ip(6, 8, 80)]);
    let mut sink = Recorder::default();
    dry_run(reference(&policy, hook).as_mut(), [captured("a", bytes)], &mut sink);
    let (pass, drop) = (Verdict::Pass, Verdict::Drop);
    let line = |n, verdict, rule| ("a".to_owned(), n, verdict, Some(rule));
    assert_eq!(sink.lines, [line(1, drop, 1), line(3, drop, 3), line(4, pass, 4)]);
    assert_eq!((sink.unjudged, sink.made_up), (1, vec![LinkType::RAW]));
    assert!(sink.progress >= 1);
}

#[test]
fn a_sink_can_end_the_run() {
    let (policy, hook) = policy(HookKind::Socket);
    let bytes = capture(LinkType::RAW, &[ip(17, 9, 53), ip(17, 9, 53), ip(17, 9, 53)]);
    let mut sink = Recorder { stop_after: Some(2), ..Recorder::default() };
    let two = [captured("a", bytes.clone()), captured("b", bytes)];
    let run = dry_run(reference(&policy, hook).as_mut(), two, &mut sink);
    assert_eq!((run.summary.packets, sink.lines.len()), (2, 2));
}

#[test]
fn a_capture_that_breaks_off_counts_up_to_there_and_the_next_goes_on() {
    let (policy, hook) = policy(HookKind::Xdp);
    let good = capture(LinkType::RAW, &[ip(17, 9, 53), ip(17, 9, 53)]);
    let cut = good[..good.len() - 1].to_vec();
    let strange = capture(LinkType(147), &[vec![0; 60]]);
    let missing = Captured { name: "d".into(), capture: Capture::open("/no/such".as_ref()) };
    let captures = [captured("a", cut), captured("b", strange), captured("c", good), missing];
    let run = dry_run(reference(&policy, hook).as_mut(), captures, &mut ());
    assert_eq!(run.summary.packets, 3);
    let told: Vec<String> = run.failed.iter().map(ToString::to_string).collect();
    assert!(told[0].starts_with("a: packet 2: "), "{told:?}");
    assert!(told[1].starts_with("b: packet 1: ") && told[1].contains("147"), "{told:?}");
    assert!(told[2].starts_with("d: "), "{told:?}");
}

/// Says pass whatever comes, and fails at packet `fails_at`.
struct Fake {
    shape: Shape,
    judged: u64,
    fails_at: u64,
}

impl Engine for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }
    fn shape(&self) -> &Shape {
        &self.shape
    }
    fn arrive(&mut self, _: Option<&str>) -> Result<(), JudgeError> {
        Ok(())
    }
    fn set_time(&mut self, _: u64) -> Result<(), JudgeError> {
        Ok(())
    }
    fn set_seed(&mut self, _: u64) -> Result<(), JudgeError> {
        Ok(())
    }
    fn judge(&mut self, _: &[u8]) -> Result<Verdict, JudgeError> {
        self.judged += 1;
        if self.judged == self.fails_at { Err(JudgeError::Code(7)) } else { Ok(Verdict::Pass) }
    }
    fn judge_traced(&mut self, packet: &[u8]) -> Result<Opinion, JudgeError> {
        let verdict = self.judge(packet)?;
        Ok(Opinion { verdict, rule: self.shape.rules.len() - 1, counted: vec![] })
    }
    fn counters(&mut self) -> Result<Vec<Counter>, JudgeError> {
        Ok(vec![Counter::default(); self.shape.slots()])
    }
    fn has(&mut self, _: (SetId, &str), _: &Key) -> Result<Option<bool>, JudgeError> {
        Ok(None)
    }
    fn reset(&mut self) -> Result<(), JudgeError> {
        Ok(())
    }
}

#[test]
fn an_engine_that_fails_ends_the_run() {
    let (policy, hook) = policy(HookKind::Xdp);
    let mut fake = Fake { shape: Shape::of_policy(&policy, hook), judged: 0, fails_at: 2 };
    let bytes = capture(LinkType::RAW, &[ip(17, 9, 53), ip(17, 9, 53), ip(17, 9, 53)]);
    let two = [captured("a", bytes.clone()), captured("b", bytes)];
    let run = dry_run(&mut fake, two, &mut ());
    assert_eq!((run.summary.packets, run.stopped), (1, Some(JudgeError::Code(7))));
}

#[test]
fn engines_that_disagree_are_told_apart() {
    let (policy, hook) = policy(HookKind::Xdp);
    let shape = Shape::of_policy(&policy, hook);
    let fake = || Box::new(Fake { shape: shape.clone(), judged: 0, fails_at: 0 });
    let dns = ethernet(&ip(17, 9, 53));
    let mut same: Vec<(String, Box<dyn Engine>)> =
        vec![("one".into(), reference(&policy, hook)), ("two".into(), reference(&policy, hook))];
    let opinion = compare(&mut same, &dns).unwrap();
    assert_eq!((opinion.verdict, opinion.rule), (Verdict::Drop, 1));
    let one = Counter { packets: 1, bytes: 54 };
    assert_eq!(opinion.counted, [(1, one), (5, one)]);
    same.push(("liar".into(), fake()));
    let text = compare(&mut same, &dns).unwrap_err().to_string();
    assert!(text.contains("one: drop by dns; counted dns=1/54 asked=1/54"), "{text}");
    assert!(text.contains("liar: pass by default"), "{text}");
}

#[test]
fn a_verdict_needs_exactly_one_rule_that_says_so() {
    let (policy, hook) = policy(HookKind::Xdp);
    let shape = Shape::of_policy(&policy, hook);
    let before = vec![Counter::default(); shape.slots()];
    let counting = |slots: &[usize]| {
        let mut after = before.clone();
        slots.iter().for_each(|&slot| after[slot].packets += 1);
        after
    };
    let opinion = |verdict, slots: &[usize]| {
        engine::opinion(&shape, verdict, &before, &counting(slots)).map(|o| o.rule)
    };
    assert_eq!(opinion(Verdict::Drop, &[0, 1, 5]), Ok(1));
    assert_eq!(opinion(Verdict::Pass, &[2, 4]), Ok(4));
    let names = |list: &[&str]| list.iter().map(|&n| n.to_owned()).collect();
    assert_eq!(opinion(Verdict::Pass, &[2]), Err(JudgeError::Deciders(Verdict::Pass, vec![])));
    assert_eq!(
        opinion(Verdict::Drop, &[1, 3]),
        Err(JudgeError::Deciders(Verdict::Drop, names(&["dns", "c.ping"])))
    );
    assert_eq!(
        opinion(Verdict::Pass, &[1]),
        Err(JudgeError::Deciders(Verdict::Pass, names(&["dns"])))
    );
}

#[test]
fn a_hook_sees_no_more_than_the_kernel_shows_it() {
    let shape = |kind| {
        let (policy, hook) = policy(kind);
        Shape::of_policy(&policy, hook)
    };
    let long = vec![0; 4000];
    let (xdp, socket) = (shape(HookKind::Xdp), shape(HookKind::Socket));
    assert_eq!(xdp.visible(&long).map(<[u8]>::len), Some(3520));
    assert_eq!(xdp.visible(&long[..14]).map(<[u8]>::len), Some(14));
    assert_eq!(xdp.visible(&long[..13]), None);
    assert_eq!(socket.visible(&long), None);
    let most = HookKind::Socket.max_visible_bytes();
    assert_eq!(socket.visible(&long[..most]).map(<[u8]>::len), Some(most));
    assert_eq!(socket.visible(&long[..19]), None);
}

#[test]
fn an_explanation_names_what_was_absent() {
    let (policy, hook) = policy(HookKind::Xdp);
    let told = explain(&policy, hook, &ethernet(&ip(17, 9, 53)), None);
    assert_eq!(
        serde_json::to_string(&told).unwrap(),
        concat!(
            r#"{"verdict":"drop","rule":"dns","steps":["#,
            r#"{"rule":"web","matched":false,"reads":[{"field":"tcp.dport","value":null}]},"#,
            r#"{"rule":"dns","matched":true,"reads":[{"field":"udp.dport","value":53}]}]}"#
        )
    );
}

fn test_of(hook: HookId, steps: Vec<TestStepKind>) -> Test {
    let steps = steps.into_iter().map(|kind| TestStep { kind, span: SPAN }).collect();
    Test { title: "t".into(), hook, steps, span: SPAN }
}

fn expect(verdict: Verdict, by: Option<&str>, amount: Option<(CmpOp, Amount)>) -> Option<Expect> {
    Some(Expect { verdict, by: by.map(str::to_owned), amount })
}

fn outcome(steps: &dyn Fn() -> Vec<TestStepKind>) -> Option<Failure> {
    let (policy, hook) = policy(HookKind::Xdp);
    let mut engine = reference(&policy, hook);
    run_test(&policy, &test_of(hook, steps()), engine.as_mut()).failure
}

#[test]
fn a_test_passes_when_every_step_does() {
    let dns = || ethernet(&ip(17, 9, 53));
    let send = |times, expect| TestStepKind::Send { packet: dns(), iface: None, times, expect };
    let half = Some((CmpOp::Ge, Amount::Percent(99.5)));
    let none = Some((CmpOp::Eq, Amount::Packets(0)));
    let passes = || {
        vec![
            send(3, expect(Verdict::Drop, Some("dns"), None)),
            send(2, expect(Verdict::Drop, None, half)),
            TestStepKind::Wait { ns: 1 },
            send(1, expect(Verdict::Pass, None, none)),
            send(1, None),
            TestStepKind::ExpectCount { rule: "dns".into(), op: CmpOp::Eq, count: 7 },
        ]
    };
    assert!(outcome(&passes).is_none());
}

#[test]
fn a_failing_step_shows_packet_and_trace() {
    let dns = ethernet(&ip(17, 9, 53));
    let cases = [
        (expect(Verdict::Pass, None, None), "pass", "0 of 2 packets; packet 1: drop by dns"),
        (
            expect(Verdict::Drop, Some("web"), None),
            "drop by web",
            "0 of 2 packets; packet 1: drop by dns",
        ),
        (
            expect(Verdict::Drop, None, Some((CmpOp::Lt, Amount::Percent(100.0)))),
            "drop < 100%",
            "2 of 2 packets; packet 1: drop by dns",
        ),
    ];
    for (expect, expected, got) in cases {
        let packet = dns.clone();
        let steps = move || {
            let (packet, expect) = (packet.clone(), expect.clone());
            vec![TestStepKind::Send { packet, iface: None, times: 2, expect }]
        };
        let failure = outcome(&steps).expect("the step fails");
        assert_eq!((failure.expected.as_str(), failure.got.as_str()), (expected, got));
        assert_eq!(failure.packet.as_ref(), Some(&dns));
        assert_eq!(failure.explanation.map(|e| e.rule).as_deref(), Some("dns"));
        assert!(!failure.broken);
    }
}

#[test]
fn counts_reach_over_a_capture_within_a_test() {
    let dir = std::env::temp_dir().join(format!("l4c-judge-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("dns.pcap");
    let packets = [ethernet(&ip(17, 9, 53)), ethernet(&ip(17, 9, 54))];
    std::fs::write(&path, capture(LinkType::ETHERNET, &packets)).unwrap();
    let pcap = |expect| TestStepKind::Pcap { path: path.clone(), expect };
    let half = Some((CmpOp::Eq, Amount::Percent(50.0)));
    let dns = ethernet(&ip(17, 9, 53));
    let good = || {
        vec![
            TestStepKind::Send { packet: dns.clone(), iface: None, times: 1, expect: None },
            pcap(expect(Verdict::Drop, Some("dns"), half)),
            TestStepKind::ExpectCount { rule: "dns".into(), op: CmpOp::Eq, count: 2 },
        ]
    };
    assert!(outcome(&good).is_none());
    let bad = || vec![pcap(expect(Verdict::Drop, None, None))];
    let failure = outcome(&bad).expect("one packet passes");
    assert_eq!(failure.got, "1 of 2 packets; packet 2: pass by default");
    std::fs::remove_dir_all(&dir).unwrap();
    let failure = outcome(&bad).expect("the capture is gone");
    assert!(failure.broken, "{failure:?}");
}

#[test]
fn what_can_not_be_opened_says_why() {
    let (policy, hook) = policy(HookKind::Xdp);
    let error = open(EngineKind::Vm, &policy, hook, None).err().expect("there is no object");
    assert_eq!(error, OpenError::NoObject(EngineKind::Vm));
}
