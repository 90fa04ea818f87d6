//! Items: their heads by the grammar, their bodies by the modules that know them.

use crate::lex::Tok;
use crate::props::{Owner, Reader};
use crate::sink::{Sink, Source};
use crate::split::{Block, Piece};
use crate::syntax::{Node, Part, Rule, shorten};
use crate::{
    Diag, HookDecl, Item, ItemKind, LimitDecl, Name, SetDecl, TestDecl, errors, names, predicate,
    rules, spanned, steps, values,
};

/// Reads an item without braces of its own.
pub(crate) fn line(source: Source<'_>, piece: &Piece, sink: &mut Sink) -> Option<Item> {
    if piece.broken {
        return None;
    }
    let head = Head::new(source, piece);
    let kind = match head.word() {
        "include" => {
            let row = head.parse(Rule::include_item, sink)?;
            let path = row.into_inner().find(|node| node.as_rule() == Rule::text)?;
            ItemKind::Include(values::plain_text(head.part, &path, sink)?)
        }
        "use" => {
            let row = head.parse(Rule::use_item, sink)?;
            let path = row.into_inner().find(|node| node.as_rule() == Rule::std_path)?;
            ItemKind::Use(head.part.name(&path.into_inner().next()?))
        }
        "let" => head.constant(sink)?,
        "match" => head.named_predicate(sink)?,
        "set" | "limit" | "conns" | "chain" | "hook" | "test" => {
            sink.push(errors::missing_body(head.part.span(), head.word()));
            return None;
        }
        word => {
            sink.push(head.no_item(word, piece));
            return None;
        }
    };
    Some(Item { kind, span: head.part.span() })
}

/// Reads an item with braces.
pub(crate) fn block(source: Source<'_>, block: &Block, sink: &mut Sink) -> Option<Item> {
    let head = Head::new(source, &block.head);
    let kind = match head.word() {
        "set" => head.set(block, sink),
        "limit" => head.limit(Owner::Limit, block, sink).map(ItemKind::Limit),
        "conns" => head.limit(Owner::Conns, block, sink).map(ItemKind::Conns),
        "chain" => head.chain(block, sink),
        "hook" => head.hook(block, sink),
        "test" => head.test(block, sink),
        word => {
            if !block.head.broken {
                sink.push(head.no_item(word, &block.head));
            }
            None
        }
    };
    Some(Item { kind: kind?, span: source.span(block.head.start, block.end) })
}

/// What stands before the braces of an item, or the whole of one without.
struct Head<'a> {
    part: Part<'a>,
    broken: bool,
}

impl<'a> Head<'a> {
    fn new(source: Source<'a>, piece: &Piece) -> Self {
        Self { part: Part::new(source, piece.start, piece.end), broken: piece.broken }
    }

    /// Its first word.
    fn word(&self) -> &'a str {
        let mut lexer = self.part.lexer();
        lexer.next().map_or("", |token| lexer.str(token))
    }

    fn parse(&self, rule: Rule, sink: &mut Sink) -> Option<Node<'a>> {
        if self.broken {
            return None;
        }
        match self.part.parse(rule) {
            Ok(row) => Some(row),
            Err(diag) => {
                sink.push(self.better(rule, *diag));
                None
            }
        }
    }

    /// A plainer error where the general one is known to mislead.
    fn better(&self, rule: Rule, diag: Diag) -> Diag {
        let found = self.part.source.at(diag.span);
        match rule {
            Rule::let_item if found == "," => errors::bare_list(diag.span),
            Rule::use_item => diag.help("modules are named `use std::NAME`"),
            Rule::set_head => {
                diag.help("a set is `set NAME: TYPE { … }`, as in `set bad: addr { dynamic }`")
            }
            Rule::hook_head => {
                diag.help("a hook is `hook KIND NAME { … }`, as in `hook xdp edge { … }`")
            }
            Rule::test_head => diag.help("a test is `test \"TITLE\" for HOOK { … }`"),
            _ => diag,
        }
    }

    /// What to say of a line whose first word is no item's.
    fn no_item(&self, word: &str, piece: &Piece) -> Diag {
        let is_rule = piece.arrow.is_some() || word.starts_with('-') || word.ends_with(':');
        if is_rule {
            return errors::rule_outside(self.part.span());
        }
        if !word.starts_with(|c: char| c.is_alphabetic()) {
            let (span, found) = self.part.found(self.part.start);
            return errors::expected(span, "an item", &found);
        }
        let first = self.part.lexer().next();
        let span = first.map_or(self.part.span(), |t| self.part.source.span(t.start, t.end));
        errors::unknown_item(span, &shorten(word))
    }

    /// The first `any_name` of a head, checked.
    fn name(&self, row: &Node<'_>, sink: &mut Sink) -> Option<Name> {
        let node = row.clone().into_inner().find(|node| node.as_rule() == Rule::any_name)?;
        let name = self.part.name(&node);
        names::check_item(&name, sink).then_some(name)
    }

    fn constant(&self, sink: &mut Sink) -> Option<ItemKind> {
        let row = self.parse(Rule::let_item, sink)?;
        let name = self.name(&row, sink);
        let value = row.into_inner().find(|node| node.as_rule() == Rule::value)?;
        let value = values::of_node(self.part, value, sink)?;
        Some(ItemKind::Let { name: name?, value })
    }

    fn named_predicate(&self, sink: &mut Sink) -> Option<ItemKind> {
        let row = self.parse(Rule::match_head, sink)?;
        let name = self.name(&row, sink);
        let equals = self.part.at(&row).end as usize;
        let params = row.into_inner().find(|node| node.as_rule() == Rule::params);
        let params = params.into_iter().flat_map(Node::into_inner);
        let params: Vec<Name> = params.map(|node| self.part.name(&node)).collect();
        let good = params.iter().filter(|name| !names::check_item(name, sink)).count() == 0;
        let start = equals + leading_blanks(self.part, equals);
        let body = Part::new(self.part.source, start, self.part.end);
        if body.text().is_empty() {
            let span = self.part.end_span();
            sink.push(errors::missing_term(span, Some("="), "the end of the line"));
            return None;
        }
        if let Some(arrow) = body.lexer().find(|token| token.kind == Tok::Arrow) {
            let span = self.part.source.span(arrow.start, arrow.end);
            let diag = errors::expected(span, "the end of the predicate", "`->`");
            sink.push(diag.help("a `match` names a predicate; actions stand in rules"));
            return None;
        }
        let body = predicate::parse(body, sink)?;
        good.then_some(ItemKind::Match { name: name?, params, body })
    }

    fn set(&self, block: &Block, sink: &mut Sink) -> Option<ItemKind> {
        let row = self.parse(Rule::set_head, sink);
        let name = row.as_ref().and_then(|row| self.name(row, sink));
        let mut reader = Reader::new(Owner::Set);
        for piece in &block.pieces {
            reader.piece(self.part.source, piece, sink);
        }
        let mut set = SetDecl {
            name: spanned(String::new(), self.part.span()),
            ty: Vec::new(),
            tuple: false,
            elements: Vec::new(),
            from: Vec::new(),
            props: Vec::new(),
        };
        reader.fill(&mut set, self.part.source, sink);
        set.name = name?;
        for node in row?.into_inner() {
            match node.as_rule() {
                Rule::type_word => set.ty.push(self.part.name(&node)),
                Rule::type_tuple => {
                    set.tuple = true;
                    set.ty.extend(node.into_inner().map(|node| self.part.name(&node)));
                }
                _ => {}
            }
        }
        Some(ItemKind::Set(set))
    }

    fn limit(&self, owner: Owner, block: &Block, sink: &mut Sink) -> Option<LimitDecl> {
        let row = self.parse(Rule::limit_head, sink);
        let name = row.and_then(|row| self.name(&row, sink));
        let mut reader = Reader::new(owner);
        for piece in &block.pieces {
            reader.piece(self.part.source, piece, sink);
        }
        Some(LimitDecl { name: name?, props: reader.into_props() })
    }

    fn chain(&self, block: &Block, sink: &mut Sink) -> Option<ItemKind> {
        let row = self.parse(Rule::chain_head, sink);
        let name = row.and_then(|row| self.chain_name(row, sink));
        let pieces = block.pieces.iter();
        let rules = pieces.filter_map(|piece| rules::chain_rule(self.part.source, piece, sink));
        let rules = rules.collect();
        Some(ItemKind::Chain { name: name?, rules })
    }

    /// A chain's name may be quoted, and then hold anything.
    fn chain_name(&self, row: Node<'_>, sink: &mut Sink) -> Option<Name> {
        let Some(quoted) = row.clone().into_inner().find(|node| node.as_rule() == Rule::text)
        else {
            return self.name(&row, sink);
        };
        let name = values::plain_text(self.part, &quoted, sink)?;
        if name.node.is_empty() {
            sink.push(errors::bad_name(name.span, "\"\"", "it is empty"));
            return None;
        }
        Some(name)
    }

    fn hook(&self, block: &Block, sink: &mut Sink) -> Option<ItemKind> {
        let row = self.parse(Rule::hook_head, sink);
        let name = row.as_ref().and_then(|row| self.name(row, sink));
        let mut hook = empty_hook(spanned(String::new(), self.part.span()), name.clone());
        for piece in &block.pieces {
            rules::hook_body(self.part.source, piece, &mut hook, sink);
        }
        for node in row?.into_inner() {
            match node.as_rule() {
                Rule::hook_kind => hook.kind = self.part.name(&node),
                Rule::word => hook.args.push(self.part.name(&node)),
                _ => {}
            }
        }
        name?;
        Some(ItemKind::Hook(hook))
    }

    fn test(&self, block: &Block, sink: &mut Sink) -> Option<ItemKind> {
        let row = self.parse(Rule::test_head, sink);
        let pieces = block.pieces.iter();
        let steps = pieces.filter_map(|piece| steps::step(self.part.source, piece, sink));
        let steps = steps.collect();
        let row = row?;
        let hook = row.clone().into_inner().find(|node| node.as_rule() == Rule::any_name)?;
        let title = row.into_inner().find(|node| node.as_rule() == Rule::text)?;
        let title = values::plain_text(self.part, &title, sink)?;
        Some(ItemKind::Test(TestDecl { title, hook: self.part.name(&hook), steps }))
    }
}

/// A hook without rules.
pub(crate) fn empty_hook(kind: Name, name: Option<Name>) -> HookDecl {
    let name = name.unwrap_or_else(|| spanned(String::new(), kind.span));
    let (args, defaults, props, rules) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    HookDecl { kind, name, args, defaults, props, rules }
}

/// Bytes of blanks, newlines and comments at `pos`.
fn leading_blanks(part: Part<'_>, pos: usize) -> usize {
    let mut lexer = Part::new(part.source, pos, part.end).lexer();
    values::next_token(&mut lexer).map_or(part.end - pos, |token| token.start - pos)
}
