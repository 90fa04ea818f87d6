//! Fields of the packet inside a tunnel: `inner.udp.dport`.

use super::operand::whole_layer;
use super::{Checker, errors, unsupported};
use crate::fields::{Field, INNER};
use l4c_grammar::{Diag, Span};

impl Checker<'_> {
    /// The row that `name` means, and whether it is asked of the packet inside a tunnel. What a hook sees of
    /// its own frames does not matter there: a tunnel's frame is bytes of a packet like any others.
    pub(super) fn row(&mut self, name: &str, span: Span) -> Option<(&'static Field, bool)> {
        let Some(behind) = name.strip_prefix(INNER) else {
            return Some((self.field(name, span)?, false));
        };
        match Field::find(behind) {
            Some(field) if field.has_inner() => Some((field, true)),
            found => {
                let diag = self.no_inner(name, behind, found, span);
                self.diags.none(diag)
            }
        }
    }

    fn no_inner(&self, name: &str, behind: &str, found: Option<&Field>, span: Span) -> Diag {
        let like = match (behind, found) {
            // How long the packet inside is, its own header says.
            ("pkt_len", _) => Some("len"),
            (_, None) => self.like_field(behind).filter(|like| {
                // What is suggested must be there.
                Field::find(like).is_some_and(Field::has_inner)
            }),
            (_, Some(_)) => None,
        };
        if let Some(field) = found.filter(|field| field.is_arrival()) {
            // The whole frame came one way.
            return errors::unknown_field(span, name, Some(field.name.to_owned()));
        }
        let later = found.is_some() || whole_layer(behind).is_some();
        if like.is_none() && later {
            return unsupported::at(span, &format!("`{}`", errors::shown(name)));
        }
        errors::unknown_field(span, name, like.map(|like| format!("{INNER}{like}")))
    }
}
