//! The replicated state machine: a committed entry in, an answer and events out.

mod alarms;
mod answer;
mod ids;
mod member;
mod membership;
pub mod quota;
mod shared;

pub use alarms::Alarms;
pub use answer::{Answer, Change};
pub use ids::{RequestIds, cluster_id, member_id, member_id_at};
pub use member::Member;
pub use membership::{Downgrade, Membership};
pub use quota::Quota;
pub use shared::Shared;
