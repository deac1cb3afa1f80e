//! Goal: a line is understood, or refused, in etcdutl's words.

use std::sync::Mutex;

use super::*;

static SEEN: Mutex<String> = Mutex::new(String::new());

fn remember(line: &Line) -> Result<(), Failure> {
    *SEEN.lock().unwrap() = format!(
        "{} {} {} {} {:?}",
        line.text("name"),
        line.uint("size"),
        line.int("rev"),
        line.is_set("force"),
        line.words(),
    );
    Ok(())
}

static LEAF: Command = Command {
    name: "restore",
    positional: "<file>",
    about: "Restores",
    flags: &[
        Flag::new("name", Kind::Text, "default", "the name"),
        Flag::new("size", Kind::Uint, "7", "the size"),
        Flag::new("rev", Kind::Int, "0", "the revision"),
        Flag::new("force", Kind::Bool, "", "insist"),
    ],
    required: &[],
    commands: &[],
    run: Some(remember),
};
static NEEDY: Command = Command { name: "needy", required: &["name", "rev"], ..LEAF };
static GROUP: Command = Command {
    name: "group",
    positional: "",
    about: "A group",
    flags: &[],
    required: &[],
    commands: &[&LEAF, &NEEDY],
    run: None,
};
static ROOT: Command = Command {
    name: "tool",
    about: "",
    flags: &[Flag {
        name: "write-out",
        short: Some('w'),
        kind: Kind::Text,
        default: "simple",
        about: "the format",
    }],
    commands: &[&GROUP],
    ..GROUP
};

/// The text of what happened.
fn check(args: &str) -> String {
    let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
    let (path, rest) = match find::find(&ROOT, args) {
        Ok(found) => found,
        Err(unknown) => return format!("unknown {unknown}"),
    };
    match parse::parse(&path, rest).and_then(|line| start(&path, &line)) {
        Ok(()) if path[path.len() - 1].run.is_some() => SEEN.lock().unwrap().clone(),
        Ok(()) => "usage".into(),
        Err(failure) => failure.message,
    }
}

#[test]
fn lines_are_understood_or_refused() {
    for (args, expected) in [
        ("", "usage"),
        ("group", "usage"),
        ("group bogus", "usage"),
        ("bogus", "unknown bogus"),
        ("group restore a b", r#"default 7 0 false ["a", "b"]"#),
        ("gr rest --name=x a --force", r#"x 7 0 true ["a"]"#),
        ("-w json group restore --name x -- --name", r#"x 7 0 false ["--name"]"#),
        ("group -wjson restore --force=false --size 0x10 -", r#"default 16 0 false ["-"]"#),
        ("group restore --rev -3", r#"default 7 -3 false []"#),
        ("group restore --bogus", "unknown flag: --bogus"),
        ("group restore -x", "unknown shorthand flag: 'x' in -x"),
        ("group restore --name", "flag needs an argument: --name"),
        ("group restore -w", "flag needs an argument: 'w' in -w"),
        ("group restore --=x", "bad flag syntax: --=x"),
        (
            "group restore --size -1",
            "invalid argument \"-1\" for \"--size\" flag: \
             strconv.ParseUint: parsing \"-1\": invalid syntax",
        ),
        (
            "group restore --rev 9223372036854775808",
            "invalid argument \"9223372036854775808\" for \"--rev\" flag: \
             strconv.ParseInt: parsing \"9223372036854775808\": value out of range",
        ),
        (
            "group restore --force=x",
            "invalid argument \"x\" for \"--force\" flag: \
             strconv.ParseBool: parsing \"x\": invalid syntax",
        ),
        ("group needy", r#"required flag(s) "name", "rev" not set"#),
        ("group needy --rev 2", r#"required flag(s) "name" not set"#),
    ] {
        assert_eq!(check(args), expected, "{args}");
    }
}

#[test]
fn durations_are_checked() {
    let flag = Flag::new("timeout", Kind::Duration, "10s", "");
    for (value, expected) in [
        ("1h2m3.5s", Ok(())),
        ("0", Ok(())),
        ("3x", Err(r#"time: unknown unit "x" in duration "3x""#)),
        ("3", Err(r#"time: missing unit in duration "3""#)),
        ("", Err(r#"time: invalid duration """#)),
        ("s", Err(r#"time: invalid duration "s""#)),
    ] {
        assert_eq!(flag.check(value), expected.map_err(str::to_owned), "{value}");
    }
}

#[test]
fn usage_is_laid_out_in_columns() {
    let expected = r#"Usage:
  tool group restore <file> [flags]

Flags:
      --force         insist
  -h, --help          help for restore
      --name string   the name (default "default")
      --rev int       the revision
      --size uint     the size (default 7)

Global Flags:
  -w, --write-out string   the format (default "simple")
"#;
    assert_eq!(help::usage(&[&ROOT, &GROUP, &LEAF]), expected);
    let expected = r#"Usage:
  tool group [command]

Available Commands:
  restore     Restores
  needy       Restores

Flags:
  -h, --help   help for group

Global Flags:
  -w, --write-out string   the format (default "simple")

Use "tool group [command] --help" for more information about a command.
"#;
    assert_eq!(help::usage(&[&ROOT, &GROUP]), expected);
}
