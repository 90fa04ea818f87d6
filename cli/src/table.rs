//! Tables for people.

use comfy_table::{CellAlignment, Table, presets};

/// Columns with a header, without borders; `right` names the columns that hold numbers.
pub fn new(header: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if right.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A number with a blank between groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 3 == first {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// `part` of `whole` in percent; empty where there is no whole.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    format!("{:.1} %", part as f64 * 100.0 / whole as f64)
}

/// `1 rule`, `2 rules`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{} {thing}{}", grouped(number as u64), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1 000"), (12_345, "12 345"), (1_234_567, "1 234 567")]
        {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(count(1, "rule"), "1 rule");
        assert_eq!(count(1000, "rule"), "1 000 rules");
    }

    #[test]
    fn a_share_of_nothing_is_no_number() {
        assert_eq!(share(0, 0), "");
        assert_eq!(share(1, 3), "33.3 %");
    }
}
