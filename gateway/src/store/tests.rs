use hitotsu_model::identity::{AssuranceLevel, Ownership};

use super::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

async fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("gateway.sqlite")).await.unwrap();
    (dir, store)
}

fn code(secret: u8) -> NewEnrolCode {
    NewEnrolCode {
        id: format!("code-{secret}"),
        secret_hash: [secret; 32],
        person: Some("p-1000".parse().unwrap()),
        ownership: Ownership::Issued,
        created_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(60)),
    }
}

#[tokio::test]
async fn a_code_is_redeemed_once_and_by_the_same_key_again() {
    let (_dir, store) = store().await;
    store.insert_enrol_code(&code(1)).await.unwrap();
    let first = store.redeem(&[1; 32], &[7; 32], "linux", NOW).await.unwrap();
    assert!(!first.again);
    let lost_answer = store.redeem(&[1; 32], &[7; 32], "linux", NOW.plus(Duration::from_secs(90))).await.unwrap();
    assert!(lost_answer.again);
    assert_eq!(lost_answer.device, first.device);
    let other = store.redeem(&[1; 32], &[8; 32], "linux", NOW).await.unwrap_err();
    assert!(matches!(other, RedeemError::Used), "{other}");
    assert_eq!(store.devices().await.unwrap(), [first.device]);
}

#[tokio::test]
async fn an_unknown_and_an_expired_code_are_told_apart_and_change_nothing() {
    let (_dir, store) = store().await;
    store.insert_enrol_code(&code(1)).await.unwrap();
    let unknown = store.redeem(&[2; 32], &[7; 32], "linux", NOW).await.unwrap_err();
    assert!(matches!(unknown, RedeemError::Unknown), "{unknown}");
    let late = store.redeem(&[1; 32], &[7; 32], "linux", NOW.plus(Duration::from_secs(60))).await.unwrap_err();
    assert!(matches!(late, RedeemError::Expired), "{late}");
    assert!(store.devices().await.unwrap().is_empty());
}

#[tokio::test]
async fn two_keys_that_race_for_a_code_get_one_device() {
    let (_dir, store) = store().await;
    store.insert_enrol_code(&code(1)).await.unwrap();
    let race = (0..8_u8).map(|key| {
        let store = store.clone();
        async move { store.redeem(&[1; 32], &[key; 32], "linux", NOW).await }
    });
    let outcomes = futures_util::future::join_all(race).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(RedeemError::Used))), "{outcomes:?}");
    assert_eq!(store.devices().await.unwrap().len(), 1);
}

#[tokio::test]
async fn revocations_are_in_the_registry_and_outlive_a_restart() {
    let (dir, store) = store().await;
    store.insert_enrol_code(&code(1)).await.unwrap();
    let device = store.redeem(&[1; 32], &[7; 32], "linux", NOW).await.unwrap().device;
    assert_eq!(device.level, AssuranceLevel::L1);
    let serial: Serial = "0a1b".parse().unwrap();
    let certificate = StoredCertificate {
        serial: serial.clone(),
        profile: Profile::Device,
        holder: device.id,
        der: vec![0x30],
        issued_at: NOW,
        not_after: NOW,
        revoked: None,
    };
    store.record_certificate(&certificate).await.unwrap();
    store.revoke_certificate(&serial, "keyCompromise", NOW).await.unwrap();
    store.revoke_device(device.id, "lost", NOW).await.unwrap();
    store.revoke_device(device.id, "again", NOW.plus(Duration::from_secs(1))).await.unwrap();
    drop(store);
    let store = Store::open(&dir.path().join("gateway.sqlite")).await.unwrap();
    let registry = store.load_registry().await.unwrap();
    assert!(registry.is_revoked(&serial));
    let revoked = registry.device(&device.id).unwrap().revoked.clone().unwrap();
    assert_eq!((revoked.at, revoked.reason.as_str()), (NOW, "lost"));
}

#[tokio::test]
async fn revoking_what_is_not_there_says_where_to_look() {
    let (_dir, store) = store().await;
    let id = DeviceId(uuid::Uuid::nil());
    let error = store.revoke_device(id, "lost", NOW).await.unwrap_err().to_string();
    assert!(error.contains("see `hitotsu-gateway device list`"), "{error}");
}

#[tokio::test]
async fn crl_numbers_go_up_by_one_and_never_repeat() {
    let (_dir, store) = store().await;
    assert_eq!(store.next_crl_number().await.unwrap(), 1);
    assert_eq!(store.next_crl_number().await.unwrap(), 2);
}

#[tokio::test]
async fn a_locked_database_is_told_with_its_remedy_and_stops_nobody_who_is_enrolled() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.sqlite");
    let store = Store::open_waiting(&path, Duration::from_millis(50)).await.unwrap();
    store.insert_enrol_code(&code(7)).await.unwrap();
    let device = store.redeem(&code(7).secret_hash, &[1; 32], "linux", NOW).await.unwrap().device;
    let registry = crate::registry::Registry::new(store.load_registry().await.unwrap());

    let mut other = store.pool.acquire().await.unwrap().detach();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let error = store.revoke_device(device.id, "lost", NOW).await.unwrap_err();
    assert!(error.to_string().contains("the database does not answer"), "{error}");
    assert!(error.to_string().contains("another program holds it"), "{error}");
    assert!(registry.snapshot().device(&device.id).is_some());

    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    store.revoke_device(device.id, "lost", NOW).await.unwrap();
}

#[tokio::test]
async fn the_database_is_closed_to_others_and_another_file_is_refused() {
    let (dir, _store) = store().await;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        assert!(!crate::files::others_may(&path).unwrap(), "{}", path.display());
    }
    let other = dir.path().join("other");
    std::fs::write(&other, "not a database at all, though long enough to be looked at as one by SQLite").unwrap();
    let error = Store::open(&other).await.unwrap_err();
    assert!(error.to_string().contains("not a database"), "{error}");
}
