//! Names that look like one that is not there. It knows not what they name.

/// Below this Jaro-Winkler similarity a guess would only confuse.
const SIMILAR: f64 = 0.75;

/// Characters of a name that are looked at: it may be any text that a request holds.
const LOOKED_AT: usize = 128;

/// At most three of `names` that look like `name`, best first.
#[must_use]
pub fn near<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let name: String = name.chars().take(LOOKED_AT).collect();
    let mut scored: Vec<(f64, &str)> =
        names.into_iter().map(|other| (strsim::jaro_winkler(&name, other), other)).collect();
    scored.retain(|(score, _)| *score >= SIMILAR);
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// `; did you mean …?`, or nothing.
#[must_use]
pub fn near_text(near: &[String]) -> String {
    let quoted: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() { String::new() } else { format!("; did you mean {}?", quoted.join(" or ")) }
}
