//! Reading Cedar files: parse, check strictly, lower, lint.

use std::collections::BTreeMap;
use std::str::FromStr;

use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator, pst};
use hitotsu_model::code::Code;
use hitotsu_model::ids::RuleId;
use miette::Diagnostic;

use crate::engine::names::Names;
use crate::explain::Effect;
use crate::limits::RULES_MAX;
use crate::rules::attribute::{Attribute, schema_text};
use crate::rules::expression::{Expr, Operator, Rule};
use crate::rules::lint;
use crate::rules::lower::{Lowering, Misfit};
use crate::source::{Sink, Source, did_you_mean, line_starts};

/// The floor under every bundle, with the default age of evidence.
const BUILTIN: &str = include_str!("builtin.cedar");
/// The file that the floor under every bundle is told as.
pub(crate) const BUILTIN_FILE: &str = "builtin.cedar";
const FLOOR_FILE: &str = "floor.cedar";
const ANNOTATIONS: [&str; 4] = ["id", "code", "ja", "en"];

/// All rules of a bundle, in the order: built in, floor, files by name; within a file as written.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) rules: Vec<Rule>,
    /// The same rules as Cedar sees them: the oracle of the tests.
    pub(crate) policies: PolicySet,
}

/// One policy on its way.
struct Draft<'a> {
    source: Source<'a>,
    policy: Policy,
    offset: usize,
    id: RuleId,
}

/// Reads every Cedar file. What is wrong is told to the sources' sink; the rules are then incomplete.
pub(crate) fn read(files: &[Source<'_>], evidence_seconds: i64, names: &mut Names, sink: &Sink) -> Rules {
    let builtin = BUILTIN.replace("<= 600)", &format!("<= {evidence_seconds})"));
    let starts = line_starts(&builtin);
    let mut sources = vec![Source { file: BUILTIN_FILE, text: &builtin, starts: &starts, sink }];
    sources.extend(files.iter().filter(|source| source.file == FLOOR_FILE));
    sources.extend(files.iter().filter(|source| source.file != FLOOR_FILE));

    let mut drafts: Vec<Draft<'_>> = Vec::new();
    let mut seen: BTreeMap<RuleId, (&str, usize)> = BTreeMap::new();
    for source in sources {
        for draft in read_file(source) {
            let line = source.line(draft.offset);
            match seen.get(&draft.id) {
                Some((file, first)) => {
                    let what = format!("`@id(\"{}\")` is there already", id_of(&draft.policy).unwrap_or_default());
                    source.wrong(Some(line), what, format!("choose another id; the first is at {file}:{first}"));
                }
                None => {
                    seen.insert(draft.id.clone(), (source.file, line));
                    drafts.push(draft);
                }
            }
        }
    }
    if drafts.len() > RULES_MAX {
        let remedy = "name groups and tiers instead of single people and systems";
        sink.push(crate::error::BundleError {
            file: "rules".to_owned(),
            line: None,
            what: format!("there are {} rules, and {RULES_MAX} are the most", drafts.len()),
            remedy: remedy.to_owned(),
        });
    }
    lower_all(drafts, names, sink)
}

fn read_file(source: Source<'_>) -> Vec<Draft<'_>> {
    let set = match PolicySet::from_str(source.text) {
        Ok(set) => set,
        Err(errors) => {
            for error in errors.iter() {
                let line = error.labels().and_then(|mut labels| labels.next()).map(|label| source.line(label.offset()));
                let remedy =
                    error.help().map_or_else(|| "mend the rule's spelling".to_owned(), |help| help.to_string());
                source.wrong(line, format!("not Cedar: {error}"), remedy);
            }
            return Vec::new();
        }
    };
    if let Some(template) = set.templates().next() {
        let line = template.as_ref().loc().map(|loc| source.line(loc.span.offset()));
        source.wrong(line, "templates are not used here", "write the entity instead of the slot");
    }
    let mut policies: Vec<(usize, Policy)> = set
        .policies()
        .map(|policy| (policy.as_ref().loc().map_or(0, |loc| loc.span.offset()), policy.clone()))
        .collect();
    policies.sort_by_key(|(offset, _)| *offset);
    let drafts = policies.into_iter().filter_map(|(offset, policy)| check_annotations(source, offset, policy));
    drafts.collect()
}

/// `<file's stem>.<@id>`; tells annotations that are missing, wrong or unknown.
fn check_annotations(source: Source<'_>, offset: usize, policy: Policy) -> Option<Draft<'_>> {
    let line = Some(source.line(offset));
    for (key, _) in policy.annotations() {
        if !ANNOTATIONS.contains(&key) {
            source.wrong(line, format!("`@{key}` is not known here"), did_you_mean(key, ANNOTATIONS.into_iter()));
        }
    }
    let forbid = policy.effect() == cedar_policy::Effect::Forbid;
    if source.file == FLOOR_FILE && !forbid {
        source.wrong(line, "the floor may only forbid", "move this `permit` to a file in `rules/`");
    }
    match policy.annotation("code").map(Code::from_str) {
        Some(Ok(code)) if forbid => {
            let told = policy.annotation("ja").is_some() && policy.annotation("en").is_some();
            if code == Code::SiteRule && !told {
                let remedy = "add `@ja(\"...\")` and `@en(\"...\")` with the sentence that people read";
                source.wrong(line, "`@code(\"site-rule\")` needs its own sentences", remedy);
            }
        }
        Some(Ok(_)) => source.wrong(line, "a `permit` has no `@code`: it gives no reason", "take it away"),
        Some(Err(error)) => {
            let remedy = did_you_mean(&error.0, Code::ALL.iter().map(|code| code.slug()));
            source.wrong(line, error.to_string(), remedy);
        }
        None if forbid => {
            let remedy = "add `@code(\"...\")`, such as `@code(\"firewall-off\")` or `@code(\"site-rule\")`";
            source.wrong(line, "this `forbid` gives no reason", remedy);
        }
        None => {}
    }
    let Some(id) = id_of(&policy).filter(|id| !id.is_empty()) else {
        source.wrong(line, "this rule has no name", "add `@id(\"...\")` before it");
        return None;
    };
    let name = source.file.rsplit('/').next().unwrap_or(source.file);
    let stem = name.strip_suffix(".cedar").unwrap_or(name);
    match format!("{stem}.{id}").parse::<RuleId>() {
        Ok(id) => Some(Draft { source, policy: policy.new_id(PolicyId::new(id.as_str())), offset, id }),
        Err(error) => {
            source.wrong(line, error.to_string(), "rename the file or the `@id`");
            None
        }
    }
}

fn id_of(policy: &Policy) -> Option<String> {
    policy.annotation("id").map(ToOwned::to_owned)
}

fn lower_all(drafts: Vec<Draft<'_>>, names: &mut Names, sink: &Sink) -> Rules {
    let schema = match Schema::from_str(&schema_text()) {
        Ok(schema) => schema,
        Err(error) => {
            let what = format!("the built-in schema does not parse: {error}");
            let remedy = "this is a fault of the program; report it".to_owned();
            sink.push(crate::error::BundleError { file: BUILTIN_FILE.to_owned(), line: None, what, remedy });
            return Rules::default();
        }
    };
    let attributes = Attribute::by_name();
    let mut rules = Rules::default();
    for draft in &drafts {
        let (rule, policy) = lower(draft, names, &attributes);
        let added = rules.policies.add(policy);
        if let (Some(rule), Ok(())) = (rule, added) {
            rules.rules.push(rule);
        }
    }
    validate(&drafts, &rules.policies, schema);
    rules
}

/// Cedar's own checks, strict, warnings as errors.
fn validate(drafts: &[Draft<'_>], policies: &PolicySet, schema: Schema) {
    let by_id: BTreeMap<&str, &Draft<'_>> = drafts.iter().map(|draft| (draft.id.as_str(), draft)).collect();
    let tell = |id: &PolicyId, said: &dyn Diagnostic, remedy: &str| {
        let Some(draft) = by_id.get(AsRef::<str>::as_ref(id)) else { return };
        let offset = said.labels().and_then(|mut labels| labels.next()).map_or(draft.offset, |label| label.offset());
        // Cedar repeats the rule's name, which we tell by file and line.
        let text = said.to_string();
        let what =
            text.split_once(", ").filter(|(head, _)| head.starts_with("for policy")).map_or(text.as_str(), |(_, t)| t);
        let remedy = said.help().map_or_else(|| remedy.to_owned(), |help| help.to_string());
        draft.source.wrong(Some(draft.source.line(offset)), what, remedy);
    };
    let result = Validator::new(schema).validate(policies, ValidationMode::Strict);
    for error in result.validation_errors() {
        tell(error.policy_id(), error, "compare the attribute with what its type allows, after `context has ...`");
    }
    for warning in result.validation_warnings() {
        tell(warning.policy_id(), warning, "mend the rule's condition, or take the rule away");
    }
}

/// The rule for our engine and, with the same meaning, the policy for Cedar.
fn lower(draft: &Draft<'_>, names: &mut Names, attributes: &BTreeMap<String, Attribute>) -> (Option<Rule>, Policy) {
    let source = draft.source;
    let tell = |misfit: Misfit| {
        let after = source.text.get(draft.offset..).unwrap_or_default();
        let offset = misfit.near.and_then(|near| after.find(&near)).map_or(draft.offset, |at| draft.offset + at);
        source.wrong(Some(source.line(offset)), misfit.what, misfit.remedy);
    };
    let tree = match draft.policy.to_pst() {
        Ok(pst::Policy::Static(tree)) => tree,
        Ok(pst::Policy::Linked(_)) => return (None, draft.policy.clone()),
        Err(error) => {
            tell(Misfit::new(format!("not understood: {error}"), "write it another way"));
            return (None, draft.policy.clone());
        }
    };
    let body = tree.body();
    let mut lowering = Lowering { names, attributes, misfits: Vec::new() };
    let (principal, resource) = (lowering.principal(&body.principal), lowering.resource(&body.resource));
    let actions = lowering.actions(&body.action);
    let mut clauses = lowering.clauses(body.clauses());
    let mut misfits = std::mem::take(&mut lowering.misfits);

    let effect = match body.effect {
        pst::Effect::Permit => Effect::Permit,
        pst::Effect::Forbid => Effect::Forbid,
    };
    misfits.extend(lint::unknown_passes(effect, &clauses));
    let (boundaries, more) = lint::boundaries(&clauses);
    misfits.extend(more);
    let failed = !misfits.is_empty();
    misfits.into_iter().for_each(tell);

    let mut policy = draft.policy.clone();
    if effect == Effect::Permit && !lint::names_relay(&clauses) {
        clauses.insert(0, only_device());
        if let Some(narrower) = narrow(body) {
            policy = narrower;
        }
    }
    if failed {
        return (None, policy);
    }
    let annotation = |key: &str| draft.policy.annotation(key).map(ToOwned::to_owned);
    let rule = Rule {
        id: draft.id.clone(),
        file: source.file.to_owned(),
        line: source.line(draft.offset),
        effect,
        code: draft.policy.annotation("code").and_then(|code| code.parse().ok()),
        ja: annotation("ja"),
        en: annotation("en"),
        principal,
        actions,
        resource,
        clauses,
        boundaries,
    };
    (Some(rule), policy)
}

/// What every permit demands that does not name relays: clients without our agent get in only where a rule says so.
fn only_device() -> Expr {
    let parts = [Expr::Context(Attribute::Profile), Expr::Constant(crate::engine::value::Value::Text("device".into()))];
    Expr::Two(Operator::Equal, Box::new(parts))
}

/// [`only_device`] for Cedar.
fn narrow(body: &pst::Template) -> Option<Policy> {
    let example = "permit(principal, action, resource) when { context.profile == \"device\" };";
    let example = Policy::from_str(example).ok()?.to_pst().ok()?;
    let mut clauses = example.body().clauses().clone();
    clauses.extend(body.clauses().iter().cloned());
    let template = body.clone().try_with_clauses(clauses).ok()?;
    let tree = pst::StaticPolicy::try_from(template).ok()?;
    Policy::from_pst(pst::Policy::Static(tree)).ok()
}
