use super::everything;
use std::collections::BTreeMap;

#[test]
fn names_are_words_and_stand_once() {
    let mut names = BTreeMap::new();
    for packet in everything() {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(packet.name.chars().all(word), "{}", packet.name);
        let other = names.insert(packet.name.clone(), packet.bytes);
        assert!(other.is_none(), "{} stands twice", packet.name);
    }
    assert!(names.len() >= 150, "{} packets", names.len());
}

#[test]
fn no_packet_stands_under_two_names() {
    let mut bytes = BTreeMap::new();
    let mut same = Vec::new();
    for packet in everything() {
        if let Some(other) = bytes.insert(packet.bytes, packet.name.clone()) {
            same.push((other, packet.name));
        }
    }
    assert!(same.is_empty(), "the same bytes: {same:?}");
}
