//! `people.toml`.

use std::collections::{BTreeMap, BTreeSet};

use hitotsu_model::ids::{GroupId, PersonId};

use crate::engine::names::{Member, Names, number};
use crate::engine::value::Bits;
use crate::error::BundleError;
use crate::people::{Group, Person};
use crate::source::{At, Source, Table, did_you_mean};

/// Everything that the files of people say.
#[derive(Debug, Default)]
pub(crate) struct People {
    pub(crate) people: BTreeMap<PersonId, Person>,
    pub(crate) groups: BTreeMap<GroupId, Group>,
    pub(crate) warnings: Vec<BundleError>,
}

pub(crate) fn read(sources: &[Source<'_>]) -> People {
    let mut people = People::default();
    let mut group_lines: Vec<(GroupId, At<GroupId>, Source<'_>)> = Vec::new();
    let mut person_groups: Vec<(At<GroupId>, Source<'_>)> = Vec::new();
    let mut places: BTreeMap<GroupId, (String, usize)> = BTreeMap::new();
    for source in sources {
        let root = source.table();
        let table = Table::root(*source, &root);
        for group in table.tables("group") {
            read_group(&group, &mut people, &mut group_lines, &mut places);
        }
        for person in table.tables("person") {
            let groups = person.parsed_list::<GroupId>("groups", "[\"general-staff\"]");
            let id = person.parsed::<PersonId>("id", "\"p-1001\"");
            person.finish();
            person_groups.extend(groups.iter().map(|group| (group.clone(), *source)));
            let Some(id) = id else { continue };
            let entry = Person { id: id.value.clone(), groups: groups.into_iter().map(|group| group.value).collect() };
            if people.people.insert(id.value.clone(), entry).is_some() {
                person.wrong(id.line, format!("person `{}` is there twice", id.value), "take one away");
            }
        }
        table.finish();
    }
    let words: Vec<String> = people.groups.keys().map(ToString::to_string).collect();
    let named = group_lines.iter().map(|(_, within, source)| (within, source));
    for (group, source) in named.chain(person_groups.iter().map(|(group, source)| (group, source))) {
        if !people.groups.contains_key(&group.value) {
            let remedy = did_you_mean(group.value.as_str(), words.iter().map(String::as_str));
            source.wrong(Some(group.line), format!("there is no group `{}`", group.value), remedy);
        }
    }
    tell_circles(&people.groups, &group_lines);
    warn_of_empty_groups(&mut people, &places);
    people
}

fn read_group<'s>(
    group: &Table<'s, '_>,
    people: &mut People,
    group_lines: &mut Vec<(GroupId, At<GroupId>, Source<'s>)>,
    places: &mut BTreeMap<GroupId, (String, usize)>,
) {
    let id = group.parsed::<GroupId>("id", "\"general-staff\"");
    let title = group.text("title", "\"General staff\"");
    let within = group.parsed_list::<GroupId>("within", "[\"all-staff\"]");
    group.finish();
    let (Some(id), Some(title)) = (id, title) else { return };
    group_lines.extend(within.iter().map(|above| (id.value.clone(), above.clone(), group.source())));
    let within = within.into_iter().map(|above| above.value).collect();
    let entry = Group { id: id.value.clone(), title: title.value, within };
    places.insert(id.value.clone(), (group.source().file.to_owned(), id.line));
    if people.groups.insert(id.value.clone(), entry).is_some() {
        group.wrong(id.line, format!("group `{}` is there twice", id.value), "take one away");
    }
}

fn tell_circles(groups: &BTreeMap<GroupId, Group>, lines: &[(GroupId, At<GroupId>, Source<'_>)]) {
    for (group, above, source) in lines {
        if group == &above.value || ancestors(groups, &above.value).contains(group) {
            let what = format!("group `{group}` is within itself by way of `{}`", above.value);
            source.wrong(Some(above.line), what, "take one `within` of the circle away");
        }
    }
}

/// The groups that `group` is within, at any distance.
fn ancestors(groups: &BTreeMap<GroupId, Group>, group: &GroupId) -> BTreeSet<GroupId> {
    let mut found = BTreeSet::new();
    let mut open = vec![group.clone()];
    while let Some(next) = open.pop() {
        for above in groups.get(&next).into_iter().flat_map(|group| &group.within) {
            if found.insert(above.clone()) {
                open.push(above.clone());
            }
        }
    }
    found
}

fn warn_of_empty_groups(people: &mut People, places: &BTreeMap<GroupId, (String, usize)>) {
    let mut used: BTreeSet<GroupId> = people.people.values().flat_map(|person| person.groups.clone()).collect();
    let inner: Vec<GroupId> = used.iter().cloned().collect();
    for group in &inner {
        used.extend(ancestors(&people.groups, group));
    }
    for group in people.groups.keys().filter(|group| !used.contains(*group)) {
        let (file, line) = places.get(group).cloned().unwrap_or_default();
        people.warnings.push(BundleError {
            file,
            line: Some(line),
            what: format!("group `{group}` has no members"),
            remedy: "put people into it, or take it away".to_owned(),
        });
    }
}

/// Numbers people and groups, and works out who is in which.
pub(crate) fn number_all(people: &People, names: &mut Names) {
    for (index, group) in people.groups.keys().enumerate() {
        names.groups.insert(group.clone(), number(index));
    }
    let count = people.groups.len();
    let closure = |group: &GroupId| {
        let mut bits = Bits::with_room_for(count);
        for id in ancestors(&people.groups, group).iter().chain([group]) {
            if let Some(number) = names.groups.get(id) {
                bits.insert(*number);
            }
        }
        bits
    };
    let closures: Vec<Bits> = people.groups.keys().map(closure).collect();
    for (index, person) in people.people.values().enumerate() {
        let mut groups = Bits::with_room_for(count);
        for group in &person.groups {
            if let Some(bits) = names.groups.get(group).and_then(|number| closures.get(*number as usize)) {
                groups.include(bits);
            }
        }
        names.people.insert(person.id.clone(), Member { number: number(index), groups });
    }
    names.group_closure = closures;
}
