//! Output formats: a short line, JSON, fields, a table.

use std::io::Write;

use crate::failure::Failure;
use crate::line::Line;

/// Writes to standard output. Who closed it (`| head`) has seen enough.
pub(crate) fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// What `--write-out` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Simple,
    Json,
    Fields,
    Table,
    Protobuf,
}

impl Format {
    /// Reads `--write-out`.
    pub(crate) fn of(line: &Line) -> Result<Self, Failure> {
        match line.text("write-out") {
            "simple" => Ok(Self::Simple),
            "json" => Ok(Self::Json),
            "fields" => Ok(Self::Fields),
            "table" => Ok(Self::Table),
            "protobuf" => Ok(Self::Protobuf),
            _ => Err(Failure::bad_feature("unsupported output format")),
        }
    }

    /// The refusal every answer of this tool gives to protobuf.
    pub(crate) fn no_protobuf() -> Failure {
        Failure::bad_feature("protobuf not supported as output format")
    }
}

/// A table of one row with a box around it: titles centred, values to the right.
pub(crate) fn table(columns: &[(&str, String)]) -> String {
    let widths: Vec<_> =
        columns.iter().map(|(title, value)| title.len().max(value.len()) + 2).collect();
    let bars: Vec<_> = widths.iter().map(|width| "\u{2500}".repeat(*width)).collect();
    let rule =
        |left: &str, middle: &str, right: &str| format!("{left}{}{right}\n", bars.join(middle));
    let cells = |texts: Vec<String>| format!("\u{2502}{}\u{2502}\n", texts.join("\u{2502}"));
    let titles = columns.iter().zip(&widths).map(|((title, _), width)| format!("{title:^width$}"));
    let values =
        columns.iter().zip(&widths).map(|((_, value), width)| format!("{value:>0$} ", width - 1));
    [
        rule("\u{250c}", "\u{252c}", "\u{2510}"),
        cells(titles.collect()),
        rule("\u{251c}", "\u{253c}", "\u{2524}"),
        cells(values.collect()),
        rule("\u{2514}", "\u{2534}", "\u{2518}"),
    ]
    .concat()
}

/// Bytes as a person reads them: `20 kB`, `1.5 MB`; thousands, not 1024.
pub(crate) fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let mut power = 0;
    let mut unit_bytes: u64 = 1;
    while bytes / unit_bytes >= 1000 {
        unit_bytes *= 1000;
        power += 1;
    }
    let tenths = (bytes as f64 / unit_bytes as f64 * 10.0 + 0.5).floor() / 10.0;
    let digits = usize::from(tenths < 10.0);
    format!("{tenths:.digits$} {}", UNITS[power])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_etcdutl_writes_them() {
        for (bytes, expected) in [
            (0, "0 B"),
            (9, "9 B"),
            (10, "10 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1949, "1.9 kB"),
            (20_480, "20 kB"),
            (122_880, "123 kB"),
            (9_999_999, "10 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(human_bytes(bytes), expected);
        }
    }

    #[test]
    fn tables_have_a_box() {
        let columns = [
            ("HASH", "746b5b8d".into()),
            ("TOTAL SIZE", "20 kB".into()),
            ("VERSION", "3.7.0".into()),
        ];
        let expected = "\
┌──────────┬────────────┬─────────┐
│   HASH   │ TOTAL SIZE │ VERSION │
├──────────┼────────────┼─────────┤
│ 746b5b8d │      20 kB │   3.7.0 │
└──────────┴────────────┴─────────┘
";
        assert_eq!(table(&columns), expected);
    }
}
