//! How many lanes of a receiver are worked at once, and whether others wait for them.

/// How the rows of a receiver are worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// So many lanes at the same time.
    pub lanes: u32,
    /// So many are leased for each that is worked: a look at the store is a commit, and finds many for the price of one.
    pub ahead: u32,
    /// Other work gives way while some of them are due and nobody has begun them ([`super::Precedence`]).
    pub first: bool,
}

impl Room {
    pub const USUAL: Self = Self { lanes: 8, ahead: 8, first: false };
    /// Of a service that takes in what comes together, together.
    pub const NEIGHBOUR: Self = Self { lanes: 32, ahead: 8, first: false };
    /// Of what cannot wait, and mostly waits for others itself. So much is leased that a storm finds room in the commits that ask
    /// for it, and costs no look at the store.
    pub const FIRST: Self = Self { lanes: 32, ahead: 32, first: true };
}
