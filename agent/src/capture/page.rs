//! A refusal as an HTTP answer: a page for people, a problem document for programs.

use bytes::Bytes;
use hitotsu_model::code::Code;
use hitotsu_model::control::{PROBLEM_MEDIA_TYPE, Problem};
use hitotsu_model::html::escaped;
use hitotsu_model::message::{Language, Messages, Sentences};
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::session::Refused;

/// The answer to a request that was refused. `agent_language` is that of the problem's own words.
#[must_use]
pub fn refusal_response(
    refused: &Refused,
    request: &HeaderMap,
    sentences: &Sentences,
    agent_language: Language,
) -> Response<Bytes> {
    let language = wanted_language(request).unwrap_or(agent_language);
    let problem = in_language(&refused.problem, sentences.of(language), agent_language);
    let (media_type, body) = if wants_page(request) {
        ("text/html; charset=utf-8", page(&problem, sentences.of(language)))
    } else {
        (PROBLEM_MEDIA_TYPE, serde_json::to_string(&problem).unwrap_or_default())
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::FORBIDDEN);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.as_str()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"));
    for status in &refused.proxy_status {
        headers.append("proxy-status", status.clone());
    }
    if let Some(status) = own_proxy_status(refused) {
        headers.append("proxy-status", status);
    }
    response
}

/// Our own member of the list (RFC 9209 §2): an error if the refusal is ours, else only that we passed it on.
fn own_proxy_status(refused: &Refused) -> Option<HeaderValue> {
    let text = if refused.proxy_status.is_empty() {
        let code = refused.problem.code;
        format!("hitotsu-agent; error={}; details=\"{code}\"", code.proxy_error())
    } else {
        "hitotsu-agent".to_owned()
    };
    HeaderValue::from_str(&text).ok()
}

/// The problem in another language than it came in. A site's own rule has only the words that came.
fn in_language(problem: &Problem, messages: &Messages, agent_language: Language) -> Problem {
    if messages.language() == agent_language || problem.code == Code::SiteRule {
        return problem.clone();
    }
    let (title, remedy) = messages.code(problem.code);
    Problem { title, remedy, ..problem.clone() }
}

fn wanted_language(request: &HeaderMap) -> Option<Language> {
    request.get(ACCEPT_LANGUAGE)?.to_str().ok().map(Language::from_locale)
}

fn wants_page(request: &HeaderMap) -> bool {
    let accept = request.get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn page(problem: &Problem, messages: &Messages) -> String {
    let language = messages.language().as_str();
    let help_code = problem.help_code.to_string();
    let title = escaped(&problem.title);
    let remedy = escaped(&problem.remedy);
    let help = escaped(&messages.text("page-help-code", &[("code", &help_code)]));
    let heading = escaped(&messages.text("page-heading", &[]));
    format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{heading}</title>\n\
         <style>body{{font-family:sans-serif;max-width:40em;margin:10vh auto;padding:0 1em;line-height:1.7;\
         color:#1b1b1b;background:#fff}}h1{{font-size:1.4em}}.code{{color:#555}}\
         @media(prefers-color-scheme:dark){{body{{color:#eee;background:#1b1b1b}}.code{{color:#aaa}}}}</style>\n\
         </head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{remedy}</p>\n<p class=\"code\">{help}</p>\n</main>\n\
         </body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_a_problem_document_in_the_agents_language() {
        let response = respond(&refused(Code::FirewallOff), &[]);
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_MEDIA_TYPE);
        let problem: Problem = serde_json::from_slice(response.body()).expect("a problem");
        assert_eq!((problem.help_code, problem.title.as_str()), (300_301, "ファイアウォールが無効です。"));
        let status = response.headers()["proxy-status"].to_str().expect("text");
        assert_eq!(status, "hitotsu-agent; error=http_request_denied; details=\"300301 firewall-off\"");
    }

    #[test]
    fn a_browser_gets_a_page_in_its_own_language_with_the_help_code() {
        let response = respond(
            &refused(Code::FirewallOff),
            &[("accept", "text/html,application/xhtml+xml"), ("accept-language", "en-GB,en;q=0.9")],
        );
        let body = std::str::from_utf8(response.body()).expect("text");
        assert!(body.contains("<html lang=\"en\">") && body.contains("The firewall is off."), "{body}");
        assert!(body.contains("300301"), "{body}");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    }

    #[test]
    fn what_a_gateway_wrote_cannot_become_markup() {
        let mut refused = refused(Code::SiteRule);
        refused.problem.title = "<script>alert('&')</script>".to_owned();
        let response = respond(&refused, &[("accept", "text/html")]);
        let body = std::str::from_utf8(response.body()).expect("text");
        assert!(!body.contains("<script>") && body.contains("&lt;script&gt;"), "{body}");
    }

    #[test]
    fn a_sites_own_words_are_not_translated_away() {
        let mut refused = refused(Code::SiteRule);
        refused.problem.title = "議会の会期中は使えません。".to_owned();
        let response = respond(&refused, &[("accept-language", "en")]);
        let problem: Problem = serde_json::from_slice(response.body()).expect("a problem");
        assert_eq!(problem.title, "議会の会期中は使えません。");
    }

    #[test]
    fn the_gateways_proxy_status_comes_first_and_ours_follows() {
        let mut refused = refused(Code::UpstreamRefused);
        refused.proxy_status.push(HeaderValue::from_static("hitotsu-gateway; error=connection_refused"));
        let response = respond(&refused, &[]);
        let members: Vec<_> = response.headers().get_all("proxy-status").iter().collect();
        assert_eq!(members, ["hitotsu-gateway; error=connection_refused", "hitotsu-agent"]);
        assert_eq!(response.status(), 502);
    }

    fn respond(refused: &Refused, headers: &[(&'static str, &str)]) -> Response<Bytes> {
        let mut request = HeaderMap::new();
        for (name, value) in headers {
            request.insert(*name, value.parse().expect("value"));
        }
        refusal_response(refused, &request, &crate::message::sentences().expect("sentences"), Language::Ja)
    }

    fn refused(code: Code) -> Refused {
        Refused::here(Problem::new(code, &crate::message::messages(Language::Ja).expect("messages")))
    }
}
