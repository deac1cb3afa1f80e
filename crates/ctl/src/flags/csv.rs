//! Comma lists with quotes, one record of CSV, with Go's sentences.

/// The fields of one line.
pub(crate) fn split(text: &str) -> Result<Vec<String>, String> {
    let line = text.lines().next().unwrap_or("");
    if line.is_empty() {
        return Ok(Vec::new());
    }
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let rest = &line[at..];
        let end = if rest.starts_with('"') {
            let (field, used) = quoted(rest)
                .ok_or_else(|| broken(at, rest, "extraneous or missing \" in quoted-field"))?;
            fields.push(field);
            at + used
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            if let Some(bare) = rest[..end].find('"') {
                return Err(error(at + bare + 1, "bare \" in non-quoted-field"));
            }
            fields.push(rest[..end].to_owned());
            at + end
        };
        if end == line.len() {
            return Ok(fields);
        }
        at = end + 1;
    }
}

/// A field in quotes, with the bytes it took.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut field = String::new();
    let mut at = 1;
    loop {
        let close = at + text[at..].find('"')?;
        field.push_str(&text[at..close]);
        match text.as_bytes().get(close + 1) {
            Some(b'"') => field.push('"'),
            None => return Some((field, close + 1)),
            Some(b',') => return Some((field, close + 1)),
            Some(_) => return None,
        }
        at = close + 2;
    }
}

/// Points at the quote that is too much, or behind the end.
fn broken(at: usize, rest: &str, why: &str) -> String {
    let bytes = rest.as_bytes();
    let mut next = 1;
    while let Some(found) = rest[next..].find('"') {
        let close = next + found;
        match bytes.get(close + 1) {
            Some(b'"') => next = close + 2,
            Some(_) => return error(at + close + 1, why),
            None => break,
        }
    }
    error(at + rest.len() + 1, why)
}

fn error(column: usize, why: &str) -> String {
    format!("parse error on line 1, column {column}: {why}")
}
