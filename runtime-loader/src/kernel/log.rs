//! What the verifier's log says about the source.

use crate::Place;
use l4c_manifest::Rule;

/// The last source line that the log names.
///
/// Where a program has line information the log shows it as `; TEXT @ FILE:LINE`
/// (`kernel/bpf/log.c`, `verbose_linfo`), each time the verifier comes to another line: the last one
/// is where it gave up. FILE is only the last part of the path; `rules` know the whole. Kernels before
/// 6.9 show TEXT alone.
pub fn last_place(log: &str, rules: &[Rule]) -> Option<Place> {
    log.lines().rev().find_map(|line| {
        let text = line.strip_prefix(';')?.trim();
        named(text, rules).or_else(|| {
            let rule = rules.iter().find(|rule| rule.text == text)?;
            Some(Place { file: rule.file.clone(), line: rule.line })
        })
    })
}

/// The place that a log line ends with.
fn named(text: &str, rules: &[Rule]) -> Option<Place> {
    let (_, place) = text.rsplit_once(" @ ")?;
    let (file, line) = place.rsplit_once(':')?;
    let line = line.parse().ok()?;
    let is_it = |r: &&Rule| r.line == line && r.file.rsplit('/').next() == Some(file);
    let file = rules.iter().find(is_it).map_or(file, |r| &r.file);
    Some(Place { file: file.to_owned(), line })
}

/// How lines begin that tell what the verifier did and not what it found.
const ACCOUNTS: [&str; 5] =
    ["processed ", "verification time ", "stack depth ", "max_states_per_insn ", "from "];

/// What the verifier found wrong: the last line that is neither an instruction, nor source, nor its own account.
pub fn reason(log: &str) -> Option<&str> {
    let found = |line: &&str| {
        let begins = |word: &&str| line.starts_with(*word);
        !line.is_empty()
            && !line.starts_with(|c: char| c == ';' || c.is_ascii_digit())
            && !ACCOUNTS.iter().any(begins)
    };
    log.lines().rev().map(str::trim).find(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(file: &str, line: u32) -> Option<Place> {
        Some(Place { file: file.to_owned(), line })
    }

    #[test]
    fn the_last_line_counts() {
        let log = "func#0 @0\n; a @ b -> pass @ one.l4:3\n0: (b7) r0 = 0\n\
                   ; x -> drop @ with space.l4:17\n1: (71) r0 = *(u8 *)(r0 +0)\n\
                   R0 invalid mem access 'scalar'\nprocessed 2 insns (limit 1000000)\n";
        assert_eq!(last_place(log, &[]), place("with space.l4", 17));
    }

    #[test]
    fn the_reason_is_what_is_no_account() {
        let log = "func#0 @0\n; x -> drop @ f.l4:7\n2: (61) r5 = *(u32 *)(r6 +0) ; R5=pkt(r=0)\n3: (1f) r8 -= r5\n\
                   R8 pointer -= pointer prohibited\nverification time 14 usec\nstack depth 0\n\
                   processed 4 insns (limit 1000000) max_states_per_insn 0\n\n";
        assert_eq!(reason(log), Some("R8 pointer -= pointer prohibited"));
        assert_eq!(
            reason("BPF program is too large. Processed 1000001 insn\nprocessed 1000001 insns"),
            Some("BPF program is too large. Processed 1000001 insn")
        );
        assert_eq!(reason("processed 1 insns\n"), None);
        assert_eq!(reason(""), None);
    }

    #[test]
    fn older_kernels_name_the_text_alone() {
        let mut rule = Rule {
            name: "r".to_owned(),
            action: "drop".to_owned(),
            shadow: false,
            file: "a/one.l4".to_owned(),
            line: 3,
            text: "udp -> drop".to_owned(),
        };
        let log = "; tcp -> drop\n0: (b7) r0 = 0\n; udp -> drop\n1: (b7) r0 = 0\nR0 invalid\n";
        let rules = [rule.clone()];
        assert_eq!(last_place(log, &rules), place("a/one.l4", 3));
        rule.text = "icmp -> drop".to_owned();
        assert_eq!(last_place(log, &[rule]), None);
    }

    #[test]
    fn what_is_no_place_is_passed_over() {
        assert_eq!(last_place("", &[]), None);
        assert_eq!(last_place("0: R1=ctx() R10=fp0\nfunc#0 @0", &[]), None);
        let log = "; a @ f.l4:2\n; text without place\n; b @ g:x\n";
        assert_eq!(last_place(log, &[]), place("f.l4", 2));
    }

    #[test]
    fn rules_know_the_whole_path() {
        let rule = |file: &str, line| Rule {
            name: "r".to_owned(),
            action: "drop".to_owned(),
            shadow: false,
            file: file.to_owned(),
            line,
            text: String::new(),
        };
        let rules = [rule("a/one.l4", 1), rule("a/two.l4", 2), rule("b/one.l4", 2)];
        assert_eq!(last_place("; x @ one.l4:2", &rules), place("b/one.l4", 2));
        assert_eq!(last_place("; x @ ne.l4:2", &rules), place("ne.l4", 2));
        assert_eq!(last_place("; x @ one.l4:3", &rules), place("one.l4", 3));
    }
}
