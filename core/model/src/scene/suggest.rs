//! Nearest-name suggestions for misspelt references.

/// Most names listed when none is near.
const LISTED: usize = 8;

/// A hint for a name that is not among `known`: the nearest one, or all of
/// them when they are few.
pub(crate) fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let best = known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .min_by_key(|&(d, _)| d);
    match best {
        Some((d, candidate)) if near(d, name.chars().count()) => {
            format!("did you mean `{candidate}`?")
        }
        None => "none are defined".to_owned(),
        _ if known.len() <= LISTED => format!("known are: {}", known.join(", ")),
        Some((_, candidate)) => {
            format!("{} are known, the nearest is `{candidate}`", known.len())
        }
    }
}

/// A misspelling changes less than the whole name, and at most three letters.
fn near(distance: usize, letters: usize) -> bool {
    distance < letters && distance <= letters.div_ceil(2).min(3)
}

/// Levenshtein distance; letters that differ only in case count half as far,
/// so distances are rounded down to whole edits.
fn distance(a: &str, b: &str) -> usize {
    // Long names are cut: a suggestion is a help, not worth quadratic time.
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).map(|j| 2 * j).collect();
    for (i, &ca) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = 2 * (i + 1);
        for (j, &cb) in b.iter().enumerate() {
            let change = if ca == cb {
                0
            } else if ca.eq_ignore_ascii_case(&cb) {
                1
            } else {
                2
            };
            let next = (diagonal + change).min(row[j] + 2).min(row[j + 1] + 2);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()] / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let known = ["LOAD1", "LOAD17", "LOAD55"];
        assert_eq!(hint("LAOD17", known), "did you mean `LOAD17`?");
        assert_eq!(hint("load55", known), "did you mean `LOAD55`?");
    }

    #[test]
    fn without_a_near_name_the_few_are_listed() {
        assert_eq!(hint("x", ["green", "cheap"]), "known are: green, cheap");
        assert_eq!(hint("x", []), "none are defined");
        let many: Vec<String> = (10..30).map(|i| format!("home{i}")).collect();
        assert!(hint("q", many.iter().map(String::as_str)).starts_with("20 are known"));
    }
}
