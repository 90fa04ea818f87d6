//! What the verifier's log says about the source.

use crate::Place;
use l4c_manifest::Rule;

/// The last source line that the log names.
///
/// Where a program has line information the log shows it as `; TEXT @ FILE:LINE`
/// (`kernel/bpf/log.c`, `verbose_linfo`), each time the verifier comes to another line: the last one
/// is where it gave up. FILE is only the last part of the path; `rules` know the whole.
pub fn last_place(log: &str, rules: &[Rule]) -> Option<Place> {
    let (file, line) = log.lines().rev().find_map(|text| {
        let (_, place) = text.strip_prefix(';')?.rsplit_once(" @ ")?;
        let (file, line) = place.trim_end().rsplit_once(':')?;
        Some((file, line.parse().ok()?))
    })?;
    let is_it = |r: &&Rule| r.line == line && r.file.rsplit('/').next() == Some(file);
    let file = rules.iter().find(is_it).map_or(file, |r| &r.file);
    Some(Place { file: file.to_owned(), line })
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
