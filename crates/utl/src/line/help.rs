//! The usage text of a command.

use std::fmt::Write;

use super::{Command, Flag, Kind};

/// Columns the names of commands take at least.
const NAME_COLUMNS: usize = 11;

/// The flag every command has.
static HELP: Flag =
    Flag { name: "help", short: Some('h'), kind: Kind::Bool, default: "", about: "" };

/// Every flag a command takes: its own and those of the commands above it.
pub(super) fn flags(path: &[&'static Command]) -> impl Iterator<Item = &'static Flag> {
    let flags: Vec<_> = path.iter().flat_map(|command| command.flags).chain([&HELP]).collect();
    flags.into_iter()
}

/// What `--help` prints, and what follows a line that cannot be parsed.
pub(super) fn usage(path: &[&'static Command]) -> String {
    let command = path[path.len() - 1];
    let names: Vec<_> = path.iter().map(|command| command.name).collect();
    let called = names.join(" ");
    let mut out = String::from("Usage:\n");
    match command.run {
        Some(_) => {
            let words = [called.as_str(), command.positional, "[flags]"];
            let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
            put(&mut out, format_args!("  {}\n", words.join(" ")));
        }
        None => put(&mut out, format_args!("  {called} [command]\n")),
    }
    if !command.commands.is_empty() {
        out.push_str("\nAvailable Commands:\n");
        let longest = command.commands.iter().map(|c| c.name.len()).max().unwrap_or_default();
        let columns = longest.max(NAME_COLUMNS);
        for child in command.commands {
            put(&mut out, format_args!("  {:columns$} {}\n", child.name, child.about));
        }
    }
    let about_help = format!("help for {}", command.name);
    let own = command.flags.iter().map(|flag| (*flag, flag.about.to_owned()));
    out.push_str("\nFlags:\n");
    put_flags(&mut out, own.chain([(HELP, about_help)]).collect());
    let above: Vec<_> = path[..path.len() - 1]
        .iter()
        .flat_map(|command| command.flags)
        .map(|flag| (*flag, flag.about.to_owned()))
        .collect();
    if !above.is_empty() {
        out.push_str("\nGlobal Flags:\n");
        put_flags(&mut out, above);
    }
    if !command.commands.is_empty() {
        let more = "[command] --help\" for more information about a command.";
        put(&mut out, format_args!("\nUse \"{called} {more}\n"));
    }
    out
}

fn put_flags(out: &mut String, mut flags: Vec<(Flag, String)>) {
    flags.sort_by_key(|(flag, _)| flag.name);
    let left = |flag: &Flag| {
        let short = flag.short.map_or("    ".to_owned(), |short| format!("-{short}, "));
        format!("  {short}--{} {}", flag.name, flag.type_name()).trim_end().to_owned()
    };
    let columns = flags.iter().map(|(flag, _)| left(flag).len()).max().unwrap_or_default();
    for (flag, about) in &flags {
        let default = match (flag.kind, flag.default) {
            (_, "" | "0" | "false") => String::new(),
            (Kind::Text, text) => format!(" (default {text:?})"),
            (_, plain) => format!(" (default {plain})"),
        };
        put(out, format_args!("{:columns$}   {about}{default}\n", left(flag)));
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string cannot fail");
}
