//! Names of maps that keep state over a reload.

/// What two texts have in common only if they are the same, as far as 20 bits tell.
fn digest(text: &str) -> u64 {
    // FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 20) ^ (hash >> 40)) & 0xf_ffff
}

/// The symbol of an item's map, at most 14 bytes: the same as long as `identity` is, whatever other items the
/// policy has. A map is carried over a reload by its name, so that the identity holds everything that makes what is
/// in it worthless if it changes.
#[must_use]
pub fn map_name(item: &str, identity: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let begin: String = item.chars().take(8).map(plain).collect();
    format!("{begin}_{:05x}", digest(identity))
}

#[cfg(test)]
mod tests {
    use super::map_name;

    #[test]
    fn a_name_tells_identities_apart() {
        let name = map_name("per_client", "limit/edge/per_client");
        assert!(name.starts_with("per_clie_") && name.len() == 14, "{name}");
        assert_eq!(name, map_name("per_client", "limit/edge/per_client"));
        assert_ne!(name, map_name("per_client", "limit/guard/per_client"));
        assert_eq!(map_name("f2b-x", "").len(), 11);
    }
}
