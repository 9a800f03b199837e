//! The id of a record that stands for a pair of others: a function of both of their ids, the same wherever it is made.

/// The id of a pair: both ids with `~` between them; in each of them, `%` and `~` are written `%25` and `%7E`, so no two pairs share one.
#[must_use]
pub fn pair_id(first: &str, second: &str) -> String {
    let mut id = String::with_capacity(first.len() + second.len() + 1);
    for (place, part) in [first, second].into_iter().enumerate() {
        if place > 0 {
            id.push('~');
        }
        for letter in part.chars() {
            match letter {
                '%' => id.push_str("%25"),
                '~' => id.push_str("%7E"),
                other => id.push(other),
            }
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::pair_id;

    #[test]
    fn a_pair_has_one_id() {
        assert_eq!(pair_id("w1", "t1"), "w1~t1");
        assert_eq!(pair_id("Zürich/1", ""), "Zürich/1~");
        assert_eq!(pair_id("50%~", "~7E"), "50%25%7E~%7E7E");
    }

    #[test]
    fn no_two_pairs_share_an_id() {
        let parts: Vec<String> = (0..4_usize.pow(4))
            .map(|number| (0..4).map(|place| ["", "~", "%", "7E"][number >> (2 * place) & 3]).collect())
            .collect::<std::collections::BTreeSet<String>>()
            .into_iter()
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        for first in &parts {
            for second in &parts {
                assert!(seen.insert(pair_id(first, second)), "{first:?} and {second:?}");
            }
        }
    }
}
