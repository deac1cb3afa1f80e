//! Answers on users, roles and authentication, in every format that has them.

use ketch_proto::authpb::Permission;
use ketch_proto::authpb::permission::Type;
use ketch_proto::etcdserverpb::{
    AuthRoleGetResponse, AuthRoleListResponse, AuthStatusResponse, AuthUserAddResponse,
    AuthUserGetResponse, AuthUserListResponse, ResponseHeader,
};
use prost::Message;

use super::fields::Page;
use super::json::head;
use crate::command::by_prefix;
use crate::text::json::{Object, string};
use crate::text::quote::quote;

/// What the commands `user`, `role` and `auth` may print.
pub(crate) enum Access<'a> {
    /// The line that tells of a change; its answer is no more than a header.
    Changed(&'a [u8], Option<ResponseHeader>),
    /// With its name, as the next but one.
    Role(&'a str, &'a AuthRoleGetResponse),
    Roles(&'a AuthRoleListResponse),
    User(&'a str, &'a AuthUserGetResponse),
    Users(&'a AuthUserListResponse),
    Status(&'a AuthStatusResponse),
}

/// The role that may do everything, whatever it was granted.
const ROOT: &str = "root";

impl Access<'_> {
    pub(super) fn simple(&self) -> Vec<u8> {
        match self {
            Self::Changed(line, _) => line.to_vec(),
            Self::Role(name, answer) => role(name, &answer.perm),
            Self::Roles(answer) => lines(&answer.roles),
            Self::User(name, answer) => {
                let roles: String = answer.roles.iter().map(|role| format!(" {role}")).collect();
                format!("User: {name}\nRoles:{roles}\n").into_bytes()
            }
            Self::Users(answer) => lines(&answer.users),
            Self::Status(AuthStatusResponse { enabled, auth_revision, .. }) => {
                let status = format!("Authentication Status: {enabled}\n");
                format!("{status}AuthRevision: {auth_revision}\n").into_bytes()
            }
        }
    }

    pub(super) fn json(&self) -> Object {
        let names = |names: &[String]| names.iter().map(|name| string(name)).collect::<Vec<_>>();
        match self {
            Self::Changed(_, header) => head(*header),
            Self::Role(_, answer) => {
                let permission = |permission: &Permission| {
                    Object::new()
                        .number("permType", permission.perm_type)
                        .bytes("key", &permission.key)
                        .bytes("range_end", &permission.range_end)
                        .finish()
                };
                head(answer.header).list("perm", answer.perm.iter().map(permission))
            }
            Self::Roles(answer) => head(answer.header).list("roles", names(&answer.roles)),
            Self::User(_, answer) => head(answer.header).list("roles", names(&answer.roles)),
            Self::Users(answer) => head(answer.header).list("users", names(&answer.users)),
            Self::Status(answer) => head(answer.header)
                .flag("enabled", answer.enabled)
                .number("authRevision", answer.auth_revision),
        }
    }

    /// False for what etcdctl does not print so.
    pub(super) fn fields(&self, page: &mut Page) -> bool {
        match self {
            Self::Changed(_, header) => page.header(*header),
            Self::Role(_, answer) => {
                page.header(answer.header);
                for permission in &answer.perm {
                    page.field("PermType", format_args!(" {}", kind(permission)));
                    page.field("Key", quote(&permission.key));
                    page.field("RangeEnd", quote(&permission.range_end));
                }
            }
            Self::Roles(answer) => {
                page.header(answer.header);
                let roles = answer.roles.iter().map(|role| format!(" {}", quote(role.as_bytes())));
                page.line(&format!("\"Roles\" :{}", roles.collect::<String>()));
            }
            Self::User(..) | Self::Users(_) | Self::Status(_) => return false,
        }
        true
    }

    pub(super) fn protobuf(&self) -> Vec<u8> {
        match self {
            // Any of the answers that are a header.
            Self::Changed(_, header) => AuthUserAddResponse { header: *header }.encode_to_vec(),
            Self::Role(_, answer) => answer.encode_to_vec(),
            Self::Roles(answer) => answer.encode_to_vec(),
            Self::User(_, answer) => answer.encode_to_vec(),
            Self::Users(answer) => answer.encode_to_vec(),
            Self::Status(answer) => answer.encode_to_vec(),
        }
    }
}

fn lines(names: &[String]) -> Vec<u8> {
    names.iter().map(|name| format!("{name}\n")).collect::<String>().into_bytes()
}

fn kind(permission: &Permission) -> String {
    let number = permission.perm_type;
    Type::try_from(number).map_or(number.to_string(), |kind| kind.as_str_name().to_owned())
}

/// What may be read, then what may be written.
fn role(name: &str, permissions: &[Permission]) -> Vec<u8> {
    let everything = [Permission { perm_type: Type::Readwrite.into(), ..open_ended() }];
    let all = name == ROOT && permissions.is_empty();
    let permissions = if all { &everything } else { permissions };
    let mut out = format!("Role {name}\n").into_bytes();
    for (title, kind) in [("KV Read:\n", Type::Read), ("KV Write:\n", Type::Write)] {
        out.extend_from_slice(title.as_bytes());
        let granted = |permission: &&Permission| {
            [kind, Type::Readwrite].into_iter().any(|kind| permission.perm_type == kind as i32)
        };
        permissions.iter().filter(granted).for_each(|permission| range(permission, &mut out));
    }
    out
}

fn open_ended() -> Permission {
    Permission { range_end: b"\0".as_slice().into(), ..Default::default() }
}

fn range(permission: &Permission, out: &mut Vec<u8>) {
    let Permission { key, range_end: end, .. } = permission;
    let parts: &[&[u8]] = match end.as_ref() {
        b"" => &[b"\t", key],
        b"\0" => &[b"\t[", key, b", <open ended>"],
        end => &[b"\t[", key, b", ", end, b")"],
    };
    out.extend(parts.concat());
    if !key.is_empty() && !end.is_empty() && by_prefix(key.clone()).1 == *end {
        out.extend([b" (prefix ", key.as_ref(), b")"].concat());
    }
    out.push(b'\n');
}
