//! A refusal, and how each transport tells it.

use bytes::Bytes;
use hitotsu_model::code::Code;
use hitotsu_model::control::{PROBLEM_MEDIA_TYPE, Problem};
use hitotsu_model::ids::{FlowId, RuleId};
use hitotsu_model::message::{Language, Messages, Sentences};
use hitotsu_model::posture::ClaimName;

/// Why something was refused. There is always at least one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    first: Code,
    more: Vec<Code>,
    /// The claim that decided, where one did.
    pub claim: Option<ClaimName>,
    /// The deciding rules.
    pub rules: Vec<RuleId>,
}

impl Denied {
    /// A refusal for one reason, decided by no rule.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { first: code, more: Vec::new(), claim: None, rules: Vec::new() }
    }

    /// A refusal by policy. Empty codes mean that nothing permitted it.
    #[must_use]
    pub fn by_policy(codes: &[Code], claim: Option<ClaimName>, rules: Vec<RuleId>) -> Self {
        let (first, more) = codes.split_first().map_or((Code::NotPermitted, &[][..]), |(first, more)| (*first, more));
        Self { first, more: more.to_vec(), claim, rules }
    }

    /// The reason that is told first.
    #[must_use]
    pub fn code(&self) -> Code {
        self.first
    }

    /// All reasons.
    #[must_use]
    pub fn codes(&self) -> Vec<Code> {
        std::iter::once(self.first).chain(self.more.iter().copied()).collect()
    }

    /// The problem document, in one language. Rules stay unnamed where the asker may not even know the system.
    #[must_use]
    pub fn problem(&self, messages: &Messages, flow: Option<FlowId>) -> Problem {
        let mut problem = Problem::new(self.first, messages);
        problem.claim = self.claim;
        problem.flow = flow;
        if self.first != Code::NotPermitted {
            problem.rules.clone_from(&self.rules);
        }
        problem
    }
}

/// The sentences that a request asks for (`Accept-Language`), Japanese by default.
#[must_use]
pub fn asked_for<'s>(sentences: &'s Sentences, headers: &http::HeaderMap) -> &'s Messages {
    let asked = headers.get(http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or("");
    sentences.of(Language::from_locale(asked))
}

/// The HTTP response of a problem: its document and, for a proxied request, `Proxy-Status` (RFC 9209).
#[must_use]
pub fn response(problem: &Problem) -> http::Response<Bytes> {
    let status = http::StatusCode::from_u16(problem.status).unwrap_or(http::StatusCode::FORBIDDEN);
    let body = serde_json::to_vec(problem).map_or_else(|_| Bytes::new(), Bytes::from);
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
    let proxy_status = format!(
        "hitotsu; error={}; details=\"{} {}\"",
        problem.code.proxy_error(),
        problem.help_code,
        problem.code.slug()
    );
    if let Ok(value) = http::HeaderValue::from_str(&proxy_status) {
        headers.insert(http::HeaderName::from_static("proxy-status"), value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_status_proxy_status_and_sentence() {
        let sentences = Sentences::new(&[], &[]).expect("loads");
        let problem = Denied::new(Code::FirewallOff).problem(sentences.of(Language::Ja), Some(FlowId(7)));
        let response = response(&problem);
        assert_eq!(response.status(), 403);
        assert_eq!(
            response.headers()["proxy-status"],
            "hitotsu; error=http_request_denied; details=\"300301 firewall-off\""
        );
        assert!(String::from_utf8_lossy(response.body()).contains("ファイアウォール"));
    }

    #[test]
    fn a_person_who_may_not_know_a_system_is_told_no_rule() {
        let sentences = Sentences::new(&[], &[]).expect("loads");
        let rule: RuleId = "floor.x".parse().expect("id");
        let denied = Denied::by_policy(&[], None, vec![rule]);
        assert_eq!(denied.codes(), [Code::NotPermitted]);
        assert!(denied.problem(sentences.of(Language::En), None).rules.is_empty());
    }
}
