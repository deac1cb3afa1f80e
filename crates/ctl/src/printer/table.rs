//! `-w table`: boxes around members and endpoints, and nothing else.

use ketch_proto::etcdserverpb::{HashKvResponse, MemberListResponse};

use super::{Answer, Printer, Rendered, simple};

/// Cells under headings.
pub(super) struct Table {
    heads: &'static [&'static str],
    pub(super) rows: Vec<Vec<String>>,
}

pub(super) fn render(printer: &Printer, answer: &Answer<'_>) -> Rendered {
    let table = match answer {
        Answer::Members(answer) => members(answer),
        Answer::Health(list) => Table {
            heads: &["ENDPOINT", "HEALTH", "TOOK", "ERROR"],
            rows: list
                .iter()
                .map(|health| {
                    let (endpoint, took) = (health.endpoint.clone(), health.took.clone());
                    vec![endpoint, health.healthy.to_string(), took, health.error.clone()]
                })
                .collect(),
        },
        Answer::Status(list) => Table {
            heads: STATUS_HEADS,
            rows: list.iter().map(|(at, status)| simple::status_row(at, status)).collect(),
        },
        Answer::HashKv(list) => hashes(list),
        _ => return Err(printer.unsupported()),
    };
    Ok(draw(&table).into_bytes())
}

const STATUS_HEADS: &[&str] = &[
    "ENDPOINT",
    "ID",
    "VERSION",
    "STORAGE VERSION",
    "DB SIZE",
    "IN USE",
    "PERCENTAGE NOT IN USE",
    "QUOTA",
    "IS LEADER",
    "IS LEARNER",
    "RAFT TERM",
    "RAFT INDEX",
    "RAFT APPLIED INDEX",
    "ERRORS",
    "DOWNGRADE TARGET VERSION",
    "DOWNGRADE ENABLED",
];

/// The members, for tables and lines.
pub(super) fn members(answer: &MemberListResponse) -> Table {
    let rows = answer.members.iter().map(|member| {
        let status = if member.name.is_empty() { "unstarted" } else { "started" };
        vec![
            format!("{:x}", member.id),
            status.to_owned(),
            member.name.clone(),
            member.peer_ur_ls.join(","),
            member.client_ur_ls.join(","),
            member.is_learner.to_string(),
        ]
    });
    let heads = &["ID", "STATUS", "NAME", "PEER ADDRS", "CLIENT ADDRS", "IS LEARNER"];
    Table { heads, rows: rows.collect() }
}

/// The checksums, for tables and lines.
pub(super) fn hashes(list: &[(String, HashKvResponse)]) -> Table {
    let rows = list.iter().map(|(endpoint, answer)| {
        vec![endpoint.clone(), answer.hash.to_string(), answer.hash_revision.to_string()]
    });
    Table { heads: &["ENDPOINT", "HASH", "HASH REVISION"], rows: rows.collect() }
}

/// Headings in the middle, cells to the right.
fn draw(table: &Table) -> String {
    let trimmed = |row: &Vec<String>| row.iter().map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<_>> = table.rows.iter().map(trimmed).collect();
    let width = |text: &str| text.chars().count();
    let widths: Vec<_> = (0..table.heads.len())
        .map(|at| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell));
            cells.chain([width(table.heads[at])]).max().unwrap_or(0)
        })
        .collect();
    let rule = |left: &str, middle: &str, right: &str| {
        let parts: Vec<_> = widths.iter().map(|width| "\u{2500}".repeat(width + 2)).collect();
        format!("{left}{}{right}\n", parts.join(middle))
    };
    let row = |cells: Vec<String>| format!("\u{2502}{}\u{2502}\n", cells.join("\u{2502}"));
    let heads = table.heads.iter().zip(&widths).map(|(head, width)| format!(" {head:^width$} "));
    let mut out = rule("\u{250c}", "\u{252c}", "\u{2510}");
    out.push_str(&row(heads.collect()));
    if !rows.is_empty() {
        out.push_str(&rule("\u{251c}", "\u{253c}", "\u{2524}"));
    }
    for cells in &rows {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:>width$} "));
        out.push_str(&row(cells.collect()));
    }
    out.push_str(&rule("\u{2514}", "\u{2534}", "\u{2518}"));
    out
}
