//! From rules to diagrams. Parts of conditions are evaluated by the engine itself, once for each class.

use std::collections::{BTreeSet, HashMap};

use hitotsu_model::posture::{ClaimName, ClaimValue};
use hitotsu_model::time::Timestamp;

use crate::bundle::Bundle;
use crate::decision::Action;
use crate::engine::evaluate::{Clock, Question, SeenClaim, Still};
use crate::engine::value::{Bits, Entity, EntityKind, Value};
use crate::explain::Effect;
use crate::limits::ATOM_CASES_MAX;
use crate::place::PlaceKind;
use crate::reach::ReachError;
use crate::reach::diagram::{Diagrams, FAILED, FAILS, HOLDS, Join, NO, NOT, Ref, TooLarge, YES};
use crate::reach::domain::{Domain, LEVELS, OWNERSHIPS, PROFILES, Variable};
use crate::rules::expression::{Expr, Rule};

/// Now, in every question of an analysis: ages are counted back from it.
const NOW: Timestamp = Timestamp(4_000_000_000_000);

/// Who asks, as rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    pub(crate) entity: Entity,
    pub(crate) groups: Bits,
}

/// What is chosen for each variable, by its number.
pub(crate) type Case = [usize; 8 + ClaimName::ALL.len()];

/// A rule of one bundle, asked by one principal of one resource, where its conditions read those.
type RuleKey = (usize, usize, Option<usize>, Option<u32>);

/// Makes diagrams of the rules of one or two bundles.
#[derive(Debug)]
pub(crate) struct Builder<'b> {
    pub(crate) bundles: Vec<&'b Bundle>,
    pub(crate) domain: Domain,
    pub(crate) diagrams: Diagrams,
    principals: Vec<(usize, Principal)>,
    rules: HashMap<RuleKey, Ref>,
    /// What can be at all.
    pub(crate) feasible: Ref,
}

impl<'b> Builder<'b> {
    pub(crate) fn new(bundles: Vec<&'b Bundle>, from: Timestamp) -> Result<Self, ReachError> {
        let domain = Domain::new(&bundles, from);
        if !domain.uncountable.is_empty() {
            return Err(ReachError::Uncountable(domain.uncountable.iter().cloned().collect()));
        }
        let mut builder = Self {
            bundles,
            domain,
            diagrams: Diagrams::default(),
            principals: Vec::new(),
            rules: HashMap::new(),
            feasible: NO,
        };
        builder.feasible = builder.make_feasible()?;
        Ok(builder)
    }

    /// What can be: clients without our agent show no state, and a state comes with the time of its evidence.
    fn make_feasible(&mut self) -> Result<Ref, TooLarge> {
        let mut silent = YES;
        for claim in ClaimName::ALL {
            let unknown = self.only(Variable::Claim(*claim), |class| class == 0)?;
            silent = self.diagrams.join(Join::And, silent, unknown)?;
        }
        let evidence = self.only(Variable::Evidence, |class| class != 0)?;
        let device = self.only(Variable::Profile, |class| class == 0)?;
        let none = self.diagrams.turn(NOT, evidence)?;
        let mute = self.diagrams.join(Join::And, none, silent)?;
        let shown = self.diagrams.join(Join::And, device, evidence)?;
        self.diagrams.join(Join::Or, shown, mute)
    }

    /// The function that asks for some classes of one variable.
    pub(crate) fn only(&mut self, variable: Variable, chosen: impl Fn(usize) -> bool) -> Result<Ref, TooLarge> {
        let classes = 0..self.domain.classes(variable);
        self.diagrams.node(variable.number(), classes.map(|class| if chosen(class) { YES } else { NO }).collect())
    }

    /// When `principal` may connect to a resource of bundle `side`.
    pub(crate) fn allowed(&mut self, side: usize, principal: &Principal, resource: u32) -> Result<Ref, ReachError> {
        let who = self.principal(side, principal);
        let bundle = *self.bundles.get(side).ok_or(ReachError::TooLarge)?;
        let engine = &bundle.engine;
        let about = engine.rules_about(principal.entity, &principal.groups);
        let candidates = engine.numbers(Action::Connect, resource, &about);
        let candidates: Vec<(usize, &Rule)> =
            candidates.filter_map(|index| Some((index, engine.rules.get(index)?))).collect();
        let of = |effect: Effect| candidates.iter().copied().filter(move |(_, rule)| rule.effect == effect);
        let (mut permitted, mut refused) = (NO, NO);
        for (index, rule) in of(Effect::Permit) {
            let matches = self.rule(side, index, rule, who, resource)?;
            let (holds, fails) = (self.diagrams.turn(HOLDS, matches)?, self.diagrams.turn(FAILS, matches)?);
            permitted = self.diagrams.join(Join::Or, permitted, holds)?;
            refused = self.diagrams.join(Join::Or, refused, fails)?;
        }
        let mut allowed = self.diagrams.without(permitted, refused)?;
        allowed = self.diagrams.join(Join::And, allowed, self.feasible)?;
        for (index, rule) in of(Effect::Forbid) {
            if allowed == NO {
                break;
            }
            let matches = self.rule(side, index, rule, who, resource)?;
            let passes = self.diagrams.turn(NOT, matches)?;
            let passes = self.diagrams.turn(HOLDS, passes)?;
            allowed = self.diagrams.join(Join::And, allowed, passes)?;
        }
        Ok(allowed)
    }

    /// When a rule matches whose scope names `principal` and the resource.
    pub(crate) fn matching(
        &mut self,
        side: usize,
        index: usize,
        principal: &Principal,
        resource: u32,
    ) -> Result<Ref, ReachError> {
        let who = self.principal(side, principal);
        let Some(bundle) = self.bundles.get(side).copied() else { return Ok(NO) };
        let Some(rule) = bundle.engine.rules.get(index) else { return Ok(NO) };
        self.rule(side, index, rule, who, resource)
    }

    fn principal(&mut self, side: usize, principal: &Principal) -> usize {
        let known = self.principals.iter().position(|(at, known)| *at == side && known == principal);
        known.unwrap_or_else(|| {
            self.principals.push((side, principal.clone()));
            self.principals.len() - 1
        })
    }

    /// When a rule matches. Its scope is known to.
    fn rule(&mut self, side: usize, index: usize, rule: &Rule, who: usize, resource: u32) -> Result<Ref, ReachError> {
        let (mut reads_who, mut reads_what) = (false, false);
        for clause in &rule.clauses {
            clause.walk(&mut |part| {
                reads_who |= matches!(part, Expr::Principal);
                reads_what |= matches!(part, Expr::Resource | Expr::RequirePerson);
            });
        }
        let key = (side, index, reads_who.then_some(who), reads_what.then_some(resource));
        if let Some(known) = self.rules.get(&key) {
            return Ok(*known);
        }
        let asked = Asked { side, who, resource };
        let mut matches = YES;
        for clause in &rule.clauses {
            let holds = self.condition(asked, clause, rule)?;
            matches = self.diagrams.join(Join::And, matches, holds)?;
        }
        self.rules.insert(key, matches);
        Ok(matches)
    }

    fn condition(&mut self, asked: Asked, expr: &Expr, rule: &Rule) -> Result<Ref, ReachError> {
        let (join, parts, mut whole) = match expr {
            Expr::All(parts) => (Join::And, parts, YES),
            Expr::Any(parts) => (Join::Or, parts, NO),
            Expr::Not(part) => {
                let inner = self.condition(asked, part, rule)?;
                return Ok(self.diagrams.turn(NOT, inner)?);
            }
            Expr::Constant(_)
            | Expr::Principal
            | Expr::Action
            | Expr::Resource
            | Expr::RequirePerson
            | Expr::Context(_)
            | Expr::Has(_)
            | Expr::If(_)
            | Expr::Two(..)
            | Expr::Negate(_)
            | Expr::IsEmpty(_)
            | Expr::Like(..)
            | Expr::IsKind(..)
            | Expr::Set(_) => return self.atom(asked, expr, rule),
        };
        for part in parts {
            let part = self.condition(asked, part, rule)?;
            whole = self.diagrams.join(join, whole, part)?;
        }
        Ok(whole)
    }

    /// A part of a condition, evaluated for every case of what it reads.
    fn atom(&mut self, asked: Asked, expr: &Expr, rule: &Rule) -> Result<Ref, ReachError> {
        let read: BTreeSet<Variable> = expr.attributes().into_iter().map(Variable::of).collect();
        let cases = read.iter().try_fold(1_usize, |cases, variable| cases.checked_mul(self.domain.classes(*variable)));
        if cases.is_none_or(|cases| cases > ATOM_CASES_MAX) {
            return Err(ReachError::TooManyCases { file: rule.file.clone(), line: rule.line });
        }
        let read: Vec<Variable> = read.into_iter().collect();
        Ok(self.cases(asked, expr, &read, &mut Case::default())?)
    }

    fn cases(&mut self, asked: Asked, expr: &Expr, read: &[Variable], case: &mut Case) -> Result<Ref, TooLarge> {
        let Some((variable, later)) = read.split_first() else { return Ok(self.evaluate(asked, expr, case)) };
        let mut children = Vec::new();
        for class in 0..self.domain.classes(*variable) {
            if let Some(chosen) = case.get_mut(usize::from(variable.number())) {
                *chosen = class;
            }
            children.push(self.cases(asked, expr, later, case)?);
        }
        self.diagrams.node(variable.number(), children)
    }

    fn evaluate(&self, asked: Asked, expr: &Expr, case: &Case) -> Ref {
        let (Some(bundle), Some((_, who))) = (self.bundles.get(asked.side), self.principals.get(asked.who)) else {
            return FAILED;
        };
        let (still, clock) = situation(bundle, &self.domain, asked.side, who, case);
        let require_person = bundle.resources().nth(asked.resource as usize).is_none_or(|found| found.require_person);
        let question = Question {
            names: &bundle.engine.names,
            still: &still,
            clock,
            action: Action::Connect,
            resource: asked.resource,
            require_person,
        };
        match question.truth(expr) {
            Ok(true) => YES,
            Ok(false) => NO,
            Err(_) => FAILED,
        }
    }
}

/// Which question.
#[derive(Debug, Clone, Copy)]
struct Asked {
    side: usize,
    who: usize,
    resource: u32,
}

/// The facts of a case, as the engine takes them.
fn situation(bundle: &Bundle, domain: &Domain, side: usize, who: &Principal, case: &Case) -> (Still, Clock) {
    let class = |variable: Variable| case.get(usize::from(variable.number())).copied().unwrap_or(0);
    let text = |text: &str| Value::Text(text.into());
    let names = &bundle.engine.names;
    let place = domain.places.get(class(Variable::Place)).and_then(|place| place.ids.get(side)?.as_ref());
    let kind = place.and_then(|id| bundle.place(id)).map_or(PlaceKind::Unknown, |place| place.kind);
    let word = |found: Option<&str>| text(found.unwrap_or("unknown"));
    let ago = |seconds: i64| Timestamp(NOW.0.saturating_sub(seconds.saturating_mul(1000)));
    let claims = ClaimName::ALL.iter().map(|name| {
        let known = domain.claim(*name).get(class(Variable::Claim(*name)))?.as_ref()?;
        let source = text(known.source.as_str());
        Some(SeenClaim { value: value(&known.value)?, source, observed_at: ago(known.age) })
    });
    let still = Still {
        principal: who.entity,
        groups: who.groups.clone(),
        profile: word(PROFILES.get(class(Variable::Profile)).map(|profile| profile.as_str())),
        ownership: word(OWNERSHIPS.get(class(Variable::Ownership)).map(|ownership| ownership.as_str())),
        level: Value::Long(i64::try_from(class(Variable::Level).min(LEVELS)).unwrap_or(0)),
        place: Value::Entity(names.place(place)),
        place_kind: text(kind.as_str()),
        attested_at: domain.evidence.get(class(Variable::Evidence)).copied().flatten().map(ago),
        claims: claims.collect(),
    };
    let day = class(Variable::Day);
    let today = domain.days.get(day);
    let clock = Clock {
        now: NOW,
        minute: domain.minutes.get(class(Variable::Minute)).copied().unwrap_or(0),
        weekday: today.map_or(0, |today| today.weekday),
        holiday: today.and_then(|today| today.holiday.get(side)).copied().unwrap_or(false),
        date: domain.dates.get(day).and_then(|dates| dates.first()).copied().unwrap_or(0),
        approved: class(Variable::Approved) == 1,
    };
    (still, clock)
}

fn value(claim: &ClaimValue) -> Option<Value> {
    match claim {
        ClaimValue::Bool(flag) => Some(Value::Bool(*flag)),
        ClaimValue::Integer(number) => Some(Value::Long(*number)),
        ClaimValue::Text(text) => Some(Value::Text(text.as_str().into())),
        ClaimValue::TextList(list) => {
            Some(Value::set(list.iter().map(|text| Value::Text(text.as_str().into())).collect()))
        }
        ClaimValue::Unknown(_) => None,
    }
}

/// The principal of a person, if the bundle knows them, or of a device without one.
pub(crate) fn principal_of(bundle: &Bundle, who: &crate::reach::Asker) -> Option<Principal> {
    let names = &bundle.engine.names;
    match (&who.person, who.device) {
        (Some(person), _) => names.people.get(person).map(|member| Principal {
            entity: Entity { kind: EntityKind::User, number: member.number },
            groups: member.groups.clone(),
        }),
        (None, Some(device)) => Some(Principal { entity: names.device(device), groups: Bits::default() }),
        (None, None) => None,
    }
}

/// What a principal comes down to: two with the same are answered alike by every rule that names none but `named`.
pub(crate) fn kind_of(named: &BTreeSet<Entity>, principal: Principal) -> Principal {
    let entity = principal.entity;
    if named.contains(&entity) {
        principal
    } else {
        Principal { entity: Entity { number: u32::MAX, ..entity }, ..principal }
    }
}

/// The people and devices that rules name one by one.
pub(crate) fn named_one_by_one(bundle: &Bundle) -> BTreeSet<Entity> {
    let mut named = BTreeSet::new();
    for rule in &bundle.engine.rules {
        named.extend(rule.principal.equal.iter().chain(&rule.principal.within).copied());
        for clause in &rule.clauses {
            clause.walk(&mut |part| {
                if let Expr::Constant(value) = part {
                    entities_in(value, &mut named);
                }
            });
        }
    }
    named
}

fn entities_in(value: &Value, found: &mut BTreeSet<Entity>) {
    match value {
        Value::Entity(entity) => {
            found.insert(*entity);
        }
        Value::Set(members) => members.iter().for_each(|member| entities_in(member, found)),
        Value::Bool(_) | Value::Long(_) | Value::Text(_) => {}
    }
}
