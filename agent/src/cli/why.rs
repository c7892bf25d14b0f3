//! `hitotsu why`.

use std::path::Path;

use hitotsu_model::control::WhyResponse;
use hitotsu_model::resource::{Target, TargetError, Transport};
use serde_json::json;

use super::End;
use super::output::Output;
use crate::control::{Answer, Ask, ask};

pub(super) async fn why(state_dir: &Path, target: &str, udp: bool, output: &Output) -> End {
    let transport = if udp { Transport::Udp } else { Transport::Tcp };
    let target = match parse(target, transport) {
        Ok(target) => target,
        Err(error) => {
            output.failed(&error);
            return End::Usage;
        }
    };
    let (why, fresh) = match ask(state_dir, &Ask::Why { target }).await {
        Ok(Answer::Why { why, fresh }) => (why, fresh),
        Ok(Answer::Problem(problem)) => return output.problem(&problem),
        Ok(Answer::Status(_) | Answer::Catalogue { .. }) => {
            return output.failure(&output.text("agent-answered-otherwise", &[]));
        }
        Err(error) => return output.not_answered(&error),
    };
    if output.json {
        output.json(&json!({ "why": why, "fresh": fresh }));
    } else {
        show(&why, fresh, output);
    }
    if why.allowed { End::Well } else { End::Problem }
}

fn show(why: &WhyResponse, fresh: bool, output: &Output) {
    if !fresh {
        output.say("why-old", &[]);
    }
    let target = why.target.to_string();
    let line = output.text(if why.allowed { "why-allowed" } else { "why-refused" }, &[("target", &target)]);
    output.line(&if why.allowed { output.good(&line) } else { output.bad(&line) });
    for problem in &why.problems {
        output.problem_lines(problem, "  ");
    }
    if !why.rules.is_empty() {
        let rules: Vec<&str> = why.rules.iter().map(|rule| rule.as_str()).collect();
        output.line(&output.faint(&format!("  {}", output.text("why-rules", &[("rules", &rules.join(", "))]))));
    }
}

/// `host:port`, or a URL with a scheme whose port everybody knows.
fn parse(text: &str, transport: Transport) -> Result<Target, TargetError> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Target::parse(text, transport);
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    if let Ok(target) = Target::parse(authority, transport) {
        return Ok(target);
    }
    let port = match scheme {
        "http" | "ws" => 80,
        "https" | "wss" => 443,
        "ssh" | "sftp" => 22,
        "smb" => 445,
        "rdp" => 3389,
        _ => return Err(TargetError::Port(text.to_owned())),
    };
    Target::parse(&format!("{authority}:{port}"), transport)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_may_be_an_authority_or_a_url() {
        let authority = |text: &str| parse(text, Transport::Tcp).map(|target| target.authority());
        assert_eq!(authority("files.example:8443"), Ok("files.example:8443".to_owned()));
        assert_eq!(authority("https://files.example/a:b?c"), Ok("files.example:443".to_owned()));
        assert_eq!(authority("http://me@files.example:81/"), Ok("files.example:81".to_owned()));
        assert_eq!(authority("ssh://[2001:db8::1]"), Ok("[2001:db8::1]:22".to_owned()));
        assert!(authority("files.example").is_err());
        assert!(authority("gopher://files.example").is_err());
    }
}
