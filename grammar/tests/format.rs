//! The formatter: what it prints, that it prints it twice, and that nothing changes its meaning.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{good, meaning};
use l4c_grammar::format;
use proptest::prelude::*;

const TOUR: &str = include_str!("samples/tour.l4");

#[track_caller]
fn check(text: &str) -> String {
    let once = format(text).unwrap_or_else(|diags| panic!("{}", common::show(text, &diags)));
    let twice = format(&once).unwrap_or_else(|d| panic!("{}\n{once}", common::show(&once, &d)));
    assert_eq!(once, twice, "formatting twice changes something; first the source:\n{text}");
    let (before, after) = (good(text), good(&once));
    assert_eq!(meaning(&before), meaning(&after), "the meaning changed:\n{text}\n=>\n{once}");
    let comments = |file: l4c_grammar::File| {
        file.comments.into_iter().map(|c| (c.text, c.own_line)).collect::<Vec<_>>()
    };
    assert_eq!(comments(before), comments(after), "comments changed:\n{text}\n=>\n{once}");
    once
}

#[test]
fn tour_keeps_its_meaning() {
    let out = check(TOUR);
    assert!(out.contains("set crawlers: prefix       { from \"lists/crawlers.txt\"  lenient"));
    assert!(check(&TOUR.replace('\n', "\r\n")) == out, "line ends make no difference");
}

#[test]
fn labels_and_arrows_stand_in_columns() {
    let text = "hook xdp e {\na: tcp -> drop\n  longer:   udp.dport==53->pass,count x # c\n\n\n\nb:all -> drop\n}";
    let want = "\
hook xdp e {
    a:      tcp             -> drop
    longer: udp.dport == 53 -> pass, count x  # c

    b:      all -> drop
}
";
    assert_eq!(check(text), want);
}

#[test]
fn comments_stay_where_they_are() {
    let text = "#top\n\n\n#  two   \nlet A = { 1, # one\n2 }# end\nhook xdp e { # open\n# own\nall -> pass # why\n\n# last\n} # close\n# eof";
    let want = "\
#top

#  two
let A = { 1,  # one
    2 }  # end
hook xdp e {  # open
    # own
    all -> pass  # why

    # last
}  # close
# eof
";
    assert_eq!(check(text), want);
}

#[test]
fn small_bodies_stay_on_one_line() {
    let text = "limit a {rate 1/s}\nconns longer{allow 1 per src}\nset x:addr{1.2.3.4,dynamic}\nset yy : (addr,port) { }\n";
    let want = "\
limit a      { rate 1/s }
conns longer { allow 1  per src }
set x:  addr         { 1.2.3.4,  dynamic }
set yy: (addr, port) { }
";
    assert_eq!(check(text), want);
}

#[test]
fn nothing_gives_nothing_and_mistakes_come_back() {
    assert_eq!(format("").unwrap(), "");
    assert_eq!(format("\n\n # x \n\n").unwrap(), "# x\n");
    assert_eq!(format("hook xdp e { tcp drop }").unwrap_err()[0].code, "E0024");
}

#[test]
fn iptables_lines_keep_their_blanks() {
    let text = "chain c {\n-p  udp --comment 'a   b'\\\n   -j DROP # why\nx : ! -s 1.2.3.4\n}\n";
    let want = "\
chain c {
    -p  udp --comment 'a   b' \\
        -j DROP  # why
    x: ! -s 1.2.3.4
}
";
    assert_eq!(check(text), want);
}

/// Makes choices from random bytes.
struct Dice<'a>(std::slice::Iter<'a, u8>);

impl Dice<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        usize::from(*self.0.next().unwrap_or(&0)) % sides
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.roll(of.len())]
    }

    /// Blanks that separate two tokens on a line.
    fn gap(&mut self) -> &'static str {
        self.pick(&[" ", " ", "  ", "\t", " \\\n  "])
    }

    /// Blanks where a line may end.
    fn soft(&mut self) -> &'static str {
        self.pick(&[" ", "", "\n", "\n\n    ", " # soft\n", "\n# own\n  ", "\r\n"])
    }

    fn value(&mut self) -> String {
        let plain =
            ["53", "10.0.0.0/8", "2001:db8::/32", "80-90", "NAME", "0x1f", "02:00:00:00:00:01"];
        match self.roll(10) {
            0 => format!("{{{}1{},{}2,{}}}", self.soft(), self.soft(), self.soft(), self.soft()),
            1 => "@set".to_owned(),
            2 => self.pick(&["\"a # \\\" }\"", "i\"x -> y\"", "hex\"ff ?? 00\""]).to_owned(),
            3 => self.pick(&["syn|ack", "(syn|ack)", "( syn | ack )"]).to_owned(),
            _ => self.pick(&plain).to_owned(),
        }
    }

    fn atom(&mut self) -> String {
        let field =
            self.pick(&["udp.dport", "src", "ip.df", "l4[0:2]", "payload[ tcp.hdr_len + 4 : 2 ]"]);
        let gap = self.gap();
        match self.roll(9) {
            0 => "all".to_owned(),
            1 => format!("over({}lim)", self.soft()),
            2 => format!("f(1,{}2)", self.soft()),
            3 => format!("{field} & 0xff{gap}==4"),
            4 => format!("{field}{gap}not in {{ 1, 2 }}"),
            5 => "pcap  \"udp and tcp\"".to_owned(),
            6 => format!("tcp.flags has any syn|ack{gap}"),
            7 => format!("(src,{}dport) in @set", self.soft()),
            _ => format!(
                "{field}{}{}{}{}",
                self.gap(),
                self.pick(&["==", "!=", ">=", "<"]),
                gap,
                self.value()
            ),
        }
    }

    fn predicate(&mut self, depth: usize) -> String {
        let join = self.pick(&["and", "or"]);
        let mut out = String::new();
        for i in 0..=self.roll(3) {
            if i > 0 {
                let (before, after) = (self.pick(&[" ", "\n    ", " # j\n "]), self.gap());
                out += &format!("{before}{join}{after}");
            }
            out += self.pick(&["", "", "", "not ", "not  not "]);
            out += &if depth > 0 && self.roll(3) == 0 {
                format!("({}{}{})", self.soft(), self.predicate(depth - 1), self.soft())
            } else {
                self.atom()
            };
        }
        out
    }

    fn rule(&mut self, number: usize) -> String {
        let label = self.pick(&["", "", "l", "longer_label"]);
        let label = if label.is_empty() {
            String::new()
        } else {
            format!("{label}{number}:{}", self.gap())
        };
        if self.roll(6) == 0 {
            return format!(
                "{label}-p udp{}--dport 5 -m comment --comment 'x  # }}' -j DROP",
                self.gap()
            );
        }
        let (before, after) =
            (self.pick(&[" ", "", "\n  "]), self.pick(&[" ", "\n ", "", " # a\n"]));
        let actions = [
            "drop",
            "drop,\n count x",
            "add (src, dport) to @set for 10m",
            "jump \"a b\" , shadow drop",
        ];
        format!("{label}{}{before}->{after}{}", self.predicate(2), self.pick(&actions))
    }

    fn file(&mut self) -> String {
        let mut out = String::new();
        let ends = ["\n", "\n", "\n\n\n", " # end\n", "\n# own\n", "\r\n"];
        for _ in 0..1 + self.roll(4) {
            let item = match self.roll(6) {
                0 => format!("let X{}={}{}", self.gap(), self.gap(), self.value()),
                1 => format!("match m ={}{}", self.gap(), self.predicate(2)),
                2 => format!("limit x{}{{ rate 1 packets/s{}burst 2 }}", self.gap(), self.gap()),
                3 => format!("set s :addr {{{}1.2.3.4,{}5.6.7.8 dynamic\n max 5 }}", self.soft(), self.soft()),
                4 => "test \"t\" for e {\nsend eth/ip(src 1.2.3.4)/hex\"00\" x 3   expect drop by a\nwait 1s}".to_owned(),
                _ => {
                    let rules = (0..self.roll(5)).map(|n| self.rule(n) + self.pick(&ends)).collect::<String>();
                    format!("hook xdp e {{{}{rules}}}", self.pick(&["\n", " # o\n", "\n\n", "\n # own\n"]))
                }
            };
            out += &item;
            out += self.pick(&ends);
        }
        out
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_layout_keeps_its_meaning(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&Dice(bytes.iter()).file());
    }
}
