//! Elements of sets from files.

use super::diags::Diags;
use super::sets::Gathered;
use super::value::host_bits;
use super::want::{Piece, Want};
use super::{Checker, elements, errors};
use crate::source::Base;
use l4c_grammar::S;
use std::io::{BufRead, Read};

/// So many bad lines of a file are listed, then their number.
const BAD_LINES_LISTED: usize = 20;

/// Of a line no more bytes are looked at: the longest element has 87.
const MAX_LINE_BYTES: u64 = 4096;

impl Checker<'_> {
    /// `from "file"`: the first word of each line, read as it streams by.
    pub(super) fn file_elements(
        &mut self,
        form: (&[Want], Option<bool>),
        from: &S<String>,
        gathered: &mut Gathered,
    ) {
        let from_dir = self.sources.get(from.span.file).map(|s| s.dir.clone()).unwrap_or_default();
        let base = Base { root_dir: self.root_dir, from_dir: &from_dir };
        let opened = self.access.resolve(base, &from.node).and_then(|p| self.access.open(&p));
        let mut file = match opened {
            Ok(file) => file,
            Err(error) => return self.diags.push(errors::file(from, &error)),
        };
        let mut bad = BadLines { from, listed: 0, more: 0 };
        let mut line = Vec::new();
        for number in 1u64.. {
            match read_line(&mut *file, &mut line) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return self.diags.push(errors::file(from, &error.into())),
            }
            let start = if number == 1 && line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            let Some(word) = first_word(&line[start..]) else { continue };
            self.file_element(form, word, number, gathered, &mut bad);
        }
        if bad.more > 0 {
            self.diags.push(errors::more_bad_lines(from, bad.more));
        }
    }

    fn file_element(
        &mut self,
        (wants, stored): (&[Want], Option<bool>),
        word: &[u8],
        number: u64,
        gathered: &mut Gathered,
        bad: &mut BadLines<'_>,
    ) {
        let parsed = std::str::from_utf8(word)
            .map_err(|_| "this is not UTF-8".to_owned())
            .and_then(|word| elements::pieces(wants, word, bad.from.span))
            .and_then(|parts| {
                let pieces: Vec<Piece> = parts.iter().map(|(piece, _)| *piece).collect();
                let keys = stored.map(|prefix| elements::keys(prefix, &pieces)).transpose()?;
                Ok((parts, keys))
            });
        match parsed {
            Ok((parts, keys)) => {
                gathered.keys.extend(keys.into_iter().flatten());
                let [(piece, val)] = parts.as_slice() else { return };
                if let Some(instead) = host_bits(val) {
                    let word = String::from_utf8_lossy(word);
                    self.diags.push(errors::host_bits_in_file(bad.from, number, &word, &instead));
                }
                gathered.add(*piece, val);
            }
            Err(why) => bad.push(number, &why, &mut self.diags),
        }
    }
}

/// Lines of a file that are no elements.
struct BadLines<'f> {
    from: &'f S<String>,
    listed: usize,
    more: u64,
}

impl BadLines<'_> {
    fn push(&mut self, number: u64, why: &str, diags: &mut Diags) {
        if self.listed < BAD_LINES_LISTED {
            self.listed += 1;
            diags.push(errors::bad_line(self.from, number, why));
        } else {
            self.more += 1;
        }
    }
}

/// Reads one line, of which it keeps [`MAX_LINE_BYTES`]; false at the end.
fn read_line(file: &mut dyn BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    file.take(MAX_LINE_BYTES).read_until(b'\n', line)?;
    if line.len() as u64 == MAX_LINE_BYTES && line.last() != Some(&b'\n') {
        file.skip_until(b'\n')?;
    }
    Ok(!line.is_empty())
}

/// The first word of a line, unless a comment stands before it.
fn first_word(line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii_start();
    let ends = |&b: &u8| b.is_ascii_whitespace() || matches!(b, b'#' | b';');
    let end = line.iter().position(ends).unwrap_or(line.len());
    (end > 0).then_some(&line[..end])
}
