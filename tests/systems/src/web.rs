//! The intranet: four pages, a download of any size whose bytes can be checked, and a stream without an end.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::json;

use crate::{Where, announce, pages};

/// Largest download in bytes: enough for a minute at 1 Gbit/s, and a bound on what one request can ask for.
const DOWNLOAD_BYTES_MAX: u64 = 8 << 30;

/// Size of a download that names none: 8 MiB takes long enough to be seen and short enough to wait for.
const DOWNLOAD_BYTES: u64 = 8 << 20;

/// Between two lines of the endless stream: a person sees it move, and a cut is timed to a tenth of a second.
const LINE_INTERVAL: Duration = Duration::from_millis(100);

type PageBody = UnsyncBoxBody<Bytes, Infallible>;

/// Serves the intranet until it is to stop.
///
/// # Errors
/// The port cannot be had.
pub(crate) async fn serve(place: &Where) -> io::Result<()> {
    let listener = announce::tcp(place, json!({ "system": "web" })).await?;
    tokio::select! {
        served = pages::serve(listener, |request| async move { answer(&request) }) => served,
        ended = announce::end(place) => ended,
    }
}

/// One request of the intranet.
fn answer(request: &Request<Incoming>) -> Response<PageBody> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = page(StatusCode::METHOD_NOT_ALLOWED, include_str!("../pages/not-found.html"));
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/" => page(StatusCode::OK, include_str!("../pages/portal.html")),
        "/notices" => page(StatusCode::OK, include_str!("../pages/notices.html")),
        "/seats" => page(StatusCode::OK, include_str!("../pages/seats.html")),
        "/style.css" => typed("text/css; charset=utf-8", Full::from(include_str!("../pages/style.css")).boxed_unsync()),
        "/download" => download(request.uri().query()),
        "/stream" => typed("text/plain; charset=utf-8", endless()),
        _ => page(StatusCode::NOT_FOUND, include_str!("../pages/not-found.html")),
    }
}

fn page(status: StatusCode, text: &'static str) -> Response<PageBody> {
    let mut response = typed("text/html; charset=utf-8", Full::from(text).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn typed(media_type: &'static str, body: PageBody) -> Response<PageBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// `/download?bytes=N`: numbered lines of 64 bytes, so that whoever reads them can tell a lost or doubled part.
fn download(query: Option<&str>) -> Response<PageBody> {
    let wanted = query.and_then(|query| query.strip_prefix("bytes=")).map_or(Ok(DOWNLOAD_BYTES), str::parse);
    let Some(bytes) = wanted.ok().filter(|bytes| *bytes <= DOWNLOAD_BYTES_MAX) else {
        return page(StatusCode::BAD_REQUEST, include_str!("../pages/not-found.html"));
    };
    let chunks = stream::unfold(0_u64, move |offset| async move {
        (offset < bytes).then(|| (Ok::<_, Infallible>(Frame::data(lines_from(offset, bytes))), offset + CHUNK_BYTES))
    });
    let mut response = typed("text/csv; charset=utf-8", StreamBody::new(chunks).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    response
}

/// Bytes of a line of the download, its line feed included.
const LINE_BYTES: u64 = 64;

/// Bytes sent at once: 1,024 whole lines.
const CHUNK_BYTES: u64 = 1024 * LINE_BYTES;

/// The download's bytes from `offset` (a multiple of [`CHUNK_BYTES`]) to the end of the chunk or of the file.
fn lines_from(offset: u64, end: u64) -> Bytes {
    let first = offset / LINE_BYTES;
    let mut text = String::with_capacity(CHUNK_BYTES as usize);
    for line in first..first + CHUNK_BYTES / LINE_BYTES {
        text.push_str(&format!("{line:012},{:0>50}\n", line.wrapping_mul(2_654_435_761)));
    }
    let mut bytes = Bytes::from(text);
    bytes.truncate(usize::try_from(end - offset).unwrap_or(usize::MAX));
    bytes
}

/// A numbered line every [`LINE_INTERVAL`] for as long as somebody listens.
fn endless() -> PageBody {
    let lines = stream::unfold((0_u64, tokio::time::interval(LINE_INTERVAL)), |(line, mut clock)| async move {
        clock.tick().await;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(format!("{line}\n")))), (line + 1, clock)))
    });
    StreamBody::new(lines).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_download_has_its_number_and_the_last_chunk_ends_in_time() {
        let chunk = lines_from(CHUNK_BYTES, CHUNK_BYTES * 2);
        assert_eq!(chunk.len() as u64, CHUNK_BYTES);
        assert!(chunk.starts_with(b"000000001024,"));
        assert!(chunk.chunks(64).all(|line| line.len() == 64 && line[63] == b'\n'));
        assert_eq!(lines_from(0, 100).len(), 100);
    }
}
