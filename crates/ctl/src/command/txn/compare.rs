//! One comparison of a transaction: `mod("key") > "0"`.

use ketch_proto::etcdserverpb::Compare;
use ketch_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};

use crate::failure::{BAD_CONNECTION, Failure, INVALID_INPUT};
use crate::text::number::parse_int;
use crate::text::quote::quote;
use crate::text::scan;

/// Reads one line.
pub(super) fn parse(line: &str) -> Result<Compare, Failure> {
    let malformed =
        |why: &str| Failure::new(INVALID_INPUT, format!("malformed comparison: {line}{why}"));
    let Some((target, rest)) = line.split_once('(') else { return Err(malformed("")) };
    let read = scan::comparison(rest);
    if !read.complete {
        let (key, value) = (quote(&read.key), quote(&read.value));
        return Err(malformed(&format!("; got {target}({key}) {} {value}", read.op)));
    }
    let number = || {
        parse_int(&String::from_utf8_lossy(&read.value), 10).map_err(|_| {
            Failure::new(INVALID_INPUT, format!("invalid txn compare request: {line}"))
        })
    };
    let (target, union) = match target {
        "ver" | "version" => (CompareTarget::Version, TargetUnion::Version(number()?)),
        "c" | "create" => (CompareTarget::Create, TargetUnion::CreateRevision(number()?)),
        "m" | "mod" => (CompareTarget::Mod, TargetUnion::ModRevision(number()?)),
        "val" | "value" => (CompareTarget::Value, TargetUnion::Value(read.value.clone().into())),
        // etcdctl crashes here; its words and its exit code, without the trace.
        "lease" => return Err(crash("bad value")),
        other => return Err(malformed(&format!(" (unknown target {other})"))),
    };
    Ok(Compare {
        result: result(&read.op)?.into(),
        target: target.into(),
        key: read.key.into(),
        range_end: Default::default(),
        target_union: Some(union),
    })
}

fn result(op: &str) -> Result<CompareResult, Failure> {
    match op {
        "=" => Ok(CompareResult::Equal),
        "!=" => Ok(CompareResult::NotEqual),
        ">" => Ok(CompareResult::Greater),
        "<" => Ok(CompareResult::Less),
        _ => Err(crash("Unknown result op")),
    }
}

fn crash(why: &str) -> Failure {
    Failure::silent(BAD_CONNECTION).with_hint(format!("panic: {why}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let check = |line: &str, shown: &str| {
            let read = match parse(line) {
                Ok(compare) => {
                    let key = String::from_utf8_lossy(&compare.key).into_owned();
                    format!(
                        "{} {} {key} {:?}",
                        compare.target, compare.result, compare.target_union
                    )
                }
                Err(Failure { code, message, hint }) => {
                    format!("{code} {}{hint}", message.unwrap_or_default())
                }
            };
            assert_eq!(read, shown, "{line}");
        };
        check("ver(\"k\") = \"1\"", "0 0 k Some(Version(1))");
        check("create(\"k\") != \"-1\"", "1 3 k Some(CreateRevision(-1))");
        check("m(\"k\") > \"0\"", "2 1 k Some(ModRevision(0))");
        check("val(\"k\") < \"x\"", "3 2 k Some(Value(b\"x\"))");
        check("bogus", "3 malformed comparison: bogus");
        check("mod(k) < \"1\"", "3 malformed comparison: mod(k) < \"1\"; got mod(\"\")  \"\"");
        check("v(\"k\") = \"1\"", "3 malformed comparison: v(\"k\") = \"1\" (unknown target v)");
        check("mod(\"k\") ? \"a\"", "3 invalid txn compare request: mod(\"k\") ? \"a\"");
        check("mod(\"k\") ? \"1\"", "2 panic: Unknown result op\n");
        check("lease(\"k\") = \"0\"", "2 panic: bad value\n");
    }
}
