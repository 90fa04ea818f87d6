//! From rules to IR: one entry function that reads the headers, and functions of rules.
//!
//! The shape of a program:
//!
//! ```text
//! edge()                    reads the headers into the layout word, calls the runs, counts, returns
//! edge_r0(layout, len) …    a run of the hook's own rules
//! edge_c0_web(layout, len)  a chain; its runs are edge_c0_web_r0 … when it has several
//! edge_sample(slot, …)      hands packets to whoever listens, by chance
//! edge_flows_NAME(key, …)   takes packets of flows that a `conns` counts
//! edge_walk, edge_step      the way over IPv6 extension headers
//! edge_inner                the layout word of the packet inside a tunnel
//! edge_lens, edge_question  where the payload and a DNS question lie, for the lengths word
//! edge_find0 …              looks for a pattern in a window
//! ```
//!
//! `len` is the packet's length, or the lengths word (see `lens`) if some rule asks for payload or DNS. Where a
//! rule asks for the packet inside a tunnel, functions of rules take its layout word too.
//!
//! Every function of rules returns an *outcome*: `GO_ON` (no rule decided), `LEAVE` (leave this
//! list), or a decision: `(slot + 1) << 32 | code`, `slot` being the counter of the rule that decided and
//! `code` the hook's own return code. So the entry function counts the deciding rule in one place, whatever
//! their number.

mod arrival;
mod bytes;
mod cheapest;
mod effects;
mod exact;
mod flow;
mod glob;
mod layout;
mod lens;
mod limit;
mod member;
mod name;
mod needs;
mod options;
mod parse;
mod pred;
mod reject;
mod rules;
mod search;
mod sets;
mod tables;
mod tunnel;
mod value;
mod walk;

use crate::hir::{
    ChainId, CounterId, Glob, Hook, HookId, IfaceId, LimitId, NthId, Pattern, Policy, SetId, Steer,
};
use crate::plan::Plan;
use crate::report;
use crate::{limits, rows, sets as hook_sets};
use cranelift_entity::PrimaryMap;
use l4c_grammar::Span;
use l4c_ir::{
    BinOp, Block, Builder, Clock, Cond, Env, Func, Function, LimitData, Line, LineData, Map,
    MapData, Module, Value,
};
use l4c_manifest::{HookKind, Set, SetTable, Storage, Verdict};
use layout::{L3_MASK, L3_SHIFT};
use lens::PKT_LEN_MASK;
use limit::NamedLimit;
use needs::Needs;
use search::inlined;
use sets::{NamedSet, TableMaps};
use std::collections::HashMap;
use tables::Tables;

/// Outcome of a list: no rule decided.
const GO_ON: u64 = 0;
/// Outcome of a list: a rule said to leave it.
const LEAVE: u64 = 1;

/// Where a piece of source stands and what it says, on one line.
pub type Quote<'a> = &'a dyn Fn(Span) -> LineData;

/// Makes the IR of one hook. In `shadow` the program counts what it decides, and passes every packet.
#[must_use]
pub fn lower(policy: &Policy, hook: HookId, plan: &Plan, shadow: bool, quote: Quote<'_>) -> Module {
    let report = report::rules(policy, hook);
    let counters = report::counters(policy, hook);
    let needs = Needs::of(policy, report.iter().map(|line| line.rule(policy, hook)));
    let inside = Needs::inside(policy, report.iter().map(|line| line.rule(policy, hook)));
    let mut lines = PrimaryMap::new();
    let mut rules = HashMap::new();
    for (slot, row) in report.iter().enumerate() {
        let line = lines.push(quote(row.rule(policy, hook).span));
        rules.insert((row.chain, row.index), (slot as u64, line));
    }
    let ifaces = report::ifaces(policy, hook);
    let slots = ifaces.iter().zip(1u32..).map(|((iface, _), slot)| (*iface, slot)).collect();
    let counted = report.len() + counters.len();
    let counted = u32::try_from(counted).expect("at most a million rules");
    let rows = rows::of_hook(policy, hook);
    let mut limits = PrimaryMap::new();
    let mut named_limits = HashMap::new();
    for limit in limits::of_hook(policy, hook, counted) {
        let (name, key_words) = (limit.manifest.map.clone(), limit.manifest.key_words());
        let ir = limits.push(LimitData { name, key_words });
        named_limits.insert(limit.id, NamedLimit { ir, limit, flows: None });
    }
    let used = hook_sets::of_hook(policy, hook, counted + 2 * limits.len() as u32);
    let full_slots = hook_sets::counted(&used);
    let set_states = used.len() as u32;
    let mut maps = PrimaryMap::new();
    let mut named_sets = HashMap::new();
    for (number, set) in (0..).zip(used) {
        let tables = set.manifest.tables.iter();
        let tables = tables.map(|table| table_maps(&mut maps, table)).collect();
        named_sets.insert(set.id, NamedSet { number, set, maps: tables });
    }
    let named = counters.iter().enumerate().map(|(i, &c)| (c, (report.len() + i) as u64)).collect();
    let mut lowering = Lowering {
        policy,
        hook,
        shadow,
        needs,
        inside,
        made: Made::new(policy, hook),
        names: Names {
            rules,
            counters: named,
            chains: HashMap::new(),
            sampler: None,
            ifaces: slots,
            limits: named_limits,
            sets: named_sets,
            rows: rows.iter().zip(0..).map(|(test, slot)| (test.id, slot)).collect(),
            shadow,
        },
    };
    let entry = lowering.program(plan);
    Module {
        funcs: lowering.made.funcs,
        entry: entry.into(),
        tables: lowering.made.tables.finish(),
        lines,
        // Each limit counts in two slots.
        counters: counted + 2 * limits.len() as u32 + full_slots,
        ifaces: match u32::try_from(ifaces.len()).expect("the checker takes a few thousand") {
            0 => 0,
            named => 1 + named,
        },
        limits,
        maps,
        set_states,
        rows: u32::try_from(rows.len()).expect("a source has a few millions"),
        clock: Clock::Kernel,
    }
}

/// The maps of a set's table, which other sets of the module do not have.
fn table_maps(maps: &mut PrimaryMap<Map, MapData>, table: &SetTable) -> TableMaps {
    let mut add = |name: &String, key_bytes, value_words| {
        maps.push(MapData { name: name.clone(), key_bytes, value_words })
    };
    TableMaps {
        listed: add(&table.listed, table.key_bytes, 1),
        filter: table.filter.as_ref().map(|name| add(name, 4, Set::filter_words(table.wide))),
        added: table.added.as_ref().map(|name| add(name, table.key_bytes, 1)),
    }
}

/// What the functions of one hook share.
struct Lowering<'p> {
    policy: &'p Policy,
    hook: HookId,
    shadow: bool,
    needs: Needs,
    /// Of the packet inside a tunnel.
    inside: Needs,
    made: Made<'p>,
    names: Names,
}

/// What has been made so far, and what was made for whom.
struct Made<'p> {
    /// The hook's name: that of each function begins with it.
    hook: &'p str,
    funcs: PrimaryMap<Func, Function>,
    tables: Tables<'p>,
    finders: HashMap<Pattern, Func>,
    label_finders: HashMap<Pattern, Func>,
    globs: HashMap<Vec<Glob>, Func>,
    name_finders: HashMap<Vec<Vec<u8>>, Func>,
    labels: Option<Func>,
    /// Windows that are compared in line.
    windows: u32,
    /// The hook's programs read the packet where it lies, and copy nothing.
    points_into_packet: bool,
    options: Option<Func>,
    /// By set and whether they look for IPv6.
    prefix_finders: HashMap<(SetId, bool), Func>,
}

impl<'p> Made<'p> {
    fn new(policy: &'p Policy, hook: HookId) -> Self {
        let Hook { name, kind, .. } = &policy.hooks[hook];
        Self {
            hook: name,
            funcs: PrimaryMap::new(),
            tables: Tables::new(policy, name),
            finders: HashMap::new(),
            label_finders: HashMap::new(),
            globs: HashMap::new(),
            name_finders: HashMap::new(),
            labels: None,
            windows: 0,
            points_into_packet: *kind == HookKind::Xdp,
            options: None,
            prefix_finders: HashMap::new(),
        }
    }
}

/// What rules refer to.
struct Names {
    /// Counter slot and source line of a rule by chain and place.
    rules: HashMap<(Option<ChainId>, usize), (u64, Line)>,
    /// Counter slot of a `count NAME`.
    counters: HashMap<CounterId, u64>,
    /// Functions of chains.
    chains: HashMap<ChainId, Func>,
    /// The function that samples, if any rule does.
    sampler: Option<Func>,
    /// Slots in the table of interfaces; slot 0 is the number of no interface.
    ifaces: HashMap<IfaceId, u32>,
    /// Limits.
    limits: HashMap<LimitId, NamedLimit>,
    /// Sets that are kept in maps.
    sets: HashMap<SetId, NamedSet>,
    /// Rows in which `nth`s take places.
    rows: HashMap<NthId, u32>,
    /// No verdict is given: nothing is done that only a verdict makes good.
    shadow: bool,
}

/// A function of rules being built.
struct FuncBuilder<'b, 'p> {
    b: Builder<'b>,
    policy: &'p Policy,
    made: &'b mut Made<'p>,
    names: &'b Names,
    layout: Value,
    /// The lengths word.
    lens: Value,
    pkt_len: Value,
    l3_off: Value,
    l4_off: Value,
    /// What a function of rules is called with.
    args: Vec<Value>,
    /// The packet inside a tunnel, if some rule asks for it.
    inner: Option<Headers>,
    /// `layout`, `l3_off` and `l4_off` are those of the packet inside a tunnel.
    inside: bool,
}

/// A packet's layout word, and the offsets in it.
#[derive(Clone, Copy)]
struct Headers {
    layout: Value,
    l3_off: Value,
    l4_off: Value,
}

impl Headers {
    fn of(b: &mut Builder<'_>, layout: Value) -> Self {
        let shifted = b.binary_imm(BinOp::Shr, layout, L3_SHIFT);
        let l3_off = b.binary_imm(BinOp::And, shifted, L3_MASK);
        let l4_off = parse::transport_off(b, layout);
        Self { layout, l3_off, l4_off }
    }
}

impl<'b, 'p> FuncBuilder<'b, 'p> {
    /// A builder in the entry block of a new function `(layout, lens)` or `(layout, lens, inner)`.
    fn new(
        func: &'b mut Function,
        policy: &'p Policy,
        made: &'b mut Made<'p>,
        names: &'b Names,
        needs: Needs,
    ) -> Self {
        let mut b = Builder::new(func, rule_params(needs));
        let args = b.func.params().to_vec();
        let [layout, lens] = [args[0], args[1]];
        let pkt_len =
            if needs.payload { b.binary_imm(BinOp::And, lens, PKT_LEN_MASK) } else { lens };
        let Headers { layout, l3_off, l4_off } = Headers::of(&mut b, layout);
        let inner = args.get(2).map(|&word| Headers::of(&mut b, word));
        let inside = false;
        Self { b, policy, made, names, layout, lens, pkt_len, l3_off, l4_off, args, inner, inside }
    }

    /// Builds what asks the packet inside a tunnel.
    fn inside(&mut self, inner: Headers, build: impl FnOnce(&mut Self)) {
        let outer = Headers { layout: self.layout, l3_off: self.l3_off, l4_off: self.l4_off };
        self.ask_of(inner, true);
        build(self);
        self.ask_of(outer, false);
    }

    fn ask_of(&mut self, headers: Headers, inside: bool) {
        Headers { layout: self.layout, l3_off: self.l3_off, l4_off: self.l4_off } = headers;
        self.inside = inside;
    }
}

/// Numbers that a function of rules takes.
fn rule_params(needs: Needs) -> usize {
    if needs.inner { 3 } else { 2 }
}

impl Lowering<'_> {
    /// The whole program; returns its entry.
    fn program(&mut self, plan: &Plan) -> Func {
        let hook_name = self.policy.hooks[self.hook].name.clone();
        if !report::samples(self.policy, self.hook).is_empty() {
            self.names.sampler = Some(self.made.funcs.push(effects::sampler(&hook_name)));
        }
        let mut flows: Vec<&mut NamedLimit> = self.names.limits.values_mut().collect();
        flows.retain(|named| named.limit.manifest.storage == Storage::Flows);
        flows.sort_by_key(|named| named.limit.id);
        for named in flows {
            let name = format!("{hook_name}_flows_{}", named.limit.manifest.name);
            named.flows = Some(self.made.funcs.push(flow::function(&name, named.ir)));
        }
        // Callees first: a chain's function must have a name before a rule can call it.
        for chain in self.chains_callees_first() {
            let runs = &plan.chains.iter().find(|(c, _)| *c == chain).expect("planned").1;
            let func = self.chain(chain, runs, &hook_name);
            self.names.chains.insert(chain, func);
        }
        let runs: Vec<Func> = plan
            .hook
            .iter()
            .enumerate()
            .map(|(i, run)| self.run(&format!("{hook_name}_r{i}"), None, run, true))
            .collect();
        self.entry(&hook_name, &runs)
    }

    /// The function that walks over extension headers, if any rule looks behind them.
    fn walk(&mut self, hook: &str) -> Option<Func> {
        let funcs = &mut self.made.funcs;
        self.needs.transport.then(|| {
            let step = funcs.push(walk::step_function(&format!("{hook}_step")));
            funcs.push(walk::walk_function(&format!("{hook}_walk"), step))
        })
    }

    /// The function that makes the layout word of the packet inside a tunnel, if any rule asks for it.
    fn inner(&mut self, hook: &str, walk: Option<Func>) -> Option<Func> {
        let name = format!("{hook}_inner");
        let inside = self.inside;
        self.needs.inner.then(|| {
            let walk = walk.filter(|_| inside.transport);
            self.made.funcs.push(tunnel::inner_function(&name, inside, walk))
        })
    }

    /// The function that makes the lengths word, if any rule asks for more than the packet's length.
    fn lens(&mut self, hook: &str) -> Option<Func> {
        let ports = &self.policy.hooks[self.hook].dns_ports;
        let funcs = &mut self.made.funcs;
        // Nearly all DNS is UDP: there the name is walked in line, for TCP by a call.
        let questions = self.needs.question.then(|| {
            let step = funcs.push(name::walk_function(&format!("{hook}_question8")));
            let of_udp = name::question_function(&format!("{hook}_question"), step);
            let of_tcp = name::question_function(&format!("{hook}_question_tcp"), step);
            [funcs.push(inlined(of_udp)), funcs.push(of_tcp)]
        });
        let name = format!("{hook}_lens");
        self.needs
            .payload
            .then(|| funcs.push(inlined(lens::lens_function(&name, self.needs, ports, questions))))
    }

    /// What the hook's default does, but for what asks for headers.
    fn default_effects(&self, b: &mut Builder<'_>, slot: u64, pkt_len: Value) {
        let default = &self.policy.hooks[self.hook].default;
        for effect in &default.effects {
            effects::plain_effect(b, &self.names, effect, slot, pkt_len);
        }
        if let (Some(Steer::Redirect(iface)), false) = (default.steer, self.shadow) {
            let iface = b.iface_slot(self.names.ifaces[&iface]);
            b.redirect(iface);
        }
    }

    fn entry(&mut self, name: &str, runs: &[Func]) -> Func {
        let (walk, make_lens) = (self.walk(name), self.lens(name));
        let make_inner = self.inner(name, walk);
        let last = self.default_changes(name);
        let needs = self.needs;
        let hook = &self.policy.hooks[self.hook];
        let (default_slot, default_line) = self.names.rules[&(None, hook.rules.len())];
        let answers = needs.answers && !self.shadow;
        let answer =
            answers.then(|| self.made.funcs.push(reject::function(&format!("{name}_reject"))));
        let mut func = Function::new(name);
        let mut b = Builder::new(&mut func, 0);
        b.set_line(Some(default_line));
        let pkt_len = b.env(Env::PktLen);
        let start = hook.kind.start();
        // Rules that stand in line do so once more for the commonest packets.
        let common = runs.iter().all(|&run| self.made.funcs[run].inline);
        let read = parse::HeaderReader::read(&mut b, start, pkt_len, needs, walk, common);
        let decided = b.new_block();
        let outcome = b.func.add_param(decided);
        let default = b.new_block();
        if answer.is_some() {
            b.func.add_param(decided);
            b.func.add_param(default);
        }
        for block in [Some(read.any), read.common].into_iter().flatten() {
            b.switch_to(block);
            let layout = b.func.blocks[block].params[0];
            let lens = match make_lens {
                Some(func) => b.call(func, vec![layout, pkt_len]),
                None => pkt_len,
            };
            let inner = make_inner.map(|func| b.call(func, vec![layout, pkt_len]));
            let words: Vec<Value> = [layout, lens].into_iter().chain(inner).collect();
            if answer.is_none() {
                ask_runs(&mut b, (runs, last), &words, (decided, default));
                continue;
            }
            // An answer asks for the layout word once more.
            let [found, left] = [(); 2].map(|()| b.new_block());
            let result = b.func.add_param(found);
            ask_runs(&mut b, (runs, last), &words, (found, left));
            b.switch_to(found);
            b.jump(decided, vec![result, layout]);
            b.switch_to(left);
            b.jump(default, vec![layout]);
        }
        b.switch_to(default);
        self.default_effects(&mut b, default_slot, pkt_len);
        let result = b.iconst(rules::decision(default_slot, hook.kind, hook.default.steer));
        let mut words = vec![result];
        words.extend_from_slice(&b.func.blocks[default].params);
        b.jump(decided, words);
        b.switch_to(decided);
        let above = b.binary_imm(BinOp::Shr, outcome, 32);
        let slot = b.binary_imm(BinOp::Sub, above, 1);
        b.count(slot, pkt_len);
        if self.shadow {
            // Only here: a rule that did not decide would let later rules match and count.
            let code = b.iconst(u64::from(rules::code(hook.kind, Verdict::Pass)));
            b.ret(code);
        } else {
            let code = b.binary_imm(BinOp::And, outcome, u64::from(u32::MAX));
            if let Some(answer) = answer {
                let layout = b.func.blocks[decided].params[1];
                reject::answer(&mut b, answer, hook.kind, code, layout);
            }
            b.ret(code);
        }
        self.made.funcs.push(func)
    }
}

/// Asks the runs one after the other, and calls `last` where none of them decided.
fn ask_runs(
    b: &mut Builder<'_>,
    (runs, last): (&[Func], Option<Func>),
    words: &[Value],
    (decided, default): (Block, Block),
) {
    let end = if last.is_some() { b.new_block() } else { default };
    for &run in runs {
        let result = b.call(run, words.to_vec());
        let [next, yes] = [(); 2].map(|()| b.new_block());
        b.br_imm(Cond::Gt, result, LEAVE, yes, next);
        b.switch_to(yes);
        b.jump(decided, vec![result]);
        b.switch_to(next);
        let on = b.new_block();
        b.br_imm(Cond::Eq, result, GO_ON, on, end);
        b.switch_to(on);
    }
    b.jump(end, Vec::new());
    if let Some(last) = last {
        b.switch_to(end);
        b.call(last, words.to_vec());
        b.jump(default, Vec::new());
    }
}

#[cfg(test)]
mod tests;
