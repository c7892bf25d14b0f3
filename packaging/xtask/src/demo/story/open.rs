//! What is allowed opens: web, documents, SSH, and what passed is checked byte by byte.

use std::path::Path;
use std::process::Command;

use super::Scene;
use crate::demo::curl::Through;
use crate::demo::screen::Screen;
use crate::demo::systems::{FILES, PORTAL, SSH};
use crate::run::{self, Trouble};

/// Size of the download that is checked: longer than every window and buffer on its way.
const DOWNLOAD_BYTES: usize = 8 << 20;

/// Bytes of one numbered line of the download.
const LINE_BYTES: usize = 64;

pub(super) fn tell(scene: &mut Scene<'_>, screen: &mut Screen) -> Result<(), Trouble> {
    screen.heading("act-open");
    let socks = Through::Socks(scene.agent.socks);
    let http = Through::Http(scene.agent.http);
    let portal = format!("http://{PORTAL}:{}", scene.systems.web);
    screen.step("web-socks", &[], || {
        let answer = scene.ask(socks, &format!("{portal}/"), &[])?;
        expect(answer.status == 200 && answer.text().contains("庁内ポータル"), "the page did not come", &answer.text())
    })?;
    screen.step("web-http", &[], || {
        let answer = scene.ask(http, &format!("{portal}/notices"), &[])?;
        expect(answer.connect == 200 && answer.text().contains("お知らせ"), "the page did not come", &answer.text())
    })?;
    screen.step("web-download", &[], || {
        let answer = scene.ask(socks, &format!("{portal}/download?bytes={DOWNLOAD_BYTES}"), &[])?;
        whole(&answer.body)
    })?;
    let files = format!("http://{FILES}:{}", scene.systems.files);
    screen.step("files-list", &[], || {
        let answer = scene.ask(socks, &format!("{files}/"), &["--request", "PROPFIND", "--header", "Depth: 1"])?;
        let listed = answer.text().contains("/%E5%85%B1%E6%9C%89/");
        expect(answer.status == 207 && listed, "the folder was not listed", &answer.text())
    })?;
    screen.step("files-put", &[], || {
        let note = scene.stage.scratch.join("note.txt");
        write(&note, NOTE)?;
        let upload = ["--upload-file", &note.display().to_string()];
        let answer = scene.ask(socks, &format!("{files}/note.txt"), &upload)?;
        let arrived = std::fs::read_to_string(scene.systems.library.join("note.txt")).unwrap_or_default();
        expect(answer.status == 201 && arrived == NOTE, "the document did not arrive", &arrived)?;
        let back = scene.ask(socks, &format!("{files}/note.txt"), &[])?;
        expect(back.text() == NOTE, "the document did not come back", &back.text())
    })?;
    screen.step("ssh", &[], || ssh(scene))
}

/// What is written into the library and read back.
const NOTE: &str = "在宅勤務の記録\nThis line went through the gateway.\n";

/// A command on the SSH system with the machine's own ssh, through the agent's port forward.
fn ssh(scene: &Scene<'_>) -> Result<(), Trouble> {
    let known = scene.stage.scratch.join("known_hosts");
    let (host, port) = (scene.agent.ssh.ip(), scene.agent.ssh.port());
    write(&known, &format!("{SSH} {}\n", scene.systems.ssh_key))?;
    let mut ssh = Command::new("ssh");
    // Only what is said here counts, not the person's own configuration, keys and known hosts.
    ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10"]);
    ssh.args(["-o", "IdentityAgent=none", "-o", "IdentityFile=none", "-o", "GlobalKnownHostsFile=none"]);
    ssh.args(["-o", &format!("UserKnownHostsFile={}", known.display())]).args(["-o", &format!("HostKeyAlias={SSH}")]);
    ssh.args(["-p", &port.to_string(), &format!("demo@{host}"), "echo こんにちは"]);
    let said = run::captured(&mut ssh)?;
    expect(said == "こんにちは\n", "the server said something else", &said)
}

/// Checks that the download has every line once, in order.
fn whole(body: &[u8]) -> Result<(), Trouble> {
    let complete = body.len() == DOWNLOAD_BYTES;
    let mut lines = body.chunks(LINE_BYTES).enumerate();
    let in_order = lines.all(|(number, line)| line.starts_with(format!("{number:012},").as_bytes()));
    expect(complete && in_order, "the download is not whole", &format!("{} bytes", body.len()))
}

/// A fact about what passed, and what was found instead.
pub(super) fn expect(fact: bool, otherwise: &str, found: &str) -> Result<(), Trouble> {
    if fact {
        return Ok(());
    }
    let found: String = found.chars().take(400).collect();
    Err(Trouble::new(format!("{otherwise}: {found}")))
}

fn write(file: &Path, text: &str) -> Result<(), Trouble> {
    std::fs::write(file, text).map_err(|error| Trouble::new(format!("`{}`: {error}", file.display())))
}
