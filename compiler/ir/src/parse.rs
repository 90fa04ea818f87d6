//! Reads the text form of a module.
//!
//! It accepts what the writer prints, and more freely spaced text: numbers of values and blocks
//! need not be dense, numbers may be decimal, `;` starts a comment. It builds what is written,
//! right or wrong in meaning: the [verifier](crate::verify) judges that.

mod function;
mod lexer;
#[cfg(test)]
mod tests;

use crate::{Func, InstData, LimitData, LineData, MapData, Module, TableData};
use cranelift_entity::EntityRef;
use lexer::Tok;
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

/// Text that is not a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Line of the text, from 1.
    pub line: u32,
    /// What is wrong there.
    pub message: String,
}

impl ParseError {
    fn new(line: u32, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

impl Display for ParseError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Reads a module.
///
/// # Errors
///
/// If the text is not in the form that [`Module`]'s `Display` writes, with the line where it
/// departs.
pub fn parse(text: &str) -> Result<Module, ParseError> {
    let mut parser = Parser {
        tokens: lexer::split(text)?,
        at: 0,
        module: Module::default(),
        callees: Vec::new(),
        callee_index: HashMap::new(),
        tables: HashMap::new(),
        limits: HashMap::new(),
        maps: HashMap::new(),
    };
    parser.module()?;
    Ok(parser.module)
}

/// Where the parser stands, and what it has built.
struct Parser<'a> {
    tokens: Vec<(Tok<'a>, u32)>,
    at: usize,
    module: Module,
    /// Names of functions in the order of their first mention in a call, with the line; calls hold
    /// indices into this list until all functions are known.
    callees: Vec<(&'a str, u32)>,
    callee_index: HashMap<&'a str, Func>,
    tables: HashMap<&'a str, crate::Table>,
    limits: HashMap<&'a str, crate::Limit>,
    maps: HashMap<&'a str, crate::Map>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &Tok<'a> {
        &self.tokens[self.at].0
    }

    fn line(&self) -> u32 {
        self.tokens[self.at].1
    }

    fn next(&mut self) -> Tok<'a> {
        let tok = self.tokens[self.at].0.clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        tok
    }

    /// An error at the next token.
    fn error<T>(&self, message: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError::new(self.line(), message))
    }

    fn wanted<T>(&self, what: &str) -> Result<T, ParseError> {
        let found = match self.peek() {
            Tok::Word(word) => format!("`{word}`"),
            Tok::Text(text) => format!("{text:?}"),
            Tok::Sign(c) => format!("`{c}`"),
            Tok::Arrow => "`->`".to_owned(),
            Tok::End => "the end".to_owned(),
        };
        self.error(format!("expected {what}, found {found}"))
    }

    /// Goes over `sign` if it is next.
    fn skip(&mut self, sign: char) -> bool {
        let found = *self.peek() == Tok::Sign(sign);
        if found {
            self.next();
        }
        found
    }

    fn sign(&mut self, sign: char) -> Result<(), ParseError> {
        if self.skip(sign) { Ok(()) } else { self.wanted(&format!("`{sign}`")) }
    }

    fn arrow(&mut self) -> Result<(), ParseError> {
        if *self.peek() != Tok::Arrow {
            return self.wanted("`->`");
        }
        self.next();
        Ok(())
    }

    fn word(&mut self, what: &str) -> Result<&'a str, ParseError> {
        let &Tok::Word(word) = self.peek() else { return self.wanted(what) };
        self.next();
        Ok(word)
    }

    fn text(&mut self) -> Result<String, ParseError> {
        match self.next() {
            Tok::Text(text) => Ok(text),
            Tok::Word(_) | Tok::Sign(_) | Tok::Arrow | Tok::End => self.error("expected a string"),
        }
    }

    /// A number of at most `max`.
    fn number<T: TryFrom<u128>>(&mut self) -> Result<T, ParseError> {
        let &Tok::Word(word) = self.peek() else { return self.wanted("a number") };
        match number(word).and_then(|n| T::try_from(n).ok()) {
            Some(n) => {
                self.next();
                Ok(n)
            }
            None => self.wanted("a number in range"),
        }
    }

    /// A word of the form `prefix` and a number, e.g. `block7`.
    fn numbered(&mut self, prefix: &str) -> Result<u32, ParseError> {
        let &Tok::Word(word) = self.peek() else { return self.wanted(&format!("{prefix}N")) };
        match word.strip_prefix(prefix).and_then(|digits| digits.parse().ok()) {
            Some(n) => {
                self.next();
                Ok(n)
            }
            None => self.wanted(&format!("{prefix}N")),
        }
    }

    fn module(&mut self) -> Result<(), ParseError> {
        let mut entry = None;
        let mut names: HashMap<&str, Func> = HashMap::new();
        loop {
            let line = self.line();
            match self.peek() {
                Tok::End => break,
                Tok::Word("table") => self.table()?,
                Tok::Word("limit") => self.limit()?,
                Tok::Word("map") => self.map()?,
                Tok::Word("set_states") => {
                    self.next();
                    self.module.set_states = self.number()?;
                }
                Tok::Word("counters") => {
                    self.next();
                    self.module.counters = self.number()?;
                }
                Tok::Word("ifaces") => {
                    self.next();
                    self.module.ifaces = self.number()?;
                }
                Tok::Word("rows") => {
                    self.next();
                    self.module.rows = self.number()?;
                }
                Tok::Word("entry") => {
                    self.next();
                    entry = Some((self.word("a function's name")?, line));
                }
                Tok::Word(word @ ("function" | "inline")) => {
                    let inline = *word == "inline";
                    self.next();
                    if inline && self.next() != Tok::Word("function") {
                        return Err(ParseError::new(line, "`inline` stands before `function`"));
                    }
                    let name = self.word("a function's name")?;
                    let mut func = self.function(name)?;
                    func.inline = inline;
                    if names.insert(name, self.module.funcs.push(func)).is_some() {
                        return Err(ParseError::new(line, format!("two functions `{name}`")));
                    }
                }
                Tok::Word(word) if word.starts_with("line") => self.source_line()?,
                Tok::Word(_) | Tok::Text(_) | Tok::Sign(_) | Tok::Arrow => {
                    return self.wanted(
                        "`table`, `limit`, `map`, `lineN`, `counters`, `ifaces`, `rows`, `set_states`, `entry` or \
                         `function`",
                    );
                }
            }
        }
        let find = |(name, line): (&str, u32)| {
            let func = names.get(name).copied();
            func.ok_or_else(|| ParseError::new(line, format!("no function `{name}`")))
        };
        self.module.entry = entry.map(find).transpose()?.into();
        let callees = self.callees.iter().copied().map(find).collect::<Result<Vec<_>, _>>()?;
        for func in self.module.funcs.values_mut() {
            for inst in func.insts.values_mut() {
                if let InstData::Call { func, .. } = inst {
                    *func = callees[func.index()];
                }
            }
        }
        Ok(())
    }

    /// `table NAME u64 { LO..HI, … }`
    fn table(&mut self) -> Result<(), ParseError> {
        self.next();
        let name = self.word("a table's name")?;
        let wide = match self.word("`u64` or `u128`")? {
            "u64" => false,
            "u128" => true,
            other => return self.error(format!("`{other}` is neither `u64` nor `u128`")),
        };
        self.sign('{')?;
        let mut ranges = Vec::new();
        while !self.skip('}') {
            let word = self.word("a range")?;
            let pair = word.split_once("..").and_then(|(lo, hi)| number(lo).zip(number(hi)));
            let Some(pair) = pair else { return self.error(format!("`{word}` is not a range")) };
            ranges.push(pair);
            if !self.skip(',') && *self.peek() != Tok::Sign('}') {
                return self.wanted("`,` or `}`");
            }
        }
        let table = self.module.tables.push(TableData { name: name.to_owned(), wide, ranges });
        if self.tables.insert(name, table).is_some() {
            return self.error(format!("two tables `{name}`"));
        }
        Ok(())
    }

    /// `limit NAME WORDS`
    fn limit(&mut self) -> Result<(), ParseError> {
        self.next();
        let name = self.word("a limit's name")?;
        let data = LimitData { name: name.to_owned(), key_words: self.number()? };
        let limit = self.module.limits.push(data);
        if self.limits.insert(name, limit).is_some() {
            return self.error(format!("two limits `{name}`"));
        }
        Ok(())
    }

    /// `map NAME KEY_BYTES VALUE_WORDS`
    fn map(&mut self) -> Result<(), ParseError> {
        self.next();
        let name = self.word("a map's name")?;
        let (key_bytes, value_words) = (self.number()?, self.number()?);
        let data = MapData { name: name.to_owned(), key_bytes, value_words };
        let map = self.module.maps.push(data);
        if self.maps.insert(name, map).is_some() {
            return self.error(format!("two maps `{name}`"));
        }
        Ok(())
    }

    /// `lineN "FILE":LINE:COLUMN "TEXT"`
    fn source_line(&mut self) -> Result<(), ParseError> {
        let n = self.numbered("line")?;
        if usize::try_from(n) != Ok(self.module.lines.len()) {
            return self.error(format!("lines are numbered in order: line{n} is out of place"));
        }
        let file = self.text()?;
        self.sign(':')?;
        let line = self.number()?;
        self.sign(':')?;
        let column = self.number()?;
        let text = self.text()?;
        self.module.lines.push(LineData { file, line, column, text });
        Ok(())
    }

    /// The index that stands for a called function until all are known.
    fn callee(&mut self) -> Result<Func, ParseError> {
        let line = self.line();
        let name = self.word("a function's name")?;
        Ok(*self.callee_index.entry(name).or_insert_with(|| {
            self.callees.push((name, line));
            Func::new(self.callees.len() - 1)
        }))
    }
}

/// A number in decimal, or in hexadecimal after `0x`.
fn number(word: &str) -> Option<u128> {
    let (digits, radix) = word.strip_prefix("0x").map_or((word, 10), |hex| (hex, 16));
    let plain = digits.starts_with(|c: char| c.is_ascii_hexdigit());
    u128::from_str_radix(digits, radix).ok().filter(|_| plain)
}
