//! Room for Cedar's recursion.
//!
//! Cedar's parser and its conversions go as deep as a policy is nested and don't look
//! where the stack ends: a process would die of a file. So what is nested too deep is
//! refused before it is parsed, and the rest gets room enough whichever thread it runs on.

/// How deep scopes, conditions and texts may be nested, as [`too_deep`] counts.
pub(crate) const DEPTH_MAX: usize = 100;

const MIB: usize = 1024 * 1024;

/// For loading and explaining, which convert policies: up to 100 KiB a level in a debug build.
pub(crate) fn with_much<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(32 * MIB, 64 * MIB, work)
}

/// For deciding.
pub(crate) fn with_some<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(MIB, 8 * MIB, work)
}

/// One open bracket: the operators that are nested in each other since it opened.
#[derive(Default, Clone, Copy)]
struct Level {
    /// `&&` and `||`: each nests what stands before it.
    chain: usize,
    /// All others, since the last of those.
    operand: usize,
}

/// Where a text of policies is nested deeper than [`DEPTH_MAX`], in bytes, if it is. An
/// estimate from above that needs no parser: each open bracket counts, and in each the
/// operators since its last comma.
pub(crate) fn too_deep(text: &str) -> Option<usize> {
    let mut levels = vec![Level::default()];
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let at = text.len() - rest.len();
        let token = token(rest, c);
        rest = rest.get(token.len()..).unwrap_or_default();
        match c {
            '(' | '[' | '{' => levels.push(Level::default()),
            ')' | ']' | '}' if levels.len() > 1 => drop(levels.pop()),
            _ => {}
        }
        if let Some(level) = levels.last_mut() {
            match token {
                "," | ";" => *level = Level::default(),
                "&&" | "||" => *level = Level { chain: level.chain + 1, operand: 0 },
                "if" | "then" | "else" | "in" | "has" | "like" | "is" => level.operand += 1,
                _ if "!<>=+-*.".contains(c) => level.operand += 1,
                _ => {}
            }
        }
        let depth: usize = levels.iter().map(|level| 1 + level.chain + level.operand).sum();
        if depth > DEPTH_MAX {
            return Some(at);
        }
    }
    None
}

/// What stands at the beginning: a string, a comment, a word, a double operator, or one character.
fn token(rest: &str, first: char) -> &str {
    let length = match first {
        '"' => string(rest),
        '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
        '&' | '|' if rest.starts_with("&&") || rest.starts_with("||") => 2,
        '=' | '!' | '<' | '>' if rest.get(1..2) == Some("=") => 2,
        c if c.is_alphanumeric() || c == '_' => {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        }
        c => c.len_utf8(),
    };
    rest.get(..length).unwrap_or(rest)
}

/// The length of a string with its quotes.
fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_and_length_is_not() {
        let long_set = format!("[{}]", vec!["\"a.b.c && d\""; 5_000].join(", "));
        let many = "@id(\"a\") permit (principal, action, resource) when { a.b == 1 };\n".repeat(1_000);
        let chain = |n| vec!["context.incident.severity == \"x\""; n].join(" && ");
        for shallow in [long_set, many, chain(90), format!("// {}\n", "((((".repeat(100)), "ü\"((".repeat(50)] {
            assert_eq!(too_deep(&shallow), None, "{}", shallow.get(..60).unwrap_or_default());
        }
        for (deep, at) in [
            ("(".repeat(200), 50),
            (chain(200), 3_000),
            ("a.".repeat(200), 150),
            ("if a then b else ".repeat(100), 500),
            ("1+".repeat(200), 150),
            ("!".repeat(200), 90),
        ] {
            let found = too_deep(&deep);
            assert!(found.is_some_and(|found| (at..at * 3 / 2 + 600).contains(&found)), "{found:?}: {}", &deep[..20]);
        }
    }
}
