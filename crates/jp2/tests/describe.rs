//! The description of every real file equals that of an independent script, where it is at hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::process::Command;

use cubeflight_jp2::{describe, scan_bytes};
use serde_json::Value;

#[test]
fn descriptions_equal_the_script() {
    let Some(root) = common::realdata() else { return };
    let script = root.join("../tools/jp2struct.py");
    if !script.is_file() {
        println!("skipped: no script that describes JP2 files");
        return;
    }
    let names = common::real_files(&root);
    let mut command = Command::new("python3");
    command.arg(&script).arg("--json").args(names.iter().map(|name| root.join(name)));
    let Ok(output) = command.output() else {
        println!("skipped: no python3");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), names.len());
    for (name, line) in names.iter().zip(lines) {
        let mut expected: Value = serde_json::from_str(line).unwrap();
        // added by the caller, who knows the name
        let expected = expected.as_object_mut().unwrap();
        expected.remove("file");
        expected.remove("sha256");
        let structure = scan_bytes(&common::read(&root, name)).unwrap();
        let found = serde_json::to_value(describe(&structure)).unwrap();
        let found = found.as_object().unwrap();
        for (key, value) in expected.iter() {
            assert_eq!(found.get(key), Some(value), "{name}: {key}");
        }
        assert_eq!(found.len(), expected.len(), "{name}");
    }
}
