//! Windows of time, half-open and across midnight, on working days and holidays, against an oracle that reads the clock from
//! the text of the instant.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Duration;

use hitotsu_model::identity::{AssuranceLevel, Ownership, Profile};
use hitotsu_model::ids::{DeviceId, ResourceId};
use hitotsu_model::posture::Posture;
use hitotsu_model::time::Timestamp;
use hitotsu_policy::bundle::Bundle;
use hitotsu_policy::subject::Subject;
use proptest::prelude::*;

/// National holidays and closed days of 2026 that fall into the weeks that are asked about, as the Cabinet Office has them.
const HOLIDAYS: [&str; 6] = ["2026-04-29", "2026-05-03", "2026-05-04", "2026-05-05", "2026-05-06", "2026-05-15"];
/// 2026-04-20T00:00:00+09:00, a Monday.
const BEGIN: i64 = 1_776_610_800_000;
const DAYS: i64 = 28;
const MINUTE: i64 = 60_000;

/// From a minute until just before another, on some weekdays; across midnight where it ends before it begins.
#[derive(Debug, Clone)]
struct Window {
    from: i64,
    until: i64,
    weekdays: i64,
    holidays: bool,
}

impl Window {
    fn condition(&self) -> String {
        let Self { from, until, weekdays, .. } = self;
        let join = if from <= until { "&&" } else { "||" };
        let holiday = if self.holidays { "" } else { " && !context.holiday" };
        format!(
            "(context.local_minute >= {from} {join} context.local_minute < {until}) && context.weekday <= {weekdays}{holiday}"
        )
    }

    /// By the letters of the local time, such as `2026-04-20T23:59`.
    fn holds(&self, at: Timestamp) -> bool {
        let text = at.plus(Duration::from_secs(9 * 3600)).to_string();
        let (date, time) = (&text[..10], &text[11..16]);
        let clock = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
        let (from, until) = (clock(self.from), clock(self.until));
        let within =
            if self.from <= self.until { *from <= *time && *time < *until } else { *from <= *time || *time < *until };
        within && weekday(date) <= self.weekdays && (self.holidays || !HOLIDAYS.contains(&date))
    }
}

/// 1 is Monday; counted from the Monday of [`BEGIN`] on the fingers.
fn weekday(date: &str) -> i64 {
    let day: i64 = date[8..].parse().expect("a day");
    let since = if date.starts_with("2026-04") { day - 20 } else { day + 10 };
    since.rem_euclid(7) + 1
}

fn bundle(window: &Window) -> Bundle {
    let rule = format!(
        "@id(\"window\") permit (principal in Group::\"all\", action, resource == Resource::\"chat\")\nwhen {{ {} }};\n",
        window.condition()
    );
    let files = [
        (
            "bundle.toml",
            "org = \"city.example\"\nname = \"x\"\nutc_offset = \"+09:00\"\nevidence_max_age_seconds = 86400\n",
        ),
        ("calendar.toml", "national = \"japan\"\nevery_year = [\"05-15\"]\n"),
        ("people.toml", "[[group]]\nid = \"all\"\ntitle = \"x\"\n[[person]]\nid = \"p-1\"\ngroups = [\"all\"]\n"),
        (
            "resources.toml",
            "[[resource]]\nid = \"chat\"\ntitle_ja = \"x\"\ntitle_en = \"x\"\ntier = \"tier3\"\nhosts = [\"x.example\"]\n\
             prefixes = [\"10.1.0.0/24\"]\nports = [\"tcp/443\"]\n",
        ),
        ("rules/x.cedar", rule.as_str()),
    ];
    let files: BTreeMap<String, String> = files.map(|(file, text)| (file.to_owned(), text.to_owned())).into();
    Bundle::compile(&files).unwrap_or_else(|errors| panic!("{errors}"))
}

fn subject(at: Timestamp) -> Subject {
    Subject {
        person: Some("p-1".parse().expect("id")),
        device: DeviceId(uuid::Uuid::nil()),
        profile: Profile::Device,
        ownership: Ownership::Issued,
        level: AssuranceLevel::L1,
        place: None,
        posture: Some(Posture::default()),
        attested_at: Some(at),
        approvals: Vec::new(),
    }
}

fn window() -> impl Strategy<Value = Window> {
    // Not 0, which Cedar's own checks may find senseless on one side.
    let minute = || 1_i64..1440;
    (minute(), minute(), 1_i64..8, any::<bool>()).prop_map(|(from, until, weekdays, holidays)| Window {
        from,
        until,
        weekdays,
        holidays,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn windows_across_midnight_and_holidays_agree_with_the_clock_on_the_wall(
        window in window(), instants in proptest::collection::vec(0..DAYS * 1440 * MINUTE, 40),
    ) {
        let bundle = bundle(&window);
        let chat: ResourceId = "chat".parse().expect("id");
        let edges = (0..DAYS).flat_map(|day| {
            let of = |minute: i64| [day * 1440 + minute - 1, day * 1440 + minute];
            of(window.from).into_iter().chain(of(window.until)).chain(of(0))
        });
        let edges = edges.filter(|minute| *minute >= 0).map(|minute| minute * MINUTE);
        for offset in instants.iter().copied().chain(edges) {
            let at = Timestamp(BEGIN + offset);
            let decision = bundle.decide(&bundle.prepare(subject(at)), &chat, at);
            prop_assert_eq!(decision.allowed, window.holds(at), "{:?} at {}", window, at);
            // Until it expires, the clock on the wall says the same.
            let last = Timestamp(decision.expires_at.0.min(BEGIN + DAYS * 1440 * MINUTE) - 1);
            prop_assert!(decision.expires_at > at);
            if last >= at {
                prop_assert_eq!(window.holds(last), decision.allowed, "{:?} from {} until {}", window, at, last);
            }
        }
    }
}
