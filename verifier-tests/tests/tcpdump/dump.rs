//! What tcpdump makes of a capture, packet by packet.

use crate::Frame;
use l4c_packets::Capture;
use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether an expression is true, for each packet of a file.
pub struct Tcpdump {
    /// One entry a packet.
    pub matched: Vec<bool>,
}

impl Tcpdump {
    /// Asks tcpdump for the packets that an expression is true of, and finds them among `frames`.
    ///
    /// The chosen ones come in the order of the file, so each is the next one with its bytes; of packets
    /// with the same bytes an expression says the same.
    ///
    /// # Errors
    /// If tcpdump refuses the file or the expression, or writes what the file does not hold.
    pub fn of(path: &Path, expression: &str, frames: &[Frame]) -> Result<Self, String> {
        let chosen = Self::run(path, &["-w", "-", expression])?;
        let capture = Capture::from_reader(Box::new(Cursor::new(chosen)));
        let mut capture = capture.map_err(|e| e.to_string())?;
        let mut matched = vec![false; frames.len()];
        let mut at = 0;
        while let Some(Ok(wanted)) = capture.next_frame() {
            let same =
                |frame: &Frame| frame.data == wanted.data && frame.orig_bytes == wanted.orig_bytes;
            let found = frames[at..].iter().position(same);
            at += found.ok_or("tcpdump writes a packet that is not in the file")?;
            matched[at] = true;
            at += 1;
        }
        Ok(Self { matched })
    }

    fn run(path: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let mut command = Command::new("tcpdump");
        command.arg("-nr").arg(path).args(arguments).stdin(Stdio::null());
        let output = command.output().map_err(|e| e.to_string())?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }
}
