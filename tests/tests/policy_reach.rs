//! Policy before it bites: who can reach what, what a draft changes, and what it would have done with recorded flows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hitotsu_model::code::Code;
use hitotsu_model::posture::{ClaimName, ClaimValue};
use hitotsu_tests::bundle::{PERSON, TestBundle};
use hitotsu_tests::device::{echoes, good_posture, posture_with};
use hitotsu_tests::systems;
use hitotsu_tests::world::World;
use hitotsu_tunnel::dialer::Preference;

/// Writes a bundle into a folder of its own.
fn folder(world: &World, name: &str, files: &BTreeMap<String, String>) -> PathBuf {
    let dir = world.dir().join(name);
    for (file, text) in files {
        let path = dir.join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    dir
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test]
async fn who_can_and_what_can_tell_of_the_enrolled_device_when_a_system_opens() {
    let echo = systems::echo().await;
    let bundle = TestBundle::new()
        .system("desk", "tier2", &[echo.address], "tcp")
        .permit("desk", "context.local_minute >= 510 && context.local_minute < 1050 && context.level >= 3");
    let bundle = bundle.system("notes", "tier3", &[echo.address], "tcp").permit("notes", "context.weekday <= 5");
    let world = World::new(&bundle.files()).await;
    let (code, said, errors) = world.words(&["policy", "who-can", "desk"]).await;
    assert_eq!(code, 0, "{errors}");
    assert!(said.starts_with("desk (desk) を開けるのは、利用者・端末 1 件のうち 1 件です。"), "{said}");
    assert!(said.contains("時刻: 08:30-17:30") && said.contains("確からしさ: L3、L4"), "{said}");
    assert!(said.contains("firewall_on: true"), "{said}");

    // Once their only device is enrolled, what counts is that device: its level is too low.
    let id = world.enrol(PERSON).await.id.to_string();
    let (_, said, _) = world.words(&["policy", "who-can", "desk"]).await;
    assert!(said.contains("1 件のうち 0 件です。") && said.contains("何をしても開けない(1)"), "{said}");
    let page = world.dir().join("page.html");
    let (code, said, errors) = world.words(&["policy", "what-can", &id, "--html", text(&page)]).await;
    assert_eq!(code, 0, "{errors}");
    assert!(said.contains("2 システムのうち 1 システム") && said.contains("日: 月-金"), "{said}");
    let page = std::fs::read_to_string(page).expect("written");
    assert!(page.starts_with("<!doctype html>") && page.contains("<h2>notes (notes)</h2>"), "{page}");

    let (code, _, errors) = world.words(&["policy", "who-can", "dsek"]).await;
    assert_eq!(code, 2);
    assert!(errors.contains("dsek というシステムはポリシーにありません") && errors.contains("desk notes"), "{errors}");
    let (code, _, errors) = world.words(&["policy", "what-can", "p-404"]).await;
    assert_eq!(code, 2);
    assert!(errors.contains("p-404 はポリシーに登録されていません"), "{errors}");
}

#[tokio::test]
async fn a_draft_is_compared_and_replayed_before_it_bites() {
    let echo = systems::echo().await;
    let base = TestBundle::new().system("echo", "tier3", &[echo.address], "tcp");
    let now = base.clone().permit("echo", "context.level >= 1");
    let strict = base.clone().permit("echo", "context.level >= 1 && context.place_kind == \"city-hall\"");
    let world = World::new(&now.files()).await;
    let device = world.enrol(PERSON).await;
    let mut connected = device.dial(Preference::QuicOnly).await.expect("dials");
    connected.attest(good_posture()).await.expect("is believed");
    let target = format!("echo.test.internal:{}", echo.address.port());
    let mut flow = connected.open(&target).await.expect("opens");
    echoes(&mut flow, "recorded").await;

    let before = world.org_dir().join("policy");
    let after = folder(&world, "draft", &strict.files());
    let differs = world.gateway_command(&["policy", "diff", text(&before), text(&after)]).await;
    let change = &differs["changes"][0];
    assert_eq!((&change["resource"], &change["loses_all"]), (&"echo".into(), &true.into()));
    assert_eq!(change["askers"][0]["person"], PERSON);
    let same = folder(&world, "same", &base.clone().permit("echo", "!(context.level < 1)").files());
    let (code, said, errors) = world.words(&["policy", "diff", text(&before), text(&same)]).await;
    assert_eq!(code, 0, "{errors}");
    assert!(said.contains("すべて同じ答えになります。"), "{said}");

    let replayed = world.gateway_command(&["policy", "replay", text(&after)]).await;
    let outcome = &replayed["found"]["outcomes"][0];
    assert_eq!((&outcome["certain"], &outcome["flows"]), (&true.into(), &1.into()), "{replayed}");
    assert_eq!(outcome["codes"][0], "place-not-permitted");
    let (_, said, _) = world.words(&["policy", "replay", "--since", "1h", text(&after)]).await;
    assert!(said.contains("必ず開けなくなるものがある利用者・端末は 1 件です。"), "{said}");
    assert!(said.contains("echo (echo): 利用者・端末 1 件が開けなくなります") && said.contains("400402"), "{said}");
    let (_, said, _) = world.words(&["policy", "replay", text(&same)]).await;
    assert!(said.contains("通信 1 件を調べました。1 件は変わりません。"), "{said}");
}

#[tokio::test]
async fn evidence_says_which_items_hold_and_shows_what_is_open_instead() {
    let echo = systems::echo().await;
    let bundle = TestBundle::new().system("desk", "tier2", &[echo.address], "tcp").permit("desk", "true");
    let world = World::new(&bundle.files()).await;
    let page = world.dir().join("evidence.html");
    let (code, said, errors) = world.words(&["policy", "evidence", "--html", text(&page)]).await;
    assert_eq!((code, errors.as_str()), (1, ""), "{said}");
    assert!(said.contains("■ ○ マイナンバー利用事務系とLGWAN接続系は、ファイアウォールが有効"), "{said}");
    assert!(said.contains("■ × マイナンバー利用事務系とLGWAN接続系は、ディスクの暗号化"), "{said}");
    assert!(said.contains("■ － マイナンバー利用事務系は、私物の端末では"), "{said}");
    assert!(said.contains("件は、すべて書かれたときのままです"), "{said}");
    let page = std::fs::read_to_string(page).expect("written");
    assert!(page.contains("<dt>システム</dt><dd>desk (desk)</dd>"), "{page}");
}

#[tokio::test]
async fn a_rule_that_changes_nothing_is_told_and_a_broken_bundle_leaves_the_running_one_in_effect() {
    let echo = systems::echo().await;
    let bundle = TestBundle::new().tcp("echo", echo.address);
    let world = World::new(&bundle.files()).await;
    let device = world.enrol(PERSON).await;
    let mut connected = device.dial(Preference::QuicOnly).await.expect("dials");
    connected.attest(good_posture()).await.expect("is believed");

    let shadowed = "@id(\"more\")\npermit (principal in Group::\"staff\", action, resource == Resource::\"echo\")\n\
                    when { context.level >= 2 };";
    world.write_bundle(&bundle.clone().rule(shadowed).files());
    let checked = world.gateway_command(&["policy", "check"]).await;
    let warnings = checked["warnings"].to_string();
    assert!(warnings.contains("rules/tests.cedar:") && warnings.contains("`tests.more` is shadowed"), "{warnings}");

    let before = world.gateway_command(&["policy", "reload"]).await["bundle"].clone();
    for (rule, words) in [
        ("@id(\"x\") permit (principal, action, resource) when { context.colour == \"red\" };", "context.colour"),
        ("@id(\"x\") permit (principal, action, resource) when { context.level > \"high\" };", "expected Long"),
        ("@id(\"x\") permit (principal in Group::\"nobody\", action, resource);", "no such group"),
    ] {
        world.write_bundle(&bundle.clone().rule(rule).files());
        let (code, _, errors) = world.words(&["policy", "reload"]).await;
        assert_eq!(code, 1);
        assert!(errors.contains("rules/tests.cedar:") && errors.contains(words), "{errors}");
        let target = format!("echo.test.internal:{}", echo.address.port());
        let mut flow = connected.open(&target).await.expect("the running bundle keeps serving");
        echoes(&mut flow, "still here").await;
    }
    world.write_bundle(&bundle.clone().rule(shadowed).files());
    assert_eq!(world.gateway_command(&["policy", "reload"]).await["before"], before);
}

#[tokio::test]
async fn explain_shows_the_help_desk_the_caller_s_sentences_the_rules_and_the_refusal_itself() {
    let echo = systems::echo().await;
    let world = World::new(&TestBundle::new().tcp("echo", echo.address).files()).await;
    let device = world.enrol(PERSON).await;
    let mut connected = device.dial(Preference::QuicOnly).await.expect("dials");
    connected.attest(posture_with(ClaimName::FirewallOn, ClaimValue::Bool(false))).await.expect("is believed");
    let target = format!("echo.test.internal:{}", echo.address.port());
    connected.open(&target).await.expect_err("is refused");
    // Refusals are written by a task of their own.
    let mut log = world.follow(&["audit", "tail", "--follow"]);
    while log.next_json().await["event"] != "flow-denied" {}
    let explained = world.gateway_command(&["explain", "300301"]).await;
    assert_eq!(explained["code"], "firewall-off");
    assert_eq!(explained["rules"][0]["id"], "floor.firewall");
    let ja = explained["sentences"][0]["title"].as_str().expect("a sentence");
    let mut refusals = explained["refusals"].as_array().expect("a list").iter();
    let refusal = refusals.find(|refusal| refusal["target"].is_string()).expect("the refusal");
    assert_eq!((&refusal["person"], &refusal["rules"][0]), (&PERSON.into(), &"floor.firewall".into()));
    let (_, said, _) = world.words(&["explain", "firewall-off"]).await;
    assert!(said.starts_with("300301 firewall-off\n") && said.contains(ja) && said.contains(&target), "{said}");
    let (code, _, errors) = world.words(&["explain", "999999"]).await;
    assert_eq!(code, 2);
    assert!(errors.contains("is not a reason code"), "{errors}");
}

#[tokio::test]
async fn a_device_has_no_system_of_tier_1_open_beside_one_of_tier_3_where_tiers_are_kept_apart() {
    let (mine, chat) = (systems::echo().await, systems::echo().await);
    let rooms = "@id(\"tier1-place\")\n@code(\"place-not-permitted\")\nforbid (principal, action, resource in \
                 Tier::\"tier1\")\nunless { [\"office\"].contains(context.place_kind) };";
    let office = "[[place]]\nid = \"office\"\ntitle_ja = \"庁舎\"\ntitle_en = \"Office\"\nkind = \"office\"\n\
                  sources = [\"127.0.0.0/8\"]\n";
    let bundle = TestBundle::new()
        .place(office)
        .system("mine", "tier1", &[mine.address], "tcp")
        .permit("mine", "context.ownership != \"byod\" && context.place_kind == \"office\"")
        .rule(rooms)
        .tcp("chat", chat.address);
    let mut files = bundle.files();
    files.get_mut("bundle.toml").expect("settings").push_str("tiers_apart = true\n");
    let world = World::new(&files).await;
    let device = world.enrol(PERSON).await;
    let connected = device.connect().await;
    let (mine, chat) =
        (format!("mine.test.internal:{}", mine.address.port()), format!("chat.test.internal:{}", chat.address.port()));
    for (first, second) in [(&chat, &mine), (&mine, &chat)] {
        // The gateway notices in its own time that the flow before has ended.
        let mut open = loop {
            match connected.open(first).await {
                Ok(flow) => break flow,
                Err(problem) => assert_eq!(problem.code, Code::TiersTogether, "{first}"),
            }
        };
        echoes(&mut open, "alone").await;
        let problem = connected.open(second).await.expect_err("is refused beside it");
        assert_eq!((problem.code, problem.help_code), (Code::TiersTogether, 400_411), "{second}");
        // A second connection of the same device is no way round.
        let beside = device.connect().await;
        assert_eq!(beside.open(second).await.expect_err("nor there").code, Code::TiersTogether);
        drop(beside);
        drop(open);
    }
}
