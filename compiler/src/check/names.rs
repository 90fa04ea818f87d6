//! The one set of names that all items of a policy share.

use super::diags::Diags;
use super::words::is_name;
use super::{errors, unsupported};
use crate::fields::{FIELDS, INNER};
use l4c_grammar::{
    Expr, File, HookDecl, Item, ItemKind, LimitDecl, Name, Rule, S, SetDecl, Span, TestDecl, Value,
};
use std::cell::Cell;
use std::collections::HashMap;

/// A name has at most so many bytes.
pub(crate) const MAX_NAME_BYTES: usize = 63;

/// The name of a hook becomes the program's name, and the kernel takes so many bytes
/// (`BPF_OBJ_NAME_LEN`, one of them the final zero).
pub(crate) const MAX_HOOK_NAME_BYTES: usize = 15;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// `let`
    Let,
    /// `set`
    Set,
    /// `limit`
    Limit,
    /// `conns`
    Conns,
    /// `match`
    Match,
    /// `chain`
    Chain,
    /// `hook`
    Hook,
}

impl Sort {
    /// As a user calls it.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Let => "a constant",
            Self::Set => "a set",
            Self::Limit => "a limit",
            Self::Conns => "a limit on flows",
            Self::Match => "a match",
            Self::Chain => "a chain",
            Self::Hook => "a hook",
        }
    }
}

/// A name and what it stands for.
#[derive(Debug)]
pub(crate) struct Symbol {
    /// What it is.
    pub sort: Sort,
    /// Its place in the list of that sort.
    pub index: usize,
    /// Where its name stands.
    pub span: Span,
    /// Something refers to it.
    pub used: Cell<bool>,
}

/// `let`
#[derive(Debug, Clone, Copy)]
pub(crate) struct LetItem<'a> {
    pub name: &'a Name,
    pub value: &'a S<Value>,
}

/// `match`
#[derive(Debug, Clone, Copy)]
pub(crate) struct MatchItem<'a> {
    pub name: &'a Name,
    pub params: &'a [Name],
    pub body: &'a Expr,
}

/// `chain`
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChainItem<'a> {
    pub name: &'a Name,
    pub rules: &'a [Rule],
}

/// All items of a policy by sort, in source order, and their names.
#[derive(Debug, Default)]
pub(crate) struct Names<'a> {
    table: HashMap<&'a str, Symbol>,
    /// Modules of the standard library that are asked for.
    modules: Vec<&'a str>,
    pub lets: Vec<LetItem<'a>>,
    pub sets: Vec<&'a SetDecl>,
    pub matches: Vec<MatchItem<'a>>,
    pub limits: Vec<&'a LimitDecl>,
    pub conns: Vec<&'a LimitDecl>,
    pub chains: Vec<ChainItem<'a>>,
    pub hooks: Vec<&'a HookDecl>,
    pub tests: Vec<&'a TestDecl>,
}

impl<'a> Names<'a> {
    /// Takes every item in; an item whose name is taken already is reported and still checked.
    pub(crate) fn collect(files: &'a [File], diags: &mut Diags) -> Self {
        let mut names = Self::default();
        for item in files.iter().flat_map(|f| &f.items) {
            names.item(item, diags);
        }
        names
    }

    fn item(&mut self, item: &'a Item, diags: &mut Diags) {
        match &item.kind {
            ItemKind::Include(_) => {}
            ItemKind::Use(name) => {
                self.modules.push(&name.node);
                diags.push(unsupported::standard_library(name));
            }
            ItemKind::Let { name, value } => {
                self.define(name, Sort::Let, self.lets.len(), diags);
                self.lets.push(LetItem { name, value });
            }
            ItemKind::Set(set) => {
                self.define(&set.name, Sort::Set, self.sets.len(), diags);
                self.sets.push(set);
            }
            ItemKind::Limit(limit) => {
                self.define(&limit.name, Sort::Limit, self.limits.len(), diags);
                self.limits.push(limit);
            }
            ItemKind::Conns(conns) => {
                self.define(&conns.name, Sort::Conns, self.conns.len(), diags);
                self.conns.push(conns);
            }
            ItemKind::Match { name, params, body } => {
                self.define(name, Sort::Match, self.matches.len(), diags);
                self.matches.push(MatchItem { name, params, body });
            }
            ItemKind::Chain { name, rules } => {
                self.define(name, Sort::Chain, self.chains.len(), diags);
                self.chains.push(ChainItem { name, rules });
            }
            ItemKind::Hook(hook) => {
                self.define(&hook.name, Sort::Hook, self.hooks.len(), diags);
                self.hooks.push(hook);
            }
            ItemKind::Test(test) => self.tests.push(test),
        }
    }

    fn define(&mut self, name: &'a Name, sort: Sort, index: usize, diags: &mut Diags) {
        // A quoted chain name may be any text: `jump` is the only place that says it.
        if sort != Sort::Chain || is_name(&name.node) {
            check_name(name, diags);
        } else if name.node.len() > MAX_NAME_BYTES || name.node.is_empty() {
            diags.push(errors::name_length(name.span, name.node.len(), MAX_NAME_BYTES));
        }
        if let Some(first) = self.table.get(name.node.as_str()) {
            diags.push(errors::name_twice(name, first.sort.words(), first.span));
            return;
        }
        let symbol = Symbol { sort, index, span: name.span, used: Cell::new(false) };
        self.table.insert(&name.node, symbol);
    }

    /// What `name` stands for; notes that something refers to it.
    pub(crate) fn find(&self, name: &str) -> Option<&Symbol> {
        let symbol = self.table.get(name)?;
        symbol.used.set(true);
        Some(symbol)
    }

    /// What `name` stands for, without a note.
    pub(crate) fn peek(&self, name: &str) -> Option<&Symbol> {
        self.table.get(name)
    }

    /// True if `name` belongs to a module that is asked for: its absence was reported there.
    pub(crate) fn of_module(&self, name: &str) -> bool {
        self.modules.iter().any(|module| name.starts_with(module))
    }

    /// Was `name`, the one defined at `span`, used?
    pub(crate) fn is_used(&self, name: &Name) -> bool {
        self.table.get(name.node.as_str()).is_none_or(|s| s.span != name.span || s.used.get())
    }

    /// The known name most like `name` among those of `sort`.
    pub(crate) fn like(&self, name: &str, sort: Sort, diags: &Diags) -> Option<String> {
        let of = |n: &&'a Name| n.node.as_str();
        let found = match sort {
            Sort::Let => nearest(name, self.lets.iter().map(|l| of(&l.name)), diags),
            Sort::Set => nearest(name, self.sets.iter().map(|s| of(&&s.name)), diags),
            Sort::Match => nearest(name, self.matches.iter().map(|m| of(&m.name)), diags),
            Sort::Chain => nearest(name, self.chains.iter().map(|c| of(&c.name)), diags),
            Sort::Hook => nearest(name, self.hooks.iter().map(|h| of(&&h.name)), diags),
            Sort::Limit => nearest(name, self.limits.iter().map(|l| of(&&l.name)), diags),
            Sort::Conns => nearest(name, self.conns.iter().map(|c| of(&&c.name)), diags),
        };
        found.map(str::to_owned)
    }
}

/// Reports a name that is too long or not to be had.
pub(crate) fn check_name(name: &Name, diags: &mut Diags) {
    if name.node.len() > MAX_NAME_BYTES {
        diags.push(errors::name_length(name.span, name.node.len(), MAX_NAME_BYTES));
    } else if let Some(why) = reserved(&name.node) {
        diags.push(errors::name_reserved(name, why));
    }
}

/// Why a name is not to be had, if it is not.
fn reserved(name: &str) -> Option<&'static str> {
    const WORDS: &[&str] = &["and", "or", "not", "in", "has", "all", "over", "under", "default"];
    const LAYERS: &[&str] = &["l2", "l3", "l4", "payload"];
    let first_word = |f: &str| f.split('.').next() == Some(name);
    if WORDS.contains(&name) {
        Some("it is a word of the language")
    } else if FIELDS.iter().any(|f| first_word(f.name))
        || LAYERS.contains(&name)
        || INNER.strip_suffix('.') == Some(name)
    {
        Some("it is a protocol or the first word of a field")
    } else {
        None
    }
}

/// The candidate most like `word`, if one is like it at all.
///
/// Looks at no more than a thousand candidates and gives up on long words, so that a file full of unknown
/// names costs no more than its length.
pub(crate) fn nearest<'c>(
    word: &str,
    candidates: impl Iterator<Item = &'c str>,
    diags: &Diags,
) -> Option<&'c str> {
    if word.len() > MAX_NAME_BYTES || diags.full() {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let allowed = (word.len() / 3).clamp(1, 3);
    candidates
        .take(1000)
        .filter(|c| c.len().abs_diff(word.len()) <= allowed)
        .map(|c| (strsim::osa_distance(&lower, &c.to_ascii_lowercase()), c))
        .filter(|&(distance, c)| distance <= allowed && distance < c.len())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, c)| c)
}
