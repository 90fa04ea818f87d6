//! Objects, packets and a kernel's answers, as files of a folder.
//!
//! ```text
//! objects/0, objects/1, ...   ELF files
//! packets                     a line a packet, in hexadecimal digits
//! questions                   a line a question, JSON
//! ```

use super::judge::Outcome;
use l4c_golden::bench::hex;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// One program and the packets it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Case, kind of hook, level and hook, for messages.
    pub title: String,
    /// Index of the object that holds the program.
    pub object: usize,
    /// The program's hook.
    pub hook: String,
    /// Indices of the packets, in the order in which they are shown.
    pub packets: Vec<usize>,
    /// What the host's kernel answered.
    pub answer: Outcome,
}

/// Everything a guest is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    /// ELF files.
    pub objects: Vec<Vec<u8>>,
    /// As hooks see them.
    pub packets: Vec<Vec<u8>>,
    /// In the order of the cases.
    pub questions: Vec<Question>,
    /// Where each packet is.
    known: HashMap<Vec<u8>, usize>,
}

impl Bundle {
    /// The index of a packet, which is added if it is new.
    pub fn packet(&mut self, bytes: &[u8]) -> usize {
        if let Some(&index) = self.known.get(bytes) {
            return index;
        }
        self.known.insert(bytes.to_vec(), self.packets.len());
        self.packets.push(bytes.to_vec());
        self.packets.len() - 1
    }

    /// How many programs and packets there are in all.
    #[must_use]
    pub fn summary(&self) -> String {
        let shown: usize = self.questions.iter().map(|q| q.packets.len()).sum();
        format!("{} programs, {shown} packets", self.questions.len())
    }

    /// The files, by their path below the bundle's folder.
    ///
    /// # Panics
    /// Never: questions have no keys that JSON could refuse.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let objects = self.objects.iter().enumerate();
        let mut files: Vec<_> =
            objects.map(|(at, elf)| (format!("objects/{at}"), elf.clone())).collect();
        let packets: Vec<String> = self.packets.iter().map(|bytes| hex(bytes)).collect();
        files.push(("packets".to_owned(), packets.join("\n").into_bytes()));
        let line = |q| serde_json::to_string(q).expect("a question is plain data");
        let questions: Vec<String> = self.questions.iter().map(line).collect();
        files.push(("questions".to_owned(), questions.join("\n").into_bytes()));
        files
    }

    /// Reads what [`Bundle::files`] gave.
    ///
    /// # Errors
    /// Which file can't be read, and why.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let text = |name: &str| {
            fs::read_to_string(folder.join(name)).map_err(|e| format!("{name} of the bundle: {e}"))
        };
        let mut bundle = Self::default();
        for line in text("packets")?.lines() {
            bundle.packet(&unhex(line)?);
        }
        for line in text("questions")?.lines() {
            bundle.questions.push(serde_json::from_str(line).map_err(|e| format!("{line}: {e}"))?);
        }
        let count = bundle.questions.iter().map(|q| q.object + 1).max().unwrap_or(0);
        for at in 0..count {
            let path = folder.join(format!("objects/{at}"));
            bundle.objects.push(fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?);
        }
        let packets = bundle.packets.len();
        match bundle.questions.iter().find(|q| q.packets.iter().any(|&p| p >= packets)) {
            Some(question) => Err(format!("{} asks of a packet that is not there", question.title)),
            None => Ok(bundle),
        }
    }
}

fn unhex(digits: &str) -> Result<Vec<u8>, String> {
    let bytes = digits.as_bytes().chunks(2).map(|pair| {
        let pair = str::from_utf8(pair).map_err(|e| e.to_string())?;
        u8::from_str_radix(pair, 16).map_err(|e| format!("packet {digits}: {e}"))
    });
    bytes.collect()
}
