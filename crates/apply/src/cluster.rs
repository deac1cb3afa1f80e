//! Settings of the cluster: alarms, versions, attributes of members.

use bytes::Bytes;
use ketch_backend::{Batch, Bucket};
use ketch_base::MemberId;
use ketch_proto::etcdserverpb::{self as pb, AlarmMember, AlarmType, alarm_request::AlarmAction};
use ketch_proto::membershippb::{ClusterMemberAttrSetRequest, DowngradeInfoSetRequest};

use crate::alarms::Alarms;
use crate::answer::Answer;
use crate::machine::{Machine, Outcome};
use crate::member::Attributes;
use crate::membership::{Downgrade, parse_row_key};

const STORAGE_VERSION_KEY: &[u8] = b"storageVersion";
/// The first release that records the version of its storage.
const STORAGE_VERSION_SINCE: (u32, u32) = (3, 6);

impl Machine {
    pub(crate) fn alarm(&mut self, request: &pb::AlarmRequest, batch: &mut Batch) -> Outcome {
        let alarm = AlarmMember { member_id: request.member_id, alarm: request.alarm };
        let key = || Alarms::row_key(alarm);
        let alarms = match AlarmAction::try_from(request.action) {
            Ok(AlarmAction::Get) => AlarmType::try_from(request.alarm)
                .map_or_else(|_| Vec::new(), |kind| self.shared.alarms().list(kind)),
            Ok(AlarmAction::Activate) if request.alarm != AlarmType::None as i32 => {
                if self.shared.edit_alarms(|alarms| alarms.activate(alarm)) {
                    batch.put(Bucket::Alarm, key(), Bytes::new());
                }
                vec![alarm]
            }
            Ok(AlarmAction::Deactivate) => {
                let lowered = self.shared.edit_alarms(|alarms| alarms.deactivate(alarm));
                if lowered {
                    batch.delete(Bucket::Alarm, key());
                }
                Vec::from_iter(lowered.then_some(alarm))
            }
            Ok(AlarmAction::Activate) | Err(_) => Vec::new(),
        };
        Ok(Answer::Alarm(pb::AlarmResponse { header: None, alarms })).into()
    }

    /// All members speak this version; the storage is then that version's too.
    pub(crate) fn set_cluster_version(&mut self, version: String, batch: &mut Batch) -> Outcome {
        let key = Bytes::from_static(STORAGE_VERSION_KEY);
        match major_minor(&version) {
            Some(since) if since >= STORAGE_VERSION_SINCE => {
                batch.put(Bucket::Meta, key, Bytes::copy_from_slice(version.as_bytes()));
            }
            _ => batch.delete(Bucket::Meta, key),
        }
        self.shared.edit_membership(|membership| membership.set_version(version, batch));
        Ok(Answer::Empty).into()
    }

    pub(crate) fn set_attributes(
        &mut self,
        request: ClusterMemberAttrSetRequest,
        batch: &mut Batch,
    ) -> Outcome {
        let attributes = request.member_attributes.unwrap_or_default();
        let id = MemberId(request.member_id);
        self.shared.edit_membership(|membership| {
            membership.set_attributes(id, attributes.name, attributes.client_urls, batch);
        });
        Ok(Answer::Empty).into()
    }

    pub(crate) fn set_downgrade(
        &mut self,
        request: DowngradeInfoSetRequest,
        batch: &mut Batch,
    ) -> Outcome {
        let target_version = if request.enabled { request.ver } else { String::new() };
        let downgrade = Downgrade { target_version, enabled: request.enabled };
        self.shared.edit_membership(|membership| membership.set_downgrade(downgrade, batch));
        Ok(Answer::Empty).into()
    }

    /// A request of the old store. Only two kinds still mean anything, both settings of the
    /// cluster; all others are passed over.
    pub(crate) fn v2(&mut self, request: &pb::Request, batch: &mut Batch) -> Outcome {
        if request.method() != "PUT" {
            return Ok(Answer::Empty).into();
        }
        if request.path() == "/0/version" {
            return self.set_cluster_version(request.val().to_owned(), batch);
        }
        let of_member =
            request.path().strip_prefix("/0/members/").and_then(|p| p.strip_suffix("/attributes"));
        let attributes = serde_json::from_str::<Attributes>(request.val()).ok();
        if let Some((id, attributes)) =
            of_member.and_then(|hex| parse_row_key(hex.as_bytes())).zip(attributes)
        {
            let urls = attributes.client_urls.unwrap_or_default();
            self.shared.edit_membership(|membership| {
                membership.set_attributes(id, attributes.name, urls, batch);
            });
        }
        Ok(Answer::Empty).into()
    }
}

fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
