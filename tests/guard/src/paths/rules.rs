//! Decisions: `hitotsu-policy` alone, over the bundle of its own bench.

use std::hint::black_box;

use hitotsu_model::ids::ResourceId;
use hitotsu_policy::bench::{self, Size};
use hitotsu_policy::bundle::Bundle;
use hitotsu_policy::memo::Memo;
use hitotsu_policy::subject::PreparedSubject;

use crate::city::NOW;
use crate::counted::{Spent, counted};

/// A ward office: compiling the bundle of a whole city takes callgrind a minute and changes nothing about a question.
const SIZE: Size = Size { rules: 200, resources: 50, people: 200, questions: 0 };

struct Scene {
    bundle: Bundle,
    subject: PreparedSubject,
    resources: Vec<ResourceId>,
}

impl Scene {
    fn new() -> Self {
        let bundle = Bundle::compile(&bench::files(SIZE)).unwrap();
        let resources = bundle.resources().map(|resource| resource.id.clone()).collect();
        let subject = bundle.prepare(bench::subject(7, NOW));
        Self { bundle, subject, resources }
    }

    /// The resources in turn.
    fn questions(&self, operations: u64) -> impl Iterator<Item = &ResourceId> {
        self.resources.iter().cycle().zip(0..operations).map(|(resource, _)| resource)
    }
}

pub(super) fn prepare(operations: u64) -> Spent {
    let scene = Scene::new();
    let subject = bench::subject(7, NOW);
    let once = || drop(black_box(scene.bundle.prepare(black_box(&subject).clone())));
    once();
    counted(|| (0..operations).for_each(|_| once()))
}

pub(super) fn decide_new(operations: u64) -> Spent {
    let scene = Scene::new();
    let ask = |resource: &ResourceId| drop(black_box(scene.bundle.decide(black_box(&scene.subject), resource, NOW)));
    scene.resources.iter().for_each(ask);
    counted(|| scene.questions(operations).for_each(ask))
}

pub(super) fn decide_remembered(operations: u64) -> Spent {
    let scene = Scene::new();
    let mut memo = Memo::default();
    let mut ask =
        |resource: &ResourceId| drop(black_box(memo.decide(&scene.bundle, black_box(&scene.subject), resource, NOW)));
    scene.resources.iter().for_each(&mut ask);
    counted(|| scene.questions(operations).for_each(&mut ask))
}
