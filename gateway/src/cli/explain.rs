//! `hitotsu-gateway explain`: what a person reads who calls with a six-digit number, which rules say so, and to whom it was
//! said lately.

use std::collections::{HashMap, VecDeque};
use std::process::ExitCode;

use hitotsu_model::audit::{AuditEvent, AuditRecord};
use hitotsu_model::code::Code;
use hitotsu_model::ids::{DeviceId, PersonId, RuleId, SessionId};
use hitotsu_model::message::{Language, Messages};
use hitotsu_model::time::Timestamp;
use hitotsu_policy::bundle::RuleNote;
use serde::Serialize;
use serde_json::json;

use super::session::refused;
use super::{CliError, Context, told};
use crate::audit::each;
use crate::bundle_dir;
use crate::clock;

/// What `explain` is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The number that the person reads out, or the name of the reason.
    code: Code,
    /// How many of the latest refusals to show.
    #[arg(short, long, default_value_t = 10)]
    number: usize,
}

/// What a person reads, in one language.
#[derive(Debug, Serialize)]
struct Sentence {
    language: Language,
    title: String,
    remedy: String,
}

/// One refusal of the log.
#[derive(Debug, Clone, Serialize)]
struct Refusal {
    at: Timestamp,
    person: Option<PersonId>,
    device: Option<DeviceId>,
    target: Option<String>,
    rules: Vec<RuleId>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<ExitCode, CliError> {
    let config = context.config()?;
    let bundle = bundle_dir::load(&config.policy_dir).map_err(told)?;
    let sentences = [Language::Ja, Language::En].into_iter().map(|language| sentence(args.code, language));
    let sentences: Vec<Sentence> = sentences.collect::<Result<_, _>>()?;
    let rules: Vec<RuleNote> = bundle.rules_with(args.code).collect();
    let mut latest = Latest::default();
    each(&config.audit_dir, |record| latest.look(args, record)).map_err(told)?;
    let refusals: Vec<Refusal> = latest.refusals.into_iter().collect();
    let value = json!({
        "code": args.code, "number": args.code.number(), "sentences": sentences, "rules": rules, "refusals": refusals,
    });
    context.say(&value, || text(args.code, &sentences, &rules, &refusals, context))?;
    Ok(ExitCode::SUCCESS)
}

fn sentence(code: Code, language: Language) -> Result<Sentence, CliError> {
    let (title, remedy) = Messages::new(language, &[]).map_err(refused)?.code(code);
    Ok(Sentence { language, title, remedy })
}

/// The latest refusals, found in one walk through the log.
#[derive(Debug, Default)]
struct Latest {
    sessions: HashMap<SessionId, (DeviceId, Option<PersonId>)>,
    refusals: VecDeque<Refusal>,
}

impl Latest {
    fn look(&mut self, args: &Args, AuditRecord { at, event }: AuditRecord) {
        if let AuditEvent::SessionOpened { session, device, person, .. } = event {
            self.sessions.insert(session, (device, person));
        } else if let AuditEvent::SessionClosed { session, code } = event {
            if code == Some(args.code) {
                self.add(at, session, None, Vec::new());
            }
            self.sessions.remove(&session);
        } else if let AuditEvent::FlowDenied { session, target, codes, rules, .. } = event {
            if codes.contains(&args.code) {
                self.add(at, session, Some(target.to_string()), rules);
            }
        } else if let AuditEvent::Evidence { session, refused, findings } = event {
            if refused == Some(args.code) || findings.contains(&args.code) {
                self.add(at, session, None, Vec::new());
            }
        } else if let AuditEvent::SessionRefused { device, code, .. } = event
            && code == args.code
        {
            let (device, rules) = (Some(device), Vec::new());
            self.refusals.push_back(Refusal { at, person: None, device, target: None, rules });
        }
        while self.refusals.len() > args.number {
            self.refusals.pop_front();
        }
    }

    fn add(&mut self, at: Timestamp, session: SessionId, target: Option<String>, rules: Vec<RuleId>) {
        let who = self.sessions.get(&session).cloned();
        let (device, person) = who.map_or((None, None), |(device, person)| (Some(device), person));
        self.refusals.push_back(Refusal { at, person, device, target, rules });
    }
}

fn text(code: Code, sentences: &[Sentence], rules: &[RuleNote], refusals: &[Refusal], context: &Context) -> String {
    let mut lines = vec![code.to_string()];
    for Sentence { language, title, remedy } in sentences {
        lines.push(format!("  [{}] {title} {remedy}", language.as_str()));
    }
    lines.push(context.text("explain-code-rules", &[("count", &rules.len().to_string())]));
    for rule in rules {
        lines.push(format!("  {}  {}:{}", rule.id, rule.file, rule.line));
        lines.extend(rule.ja.iter().map(|own| format!("    [ja] {own}")));
        lines.extend(rule.en.iter().map(|own| format!("    [en] {own}")));
    }
    lines.push(context.text("explain-code-refusals", &[("count", &refusals.len().to_string())]));
    for refusal in refusals {
        let person = refusal.person.as_ref().map_or("-", PersonId::as_str);
        let device = refusal.device.map_or_else(|| "-".to_owned(), |device| device.to_string());
        let target = refusal.target.as_deref().unwrap_or("-");
        let rules: Vec<&str> = refusal.rules.iter().map(RuleId::as_str).collect();
        lines.push(format!("  {}  {person}  {device}  {target}  {}", clock::local(refusal.at), rules.join(" ")));
    }
    lines.join("\n")
}
