//! Rules of hooks and chains: label, predicate, actions, or an iptables line.

use crate::lex::{Lexer, Tok, Token};
use crate::predicate;
use crate::sink::{Sink, Source};
use crate::split::{Piece, Shape};
use crate::syntax::{Part, Rule as Kind, shorten};
use crate::{Action, HookDecl, Prop, Rule, RuleKind, S, Value, errors, names, spanned, values};

mod missing_arrow;

/// Reads the pieces of a hook's body into `hook`.
pub(crate) fn hook_body(source: Source<'_>, piece: &Piece, hook: &mut HookDecl, sink: &mut Sink) {
    if piece.broken {
        return;
    }
    let part = Part::new(source, piece.start, piece.end);
    let mut lexer = part.lexer();
    let first = lexer.next();
    let second = values::next_token(&mut lexer);
    let is = |token: Option<Token>, text: &str| token.is_some_and(|t| lexer.str(t) == text);
    if piece.label.is_none() && piece.shape == Shape::Plain {
        if is(first, "default") {
            hook.defaults.extend(default(source, piece, sink));
            return;
        }
        if piece.arrow.is_none() && is(second, "{") && first.is_some_and(|t| t.kind == Tok::Word) {
            hook.props.extend(setting(part, sink));
            return;
        }
    }
    hook.rules.extend(rule(source, piece, sink));
}

/// Reads a piece of a chain's body.
pub(crate) fn chain_rule(source: Source<'_>, piece: &Piece, sink: &mut Sink) -> Option<Rule> {
    if piece.broken {
        return None;
    }
    let mut lexer = Part::new(source, piece.start, piece.end).lexer();
    let first = lexer.next()?;
    if piece.label.is_none() && lexer.str(first) == "default" {
        sink.push(errors::default_in_chain(source.span(first.start, first.end)));
        return None;
    }
    rule(source, piece, sink)
}

/// Reads a rule.
fn rule(source: Source<'_>, piece: &Piece, sink: &mut Sink) -> Option<Rule> {
    let span = source.span(piece.start, piece.end);
    let label = piece.label.map(|(start, end)| {
        let span = source.span(start, end);
        spanned(source.at(span).to_owned(), span)
    });
    if let Some(label) = label.as_ref().filter(|label| label.node == "default") {
        // `default: udp -> drop` meant its actions, whatever stands before the arrow.
        let start = piece.arrow.map_or(piece.main, |arrow| arrow + 2);
        let actions = Part::new(source, start, piece.end).text().trim_start();
        sink.push(errors::default_label(label.span, &shorten(actions)));
        return None;
    }
    let label_good = label.as_ref().is_none_or(|label| names::check_form(label, sink));
    let kind = match piece.shape {
        Shape::Iptables => iptables(source, piece),
        Shape::Plain => plain(source, piece, sink)?,
    };
    label_good.then_some(Rule { label, kind, span })
}

/// An iptables line. A continuation becomes as many blanks as it has bytes, so that offsets in the text stay
/// offsets in the source.
fn iptables(source: Source<'_>, piece: &Piece) -> RuleKind {
    let part = Part::new(source, piece.main, piece.end);
    let lexer = part.lexer();
    let mut text = String::with_capacity(part.text().len());
    let mut pos = piece.main;
    let bytes = source.text.as_bytes();
    let mut copied = pos;
    while pos < piece.end {
        match lexer.continuation(pos) {
            Some(end) => {
                text.push_str(&source.text[copied..pos]);
                text.extend(std::iter::repeat_n(' ', end - pos));
                (pos, copied) = (end, end);
            }
            // An escaped backslash continues nothing.
            None if bytes[pos] == b'\\' => pos += 2,
            None => pos += 1,
        }
    }
    text.push_str(source.text.get(copied..piece.end).unwrap_or(""));
    RuleKind::Iptables(spanned(text, part.span()))
}

fn plain(source: Source<'_>, piece: &Piece, sink: &mut Sink) -> Option<RuleKind> {
    let whole = Part::new(source, piece.main, piece.end);
    if let Some(word) = item_inside(whole) {
        sink.push(errors::item_inside(source.span(word.start, word.end), whole.lexer().str(word)));
        return None;
    }
    let Some(arrow) = piece.arrow else {
        sink.push(missing_arrow::diag(whole));
        return None;
    };
    // Continuations may stand before the arrow.
    let blank = |c: char| c.is_ascii_whitespace() || c == '\\';
    let before = source.text[piece.main..arrow].trim_end_matches(blank);
    let pred_part = Part::new(source, piece.main, piece.main + before.len());
    let pred = if before.is_empty() {
        sink.push(errors::no_predicate(source.span(arrow, arrow + 2)));
        None
    } else {
        predicate::parse(pred_part, sink)
    };
    let actions = actions(Part::new(source, arrow + 2, piece.end), (arrow, arrow + 2), sink);
    Some(RuleKind::Plain { pred: pred?, actions: actions? })
}

/// The first word of an item that stands where a rule should.
fn item_inside(part: Part<'_>) -> Option<Token> {
    let begins = crate::split::begins_item(part.source.text, part.start);
    if begins { part.lexer().next() } else { None }
}

/// Actions separated by commas; `before` is the place of the sign that asks for the first one.
fn actions(part: Part<'_>, before: (usize, usize), sink: &mut Sink) -> Option<Vec<Action>> {
    let mut lexer = part.lexer();
    let mut actions = Vec::new();
    let mut depth = 0_usize;
    let mut sign = part.source.span(before.0, before.1);
    let mut start = part.start;
    let mut good = true;
    loop {
        let token = values::next_token(&mut lexer);
        let ends = token.is_none_or(|t| t.kind == Tok::Comma && depth == 0);
        if ends {
            let end = token.map_or(part.end, |t| t.start);
            match action(part.source, start, end, sign, sink) {
                Some(action) => actions.push(action),
                None => good = false,
            }
        }
        let Some(token) = token else { break };
        let span = part.source.span(token.start, token.end);
        match token.kind {
            Tok::Open => depth += 1,
            Tok::Close => depth = depth.saturating_sub(1),
            Tok::Arrow => {
                let first = part.source.span(before.0, before.1);
                sink.push(errors::second_arrow(span, first));
                return None;
            }
            Tok::Comma if ends => (start, sign) = (token.end, span),
            Tok::Comma
            | Tok::Newline
            | Tok::Continue
            | Tok::Comment
            | Tok::Text
            | Tok::BadText
            | Tok::Op
            | Tok::Word => {}
        }
    }
    good.then_some(actions)
}

/// The action in bytes `start..end`, asked for by `sign`.
fn action(
    source: Source<'_>,
    start: usize,
    end: usize,
    sign: crate::Span,
    sink: &mut Sink,
) -> Option<Action> {
    let mut lexer = Lexer::new(source.text, start, end);
    let Some(first) = values::next_token(&mut lexer) else {
        sink.push(errors::no_action(sign, source.at(sign)));
        return None;
    };
    let part = Part::new(source, first.start, end);
    if first.kind != Tok::Word || !lexer.str(first).starts_with(|c: char| c.is_ascii_alphabetic()) {
        let (span, found) = part.found(first.start);
        sink.push(errors::bad_action(span, &found));
        return None;
    }
    let joined = values::next_token(&mut lexer.clone());
    let row = match part.parse(Kind::action) {
        Ok(row) => row,
        Err(diag) => {
            sink.push(foreign_join(source, joined, lexer).unwrap_or(*diag));
            return None;
        }
    };
    let (mut shadow, mut verb, mut args, mut good) = (None, None, Vec::new(), true);
    let mut last = part.span();
    for node in row.into_inner() {
        match node.as_rule() {
            Kind::shadow_word => shadow = Some(part.at(&node)),
            Kind::verb => {
                last = part.at(&node);
                verb = Some(part.name(&node));
            }
            Kind::value => {
                last = part.at(&node);
                if matches!(node.as_str(), "and" | "or") {
                    sink.push(errors::actions_by_comma(last, node.as_str()));
                    return None;
                }
                match values::of_node(part, node, sink) {
                    Some(value) => args.push(value),
                    None => good = false,
                }
            }
            _ => {}
        }
    }
    let span = source.span(first.start, last.end as usize);
    good.then_some(Action { verb: verb?, args, shadow, span })
}

/// `drop && count x`: the sign that should be a comma.
fn foreign_join(source: Source<'_>, next: Option<Token>, rest: Lexer<'_>) -> Option<crate::Diag> {
    let token = next.into_iter().chain(rest).find(|t| matches!(rest.str(*t), "&&" | "&"))?;
    let span = source.span(token.start, token.end);
    Some(errors::actions_by_comma(span, source.at(span)))
}

/// `default ACTION, …`
fn default(source: Source<'_>, piece: &Piece, sink: &mut Sink) -> Option<S<Vec<Action>>> {
    let word_end = piece.start + "default".len();
    if let Some(arrow) = piece.arrow {
        sink.push(errors::default_arrow(source.span(arrow, arrow + 2)));
        return None;
    }
    let part = Part::new(source, word_end, piece.end);
    let actions = actions(part, (piece.start, word_end), sink)?;
    Some(spanned(actions, source.span(piece.start, piece.end)))
}

/// `dns_ports { 53, 5300 }`
fn setting(part: Part<'_>, sink: &mut Sink) -> Option<Prop> {
    let row = match part.parse(Kind::hook_setting) {
        Ok(row) => row,
        Err(diag) => {
            sink.push(*diag);
            return None;
        }
    };
    let mut inner = row.into_inner();
    let (name, list) = (inner.next()?, inner.next()?);
    let mut lexer = Lexer::new(part.source.text, part.at(&list).start as usize, part.end);
    let value: S<Value> = values::next(part.source, &mut lexer, sink).ok()??;
    Some(Prop { name: part.name(&name), values: vec![value], span: part.span() })
}
