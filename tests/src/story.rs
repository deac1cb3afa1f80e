//! What members said, as lines to compare between two clusters: ids by names, terms left out.
//!
//! A story is told twice, by a cluster of real etcds and by the one under test, on the same ports
//! one after the other, so that founding members even have the same ids. Ids that hash the time
//! are named in the order in which they show.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

use crate::client::Client;
use crate::rpc::Refusal;
use crate::schema::{self, Method};

/// The lines so far.
#[derive(Debug, Default)]
pub struct Story {
    lines: Vec<String>,
    names: BTreeMap<u64, String>,
}

impl Story {
    /// Calls a member with the request in text form, and notes the answer or the refusal.
    ///
    /// # Errors
    /// When the request is no such message or the answer is none.
    pub async fn call(&mut self, client: &Client, who: &str, line: &str) -> Result<bool> {
        let (name, ask) = line.split_once(' ').unwrap_or((line, ""));
        let method = Method::find(name)?;
        let unmasked = self.unmask(ask);
        if unmasked.contains('$') {
            // An id that an earlier answer should have given; the stories differ there already.
            self.note(&format!("{who} {line}"), "not asked");
            return Ok(false);
        }
        let ask = method.parse(&unmasked)?;
        let path = method.path();
        let answer = client.rpc.call_bytes(&path, ask);
        let answer = tokio::time::timeout(crate::client::LIMIT, answer).await?;
        let is_ok = answer.is_ok();
        let said = match answer {
            Ok(answer) => {
                let mut message = method.decode(answer)?;
                mask_header(&mut message);
                sort_members(&mut message);
                self.learn(&message);
                message.to_text_format()
            }
            Err(refusal) => show(&refusal),
        };
        self.note(&format!("{who} {line}"), &said);
        Ok(is_ok)
    }

    /// Notes anything else.
    pub fn note(&mut self, what: &str, said: &str) {
        let line = format!("{what} => {}", self.mask(said));
        println!("{line}");
        self.lines.push(line);
    }

    /// Gives an id a name; in requests `$name` stands for it.
    pub fn name(&mut self, id: u64, name: &str) {
        self.names.insert(id, name.to_owned());
    }

    /// The id of a name that was learnt.
    pub fn id(&self, name: &str) -> Option<u64> {
        self.names.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
    }

    /// Ensures that both tell the same.
    ///
    /// # Errors
    /// When they do not; the message has the lines that differ.
    pub fn same(&self, right: &Story) -> Result<()> {
        let mut differences = Vec::new();
        for (ours, right) in self.lines.iter().zip(&right.lines) {
            if ours != right {
                differences.push(format!("etcd   {right}\ntested {ours}"));
            }
        }
        ensure!(differences.is_empty(), "{}", differences.join("\n"));
        ensure!(self.lines.len() == right.lines.len(), "one story is longer");
        Ok(())
    }

    /// Names ids of added members.
    fn learn(&mut self, message: &DynamicMessage) {
        let Some(member) = message.get_field_by_name("member") else { return };
        let Some(member) = member.as_message() else { return };
        let id = member.get_field_by_name("ID").and_then(|id| id.as_u64());
        if let Some(id) = id.filter(|id| *id != 0) {
            let name = format!("added{}", self.names.len());
            self.names.entry(id).or_insert(name);
        }
    }

    fn unmask(&self, ask: &str) -> String {
        let replace = |ask: String, (id, name): (&u64, &String)| {
            ask.replace(&format!("${name}"), &id.to_string())
        };
        self.names.iter().fold(ask.to_owned(), replace)
    }

    fn mask(&self, said: &str) -> String {
        let replace = |said: String, (id, name): (&u64, &String)| {
            said.replace(&id.to_string(), name).replace(&format!("{id:x}"), name)
        };
        self.names.iter().fold(said.to_owned(), replace)
    }
}

/// A refusal as a line.
pub fn show(refusal: &Refusal) -> String {
    format!("{refusal}")
}

/// A message of etcdserverpb as a line.
pub fn text(name: &str, message: &impl Message) -> String {
    schema::text_of(&format!("etcdserverpb.{name}"), message)
}

/// By their URLs: ids of added members hash the time, and lists are in the order of ids.
fn sort_members(message: &mut DynamicMessage) {
    let Some(field) = message.descriptor().get_field_by_name("members") else { return };
    if let Value::List(members) = message.get_field_mut(&field) {
        members.sort_by_key(|member| {
            let urls = member.as_message().map(|member| member.get_field_by_name("peerURLs"));
            format!("{urls:?}")
        });
    }
}

/// Terms count elections, and revisions of clusters with a load of their own differ.
fn mask_header(message: &mut DynamicMessage) {
    schema::mask_term(message);
    let Some(field) = message.descriptor().get_field_by_name("raftTerm") else { return };
    for name in [field.name(), "raftIndex", "raftAppliedIndex", "dbSize", "dbSizeInUse"] {
        if let Some(field) = message.descriptor().get_field_by_name(name) {
            let value = message.get_field(&field);
            let is_set =
                value.as_u64().is_some_and(|n| n > 0) || value.as_i64().is_some_and(|n| n > 0);
            let shown = match *value {
                Value::U64(_) => Value::U64(u64::from(is_set)),
                _ => Value::I64(i64::from(is_set)),
            };
            message.set_field(&field, shown);
        }
    }
}
