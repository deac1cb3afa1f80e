//! Names, passwords and permissions of every odd kind: what the real etcd answers, ketch answers.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use ketch_proto::authpb::{Permission, UserAddOptions};
use ketch_proto::etcdserverpb as pb;
use ketch_tests::peers;
use ketch_tests::process::{Member, Options, Program};
use ketch_tests::rpc::Rpc;
use prost::Message;

/// A call, and what it is called in messages.
struct Step {
    name: String,
    method: &'static str,
    bytes: Bytes,
}

fn step(name: impl Into<String>, method: &'static str, message: &impl Message) -> Step {
    Step { name: name.into(), method, bytes: message.encode_to_vec().into() }
}

#[tokio::test]
async fn no_answer_differs() -> Result<()> {
    let Some(_) = peers::find("etcd") else { return Ok(()) };
    let flags = ["--bcrypt-cost", "4", "--unsafe-no-fsync"];
    let (left, right) = (
        Member::start(Program::Etcd, Options::with_flags(&flags))?,
        Member::start(Program::under_test(), Options::with_flags(&flags))?,
    );
    let sides = [Rpc::connect(&left.endpoint()).await?, Rpc::connect(&right.endpoint()).await?];
    let mut differences = Vec::new();
    for step in names().into_iter().chain(permissions()).chain(passwords()) {
        let mut told = Vec::new();
        for side in &sides {
            let method = format!("/etcdserverpb.Auth/{}", step.method);
            let answer = side.call_bytes(&method, step.bytes.clone()).await;
            told.push(match answer {
                // A token is another one each time.
                Ok(_) if step.method == "Authenticate" => "OK".to_owned(),
                Ok(bytes) => format!("OK {:?}", without_term(step.method, bytes)?),
                Err(refusal) => refusal.to_string(),
            });
        }
        println!("{}: {}", step.name, told[0]);
        if told[0] != told[1] {
            differences.push(format!("{}\n etcd {}\n here {}", step.name, told[0], told[1]));
        }
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// etcd 3.7.1 panics on them, on every member and at each start.
#[tokio::test]
async fn names_too_long_for_a_key_are_refused() -> Result<()> {
    let member = Member::start(Program::Ketch, Options::with_flags(&["--bcrypt-cost", "4"]))?;
    let rpc = Rpc::connect(&member.endpoint()).await?;
    let name = "n".repeat(32_769);
    let user = pb::AuthUserAddRequest { name: name.clone(), ..Default::default() };
    for (method, bytes) in [
        ("UserAdd", user.encode_to_vec()),
        ("RoleAdd", pb::AuthRoleAddRequest { name }.encode_to_vec()),
    ] {
        let told = rpc.call_bytes(&format!("/etcdserverpb.Auth/{method}"), bytes.into()).await;
        let refusal = told.err().context("it is taken")?.to_string();
        ensure!(refusal == "InvalidArgument: etcdserver: invalid auth management", "{refusal}");
    }
    Ok(())
}

/// Lists in full; of other answers nothing but the header is left anyway.
fn without_term(method: &str, bytes: Bytes) -> Result<String> {
    Ok(match method {
        "UserList" => format!("{:?}", pb::AuthUserListResponse::decode(bytes)?.users),
        "RoleList" => format!("{:?}", pb::AuthRoleListResponse::decode(bytes)?.roles),
        "RoleGet" => format!("{:?}", pb::AuthRoleGetResponse::decode(bytes)?.perm),
        "AuthStatus" => {
            let status = pb::AuthStatusResponse::decode(bytes).context("a status")?;
            format!("{} {}", status.enabled, status.auth_revision)
        }
        _ => String::new(),
    })
}

fn names() -> Vec<Step> {
    let long = "n".repeat(32_768);
    let odd = ["", " ", "a b", "a:b", "a/b", "\0", "a\0b", "\u{e9}", "\u{1f600}", "root ", "ROOT"];
    let mut all = Vec::new();
    for name in odd.iter().copied().chain([long.as_str(), "\u{feff}x", "..", "%s"]) {
        let shown: String = name.chars().take(20).collect();
        let named = || name.to_owned();
        let user = pb::AuthUserAddRequest {
            name: named(),
            password: "p".to_owned(),
            ..Default::default()
        };
        all.push(step(format!("user {shown:?}"), "UserAdd", &user));
        all.push(step(format!("user {shown:?} again"), "UserAdd", &user));
        all.push(step(
            format!("role {shown:?}"),
            "RoleAdd",
            &pb::AuthRoleAddRequest { name: named() },
        ));
        let grant = pb::AuthUserGrantRoleRequest { user: named(), role: named() };
        all.push(step(format!("grant {shown:?}"), "UserGrantRole", &grant));
        let get = pb::AuthUserGetRequest { name: named() };
        all.push(step(format!("get {shown:?}"), "UserGet", &get));
        let delete = pb::AuthRoleDeleteRequest { role: named() };
        all.push(step(format!("delete role {shown:?}"), "RoleDelete", &delete));
    }
    // Field 1 as bytes that are no text.
    for method in ["UserAdd", "RoleAdd", "UserGet", "RoleGet", "UserDelete", "Authenticate"] {
        let bytes = Bytes::from_static(&[0x0a, 2, 0xff, 0xfe]);
        all.push(Step { name: format!("no text in {method}"), method, bytes });
    }
    all.push(step("users", "UserList", &pb::AuthUserListRequest {}));
    all.push(step("roles", "RoleList", &pb::AuthRoleListRequest {}));
    all
}

fn permissions() -> Vec<Step> {
    let role = || "granted".to_owned();
    let mut all = vec![step("role", "RoleAdd", &pb::AuthRoleAddRequest { name: role() })];
    let keys: [&[u8]; 8] = [b"", b"\0", b"a", b"b", b"a\0", b"\xff", b"\xff\xff", b"ab"];
    for key in keys {
        for end in keys {
            for perm_type in [0, 2, 3, -1] {
                let perm = Permission {
                    perm_type,
                    key: Bytes::from_static(key),
                    range_end: Bytes::from_static(end),
                };
                let grant = pb::AuthRoleGrantPermissionRequest { name: role(), perm: Some(perm) };
                let name = format!("permission {perm_type} {key:?} {end:?}");
                all.push(step(name, "RoleGrantPermission", &grant));
            }
        }
        all.push(step("the role", "RoleGet", &pb::AuthRoleGetRequest { role: role() }));
    }
    for key in keys {
        for end in keys {
            let (key, range_end) = (Bytes::from_static(key), Bytes::from_static(end));
            let name = format!("revoke {key:?} {range_end:?}");
            let revoke = pb::AuthRoleRevokePermissionRequest { role: role(), key, range_end };
            all.push(step(name, "RoleRevokePermission", &revoke));
        }
    }
    all.push(step("what is left", "RoleGet", &pb::AuthRoleGetRequest { role: role() }));
    all.push(step("revision", "AuthStatus", &pb::AuthStatusRequest {}));
    all
}

fn passwords() -> Vec<Step> {
    let root = || "root".to_owned();
    let add = pb::AuthUserAddRequest { name: root(), password: root(), ..Default::default() };
    let grant = pb::AuthUserGrantRoleRequest { user: root(), role: root() };
    let mut all = vec![step("root", "UserAdd", &add), step("its role", "UserGrantRole", &grant)];
    let long = |size: usize| "x".repeat(size);
    let texts = [String::new(), long(1), long(71), long(72), long(73), long(10_000)];
    let odd = ["a\0b", "\0", "\u{e9}", " "].map(str::to_owned);
    let texts: Vec<String> = texts.into_iter().chain(odd).collect();
    for (at, password) in texts.iter().enumerate() {
        let (name, password) = (format!("u{at}"), password.clone());
        let add = pb::AuthUserAddRequest { name, password, ..Default::default() };
        all.push(step(format!("add u{at}"), "UserAdd", &add));
    }
    // Given as a hash: the one that counts is made of the password.
    let hash = "JDJhJDA0JGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6".to_owned();
    for (name, password, hashed_password, no_password) in [
        ("h1", "", hash.clone(), false),
        ("h2", "pw", hash.clone(), false),
        ("h3", "pw", hash.clone(), true),
        ("h4", "", "no base64!".to_owned(), true),
    ] {
        let (name, password) = (name.to_owned(), password.to_owned());
        let options = Some(UserAddOptions { no_password });
        let label = format!("add {name}");
        let add = pb::AuthUserAddRequest { name, password, options, hashed_password };
        all.push(step(label, "UserAdd", &add));
    }
    for (name, password, hashed_password) in [
        ("u1", long(73), String::new()),
        ("h2", String::new(), "no base64!".to_owned()),
        ("h3", "pw".to_owned(), String::new()),
        ("h1", "pw".to_owned(), String::new()),
        ("u8", String::new(), String::new()),
    ] {
        let name = name.to_owned();
        let label = format!("change {name} {} {hashed_password:?}", password.len());
        let change = pb::AuthUserChangePasswordRequest { name, password, hashed_password };
        all.push(step(label, "UserChangePassword", &change));
    }
    all.push(step("on", "AuthEnable", &pb::AuthEnableRequest {}));
    let names = (0..texts.len()).map(|at| format!("u{at}"));
    for name in names.chain(["h1", "h2", "h3", "h4"].map(str::to_owned)) {
        for password in texts.iter().chain([&"pw".to_owned()]) {
            let label = format!("log in {name} {} {:?}", password.len(), password.get(..2));
            let login = pb::AuthenticateRequest { name: name.clone(), password: password.clone() };
            all.push(step(label, "Authenticate", &login));
        }
    }
    all
}
