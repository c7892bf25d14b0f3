//! What operators read: the gateway's commands against a running gateway, in words, in Japanese.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use hitotsu_model::posture::{ClaimName, ClaimValue};
use hitotsu_tests::bundle::{PERSON, TestBundle};
use hitotsu_tests::device::posture_with;
use hitotsu_tests::systems;
use hitotsu_tests::world::World;
use hitotsu_tunnel::dialer::Preference;

#[tokio::test]
async fn policy_check_names_what_is_good_and_file_line_and_remedy_of_what_is_broken() {
    let echo = systems::echo().await;
    let bundle = TestBundle::new().tcp("echo", echo.address);
    let world = World::new(&bundle.files()).await;
    let version = world.gateway_command(&["policy", "check"]).await["bundle"].as_str().expect("one").to_owned();
    let (code, said, errors) = world.words(&["policy", "check"]).await;
    assert_eq!(code, 0, "{errors}");
    assert_eq!(said, format!("ポリシー {version} に誤りはありません(テスト 0 件すべて合格)。\n"));

    let mut broken = bundle.rule("@id(\"x\")\npermit (principal in Group::\"nobody-here\", action, resource);").files();
    broken.insert("places.toml".to_owned(), "[[place]]\nid = \"home\"\nkind = \"castle\"\n".to_owned());
    world.write_bundle(&broken);
    let (code, said, errors) = world.words(&["policy", "check"]).await;
    assert_eq!((code, said.as_str()), (1, ""));
    assert!(errors.starts_with("エラー: "), "{errors}");
    let line = |words: &[&str]| errors.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(line(&["rules/tests.cedar:", "nobody-here"]), "{errors}");
    assert!(line(&["places.toml:", "castle"]), "everything that is wrong is told at once: {errors}");
    let (code, _, errors) = world.words(&["policy", "reload"]).await;
    assert_eq!(code, 1);
    assert!(errors.contains("nobody-here"), "{errors}");
}

#[tokio::test]
async fn policy_explain_says_of_a_device_which_rule_asked_for_what_and_found_what() {
    let echo = systems::echo().await;
    let world = World::new(&TestBundle::new().tcp("echo", echo.address).files()).await;
    let device = world.enrol(PERSON).await;
    let (id, target) = (device.id.to_string(), format!("echo.test.internal:{}", echo.address.port()));
    let explain = ["policy", "explain", "--device", &id, &target];

    let (code, said, errors) = world.words(&explain).await;
    assert_eq!(code, 0, "{errors}");
    let (first, rest) = said.split_once('\n').expect("lines");
    assert_eq!(first, "この端末は今つながっていないため、状態は不明として答えます。");
    assert!(rest.starts_with("拒否\n") && rest.contains("200201"), "{said}");

    let mut connected = device.dial(Preference::QuicOnly).await.expect("dials");
    connected.attest(posture_with(ClaimName::FirewallOn, ClaimValue::Bool(false))).await.expect("is believed");
    let (_, said, _) = world.words(&explain).await;
    assert!(said.starts_with("拒否\n"), "{said}");
    for words in ["300301 ファイアウォールが無効です。", "forbid floor.firewall  floor.cedar:", "✗ "] {
        assert!(said.contains(words), "{words}: {said}");
    }
    connected.attest(hitotsu_tests::device::good_posture()).await.expect("is believed");
    let (_, said, _) = world.words(&explain).await;
    assert!(said.starts_with("許可\n") && said.contains("permit tests.echo"), "{said}");

    let (code, _, errors) = world.words(&["policy", "explain", "--device", &id, "nowhere.test.internal:443"]).await;
    assert_eq!(code, 1);
    assert!(errors.contains("ポリシーには、nowhere.test.internal:443/tcp で使うシステムがありません。"), "{errors}");
    let nobody = uuid::Uuid::new_v4().to_string();
    let (code, _, errors) = world.words(&["policy", "explain", "--device", &nobody, &target]).await;
    assert_eq!(code, 1);
    assert!(errors.contains(&format!("端末 {nobody} は登録されていません。")), "{errors}");
}

#[tokio::test]
async fn device_show_tells_the_standing_of_a_device_and_of_each_certificate() {
    let world = World::new(&TestBundle::new().files()).await;
    let id = world.enrol(PERSON).await.id.to_string();
    let (code, said, errors) = world.words(&["device", "show", &id]).await;
    assert_eq!(code, 0, "{errors}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], format!("{id}  device  {PERSON}  issued  L1  linux  有効"));
    assert!(lines.len() == 2 && lines[1].starts_with("    証明書 ") && lines[1].contains("有効期限 2"), "{said}");

    let (_, said, _) = world.words(&["device", "revoke", &id, "--reason", "紛失"]).await;
    assert_eq!(said, format!("端末 {id} の利用を停止し、接続を切断しました。\n"));
    let (_, said, _) = world.words(&["device", "show", &id]).await;
    assert!(said.lines().next().is_some_and(|line| line.ends_with("停止(紛失)")), "{said}");

    let nobody = uuid::Uuid::new_v4().to_string();
    let (code, _, errors) = world.words(&["device", "show", &nobody]).await;
    assert_eq!(code, 1);
    assert!(errors.contains(&format!("端末 {nobody} は登録されていません。`hitotsu-gateway device list`")), "{errors}");
}

#[tokio::test]
async fn audit_tail_shows_what_is_there_and_then_each_record_as_it_comes() {
    let world = World::new(&TestBundle::new().files()).await;
    let mut following = world.follow(&["audit", "tail", "-n", "1", "--follow"]);
    let shown = following.next_json().await;
    let position = shown["position"].as_u64().expect("a number");
    world.enrol_code(Some(PERSON), "issued").await;
    let next = following.next_json().await;
    assert_eq!(next["position"], position + 1, "none is left out: {next}");
    assert_eq!(next["event"], "enrol-code-made", "{next}");
    world.gateway_command(&["policy", "reload"]).await;
    let next = following.next_json().await;
    assert_eq!((&next["position"], &next["event"]), (&(position + 2).into(), &"policy-loaded".into()));

    let (code, said, _) = world.words(&["audit", "tail", "-n", "1"]).await;
    assert_eq!(code, 0);
    assert!(said.contains("policy-loaded") && said.lines().count() == 1, "{said}");
    let (code, said, _) = world.words(&["audit", "verify"]).await;
    assert_eq!((code, said.starts_with("監査ログに誤りはありません(")), (0, true), "{said}");
}
