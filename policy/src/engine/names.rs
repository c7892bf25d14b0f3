//! Numbers for the entities that rules can name, and who belongs to whom.

use std::collections::BTreeMap;

use hitotsu_model::ids::{DeviceId, GroupId, PersonId, PlaceId, ResourceId};
use hitotsu_model::resource::Tier;

use crate::decision::Action;
use crate::engine::value::{Bits, Entity, EntityKind};

/// The number of a device that no rule names.
const DEVICE_UNNAMED: u32 = u32::MAX;
/// The place of whoever is at no place of the bundle, as rules write it.
pub(crate) const PLACE_UNKNOWN: &str = "unknown";

/// What is known of a person.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) number: u32,
    /// Every group, those of groups included.
    pub(crate) groups: Bits,
}

/// Entities by name and by number.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) groups: BTreeMap<GroupId, u32>,
    /// By number: the group itself and every group that it is within.
    pub(crate) group_closure: Vec<Bits>,
    pub(crate) people: BTreeMap<PersonId, Member>,
    pub(crate) resources: BTreeMap<ResourceId, u32>,
    /// By number.
    pub(crate) resource_tiers: Vec<Tier>,
    pub(crate) places: BTreeMap<PlaceId, u32>,
    devices: BTreeMap<DeviceId, u32>,
}

impl Names {
    /// The entity that a rule's literal names, or what would have been right.
    pub(crate) fn literal(&mut self, kind: EntityKind, id: &str) -> Result<Entity, Vec<String>> {
        let number = match kind {
            EntityKind::Action => Action::ALL.iter().position(|action| action.as_str() == id).map(number),
            EntityKind::Device => id.parse().ok().filter(|device: &DeviceId| device.to_string() == id).map(|device| {
                let next = number(self.devices.len());
                *self.devices.entry(device).or_insert(next)
            }),
            EntityKind::Group => id.parse().ok().and_then(|id: GroupId| self.groups.get(&id).copied()),
            EntityKind::Place if id == PLACE_UNKNOWN => Some(self.place_unknown().number),
            EntityKind::Place => id.parse().ok().and_then(|id: PlaceId| self.places.get(&id).copied()),
            EntityKind::Resource => id.parse().ok().and_then(|id: ResourceId| self.resources.get(&id).copied()),
            EntityKind::Tier => TIERS.iter().position(|tier| tier.as_str() == id).map(number),
            EntityKind::User => id.parse().ok().and_then(|id: PersonId| self.people.get(&id).map(|who| who.number)),
        };
        number.map(|number| Entity { kind, number }).ok_or_else(|| self.right_words(kind))
    }

    fn right_words(&self, kind: EntityKind) -> Vec<String> {
        match kind {
            EntityKind::Action => Action::ALL.iter().map(ToString::to_string).collect(),
            EntityKind::Device => vec!["6ba7b810-9dad-41d1-80b4-00c04fd430c8".to_owned()],
            EntityKind::Group => self.groups.keys().map(ToString::to_string).collect(),
            EntityKind::Place => {
                self.places.keys().map(ToString::to_string).chain([PLACE_UNKNOWN.to_owned()]).collect()
            }
            EntityKind::Resource => self.resources.keys().map(ToString::to_string).collect(),
            EntityKind::Tier => TIERS.iter().map(ToString::to_string).collect(),
            EntityKind::User => self.people.keys().map(ToString::to_string).collect(),
        }
    }

    pub(crate) fn device(&self, id: DeviceId) -> Entity {
        let number = self.devices.get(&id).copied().unwrap_or(DEVICE_UNNAMED);
        Entity { kind: EntityKind::Device, number }
    }

    pub(crate) fn device_name(&self, number: u32) -> Option<String> {
        self.devices.iter().find(|(_, n)| **n == number).map(|(id, _)| id.to_string())
    }

    pub(crate) fn place_unknown(&self) -> Entity {
        Entity { kind: EntityKind::Place, number: number(self.places.len()) }
    }

    pub(crate) fn place(&self, id: Option<&PlaceId>) -> Entity {
        match id.and_then(|id| self.places.get(id)) {
            Some(number) => Entity { kind: EntityKind::Place, number: *number },
            None => self.place_unknown(),
        }
    }

    /// The tier that a resource is in.
    pub(crate) fn tier_of(&self, resource: u32) -> Option<Entity> {
        self.resource_tiers.get(resource as usize).map(|tier| tier_entity(*tier))
    }
}

const TIERS: [Tier; 3] = [Tier::Tier1, Tier::Tier2, Tier::Tier3];

fn tier_entity(tier: Tier) -> Entity {
    let number = match tier {
        Tier::Tier1 => 0,
        Tier::Tier2 => 1,
        Tier::Tier3 => 2,
    };
    Entity { kind: EntityKind::Tier, number }
}

pub(crate) fn action_entity(action: Action) -> Entity {
    let number = match action {
        Action::Connect => 0,
        Action::Download => 1,
        Action::Upload => 2,
        Action::Print => 3,
        Action::Copy => 4,
        Action::Unmask => 5,
    };
    Entity { kind: EntityKind::Action, number }
}

/// INVARIANT (numbers): nothing that is numbered exceeds the bounds of `limits`, which fit 32 bits.
pub(crate) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
