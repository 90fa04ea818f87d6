//! Shares of packets: `random N/M`, `nth N/M`, and `sample [nth] N/M [snap BYTES]`.

use super::value::{Params, Val};
use super::{Checker, errors};
use crate::chance::Chance;
use crate::hir::{Effect, NthId, NthTest, Policy, Pred, Rule, Share};
use cranelift_entity::EntityRef;
use l4c_grammar::{Action, Name, S, Span, Value, spanned};

/// The most that `snap` takes: longer than any packet that a hook is shown whole.
const MAX_SNAP_BYTES: u64 = 65_535;

impl Checker<'_> {
    /// What a `sample` asks for.
    pub(super) fn sample(&mut self, action: &Action) -> Option<Effect> {
        let (nth, args) = match action.args.as_slice() {
            [nth, args @ ..] if is_word(nth, "nth") => (true, args),
            args => (false, args),
        };
        let verb = if nth { "sample nth" } else { "sample" };
        let (share, rest) = match args {
            [] => return self.diags.none(errors::no_share(action.verb.span)),
            [snap, ..] if is_word(snap, "snap") => {
                return self.diags.none(errors::no_share(action.verb.span));
            }
            [part, slash, whole, ..] if is_word(slash, "/") => {
                let word = |value: &S<Value>| self.sources.text(value.span).to_owned();
                let instead = format!("{}/{}", word(part), word(whole));
                return self.diags.none(errors::share_form(slash.span, verb, &instead));
            }
            [share, rest @ ..] => (share, rest),
        };
        let chance = self.chance(share, verb, &[]);
        let snap_bytes = match rest {
            [] => None,
            [snap, bytes] if is_word(snap, "snap") => Some(self.snap_bytes(bytes)?),
            [snap] if is_word(snap, "snap") => {
                return self.diags.none(errors::snap(snap.span, "`snap` needs a number of bytes"));
            }
            [snap, _, more, ..] if is_word(snap, "snap") => {
                return self.diags.none(errors::sample_words(more.span));
            }
            [more, ..] => return self.diags.none(errors::sample_words(more.span)),
        };
        let share = if nth { Share::Nth(new_nth(chance?)) } else { Share::Random(chance?) };
        Some(Effect::Sample { share, snap_bytes })
    }

    /// `random N/M`, `nth N/M`
    pub(super) fn chance_test(
        &mut self,
        nth: bool,
        ratio: &Name,
        span: Span,
        params: Params<'_>,
    ) -> Option<Pred> {
        self.spend(1, 0, span)?;
        let share = spanned(Value::Word(ratio.node.clone()), ratio.span);
        let chance = self.chance(&share, if nth { "nth" } else { "random" }, params)?;
        Some(if nth { Pred::Nth(new_nth(chance)) } else { Pred::Random(chance) })
    }

    /// `N/M`, or a constant that is one.
    fn chance(&mut self, share: &S<Value>, verb: &str, params: Params<'_>) -> Option<Chance> {
        if let Value::Word(word) = &share.node
            && let Some(instead) = intended(word)
        {
            return self.diags.none(errors::share_form(share.span, verb, &instead));
        }
        let val = self.values.value(share, params, &mut self.diags);
        match val.node {
            Val::Ratio { part, whole } => {
                let fits = |n: u64| u32::try_from(n).ok();
                match fits(part).zip(fits(whole)).and_then(|(n, m)| Chance::new(n, m)) {
                    Some(chance) => Some(chance),
                    None => self.diags.none(errors::share(share.span, verb, (part, whole))),
                }
            }
            Val::Error => None,
            other => self.diags.none(errors::no_ratio(share.span, verb, other.words())),
        }
    }

    fn snap_bytes(&mut self, bytes: &S<Value>) -> Option<u32> {
        let val = self.values.value(bytes, &[], &mut self.diags);
        match val.node {
            Val::Number(n @ 1..=MAX_SNAP_BYTES) => u32::try_from(n).ok(),
            Val::Number(0) => {
                self.diags.none(errors::snap(bytes.span, "no byte would be left of a packet"))
            }
            Val::Number(_) => self.diags.none(errors::snap(bytes.span, "no packet is so long")),
            Val::Error => None,
            other => {
                let why = format!("behind `snap` stands a number of bytes, not {}", other.words());
                self.diags.none(errors::snap(bytes.span, &why))
            }
        }
    }
}

/// One that has no number yet: see [`number_nths`].
fn new_nth(share: Chance) -> NthTest {
    NthTest { id: NthId::new(0), share }
}

/// Tells every `nth` of the policy from all others. Rules that use a `match` have each a copy of it.
pub(super) fn number_nths(policy: &mut Policy) {
    let mut next = 0;
    let chains = policy.chains.values_mut().flat_map(|chain| &mut chain.rules);
    let hooks = policy.hooks.values_mut();
    let hooks = hooks.flat_map(|hook| hook.rules.iter_mut().chain([&mut hook.default]));
    for rule in chains.chain(hooks) {
        for_each_nth(rule, &mut |test| {
            test.id = NthId::new(next);
            next += 1;
        });
    }
}

fn for_each_nth(rule: &mut Rule, f: &mut impl FnMut(&mut NthTest)) {
    // Not deeper than what brackets and matches are allowed.
    fn walk(pred: &mut Pred, f: &mut impl FnMut(&mut NthTest)) {
        match pred {
            Pred::Nth(test) => f(test),
            Pred::Not(inner) => walk(inner, f),
            Pred::And(list) | Pred::Or(list) => list.iter_mut().for_each(|inner| walk(inner, f)),
            Pred::Const(_) | Pred::Atom(_) | Pred::Limit(_) | Pred::Tuple(_) | Pred::Random(_) => {}
        }
    }
    walk(&mut rule.pred, f);
    for effect in &mut rule.effects {
        if let Effect::Sample { share: Share::Nth(test), .. } = effect {
            f(test);
        }
    }
}

fn is_word(value: &S<Value>, wanted: &str) -> bool {
    matches!(&value.node, Value::Word(word) if word == wanted)
}

/// The share that somebody meant who wrote `10%`, `0.1`, `1:10` or `100` for one in a hundred.
fn intended(word: &str) -> Option<String> {
    let digits = |s: &str| !s.is_empty() && s.len() <= 6 && s.bytes().all(|b| b.is_ascii_digit());
    let (part, whole) = if let Some((part, whole)) = word.split_once(':') {
        (digits(part).then(|| part.parse().ok())??, digits(whole).then(|| whole.parse().ok())??)
    } else {
        let (number, hundred) = match word.strip_suffix('%') {
            Some(number) => (number, 100),
            None => (word, 1),
        };
        let (left, right) = number.split_once('.').unwrap_or((number, ""));
        if !digits(left) || !(right.is_empty() || digits(right)) {
            return None;
        }
        let part: u64 = format!("{left}{right}").parse().ok()?;
        let places = u32::try_from(right.len()).ok()?;
        // A bare number is one packet in so many.
        if hundred == 1 && right.is_empty() {
            (1, part)
        } else {
            (part, hundred * 10u64.pow(places))
        }
    };
    (1..=whole).contains(&part).then(|| {
        let by = greatest_common_divisor(part, whole);
        format!("{}/{}", part / by, whole / by)
    })
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use super::intended;

    #[test]
    fn other_ways_to_write_a_share_are_understood() {
        for (word, share) in [
            ("10%", Some("1/10")),
            ("0.1%", Some("1/1000")),
            ("100%", Some("1/1")),
            ("0.25", Some("1/4")),
            ("1:100", Some("1/100")),
            ("100", Some("1/100")),
            ("1", Some("1/1")),
            ("0", None),
            ("0%", None),
            ("101%", None),
            ("2:1", None),
            ("%", None),
            ("1.2.3", None),
            ("9999999%", None),
            ("1/10", None),
            ("SHARE", None),
        ] {
            assert_eq!(intended(word).as_deref(), share, "{word}");
        }
    }
}
