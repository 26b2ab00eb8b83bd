//! How much a text can make the parser keep. What is in brackets may be a key, so the parser keeps all of it as tokens of some
//! hundred bytes until the brackets close; and a directive as words. Which bytes are text only the parser knows, so all are looked
//! at: the sum is what the text would cost if it stood in brackets.

/// How many signs there are in `text` that can start or part tokens: no token but a few stands without one.
pub(super) fn count(text: &str) -> usize {
    let within: usize = text
        .as_bytes()
        .array_windows()
        .map(|[before, byte]| {
            let is_start = before.is_ascii_whitespace() || b",[{:".contains(before);
            let is_sign = match byte {
                b',' | b'[' | b'{' => true,
                b'&' | b'*' | b'!' | b'?' | b'#' => is_start,
                b':' => matches!(before, b'"' | b'\'' | b']' | b'}'),
                _ => false,
            };
            let is_colon = *before == b':' && (byte.is_ascii_whitespace() || b",[]{}".contains(byte));
            usize::from(is_sign) + usize::from(is_colon)
        })
        .sum();
    let lines = text.lines().map(|line| match line.as_bytes() {
        [b'%', ..] => line.len(),
        [b'-', b'-', b'-', ..] | [b'.', b'.', b'.', ..] => 1,
        _ => 0,
    });
    within + lines.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_parts_tokens_is_counted() {
        for (text, expected) in [
            ("", 0),
            ("a: b", 1),
            ("a:\n  b: c\n", 2),
            ("see http://a/b at 12:30", 0),
            ("{\"a\":\"b\",\"c\": 1}", 4),
            ("[a, [b], {c: d}]", 5),
            ("- &a x\n- *a\n- !t y\n? z\n", 4),
            ("a # b\n#c\n", 2),
            ("a&b*c!d#e", 0),
            ("a\n---\nb\n...\n-- c\n", 2),
            ("%YAML 1.2\n", 9),
        ] {
            assert_eq!(count(text), expected, "{text:?}");
        }
    }
}
