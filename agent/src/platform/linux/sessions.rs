//! Who sits at a graphical screen, from logind's files (readable by everybody), and whose home that is.

use crate::posture::{Account, Machine};

const SESSIONS: &str = "/run/systemd/sessions";
pub(super) const WATCHED: &[&str] = &[SESSIONS];

/// A graphical session of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) account: Account,
    /// `GNOME`, `KDE` or another name, as the session's file gives it.
    pub(super) desktop: String,
}

/// All graphical sessions of people; those of the greeter (class `greeter`) are none.
pub(super) fn graphical(machine: &Machine) -> Vec<Session> {
    let passwd = machine.read("/etc/passwd").unwrap_or_default();
    let names = machine.list(SESSIONS).unwrap_or_default();
    // Beside each session lies a pipe `<id>.ref`, which must not be opened.
    let files = names.iter().filter(|name| !name.ends_with(".ref"));
    files.filter_map(|name| session(&machine.read(format!("{SESSIONS}/{name}")).ok()?, &passwd)).collect()
}

fn session(text: &str, passwd: &str) -> Option<Session> {
    let field = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let graphical = matches!(field("TYPE"), Some("x11" | "wayland" | "mir"));
    let lives = !matches!(field("STATE"), Some("closing"));
    if !graphical || !lives || field("CLASS") != Some("user") {
        return None;
    }
    let uid = field("UID")?.parse().ok()?;
    Some(Session { account: account(passwd, uid)?, desktop: field("DESKTOP").unwrap_or_default().to_owned() })
}

fn account(passwd: &str, uid: u32) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            [_, _, user, group, _, home, ..] if user.parse() == Ok(uid) => {
                Some(Account { uid, gid: group.parse().ok()?, home: (*home).to_owned() })
            }
            _ => None,
        }
    })
}
