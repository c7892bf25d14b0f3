//! `hitotsu catalogue`.

use std::path::Path;

use hitotsu_model::control::{Catalogue, CatalogueEntry, CataloguePorts};
use hitotsu_model::message::Language;
use serde_json::json;

use super::End;
use super::output::Output;
use crate::control::{Answer, Ask, ask};

pub(super) async fn catalogue(state_dir: &Path, output: &Output) -> End {
    let (catalogue, fresh) = match ask(state_dir, &Ask::Catalogue).await {
        Ok(Answer::Catalogue { catalogue, fresh }) => (catalogue, fresh),
        Ok(Answer::Problem(problem)) => return output.problem(&problem),
        Ok(Answer::Status(_) | Answer::Why { .. }) => {
            return output.failure(&output.text("agent-answered-otherwise", &[]));
        }
        Err(error) => return output.not_answered(&error),
    };
    if output.json {
        output.json(&json!({ "catalogue": catalogue, "fresh": fresh }));
        return End::Well;
    }
    if !fresh {
        output.say("catalogue-old", &[]);
    }
    show(&catalogue, output);
    End::Well
}

fn show(catalogue: &Catalogue, output: &Output) {
    if catalogue.entries.is_empty() {
        output.say("catalogue-empty", &[]);
    }
    for entry in &catalogue.entries {
        let mark = if entry.allowed { output.good("○") } else { output.bad("×") };
        let title = match output.messages.language() {
            Language::Ja => &entry.title_ja,
            Language::En => &entry.title_en,
        };
        output.line(&format!("{mark} {title}  {}", output.faint(&places(entry))));
        for problem in &entry.problems {
            output.problem_lines(problem, "    ");
        }
    }
}

fn places(entry: &CatalogueEntry) -> String {
    let ports: Vec<String> = entry.ports.iter().map(ports).collect();
    format!("{}  {}  {}", entry.hosts.join(" "), ports.join(" "), entry.tier)
}

fn ports(ports: &CataloguePorts) -> String {
    if ports.first == ports.last {
        format!("{}/{}", ports.transport, ports.first)
    } else {
        format!("{}/{}-{}", ports.transport, ports.first, ports.last)
    }
}
