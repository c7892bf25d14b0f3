//! The stream of notices: one JSON object a line.

use hitotsu_model::control::{CONTROL_PATH, Notice};
use hitotsu_model::message::Language;
use hitotsu_tunnel::client::{BodyReceiver, ClientConnection};
use http::StatusCode;
use tokio::sync::mpsc;

use super::requests;
use crate::limits::NOTICE_BYTES_MAX;

/// Notices that may wait for the keeper.
pub(crate) const NOTICES_WAITING_MAX: usize = 64;

/// Reads the notices of one stream into `notices` until it ends.
///
/// # Errors
/// Why it ended before its time, for the log.
pub(crate) async fn listen(
    connection: &ClientConnection,
    language: Language,
    notices: &mpsc::Sender<Notice>,
) -> Result<(), String> {
    let path = format!("{CONTROL_PATH}/notices");
    let (head, mut body) =
        connection.stream(&path, requests::headers(language)).await.map_err(|error| error.to_string())?;
    if head.status() != StatusCode::OK {
        return Err(format!("status {}", head.status().as_u16()));
    }
    let mut lines = Lines::default();
    while let Some(line) = next_line(&mut lines, &mut body).await? {
        match serde_json::from_slice::<Notice>(&line) {
            Ok(notice) => {
                if notices.send(notice).await.is_err() {
                    return Ok(());
                }
            }
            // A newer gateway may say things that this build does not know.
            Err(error) => tracing::debug!(%error, "a notice is not understood"),
        }
    }
    Ok(())
}

async fn next_line(lines: &mut Lines, body: &mut BodyReceiver) -> Result<Option<Vec<u8>>, String> {
    loop {
        if let Some(line) = lines.pop() {
            return Ok(Some(line));
        }
        match body.recv().await.map_err(|error| error.to_string())? {
            Some(piece) => lines.push(&piece)?,
            None => return Ok(None),
        }
    }
}

/// Cuts a byte stream into lines. Pure.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// Adds bytes.
    ///
    /// # Errors
    /// When a line is longer than [`NOTICE_BYTES_MAX`].
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.buffer.extend_from_slice(bytes);
        let unfinished = self.buffer.rsplit(|byte| *byte == b'\n').next().map_or(0, <[u8]>::len);
        if unfinished > NOTICE_BYTES_MAX {
            return Err(format!("a notice is longer than {NOTICE_BYTES_MAX} bytes"));
        }
        Ok(())
    }

    /// The next whole line, without its end; empty lines are passed over.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        loop {
            let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
            let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if !line.is_empty() {
                return Some(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_without_an_end_is_bounded() {
        let mut lines = Lines::default();
        assert!(lines.push(&vec![b'x'; NOTICE_BYTES_MAX]).is_ok());
        assert!(lines.push(b"x").is_err());
    }

    proptest! {
        #[test]
        fn lines_come_out_alike_however_the_bytes_are_cut(
            texts in proptest::collection::vec("[a-z]{1,9}", 0..6),
            cuts in proptest::collection::vec(1usize..7, 1..40),
        ) {
            let bytes: Vec<u8> = texts.iter().flat_map(|text| format!("{text}\r\n\n").into_bytes()).collect();
            let mut lines = Lines::default();
            let mut rest = bytes.as_slice();
            let mut found = Vec::new();
            for cut in cuts.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                lines.push(piece).expect("short");
                rest = after;
                while let Some(line) = lines.pop() {
                    found.push(String::from_utf8(line).expect("text"));
                }
            }
            prop_assert_eq!(found, texts);
        }
    }
}
