//! What expressions evaluate to.

use std::sync::Arc;

/// A value. Sets are sorted and hold each member once, so that equality is member by member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Bool(bool),
    Long(i64),
    Text(Arc<str>),
    Entity(Entity),
    Set(Arc<[Value]>),
}

impl Value {
    pub(crate) fn set(mut members: Vec<Self>) -> Self {
        members.sort();
        members.dedup();
        Self::Set(members.into())
    }
}

/// The entity types of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EntityKind {
    Action,
    Device,
    Group,
    Place,
    Resource,
    Tier,
    User,
}

impl EntityKind {
    pub(crate) const ALL: &'static [Self] =
        &[Self::Action, Self::Device, Self::Group, Self::Place, Self::Resource, Self::Tier, Self::User];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Action => "Action",
            Self::Device => "Device",
            Self::Group => "Group",
            Self::Place => "Place",
            Self::Resource => "Resource",
            Self::Tier => "Tier",
            Self::User => "User",
        }
    }
}

/// An entity, by the number that the bundle's [`super::names::Names`] gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entity {
    pub(crate) kind: EntityKind,
    pub(crate) number: u32,
}

/// A set of small numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Bits(Box<[u64]>);

impl Bits {
    pub(crate) fn with_room_for(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)].into())
    }

    pub(crate) fn insert(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut(number as usize / 64) {
            *word |= 1 << (number % 64);
        }
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    pub(crate) fn include(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// The numbers that are in all three sets, ascending.
    pub(crate) fn common<'a>(&'a self, second: &'a Self, third: &'a Self) -> impl Iterator<Item = usize> + 'a {
        let words = self.0.iter().zip(&second.0).zip(&third.0).map(|((a, b), c)| a & b & c);
        words.enumerate().flat_map(|(index, mut word)| {
            std::iter::from_fn(move || {
                (word != 0).then(|| {
                    let bit = word.trailing_zeros() as usize;
                    word &= word - 1;
                    index * 64 + bit
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_numbers_come_in_order() {
        let bits = |numbers: &[u32]| {
            let mut bits = Bits::with_room_for(200);
            numbers.iter().for_each(|number| bits.insert(*number));
            bits
        };
        let (a, b, c) = (bits(&[0, 3, 63, 64, 199]), bits(&[3, 63, 64, 100, 199]), bits(&[3, 64, 199]));
        assert_eq!(a.common(&b, &c).collect::<Vec<_>>(), [3, 64, 199]);
        assert!(!a.contains(1000));
    }
}
