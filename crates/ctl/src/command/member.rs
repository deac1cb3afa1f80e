//! `member list | add | remove | update | promote` and `move-leader`.

use ketch_proto::etcdserverpb::MemberAddResponse;

use crate::failure::{BAD_FEATURE, Failure};
use crate::printer::{Answer, Format, write};
use crate::session::{Invocation, Session};
use crate::text::number::parse_uint;

pub(super) async fn list(invocation: &Invocation) -> Result<(), Failure> {
    let linearizable = match invocation.flags.text("consistency") {
        "l" => true,
        "s" => false,
        // etcdctl names the default here, not what was given.
        _ => return Err(Failure::new(BAD_FEATURE, "unknown consistency flag \"l\"")),
    };
    let session = invocation.session(&[])?;
    let answer = session.client().await?.cluster().members(linearizable).await?;
    session.printer.print(&Answer::Members(&answer))
}

/// Adds a member; in simple form also says with what variables it is to be started.
pub(super) async fn add(invocation: &Invocation) -> Result<(), Failure> {
    match invocation.arguments().len() {
        0 => return Err(Failure::bad_args("member name not provided")),
        1 => {}
        _ => return Err(Failure::bad_args("too many arguments")),
    }
    let name = invocation.word(0);
    let session = invocation.session(&[])?;
    let urls = peer_urls(&session)?;
    let is_learner = session.flags.bool("learner");
    let answer = session.client().await?.cluster().add(&urls, is_learner).await?;
    session.printer.print(&Answer::MemberAdd(&answer))?;
    if session.printer.format == Format::Simple {
        write(start_with(&answer, &name, session.flags.text("peer-urls")).as_bytes())?;
    }
    Ok(())
}

pub(super) async fn remove(invocation: &Invocation) -> Result<(), Failure> {
    let id = id(invocation)?;
    let session = invocation.session(&[])?;
    let answer = session.client().await?.cluster().remove(id).await?;
    session.printer.print(&Answer::MemberRemove(id, &answer))
}

pub(super) async fn update(invocation: &Invocation) -> Result<(), Failure> {
    let id = id(invocation)?;
    let session = invocation.session(&[])?;
    let urls = peer_urls(&session)?;
    let answer = session.client().await?.cluster().update(id, &urls).await?;
    session.printer.print(&Answer::MemberUpdate(id, &answer))
}

pub(super) async fn promote(invocation: &Invocation) -> Result<(), Failure> {
    let id = id(invocation)?;
    let session = invocation.session(&[])?;
    let answer = session.client().await?.cluster().promote(id).await?;
    session.printer.print(&Answer::MemberPromote(id, &answer))
}

/// Finds the leader among the endpoints and asks it to hand over.
pub(super) async fn move_leader(invocation: &Invocation) -> Result<(), Failure> {
    if invocation.arguments().len() != 1 {
        return Err(Failure::bad_args("move-leader command needs 1 argument"));
    }
    let to = parse_uint(&invocation.word(0), 16).map_err(Failure::bad_args)?;
    let session = invocation.session(&[])?;
    let endpoints = session.endpoints().await?;
    for endpoint in &endpoints {
        let client = session.client_of(vec![endpoint.clone()]).await?;
        let status = client.maintenance().status().await?;
        let member = status.header.map_or(0, |header| header.member_id);
        if status.leader == member {
            let answer = client.maintenance().move_leader(to).await?;
            return session.printer.print(&Answer::MoveLeader(member, to, &answer));
        }
    }
    let given = endpoints.join(" ");
    Err(Failure::bad_args(format!("no leader endpoint given at [{given}]")))
}

/// The one argument of a command on one member.
fn id(invocation: &Invocation) -> Result<u64, Failure> {
    if invocation.arguments().len() != 1 {
        return Err(Failure::bad_args("member ID is not provided"));
    }
    parse_uint(&invocation.word(0), 16)
        .map_err(|why| Failure::bad_args(format!("bad member ID arg ({why}), expecting ID in Hex")))
}

fn peer_urls(session: &Session) -> Result<Vec<String>, Failure> {
    match session.flags.text("peer-urls") {
        "" => Err(Failure::bad_args("member peer urls not provided")),
        urls => Ok(urls.split(',').map(str::to_owned).collect()),
    }
}

/// The settings of the new member; it has no name in the cluster until it runs.
fn start_with(answer: &MemberAddResponse, name: &str, peer_urls: &str) -> String {
    let new = answer.member.as_ref().map_or(0, |member| member.id);
    let pairs = answer.members.iter().flat_map(|member| {
        let name = if member.id == new { name } else { &member.name };
        member.peer_ur_ls.iter().map(move |url| format!("{name}={url}"))
    });
    let cluster = pairs.collect::<Vec<_>>().join(",");
    format!(
        "\nETCD_NAME=\"{name}\"\nETCD_INITIAL_CLUSTER=\"{cluster}\"\n\
         ETCD_INITIAL_ADVERTISE_PEER_URLS=\"{peer_urls}\"\nETCD_INITIAL_CLUSTER_STATE=\"existing\"\n"
    )
}
