//! Who a request comes from.

/// A user, and the auth revision up to which what is known of the user holds.
///
/// A simple token and a client certificate are as new as the member that looked them up; a signed
/// token is as old as its signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The name; empty for a certificate without a common name, and for no user at all.
    pub user: String,
    /// The auth revision; 0 for no user at all.
    pub revision: u64,
}
