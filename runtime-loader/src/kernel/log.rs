//! What the verifier's log says about the source.

use crate::Place;

/// The last source line that the log names.
///
/// Where a program has line information the log shows it as `; TEXT @ FILE:LINE`
/// (`kernel/bpf/log.c`, `verbose_linfo`), each time the verifier comes to another line: the last one
/// is where it gave up.
pub fn last_place(log: &str) -> Option<Place> {
    log.lines().rev().find_map(|line| {
        let (_, place) = line.strip_prefix(';')?.rsplit_once(" @ ")?;
        let (file, line) = place.trim_end().rsplit_once(':')?;
        Some(Place { file: file.to_owned(), line: line.parse().ok()? })
    })
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
                   ; x -> drop @ dir with space/two.l4:17\n1: (71) r0 = *(u8 *)(r0 +0)\n\
                   R0 invalid mem access 'scalar'\nprocessed 2 insns (limit 1000000)\n";
        assert_eq!(last_place(log), place("dir with space/two.l4", 17));
    }

    #[test]
    fn what_is_no_place_is_passed_over() {
        assert_eq!(last_place(""), None);
        assert_eq!(last_place("0: R1=ctx() R10=fp0\nfunc#0 @0"), None);
        assert_eq!(last_place("; a @ f.l4:2\n; text without place\n; b @ g:x\n"), place("f.l4", 2));
    }
}
