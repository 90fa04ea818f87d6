//! Every mistake that this crate reports: its code, its words and the way out, on one page.

use crate::{Diag, Span};

/// Codes of this crate with their titles, in order.
pub const CODES: &[(&str, &str)] = &[
    ("E0001", "source too long"),
    ("E0002", "not UTF-8"),
    ("E0003", "control character"),
    ("E0004", "bidirectional character"),
    ("E0005", "quote not closed"),
    ("E0006", "bracket not closed"),
    ("E0007", "closing bracket without opening"),
    ("E0008", "nested too deep"),
    ("E0009", "too many rules"),
    ("E0010", "too many lines"),
    ("E0011", "rule too long"),
    ("E0012", "too many values in lists"),
    ("E0013", "too many errors"),
    ("E0014", "something else expected"),
    ("E0015", "unknown item"),
    ("E0016", "rule outside a hook or chain"),
    ("E0017", "not a name"),
    ("E0018", "word of the language as a name"),
    ("E0019", "unknown escape"),
    ("E0020", "malformed hex text"),
    ("E0021", "text that is not plain"),
    ("E0022", "malformed list"),
    ("E0023", "not a value"),
    ("E0024", "rule without `->`"),
    ("E0025", "rule without predicate"),
    ("E0026", "rule without action"),
    ("E0027", "second `->`"),
    ("E0028", "operator of another language"),
    ("E0029", "`and` and `or` mixed"),
    ("E0030", "predicate missing"),
    ("E0031", "`and` or `or` missing"),
    ("E0032", "value missing"),
    ("E0033", "unfinished predicate"),
    ("E0034", "unexpected text in a predicate"),
    ("E0035", "malformed byte slice"),
    ("E0036", "malformed action"),
    ("E0037", "`default` as a label"),
    ("E0038", "malformed `default`"),
    ("E0039", "unknown property"),
    ("E0040", "property without value"),
    ("E0041", "item inside braces"),
    ("E0042", "body missing"),
    ("E0043", "unknown line in a test"),
];

/// E0001
pub(crate) fn file_too_long(span: Span, bytes: usize, max: usize) -> Diag {
    Diag::error("E0001", span, format!("the source has {bytes} bytes, more than {max}")).help(
        "keep long lists of elements in files of their own: `set NAME: TYPE { from \"FILE\" }`",
    )
}

/// E0002
pub(crate) fn not_utf8(span: Span, byte: u8) -> Diag {
    Diag::error("E0002", span, format!("the source is not UTF-8: byte 0x{byte:02x}"))
        .label("from here on")
        .help("save the file as UTF-8; bytes of a packet are written `hex\"ff\"` or `\"\\xff\"`")
}

/// E0003
pub(crate) fn control_character(span: Span, ch: char) -> Diag {
    let code = u32::from(ch);
    Diag::error("E0003", span, format!("control character U+{code:04X}"))
        .help(format!("remove it; in text it is written `\\x{:02x}`", code & 0xff))
}

/// E0004
pub(crate) fn bidi_character(span: Span, ch: char) -> Diag {
    let code = u32::from(ch);
    Diag::error("E0004", span, format!("U+{code:04X} makes text run the other way"))
        .help("remove it: with it the rules read differently from what they do")
}

/// E0005
pub(crate) fn unclosed_quote(span: Span) -> Diag {
    Diag::error("E0005", span, "this quote is not closed on its line")
        .label("opened here")
        .help("close it with the same quote; a newline in text is written `\\n`")
}

/// E0006
pub(crate) fn unclosed_bracket(span: Span, open: char) -> Diag {
    let close = match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    };
    Diag::error("E0006", span, format!("this `{open}` is never closed"))
        .label("opened here")
        .help(format!("add the `{close}`"))
}

/// E0007
pub(crate) fn stray_close(span: Span, close: char) -> Diag {
    Diag::error("E0007", span, format!("this `{close}` closes nothing")).help("remove it")
}

/// E0008
pub(crate) fn too_deep(span: Span) -> Diag {
    let depth = crate::limits::DEPTH;
    Diag::error("E0008", span, format!("brackets are nested more than {depth} deep"))
        .help("give parts of it a name with `match NAME = …`")
}

/// E0009
pub(crate) fn too_many_rules(span: Span) -> Diag {
    let max = crate::limits::RULES;
    Diag::error("E0009", span, format!("the source has more than {max} rules"))
        .help("rules that differ in a value only are one rule with a set")
}

/// E0010
pub(crate) fn too_many_lines(span: Span) -> Diag {
    let max = crate::limits::LINES;
    Diag::error("E0010", span, format!("the source has more than {max} items and lines"))
}

/// E0010
pub(crate) fn too_many_comments(span: Span) -> Diag {
    let max = crate::limits::COMMENTS;
    Diag::error("E0010", span, format!("the source has more than {max} comments"))
}

/// E0011
pub(crate) fn piece_too_long(span: Span, bytes: usize) -> Diag {
    let max = crate::limits::PIECE_BYTES;
    Diag::error("E0011", span, format!("this rule or line has {bytes} bytes, more than {max}"))
        .label("begins here")
        .help("name parts of it with `match NAME = …`, or put the values into a set")
}

/// E0012
pub(crate) fn too_many_elements(span: Span) -> Diag {
    let max = crate::limits::ELEMENTS;
    Diag::error("E0012", span, format!("the lists of this source hold more than {max} values"))
        .help("put them into a file, one a line: `set NAME: TYPE { from \"FILE\" }`")
}

/// E0013
pub(crate) fn too_many_errors(span: Span) -> Diag {
    Diag::error("E0013", span, "too many errors; what follows was not read")
}

/// E0014: `wanted` and `found` in the user's words.
pub(crate) fn expected(span: Span, wanted: &str, found: &str) -> Diag {
    Diag::error("E0014", span, format!("expected {wanted}, found {found}"))
        .label(format!("expected {wanted}"))
}

/// E0014, a list without braces.
pub(crate) fn bare_list(span: Span) -> Diag {
    expected(span, "the end of the line", "`,`").help("a list stands in braces: `{ a, b }`")
}

/// E0015
pub(crate) fn unknown_item(span: Span, word: &str) -> Diag {
    let help = match word {
        "policy" | "table" | "program" | "filter" => "a program is written `hook xdp NAME { … }`",
        "const" | "var" | "define" => "a constant is written `let NAME = VALUE`",
        "import" | "source" => "a file is included by `include \"FILE\"`",
        "macro" | "fn" | "def" => "a named predicate is written `match NAME = PREDICATE`",
        _ => "an item begins with include, use, let, set, limit, conns, match, chain, hook or test",
    };
    Diag::error("E0015", span, format!("`{word}` begins no item")).help(help)
}

/// E0016
pub(crate) fn rule_outside(span: Span) -> Diag {
    Diag::error("E0016", span, "a rule stands inside a hook or a chain")
        .help("put it in the braces of `hook KIND NAME { … }`; `l4c import` reads iptables-save")
}

/// E0017
pub(crate) fn bad_name(span: Span, name: &str, why: &str) -> Diag {
    Diag::error("E0017", span, format!("`{name}` is not a name: {why}"))
        .help("a name is a letter or `_`, then letters, digits and `_`, at most 63 in all")
}

/// E0018
pub(crate) fn reserved_name(span: Span, name: &str) -> Diag {
    Diag::error("E0018", span, format!("`{name}` is a word of the language and cannot be a name"))
        .help(format!("add something to it, such as `{name}_1`"))
}

/// E0019
pub(crate) fn unknown_escape(span: Span, escape: &str) -> Diag {
    Diag::error("E0019", span, format!("`{escape}` means nothing in text"))
        .help("known are \\\\ \\\" \\n \\r \\t \\0 and \\xHH; a backslash itself is `\\\\`")
}

/// E0020
pub(crate) fn bad_hex(span: Span, text: &str) -> Diag {
    Diag::error("E0020", span, format!("`{text}` is no byte in hex"))
        .help("bytes are two hex digits each, or `??` for any byte: `hex\"ff ?? 41\"`")
}

/// E0021
pub(crate) fn not_plain_text(span: Span) -> Diag {
    Diag::error("E0021", span, "plain text in double quotes is asked for here")
        .help("leave out the `i` or `hex`, and bytes that are not UTF-8")
}

/// E0022
pub(crate) fn missing_element(span: Span) -> Diag {
    Diag::error("E0022", span, "expected a value before this `,`").help("remove the `,`")
}

/// E0022
pub(crate) fn missing_comma(span: Span, found: &str) -> Diag {
    Diag::error("E0022", span, format!("expected `,` before `{found}`"))
        .help("values are separated by commas; a range is one word without blanks, as in `80-90`")
}

/// E0022
pub(crate) fn nested_list(span: Span) -> Diag {
    Diag::error("E0022", span, "a list holds no list in braces")
        .help("write its values without braces, or name it with `let` and put the name here")
}

/// E0023
pub(crate) fn not_a_value(span: Span, found: &str) -> Diag {
    Diag::error("E0023", span, format!("`{found}` is not a value"))
}

/// E0024: `rewritten` is the rule as it was probably meant.
pub(crate) fn missing_arrow(span: Span, rewritten: Option<&str>) -> Diag {
    let help = match rewritten {
        Some(rule) => format!("write `{rule}`"),
        None => "a rule is `predicate -> action`, as in `udp.dport == 53 -> drop`".to_owned(),
    };
    Diag::error("E0024", span, "this rule has no `->`").help(help)
}

/// E0025
pub(crate) fn no_predicate(span: Span) -> Diag {
    Diag::error("E0025", span, "expected a predicate before `->`")
        .help("a rule for every packet says `all -> …`")
}

/// E0026
pub(crate) fn no_action(span: Span, before: &str) -> Diag {
    Diag::error("E0026", span, format!("expected an action after `{before}`"))
        .help("such as `drop`, `pass`, `count NAME` or `jump CHAIN`")
}

/// E0027
pub(crate) fn second_arrow(span: Span, first: Span) -> Diag {
    Diag::error("E0027", span, "a rule has one `->`")
        .label("the second one")
        .other(first, "the first one")
        .help("several actions are separated by commas: `-> count hits, drop`")
}

/// E0028
pub(crate) fn foreign_operator(span: Span, theirs: &str, ours: &str) -> Diag {
    Diag::error("E0028", span, format!("`{theirs}` is written `{ours}` here"))
        .help(format!("write `{ours}`"))
}

/// E0029: `readings` are the two ways to read it.
pub(crate) fn mixed_joins(other: Span, first: Span, readings: &[String; 2]) -> Diag {
    let [and_first, or_first] = readings;
    Diag::error("E0029", other, "`and` and `or` stand side by side: which binds first?")
        .label("this one")
        .other(first, "and this one")
        .help(format!("write `{and_first}` or `{or_first}`"))
}

/// E0030: `before` is the word that asks for a predicate.
pub(crate) fn missing_term(span: Span, before: Option<&str>, found: &str) -> Diag {
    let place = before.map_or(String::new(), |word| format!(" after `{word}`"));
    Diag::error("E0030", span, format!("expected a predicate{place}, found {found}"))
}

/// E0031
pub(crate) fn missing_join(span: Span, found: &str) -> Diag {
    Diag::error("E0031", span, format!("expected `and`, `or` or an operator before `{found}`"))
        .help("two predicates are joined by `and` or `or`; a value stands behind `==`, `in` and the like")
}

/// E0032
pub(crate) fn missing_value(span: Span, sign: &str, found: &str) -> Diag {
    Diag::error("E0032", span, format!("expected a value after `{sign}`, found {found}"))
}

/// E0033: `form` shows the whole predicate.
pub(crate) fn incomplete(span: Span, form: &str) -> Diag {
    Diag::error("E0033", span, "this predicate is not complete").help(format!("write `{form}`"))
}

/// E0034: `wants_term` tells whether a predicate was due, or something behind one.
pub(crate) fn unexpected(span: Span, found: &str, wants_term: bool) -> Diag {
    let found_short = crate::syntax::shorten(found);
    let help = match found.chars().next() {
        Some('=') if found == "=>" => "`->` stands between predicate and actions",
        Some(';') => "a rule ends with its line; there is no `;`",
        Some('\'') => "text stands in double quotes",
        Some('|') => "flags are joined without blanks, as in `syn|ack`; predicates by `or`",
        Some('&') => "a mask stands behind the field, as in `tcp.flags & syn == syn`",
        Some('-') => "a range is one word without blanks, as in `80-90`",
        Some('@') => "a set is asked with `in`: `src in @NAME`",
        Some('"') => "text is compared, as in `payload starts_with \"GET /\"`",
        Some('{') => "a list is asked with `in`: `udp.dport in { 53, 123 }`",
        Some(',') => "predicates are joined by `and` or `or`; commas separate actions",
        Some(c) if c.is_ascii_digit() && wants_term => {
            "a field stands first, then the operator, then the value: `udp.dport == 53`"
        }
        _ => "a predicate is a field, an operator and a value, as in `udp.dport == 53`",
    };
    let wanted = if wants_term { "a predicate" } else { "`and`, `or` or `->`" };
    Diag::error("E0034", span, format!("expected {wanted}, found `{found_short}`")).help(help)
}

/// E0035
pub(crate) fn bad_slice(span: Span, inner: &str) -> Diag {
    let help = if !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_alphanumeric()) {
        format!("the length is written too: `[{inner}:1]`")
    } else {
        "bytes are written `l4[OFFSET:LENGTH]`; the offset is a number, a field or `FIELD+N`"
            .to_owned()
    };
    Diag::error("E0035", span, "expected an offset and a length in the brackets").help(help)
}

/// E0036
pub(crate) fn actions_by_comma(span: Span, word: &str) -> Diag {
    Diag::error("E0036", span, format!("`{word}` joins predicates; actions are separated by `,`"))
        .help("write `,`")
}

/// E0036
pub(crate) fn bad_action(span: Span, found: &str) -> Diag {
    Diag::error("E0036", span, format!("expected an action, found {found}"))
        .help("such as `drop`, `pass`, `count NAME` or `jump CHAIN`")
}

/// E0037
pub(crate) fn default_label(span: Span, actions: &str) -> Diag {
    Diag::error("E0037", span, "`default` is not a label")
        .help(format!("what happens when no rule decides is written `default {actions}`"))
}

/// E0038
pub(crate) fn default_arrow(span: Span) -> Diag {
    Diag::error("E0038", span, "`default` takes its actions without `->`")
        .help("write `default drop`")
}

/// E0038
pub(crate) fn default_in_chain(span: Span) -> Diag {
    Diag::error("E0038", span, "a chain has no `default`")
        .help("`default` stands in a hook; a chain's end goes on behind the `jump`")
}

/// E0039: `known` lists the properties.
pub(crate) fn unknown_property(span: Span, word: &str, item: &str, known: &str) -> Diag {
    Diag::error("E0039", span, format!("`{word}` is no property of a {item}"))
        .help(format!("known are {known}"))
}

/// E0039
pub(crate) fn element_after_property(span: Span) -> Diag {
    Diag::error("E0039", span, "elements of a set stand before its properties")
        .help("move it to the front of the braces")
}

/// E0039
pub(crate) fn property_comma(span: Span) -> Diag {
    Diag::error("E0039", span, "properties follow one another without commas")
        .help("remove the `,`")
}

/// E0040
pub(crate) fn property_without_value(span: Span, word: &str) -> Diag {
    Diag::error("E0040", span, format!("`{word}` needs a value"))
}

/// E0041
pub(crate) fn item_inside(span: Span, word: &str) -> Diag {
    Diag::error("E0041", span, format!("`{word}` stands at the top of a file, not in braces"))
        .help("move it out of the braces; the order of items is free")
}

/// E0042
pub(crate) fn missing_body(span: Span, word: &str) -> Diag {
    Diag::error("E0042", span, format!("this {word} has no body"))
        .help("its `{` stands on the same line, and `}` closes it")
}

/// E0042
pub(crate) fn brace_on_next_line(span: Span) -> Diag {
    Diag::error("E0042", span, "expected `{` on this line")
        .help("a newline ends the line of an item: put the `{` at its end")
}

/// E0043
pub(crate) fn unknown_step(span: Span, word: &str) -> Diag {
    Diag::error("E0043", span, format!("`{word}` begins no line of a test"))
        .help("a line begins with let, send, pcap, wait or expect")
}
