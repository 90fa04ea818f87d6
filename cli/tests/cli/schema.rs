//! Every JSON output, held against its schema in `docs/schema`.
//!
//! The check knows the part of JSON Schema that those schemas use, and refuses a schema that uses more.

use super::support::{Dir, EDGE, Ran, edge};
use serde_json::Value;

/// What is wrong with `value`, if something is; `at` is its place.
fn fault(schema: &Value, value: &Value, at: &str) -> Option<String> {
    schema.as_object().expect("a schema is an object").iter().find_map(|(word, rule)| {
        let fine = match word.as_str() {
            "$schema" | "title" | "description" => true,
            "type" => types(rule).any(|name| is(value, name)),
            "enum" => rule.as_array().expect("enum").contains(value),
            "minimum" => value.as_i64().is_none_or(|n| Some(n) >= rule.as_i64()),
            "required" => {
                let mut names = rule.as_array().expect("required").iter();
                let there = |name: &Value| value.get(name.as_str().expect("a name")).is_some();
                value.is_null() || names.all(there)
            }
            "items" => {
                let mut items = value.as_array().into_iter().flatten().enumerate();
                return items.find_map(|(n, item)| fault(rule, item, &format!("{at}[{n}]")));
            }
            "properties" => {
                let mut named = value.as_object().into_iter().flatten();
                return named.find_map(|(name, item)| {
                    fault(rule.get(name)?, item, &format!("{at}.{name}"))
                });
            }
            "additionalProperties" => {
                let known = &schema["properties"];
                let others = value.as_object().into_iter().flatten();
                let mut others = others.filter(|(name, _)| known.get(name).is_none());
                return others.find_map(|(name, item)| match rule {
                    Value::Bool(false) => Some(format!("{at}: there is no `{name}`")),
                    rule => fault(rule, item, &format!("{at}.{name}")),
                });
            }
            other => panic!("the check does not know `{other}`"),
        };
        (!fine).then(|| format!("{at}: {value} breaks {word} {rule}"))
    })
}

fn types(rule: &Value) -> impl Iterator<Item = &str> {
    let many = rule.as_array().map(Vec::as_slice).unwrap_or(std::slice::from_ref(rule));
    many.iter().map(|name| name.as_str().expect("a type is a word"))
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("the check does not know type `{other}`"),
    }
}

fn schema(name: &str) -> Value {
    let path = format!("{}/../docs/schema/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Holds lines against a schema; each line may say only what the schema names.
#[track_caller]
pub fn hold(name: &str, lines: &[Value]) {
    let schema = schema(name);
    assert!(!lines.is_empty(), "{name}: nothing to look at");
    for line in lines {
        assert_eq!(fault(&schema, line, name), None);
        for key in line.as_object().expect("a line is an object").keys() {
            assert!(schema["properties"].get(key).is_some(), "{name} does not document `{key}`");
        }
    }
}

fn json(dir: &Dir, args: &[&str]) -> Ran {
    dir.run(&[args, &["--format", "json"]].concat())
}

#[test]
fn the_check_finds_faults() {
    let run = schema("run");
    let good = serde_json::json!({
        "hook": "h", "engine": "vm", "packets": 1, "bytes": 60, "verdicts": {"pass": 1},
        "rules": [{"rule": "default", "action": "pass", "packets": 1, "bytes": 60}], "unjudged": 0
    });
    assert_eq!(fault(&run, &good, "run"), None);
    for (pointer, bad) in [
        ("/engine", "gpu".into()),
        ("/packets", "1".into()),
        ("/bytes", (-1).into()),
        ("/verdicts", serde_json::json!({"maybe": 1})),
        ("/rules", serde_json::json!([{"rule": "r"}])),
        ("/rules/0/packets", Value::Null),
    ] {
        let mut line = good.clone();
        *line.pointer_mut(pointer).unwrap() = bad;
        assert!(fault(&run, &line, "run").is_some(), "{pointer}");
    }
}

#[test]
fn check_and_fmt_and_compile_keep_to_their_schemas() {
    let dir = edge().with("w.l4", "set u: addr { 1.2.3.4 }\nhook xdp h { all -> dorp }\n");
    hold("check", &json(&dir, &["check", "w.l4"]).json());
    hold("fmt", &json(&dir, &["fmt", "--check", "edge.l4", "w.l4"]).json());
    hold("compile", &json(&dir, &["compile", "edge.l4"]).json());
}

#[test]
fn run_and_explain_keep_to_their_schemas() {
    let dir = edge();
    for pcaps in [&["edge.pcap"][..], &["edge.pcap", "edge.pcap"]] {
        let args = [&["run", "edge.l4", "--per-packet", "--pcap"], pcaps].concat();
        let lines = json(&dir, &args).json();
        let (summary, packets) = lines.split_last().unwrap();
        hold("run-packet", packets);
        hold("run", std::slice::from_ref(summary));
    }
    for packet in ["1", "2", "3", "4"] {
        let args = ["explain", "edge.l4", "--pcap", "edge.pcap", "--packet", packet];
        hold("explain", &json(&dir, &args).json());
    }
}

#[test]
fn test_keeps_to_its_schema() {
    let tests = "test \"right\" for edge { send ip(src 10.0.0.1) / udp() expect drop }\n\
                 test \"wrong\" for edge { send ip(src 10.0.0.1) / udp() expect pass }\n\
                 test \"gone\" for edge { pcap \"edge.pcap\" expect drop == 0 }\n\
                 test \"count\" for edge { expect count bogon == 1 }\n";
    let dir = edge().with("edge.l4", format!("{EDGE}{tests}"));
    let lines = json(&dir, &["test", "edge.l4"]).json();
    assert_eq!(lines.len(), 4);
    hold("test", &lines);
}
