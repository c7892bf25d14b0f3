//! The document library: WebDAV (RFC 4918) on a folder.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use dav_server::{DavHandler, fakels::FakeLs, localfs::LocalFs};
use serde_json::json;

use crate::{Where, announce, pages};

/// The sample files: path below the folder, and text.
const SAMPLES: [(&str, &str); 4] = [
    ("議事録/2026-11 情報政策会議.txt", "情報政策会議 議事録\n\n1. 在宅勤務の試行について\n2. 次回の日程\n"),
    ("様式/在宅勤務申請書.csv", "職員番号,氏名,希望日,理由\n000000,見本 太郎,2026-12-01,育児\n"),
    ("共有/readme.txt", "This folder is a sample.\nこのフォルダーは見本です。\n"),
    ("共有/画面の手引き.md", "# 画面の手引き\n\n- 左上の一覧から文書を選びます。\n- 保存すると全員に見えます。\n"),
];

/// Serves the library until it is to stop; a temporary folder goes with it.
///
/// # Errors
/// The port or the folder cannot be had.
pub(crate) async fn serve(place: &Where, dir: Option<PathBuf>) -> io::Result<()> {
    let (_temporary, dir) = match dir {
        Some(dir) => (None, dir),
        None => {
            let temporary = tempfile::Builder::new().prefix("hitotsu-library-").tempdir()?;
            let dir = temporary.path().to_owned();
            (Some(temporary), dir)
        }
    };
    fill(&dir)?;
    let library = DavHandler::builder()
        .filesystem(LocalFs::new(&dir, false, false, false))
        .locksystem(FakeLs::new())
        .build_handler();
    let listener = announce::tcp(place, json!({ "system": "webdav", "dir": dir })).await?;
    let answer = move |request| {
        let library = library.clone();
        async move { library.handle::<_, Bytes, _>(request).await }
    };
    tokio::select! {
        served = pages::serve(listener, answer) => served,
        ended = announce::end(place) => ended,
    }
}

/// Writes the samples that are not there yet.
fn fill(dir: &Path) -> io::Result<()> {
    for (path, text) in SAMPLES {
        let file = dir.join(path);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if !file.exists() {
            std::fs::write(file, text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_once_and_a_person_s_changes_stay() {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path()).unwrap();
        let (path, text) = SAMPLES[2];
        assert_eq!(std::fs::read_to_string(dir.path().join(path)).unwrap(), text);
        std::fs::write(dir.path().join(path), "changed").unwrap();
        fill(dir.path()).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join(path)).unwrap(), "changed");
    }
}
