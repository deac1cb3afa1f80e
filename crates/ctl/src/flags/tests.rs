//! Lines in, values or sentences out.

use super::*;

const DECLARED: [Flag; 7] = [
    Flag::new("prefix", Kind::Bool, ""),
    Flag::new("interactive", Kind::Bool, "").short('i'),
    Flag::new("rev", Kind::Int, ""),
    Flag::new("ops", Kind::Uint, "").default("128"),
    Flag::new("wait", Kind::Duration, "").default("5s"),
    Flag::new("endpoints", Kind::List, "").default("127.0.0.1:2379"),
    Flag::new("write-out", Kind::Text, "").short('w').default("simple"),
];

fn read(line: &str) -> String {
    let mut flags = Flags::new(DECLARED);
    let words: Vec<_> = line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect();
    if let Err(sentence) = flags.parse(&words) {
        return sentence;
    }
    let changed = flags.slots.iter().filter(|slot| slot.changed);
    let mut out: Vec<_> =
        changed.map(|slot| format!("{}={}", slot.flag.name, slot.value.show())).collect();
    out.extend(flags.arguments.iter().map(|word| text(word)));
    out.extend(flags.dash.map(|at| format!("dash@{at}")));
    out.join(" ")
}

#[test]
fn lines() {
    let check = |line: &str, shown: &str| assert_eq!(read(line), shown, "{line}");
    check("a b", "a b");
    check("a --prefix b", "prefix=true a b");
    check("--prefix=f a", "prefix=false a");
    check("--prefix false", "prefix=true false");
    check("--rev 5 --rev=0x10 a", "rev=16 a");
    check("--rev -1", "rev=-1");
    check("-wjson -i", "interactive=true write-out=json");
    check("-w=json", "write-out=json");
    check("-w= x", "write-out== x");
    check("-iw json a", "interactive=true write-out=json a");
    check("--wait 1m30s", "wait=1m30s");
    check("--endpoints a,b --endpoints c", "endpoints=[a,b,c]");
    check("--endpoints \"a,b\",c", "endpoints=[a,b,c]");
    check("a -- -b --rev", "a -b --rev dash@1");
    check("a - b", "a - b");
    check("--", "dash@0");
}

#[test]
fn sentences() {
    let check = |line: &str, shown: &str| assert_eq!(read(line), shown, "{line}");
    check("--bogus", "unknown flag: --bogus");
    check("--bogus=1", "unknown flag: --bogus");
    check("-x", "unknown shorthand flag: 'x' in -x");
    check("-ix", "unknown shorthand flag: 'x' in -x");
    check("-1", "unknown shorthand flag: '1' in -1");
    check("-h", "pflag: help requested");
    check("---x", "bad flag syntax: ---x");
    check("--=x", "bad flag syntax: --=x");
    check("--rev", "flag needs an argument: --rev");
    check("-w", "flag needs an argument: 'w' in -w");
    check("-iw", "flag needs an argument: 'w' in -w");
    let syntax = "invalid syntax";
    let int = "strconv.ParseInt: parsing";
    let uint = "strconv.ParseUint: parsing";
    let bool = "strconv.ParseBool: parsing";
    check("--rev a", &format!("invalid argument \"a\" for \"--rev\" flag: {int} \"a\": {syntax}"));
    check(
        "--ops -1",
        &format!("invalid argument \"-1\" for \"--ops\" flag: {uint} \"-1\": {syntax}"),
    );
    check(
        "-i=x",
        &format!("invalid argument \"x\" for \"-i, --interactive\" flag: {bool} \"x\": {syntax}"),
    );
    check(
        "--wait 5",
        "invalid argument \"5\" for \"--wait\" flag: time: missing unit in duration \"5\"",
    );
    let list = |given: &str, column: u32, why: &str| {
        let shown = quote(given.as_bytes());
        let place = format!("parse error on line 1, column {column}: {why}");
        let shown = format!("invalid argument {shown} for \"--endpoints\" flag: {place}");
        check(&format!("--endpoints {given}"), &shown);
    };
    list("h:1\"", 4, "bare \" in non-quoted-field");
    list("\"h:1", 5, "extraneous or missing \" in quoted-field");
    list("\"h:1\"x", 5, "extraneous or missing \" in quoted-field");
}

#[test]
fn elsewhere_is_quiet() {
    let mut flags = Flags::new(DECLARED);
    flags.set_quietly("wait", "5");
    flags.set_quietly("rev", "7");
    assert_eq!((flags.changed("wait"), flags.duration("wait").as_secs()), (false, 5));
    assert_eq!((flags.changed("rev"), flags.int("rev")), (true, 7));
}
