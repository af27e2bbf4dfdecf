//! As much of Bicep as `infra/main.bicep` is written in, and both it and its ARM JSON as comparable lines.
//!
//! A template becomes a map: the path of each value, and the value. A literal stands as it is. An expression stands for
//! all that it mentions (names, members of resources, functions, pieces of text), since the two languages write it in
//! different ways: `'id-${name}'` here is `[format('id-{0}', parameters('name'))]` there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Values by their paths.
pub type Lines = BTreeMap<String, String>;

type Mentions = BTreeSet<String>;

/// The functions by which JSON says what Bicep has a notation for.
const NOTATION: [&str; 11] = [
    "parameters",
    "variables",
    "reference",
    "resourceId",
    "format",
    "if",
    "not",
    "and",
    "equals",
    "createArray",
    "createObject",
];

/// A Bicep file.
pub struct Bicep {
    resources: BTreeMap<String, Resource>,
    /// Parameters and variables.
    names: BTreeSet<String>,
    /// The values of parameters, variables and outputs, by `parameters.name.default` and the like.
    declared: Vec<(String, Node)>,
}

struct Resource {
    kind: String,
    condition: Option<String>,
    body: BTreeMap<String, Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    /// All else, as it is written.
    Raw(String),
}

impl Bicep {
    pub fn parse(text: &str) -> Self {
        let mut bicep = Self { resources: BTreeMap::new(), names: BTreeSet::new(), declared: Vec::new() };
        let mut reader = Reader { rest: text };
        let mut decorators = Vec::new();
        while let Some(word) = reader.word() {
            match word {
                "@" => decorators.push(reader.raw()),
                "targetScope" => drop(reader.raw()),
                "param" => bicep.parameter(&mut reader, &std::mem::take(&mut decorators)),
                "var" => {
                    let name = reader.word().expect("a name").to_owned();
                    reader.expect("=");
                    bicep.declared.push((format!("variables.{name}"), reader.value()));
                    bicep.names.insert(name);
                }
                "resource" => bicep.resource(&mut reader),
                "output" => bicep.output(&mut reader, &std::mem::take(&mut decorators)),
                other => panic!("{other:?} is not known to this reader"),
            }
        }
        bicep
    }

    fn parameter(&mut self, reader: &mut Reader<'_>, decorators: &[String]) {
        let name = reader.word().expect("a name").to_owned();
        let kind = reader.word().expect("a type");
        let path = format!("parameters.{name}");
        let is_secure = decorators.iter().any(|decorator| decorator == "secure()");
        let kind = match (kind, is_secure) {
            ("string", true) => "securestring",
            ("object", true) => "secureObject",
            (kind, _) => kind,
        };
        self.declared.push((format!("{path}.type"), Node::Raw(format!("'{kind}'"))));
        if reader.eat("=") {
            self.declared.push((format!("{path}.defaultValue"), reader.value()));
        }
        self.decorated(&path, decorators);
        self.names.insert(name);
    }

    fn output(&mut self, reader: &mut Reader<'_>, decorators: &[String]) {
        let path = format!("outputs.{}", reader.word().expect("a name"));
        let kind = reader.word().expect("a type");
        self.declared.push((format!("{path}.type"), Node::Raw(format!("'{kind}'"))));
        reader.expect("=");
        self.declared.push((format!("{path}.value"), reader.value()));
        self.decorated(&path, decorators);
    }

    fn decorated(&mut self, path: &str, decorators: &[String]) {
        for decorator in decorators {
            let (name, argument) = decorator.split_once('(').expect("a decorator");
            let member = match name {
                "secure" => continue,
                "description" => "metadata.description",
                limit => limit,
            };
            let argument = argument.strip_suffix(')').expect("one line").to_owned();
            self.declared.push((format!("{path}.{member}"), Node::Raw(argument)));
        }
    }

    fn resource(&mut self, reader: &mut Reader<'_>) {
        let symbol = reader.word().expect("a name").to_owned();
        let Node::Raw(kind) = reader.value_until(" =") else { panic!("no type") };
        reader.expect("=");
        let condition = reader.eat("if").then(|| reader.parentheses());
        let Node::Object(body) = reader.value() else { panic!("{symbol} has no body") };
        let kind = literal(&kind).expect("a type is a text");
        let resource = Resource { kind, condition, body: body.into_iter().collect() };
        self.resources.insert(symbol, resource);
    }

    pub fn lines(&self) -> Lines {
        let mut lines = Lines::new();
        for (path, node) in &self.declared {
            self.flatten(path, node, &mut lines);
        }
        for (symbol, resource) in &self.resources {
            let at = |member: &str| format!("resources.{symbol}.{member}");
            let (kind, version) = resource.kind.split_once('@').expect("a version");
            lines.insert(at("type"), format!("{kind:?}"));
            lines.insert(at("apiVersion"), format!("{version:?}"));
            lines.insert(at("name"), self.line(&self.full_name(symbol)));
            lines.extend(resource.condition.iter().map(|condition| (at("condition"), self.line(condition))));
            let depends = self.depends_on(symbol);
            lines.extend(depends.into_iter().map(|other| (at(&format!("dependsOn {other}")), String::new())));
            for (member, node) in &resource.body {
                match (member.as_str(), node) {
                    ("name" | "parent" | "dependsOn", _) => {}
                    ("scope", Node::Raw(scope)) => {
                        drop(lines.insert(at("scope"), self.line(&format!("{scope}.id"))));
                    }
                    _ => self.flatten(&at(member), node, &mut lines),
                }
            }
        }
        lines
    }

    fn flatten(&self, path: &str, node: &Node, lines: &mut Lines) {
        match node {
            Node::Object(members) => {
                for (name, node) in members {
                    let name =
                        if name.contains("${") { self.line(&format!("'{name}'")) } else { name.clone() };
                    self.flatten(&format!("{path}.{name}"), node, lines);
                }
                if members.is_empty() {
                    lines.insert(path.to_owned(), "{}".to_owned());
                }
            }
            Node::Array(items) => {
                for (place, node) in items.iter().enumerate() {
                    self.flatten(&format!("{path}[{place}]"), node, lines);
                }
            }
            Node::Raw(text) => match text.strip_prefix("union(") {
                Some(rest) => {
                    let mut reader = Reader { rest };
                    self.flatten(path, &reader.value(), lines);
                    let more = reader.rest.strip_prefix(',').expect("two arguments");
                    lines.insert(format!("{path} and"), self.line(more));
                }
                None => drop(lines.insert(path.to_owned(), self.line(text))),
            },
        }
    }

    /// A literal as JSON; or all that an expression mentions.
    fn line(&self, text: &str) -> String {
        if let Some(literal) = literal(text) {
            return format!("{literal:?}");
        }
        if ["true", "false"].contains(&text) || text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.to_owned();
        }
        let mut mentions = Mentions::new();
        self.mention(text, &mut mentions);
        shown(&mentions)
    }

    fn mention(&self, text: &str, mentions: &mut Mentions) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first == '\'' {
                rest = self.mention_text(&rest[1..], mentions);
            } else if first.is_ascii_alphabetic() {
                let end = rest.find(|c: char| !is_of_name(c) && c != '.').unwrap_or(rest.len());
                let (chain, after) = rest.split_at(end);
                self.mention_chain(chain, after, mentions);
                rest = after;
            } else if first == '.' {
                // A member of what a function gave.
                let end =
                    rest[1..].find(|c: char| !is_of_name(c) && c != '.').map_or(rest.len(), |end| end + 1);
                rest = &rest[end..];
            } else {
                rest = &rest[first.len_utf8()..];
            }
        }
    }

    fn mention_chain(&self, chain: &str, after: &str, mentions: &mut Mentions) {
        let (first, member) = chain.split_once('.').unwrap_or((chain, ""));
        if after.starts_with('(') {
            mentions.insert(format!("{chain}()"));
        } else if after.starts_with(':') {
            mentions.insert(quoted(chain));
        } else if self.names.contains(first) {
            mentions.insert(first.to_owned());
        } else if self.resources.contains_key(first) {
            match member.strip_prefix("properties.") {
                Some(property) => drop(mentions.insert(format!("{first}.{property}"))),
                None => self.mention(&self.full_name(first), mentions),
            }
        }
    }

    /// Mentions the pieces of a text and what is put between them; gives what comes after the text.
    fn mention_text<'a>(&self, text: &'a str, mentions: &mut Mentions) -> &'a str {
        let end = end_of_text(text);
        let mut inside = &text[..end];
        while let Some((piece, rest)) = inside.split_once("${") {
            mention_pieces(piece, mentions);
            let end = rest.find('}').expect("an end");
            self.mention(&rest[..end], mentions);
            inside = &rest[end + 1..];
        }
        mention_pieces(inside, mentions);
        &text[end + 1..]
    }

    /// The name as an expression, after those of all its parents.
    fn full_name(&self, symbol: &str) -> String {
        let body = &self.resources[symbol].body;
        let Node::Raw(name) = &body["name"] else { panic!("{symbol} has no name") };
        match body.get("parent") {
            Some(Node::Raw(parent)) => format!("{} '/' {name}", self.full_name(parent)),
            _ => name.clone(),
        }
    }

    /// The resources that this one mentions.
    fn depends_on(&self, symbol: &str) -> BTreeSet<&str> {
        let resource = &self.resources[symbol];
        let mut written = Vec::new();
        for node in resource.body.values() {
            raw_texts(node, &mut written);
        }
        let is_of_word = |c: char| is_of_name(c) || c == '.';
        let words = written.iter().flat_map(|text| text.split(|c: char| !is_of_word(c)));
        let symbols = words.filter_map(|word| self.resources.get_key_value(word.split('.').next()?));
        symbols.map(|(other, _)| other.as_str()).filter(|other| *other != symbol).collect()
    }
}

/// Every value of a node as it is written, without its plain texts.
fn raw_texts(node: &Node, written: &mut Vec<String>) {
    match node {
        Node::Object(members) => {
            for (name, node) in members {
                if name.contains("${") {
                    written.push(name.clone());
                }
                raw_texts(node, written);
            }
        }
        Node::Array(items) => items.iter().for_each(|item| raw_texts(item, written)),
        Node::Raw(text) if literal(text).is_none() => written.push(text.clone()),
        Node::Raw(_) => {}
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if !self.rest.starts_with("//") && !self.rest.starts_with('#') {
                return;
            }
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }

    fn word(&mut self) -> Option<&'a str> {
        self.skip();
        let end = self.rest.find(|c: char| !is_of_name(c)).unwrap_or(self.rest.len());
        let end = if self.rest.starts_with('@') { 1 } else { end };
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn eat(&mut self, text: &str) -> bool {
        // Only on this line: what comes on the next one is another statement.
        let here = self.rest.trim_start_matches(' ');
        let Some(rest) = here.strip_prefix(text) else { return false };
        self.rest = rest;
        true
    }

    #[track_caller]
    fn expect(&mut self, text: &str) {
        assert!(self.eat(text), "no {text} at {:?}", &self.rest[..self.rest.len().min(40)]);
    }

    fn value(&mut self) -> Node {
        self.skip();
        if self.eat("{") {
            let mut members = Vec::new();
            while !self.closes('}') {
                let name = self.name();
                self.expect(":");
                members.push((name, self.value()));
            }
            Node::Object(members)
        } else if self.eat("[") {
            let mut items = Vec::new();
            while !self.closes(']') {
                items.push(self.value());
            }
            Node::Array(items)
        } else {
            Node::Raw(self.raw())
        }
    }

    fn closes(&mut self, bracket: char) -> bool {
        self.skip();
        let Some(rest) = self.rest.strip_prefix(bracket) else { return false };
        self.rest = rest;
        true
    }

    fn name(&mut self) -> String {
        match self.rest.strip_prefix('\'') {
            Some(rest) => {
                let end = end_of_text(rest);
                self.rest = &rest[end + 1..];
                rest[..end].to_owned()
            }
            None => self.word().expect("a name").to_owned(),
        }
    }

    fn value_until(&mut self, end: &str) -> Node {
        let at = self.rest.find(end).expect("an end");
        let (value, rest) = self.rest.split_at(at);
        self.rest = rest;
        Node::Raw(value.trim().to_owned())
    }

    fn parentheses(&mut self) -> String {
        self.rest = self.rest.trim_start();
        self.expect("(");
        let inside = self.balanced(|c| c == ')');
        self.expect(")");
        inside
    }

    /// An expression to the end of its line, or of what it is in.
    fn raw(&mut self) -> String {
        self.balanced(|c| ['\n', ',', '}', ']', ')'].contains(&c))
    }

    fn balanced(&mut self, is_end: impl Fn(char) -> bool) -> String {
        let (text, mut at, mut depth) = (self.rest, 0, 0_usize);
        while let Some(c) = text[at..].chars().next() {
            match c {
                c if depth == 0 && is_end(c) => break,
                '\'' => at += 1 + end_of_text(&text[at + 1..]),
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
        self.rest = &text[at..];
        text[..at].trim().to_owned()
    }
}

/// A template in JSON as the same lines.
pub fn lines_of_json(template: &Value) -> Lines {
    let mut lines = Lines::new();
    for part in ["parameters", "variables", "resources", "outputs"] {
        flatten_json(part, &template[part], &mut lines);
    }
    lines
}

fn flatten_json(path: &str, value: &Value, lines: &mut Lines) {
    match value {
        Value::Object(members) if members.is_empty() => drop(lines.insert(path.to_owned(), "{}".to_owned())),
        Value::Object(members) => {
            for (name, value) in members {
                let name = expression(name).map_or_else(|| name.clone(), line_of_json);
                flatten_json(&format!("{path}.{name}"), value, lines);
            }
        }
        Value::Array(items) if path.ends_with(".dependsOn") => {
            let others = items.iter().map(|item| item.as_str().expect("a symbol"));
            lines.extend(others.map(|other| (format!("{path} {other}"), String::new())));
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                flatten_json(&format!("{path}[{place}]"), value, lines);
            }
        }
        Value::String(text) => match expression(text) {
            Some(union) if union.starts_with("union(") => flatten_union(path, union, lines),
            Some(expression) => drop(lines.insert(path.to_owned(), line_of_json(expression))),
            None => drop(lines.insert(path.to_owned(), format!("{text:?}"))),
        },
        other => drop(lines.insert(path.to_owned(), other.to_string())),
    }
}

/// `union(createObject('name', value, …), more)`.
fn flatten_union(path: &str, union: &str, lines: &mut Lines) {
    let [object, more] = &arguments(union)[..] else { panic!("{union} does not join two") };
    for pair in arguments(object).chunks(2) {
        let [name, value] = pair else { panic!("{} has no value", pair[0]) };
        let name = name.trim_matches('\'');
        let line = match literal(value) {
            Some(literal) => format!("{literal:?}"),
            None => line_of_json(value),
        };
        lines.insert(format!("{path}.{name}"), line);
    }
    lines.insert(format!("{path} and"), line_of_json(more));
}

/// The arguments of a call.
fn arguments(call: &str) -> Vec<String> {
    let (_, inside) = call.split_once('(').expect("a call");
    let mut reader = Reader { rest: inside.strip_suffix(')').expect("its end") };
    let mut arguments = Vec::new();
    while !reader.rest.is_empty() {
        arguments.push(reader.balanced(|c| c == ','));
        reader.skip();
    }
    arguments
}

fn expression(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

fn line_of_json(expression: &str) -> String {
    let mut mentions = Mentions::new();
    let mut rest = expression;
    let mut function = "";
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let end = end_of_text(&rest[1..]) + 1;
            let text = &rest[1..end];
            rest = &rest[end + 1..];
            match std::mem::take(&mut function) {
                "parameters" | "variables" => drop(mentions.insert(text.to_owned())),
                "reference" => {
                    rest = rest.strip_prefix(").").expect("a member of the resource");
                    let end = rest.find(|c: char| !is_of_name(c) && c != '.').unwrap_or(rest.len());
                    mentions.insert(format!("{text}.{}", &rest[..end]));
                    rest = &rest[end..];
                }
                "resourceId" => {}
                "format" => mention_format(text, &mut mentions),
                _ => mention_pieces(text, &mut mentions),
            }
        } else if first.is_ascii_alphabetic() {
            let end = rest.find(|c: char| !is_of_name(c) && c != '.').unwrap_or(rest.len());
            (function, rest) = rest.split_at(end);
            if rest.starts_with('(') && !NOTATION.contains(&function) {
                mentions.insert(format!("{function}()"));
            }
        } else if first == '.' {
            let end = rest[1..].find(|c: char| !is_of_name(c) && c != '.').map_or(rest.len(), |end| end + 1);
            rest = &rest[end..];
        } else {
            function = if first == '(' { function } else { "" };
            rest = &rest[first.len_utf8()..];
        }
    }
    shown(&mentions)
}

fn mention_format(text: &str, mentions: &mut Mentions) {
    for piece in text.split('{') {
        let digits = piece.trim_start_matches(|c: char| c.is_ascii_digit());
        mention_pieces(digits.strip_prefix('}').unwrap_or(piece), mentions);
    }
}

/// The parts between slashes, since a child's name is written with and without its parent's.
fn mention_pieces(text: &str, mentions: &mut Mentions) {
    mentions.extend(text.split('/').filter(|piece| !piece.is_empty()).map(quoted));
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

fn shown(mentions: &Mentions) -> String {
    format!("= {}", Vec::from_iter(mentions.iter().map(String::as_str)).join(" "))
}

/// The text of a Bicep literal, if it is one.
fn literal(text: &str) -> Option<String> {
    let inside = text.strip_prefix('\'')?;
    let end = end_of_text(inside);
    let is_all = end + 1 == inside.len();
    (is_all && !inside.contains("${")).then(|| inside[..end].replace("\\'", "'"))
}

/// The place of the quotation mark that ends a text.
fn end_of_text(text: &str) -> usize {
    let mut is_escaped = false;
    let ends = |(_, c): &(usize, char)| {
        let ends = *c == '\'' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        ends
    };
    text.char_indices().find(ends).expect("an end").0
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
