//! `conns NAME { … }`

use super::limits::DEFAULT_MAX;
use super::value::duration_ns;
use super::{Checker, errors};
use crate::hir::{Kept, Limit};
use l4c_grammar::{LimitDecl, Prop, spanned};
use l4c_manifest::{Full, MAX_ALLOWED, Unit};

/// A flow of which so long nothing came does not count, unless a conns says otherwise.
const DEFAULT_IDLE_NS: u64 = 5 * 60 * 1_000_000_000;

/// The kernel's coarse clock goes on by so much at least each time.
const LEAST_IDLE_NS: u64 = 10_000_000;

/// A year.
const MOST_IDLE_NS: u64 = 365 * 86_400 * 1_000_000_000;

/// The properties of a conns, each once.
#[derive(Default)]
struct Props<'d> {
    allow: Option<&'d Prop>,
    per: Option<&'d Prop>,
    idle: Option<&'d Prop>,
    max: Option<&'d Prop>,
    full: Option<&'d Prop>,
}

impl Checker<'_> {
    pub(super) fn conns(&mut self, decl: &LimitDecl) -> Limit {
        let mut props = Props::default();
        for prop in &decl.props {
            let place = match prop.name.node.as_str() {
                "allow" => &mut props.allow,
                "per" => &mut props.per,
                "idle" => &mut props.idle,
                "max" => &mut props.max,
                // The grammar lets no other through.
                _ => &mut props.full,
            };
            if place.replace(prop).is_some() {
                self.diags.push(errors::property_twice(&prop.name));
            }
        }
        let allowed = match props.allow {
            Some(allow) => self.allowed(allow),
            None => {
                let help = "add `allow 100`: so many a key may have at once";
                let why = "this does not say how many flows there may be";
                self.diags.push(errors::limit(decl.name.span, why, help));
                1
            }
        };
        let idle_ns = props.idle.map_or(DEFAULT_IDLE_NS, |idle| self.idle_ns(idle));
        let key = props.per.map_or_else(Vec::new, |per| self.key(&per.values));
        let full = props.full.map_or(Full::Evict, |full| {
            let rows = [("evict", Full::Evict), ("drop", Full::Drop), ("pass", Full::Pass)];
            self.one_of(full, &rows).unwrap_or(Full::Evict)
        });
        let max = props.max.map_or(DEFAULT_MAX, |max| self.limit_max(max));
        if props.per.is_none() {
            self.without_key([props.max, props.full]);
        }
        Limit {
            name: decl.name.node.clone(),
            span: decl.name.span,
            unit: Unit::Packets,
            rate: None,
            burst: allowed,
            key,
            max,
            full,
            kept: Kept::Flows { idle_ns },
        }
    }

    fn allowed(&mut self, prop: &Prop) -> u64 {
        let text = self.texts(prop).join(" ");
        match self.number_of(&text, prop.span, "allow") {
            Some(0) => {
                let why = "where no flow is allowed, each is one too many";
                self.diags.push(errors::limit(prop.span, why, "`drop` alone does that"));
                1
            }
            Some(n) if n > MAX_ALLOWED => {
                let why = format!("a key may have {MAX_ALLOWED} flows at most");
                let help = "count by a finer key, as in `per src, dport`, or limit how fast flows are opened: \
                            `tcp.flags & (syn|ack) == syn and over(LIMIT)`";
                self.diags.push(errors::limit(prop.span, &why, help));
                1
            }
            Some(n) => n,
            None => 1,
        }
    }

    fn idle_ns(&mut self, prop: &Prop) -> u64 {
        let text = self.texts(prop).join(" ");
        let Some(ns) = duration_ns(
            &spanned(text, prop.values.first().map_or(prop.span, |value| value.span)),
            &mut self.diags,
        ) else {
            return DEFAULT_IDLE_NS;
        };
        if (LEAST_IDLE_NS..=MOST_IDLE_NS).contains(&ns) {
            return ns;
        }
        let why = "a flow counts for 10ms at least after its last packet, and 365d at most";
        self.diags.push(errors::limit(
            prop.span,
            why,
            "`idle 5m` is what is meant if it is left out",
        ));
        DEFAULT_IDLE_NS
    }
}
