//! Where somebody wanted to go before they had to sign in.

/// The longest path that is remembered, in bytes.
const BYTES_MAX: usize = 512;

/// The home page.
pub(super) const HOME: &str = "/";

/// `path`, if it is a path of our own, else the home page. What a browser could take for
/// another host is none: `//host`, `/\host`, and whatever hides behind control characters,
/// which browsers drop.
pub(super) fn own_path(path: &str) -> &str {
    let mut bytes = path.bytes();
    let begins = bytes.next() == Some(b'/') && bytes.next() != Some(b'/');
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    // Signing in to sign in goes in a circle.
    let circle = ["/sign-in", "/sign-out", "/step-up"].iter().any(|own| path.starts_with(own));
    if begins && plain && !circle && path.len() <= BYTES_MAX { path } else { HOME }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_our_own_are_gone_back_to() {
        for path in
            ["/", "/grants/01jQx3ZkP9sLw7TfYb2NcD", "/passkeys", "/grants?state=pending#top", "/a//b", "/%2f%2fhost"]
        {
            assert_eq!(own_path(path), path, "{path}");
        }
        let long = format!("/{}", "x".repeat(BYTES_MAX));
        for (name, path) in [
            ("nothing", ""),
            ("another host", "//evil.example.com"),
            ("three slashes", "///evil.example.com"),
            ("a backslash", "/\\evil.example.com"),
            ("backslashes", "\\\\evil.example.com"),
            ("a backslash further on", "/x\\..\\\\evil.example.com"),
            ("an absolute URL", "https://evil.example.com/"),
            ("a scheme", "javascript:alert(1)"),
            ("no scheme", "evil.example.com"),
            ("a tab", "/\t/evil.example.com"),
            ("a line", "/\n/evil.example.com"),
            ("a header", "/x\r\nSet-Cookie: a=b"),
            ("a space", " /x"),
            ("no ASCII", "/\u{2215}evil.example.com"),
            ("a circle", "/sign-in?back_to=/"),
            ("out again", "/sign-out"),
            ("too long", &long),
        ] {
            assert_eq!(own_path(path), HOME, "{name}");
        }
    }
}
