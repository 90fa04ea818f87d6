//! Nothing in the language is without a case: the tables that the compiler works by say what there is, and
//! what no case asks for is listed here and fails.

use l4c_compiler::OptLevel;
use l4c_compiler::fields::{FIELDS, Field, Ty};
use l4c_golden::case;
use l4c_golden::{bench, diag, run, zoo};
use l4c_grammar::{
    Diag, Expr, ExprKind, FileId, HookDecl, Item, ItemKind, Operand, OperandBase, Rule, RuleKind,
    SliceOff, TextOp, Value,
};
use l4c_manifest::HookKind;
use std::collections::BTreeSet;

/// What a rule may ask of a field of a type. `&` in front means: of the field and a mask.
fn operators(ty: Ty) -> &'static [&'static str] {
    const NUMBER: &[&str] = &[
        "==", "!=", "<", "<=", ">", ">=", "in", "not in", "in @", "not in @", "== @", "!= @",
        "== range", "!= range", "== list", "!= list", "&==", "&!=", "&<", "&<=", "&>", "&>=",
        "&in", "&not in", "&in @",
    ];
    const ADDRESS: &[&str] =
        &["==", "!=", "in", "not in", "in @", "not in @", "&==", "&!=", "&in", "&not in", "&in @"];
    match ty {
        Ty::Number => NUMBER,
        Ty::Port => &[
            "==", "!=", "<", "<=", ">", ">=", "in", "not in", "in @", "not in @", "&==", "&>=",
            "&in @",
        ],
        Ty::Addr4 | Ty::Addr6 => ADDRESS,
        Ty::Addr => &[
            "==", "!=", "in", "not in", "in @", "not in @", "== @", "!= @", "!= list", "&==", "&!=",
        ],
        Ty::Mac => {
            &["==", "!=", "in", "not in", "in @", "not in @", "== @", "&==", "&!=", "&in", "&in @"]
        }
        Ty::Flags => {
            &["==", "!=", "in", "not in", "has", "has any", "&==", "&!=", "&in", "&not in"]
        }
        Ty::Bit => &["alone", "==", "!="],
        Ty::Presence => &["alone"],
        Ty::Option => {
            &["alone", "==", "!=", "<", ">=", "in", "not in", "in @", "== range", "&==", "&!="]
        }
        Ty::Layout => &["==", "!=", "in", "not in", "== text", "== list", "!= list"],
        Ty::Name => &[
            "==",
            "!=",
            "in",
            "not in",
            "== list",
            "!= list",
            "ends_with",
            "ends_with list",
            "contains",
            "contains list",
            "like",
            "like list",
        ],
        Ty::Iface => &["==", "!=", "in", "not in", "!= list"],
    }
}

/// What a rule may ask of bytes.
const ON_BYTES: &[&str] = &[
    "==", "!=", "<", "<=", ">", ">=", "in", "not in", "in @", "not in @", "&==", "&!=", "&<", "&>",
    "&in", "&not in", "== text", "!= text", "== hex", "!= hex", "in text",
];

/// What a rule may ask of a layer's bytes, slices of it too, and of a slice of any layer.
const ON_LAYERS: &[&str] = &[
    "starts_with",
    "starts_with text",
    "starts_with hex",
    "ends_with",
    "contains",
    "contains text",
    "contains within",
    "== text",
    "!= hex",
    "in text",
    "not in text",
];
const ON_SLICES: &[&str] = &["starts_with", "ends_with", "contains", "contains within"];

/// Layers of which all bytes may be asked for.
const LAYERS: &[&str] = &["l2", "l3", "l4", "payload"];

/// Settings of a hook.
const SETTINGS: &[&str] = &["dns_ports"];

/// Questions that keep state, and what limits say.
const STATE: &[&str] = &[
    "over", "under", "random", "nth", "rate", "burst", "per", "max", "full", "storage", "quota",
    "allow", "idle", "sketch",
];

/// Words of actions.
const ACTIONS: &[&str] = &[
    "pass",
    "drop",
    "reject",
    "redirect",
    "count",
    "sample",
    "sample nth",
    "jump",
    "goto",
    "return",
    "shadow pass",
    "shadow drop",
    "shadow reject",
    "shadow redirect",
    "shadow jump",
    "shadow goto",
    "shadow count",
];

/// What the cases ask for.
#[derive(Default)]
struct Asked {
    /// Field or `bytes`, and operator.
    operators: BTreeSet<(String, String)>,
    actions: BTreeSet<String>,
    settings: BTreeSet<String>,
    /// Questions that keep state, and properties of what they ask.
    state: BTreeSet<String>,
}

impl Asked {
    fn item(&mut self, item: &Item) {
        match &item.kind {
            ItemKind::Match { body, .. } => self.expr(body),
            ItemKind::Chain { rules, .. } => rules.iter().for_each(|rule| self.rule(rule)),
            ItemKind::Hook(HookDecl { rules, defaults, props, .. }) => {
                self.settings.extend(props.iter().map(|prop| prop.name.node.clone()));
                rules.iter().for_each(|rule| self.rule(rule));
                defaults.iter().flat_map(|d| &d.node).for_each(|a| self.action(a));
            }
            ItemKind::Limit(decl) | ItemKind::Conns(decl) => {
                self.state.extend(decl.props.iter().map(|prop| prop.name.node.clone()))
            }
            ItemKind::Include(_)
            | ItemKind::Use(_)
            | ItemKind::Let { .. }
            | ItemKind::Set(_)
            | ItemKind::Test(_) => {}
        }
    }

    fn rule(&mut self, rule: &Rule) {
        if let RuleKind::Plain { pred, actions } = &rule.kind {
            self.expr(pred);
            actions.iter().for_each(|action| self.action(action));
        }
    }

    fn action(&mut self, action: &l4c_grammar::Action) {
        let shadow = if action.shadow.is_some() { "shadow " } else { "" };
        let nth = matches!(action.args.first().map(|arg| &arg.node), Some(Value::Word(word)) if word == "nth");
        let nth = if nth { " nth" } else { "" };
        self.actions.insert(format!("{shadow}{}{nth}", action.verb.node));
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Not(inner) | ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::And(list) | ExprKind::Or(list) => list.iter().for_each(|e| self.expr(e)),
            ExprKind::Bare(operand) => self.add(operand, "alone"),
            ExprKind::Compare { lhs, op, rhs } => {
                let sign = op.node.sign();
                self.add(lhs, sign);
                kinds(&rhs.node).iter().for_each(|kind| self.add(lhs, &format!("{sign} {kind}")));
            }
            ExprKind::In { lhs, negated, rhs } => {
                let word = if *negated { "not in" } else { "in" };
                self.add(lhs, word);
                kinds(&rhs.node).iter().for_each(|kind| self.add(lhs, &format!("{word} {kind}")));
            }
            ExprKind::Has { lhs, any, .. } => self.add(lhs, if *any { "has any" } else { "has" }),
            ExprKind::Text { lhs, op, rhs, within } => {
                let word = text_word(op.node);
                self.add(lhs, word);
                kinds(&rhs.node).iter().for_each(|kind| self.add(lhs, &format!("{word} {kind}")));
                if within.is_some() {
                    self.add(lhs, &format!("{word} within"));
                }
            }
            ExprKind::Call { name, .. } => self.state.extend([name.node.clone()]),
            ExprKind::Chance { nth, .. } => {
                self.state.extend([if *nth { "nth" } else { "random" }.to_owned()]);
            }
            ExprKind::All | ExprKind::Whole { .. } => {}
        }
    }

    fn add(&mut self, operand: &Operand, operator: &str) {
        let mask = if operand.mask.is_some() { "&" } else { "" };
        let name = match &operand.base {
            OperandBase::Field(name) => name.clone(),
            OperandBase::Slice { layer, off, .. } => {
                let of_layer = format!("{}[]", layer.node);
                self.operators.insert((of_layer, format!("{mask}{operator}")));
                if let SliceOff::Field { field, plus } = &off.node {
                    let plus = if plus.is_some() { "+N" } else { "" };
                    self.operators.insert((format!("[FIELD{plus}]"), field.clone()));
                }
                "bytes".to_owned()
            }
            OperandBase::Tuple(_) => return,
        };
        self.operators.insert((name, format!("{mask}{operator}")));
    }

    /// Is it asked of any field of the type?
    fn of_type(&self, ty: Ty, operator: &str) -> bool {
        let mut fields = FIELDS.iter().filter(|field| field.ty == ty);
        fields.any(|f| self.operators.contains(&(f.name.to_owned(), operator.to_owned())))
    }

    fn of(&self, operand: &str, operator: &str) -> bool {
        self.operators.contains(&(operand.to_owned(), operator.to_owned()))
    }
}

fn text_word(op: TextOp) -> &'static str {
    match op {
        TextOp::StartsWith => "starts_with",
        TextOp::EndsWith => "ends_with",
        TextOp::Contains => "contains",
        TextOp::Like => "like",
    }
}

/// What the right side is, where that is told apart.
fn kinds(value: &Value) -> BTreeSet<&'static str> {
    match value {
        Value::SetRef(_) => ["@"].into(),
        Value::List(list) => list.iter().flat_map(|v| kinds(&v.node)).chain(["list"]).collect(),
        Value::Word(word) if word.contains('-') => ["range"].into(),
        Value::Text { .. } => ["text"].into(),
        Value::Hex(_) => ["hex"].into(),
        Value::Word(_) | Value::Tuple(_) | Value::Flags(_) => BTreeSet::new(),
    }
}

fn asked() -> Asked {
    let mut asked = Asked::default();
    for case in case::all("cases") {
        let text = std::fs::read_to_string(&case.path).expect("cases are text");
        let parsed = l4c_grammar::parse(FileId(0), &text);
        parsed.file.items.iter().for_each(|item| asked.item(item));
    }
    asked
}

#[test]
fn every_operator_of_every_type_has_a_case() {
    let asked = asked();
    let types = [
        Ty::Number,
        Ty::Port,
        Ty::Addr4,
        Ty::Addr6,
        Ty::Addr,
        Ty::Mac,
        Ty::Flags,
        Ty::Bit,
        Ty::Presence,
        Ty::Option,
        Ty::Layout,
        Ty::Name,
        Ty::Iface,
    ];
    let mut missing = Vec::new();
    for ty in types {
        let without = operators(ty).iter().filter(|op| !asked.of_type(ty, op));
        missing.extend(without.map(|op| format!("{ty:?} {op}")));
    }
    let of_slices = LAYERS.iter().map(|layer| format!("{layer}[]"));
    let asked_of = [("bytes".to_owned(), ON_BYTES)]
        .into_iter()
        .chain(LAYERS.iter().map(|layer| ((*layer).to_owned(), ON_LAYERS)))
        .chain(of_slices.map(|slice| (slice, &ON_SLICES[..1])))
        .chain([("payload[]".to_owned(), ON_SLICES), ("payload[]".to_owned(), ON_BYTES)]);
    for (operand, operators) in asked_of {
        let without = operators.iter().filter(|op| !asked.of(&operand, op));
        missing.extend(without.map(|op| format!("{operand} {op}")));
    }
    assert!(missing.is_empty(), "no case asks for: {missing:#?}");
}

#[test]
fn offsets_are_fields_of_every_header_in_a_case() {
    let asked = asked();
    let offsets = ["ip.hdr_len", "tcp.hdr_len", "udp.len", "ttl", "ip.frag_off"];
    let missing: Vec<_> = offsets
        .iter()
        .filter(|field| !asked.of("[FIELD]", field) && !asked.of("[FIELD+N]", field))
        .collect();
    assert!(missing.is_empty(), "no case begins at: {missing:?}");
    assert!(asked.of("[FIELD]", "tcp.hdr_len") && asked.of("[FIELD+N]", "tcp.hdr_len"));
}

#[test]
fn every_setting_of_a_hook_has_a_case() {
    let asked = asked();
    let missing: Vec<_> = SETTINGS.iter().filter(|s| !asked.settings.contains(**s)).collect();
    assert!(missing.is_empty(), "no case sets: {missing:?}");
}

#[test]
fn every_question_of_state_has_a_case() {
    let asked = asked();
    let missing: Vec<_> = STATE.iter().filter(|s| !asked.state.contains(**s)).collect();
    assert!(missing.is_empty(), "no case asks: {missing:?}");
}

#[test]
fn every_action_has_a_case() {
    let asked = asked();
    let missing: Vec<_> = ACTIONS.iter().filter(|a| !asked.actions.contains(**a)).collect();
    assert!(missing.is_empty(), "no case does: {missing:?}");
}

/// Does a rule `FIELD == VALUE` (or the field alone), and nothing more, stand in a case, such that it is
/// true of some packets and false of some that have the field?
fn told_apart(field: &Field, asked: &Asked) -> bool {
    let operator = match field.ty {
        Ty::Presence | Ty::Bit => "alone",
        Ty::Number
        | Ty::Port
        | Ty::Addr4
        | Ty::Addr6
        | Ty::Addr
        | Ty::Mac
        | Ty::Flags
        | Ty::Name
        | Ty::Option
        | Ty::Layout
        | Ty::Iface => "==",
    };
    asked.operators.contains(&(field.name.to_owned(), operator.to_owned()))
}

/// Cases are for XDP, which is not told this.
const UNTOLD: &str = "mark";

/// Not of the packet: made-up frames come from nowhere.
const NOT_IN_FRAMES: [&str; 4] = ["iface", "rx_queue", "cpu", UNTOLD];

#[test]
fn every_field_has_a_case() {
    let asked = asked();
    let told = FIELDS.iter().filter(|field| field.name != UNTOLD);
    let without = told.filter(|field| !told_apart(field, &asked)).map(|field| field.name);
    let missing: Vec<_> = without.collect();
    assert!(missing.is_empty(), "no case asks for: {missing:?}");
}

/// Rules that hold for no packet of the zoo, or for all of them, say little of their field.
#[test]
fn every_field_is_there_in_a_packet_and_absent_in_another() {
    let packets = zoo::everything();
    let mut wrong = Vec::new();
    for field in FIELDS.iter().filter(|field| !NOT_IN_FRAMES.contains(&field.name)) {
        // There, whatever it is; of mere presences and bits, set.
        let pred = match field.ty {
            Ty::Presence | Ty::Bit | Ty::Option => field.name.to_owned(),
            Ty::Layout => format!("{0} == \"\" or {0} != \"\"", field.name),
            Ty::Number | Ty::Port => format!("{} >= 0", field.name),
            Ty::Flags => format!("{0} == 0 or {0} != 0", field.name),
            Ty::Addr4 | Ty::Addr => format!("{0} == 1.2.3.4 or {0} != 1.2.3.4", field.name),
            Ty::Addr6 => format!("{0} == ::1 or {0} != ::1", field.name),
            Ty::Name => format!("{0} == \".\" or {0} != \".\"", field.name),
            Ty::Iface => format!("{0} == \"a\" or {0} != \"a\"", field.name),
            Ty::Mac => format!("{0} == 02:00:00:00:00:01 or {0} != 02:00:00:00:00:01", field.name),
        };
        let text = format!("hook xdp there {{\n    there: {pred} -> drop\n}}\n");
        let rules = bench::text(&text, HookKind::Xdp).unwrap_or_else(|e| panic!("{pred}: {e}"));
        let lines = case::expectations(&rules, &packets);
        let absent = lines.contains("there: -\n");
        let everywhere = lines.contains("there: all\n");
        // Every frame long enough to be judged has a length and a link header.
        let always = field.name == "pkt_len" || matches!(field.name, "eth.dst" | "eth.src");
        if absent || everywhere != always {
            wrong.push(field.name);
        }
    }
    assert!(wrong.is_empty(), "the zoo has these in no packet, or in all: {wrong:?}");
}

/// Mistakes that take more than a file to make: their codes, and what is said.
fn made_up() -> Vec<(&'static str, Vec<Diag>)> {
    let rule = |rule: &str| format!("hook xdp edge {{\n{rule}\n}}\n");
    let parsed = |text: &str| l4c_grammar::parse(FileId(0), text).diags;
    let many = |line: &str, count: usize| rule(&line.repeat(count));
    let socket = match bench::text(&rule("arp -> drop"), HookKind::Socket) {
        Err(bench::Refused::Diags(diags, _)) => diags,
        Err(bench::Refused::Unread(_)) | Ok(_) => Vec::new(),
    };
    vec![
        ("E0001", parsed(&" ".repeat((64 << 20) + 1))),
        ("E0008", parsed(&rule(&format!("{}udp{} -> drop", "(".repeat(300), ")".repeat(300))))),
        ("E0009", parsed(&many("udp->drop\n", 1_000_001))),
        ("E0010", parsed(&"let a=1\n".repeat(1_000_001))),
        ("E0011", parsed(&rule(&format!("{}udp -> drop", "udp or ".repeat(200_000))))),
        ("E0012", parsed(&rule(&format!("dport in {{{}}} -> drop", "1,".repeat(2_000_001))))),
        ("E0013", parsed(&many("udp\n", 10_001))),
        ("E0114", socket),
        ("E0390", diag::of_text(many("udp.dprt == 1 -> drop\n", 1100))),
        ("W0190", diag::of_text(many("ttl > 255 -> drop\n", 1100))),
        ("E0401", over_a_limit()),
        ("E0402", rejected()),
    ]
}

/// What is said of a program that the kernel did not take: at the rule.
fn rejected() -> Vec<Diag> {
    let text = "hook xdp edge {\n    arp -> drop\n}\n";
    let rules = bench::text(text, HookKind::Xdp).unwrap_or_else(|e| panic!("{e}"));
    let file = rules.sources.portable_name(FileId(0));
    let diag = |line| l4c_compiler::pipeline::rejected(&rules.sources, file, line, "no");
    assert_eq!((diag(0), diag(4)), (None, None));
    let diag = diag(2).expect("the source has that line");
    assert_eq!(rules.sources.text(diag.span), "arp -> drop");
    vec![diag]
}

/// What is said of a program that the kernel would not take.
fn over_a_limit() -> Vec<Diag> {
    let rule = |at: usize| {
        format!("(src == 10.{}.{}.1 and l4[{at}:3] == hex\"{:06x}\")", at / 256, at % 256, at)
    };
    let pred: Vec<String> = (0..9000).map(rule).collect();
    let text = format!("hook xdp edge {{\n    huge: {} -> drop\n}}\n", pred.join(" or "));
    let rules = bench::text(&text, HookKind::Xdp).unwrap_or_else(|e| panic!("{e}"));
    let options = l4c_compiler::pipeline::Options {
        level: OptLevel::O2,
        shadow: false,
        ..Default::default()
    };
    match l4c_compiler::pipeline::compile(&rules.policy, &rules.sources, options) {
        Err(l4c_compiler::pipeline::CompileError::Limit(diag)) => vec![*diag],
        Err(l4c_compiler::pipeline::CompileError::Bug(text)) => panic!("{text}"),
        Ok(_) => Vec::new(),
    }
}

#[test]
fn every_code_has_a_case() {
    let mut said: BTreeSet<&str> = BTreeSet::new();
    for case in case::all("diags") {
        let (diags, _) = diag::of_file(&case).unwrap();
        said.extend(diags.iter().map(|d| d.code));
    }
    for (code, diags) in made_up() {
        let codes: BTreeSet<&str> = diags.iter().map(|d| d.code).collect();
        assert!(codes.contains(code), "{code} is not said, but {codes:?}");
        said.insert(code);
    }
    let tables = [
        l4c_grammar::CODES,
        l4c_compiler::check::CODES,
        l4c_compiler::packet::CODES,
        l4c_compiler::pipeline::CODES,
    ];
    let codes = tables.into_iter().flatten().map(|(code, _)| *code);
    let missing: Vec<_> = codes.filter(|code| !said.contains(code)).collect();
    assert!(missing.is_empty(), "nothing is said with: {missing:?}");
}

/// A case that is not taken for a socket is one that asks for the link header, and most are taken.
#[test]
fn most_cases_are_for_both_kinds_of_hook() {
    let cases = case::all("cases");
    let both = cases.iter().filter(|case| run::for_kind(case, HookKind::Socket).unwrap().is_some());
    let both = both.count();
    assert!(both * 3 > cases.len() * 2, "{both} of {}", cases.len());
}
