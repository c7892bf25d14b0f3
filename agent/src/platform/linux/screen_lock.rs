//! Screen lock: whether the screen of whoever sits here locks by itself, and after how long.
//!
//! GNOME's settings come from gsettings (which knows the user's, the administrator's and the built-in ones), KDE's from
//! its files, any other desktop's from logind's idle action. With several people at screens all must lock, and the
//! slowest counts.

use std::time::Duration;

use hitotsu_model::posture::ClaimName;

use crate::platform::linux::{own_user_id, sessions};
use crate::posture::{Collector, Command, Context, Finding, Machine, Watched, WhyUnknown};

const LOGIND: &str = "/etc/systemd/logind.conf";
const LOGIND_PARTS: &str = "/etc/systemd/logind.conf.d";
const KDE_SYSTEM: &str = "/etc/xdg/kscreenlockerrc";
const DCONF_SYSTEM: &str = "/etc/dconf/db";
/// Settings come from files that are watched; three programs a minute are the price of what is not.
const POLL: Duration = Duration::from_secs(60);
const SETTING_DEADLINE: Duration = Duration::from_secs(2);

/// Makes `screen_lock_on` and `screen_lock_seconds`.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScreenLock;

impl Collector for ScreenLock {
    fn claims(&self) -> &'static [ClaimName] {
        &[ClaimName::ScreenLockOn, ClaimName::ScreenLockSeconds]
    }

    fn collect(&self, context: &Context) -> Vec<Finding> {
        let machine = &context.machine;
        let own = own_user_id();
        let sessions = sessions::graphical(machine);
        // Another user's settings cannot be read, and are not ours to judge, unless we are root.
        let seen = sessions.iter().filter(|session| own == 0 || session.account.uid == own);
        let locks: Vec<Lock> = seen.map(|session| lock(machine, session)).collect();
        findings(&locks)
    }

    fn watched(&self, machine: &Machine) -> Watched {
        let of_home = |session: &sessions::Session| {
            [".config/dconf/user", ".config/kscreenlockerrc"].map(|file| format!("{}/{file}", session.account.home))
        };
        let homes = sessions::graphical(machine);
        Watched::every(POLL)
            .and_paths([LOGIND, LOGIND_PARTS, KDE_SYSTEM, DCONF_SYSTEM])
            .and_paths(sessions::WATCHED.iter().copied())
            .and_paths(homes.iter().flat_map(of_home))
    }
}

/// What one session's screen does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lock {
    After(i64),
    Never,
    Unknown(WhyUnknown, String),
}

fn findings(locks: &[Lock]) -> Vec<Finding> {
    let (on, seconds) = (ClaimName::ScreenLockOn, ClaimName::ScreenLockSeconds);
    if locks.contains(&Lock::Never) {
        return vec![Finding::yes_or_no(on, false), Finding::unknown(seconds, WhyUnknown::NeverLocks)];
    }
    let mut slowest = None;
    for lock in locks {
        match lock {
            Lock::Unknown(why, detail) => {
                return vec![
                    Finding::unknown_because(on, *why, detail),
                    Finding::unknown_because(seconds, *why, detail),
                ];
            }
            Lock::After(after) => slowest = slowest.max(Some(*after)),
            Lock::Never => {}
        }
    }
    match slowest {
        Some(after) => vec![Finding::yes_or_no(on, true), Finding::number(seconds, after)],
        None => [on, seconds].map(|name| Finding::unknown(name, WhyUnknown::NoGraphicalSession)).to_vec(),
    }
}

fn lock(machine: &Machine, session: &sessions::Session) -> Lock {
    let desktop = session.desktop.to_ascii_lowercase();
    if ["gnome", "ubuntu", "cinnamon", "unity"].iter().any(|name| desktop.contains(name)) {
        gnome(machine, session, if desktop.contains("cinnamon") { "org.cinnamon.desktop" } else { "org.gnome.desktop" })
    } else if desktop.contains("kde") || desktop.contains("plasma") {
        kde(machine, session)
    } else {
        logind(machine, &session.desktop)
    }
}

/// The screen goes blank after `idle-delay` seconds, 0 for never, and is locked `lock-delay` seconds after that.
fn gnome(machine: &Machine, session: &sessions::Session, schemas: &str) -> Lock {
    let get = |schema: &str, key: &str| {
        let value = machine.run(&Command {
            program: "gsettings",
            arguments: &["get", &format!("{schemas}.{schema}"), key],
            deadline: SETTING_DEADLINE,
            user: Some(&session.account),
        });
        value.map_err(|error| Lock::Unknown(WhyUnknown::NotReadable, error.to_string()))
    };
    let number = |text: String| {
        let digits = text.trim().trim_start_matches("uint32 ").parse::<i64>();
        digits.map_err(|_| Lock::Unknown(WhyUnknown::NotReadable, format!("gsettings said `{}`", text.trim())))
    };
    let settings = || {
        let enabled = get("screensaver", "lock-enabled")?.trim() == "true";
        let idle = number(get("session", "idle-delay")?)?;
        let then = number(get("screensaver", "lock-delay")?)?;
        Ok::<_, Lock>(if enabled && idle > 0 { Lock::After(idle.saturating_add(then)) } else { Lock::Never })
    };
    settings().unwrap_or_else(|unknown| unknown)
}

/// `[Daemon]`: `Autolock` (true), `Timeout` in minutes (5), `LockGrace` in seconds (5), with KDE's own defaults.
fn kde(machine: &Machine, session: &sessions::Session) -> Lock {
    let own = format!("{}/.config/kscreenlockerrc", session.account.home);
    let texts = [own.as_str(), KDE_SYSTEM].map(|path| match machine.read(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    });
    let [Ok(own), Ok(system)] = &texts else {
        return Lock::Unknown(WhyUnknown::NotReadable, "kscreenlockerrc".to_owned());
    };
    // A key that the administrator marked `[$i]` cannot be changed by the user.
    let locked = |key: &str| value(system, "Daemon", &format!("{key}[$i]"));
    let get = |key: &str| locked(key).or_else(|| value(own, "Daemon", key)).or_else(|| value(system, "Daemon", key));
    let number = |key: &str, default: i64| get(key).map_or(Some(default), |text| text.parse().ok());
    let (Some(minutes), Some(grace)) = (number("Timeout", 5), number("LockGrace", 5)) else {
        return Lock::Unknown(WhyUnknown::NotReadable, "kscreenlockerrc".to_owned());
    };
    let on = get("Autolock").is_none_or(|text| text.eq_ignore_ascii_case("true")) && minutes > 0;
    if on { Lock::After(minutes.saturating_mul(60).saturating_add(grace)) } else { Lock::Never }
}

/// `logind.conf(5)`: `IdleAction=lock` locks any desktop that tells logind that it is idle.
fn logind(machine: &Machine, desktop: &str) -> Lock {
    let names = machine.list(LOGIND_PARTS).unwrap_or_default();
    let parts = names.iter().filter(|name| name.ends_with(".conf")).map(|name| format!("{LOGIND_PARTS}/{name}"));
    let texts: Vec<String> =
        std::iter::once(LOGIND.to_owned()).chain(parts).filter_map(|path| machine.read(path).ok()).collect();
    // The last one counts.
    let get = |key: &str| texts.iter().rev().find_map(|text| value(text, "Login", key));
    match (get("IdleAction").as_deref(), seconds(get("IdleActionSec").as_deref().unwrap_or("30min"))) {
        (Some("lock"), Some(after)) => Lock::After(after),
        _ => Lock::Unknown(WhyUnknown::DesktopNotKnown, desktop.to_owned()),
    }
}

/// A key of a section of an INI file.
fn value(text: &str, section: &str, key: &str) -> Option<String> {
    let mut within = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            within = name == section;
        } else if within
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
        {
            found = Some(value.trim().to_owned());
        }
    }
    found
}

/// A span of `systemd.time(7)`: `300`, `5min`, `1h 30min`.
fn seconds(text: &str) -> Option<i64> {
    text.split_whitespace().try_fold(0_i64, |sum, part| {
        let digits = part.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match part.get(digits.len()..)? {
            "" | "s" | "sec" | "second" | "seconds" => 1,
            "m" | "min" | "minute" | "minutes" => 60,
            "h" | "hr" | "hour" | "hours" => 3600,
            _ => return None,
        };
        sum.checked_add(digits.parse::<i64>().ok()?.checked_mul(unit)?)
    })
}

#[cfg(test)]
mod tests {
    use hitotsu_model::posture::ClaimValue;

    use super::*;
    use crate::platform::linux::fixture::{Fixture, assert_unknown, this_machine, value as value_of};

    fn session(desktop: &str) -> Fixture {
        let own = own_user_id();
        Fixture::new()
            .file("/etc/passwd", format!("a:x:{own}:{own}:A:/home/a:/bin/bash\n"))
            .file(
                "/run/systemd/sessions/2",
                format!("UID={own}\nSTATE=active\nTYPE=wayland\nCLASS=user\nDESKTOP={desktop}\n"),
            )
            .file("/run/systemd/sessions/c1", "UID=120\nSTATE=online\nTYPE=x11\nCLASS=greeter\n")
    }

    fn gnome(enabled: &str, idle: &str, then: &str) -> Fixture {
        session("ubuntu")
            .answers("gsettings get org.gnome.desktop.screensaver lock-enabled", enabled)
            .answers("gsettings get org.gnome.desktop.session idle-delay", idle)
            .answers("gsettings get org.gnome.desktop.screensaver lock-delay", then)
    }

    fn found(machine: &Fixture) -> (ClaimValue, ClaimValue) {
        let found = machine.collect(&ScreenLock);
        (value_of(&found, ClaimName::ScreenLockOn), value_of(&found, ClaimName::ScreenLockSeconds))
    }

    fn locks_after(seconds: i64) -> (ClaimValue, ClaimValue) {
        (ClaimValue::Bool(true), ClaimValue::Integer(seconds))
    }

    fn never() -> (ClaimValue, ClaimValue) {
        (ClaimValue::Bool(false), ClaimValue::Unknown(WhyUnknown::NeverLocks.sentence().to_owned()))
    }

    #[test]
    fn gnome_locks_after_blanking_and_its_delay() {
        assert_eq!(found(&gnome("true\n", "uint32 300\n", "uint32 30\n")), locks_after(330));
        assert_eq!(found(&gnome("false\n", "uint32 300\n", "uint32 0\n")), never());
        assert_eq!(found(&gnome("true\n", "uint32 0\n", "uint32 0\n")), never());
        let strange = gnome("true\n", "soon\n", "uint32 0\n").collect(&ScreenLock);
        assert_unknown(&strange, ClaimName::ScreenLockOn, "`soon`");
    }

    #[test]
    fn kde_has_its_defaults_its_users_and_its_administrators_settings() {
        assert_eq!(found(&session("KDE")), locks_after(305));
        let own = "[Daemon]\nAutolock=false\nTimeout=10\n[Other]\nTimeout=1\n";
        assert_eq!(found(&session("KDE").file("/home/a/.config/kscreenlockerrc", own)), never());
        let machine = session("KDE")
            .file("/home/a/.config/kscreenlockerrc", own)
            .file(KDE_SYSTEM, "[Daemon]\nAutolock[$i]=true\nLockGrace=0\n");
        assert_eq!(found(&machine), locks_after(600));
    }

    #[test]
    fn another_desktop_locks_by_logind_or_is_not_known() {
        let machine =
            session("xfce").file(LOGIND, "[Login]\n#IdleAction=ignore\nIdleAction=lock\nIdleActionSec=10min\n");
        assert_eq!(found(&machine), locks_after(600));
        assert_unknown(&session("xfce").collect(&ScreenLock), ClaimName::ScreenLockOn, "desktop's settings (xfce)");
    }

    #[test]
    fn without_anybody_at_a_screen_it_is_unknown() {
        let text = Fixture::new().file("/run/systemd/sessions/1", "UID=0\nTYPE=tty\nCLASS=user\nSTATE=active\n");
        for machine in [Fixture::new(), text] {
            let found = machine.collect(&ScreenLock);
            assert_unknown(&found, ClaimName::ScreenLockOn, "nobody is signed in");
            assert_unknown(&found, ClaimName::ScreenLockSeconds, "nobody is signed in");
        }
    }

    #[test]
    fn this_machine_gives_an_answer_or_a_reason() {
        let found = ScreenLock.collect(&this_machine());
        assert!(found.len() == 2 && found.iter().all(|one| one.value.fits(one.name.kind())), "{found:?}");
    }
}
