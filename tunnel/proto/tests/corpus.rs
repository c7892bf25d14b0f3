//! Replays the committed corpus of the fuzzer with whatever compiler runs the tests.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use hitotsu_proto::fuzz::TARGETS;

/// Files of one target's corpus; more would make the tests slow and the repository heavy.
const FILES_MAX: usize = 40;
const FILE_BYTES_MAX: usize = 8 * 1024;

#[test]
fn the_committed_corpus_of_each_target_still_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    for (name, target) in TARGETS {
        let folder = corpus.join(name);
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files = 0;
        for entry in entries {
            let path = entry.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            assert!(input.len() <= FILE_BYTES_MAX, "{} is too large", path.display());
            target(&input);
            files += 1;
        }
        assert!((1..=FILES_MAX).contains(&files), "{name} has {files} files");
    }
}
