//! What a bundle may not say, and the words in which it is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;

use hitotsu_policy::bundle::Bundle;
use hitotsu_policy::sample::{SampleSettings, sample};

fn city() -> BTreeMap<String, String> {
    sample(&SampleSettings::new("city.example".parse().expect("org")))
}

/// What is wrong with the city's bundle once `file` holds `text` as well.
fn with(file: &str, text: &str) -> Vec<String> {
    let mut files = city();
    let whole = files.entry(file.to_owned()).or_default();
    whole.push_str(text);
    told(&files)
}

/// What is wrong once `old` in `file` is `new`.
fn changed(file: &str, old: &str, new: &str) -> Vec<String> {
    let mut files = city();
    let text = files.get_mut(file).expect("file");
    assert!(text.contains(old), "{file} has no `{old}`");
    *text = text.replacen(old, new, 1);
    told(&files)
}

fn told(files: &BTreeMap<String, String>) -> Vec<String> {
    match Bundle::compile(files) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn assert_told(told: &[String], parts: &[&str]) {
    let found = told.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(found, "nothing tells {parts:?}:\n{}", told.join("\n"));
}

#[test]
fn everything_wrong_is_told_at_once_with_file_line_and_remedy() {
    let mut files = city();
    files.insert("places.toml".to_owned(), "[[place]]\nid = \"Home\"\nkind = \"hoem\"\nsorces = []\n".to_owned());
    files.insert("rules/bad.cedar".to_owned(), "permit (principal, action, resource)\n".to_owned());
    files.insert("calendar.toml".to_owned(), "holidays = [\"2026-02-30\"]\n".to_owned());
    let told = told(&files);
    assert_told(&told, &["calendar.toml:1:", "not a day", "2026-01-01"]);
    assert_told(&told, &["places.toml:2:", "`Home` is not an id"]);
    assert_told(&told, &["places.toml:3:", "`hoem` is not a kind of place"]);
    assert_told(&told, &["places.toml:4:", "`sorces` is not known here", "did you mean `sources`"]);
    assert_told(&told, &["places.toml:1:", "no `title_ja`", "add `title_ja ="]);
    assert_told(&told, &["rules/bad.cedar:", "not Cedar"]);
    assert_told(&told, &["rules/office-work.cedar:", "no such place", "`unknown`"]);
}

#[test]
fn a_forbid_that_looks_for_the_bad_state_is_refused_with_the_right_form() {
    let told = with(
        "floor.cedar",
        "\n@id(\"x\") @code(\"firewall-off\")\nforbid (principal, action, resource)\n\
         when { context has firewall_on && !context.firewall_on };\n",
    );
    assert_told(
        &told,
        &["floor.cedar:", "whose `firewall_on` is unknown would pass", "unless { context has firewall_on"],
    );
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn every_form_that_an_unknown_state_would_pass_is_refused() {
    let good = "context has firewall_on && context.firewall_on";
    for clause in [
        format!("permit (principal, action, resource) when {{ !({good}) }};"),
        format!("permit (principal, action, resource) unless {{ {good} }};"),
        format!("permit (principal, action, resource) when {{ if {good} then context.level > 1 else true }};"),
        format!("permit (principal, action, resource) when {{ ({good}) == false }};"),
        format!("permit (principal, action, resource) when {{ context.level > 1 || !({good}) }};"),
        format!("@code(\"site-rule\") @ja(\"x\") @en(\"x\") forbid (principal, action, resource) when {{ {good} }};"),
        format!(
            "@code(\"site-rule\") @ja(\"x\") @en(\"x\") forbid (principal, action, resource) unless {{ !({good}) }};"
        ),
    ] {
        let told = with("rules/x.cedar", &format!("@id(\"x\") {clause}\n"));
        assert_told(&told, &["rules/x.cedar:1:", "`firewall_on` is unknown would"]);
    }
}

#[test]
fn words_that_name_nothing_are_told_with_the_nearest_that_would() {
    for (text, parts) in [
        ("permit (principal in Group::\"wellfare\", action, resource);", ["no such group", "did you mean `welfare`"]),
        ("permit (principal == User::\"p-9\", action, resource);", ["no such person", "`p-100"]),
        ("permit (principal, action, resource == Resource::\"chatt\");", ["no such resource", "did you mean `chat`"]),
        ("permit (principal, action, resource in Tier::\"tier4\");", ["no such tier", "did you mean `tier1`"]),
        (
            "permit (principal, action, resource) when { context.place == Place::\"miyamae\" };",
            ["no such place", "`miyamae-ward-office`"],
        ),
        ("permit (principal, action, resource) when { context.place_kind == \"hom\" };", ["never matches", "`home`"]),
        (
            "permit (principal, action, resource) when { [\"isued\"].contains(context.ownership) };",
            ["never matches", "`issued`"],
        ),
        ("permit (principal, action, resource) when { context.levl > 1 };", ["context.levl", "did you mean `level`"]),
        ("permit (principal, action == Action::\"conect\", resource);", ["no such action", "did you mean `connect`"]),
        ("permit (principal is Usr, action, resource);", ["entity type `Usr`", "did you mean `User`"]),
    ] {
        let told = with("rules/x.cedar", &format!("// a comment\n\n@id(\"x\")\n{text}\n"));
        assert_told(&told, &["rules/x.cedar:4:", parts[0], parts[1]]);
    }
}

#[test]
fn types_and_optional_claims_are_checked_strictly() {
    for (condition, part) in [
        ("context.level == \"high\"", "types"),
        ("context.firewall_on", "firewall_on"),
        ("context.level > true", "expected"),
        ("ip(\"10.0.0.1\").isLoopback()", "not used here"),
        ("context.local_minute + 1 > 600", "runs with the clock"),
        ("[1, 2].contains(context.local_minute)", "runs with the clock"),
        ("{\"a\": 1}.a == 1", "not used here"),
    ] {
        let told = with(
            "rules/x.cedar",
            &format!("@id(\"x\") permit (principal, action, resource in Tier::\"tier3\") when {{ {condition} }};\n"),
        );
        assert_told(&told, &["rules/x.cedar:1:", part]);
    }
}

#[test]
fn rules_that_can_never_match_are_told() {
    let told =
        with("rules/x.cedar", "@id(\"x\") permit (principal, action, resource in Tier::\"tier3\") when { false };\n");
    assert_told(&told, &["rules/x.cedar:1:", "evaluates to false", "take the rule away"]);
}

#[test]
fn annotations_are_checked() {
    for (text, what, remedy) in [
        ("permit (principal, action, resource);", "no name", "@id"),
        ("@id(\"X Y\") permit (principal, action, resource);", "is not an id", "rename"),
        ("@id(\"x\") forbid (principal, action, resource);", "gives no reason", "@code"),
        (
            "@id(\"x\") @code(\"firewal-off\") forbid (principal, action, resource);",
            "not a reason code",
            "`firewall-off`",
        ),
        ("@id(\"x\") @code(\"site-rule\") forbid (principal, action, resource);", "own sentences", "@ja"),
        ("@id(\"x\") @code(\"firewall-off\") permit (principal, action, resource);", "no `@code`", "take it away"),
        ("@id(\"x\") @cod(\"y\") permit (principal, action, resource);", "`@cod` is not known", "`code`"),
        ("@id(\"x\") permit (principal == ?principal, action, resource);", "templates", "write the entity"),
    ] {
        assert_told(&with("rules/x.cedar", &format!("{text}\n")), &["rules/x.cedar:1:", what, remedy]);
    }
    let twice = "@id(\"x\") permit (principal, action, resource in Tier::\"tier3\");\n".repeat(2);
    assert_told(&with("rules/x.cedar", &twice), &["rules/x.cedar:2:", "there already", "rules/x.cedar:1"]);
    assert_told(
        &with("floor.cedar", "@id(\"x\") permit (principal, action, resource in Tier::\"tier3\");\n"),
        &["floor.cedar:", "may only forbid", "rules/"],
    );
}

#[test]
fn tier_1_is_never_published_to_homes_own_machines_or_relays() {
    let permit = "when { [\"office\", \"city-hall\"].contains(context.place_kind) &&";
    // Floor and permit both keep the rule: either alone is enough, and neither is told.
    let rule = "    context.ownership != \"byod\" &&\n";
    let mut files = city();
    for (file, old) in [
        ("rules/residents.cedar", "    [\"office\", \"city-hall\"].contains(context.place_kind) &&\n"),
        ("rules/residents.cedar", rule),
    ] {
        let text = files.get_mut(file).expect("file");
        assert!(text.contains(old), "{old}");
        *text = text.replace(old, "");
    }
    assert_eq!(told(&files), Vec::<String>::new(), "the floor alone is enough; {permit}");

    let floor = files.get_mut("floor.cedar").expect("floor");
    let cut = floor.find("@id(\"tier1-place\")").expect("rule");
    let end = floor.find("@id(\"tier1-antivirus\")").expect("rule");
    floor.replace_range(cut..end, "");
    *floor = floor.replace(
        "resource in [Tier::\"tier1\", Tier::\"tier2\"] && context.profile",
        "resource in Tier::\"tier2\" && context.profile",
    );
    let told = told(&files);
    assert_told(&told, &["rules/residents.cedar:", "opens `residents` (tier1) at `home`", "context.place_kind"]);
    assert_told(&told, &["rules/residents.cedar:", "at no place that is known", "context.place_kind"]);
    assert_told(&told, &["rules/residents.cedar:", "(`byod`)", "context.ownership"]);
    assert!(told.iter().all(|line| !line.contains("relay")), "the permit names no relay: {told:?}");

    let relay = "@id(\"x\")\npermit (principal, action, resource) when { context.profile == \"relay\" };\n";
    files.insert("rules/x.cedar".to_owned(), relay.to_owned());
    assert_told(&self::told(&files), &["rules/x.cedar:1:", "(`relay`)", "take `context.profile"]);
}

#[test]
fn resources_places_and_people_are_checked() {
    for (file, old, new, parts) in [
        ("resources.toml", "tier = \"tier3\"\n", "", ["this `resource` has no `tier`", "add `tier ="]),
        ("resources.toml", "tier = \"tier3\"", "tier = \"teir3\"", ["`teir3` is not a tier", "`tier3`"]),
        ("resources.toml", "10.10.1.0/24", "10.10.1.7/24", ["bits set after its prefix", "`10.10.1.0/24`"]),
        ("resources.toml", "prefixes = [\"10.10.1.0/24\"]", "prefixes = []", ["no prefixes", "add `prefixes"]),
        ("resources.toml", "10.10.1.0/24", "127.0.0.0/8", ["own loopback", "allow_loopback"]),
        ("resources.toml", "ports = [\"tcp/443\"]", "ports = [\"443\"]", ["not a range of ports", "tcp/443"]),
        ("resources.toml", "chat.city.internal", "*", ["neither a host name", "chat.example"]),
        ("resources.toml", "id = \"conference\"", "id = \"chat\"", ["`chat` is there twice", "take one away"]),
        ("resources.toml", "10.40.1.0/24", "0.0.0.0/0", ["too wide for a tier 1", "own networks"]),
        ("people.toml", "groups = [\"welfare\"]", "groups = [\"wellfare\"]", ["no group `wellfare`", "`welfare`"]),
        (
            "people.toml",
            "title = \"全職員 / All staff\"",
            "title = \"x\"\nwithin = [\"general-staff\"]",
            ["within itself", "circle"],
        ),
        ("people.toml", "id = \"p-1002\"", "id = \"p-1001\"", ["`p-1001` is there twice", "take one away"]),
        ("places.toml", "kind = \"home\"\ndefault", "kind = \"office\"\ndefault", ["whole Internet", "`home`"]),
        ("places.toml", "203.0.113.128/26", "203.0.113.0/25", ["source of `city-hall` already", "one place"]),
        ("places.toml", "id = \"home\"", "id = \"unknown\"", ["no place at all", "another id"]),
        ("bundle.toml", "utc_offset = \"+09:00\"", "utc_offset = \"JST\"", ["not an offset", "`+09:00`"]),
        ("bundle.toml", "evidence_max_age_seconds = 600", "evidence_max_age_seconds = 0", ["out of range", "from 1"]),
        ("tests/city.toml", "expect = \"allow\"", "expect = \"alow\"", ["`alow` is no answer", "`allow`"]),
        ("tests/city.toml", "firewall_on = true", "firewal_on = true", ["not a posture claim", "`firewall_on`"]),
        ("tests/city.toml", "2026-04-01T23:30:00+09:00", "yesterday", ["no instant", "2026-04-01"]),
    ] {
        assert_told(&changed(file, old, new), &[file, parts[0], parts[1]]);
    }
}

#[test]
fn strange_files_and_missing_ones_are_told() {
    assert_told(&with("rules/x.cedr", "x"), &["rules/x.cedr:", "no known kind"]);
    assert_told(&with("rules/deep/x.cedar", "x"), &["rules/deep/x.cedar:", "no known kind"]);
    assert_eq!(with("README.md", "anything"), Vec::<String>::new());
    assert_told(&told(&BTreeMap::new()), &["bundle.toml:", "not there"]);
    let hosts = "[[host]]\nname = \"chat.city.internal\"\naddresses = [\"192.0.2.1\"]\n";
    assert_told(&with("hosts.toml", hosts), &["hosts.toml:", "`chat` may not have", "`prefixes`"]);
}

#[test]
fn overlapping_systems_and_empty_groups_are_warned_of() {
    let mut files = city();
    files.insert(
        "resources/x.toml".to_owned(),
        "[[resource]]\nid = \"wide\"\ntitle_ja = \"x\"\ntitle_en = \"x\"\ntier = \"tier3\"\nhosts = []\n\
         prefixes = [\"10.0.0.0/8\"]\nports = [\"tcp/443\"]\n"
            .to_owned(),
    );
    files.insert("people/x.toml".to_owned(), "[[group]]\nid = \"nobody\"\ntitle = \"x\"\n".to_owned());
    let bundle = Bundle::compile(&files).unwrap_or_else(|errors| panic!("{errors}"));
    let warnings: Vec<String> = bundle.warnings().iter().map(ToString::to_string).collect();
    assert_told(&warnings, &["resources/x.toml:1:", "`wide` (10.0.0.0/8) and `residents` of another tier"]);
    assert_told(&warnings, &["people/x.toml:2:", "`nobody` has no members"]);
}

#[test]
fn the_lgwan_side_breaks_out_to_named_hosts_only() {
    let resource = |hosts: &str, prefix: &str, tier: &str| {
        format!(
            "\n[[resource]]\nid = \"cloud\"\ntitle_ja = \"x\"\ntitle_en = \"x\"\ntier = \"{tier}\"\n\
             hosts = [{hosts}]\nprefixes = [\"{prefix}\"]\nports = [\"tcp/443\"]\n"
        )
    };
    let told = with("resources/cloud.toml", &resource("\"a.example\", \"*.example\"", "203.0.113.0/24", "tier2"));
    assert_told(&told, &["resources/cloud.toml:7:", "`*.example` at `203.0.113.0/24`", "α'モデル", "name each host"]);
    assert_eq!(told.len(), 1, "{told:?}");
    for (hosts, prefix, tier) in [
        ("\"a.example\"", "203.0.113.0/24", "tier2"),
        ("\"*.example\"", "10.77.0.0/24", "tier2"),
        ("\"*.example\"", "203.0.113.0/24", "tier3"),
    ] {
        assert_eq!(with("resources/cloud.toml", &resource(hosts, prefix, tier)), Vec::<String>::new());
    }
}

#[test]
fn a_resource_without_a_tier_is_told_with_the_line_to_add() {
    let text = "\n[[resource]]\nid = \"x\"\ntitle_ja = \"x\"\ntitle_en = \"x\"\nhosts = [\"x.example\"]\n\
                prefixes = [\"10.77.0.0/24\"]\nports = [\"tcp/443\"]\n";
    assert_told(&with("resources/x.toml", text), &["resources/x.toml:2:", "no `tier`", "add `tier = \"tier3\"`"]);
}
