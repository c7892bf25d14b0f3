use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, FlowId, SessionId};
use hitotsu_model::message::{Language, Sentences};
use hitotsu_model::posture::{Claim, ClaimName, ClaimValue, Posture, Source};
use hitotsu_model::resource::Transport;
use hitotsu_pki::trust::Trust;
use hitotsu_tunnel::door::Door;
use tokio::time::timeout;

use super::*;
use crate::audit::AuditLog;
use crate::gateway::Parts;
use crate::live::{FlowPlace, SessionPlace};
use crate::metrics::Metrics;
use crate::registry::{Device, Registry, RegistrySnapshot};
use crate::session::notices::Listener;

/// 2026-07-01 10:00:30 in Japan, a Wednesday.
const AFTER_TEN: Timestamp = Timestamp(1_782_867_630_000);
const HOUR_MS: i64 = 3_600_000;
/// Longest wait for what must come within some ticks of the watch.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_clock_that_jumps_past_the_age_of_all_evidence_cuts_nobody_whose_evidence_is_fresh() {
    let scene = Scene::new(600).await;
    let mut desk = scene.session();
    let (always, hours) = (desk.flow(1, "always"), desk.flow(2, "hours"));
    let watch = scene.watch().await;

    // Noon: the wall clock now says that the evidence is two hours old, and it is not.
    let mut changes = scene.gateway.changes();
    scene.clock.jump(2 * HOUR_MS);
    timeout(PATIENCE, changes.changed()).await.expect("the jump is seen").unwrap();
    // Seven in the evening: what is open in office hours only is cut, and it alone.
    scene.clock.jump(7 * HOUR_MS);
    assert_eq!(ended(&hours).await, Code::TimeNotPermitted);
    let (flow, title) = desk.told_of_a_cut().await;
    assert_eq!((flow, title.as_str()), (FlowId(2), "今の時間は、このシステムを利用できません。"));
    assert_eq!(always.cut_code(), None, "evidence ages by a clock that nobody can set");
    drop(watch);
}

#[tokio::test]
async fn a_clock_that_jumps_back_cuts_what_is_not_open_yet_and_makes_no_evidence_younger() {
    let scene = Scene::new(3).await;
    let mut desk = scene.session();
    let (always, hours) = (desk.flow(1, "always"), desk.flow(2, "hours"));
    let watch = scene.watch().await;

    // Half a minute before ten.
    scene.clock.jump(-60_000);
    assert_eq!(ended(&hours).await, Code::TimeNotPermitted);
    assert_eq!(desk.told_of_a_cut().await.0, FlowId(2));
    assert_eq!(ended(&always).await, Code::EvidenceStale, "three seconds stay three seconds");
    assert_eq!(desk.told_of_a_cut().await.0, FlowId(1));
    drop(watch);
}

#[tokio::test]
async fn a_clock_that_jumps_far_back_leaves_claims_of_the_future_which_count_as_unknown() {
    let scene = Scene::new(600).await;
    let mut desk = scene.session();
    let always = desk.flow(1, "always");
    let watch = scene.watch().await;

    scene.clock.jump(-2 * HOUR_MS);
    assert_eq!(ended(&always).await, Code::PostureUnknown);
    let (flow, title) = desk.told_of_a_cut().await;
    assert_eq!((flow, title.as_str()), (FlowId(1), "必要な安全確認の項目を調べられませんでした。"));
    drop(watch);
}

/// A wall clock that a test sets; it goes on at the pace of the real one.
#[derive(Debug, Clone)]
struct Clock {
    begun: Instant,
    set_by: Arc<AtomicI64>,
}

impl Clock {
    fn now(&self) -> Timestamp {
        Timestamp(AFTER_TEN.plus(self.begun.elapsed()).0 + self.set_by.load(Ordering::SeqCst))
    }

    fn jump(&self, milliseconds: i64) {
        self.set_by.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

/// A gateway with its watch, without a network.
struct Scene {
    gateway: Arc<Gateway>,
    clock: Clock,
    _dir: tempfile::TempDir,
}

impl Scene {
    async fn new(evidence_max_age_seconds: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (folder, offline) = (dir.path().join("authorities"), dir.path().join("offline"));
        let org: hitotsu_model::ids::OrgId = "test.example".parse().unwrap();
        let hosts = ["localhost".to_owned()];
        let (root, _) = crate::authorities::create(&folder, &offline, &org, &hosts, AFTER_TEN).unwrap();
        let (audit, _) = AuditLog::open(&dir.path().join("audit"), AFTER_TEN).unwrap();
        let gateway = Gateway::new(Parts {
            trust: Arc::new(Trust::new(&root, org).unwrap()),
            registry: Registry::new(RegistrySnapshot::new([device()], [])),
            audit,
            next_flow: 1,
            resolver: hickory_resolver::TokioResolver::builder_tokio().unwrap().build().unwrap(),
            metrics: Metrics::default(),
            front_doors: ["udp", "tcp"].map(|name| Door::new(name, 1, 1)),
            sentences: Sentences::new(&[], &[]).unwrap(),
            bundle_dir: dir.path().join("policy"),
            bundle: Arc::new(bundle(evidence_max_age_seconds)),
            own_listeners: Vec::new(),
            own_addresses: BTreeSet::new(),
        });
        let clock = Clock { begun: Instant::now(), set_by: Arc::default() };
        Self { gateway, clock, _dir: dir }
    }

    fn session(&self) -> Desk<'_> {
        let identity = admission::tests::identified(Some("home"));
        let session = Session::new(SessionId(uuid::Uuid::nil()), identity, "h3", self.clock.now());
        let place = self.gateway.live.enter(session).unwrap();
        let notices = place.session().open_notices(Language::Ja);
        place.session().believe(posture(self.clock.now()), Instant::now());
        Desk { scene: self, place, notices, flows: Vec::new() }
    }

    /// The watch, by this scene's clock; it ends when dropped.
    async fn watch(&self) -> tokio_util::sync::DropGuard {
        let (stop, clock) = (CancellationToken::new(), self.clock.clone());
        sweep_all(&self.gateway, clock.now());
        tokio::spawn(run(self.gateway.clone(), move || clock.now(), stop.clone()));
        // On this one thread: the watch has read the clock once when this goes on.
        tokio::task::yield_now().await;
        stop.drop_guard()
    }
}

/// A session with open flows.
struct Desk<'s> {
    scene: &'s Scene,
    place: SessionPlace<'s>,
    notices: Listener,
    flows: Vec<FlowPlace<'s>>,
}

impl Desk<'_> {
    fn flow(&mut self, id: u64, resource: &str) -> Arc<LiveFlow> {
        let target = Target::parse(&format!("{resource}.test.internal:443"), Transport::Tcp).unwrap();
        let flow = Arc::new(LiveFlow::new(FlowId(id), id, target, self.scene.clock.now()));
        let place = self.scene.gateway.live.register(self.place.session(), flow.clone()).unwrap();
        let resources = vec![resource.parse().unwrap()];
        let address = if resource == "always" { [10, 1, 0, 1] } else { [10, 1, 0, 2] };
        flow.admit_to(AdmittedTo { address: address.into(), named: resources.clone(), resources });
        self.flows.push(place);
        flow
    }

    async fn told_of_a_cut(&mut self) -> (FlowId, String) {
        match timeout(PATIENCE, self.notices.recv()).await.expect("in time") {
            Some(Notice::Cut { flow, problem, .. }) => (flow, problem.title),
            other => panic!("{other:?}"),
        }
    }
}

/// Why a flow was cut, once it is.
async fn ended(flow: &LiveFlow) -> Code {
    timeout(PATIENCE, flow.cut.cancelled()).await.expect("the flow is cut");
    flow.cut_code().unwrap()
}

fn device() -> Device {
    Device {
        id: DeviceId(uuid::Uuid::nil()),
        profile: Profile::Device,
        person: Some("p-1".parse().unwrap()),
        ownership: Ownership::Issued,
        level: AssuranceLevel::L1,
        platform: "linux".to_owned(),
        created_at: AFTER_TEN,
        revoked: None,
    }
}

fn posture(at: Timestamp) -> Posture {
    let mut posture = Posture::default();
    let claim = Claim { value: ClaimValue::Bool(true), source: Source::Os, observed_at: at };
    posture.insert(ClaimName::FirewallOn, claim).unwrap();
    posture
}

fn bundle(evidence_max_age_seconds: u32) -> Bundle {
    let settings = format!(
        "org = \"test.example\"\nname = \"tests\"\nutc_offset = \"+09:00\"\n\
         evidence_max_age_seconds = {evidence_max_age_seconds}\n"
    );
    let resource = |id: &str, address: &str| {
        format!(
            "[[resource]]\nid = \"{id}\"\ntitle_ja = \"{id}\"\ntitle_en = \"{id}\"\ntier = \"tier3\"\n\
             hosts = [\"{id}.test.internal\"]\nprefixes = [\"{address}/32\"]\nports = [\"tcp/443\"]\n\n"
        )
    };
    let permit = |id: &str, condition: &str| {
        format!(
            "@id(\"{id}\")\npermit (principal, action == Action::\"connect\", resource == Resource::\"{id}\")\n\
             when {{ {condition} }};\n\n"
        )
    };
    let files = [
        ("bundle.toml", settings),
        (
            "places.toml",
            "[[place]]\nid = \"home\"\ntitle_ja = \"自宅\"\ntitle_en = \"Home\"\nkind = \"home\"\ndefault = true\n"
                .to_owned(),
        ),
        ("people.toml", "[[person]]\nid = \"p-1\"\ngroups = []\n".to_owned()),
        ("resources.toml", resource("always", "10.1.0.1") + &resource("hours", "10.1.0.2")),
        ("hosts.toml", String::new()),
        (
            "floor.cedar",
            "@id(\"firewall\")\n@code(\"firewall-off\")\nforbid (principal, action, resource)\n\
             unless { context has firewall_on && context.firewall_on };\n"
                .to_owned(),
        ),
        (
            "rules/tests.cedar",
            permit("always", "true") + &permit("hours", "context.local_minute >= 600 && context.local_minute < 1020"),
        ),
    ];
    let files = files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
    Bundle::compile(&files).unwrap()
}
