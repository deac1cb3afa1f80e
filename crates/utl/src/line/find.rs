//! Which command a line means.

use super::{Command, Kind, parse};

/// Follows the words of a line to a command. Gives the path from the root and the arguments
/// without the commands' names, or the word no command of the root answers to.
pub(super) fn find(
    root: &'static Command,
    mut args: Vec<String>,
) -> Result<(Vec<&'static Command>, Vec<String>), String> {
    let mut path = vec![root];
    loop {
        let here = path[path.len() - 1];
        let Some(at) = first_word(&path, &args) else { return Ok((path, args)) };
        match choose(here, &args[at]) {
            Some(next) => {
                args.remove(at);
                path.push(next);
            }
            None if path.len() == 1 && !here.commands.is_empty() => {
                return Err(args.swap_remove(at));
            }
            None => return Ok((path, args)),
        }
    }
}

/// The command of that name, or the only one the word is the beginning of.
fn choose(group: &Command, word: &str) -> Option<&'static Command> {
    if let Some(exact) = group.commands.iter().find(|command| command.name == word) {
        return Some(exact);
    }
    let mut beginning = group.commands.iter().filter(|command| command.name.starts_with(word));
    match (beginning.next(), beginning.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// Place of the first argument that is neither a flag nor a flag's value.
fn first_word(path: &[&'static Command], args: &[String]) -> Option<usize> {
    let takes_next = |arg: &str| {
        if arg.contains('=') {
            return false;
        }
        let flag = match arg.strip_prefix("--") {
            Some(name) => parse::by_name(path, name),
            None if arg.len() == 2 => arg.chars().nth(1).and_then(|c| parse::by_short(path, c)),
            None => return false,
        };
        flag.is_none_or(|flag| flag.kind != Kind::Bool)
    };
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        match arg.as_str() {
            "--" => return None,
            arg if arg.starts_with('-') && arg.len() > 1 => at += 1 + usize::from(takes_next(arg)),
            "" => at += 1,
            _ => return Some(at),
        }
    }
    None
}
