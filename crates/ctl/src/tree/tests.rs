//! Lines in, commands out.

use super::*;
use crate::flags::Flags;

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect()
}

fn found(line: &str) -> String {
    match find(&words(line)) {
        Ok(found) => {
            let names: Vec<_> = found.path.iter().skip(1).map(|spec| spec.name).collect();
            let rest: Vec<_> = found.rest.iter().map(|w| String::from_utf8_lossy(w)).collect();
            format!("{}|{}", names.join(" "), rest.join(" "))
        }
        Err(failure) => format!("{}\n{}", failure.message.unwrap_or_default(), failure.hint),
    }
}

#[test]
fn lines() {
    let check = |line: &str, shown: &str| assert_eq!(found(line), shown, "{line}");
    check("", "|");
    check("get a", "get|a");
    check("ge a", "get|a");
    check("compact 5", "compaction|5");
    check("lease g 5", "lease grant|5");
    check("lease bogus 5", "lease|bogus 5");
    check("-w json get a", "get|-w json a");
    check("-wjson get a", "get|-wjson a");
    check("--hex get a", "get|--hex a");
    check("--rev 1 get a", "get|--rev 1 a");
    check("--endpoints x endpoint --cluster status", "endpoint status|--endpoints x --cluster");
    check("get -- lease", "get|-- lease");
    check("-- get", "|-- get");
}

#[test]
fn unknown_names() {
    let run = "Run 'ketchctl --help' for usage.\n";
    let unknown = |name: &str| format!("unknown command \"{name}\" for \"etcdctl\"\n");
    assert_eq!(found("bogus"), unknown("bogus") + run);
    let similar = "\nDid you mean this?\n\tget\n\n";
    assert_eq!(found("gett"), unknown("gett") + similar + run);
    let similar = "\nDid you mean this?\n\tdel\n\tlease\n\tlock\n\n";
    assert_eq!(found("l list"), unknown("l") + similar + run);
}

#[test]
fn every_command_declares_well() {
    fn walk(path: &mut Vec<&'static Spec>) {
        let found = Found { path: path.clone(), rest: Vec::new() };
        let mut names: Vec<_> = found.flags().iter().map(|flag| flag.name).collect();
        // Reads every default, and refuses by `expect` what cannot be read.
        let _ = Flags::new(found.flags());
        names.sort_unstable();
        let total = names.len();
        names.dedup();
        assert_eq!(names.len(), total, "a flag of {} is declared twice", found.spec().name);
        assert!(help(&found).lines().all(|line| line.len() <= 100), "{}", found.spec().name);
        assert!(found.spec().children.is_sorted_by_key(|child| child.name));
        for child in found.spec().children {
            path.push(child);
            walk(path);
            path.pop();
        }
    }
    walk(&mut vec![&ROOT]);
}

#[test]
fn help_is_laid_out() {
    let text = help(&find(&words("lease keep-alive")).unwrap());
    let expected = "Renews a lease again and again

Usage:
  ketchctl lease keep-alive [options] <leaseID> [flags]

Flags:
  -h, --help   show this help
      --once   renew once and end
Use \"ketchctl options\" for the flags that every command knows.
";
    assert_eq!(text, expected);
}
