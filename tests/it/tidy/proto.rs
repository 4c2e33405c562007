//! The proto files are the API's manual: every message, field, value and RPC has a comment.

use super::Rule;
use super::files::File;

pub const RULES: &[Rule] = &[Rule {
    says: "every message, field, enum value, service and RPC of the API has a comment",
    find: uncommented,
    bad: &[
        ("proto/unitscope/v1/x.proto", "message M {}"),
        ("proto/unitscope/v1/x.proto", "// It.\nmessage M {\n  string name = 1;\n}"),
        (
            "proto/unitscope/v1/x.proto",
            "// It.\nenum E {\n  // Not set.\n  E_UNSPECIFIED = 0;\n  E_ONE = 1;\n}",
        ),
        ("proto/unitscope/v1/x.proto", "// It.\nservice S {\n  rpc Get(A) returns (B);\n}"),
        (
            "proto/unitscope/v1/x.proto",
            "// It.\nmessage M {\n  // One.\n  oneof kind {\n    A a = 1;\n  }\n}",
        ),
    ],
    good: &[
        (
            "proto/unitscope/v1/x.proto",
            "syntax = \"proto3\";\n// It.\nmessage M {\n  // Its name.\n  string name = 1;\n}",
        ),
        ("proto/google/rpc/status.proto", "message Status {}"),
    ],
}];

fn uncommented(file: &File) -> Vec<String> {
    if !file.path.starts_with("proto/unitscope/") || !file.path.ends_with(".proto") {
        return Vec::new();
    }
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let commented = |place: usize| place > 0 && lines[place - 1].starts_with("//");
    let missing = lines.iter().enumerate().filter(|(place, line)| declares(line) && !commented(*place));
    missing.map(|(place, line)| file.place(place + 1, line)).collect()
}

/// True where a line begins a declaration: by its keyword, or, for fields and values, by its number.
fn declares(line: &str) -> bool {
    let keyword =
        ["message ", "enum ", "service ", "rpc ", "oneof "].iter().any(|keyword| line.starts_with(keyword));
    let number =
        line.rsplit_once(" = ").is_some_and(|(_, end)| end.trim_end_matches(';').parse::<u32>().is_ok());
    keyword || (number && !line.starts_with("//"))
}
