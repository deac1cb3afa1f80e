//! Which members have raised which alarm.

use std::collections::BTreeSet;

use bytes::Bytes;
use ketch_proto::etcdserverpb::{AlarmMember, AlarmType};
use prost::Message;

/// The alarms in force; they bind the whole cluster, whoever raised them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarms {
    /// (alarm number, member id); numbers we do not know are kept for members that do.
    raised: BTreeSet<(i32, u64)>,
}

impl Alarms {
    /// Whether any member has raised `alarm`.
    pub fn active(&self, alarm: AlarmType) -> bool {
        let alarm = alarm as i32;
        self.raised.range((alarm, 0)..=(alarm, u64::MAX)).next().is_some()
    }

    /// Alarms of one kind, or all for [`AlarmType::None`]; by kind, then member.
    pub fn list(&self, alarm: AlarmType) -> Vec<AlarmMember> {
        let wanted = |kind: i32| alarm == AlarmType::None || kind == alarm as i32;
        self.raised
            .iter()
            .filter(|(kind, _)| wanted(*kind))
            .map(|&(alarm, member_id)| AlarmMember { member_id, alarm })
            .collect()
    }

    /// Raises; `true` if it was not raised before.
    pub(crate) fn activate(&mut self, alarm: AlarmMember) -> bool {
        self.raised.insert((alarm.alarm, alarm.member_id))
    }

    /// Lowers; `true` if it was raised.
    pub(crate) fn deactivate(&mut self, alarm: AlarmMember) -> bool {
        self.raised.remove(&(alarm.alarm, alarm.member_id))
    }

    /// The key of the alarm bucket: the message itself; its value is empty.
    pub(crate) fn row_key(alarm: AlarmMember) -> Bytes {
        alarm.encode_to_vec().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raised_alarms_bind_until_the_last_is_lowered() {
        let alarm = |member_id, alarm: AlarmType| AlarmMember { member_id, alarm: alarm as i32 };
        let mut alarms = Alarms::default();
        assert!(alarms.activate(alarm(2, AlarmType::Nospace)));
        assert!(alarms.activate(alarm(1, AlarmType::Nospace)));
        assert!(!alarms.activate(alarm(1, AlarmType::Nospace)));
        assert!(alarms.activate(alarm(1, AlarmType::Corrupt)));
        assert_eq!(alarms.list(AlarmType::None).len(), 3);
        assert_eq!(
            alarms.list(AlarmType::Nospace),
            [alarm(1, AlarmType::Nospace), alarm(2, AlarmType::Nospace)]
        );
        assert!(alarms.deactivate(alarm(1, AlarmType::Nospace)));
        assert!(alarms.active(AlarmType::Nospace));
        assert!(alarms.deactivate(alarm(2, AlarmType::Nospace)));
        assert!(!alarms.active(AlarmType::Nospace) && alarms.active(AlarmType::Corrupt));
        assert!(!alarms.deactivate(alarm(2, AlarmType::Nospace)));
    }
}
