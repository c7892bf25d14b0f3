//! `places.toml`.

use std::collections::BTreeMap;

use hitotsu_model::ids::PlaceId;

use crate::engine::names::PLACE_UNKNOWN;
use crate::place::{Place, PlaceKind};
use crate::prefix::Prefix;
use crate::source::{Source, Table};

pub(crate) fn read(sources: &[Source<'_>]) -> BTreeMap<PlaceId, Place> {
    let mut places: BTreeMap<PlaceId, Place> = BTreeMap::new();
    let mut by_source: BTreeMap<Prefix, PlaceId> = BTreeMap::new();
    for source in sources {
        let root = source.table();
        let table = Table::root(*source, &root);
        for place in table.tables("place") {
            read_place(&place, &mut places, &mut by_source);
        }
        table.finish();
    }
    places
}

fn read_place(table: &Table<'_, '_>, places: &mut BTreeMap<PlaceId, Place>, by_source: &mut BTreeMap<Prefix, PlaceId>) {
    let id = table.parsed::<PlaceId>("id", "\"city-hall\"");
    let title_ja = table.text("title_ja", "\"市役所\"");
    let title_en = table.text("title_en", "\"City hall\"");
    let kind = table.parsed::<PlaceKind>("kind", "\"city-hall\"");
    let sources = table.parsed_list::<Prefix>("sources", "[\"203.0.113.0/24\"]");
    let default = table.flag("default", false);
    table.finish();
    let (Some(id), Some(title_ja), Some(title_en), Some(kind)) = (id, title_ja, title_en, kind) else { return };
    if id.value.as_str() == PLACE_UNKNOWN {
        table.wrong(id.line, "`unknown` is the name of no place at all", "choose another id");
    }
    if default && matches!(kind.value, PlaceKind::Office | PlaceKind::CityHall) {
        let what = format!("the default place is of kind `{}`, so the whole Internet would be there", kind.value);
        table.wrong(kind.line, what, "make a place of kind `home` or `other` the default");
    }
    if let Some(other) = places.values().find(|place| default && place.default) {
        let what = format!("`{}` is the default place already", other.id);
        table.wrong(table.line(), what, "take one `default = true` away");
    }
    if sources.is_empty() && !default {
        let what = format!("nobody can be at `{}`: it has no sources", id.value);
        table.wrong(table.line(), what, "add `sources = [\"203.0.113.0/24\"]` or `default = true`");
    }
    for prefix in &sources {
        if let Some(other) = by_source.insert(prefix.value, id.value.clone()) {
            let what = format!("`{}` is a source of `{other}` already", prefix.value);
            table.wrong(prefix.line, what, "give each network to one place");
        }
    }
    let place = Place {
        id: id.value.clone(),
        title_ja: title_ja.value,
        title_en: title_en.value,
        kind: kind.value,
        sources: sources.into_iter().map(|prefix| prefix.value).collect(),
        default,
    };
    if places.insert(id.value.clone(), place).is_some() {
        table.wrong(id.line, format!("place `{}` is there twice", id.value), "take one away");
    }
}
