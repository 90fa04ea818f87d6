//! Each form of the language and the tree it becomes.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::good;
use l4c_grammar::{
    Action, Expr, ExprKind, File, HookDecl, Item, ItemKind, LimitDecl, Name, Operand, OperandBase,
    Prop, RuleKind, S, SliceOff, TestStep, TestStepKind, Value,
};

/// A short writing of trees, with every bracket that the tree has.
trait Short {
    fn short(&self) -> String;
}

fn all<T: Short>(of: &[T]) -> String {
    of.iter().map(Short::short).collect::<Vec<_>>().join(" ")
}

fn names(of: &[Name]) -> String {
    of.iter().map(|name| name.node.as_str()).collect::<Vec<_>>().join("|")
}

impl Short for S<Value> {
    fn short(&self) -> String {
        match &self.node {
            Value::Word(word) => word.clone(),
            Value::Text { bytes, nocase } => {
                format!("{}{:?}", if *nocase { "i" } else { "" }, String::from_utf8_lossy(bytes))
            }
            Value::Hex(bytes) => format!("{bytes:?}"),
            Value::List(values) => format!("{{{}}}", all(values)),
            Value::Tuple(values) => format!("<{}>", all(values)),
            Value::SetRef(name) => format!("@{name}"),
            Value::Flags(flags) => format!("flags:{}", names(flags)),
        }
    }
}

impl Short for Operand {
    fn short(&self) -> String {
        let base = match &self.base {
            OperandBase::Field(name) => name.clone(),
            OperandBase::Slice { layer, off, len } => {
                let off = match &off.node {
                    SliceOff::Const(number) => number.clone(),
                    SliceOff::Field { field, plus } => format!("{field}+{plus:?}"),
                };
                format!("{}[{off}:{}]", layer.node, len.node)
            }
            OperandBase::Tuple(parts) => format!("<{}>", all(parts)),
        };
        self.mask.as_ref().map_or(base.clone(), |mask| format!("{base}&{}", mask.short()))
    }
}

impl Short for Expr {
    fn short(&self) -> String {
        match &self.kind {
            ExprKind::All => "all".to_owned(),
            ExprKind::Not(inner) => format!("not({})", inner.short()),
            ExprKind::And(terms) => format!("and({})", all(terms)),
            ExprKind::Or(terms) => format!("or({})", all(terms)),
            ExprKind::Paren(inner) => format!("({})", inner.short()),
            ExprKind::Bare(operand) => operand.short(),
            ExprKind::Compare { lhs, op, rhs } => {
                format!("{:?}[{} {}]", op.node, lhs.short(), rhs.short())
            }
            ExprKind::In { lhs, negated, rhs } => {
                format!("{}in[{} {}]", if *negated { "not_" } else { "" }, lhs.short(), rhs.short())
            }
            ExprKind::Has { lhs, any, flags } => {
                format!("has{}[{} {}]", if *any { "_any" } else { "" }, lhs.short(), names(flags))
            }
            ExprKind::Text { lhs, op, rhs, within } => {
                let within =
                    within.as_ref().map_or(String::new(), |w| format!(" within {}", w.short()));
                format!("{:?}[{} {}{within}]", op.node, lhs.short(), rhs.short())
            }
            ExprKind::Call { name, args } => format!("{}[{}]", name.node, all(args)),
            ExprKind::Chance { nth, ratio } => format!("chance[{nth} {}]", ratio.node),
            ExprKind::Whole { kind, layer, text } => {
                let layer = layer.as_ref().map(|layer| layer.node.as_str());
                format!("{}[{layer:?} {}]", kind.node, text.node)
            }
        }
    }
}

impl Short for Action {
    fn short(&self) -> String {
        let shadow = if self.shadow.is_some() { "shadow " } else { "" };
        format!("{shadow}{}[{}]", self.verb.node, all(&self.args))
    }
}

impl Short for Prop {
    fn short(&self) -> String {
        format!("{}[{}]", self.name.node, all(&self.values))
    }
}

fn only(text: &str) -> Item {
    let mut items = good(text).items;
    assert_eq!(items.len(), 1);
    items.pop().unwrap()
}

#[track_caller]
fn pred(text: &str) -> Expr {
    let ItemKind::Match { body, .. } = only(&format!("match m = {text}")).kind else { panic!() };
    body
}

#[test]
fn predicates() {
    for (text, tree) in [
        ("all", "all"),
        ("tcp", "tcp"),
        ("ip.df", "ip.df"),
        ("allowed", "allowed"),
        ("not tcp", "not(tcp)"),
        ("not not tcp", "tcp"),
        ("not not not tcp", "not(tcp)"),
        ("not src in @x and udp", "and(not(in[src @x]) udp)"),
        ("tcp and udp and frag", "and(tcp udp frag)"),
        ("(tcp and udp) or not (frag)", "or((and(tcp udp)) not((frag)))"),
        ("((tcp))", "((tcp))"),
        ("udp.dport == 53", "Eq[udp.dport 53]"),
        ("udp.dport!=80-90", "Ne[udp.dport 80-90]"),
        ("ttl<5 or ttl>=6 or ttl<=7 or ttl>8", "or(Lt[ttl 5] Ge[ttl 6] Le[ttl 7] Gt[ttl 8])"),
        ("src == 2001:db8::/32", "Eq[src 2001:db8::/32]"),
        ("tcp.flags & (syn|ack) == syn", "Eq[tcp.flags&flags:syn|ack syn]"),
        ("tcp.flags & syn|ack == (syn | ack)", "Eq[tcp.flags&flags:syn|ack flags:syn|ack]"),
        ("tcp.flags & (syn)", "tcp.flags&syn"),
        ("ip.id&0x0f==1", "Eq[ip.id&0x0f 1]"),
        ("src in{ 1.1.1.1, 2.0.0.0/8,A, }", "in[src {1.1.1.1 2.0.0.0/8 A}]"),
        ("src not in @x", "not_in[src @x]"),
        ("(src, sport, dport) in @flows", "in[<src sport dport> @flows]"),
        ("(src & 0xff, l4[0:2]) in @s", "in[<src&0xff l4[0:2]> @s]"),
        ("src in { (1, 2), (3, 4) }", "in[src {<1 2> <3 4>}]"),
        ("tcp.flags has syn|ack", "has[tcp.flags syn|ack]"),
        ("tcp.flags has any (syn | ack)", "has_any[tcp.flags syn|ack]"),
        ("tcp.flags has any", "has[tcp.flags any]"),
        ("l4[12:2] == 0x10", "Eq[l4[12:2] 0x10]"),
        ("l4[tcp.hdr_len:2]", "l4[tcp.hdr_len+None:2]"),
        (
            "payload[udp.len + 4 : N] == hex\"ff ??\"",
            "Eq[payload[udp.len+Some(\"4\"):N] [Some(255), None]]",
        ),
        ("payload starts_with \"GET \\x2f\\n\"", "StartsWith[payload \"GET /\\n\"]"),
        ("payload contains i\"a\\\\b\" within 0..64", "Contains[payload i\"a\\\\b\" within 0..64]"),
        ("dns.qname ends_with \"x\" and tcp", "and(EndsWith[dns.qname \"x\"] tcp)"),
        ("dns.qname like \"*{3-9}.é\"", "Like[dns.qname \"*{3-9}.é\"]"),
        ("over(x) and under( y )", "and(over[x] under[y])"),
        ("f(1, \"a\", @s,) or g()", "or(f[1 \"a\" @s] g[])"),
        ("random FEW and nth s", "and(chance[false FEW] chance[true s])"),
        ("random 1/100 or nth 1/8", "or(chance[false 1/100] chance[true 1/8])"),
        ("pcap \"udp and tcp\"", "pcap[None udp and tcp]"),
        ("cbpf l3 \"1,6 0 0 0\"", "cbpf[Some(\"l3\") 1,6 0 0 0]"),
        ("p0f \"4:64\"", "p0f[None 4:64]"),
        ("pcap or random", "or(pcap random)"),
    ] {
        assert_eq!(pred(text).short(), tree, "{text}");
    }
}

#[test]
fn spans_cover_what_they_name() {
    let text = "match m = tcp and not ( udp.dport  == 53  # c\n ) and over( x )";
    let ItemKind::Match { body, .. } = only(text).kind else { panic!() };
    let of = |expr: &Expr| &text[expr.span.start as usize..expr.span.end as usize];
    assert_eq!(of(&body), &text["match m = ".len()..]);
    let ExprKind::And(terms) = &body.kind else { panic!() };
    assert_eq!(of(&terms[0]), "tcp");
    assert_eq!(of(&terms[1]), "not ( udp.dport  == 53  # c\n )");
    assert_eq!(of(&terms[2]), "over( x )");
    let ExprKind::Not(paren) = &terms[1].kind else { panic!() };
    let ExprKind::Paren(inner) = &paren.kind else { panic!() };
    assert_eq!(of(inner), "udp.dport  == 53");
    let ExprKind::Compare { lhs, op, rhs } = &inner.kind else { panic!() };
    let spans = [lhs.span, op.span, rhs.span].map(|s| &text[s.start as usize..s.end as usize]);
    assert_eq!(spans, ["udp.dport", "==", "53"]);
}

#[track_caller]
fn hook(text: &str) -> HookDecl {
    let ItemKind::Hook(hook) = only(text).kind else { panic!("no hook") };
    hook
}

#[test]
fn actions() {
    for (text, tree) in [
        ("drop", "drop[]"),
        ("drop, sample nth 1/10 snap 96", "drop[] sample[nth 1/10 snap 96]"),
        ("jump web", "jump[web]"),
        ("jump \"f2b-sshd\"", "jump[\"f2b-sshd\"]"),
        ("add (dst, dport) to @s for 10m", "add[<dst dport> to @s for 10m]"),
        ("del src/24/64 from @s", "del[src/24/64 from @s]"),
        ("shadow drop, mark 0x1", "shadow drop[] mark[0x1]"),
        ("redirect \"eth0\",\n truncate 64", "redirect[\"eth0\"] truncate[64]"),
    ] {
        let hook = hook(&format!("hook xdp e {{\nall -> {text}\ndefault {text}\n}}"));
        let RuleKind::Plain { actions, .. } = &hook.rules[0].kind else { panic!() };
        assert_eq!(all(actions), tree);
        assert_eq!(all(&hook.defaults[0].node), tree);
    }
}

#[test]
fn hooks() {
    let text = "hook netfilter nf prerouting priority -10 { dns_ports { 53, 5300 }\ndefault pass }";
    let hook = hook(text);
    assert_eq!((hook.kind.node.as_str(), hook.name.node.as_str()), ("netfilter", "nf"));
    assert_eq!(names(&hook.args), "prerouting|priority|-10");
    assert_eq!(all(&hook.props), "dns_ports[{53 5300}]");
    assert_eq!(hook.defaults.len(), 1);
}

#[test]
fn properties_follow_one_another() {
    for (text, tree) in [
        (
            "limit l { rate 1000 packets/s burst 2000 per src/24/64 max 1M }",
            "rate[1000 packets/s] burst[2000] per[src/24/64] max[1M]",
        ),
        (
            "limit l {\nrate 1000/s # c\nper src, dport full drop\nsketch\n}",
            "rate[1000/s] per[src dport] full[drop] sketch[]",
        ),
        (
            "limit l { quota 10G bytes per (src, dport) storage word }",
            "quota[10G bytes] per[<src dport>] storage[word]",
        ),
        (
            "conns l { allow 100 per src idle 2m max 1M full pass }",
            "allow[100] per[src] idle[2m] max[1M] full[pass]",
        ),
    ] {
        let props = match only(text).kind {
            ItemKind::Limit(LimitDecl { props, .. }) | ItemKind::Conns(LimitDecl { props, .. }) => {
                props
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(all(&props), tree, "{text}");
    }
    let ItemKind::Limit(limit) = only("limit per { rate 1/s }").kind else { panic!() };
    assert_eq!(limit.name.node, "per");
}

#[test]
fn sets() {
    for (text, ty, elements, from, props) in [
        ("addr { dynamic timeout 10m }", "addr", "", 0, "dynamic[] timeout[10m]"),
        (
            "prefix { from \"a.txt\" from \"b.txt\" lenient max 5 }",
            "prefix",
            "",
            2,
            "lenient[] max[5]",
        ),
        ("addr { 1.1.1.1, 2.2.2.2, dynamic }", "addr", "1.1.1.1 2.2.2.2", 0, "dynamic[]"),
        (
            "addr {\n1.1.1.1\n2.2.2.2,\n NAMES\ndynamic\n}",
            "addr",
            "1.1.1.1 2.2.2.2 NAMES",
            0,
            "dynamic[]",
        ),
        ("addr { { 1.1.1.1, 2.2.2.2 } max 5 }", "addr", "1.1.1.1 2.2.2.2", 0, "max[5]"),
        ("(addr, port) { (1.1.1.1, 80), (::1, 90) }", "addr|port", "<1.1.1.1 80> <::1 90>", 0, ""),
    ] {
        let ItemKind::Set(set) = only(&format!("set s: {text}")).kind else { panic!() };
        assert_eq!(names(&set.ty), ty);
        assert_eq!(set.tuple, ty.contains('|'));
        assert_eq!((all(&set.elements).as_str(), set.from.len()), (elements, from), "{text}");
        assert_eq!(all(&set.props), props, "{text}");
    }
}

#[test]
fn constants() {
    for (text, tree) in [
        ("512", "512"),
        ("{ 1, A,\n 3-4, # c\n }", "{1 A 3-4}"),
        ("{}", "{}"),
        ("\"\\0\\t\"", "\"\\0\\t\""),
        ("hex\"\"", "[]"),
        ("192.0.2.1-192.0.2.9", "192.0.2.1-192.0.2.9"),
        ("02:00:00:00:00:01", "02:00:00:00:00:01"),
    ] {
        let ItemKind::Let { value, .. } = only(&format!("let A = {text}")).kind else { panic!() };
        assert_eq!(value.short(), tree);
    }
}

fn steps(text: &str) -> Vec<TestStep> {
    let ItemKind::Test(test) = only(&format!("test \"a title\" for e {{\n{text}\n}}")).kind else {
        panic!("no test")
    };
    assert_eq!((test.title.node.as_str(), test.hook.node.as_str()), ("a title", "e"));
    test.steps
}

#[test]
fn packets() {
    let steps = steps(
        "let q = eth/ip(src 1.2.3.4, ttl 5)/tcp(syn, flags syn|ack, opt.mss 1460) / payload(\"x\")\n\
         send q x 20",
    );
    let TestStepKind::Let { name, packet } = &steps[0].kind else { panic!() };
    assert_eq!(name.node, "q");
    let layer = |layer: &l4c_grammar::PacketLayer| {
        let field = |(name, value): &(Option<Name>, Option<S<Value>>)| {
            let name = name.as_ref().map_or("", |name| name.node.as_str());
            format!("{name}={}", value.as_ref().map_or(String::new(), Short::short))
        };
        let fields: Vec<_> = layer.fields.iter().map(field).collect();
        format!("{}({})", layer.name.node, fields.join(" "))
    };
    let layers: Vec<_> = packet.layers.iter().map(layer).collect();
    assert_eq!(
        layers,
        [
            "eth()",
            "ip(src=1.2.3.4 ttl=5)",
            "tcp(syn= flags=flags:syn|ack opt.mss=1460)",
            "payload(=\"x\")"
        ]
    );
}

#[test]
fn steps_of_tests() {
    let steps = steps(
        "send q x 2000 expect pass\nsend q with ip.src = 5.6.9.9, udp.dport=1 expect drop by edge.3 >= 99%\n\
         send x\nsend eth / hex\"00 ff\"\nwait 1s\npcap \"a.pcap\"\npcap \"b.pcap\" expect drop == 0\n\
         expect @s has 1.2.3.4\nexpect count hits != 5",
    );
    let TestStepKind::Send { times, expect, .. } = &steps[0].kind else { panic!() };
    assert_eq!(times.as_ref().unwrap().node, "2000");
    assert_eq!(expect.as_ref().unwrap().verdict.node, "pass");
    let TestStepKind::Send { packet, times: None, expect: Some(expect) } = &steps[1].kind else {
        panic!()
    };
    assert_eq!(packet.with.len(), 2);
    assert_eq!(packet.with[1].0.node, "udp.dport");
    assert_eq!(expect.by.as_ref().unwrap().node, "edge.3");
    assert_eq!(expect.amount.as_ref().unwrap().1.node, "99%");
    let TestStepKind::Send { packet, expect: None, .. } = &steps[2].kind else { panic!() };
    assert_eq!(packet.layers[0].name.node, "x");
    let TestStepKind::Send { packet, .. } = &steps[3].kind else { panic!() };
    assert_eq!(packet.layers[1].name.node, "");
    assert!(matches!(&steps[4].kind, TestStepKind::Wait(time) if time.node == "1s"));
    assert!(matches!(&steps[5].kind, TestStepKind::Pcap { expect: None, .. }));
    assert!(matches!(&steps[6].kind, TestStepKind::Pcap { expect: Some(_), .. }));
    assert!(matches!(&steps[7].kind, TestStepKind::ExpectSet { set, .. } if set.node == "s"));
    assert!(matches!(&steps[8].kind, TestStepKind::ExpectCount { rule, count, .. }
        if rule.node == "hits" && count.node == "5"));
}

#[test]
fn other_items() {
    let File { items, comments } = good(
        "#  first \ninclude \"a b.l4\"\nuse std::bogons # second\nmatch m(a, b) = tcp\nchain \"f2b-x\" { }",
    );
    assert!(matches!(&items[0].kind, ItemKind::Include(path) if path.node == "a b.l4"));
    assert!(matches!(&items[1].kind, ItemKind::Use(name) if name.node == "bogons"));
    assert!(matches!(&items[2].kind, ItemKind::Match { params, .. } if names(params) == "a|b"));
    assert!(matches!(&items[3].kind, ItemKind::Chain { name, .. } if name.node == "f2b-x"));
    let comments: Vec<_> = comments.iter().map(|c| (c.text.as_str(), c.own_line)).collect();
    assert_eq!(comments, [("  first", true), (" second", false)]);
}
