//! TCP options, and windows that are multiples of what they say.

use super::dissect::Dissected;
use super::eval::{Question, number};
use super::trace::{Read, Value};
use crate::fields::{TcpOption, Transport};
use crate::hir::{Layer, Multiple, Slice};
use std::ops::Range;

/// Kinds that are a single byte.
const END_OF_LIST: u8 = 0;
const NOTHING: u8 = 1;

impl Dissected<'_> {
    /// Where the options of a TCP header lie, if that header is whole.
    pub(super) fn tcp_options(&self) -> Option<Range<usize>> {
        let fixed_bytes = Transport::Tcp.header_bytes() as usize;
        let start = self.transport.filter(|_| self.has_transport(6, fixed_bytes))?;
        let header_bytes = 4 * usize::from(self.bytes[start + 12] >> 4);
        let whole = header_bytes >= fixed_bytes && start + header_bytes <= self.bytes.len();
        whole.then(|| start + fixed_bytes..start + header_bytes)
    }

    /// Where the first such option begins.
    pub(super) fn tcp_option(&self, wanted: TcpOption) -> Option<usize> {
        let Range { start: mut at, end } = self.tcp_options()?;
        while at < end {
            match self.bytes[at] {
                END_OF_LIST => return None,
                NOTHING => at += 1,
                kind => {
                    let len = self.bytes[..end].get(at + 1).copied().filter(|len| *len >= 2)?;
                    if at + usize::from(len) > end {
                        return None;
                    }
                    if kind == wanted.kind && wanted.takes(len) {
                        return Some(at);
                    }
                    at += usize::from(len);
                }
            }
        }
        None
    }
}

impl Question<'_, '_> {
    /// Is the window such a multiple?
    pub(super) fn window(&mut self, multiple: &Multiple) -> bool {
        let two_bytes = |off: u32| number(self.packet.slice(&Slice::at(Layer::L4, off, 2))?);
        let window = two_bytes(14);
        let mss = two_bytes(multiple.mss_off_bytes);
        if let Some(reads) = &mut self.reads {
            let value = window.and_then(|n| u64::try_from(n).ok()).map(Value::Number);
            reads.push(Read { field: "tcp.window".to_owned(), value });
        }
        let (Some(window), Some(mss)) = (window, mss) else { return false };
        for divisor in &multiple.divisors {
            let by = if divisor.mss { mss } else { 0 }.checked_add_signed(i128::from(divisor.add));
            let Some(by @ 1..) = by else { continue };
            if window % by == 0 {
                let times = multiple.times.is_none_or(|times| window / by == u128::from(times));
                return divisor.counts && times;
            }
        }
        false
    }
}
