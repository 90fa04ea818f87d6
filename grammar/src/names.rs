//! What may be a name.

use crate::sink::Sink;
use crate::{Name, errors, limits};

/// Words that the grammar asks for wherever a predicate may stand. Names of protocols and fields are not to be
/// had either, but only the compiler knows those.
const RESERVED: [&str; 9] = ["and", "or", "not", "in", "has", "all", "over", "under", "default"];

/// Reports what is wrong with the name of an item.
pub(crate) fn check_item(name: &Name, sink: &mut Sink) -> bool {
    if RESERVED.contains(&name.node.as_str()) {
        sink.push(errors::reserved_name(name.span, &name.node));
        return false;
    }
    check_form(name, sink)
}

/// Reports what is wrong with the form of a name.
pub(crate) fn check_form(name: &Name, sink: &mut Sink) -> bool {
    let text = name.node.as_str();
    let odd = text.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '_');
    let why = match (text.chars().next(), odd) {
        (None, _) => "it is empty".to_owned(),
        (Some(_), Some(odd)) => format!("it holds `{odd}`"),
        (Some(first), None) if first.is_ascii_digit() => "it begins with a digit".to_owned(),
        (Some(_), None) if text.len() > limits::NAME_BYTES => {
            format!("it has {} characters", text.len())
        }
        (Some(_), None) => return true,
    };
    sink.push(errors::bad_name(name.span, &crate::syntax::shorten(text), &why));
    false
}
