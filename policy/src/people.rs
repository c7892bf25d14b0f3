//! People and their groups.

use hitotsu_model::ids::{GroupId, PersonId};

/// One person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The pseudonymous id.
    pub id: PersonId,
    /// The groups that the file names for this person.
    pub groups: Vec<GroupId>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name for people.
    pub title: String,
    /// The groups that every member of this one belongs to as well.
    pub within: Vec<GroupId>,
}
