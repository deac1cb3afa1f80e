//! Answers on their way out: one closed list of them, one file per format.

mod access;
mod fields;
mod json;
mod protobuf;
mod simple;
mod table;

use std::io::{self, Write};

use ketch_proto::etcdserverpb::{
    AlarmResponse, DeleteRangeResponse, HashKvResponse, LeaseGrantResponse, LeaseKeepAliveResponse,
    LeaseLeasesResponse, LeaseRevokeResponse, LeaseTimeToLiveResponse, MemberAddResponse,
    MemberListResponse, MemberPromoteResponse, MemberRemoveResponse, MemberUpdateResponse,
    MoveLeaderResponse, PutResponse, RangeResponse, StatusResponse, TxnResponse, WatchResponse,
};

use crate::failure::{BAD_FEATURE, Failure};

pub(crate) use access::Access;

/// Everything a command may print.
pub(crate) enum Answer<'a> {
    Put(&'a PutResponse),
    Get(&'a RangeResponse),
    Del(&'a DeleteRangeResponse),
    Txn(&'a TxnResponse),
    Watch(&'a WatchResponse),
    Grant(&'a LeaseGrantResponse),
    Revoke(i64, &'a LeaseRevokeResponse),
    KeepAlive(&'a LeaseKeepAliveResponse),
    /// With whether the keys were asked for.
    TimeToLive(&'a LeaseTimeToLiveResponse, bool),
    Leases(&'a LeaseLeasesResponse),
    Members(&'a MemberListResponse),
    MemberAdd(&'a MemberAddResponse),
    /// With the id that was asked for, as the next two.
    MemberRemove(u64, &'a MemberRemoveResponse),
    MemberUpdate(u64, &'a MemberUpdateResponse),
    MemberPromote(u64, &'a MemberPromoteResponse),
    /// With the leader before and the one after.
    MoveLeader(u64, u64, &'a MoveLeaderResponse),
    Alarms(&'a AlarmResponse),
    Health(&'a [Health]),
    Status(&'a [(String, StatusResponse)]),
    HashKv(&'a [(String, HashKvResponse)]),
    Access(Access<'a>),
}

/// How one endpoint does.
pub(crate) struct Health {
    pub(crate) endpoint: String,
    pub(crate) healthy: bool,
    /// In Go's words.
    pub(crate) took: String,
    pub(crate) error: String,
}

/// The chosen format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Simple,
    Json,
    Fields,
    Table,
    Protobuf,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Json => "json",
            Self::Fields => "fields",
            Self::Table => "table",
            Self::Protobuf => "protobuf",
        }
    }
}

/// Renders answers and writes them to standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    pub(crate) format: Format,
    pub(crate) hex: bool,
    /// Values without keys, in simple output.
    pub(crate) value_only: bool,
}

/// What a format does with an answer.
type Rendered = Result<Vec<u8>, Failure>;

impl Printer {
    pub(crate) fn new(format: &str, hex: bool) -> Result<Self, Failure> {
        let format = match format {
            "simple" => Format::Simple,
            "json" => Format::Json,
            "fields" => Format::Fields,
            "table" => Format::Table,
            "protobuf" => Format::Protobuf,
            _ => return Err(Failure::new(BAD_FEATURE, "unsupported output format")),
        };
        Ok(Self { format, hex, value_only: false })
    }

    pub(crate) fn print(&self, answer: &Answer<'_>) -> Result<(), Failure> {
        write(&self.render(answer)?)
    }

    pub(crate) fn render(&self, answer: &Answer<'_>) -> Rendered {
        match self.format {
            Format::Simple => simple::render(self, answer),
            Format::Json => json::render(self, answer),
            Format::Fields => fields::render(self, answer),
            Format::Table => table::render(self, answer),
            Format::Protobuf => protobuf::render(self, answer),
        }
    }

    fn unsupported(&self) -> Failure {
        let message = format!("{} not supported as output format", self.format.name());
        Failure::new(BAD_FEATURE, message)
    }
}

/// Writes to standard output at once.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
