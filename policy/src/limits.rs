//! Bounds on what a bundle and a session may grow to.

/// Most bytes of one file of a bundle: ten times the rules that a large city would write.
pub const FILE_BYTES_MAX: usize = 4 << 20;
/// Most files of a bundle: one rule file per system and a test table beside each.
pub const FILES_MAX: usize = 2_000;
/// Most rules: evaluation is linear in the rules that touch one question.
pub const RULES_MAX: usize = 20_000;
/// Most resources.
pub const RESOURCES_MAX: usize = 5_000;
/// Deepest nesting of a rule's condition: evaluation recurses, and a gateway task's stack is small.
pub const EXPRESSION_DEPTH_MAX: usize = 64;
/// Most answers that one session remembers; beyond it the memory starts anew. A person opens tens of systems.
pub const MEMO_ENTRIES_MAX: usize = 4_096;
/// Seconds by which a claim's time may lie ahead of our clock before the claim counts as absent: twice what an
/// unsynchronised PC drifts in a week. A claim from the future would never grow old.
pub const OBSERVED_AHEAD_SECONDS_MAX: u64 = 120;
/// Most approvals of one person in a bundle: one for each working day of a year, and some.
pub const APPROVALS_OF_PERSON_MAX: usize = 400;
/// Most days that one approval is for: somebody looks again every week.
pub const APPROVAL_DAYS_MAX: i64 = 7;
/// Most approvals that a subject brings: one per day of a month.
pub const APPROVALS_MAX: usize = 31;
/// Most nodes of the diagrams of one analysis: 100 bytes each, and a city's bundle needs some ten thousand.
pub const DIAGRAM_NODES_MAX: usize = 4_000_000;
/// Most cases of one part of a condition: it is evaluated once for each, a microsecond a time.
pub const ATOM_CASES_MAX: usize = 200_000;
/// Most states in which the patterns of one claim's texts are walked through together.
pub const TEXT_STATES_MAX: usize = 20_000;
/// Most texts that rules ask one list claim for, in an analysis: it looks at every set of them.
pub const LIST_MENTIONS_MAX: usize = 10;
/// Most pairs of people who are alike and systems that are looked through for rules that change nothing: some seconds.
pub const IDLE_QUESTIONS_MAX: usize = 200_000;
/// Most openings that are written down for one asker and resource: nobody reads more.
pub const OPENINGS_MAX: usize = 64;
